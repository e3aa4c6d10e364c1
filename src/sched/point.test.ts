/**
 * Goal: a strategy can take control with nothing but the primitives of this room. Method: a naive
 * explorer, twenty lines, that runs every schedule of small programs by re-execution, and counts.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { everySchedule } from '../../test/support/every-schedule.ts';
import { tryLockBit, unlockBit, lockBit } from './bit-lock.ts';
import { Cell } from './cell.ts';
import { Completion } from './completion.ts';
import { lockClass, OR_GIVE_UP } from './lock-class.ts';
import { lockdep, resetLockdep } from './lockdep.ts';
import { Mutex } from './mutex.ts';
import type { Op } from './op.ts';
import {
  choose,
  dependent,
  GET,
  kindOf,
  LOCK,
  objectOf,
  operation,
  READ,
  RDLOCK,
  SET,
  setExploring,
  takeFootprint,
  TRYFAIL,
  TRYLOCK,
  UNLOCK,
  WRITE,
} from './point.ts';
import { RwSemaphore } from './rw-semaphore.ts';
import { Scheduler } from './scheduler.ts';
import { currentTask } from './task.ts';
import { waitCycle } from './wait-for.ts';
import { WaitQueue } from './wait-queue.ts';

const A = lockClass('point.A', { nest: 'n' });

beforeEach(() => {
  resetLockdep();
  lockdep.throws = false;
});
afterEach(() => {
  setExploring(false);
});

test('x++ of two tasks on a marked variable loses an update in some schedule', () => {
  const outcome = everySchedule((s) => {
    const x = new Cell('x', 0);
    const add = function* (): Op<void> {
      const v = yield* x.read();
      yield* x.write(v + 1);
    };
    s.spawn('a', add());
    s.spawn('b', add());
    return () => x.get();
  });
  expect(outcome.results).toEqual(['1', '2']);
  expect(outcome.deadlocks).toBe(0);
});

test('under a mutex none is lost; the hot form announces itself', () => {
  const outcome = everySchedule((s) => {
    const x = new Cell('x', 0);
    const m = new Mutex(A);
    const add = function* (): Op<void> {
      if (!m.tryLock()) yield* m.lock();
      const v = yield* x.read();
      yield* x.write(v + 1);
      m.unlock();
    };
    s.spawn('a', add());
    s.spawn('b', add());
    return () => x.get();
  });
  expect(outcome.results).toEqual(['2']);
  expect(outcome.deadlocks).toBe(0);
  expect(outcome.first[1]).toMatch(/^a: lock|^b: start/);
});

test('two locks in two orders deadlock in some schedules, and the circle is known', () => {
  let cycle: string[] | null = null;
  const outcome = everySchedule((s) => {
    const [a, b] = [new Mutex(A), new Mutex(A)];
    const both = function* (first: Mutex, second: Mutex): Op<void> {
      if (!first.tryLock()) yield* first.lock();
      if (!second.tryLock(1)) yield* second.lock(1);
      second.unlock();
      first.unlock();
    };
    s.spawn('ab', both(a, b));
    s.spawn('ba', both(b, a));
    const { pump } = s;
    s.pump = () => {
      pump.call(s);
      if (s.live.size > 0) cycle = waitCycle([...s.live])?.map((t) => t.name) ?? null;
    };
    return () => 'ended';
  });
  expect(outcome.deadlocks).toBeGreaterThan(0);
  expect(outcome.deadlocks).toBeLessThan(outcome.executions);
  expect(cycle).toEqual(['ab', 'ba']);
});

test('a shared hold taken twice deadlocks once a writer queues in between', () => {
  const outcome = everySchedule((s) => {
    const rw = new RwSemaphore(A);
    s.spawn(
      'reader',
      (function* (): Op<void> {
        if (!rw.tryShared()) yield* rw.lockShared();
        if (!rw.tryShared(1)) yield* rw.lockShared(1);
        rw.unlockShared();
        rw.unlockShared();
      })(),
    );
    s.spawn(
      'writer',
      (function* (): Op<void> {
        if (!rw.tryExclusive()) yield* rw.lockExclusive();
        rw.unlockExclusive();
      })(),
    );
    return () => 'ended';
  });
  expect(outcome.deadlocks).toBeGreaterThan(0);
  expect(outcome.results).toEqual(['"ended"']);
});

test('a wait and the wake that ends it meet in every order; a forgotten wake is a deadlock', () => {
  const waiting =
    (wake: boolean) =>
    (s: Scheduler): (() => unknown) => {
      const queue = new WaitQueue('q');
      let ready = false;
      s.spawn(
        'waiter',
        queue.waitFor(() => ready),
      );
      s.spawn(
        'waker',
        (function* (): Op<void> {
          ready = true;
          if (wake) queue.wakeAll();
        })(),
      );
      return () => 'ended';
    };
  expect(everySchedule(waiting(true)).deadlocks).toBe(0);
  expect(everySchedule(waiting(false)).deadlocks).toBeGreaterThan(0);
});

test('bit locks and completions announce themselves too', () => {
  const page = (): { lockBit: boolean; lockWait: WaitQueue } => ({
    lockBit: false,
    lockWait: new WaitQueue('page'),
  });
  const outcome = everySchedule((s) => {
    const p = page();
    const done = new Completion();
    let value = 0;
    const add = function* (): Op<void> {
      if (!tryLockBit(p, A)) yield* lockBit(p, A);
      value++;
      unlockBit(p, A);
      if (value === 2) done.complete();
      yield* done.wait();
    };
    s.spawn('a', add());
    s.spawn('b', add());
    return () => value;
  });
  expect(outcome.deadlocks).toBe(0);
  expect(outcome.results).toEqual(['2']);
  expect(outcome.executions).toBeGreaterThan(5);
});

test('choose gives every value under the explorer and 0 without one', () => {
  const outcome = everySchedule((s) => {
    let got = -1;
    s.spawn(
      'a',
      (function* (): Op<void> {
        got = choose(3, 'bytes read');
      })(),
    );
    return () => got;
  });
  expect(outcome.results).toEqual(['0', '1', '2']);
  expect(choose(3, 'bytes read')).toBe(0);
});

test('a refused hot try leaves no mark; a try that gives up, an unlock and a get are in the footprint', () => {
  const m = new Mutex(A);
  const x = new Cell('x', 1);
  setExploring(true);
  takeFootprint();
  expect(m.tryLock()).toBe(false);
  expect(takeFootprint()).toEqual([]);
  expect(m.tryLock(OR_GIVE_UP)).toBe(true);
  expect(m.tryLock(OR_GIVE_UP)).toBe(false);
  x.set(x.get() + 1);
  m.unlock();
  const ops = takeFootprint();
  expect(ops.map(kindOf)).toEqual([TRYLOCK, TRYFAIL, GET, SET, UNLOCK]);
  expect(new Set(ops.map(objectOf)).size).toBe(2);
});

test('objects keep their ids from execution to execution, whatever the schedule', () => {
  const seen = new Map<string, Set<number>>();
  everySchedule((s) => {
    const outer = new Cell('outer', 0);
    const make = function* (name: string): Op<void> {
      const cell = new Cell(name, 0);
      yield* outer.read();
      yield* cell.write(1);
      const ops = seen.get(name) ?? new Set();
      seen.set(name, ops.add(objectOf(currentTask().pending)));
    };
    s.spawn('a', make('a'));
    s.spawn('b', make('b'));
    return () => null;
  });
  expect([...seen.values()].map((ids) => ids.size)).toEqual([1, 1]);
  expect(new Set([...seen.values()].flatMap((ids) => [...ids])).size).toBe(2);
});

test('operations depend on each other on one object, unless both only read', () => {
  const on = operation;
  expect(dependent(on(READ, 1), on(WRITE, 1))).toBe(true);
  expect(dependent(on(READ, 1), on(READ, 1))).toBe(false);
  expect(dependent(on(LOCK, 1), on(LOCK, 2))).toBe(false);
  expect(dependent(on(RDLOCK, 3), on(RDLOCK, 3))).toBe(false);
  expect(dependent(on(RDLOCK, 3), on(LOCK, 3))).toBe(true);
});
