/**
 * Deduplication compares two files block by block, and then lets one have the blocks of the other;
 * they must not change in between. Who writes directly holds the inode's lock shared, so that a
 * shared lock does not keep it out; who stores into a mapping holds none, as long as the page table
 * lets it.
 *
 *     CPU0  dedupe                    CPU1  direct write
 *      block 0 is the same
 *                                      block 0 = new
 *      block 1 is the same
 *      share the blocks: the new data are lost
 */
import {
  lock,
  type Program,
  rdlock,
  rdunlock,
  read,
  type Hands,
  type Steps,
  unlock,
  write,
} from '../program.ts';
import { anyState, type Model } from './model.ts';

const [SOURCE, MMAP, PAGE_A, PAGE_B] = [0, 1, 2, 3];
const [BLOCK_0, BLOCK_1, PTE] = [8, 9, 10];

const [TARGET, NEW] = [1, 7];

interface Files {
  /** What the blocks of the source hold; those of the target hold `TARGET`. */
  block0: number;
  block1: number;
  /** The page table lets stores through. */
  writable: boolean;
  lost: boolean;
}

function* compareAndShare(f: Files, hands: Hands): Steps {
  yield read(BLOCK_0);
  let same = f.block0 === TARGET;
  yield read(BLOCK_1);
  same &&= f.block1 === TARGET;
  if (!same) return;
  // Both at once become shared, whatever is in them.
  yield write(BLOCK_0);
  hands.touch(write(BLOCK_1));
  if (f.block0 !== TARGET || f.block1 !== TARGET) f.lost = true;
}

type Dedupe = (f: Files, hands: Hands) => Steps;

function* sharedLock(f: Files, hands: Hands): Steps {
  yield rdlock(SOURCE);
  yield* compareAndShare(f, hands);
  yield rdunlock(SOURCE);
}
function* exclusiveLock(f: Files, hands: Hands): Steps {
  yield lock(SOURCE);
  yield* compareAndShare(f, hands);
  yield unlock(SOURCE);
}
function* noFaults(f: Files, hands: Hands): Steps {
  yield lock(SOURCE);
  yield lock(MMAP);
  yield* compareAndShare(f, hands);
  yield unlock(MMAP);
  yield unlock(SOURCE);
}
/** Cleaning the pages takes the right to store away; the next store faults, and waits. */
function* cleanPages(f: Files, hands: Hands): Steps {
  yield lock(SOURCE);
  yield lock(MMAP);
  yield write(PTE);
  f.writable = false;
  yield* compareAndShare(f, hands);
  yield unlock(MMAP);
  yield unlock(SOURCE);
}

function* directWrite(f: Files): Steps {
  yield rdlock(SOURCE);
  yield write(BLOCK_0);
  f.block0 = NEW;
  yield rdunlock(SOURCE);
}

/** The processor looks at the page table and stores at once. */
function* store(f: Files, hands: Hands): Steps {
  for (let tries = 0; tries < 2; tries++) {
    yield read(PTE);
    if (f.writable) {
      hands.touch(write(BLOCK_1));
      f.block1 = NEW;
      return;
    }
    yield rdlock(MMAP);
    yield write(PTE);
    f.writable = true;
    yield rdunlock(MMAP);
  }
}

const program = (dedupe: Dedupe): Program<Files> => ({
  locks: 4,
  touches: true,
  objects: {
    [SOURCE]: 'i_rwsem',
    [MMAP]: 'invalidate_lock',
    [BLOCK_0]: 'block 0',
    [BLOCK_1]: 'block 1',
    [PTE]: 'page table entry',
  },
  names: ['dedupe', 'direct write', 'mapped store'],
  init: () => ({ block0: TARGET, block1: TARGET, writable: true, lost: false }),
  tasks: (f, hands) => [dedupe(f, hands), directWrite(f), store(f, hands)],
  check: (f) => !f.lost || 'blocks become shared whose contents differ',
});

function* twoPages(first: number, second: number): Steps {
  yield lock(first);
  yield lock(second);
  yield unlock(second);
  yield unlock(first);
}
/** Two of them at once, in the order of the arguments. */
const crossed: Program<null> = {
  locks: 4,
  objects: { [PAGE_A]: 'page of A', [PAGE_B]: 'page of B' },
  names: ['dedupe A, B', 'dedupe B, A'],
  init: () => null,
  tasks: () => [twoPages(PAGE_A, PAGE_B), twoPages(PAGE_B, PAGE_A)],
};

export const thread003: Model = {
  thread: '003',
  question: 'which locks keep the data of two files still while they are compared?',
  right: anyState(program(cleanPages)),
  wrong: {
    'source locked shared': anyState(program(sharedLock)),
    'source locked exclusively, faults go on': anyState(program(exclusiveLock)),
    'no faults, but stores go on': anyState(program(noFaults)),
    'pages locked in the order of the arguments': anyState(crossed),
  },
};
