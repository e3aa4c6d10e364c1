/**
 * Can the conversion of inline data move from the page fault into write-back? Write-back would have
 * to take the inode's lock; but it holds `i_lock`, which `enable_verity` takes under the inode's
 * lock, and it may be run by whoever holds the inode's lock and needs memory.
 *
 *     CPU0  write-back                CPU1  enable verity
 *      lock(i_lock)
 *                                      lock(inode_lock)
 *      lock(inode_lock)                lock(i_lock)                 deadlock
 */
import { lock, type Program, read, type Steps, trylock, unlock, write } from '../program.ts';
import type { Hands } from '../program.ts';
import { anyState, type Model } from './model.ts';

const [INODE, I_LOCK] = [0, 1];
const [INLINE, DIRTY] = [8, 9];

interface File {
  inline: boolean;
  dirty: boolean;
  bug: boolean;
}
type Writepages = (file: File) => Steps;

/** Writes what is dirty; inline data have no block to be written to. */
function* submit(file: File): Steps {
  yield read(INLINE);
  if (file.inline) file.bug = true;
  yield write(DIRTY);
  file.dirty = false;
}
function* convertAndSubmit(file: File): Steps {
  yield write(INLINE);
  file.inline = false;
  yield* submit(file);
}

function* waitForInode(file: File): Steps {
  yield lock(INODE);
  yield* convertAndSubmit(file);
  yield unlock(INODE);
}
/** If somebody has the inode, its folios stay dirty for the next time. */
function* tryInode(file: File): Steps {
  if (!(yield trylock(INODE))) return;
  yield* convertAndSubmit(file);
  yield unlock(INODE);
}

const writeback = (writepages: Writepages, underLock: boolean): Writepages =>
  function* (file) {
    if (underLock) yield lock(I_LOCK);
    yield* writepages(file);
    if (underLock) yield unlock(I_LOCK);
  };

function* enableVerity(): Steps {
  yield lock(INODE);
  yield lock(I_LOCK);
  yield unlock(I_LOCK);
  yield unlock(INODE);
}

/** The allocation of a folio may have to write others back first. */
function* writeFile(file: File, writepages: Writepages, hands: Hands): Steps {
  yield lock(INODE);
  if (hands.pick(2, 'memory is short') === 1) yield* writepages(file);
  yield write(DIRTY);
  file.dirty = true;
  yield unlock(INODE);
}

interface Parts {
  readonly writepages: Writepages;
  /** Write-back has `i_lock`. */
  readonly underLock?: boolean;
  readonly verity?: boolean;
  readonly write?: boolean;
}

const program = ({ writepages, underLock = false, verity, write }: Parts): Program<File> => ({
  locks: 2,
  objects: {
    [INODE]: 'inode_lock',
    [I_LOCK]: 'i_lock',
    [INLINE]: 'inline_flag',
    [DIRTY]: 'dirty_folio',
  },
  names: ['write-back', ...(verity ? ['enable verity'] : []), ...(write ? ['write'] : [])],
  init: () => ({ inline: true, dirty: true, bug: false }),
  tasks: (file, hands) => [
    writeback(writepages, underLock)(file),
    ...(verity ? [enableVerity()] : []),
    ...(write ? [writeFile(file, writepages, hands)] : []),
  ],
  check: (file) => !file.bug || 'inline data are written to a block that is not there',
});

export const thread000: Model = {
  thread: '000',
  question: 'can write-back convert inline data without a deadlock?',
  right: anyState(program({ writepages: tryInode, underLock: true, verity: true, write: true })),
  wrong: {
    'inode_lock under i_lock': anyState(
      program({ writepages: waitForInode, underLock: true, verity: true }),
    ),
    'inode_lock in reclaim': anyState(program({ writepages: waitForInode, write: true })),
    'no conversion': anyState(program({ writepages: submit, verity: true })),
  },
};
