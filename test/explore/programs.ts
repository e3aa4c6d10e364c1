/** Programs whose numbers of traces are published, or follow from a formula. */
import type { Program, Steps } from '../../src/explore/program.ts';
import {
  lock,
  rdlock,
  rdunlock,
  read,
  trylock,
  unlock,
  wake,
  wqueue,
  write,
} from '../../src/explore/program.ts';

const each = (n: number, task: (i: number) => Steps): Steps[] =>
  Array.from({ length: n }, (_, i) => task(i));

/** One writer, n readers of one variable. */
export const readers = (n: number): Program => ({
  init: () => null,
  tasks: () => [
    (function* (): Steps {
      yield write(0);
    })(),
    ...each(n, function* () {
      yield read(0);
    }),
  ],
});

/** Task 0 looks for the last zero of an array that n tasks fill. */
export const lastzero = (n: number, backwards = false): Program<Int32Array> => ({
  init: () => new Int32Array(n + 1),
  tasks: (a) => [
    (function* (): Steps {
      for (let i = n; ; i--) {
        yield read(i);
        if (a[i] === 0) break;
      }
    })(),
    ...each(n, function* (i) {
      const k = backwards ? n - 1 - i : i;
      yield read(k);
      const v = a[k]!;
      yield write(k + 1);
      a[k + 1] = v + 1;
    }),
  ],
});

export const lastwrite = (n: number): Program => ({
  init: () => null,
  tasks: () =>
    each(n, function* () {
      yield write(0);
    }),
});

export const floatingRead = (n: number): Program => ({
  init: () => null,
  tasks: () => [
    (function* (): Steps {
      yield read(0);
    })(),
    ...each(n, function* () {
      yield write(0);
    }),
  ],
});

interface Blocks {
  inode: Int32Array;
  busy: Int32Array;
}
/** Locks 0..31 of inodes, 32..57 of blocks; 64.. inodes, 96.. blocks. */
export const filesystem = (n: number): Program<Blocks> => ({
  locks: 64,
  init: () => ({ inode: new Int32Array(32), busy: new Int32Array(26) }),
  tasks: (s) =>
    each(n, function* (tid) {
      const i = tid % 32;
      yield lock(i);
      yield read(64 + i);
      if (s.inode[i] === 0) {
        for (let b = (i * 2) % 26; ; b = (b + 1) % 26) {
          yield lock(32 + b);
          yield read(96 + b);
          const free = s.busy[b] === 0;
          if (free) {
            yield write(96 + b);
            s.busy[b] = 1;
            yield write(64 + i);
            s.inode[i] = b + 1;
          }
          yield unlock(32 + b);
          if (free) break;
        }
      }
      yield unlock(i);
    }),
});

/** Hash table of 128 places, a lock each; every task inserts four numbers. */
export const indexer = (n: number): Program<Int32Array> => ({
  locks: 128,
  init: () => new Int32Array(128),
  tasks: (table) =>
    each(n, function* (tid) {
      for (let m = 1; m <= 4; m++) {
        const w = m * 11 + tid;
        for (let h = (w * 7) % 128; ; h = (h + 1) % 128) {
          yield lock(h);
          yield read(128 + h);
          const free = table[h] === 0;
          if (free) {
            yield write(128 + h);
            table[h] = w;
          }
          yield unlock(h);
          if (free) break;
        }
      }
    }),
});

interface Counter {
  x: number;
}
export const lostUpdate = (n: number, times = 1): Program<Counter> => ({
  init: () => ({ x: 0 }),
  check: (s) => s.x === n * times || `x is ${s.x}, not ${n * times}`,
  tasks: (s) =>
    each(n, function* () {
      for (let k = 0; k < times; k++) {
        yield read(0);
        const v = s.x;
        yield write(0);
        s.x = v + 1;
      }
    }),
});

export const lockedUpdate = (n: number, times = 1): Program<Counter> => ({
  ...lostUpdate(n, times),
  locks: 1,
  tasks: (s) =>
    each(n, function* () {
      for (let k = 0; k < times; k++) {
        yield lock(0);
        yield read(1);
        const v = s.x;
        yield write(1);
        s.x = v + 1;
        yield unlock(0);
      }
    }),
});

function* both(a: number, b: number): Steps {
  yield lock(a);
  yield lock(b);
  yield unlock(b);
  yield unlock(a);
}
const locksOnly = (locks: number, tasks: () => Steps[]): Program => ({
  locks,
  init: () => null,
  tasks,
});
export const abba = locksOnly(2, () => [both(0, 1), both(1, 0), both(0, 1)]);
export const abbaOrdered = locksOnly(2, () => [both(0, 1), both(0, 1), both(0, 1)]);
export const philosophers = (n: number): Program =>
  locksOnly(n, () => each(n, (i) => both(i, (i + 1) % n)));
export const philosophersOrdered = (n: number): Program =>
  locksOnly(n, () => each(n, (i) => (i === n - 1 ? both(0, i) : both(i, i + 1))));

/** @param fair  a writer that waits keeps new readers out */
export const rwsem = (reading: number, writing: number, fair: boolean): Program =>
  locksOnly(1, () => [
    ...each(reading, function* () {
      yield rdlock(0);
      yield rdunlock(0);
    }),
    ...each(writing, function* () {
      if (fair) yield wqueue(0);
      yield lock(0);
      yield unlock(0);
    }),
  ]);

function* tryTo(o: number): Steps {
  if (yield trylock(o)) yield unlock(o);
  else yield write(5);
}
/** Whether a race has to be turned round shows only when something else comes behind it. */
export const tries: Program = {
  locks: 3,
  init: () => null,
  tasks: () => [
    (function* (): Steps {
      yield rdlock(1);
      yield write(5);
      yield rdunlock(1);
    })(),
    (function* (): Steps {
      yield* tryTo(0);
      yield* tryTo(1);
    })(),
    (function* (): Steps {
      yield lock(0);
      yield unlock(0);
    })(),
    (function* (): Steps {
      yield wake(2);
      yield* tryTo(0);
    })(),
  ],
};

/** Each task writes to a variable of its own, or all to one, and chooses. */
const choosing = (n: number, outcomes: number, o: (i: number) => number): Program => ({
  init: () => null,
  tasks: (_s, hands) =>
    each(n, function* (i) {
      yield write(o(i));
      hands.pick(outcomes, 'any');
    }),
});
export const chooseApart = (n: number, outcomes: number): Program =>
  choosing(n, outcomes, (i) => i);
export const chooseAndWrite = (n: number, outcomes: number): Program =>
  choosing(n, outcomes, () => 0);
