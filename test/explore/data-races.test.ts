/**
 * Goal: two accesses that nothing orders are found from any execution, and ordered ones never
 * called a race. Method: small scenarios, one way of ordering each.
 */
import { beforeEach, expect, test } from 'vitest';
import { explore, type Verdict } from '../../src/explore/explore.ts';
import { lockBit, tryLockBit, unlockBit } from '../../src/sched/bit-lock.ts';
import { Cell } from '../../src/sched/cell.ts';
import { Completion } from '../../src/sched/completion.ts';
import { lockClass, OR_GIVE_UP } from '../../src/sched/lock-class.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';
import { RwSemaphore } from '../../src/sched/rw-semaphore.ts';
import type { Scheduler } from '../../src/sched/scheduler.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';

const A = lockClass('races.A');
class Toy {
  readonly x = new Cell('x', 0);
  readonly y = new Cell('y', 0);
  readonly flag = new Cell('flag', false);
  readonly m = new Mutex(A);
  readonly other = new Mutex(A);
  readonly rw = new RwSemaphore(A);
  readonly bit = { lockBit: false, lockWait: new WaitQueue('bit') };
  readonly done = new Completion('done');
  readonly scheduler: Scheduler;
  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }
}
type Body = (toy: Toy) => Op<void>;
const look = (tasks: Readonly<Record<string, Body>>, dataRaces = true): Verdict =>
  explore(
    { id: 'toy', title: 'toy', setup: (_, s) => new Toy(s), tasks },
    { all: true, dataRaces },
  );
const kinds = (tasks: Readonly<Record<string, Body>>): unknown => {
  const v = look(tasks);
  expect(v.complete).toBe(true);
  return v.failures;
};

beforeEach(() => {
  resetLockdep();
  lockdep.declaredOnly = false;
});

function* increment({ x }: Toy): Op<void> {
  x.set(x.get() + 1);
}
const under = (lock: (toy: Toy) => Op<Disposable>, body: Body): Body =>
  function* (toy) {
    using _held = yield* lock(toy);
    yield* body(toy);
  };
const underMutex = under((toy) => toy.m.acquire(), increment);

test('x++ of two tasks is a race, and it is said on what and between whom', () => {
  const v = look({ a: increment, b: increment });
  expect(v.failure).toMatchObject({
    kind: 'data race',
    symptom: 'data race on x: set by a, get by b',
    depth: 2,
  });
  expect(v.failure?.detail).toBe(
    'step 1: a, set(x)\nstep 2: b, get(x)\nno lock, wake or marked access orders the two',
  );
});

test('it is found in the first execution, with the tasks one after the other', () => {
  expect(look({ a: increment, b: increment }).failures['data race']).toBe(2);
  expect(look({ a: increment, b: increment }, false).verdict).toBe('holds');
});

test('under one mutex it is none; under two it is; with one task outside it is', () => {
  expect(kinds({ a: underMutex, b: underMutex, c: underMutex })).toEqual({});
  const underOther = under((toy) => toy.other.acquire(), increment);
  expect(kinds({ a: underMutex, b: underOther })).toEqual({ 'data race': 2 });
  expect(kinds({ a: underMutex, b: increment })).toEqual({ 'data race': 2 });
});

test('what is done after the release, in the same turn, is not guarded by the lock', () => {
  const late: Body = function* (toy) {
    yield* underMutex(toy);
    toy.x.get();
  };
  expect(look({ a: late, b: underMutex }).failures['data race']).toBeGreaterThan(0);
});

const read: Body = function* ({ x }) {
  x.get();
};
test('shared holds do not order two changes, but a change against looks', () => {
  const shared = (body: Body): Body => under((toy) => toy.rw.shared(), body);
  const exclusive = under((toy) => toy.rw.exclusive(), increment);
  expect(kinds({ a: shared(increment), b: shared(increment) })).toEqual({ 'data race': 2 });
  expect(kinds({ a: shared(read), b: shared(read), c: exclusive })).toEqual({});
});

test('a lock that is one bit orders as well, by try-lock too', () => {
  const bit: Body = function* (toy) {
    yield* lockBit(toy.bit, A);
    yield* increment(toy);
    unlockBit(toy.bit, A);
  };
  const tries: Body = function* (toy) {
    if (!tryLockBit(toy.bit, A, OR_GIVE_UP)) return;
    yield* increment(toy);
    unlockBit(toy.bit, A);
  };
  expect(kinds({ a: bit, b: tries })).toEqual({});
});

test('a downgrade passes on what was done before it', () => {
  const downgrade: Body = function* (toy) {
    yield* toy.rw.lockExclusive();
    yield* increment(toy);
    toy.rw.downgrade();
    yield* read(toy);
    toy.rw.unlockShared();
  };
  expect(kinds({ a: downgrade, b: under((toy) => toy.rw.shared(), read) })).toEqual({});
});

test('publication through a marked flag is none; through a plain one it is two', () => {
  const publish: Body = function* ({ x, flag }) {
    x.set(1);
    yield* flag.write(true);
  };
  const consume: Body = function* ({ x, flag }) {
    if (yield* flag.read()) x.get();
  };
  expect(kinds({ publish, consume })).toEqual({});
  const plainly: Body = function* ({ x, flag }) {
    x.set(1);
    flag.set(true);
  };
  const v = look({ plainly, consume });
  expect(v.failure?.symptom).toBe('data race on flag: set by plainly, read by consume');
});

test('what the flag is set before is not published by it', () => {
  const publish: Body = function* ({ x, flag }) {
    yield* flag.write(true);
    x.set(1);
  };
  const consume: Body = function* ({ x, flag }) {
    if (yield* flag.read()) x.get();
  };
  expect(look({ publish, consume }).failures['data race']).toBeGreaterThan(0);
});

test('a plain change against a marked look is a race, two marked ones are none', () => {
  const marked: Body = function* ({ x }) {
    yield* x.write((yield* x.read()) + 1);
  };
  expect(kinds({ a: marked, b: marked })).toEqual({});
  expect(look({ a: marked, b: increment }).failures['data race']).toBeGreaterThan(0);
});

test('two cells side by side are two cells', () => {
  const other: Body = function* ({ y }) {
    y.set(y.get() + 1);
  };
  expect(kinds({ a: increment, b: other })).toEqual({});
});

test('two looks are none', () => {
  expect(kinds({ a: read, b: read })).toEqual({});
});

test('a wake orders what came before it and what comes after the sleep', () => {
  const maker: Body = function* (toy) {
    yield* increment(toy);
    toy.done.complete();
  };
  const taker: Body = function* (toy) {
    yield* toy.done.wait();
    yield* increment(toy);
  };
  expect(kinds({ maker, taker })).toEqual({});
});

test('a task comes after what its maker did before, not before what it does later', () => {
  const before: Body = function* (toy) {
    yield* increment(toy);
    toy.scheduler.spawn('child', increment(toy));
  };
  expect(kinds({ before })).toEqual({});
  const after: Body = function* (toy) {
    toy.scheduler.spawn('child', increment(toy));
    yield* toy.y.read();
    yield* increment(toy);
  };
  expect(look({ after }).failures['data race']).toBeGreaterThan(0);
});
