/**
 * Goal: deadlocks are told from livelocks, and it is said who waits for whom, also where the wait
 * is no lock. Method: small scenarios; the words of the failure.
 */
import { beforeEach, expect, test } from 'vitest';
import { explore, type ExploreOptions, type Verdict } from '../../src/explore/explore.ts';
import { runGuided } from '../../src/explore/guided.ts';
import { Cell } from '../../src/sched/cell.ts';
import { lockClass, OR_GIVE_UP } from '../../src/sched/lock-class.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import { type Op, SLEEP } from '../../src/sched/op.ts';
import { RwSemaphore } from '../../src/sched/rw-semaphore.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import { blockers, describeWaits, stuckForGood } from '../../src/sched/wait-for.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';

const A = lockClass('deadlocks.A');
const B = lockClass('deadlocks.B');
class Toy {
  readonly a = new Mutex(A);
  readonly b = new Mutex(B);
  readonly rw = new RwSemaphore(A);
  readonly x = new Cell('x', 0);
  readonly state = new WaitQueue('inode.state');
  sync = false;
}
type Tasks = Readonly<Record<string, (toy: Toy) => Op<void>>>;
const look = (tasks: Tasks, options: ExploreOptions): Verdict =>
  explore({ id: 'toy', title: 'toy', setup: () => new Toy(), tasks }, options);

beforeEach(() => {
  resetLockdep();
  lockdep.declaredOnly = false;
});

function* spin(toy: Toy): Op<void> {
  for (;;) yield* toy.x.read();
}
const order = (first: 'a' | 'b', second: 'a' | 'b') =>
  function* (toy: Toy): Op<void> {
    using _1 = yield* toy[first].acquire();
    using _2 = yield* toy[second].acquire();
  };

test('a circle is a deadlock, also while somebody else runs for ever', () => {
  const tasks = { ab: order('a', 'b'), ba: order('b', 'a'), spin };
  const v = look(tasks, { all: true, maxSteps: 40, limit: 100 });
  expect(v.failures).toEqual({ livelock: 2, deadlock: 1 });
});

test('who runs for ever with nobody stuck is a livelock, and it is said after how many steps', () => {
  const v = look({ spin }, { maxSteps: 40 });
  expect(v.failure).toMatchObject({
    kind: 'livelock',
    symptom: 'no end after 40 steps: spin goes round',
    detail: 'again and again:\nspin: read(x)',
  });
});

test('of a circle those in it are said to wait for ever, from when it closed', () => {
  const tasks = { ab: order('a', 'b'), ba: order('b', 'a'), *other(): Op<void> {} };
  const { failure } = look(tasks, { all: true });
  expect(failure?.symptom).toBe('ab and ba wait for ever');
  expect(failure?.classes).toEqual(['deadlocks.A', 'deadlocks.B']);
  expect(failure?.depth).toBe(4);
});

test('a reader waits for the writer in line, the writer for the reader: while another spins', () => {
  const v = look(
    {
      *reader({ rw }): Op<void> {
        using _1 = yield* rw.shared();
        using _2 = yield* rw.shared(1);
      },
      *writer({ rw }): Op<void> {
        using _w = yield* rw.exclusive();
      },
      spin,
    },
    { all: true, maxSteps: 40, limit: 100 },
  );
  expect(v.failures).toEqual({ livelock: 2, deadlock: 1 });
});

test('a flag whose end somebody sleeps for is in the circle, with who set it', () => {
  const { failure } = look(
    {
      *flusher(toy): Op<void> {
        toy.sync = true;
        toy.state.begin('I_SYNC');
        {
          using _a = yield* toy.a.acquire();
        }
        toy.sync = false;
        toy.state.end('I_SYNC');
        toy.state.wakeAll();
      },
      *writer(toy): Op<void> {
        using _a = yield* toy.a.acquire();
        yield* toy.state.waitFor(() => !toy.sync, 'I_SYNC');
      },
    },
    {},
  );
  expect(failure?.kind).toBe('deadlock');
  expect(failure?.detail).toContain('writer waits for I_SYNC, up to flusher; it holds deadlocks.A');
  expect(failure?.detail).toContain('flusher waits for deadlocks.A, up to writer');
  expect(failure?.detail).toContain('in a circle: ');
  expect(failure?.classes).toEqual(['deadlocks.A', 'I_SYNC']);
});

const polite = (mine: 'a' | 'b', other: 'a' | 'b') =>
  function* (toy: Toy): Op<void> {
    for (;;) {
      using _m = yield* toy[mine].acquire();
      yield* toy.x.read();
      if (toy[other].tryLock(OR_GIVE_UP)) return void toy[other].unlock();
      yield* toy.x.read();
    }
  };
const tasks = { ab: polite('a', 'b'), ba: polite('b', 'a') };

test('two who give way to each other for ever go round, and it is said how', () => {
  const scenario = { id: 'polite', title: 'polite', setup: () => new Toy(), tasks };
  const turnAbout = Array.from({ length: 100 }, () => 1);
  const { failure } = runGuided(scenario, turnAbout, { maxSteps: 62 });
  expect(failure?.symptom).toBe('no end after 62 steps: ab and ba go round');
  expect(failure?.detail).toBe(
    [
      'again and again:',
      ...['ba: lock(deadlocks.B)', 'ab: lock(deadlocks.A)', 'ba: read(x)', 'ab: read(x)'],
      ...['ba: read(x)', 'ab: read(x)'],
    ].join('\n'),
  );
});

test('one who goes round because another is never let move: that is an unfair schedule', () => {
  const v = look(tasks, { maxSteps: 30, limit: 20_000 });
  expect(v.failure?.symptom).toBe('no end after 30 steps: ba goes round');
  expect(v.failure?.detail).toContain('while ab could move: an unfair schedule');
});

test('a task that sleeps on a queue that was woken too early is said to do so', () => {
  const v = look(
    {
      *waiter({ state }): Op<void> {
        let asleep = false; // The condition is looked at too early, and never again.
        yield* state.waitFor(() => asleep || !(asleep = true));
      },
      *waker({ state }): Op<void> {
        state.wakeAll();
      },
    },
    { all: true },
  );
  expect(v.failures).toEqual({ deadlock: 1 });
  expect(v.failure?.symptom).toBe(
    'waiter wait for ever; waiter sleeps on inode.state, which was woken before',
  );
});

test('one of several who could end a wait is enough, and of a lock all holders are needed', () => {
  const s = new Scheduler();
  const m = new Mutex(A);
  const by: Parameters<typeof stuckForGood>[0][number][] = [];
  const queue = new WaitQueue('answer', () => by);
  const never = new WaitQueue('never');
  const asker = s.spawn(
    'asker',
    (function* (): Op<void> {
      yield* m.lock();
      yield* queue.waitFor(() => false);
    })(),
  );
  s.pump();
  const locked = s.spawn('locked', m.lock());
  const idle = s.spawn(
    'idle',
    (function* (): Op<void> {
      never.prepare();
      yield SLEEP;
    })(),
  );
  s.pump();
  by.push(locked, idle);
  expect(stuckForGood([asker, locked, idle])).toEqual([]);
  by.pop();
  expect(stuckForGood([asker, locked, idle])).toEqual([asker, locked]);
});

test('a writer that is first in line does not wait for itself', () => {
  const s = new Scheduler();
  const rw = new RwSemaphore(A);
  const never = new WaitQueue('never');
  const reader = s.spawn(
    'reader',
    (function* (): Op<void> {
      yield* rw.lockShared();
      yield* never.waitFor(() => false);
    })(),
  );
  const writer = s.spawn('writer', rw.lockExclusive());
  s.pump();
  expect(blockers(writer)).toEqual([reader]);
  expect(describeWaits([reader, writer])).not.toContain('in a circle');
});
