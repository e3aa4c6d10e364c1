/**
 * Inline data and `mmap`: `page_mkwrite` takes the data out of the inode, finds no block, and puts
 * it back, while a write looks twice whether they are in the inode.
 *
 *     CPU0  page_mkwrite              CPU1  write                      CPU2  another file
 *      inline = no
 *                                      write_begin: not inline
 *                                                                       takes the last block
 *      no block: inline = yes
 *                                      write_end: inline: BUG
 *
 * Holding the inode's lock in the fault would mend it, but the fault has mmap_lock, which a write
 * takes under the inode's lock when it faults in its buffer. Converting in `->mmap` has mmap_lock
 * too.
 */
import { lock, type Program, read, type Steps, unlock, write } from '../program.ts';
import { anyState, type Model } from './model.ts';

const [INODE, XATTR, FOLIO, GROUP, MMAP] = [0, 1, 2, 3, 4];
const [INLINE, FREE] = [8, 9];

interface File {
  inline: boolean;
  free: number;
  bug: boolean;
}
type Task = (file: File) => Steps;

/** Takes a block. @returns whether there was one */
function* allocate(file: File): Generator<number, boolean, boolean> {
  yield lock(GROUP);
  yield read(FREE);
  const found = file.free > 0;
  if (found) {
    yield write(FREE);
    file.free--;
  }
  yield unlock(GROUP);
  return found;
}

function* convert(file: File): Steps {
  yield lock(XATTR);
  yield read(INLINE);
  if (file.inline) {
    yield write(INLINE);
    file.inline = false;
    if (!(yield* allocate(file))) {
      yield write(INLINE);
      file.inline = true;
    }
  }
  yield unlock(XATTR);
}

function* convertUnderInodeLock(file: File): Steps {
  yield lock(INODE);
  yield* convert(file);
  yield unlock(INODE);
}

/** `->mmap`: mmap_lock is held; a block is there, since nothing has to be put back. */
function* mmap(file: File): Steps {
  yield lock(MMAP);
  yield lock(INODE);
  yield lock(XATTR);
  yield read(INLINE);
  if (file.inline) {
    yield write(INLINE);
    file.inline = false;
  }
  yield unlock(XATTR);
  yield unlock(INODE);
  yield unlock(MMAP);
}

const writing = (faultsIn: boolean): Task =>
  function* (file) {
    yield lock(INODE);
    if (faultsIn) {
      yield lock(MMAP);
      yield unlock(MMAP);
    }
    yield read(INLINE);
    const prepared = file.inline;
    yield lock(FOLIO);
    yield read(INLINE);
    if (file.inline && !prepared) file.bug = true;
    yield unlock(FOLIO);
    yield unlock(INODE);
  };

function* otherFile(file: File): Steps {
  yield* allocate(file);
}

export interface Sizes {
  readonly faults: number;
  readonly writes: number;
  readonly others: number;
}
const ONE_EACH: Sizes = { faults: 1, writes: 1, others: 1 };

/** So many of each, with this function as the one that converts. */
export function inlineData(fault: Task, sizes = ONE_EACH, faultsIn = false): Program<File> {
  const { faults, writes, others } = sizes;
  const repeated = <T>(n: number, task: T): T[] => Array.from({ length: n }, () => task);
  const write = writing(faultsIn);
  const name = fault === mmap ? 'mmap' : 'page_mkwrite';
  return {
    locks: 5,
    objects: {
      [INODE]: 'inode_lock',
      [XATTR]: 'xattr_sem',
      [FOLIO]: 'folio_lock',
      [GROUP]: 'group_lock',
      [MMAP]: 'mmap_lock',
      [INLINE]: 'inline_flag',
      [FREE]: 'free_blocks',
    },
    names: [
      ...repeated(faults, name),
      ...repeated(writes, 'buffered write'),
      ...repeated(others, 'other file alloc'),
    ],
    init: () => ({ inline: true, free: 1, bug: false }),
    tasks: (file) =>
      [...repeated(faults, fault), ...repeated(writes, write), ...repeated(others, otherFile)].map(
        (task) => task(file),
      ),
    sees: (file, object) => (object === INLINE ? file.inline : file.free),
    check: (file) => !file.bug || 'write_end sees inline data that write_begin did not prepare for',
  };
}

export const faults = { convert, convertUnderInodeLock, mmap } as const;

/** Right as long as nobody holds mmap_lock: what the thread looks for is how to get there. */
export const thread002: Model = {
  thread: '002',
  question: 'how can a small file be mapped and written at once?',
  right: anyState(inlineData(convertUnderInodeLock)),
  wrong: {
    'convert in page_mkwrite': anyState(inlineData(convert)),
    'convert in ->mmap': anyState(inlineData(mmap, ONE_EACH, true)),
  },
};
