/**
 * A write holds the cluster lock of its file while it copies from a buffer; the buffer may be a
 * mapping of the same file, or of another one that somebody else writes from a mapping of this one.
 *
 *     CPU0  write A from B            CPU1  write B from A
 *      lock(glock of A)
 *                                      lock(glock of B)
 *      fault: lock(glock of B)         fault: lock(glock of A)      deadlock
 */
import { lock, type Program, read, type Steps, unlock, write } from '../program.ts';
import { anyState, type Model } from './model.ts';

/** Locks 0 and 1 are those of the two files, 2 and 3 those of the two address spaces. */
const MMAP = 2;
const PAGE = 8;

interface Memory {
  /** By file: is its page in memory, mapped? */
  readonly present: boolean[];
  readonly copied: boolean[];
}
type Copy = (m: Memory, file: number, from: number) => Steps;

function* fault(m: Memory, from: number, space: number): Steps {
  yield lock(MMAP + space);
  yield lock(from);
  yield write(PAGE + from);
  m.present[from] = true;
  yield unlock(from);
  yield unlock(MMAP + space);
}

function* copyWithFaults(m: Memory, file: number, from: number): Steps {
  yield lock(file);
  yield read(PAGE + from);
  if (!m.present[from]) yield* fault(m, from, file);
  m.copied[file] = true;
  yield unlock(file);
}

/** Faults are off under the lock: if one is needed, it is taken without, and all begins anew. */
function* copyOrLetGo(m: Memory, file: number, from: number): Steps {
  for (;;) {
    yield lock(file);
    yield read(PAGE + from);
    const there = m.present[from] === true;
    if (there) m.copied[file] = true;
    yield unlock(file);
    if (there) return;
    yield* fault(m, from, file);
  }
}

const program = (copy: Copy, from: readonly number[]): Program<Memory> => ({
  locks: 4,
  objects: {
    0: 'glock of A',
    1: 'glock of B',
    2: 'mmap_lock of process 0',
    3: 'mmap_lock of process 1',
    8: 'page of A',
    9: 'page of B',
  },
  names: from.map((f, t) => `write ${'AB'[t]!} from ${'AB'[f]!}`),
  init: () => ({ present: [false, false], copied: from.map(() => false) }),
  tasks: (m) => from.map((f, t) => copy(m, t, f)),
  sees: (m, object) => m.present[object - PAGE],
  check: (m) => m.copied.every((c) => c) || 'a write has copied nothing',
});

export const thread004: Model = {
  thread: '004',
  question: 'how does a copy survive a fault that needs the lock it is made under?',
  right: anyState(program(copyOrLetGo, [1, 0])),
  wrong: {
    'fault under the lock, own file': anyState(program(copyWithFaults, [0])),
    'fault under the lock, two files': anyState(program(copyWithFaults, [1, 0])),
  },
};
