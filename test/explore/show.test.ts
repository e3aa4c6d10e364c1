/**
 * Goal: a failure is shown as a person would draw it. Method: small programs with known failures,
 * their diagrams against kept text, and schedules that were made worse on purpose.
 */
import { beforeEach, expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { trace } from '../../src/base/trace.ts';
import { diagram } from '../../src/explore/diagram.ts';
import { explore, exploreSystem } from '../../src/explore/explore.ts';
import * as model from '../../src/explore/program.ts';
import { record } from '../../src/explore/record.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { parseSchedule, scheduleText } from '../../src/explore/schedule.ts';
import { replay, show, type Shown } from '../../src/explore/show.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { Cell } from '../../src/sched/cell.ts';
import { lockClass } from '../../src/sched/lock-class.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';
import { choose } from '../../src/sched/point.ts';
import { RwSemaphore } from '../../src/sched/rw-semaphore.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';

const A = lockClass('show.A');
const B = lockClass('show.B', { after: ['show.A'] });
const R = lockClass('show.rwsem', { nest: 'n' });

beforeEach(resetLockdep);

function* increment(x: Cell<number>): Op<void> {
  const v = yield* x.read();
  yield* x.write(v + 1);
}
const twice: Scenario<Cell<number>> = {
  id: 'lost-update',
  title: 'two increments',
  setup: () => new Cell('x', 0),
  tasks: { first: increment, second: increment },
  finally: (x) => {
    assert(x.get() === 2, `x is ${x.get()}`);
  },
  values: (x) => ({ x: x.get() }),
};

type Pair = Readonly<Record<'a' | 'b', Mutex>>;
const both = (first: 'a' | 'b', second: 'a' | 'b') =>
  function* (s: Pair): Op<void> {
    using _1 = yield* s[first].acquire();
    using _2 = yield* s[second].acquire();
  };
const abba: Scenario<Pair> = {
  id: 'abba',
  title: 'two locks in two orders',
  setup: () => ({ a: new Mutex(A), b: new Mutex(B) }),
  tasks: { ab: both('a', 'b'), ba: both('b', 'a'), again: both('a', 'b') },
};

const recursive: Scenario<RwSemaphore> = {
  id: 'recursive-read',
  title: 'a shared hold taken twice',
  setup: () => new RwSemaphore(R),
  tasks: {
    *reader(rw): Op<void> {
      using _1 = yield* rw.shared();
      using _2 = yield* rw.shared(1);
    },
    *writer(rw): Op<void> {
      using _w = yield* rw.exclusive();
    },
  },
};

/** Explore, and show the first failure. */
function shown<S>(scenario: Scenario<S>): Shown {
  const { failure, schedule } = explore(scenario);
  return show(scenario, schedule!, failure!);
}
const text = (s: string): string => s.replace(/^ {4}/gm, '').trim();

test('a lost update, with the values that were read and written', () => {
  expect(diagram(shown(twice).recording)).toBe(
    text(`
    CPU0  first  CPU1  second
     read(x)                   # x = 0
                  read(x)      # x = 0
                  write(x)     # x: 0 -> 1
     write(x)                  # x: 1 -> 1
    *** VIOLATION ***  finally: x is 1`),
  );
});

test('ABBA: who was not part of it comes first, then two columns and the circle', () => {
  const { recording, shrunk } = shown(abba);
  expect(diagram(recording)).toBe(
    text(`
    CPU0  ab         CPU1  ba                   CPU2  again
     lock(show.A)
     lock(show.B)
     unlock(show.B)
     unlock(show.A)
                      lock(show.B)
                                                 lock(show.A)
                      lock(show.A)  <- blocked
                                                 lock(show.B)  <- blocked
    *** DEADLOCK ***  ba waits for again, again waits for ba`),
  );
  expect([shrunk.preemptions, shrunk.fewest]).toEqual([1, true]);
});

test('a queued writer: the reader waits for it, and it for the reader', () => {
  expect(diagram(shown(recursive).recording)).toBe(
    text(`
    CPU0  reader                     CPU1  writer
     rdlock(show.rwsem)
                                      wrqueue(show.rwsem)
     rdlock(show.rwsem)  <- blocked
                                      lock(show.rwsem)  <- blocked
    *** DEADLOCK ***  reader waits for writer, writer waits for reader`),
  );
});

test('a lost wake-up: nobody is left who could end the wait', () => {
  const { recording } = shown<{ ready: Cell<boolean>; queue: WaitQueue }>({
    id: 'lost-wake-up',
    title: 'looks, then sleeps',
    setup: () => ({ ready: new Cell('ready', false), queue: new WaitQueue('queue') }),
    tasks: {
      *waiter({ ready, queue }): Op<void> {
        if (yield* ready.read()) return;
        let asleep = false; // A wake before this is lost: the condition is not looked at again.
        yield* queue.waitFor(() => asleep || !(asleep = true));
      },
      *waker({ ready, queue }): Op<void> {
        yield* ready.write(true);
        queue.wakeAll();
      },
    },
  });
  const drawn = diagram(recording);
  expect(drawn).toContain('wake(queue)');
  expect(drawn).toMatch(
    /\*{3} DEADLOCK \*{3} {2}waiter waits in \w+\(queue\), and nobody is left who could end that$/,
  );
});

test('it ends at the step that breaks what must always hold; faults and tracepoints are told', () => {
  const { recording, shrunk } = shown<Cell<number>>({
    id: 'always',
    title: 'x is never 2',
    setup: () => new Cell('x', 0),
    tasks: {
      *a(x): Op<void> {
        yield* x.write(1);
        yield* x.write(3);
      },
      *b(x): Op<void> {
        const v = yield* x.read();
        const failed = choose(2, 'ENOSPC');
        trace('ext4_punch_hole', { ino: 12, failed: failed === 1 });
        yield* x.write(v + failed);
        yield* x.write(7);
      },
    },
    always: (x) => {
      assert(x.get() !== 2, 'x is 2');
    },
    values: (x) => ({ x: x.get() }),
  });
  expect(diagram(recording)).toBe(
    text(`
    CPU0  a    CPU1  b
     write(x)             # x: 0 -> 1
                read(x)   # x = 1; ENOSPC: outcome 1; ext4_punch_hole ino=12 failed=true
                write(x)  # x: 1 -> 2
    *** VIOLATION ***  always: x is 2`),
  );
  expect(shrunk.preemptions).toBe(1);
  expect(scheduleText(recording.schedule)).toMatch(/^1-0\*2\.1\.1:1\.1$/);
});

test('a choice that does not matter falls as usual, and switches that do not matter go', () => {
  const scenario: Scenario<Cell<number>> = {
    ...twice,
    tasks: {
      *first(x): Op<void> {
        choose(3, 'short copy');
        yield* increment(x);
      },
      *second(x): Op<void> {
        yield* x.read();
        yield* x.read();
        yield* increment(x);
      },
    },
  };
  const bad = parseSchedule('1-1.0:2.1.0.1.1.0.1');
  const before = replay(scenario, bad);
  expect([before.failure?.symptom, before.strayed]).toEqual(['finally: x is 1', null]);
  const { shrunk, recording } = show(scenario, bad, before.failure!);
  expect(recording.failure?.symptom).toBe('finally: x is 1');
  expect(shrunk.schedule.some((m) => m.choices?.some((c) => c !== 0))).toBe(false);
  expect([shrunk.switches, shrunk.preemptions]).toEqual([2, 1]);
});

test('with little effort, switches are joined all the same, and it is not called the fewest', () => {
  function* slow(x: Cell<number>): Op<void> {
    for (let i = 0; i < 4; i++) yield* x.read();
    yield* increment(x);
  }
  const scenario = { ...twice, tasks: { first: slow, second: slow } };
  const long = parseSchedule('1-0.1.0.1.0.1.0.1.0.1.0.1.0.1');
  const { failure } = replay(scenario, long);
  const { shrunk, recording } = show(scenario, long, failure!, { executions: 4 });
  expect(recording.failure?.symptom).toBe(failure!.symptom);
  expect(shrunk.fewest).toBe(false);
  expect(shrunk.switches).toBeLessThan(13 - 4);
  expect(show(scenario, long, failure!).shrunk).toMatchObject({ switches: 2, fewest: true });
});

test('what others did after the circle had closed is not shown', () => {
  const scenario: Scenario<Pair> = {
    ...abba,
    tasks: {
      ab: both('a', 'b'),
      ba: both('b', 'a'),
      *other(): Op<void> {
        const x = new Cell('x', 0);
        for (let i = 0; i < 3; i++) yield* x.write(i);
      },
    },
  };
  const recording = replay(scenario, parseSchedule('1-0*2.1*2.2*4'));
  expect([recording.failure?.symptom, recording.strayed]).toEqual([
    'ab and ba wait for ever',
    null,
  ]);
  expect(diagram(recording)).not.toContain('other');
  expect(scheduleText(recording.schedule)).toBe('1-0*2.1*2');
});

test('where a schedule strays is said', () => {
  const at = (word: string) => replay(abba, parseSchedule(word)).strayed;
  expect(at('1-0*2.1*2')).toBeNull();
  expect(at('1-0*2.1*3')).toEqual({ step: 4, why: 'task 1 (ba) cannot move' });
  expect(at('1-9')).toEqual({ step: 0, why: 'task 9 (which is none) cannot move' });
  expect(at('1-0:4')).toEqual({ step: 0, why: 'choices foreseen: 1, met: 0' });
  expect(at('1-0*3.1*3.2*3.0')).toEqual({
    step: 9,
    why: 'nobody can move, moves left over: 1',
  });
});

/** The model of the inline-data thread. @see checker.md, thread 002 */
function inlineModel(): model.Program<Record<'inline' | 'free' | 'bug', number>> {
  const [inode, xattr, folio, group, flag, free] = [0, 1, 2, 3, 8, 9];
  return {
    locks: 5,
    init: () => ({ inline: 1, free: 1, bug: 0 }),
    names: ['page_mkwrite', 'buffered write', 'other file alloc'],
    objects: {
      0: 'inode_lock',
      1: 'xattr_sem',
      2: 'folio_lock',
      3: 'group_lock',
      8: 'inline',
      9: 'free',
    },
    check: (s) => (s.bug === 0 ? true : 'write_end sees inline data that write_begin did not'),
    tasks: (s) => {
      const took = [false, false];
      const take = function* (who: number): model.Steps {
        yield model.lock(group);
        yield model.read(free);
        if (s.free > 0) {
          yield model.write(free);
          s.free--;
          took[who] = true;
        }
        yield model.unlock(group);
      };
      return [
        (function* (): model.Steps {
          yield model.lock(xattr);
          yield model.read(flag);
          yield model.write(flag);
          s.inline = 0;
          yield* take(0);
          if (!took[0]) {
            yield model.write(flag);
            s.inline = 1;
          }
          yield model.unlock(xattr);
        })(),
        (function* (): model.Steps {
          yield model.lock(inode);
          yield model.read(flag);
          const prepared = s.inline;
          yield model.lock(folio);
          yield model.read(flag);
          if (s.inline === 1 && prepared === 0) s.bug = 1;
          yield model.unlock(folio);
          yield model.unlock(inode);
        })(),
        take(1),
      ];
    },
  };
}

test('the inline-data race of the thread, in three columns', () => {
  const system = new model.ProgramSystem(inlineModel());
  const { failure, schedule } = exploreSystem(system);
  const shrunk = shrink(system, schedule!, failure!);
  const drawn = diagram(record(system, shrunk.schedule));
  expect(drawn).toBe(
    text(`
    CPU0  page_mkwrite   CPU1  buffered write  CPU2  other file alloc
     lock(xattr_sem)
     read(inline)                                                      # inline = 1
     write(inline)                                                     # inline: 1 -> 0
                          lock(inode_lock)
                          read(inline)                                 # inline = 0
                          lock(folio_lock)
                                                lock(group_lock)
                                                read(free)             # free = 1
                                                write(free)            # free: 1 -> 0
                                                unlock(group_lock)
     lock(group_lock)
     read(free)                                                        # free = 0
     unlock(group_lock)
     write(inline)                                                     # inline: 0 -> 1
     unlock(xattr_sem)
                          read(inline)                                 # inline = 1; bug: 0 -> 1
                          unlock(folio_lock)
                          unlock(inode_lock)
    *** VIOLATION ***  write_end sees inline data that write_begin did not`),
  );
  expect([shrunk.preemptions, shrunk.switches, shrunk.fewest]).toEqual([2, 4, true]);
});

test('columns that do not fit side by side overlap; nothing is wider than 100 columns', () => {
  const names = Array.from({ length: 12 }, (_, t) => `a task with a long name, number ${t}`);
  const program: model.Program<{ x: number }> = {
    init: () => ({ x: 0 }),
    names,
    objects: { 64: `an object with a name that goes on ${'and on '.repeat(20)}` },
    check: () => 'the symptom',
    tasks: (s) =>
      names.map(function* (): model.Steps {
        yield model.write(64);
        s.x++;
      }),
  };
  const drawn = diagram(record(new model.ProgramSystem(program), []));
  for (const name of names) expect(drawn).toContain(name);
  for (const line of drawn.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

test('an endless loop is shown by its beginning', () => {
  const recording = replay(
    {
      id: 'spin',
      title: 'looks for ever',
      setup: () => new Cell('x', 0),
      tasks: {
        *spin(x): Op<void> {
          while ((yield* x.read()) === 0);
        },
      },
    },
    [],
    { maxSteps: 2_000, keep: 100 },
  );
  expect([recording.failure?.kind, recording.steps.length, recording.left]).toEqual([
    'livelock',
    100,
    1_900,
  ]);
  expect(diagram(recording)).toMatch(/ \.{3} 1900 more \.{3}\n\*{3} LIVELOCK \*{3} {2}no end/);
});
