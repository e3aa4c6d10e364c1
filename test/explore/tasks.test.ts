/**
 * Goal: tasks of the scheduler are explored completely. Method: small programs over the locks of
 * sched/, their outcomes against those of every schedule without reduction, and known counts.
 */
import { beforeEach, expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { explore } from '../../src/explore/explore.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { Cell } from '../../src/sched/cell.ts';
import { lockClass } from '../../src/sched/lock-class.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';
import { choose } from '../../src/sched/point.ts';
import { RwSemaphore } from '../../src/sched/rw-semaphore.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';

const A = lockClass('tasks.A', { nest: 'n' });

beforeEach(() => {
  resetLockdep();
  lockdep.declaredOnly = false;
});

function* increment(x: Cell<number>): Op<void> {
  const v = yield* x.read();
  yield* x.write(v + 1);
}
const twice: Scenario<Cell<number>> = {
  id: 'lost-update',
  title: 'two increments',
  setup: () => new Cell('x', 0),
  tasks: { a: increment, b: increment },
  finally: (x) => {
    assert(x.get() === 2, `x is ${x.get()}`);
  },
};

test('a lost update is found, with its schedule', () => {
  const v = explore(twice);
  expect(v.verdict).toBe('violated');
  expect(v.failure?.symptom).toBe('finally: x is 1');
  expect(v.schedule?.length).toBe(6);
});

test('all of it: four traces, two of them lose', () => {
  const v = explore(twice, { all: true });
  expect([v.executions, v.failures.violation, v.complete]).toEqual([4, 2, true]);
});

test('under a mutex it holds, completely', () => {
  const v = explore({
    id: 'no-lost-update',
    title: 'three increments under a mutex',
    setup: () => ({ x: new Cell('x', 0), m: new Mutex(A) }),
    tasks: Object.fromEntries(
      ['a', 'b', 'c'].map((name) => [
        name,
        function* ({ x, m }: { x: Cell<number>; m: Mutex }): Op<void> {
          using _m = yield* m.acquire();
          yield* increment(x);
        },
      ]),
    ),
    finally: ({ x }) => {
      assert(x.get() === 3, `x is ${x.get()}`);
    },
  });
  expect([v.verdict, v.complete, v.executions]).toEqual(['holds', true, 6]);
});

test('ABBA deadlocks, and it is said who waits for whom', () => {
  const both = (first: 'a' | 'b', second: 'a' | 'b') =>
    function* (s: Record<'a' | 'b', Mutex>): Op<void> {
      using _1 = yield* s[first].acquire();
      using _2 = yield* s[second].acquire(1);
    };
  const v = explore(
    {
      id: 'abba',
      title: 'two locks in two orders',
      setup: () => ({ a: new Mutex(A), b: new Mutex(A) }),
      tasks: { ab: both('a', 'b'), ba: both('b', 'a'), again: both('a', 'b') },
    },
    { all: true },
  );
  expect([v.executions, v.failures.deadlock]).toEqual([10, 4]);
  expect(v.failure?.detail).toContain('in a circle');
});

test('a prepared state is put back before each execution', () => {
  let prepared = 0;
  const v = explore(
    {
      id: 'prepared',
      title: 'counts in a prepared object',
      prepare: () => {
        prepared++;
        return {
          map: new Map([['n', 0]]),
          bytes: new Uint8Array(8),
          lock: new Mutex(A),
          list: [1],
        };
      },
      setup: (p) => {
        assert(p.map.get('n') === 0 && p.bytes[3] === 0 && p.list.length === 1, 'as it was');
        return p;
      },
      tasks: Object.fromEntries(
        ['a', 'b', 'c'].map((name) => [
          name,
          function* (p: {
            map: Map<string, number>;
            bytes: Uint8Array;
            lock: Mutex;
            list: number[];
          }): Op<void> {
            using _l = yield* p.lock.acquire();
            p.map.set('n', p.map.get('n')! + 1);
            p.bytes[3]!++;
            p.list.push(2);
          },
        ]),
      ),
      finally: (p) => {
        assert(p.map.get('n') === 3, 'all counted');
      },
    },
    { all: true },
  );
  expect([v.verdict, v.executions, prepared]).toEqual(['holds', 6, 1]);
});

test('a queued writer between two shared holds of one task is a deadlock', () => {
  const v = explore(
    {
      id: 'recursive-read',
      title: 'a shared hold taken twice',
      setup: () => new RwSemaphore(A),
      tasks: {
        *reader(rw): Op<void> {
          using _1 = yield* rw.shared();
          using _2 = yield* rw.shared(1);
        },
        *writer(rw): Op<void> {
          using _w = yield* rw.exclusive();
        },
      },
    },
    { all: true },
  );
  // The writer queues before, between or after; both releases are one turn.
  expect([v.executions, v.failures.deadlock]).toEqual([3, 1]);
});

test('a choice of data is explored; at most so many faults', () => {
  const seen = new Set<string>();
  const draw = (n: number) =>
    function* (s: number[]): Op<void> {
      s[n] = choose(3, 'outcome');
    };
  const scenario: Scenario<number[]> = {
    id: 'choice',
    title: 'two choices of three',
    setup: () => [],
    tasks: { a: draw(0), b: draw(1) },
    finally: (s) => void seen.add(s.join()),
  };
  explore({ ...scenario, faults: 2 });
  expect(seen.size).toBe(9);
  seen.clear();
  explore(scenario);
  expect([...seen].sort()).toEqual(['0,0', '0,1', '0,2', '1,0', '2,0']);
});

test('a wake that comes between the look and the sleep is missed, and that is found', () => {
  const v = explore({
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
  expect(v.failure?.kind).toBe('deadlock');
  expect(v.failure?.detail).toContain('waiter waits for queue');
});

test('what must always hold is looked at between the writes of two tasks, in every order', () => {
  const setup = (): { x: Cell<number>; y: Cell<number> } => ({
    x: new Cell('x', 0),
    y: new Cell('y', 0),
  });
  const v = explore({
    id: 'always',
    title: 'x and y are never both 1',
    setup,
    tasks: {
      *a({ x }): Op<void> {
        yield* x.write(1);
        yield* x.write(0);
      },
      *b({ y }): Op<void> {
        yield* y.write(1);
        yield* y.write(0);
      },
    },
    always: ({ x, y }) => {
      assert(!(x.get() === 1 && y.get() === 1), 'both are 1');
    },
  });
  expect(v.failure?.symptom).toBe('always: both are 1');
});
