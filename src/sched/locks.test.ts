import { beforeEach, expect, test } from 'vitest';
import { bitOwner, handOverBit, lockBit, tryLockBit, unlockBit, waitBit } from './bit-lock.ts';
import { Completion } from './completion.ts';
import { FREEZE_FS, FREEZE_PAGEFAULT, FREEZE_WRITE, FreezeLock } from './freeze-lock.ts';
import { lockClass, OR_GIVE_UP } from './lock-class.ts';
import { lockdep, resetLockdep } from './lockdep.ts';
import { Mutex } from './mutex.ts';
import type { Op } from './op.ts';
import { RwSemaphore } from './rw-semaphore.ts';
import { Scheduler } from './scheduler.ts';
import { WaitQueue } from './wait-queue.ts';

beforeEach(resetLockdep);

const A = lockClass('locks.A');
const B = lockClass('locks.B', { after: ['locks.A'] });

test('a mutex has one owner at a time, and sleepers get it one after the other', () => {
  const m = new Mutex(A);
  let inside = 0;
  const s = new Scheduler();
  const gate = new Completion();
  const order: number[] = [];
  for (let i = 0; i < 5; i++) {
    s.spawn(
      `t${i}`,
      (function* (): Op<void> {
        if (!m.tryLock()) yield* m.lock();
        try {
          expect(++inside).toBe(1);
          yield* gate.wait();
          order.push(i);
          inside--;
        } finally {
          m.unlock();
        }
      })(),
    );
  }
  s.pump();
  expect(order).toEqual([]);
  gate.complete();
  s.pump();
  expect(order).toEqual([0, 1, 2, 3, 4]);
  expect(m.locked).toBe(false);
});

test('a newcomer may take a mutex before its woken sleeper, who then keeps its place in line', () => {
  const m = new Mutex(A);
  const s = new Scheduler();
  const order: string[] = [];
  const taker = function* (name: string): Op<void> {
    if (!m.tryLock()) yield* m.lock();
    order.push(name);
    m.unlock();
  };
  s.runToEnd(
    (function* (): Op<void> {
      yield* m.lock();
      const started = new Completion();
      s.spawn('first', taker('first'));
      s.spawn('second', taker('second'));
      s.spawn('go', (function* (): Op<void> { started.complete(); })()); // prettier-ignore
      yield* started.wait();
      m.unlock(); // Wakes the first ...
      expect(m.tryLock()).toBe(true); // ... but we are here and it is not.
      const late = new Completion();
      s.spawn('go', (function* (): Op<void> { late.complete(); })()); // prettier-ignore
      yield* late.wait();
      m.unlock();
    })(),
  );
  s.pump();
  expect(order).toEqual(['first', 'second']);
});

test('unlock of what is not locked is a defect', () => {
  expect(() => {
    new Mutex(A).unlock();
  }).toThrow(/not locked/);
  expect(() => {
    new RwSemaphore(A).unlockShared();
  }).toThrow(/without a shared hold/);
});

test('a lock released by another task is reported', () => {
  const m = new Mutex(A);
  const s = new Scheduler();
  const gate = new Completion();
  s.spawn('owner', (function* (): Op<void> { yield* m.lock(); yield* gate.wait(); })()); // prettier-ignore
  s.pump();
  const thief = (function* (): Op<void> { m.unlock(); })(); // prettier-ignore
  expect(() => s.runToEnd(thief)).toThrow(/locks.A, is released by one who does not hold it/);
});

test('using releases at the end of the block, also when it is left by an error', () => {
  const m = new Mutex(A);
  const rw = new RwSemaphore(B);
  const s = new Scheduler();
  const op = function* (): Op<void> {
    using _m = yield* m.acquire();
    {
      using _x = yield* rw.exclusive();
      expect(rw.isLockedExclusive).toBe(true);
    }
    using _r = yield* rw.shared();
    expect([rw.isLocked, rw.isLockedExclusive]).toEqual([true, false]);
    throw new Error('out');
  };
  expect(() => s.runToEnd(op())).toThrow('out');
  expect([m.locked, rw.isLocked]).toEqual([false, false]);
  expect(lockdep.reports).toEqual([]);
});

/** Play a text of arrivals on one rwsem: r and w come and hold until their letter is released. */
class Stage {
  readonly rw = new RwSemaphore(A);
  readonly s = new Scheduler();
  readonly holding = new Set<string>();
  private readonly ends = new Map<string, Completion>();

  arrive(name: string): void {
    const end = new Completion();
    this.ends.set(name, end);
    const { rw, holding } = this;
    const op = function* (): Op<void> {
      const shared = name.startsWith('r');
      if (shared) {
        if (!rw.tryShared()) yield* rw.lockShared();
      } else if (!rw.tryExclusive()) yield* rw.lockExclusive();
      holding.add(name);
      yield* end.wait();
      holding.delete(name);
      if (shared) rw.unlockShared();
      else rw.unlockExclusive();
    };
    this.s.spawn(name, op());
    this.s.pump();
  }
  leave(name: string): void {
    this.ends.get(name)!.complete();
    this.s.pump();
  }
  get now(): string {
    return [...this.holding].join(' ');
  }
}

test('a rwsem is fair: a waiting writer keeps new readers out, then all readers in line go', () => {
  const stage = new Stage();
  for (const name of ['r1', 'r2', 'w1', 'r3', 'r4', 'w2', 'r5']) stage.arrive(name);
  expect(stage.now).toBe('r1 r2');
  expect(stage.rw.tryShared()).toBe(false);
  stage.leave('r1');
  expect(stage.now).toBe('r2');
  stage.leave('r2');
  expect(stage.now).toBe('w1');
  stage.leave('w1');
  expect(stage.now).toBe('r3 r4');
  stage.leave('r4');
  stage.leave('r3');
  expect(stage.now).toBe('w2');
  stage.leave('w2');
  expect(stage.now).toBe('r5');
  stage.leave('r5');
  expect(stage.rw.isLocked).toBe(false);
  expect(stage.s.live.size).toBe(0);
});

test('a downgrade lets the readers in line in, up to the next writer', () => {
  const rw = new RwSemaphore(A);
  const s = new Scheduler();
  const log: string[] = [];
  const reader = function* (): Op<void> {
    yield* rw.lockShared();
    log.push(`reader ${rw.isLockedExclusive}`);
    rw.unlockShared();
  };
  s.runToEnd(
    (function* (): Op<void> {
      yield* rw.lockExclusive();
      const child = s.spawn('reader', reader());
      const started = new Completion();
      s.spawn('go', (function* (): Op<void> { started.complete(); })()); // prettier-ignore
      yield* started.wait();
      expect(child.state).toBe('sleeping');
      rw.downgrade();
      expect(rw.tryExclusive(OR_GIVE_UP)).toBe(false);
      const ended = new Completion();
      child.onDone(() => {
        ended.complete();
      });
      yield* ended.wait();
      rw.unlockShared();
    })(),
  );
  expect(log).toEqual(['reader false']);
  expect(rw.isLocked).toBe(false);
  expect(lockdep.reports).toEqual([]);
});

class Page {
  lockBit = false;
  private waiters: WaitQueue | null = null;
  get lockWait(): WaitQueue {
    return (this.waiters ??= new WaitQueue('page'));
  }
  get queueMade(): boolean {
    return this.waiters !== null;
  }
  wake(): void {
    this.waiters?.wakeAll();
  }
}

test('a bit lock excludes, and an uncontended one makes no wait queue', () => {
  const page = new Page();
  const s = new Scheduler();
  s.runToEnd(
    (function* (): Op<void> {
      if (!tryLockBit(page, A)) yield* lockBit(page, A);
      expect(bitOwner(page)?.name).toBe('main');
      expect(tryLockBit(page, A)).toBe(false);
      unlockBit(page, A);
    })(),
  );
  expect(page.queueMade).toBe(false);
  expect(() => {
    unlockBit(page, A);
  }).toThrow(/not locked/);
});

test('I/O that was handed a bit lock unlocks it from outside; sleepers and lookers go on', () => {
  const page = new Page();
  const s = new Scheduler();
  const log: string[] = [];
  s.spawn(
    'reader',
    (function* (): Op<void> {
      yield* lockBit(page, A);
      handOverBit(page, A);
      yield* waitBit(page, A); // Its own lock no longer: no recursion.
      log.push('read');
    })(),
  );
  s.spawn(
    'writer',
    (function* (): Op<void> {
      yield* lockBit(page, A);
      log.push('wrote');
      unlockBit(page, A);
    })(),
  );
  s.pump();
  expect(log).toEqual([]);
  unlockBit(page, A);
  s.pump();
  expect(log).toEqual(['read', 'wrote']);
  expect(lockdep.reports).toEqual([]);
});

test('a wait queue wakes one or all, and a sleeper looks again each time', () => {
  const queue = new WaitQueue('q');
  const s = new Scheduler();
  let tickets = 0;
  let through = 0;
  for (let i = 0; i < 3; i++) {
    s.spawn(
      `t${i}`,
      (function* (): Op<void> {
        yield* queue.waitFor(() => tickets > 0);
        tickets--;
        through++;
      })(),
    );
  }
  s.pump();
  queue.wakeAll();
  s.pump();
  expect([through, queue.empty]).toEqual([0, false]);
  tickets = 1;
  queue.wakeOne();
  s.pump();
  expect(through).toBe(1);
  tickets = 1;
  queue.wakeAll();
  s.pump();
  expect(through).toBe(2);
  tickets = 1;
  queue.wakeAll();
  s.pump();
  expect([through, queue.empty]).toEqual([3, true]);
});

test('a freeze waits for those inside, keeps new ones out, and lasts across tasks', () => {
  const f = new FreezeLock();
  const s = new Scheduler();
  const log: string[] = [];
  const inside = new Completion();
  const writer = function* (name: string): Op<void> {
    if (!f.tryStart(FREEZE_WRITE)) yield* f.start(FREEZE_WRITE);
    log.push(name);
    yield* inside.wait();
    f.end(FREEZE_WRITE);
  };
  s.spawn('w1', writer('w1'));
  s.spawn(
    'freezer',
    (function* (): Op<void> {
      for (const level of [FREEZE_WRITE, FREEZE_PAGEFAULT, FREEZE_FS]) yield* f.freeze(level);
      log.push('frozen');
    })(),
  );
  s.spawn('w2', writer('w2'));
  s.pump();
  expect(log).toEqual(['w1']);
  inside.complete();
  s.pump();
  expect(log).toEqual(['w1', 'frozen']);
  expect(f.isFrozen(FREEZE_FS)).toBe(true);
  s.runToEnd((function* (): Op<void> { f.thaw(FREEZE_WRITE); })()); // prettier-ignore
  expect(f.isFrozen(FREEZE_FS)).toBe(false);
  s.pump();
  expect(log).toEqual(['w1', 'frozen', 'w2']);
  expect(lockdep.reports).toEqual([]);
});

test('a deadlock names every task, what it waits for, who has it, and the circle', () => {
  lockdep.throws = false;
  const [a, b] = [new Mutex(A), new Mutex(B)];
  const s = new Scheduler();
  const step = new WaitQueue('step');
  let go = false;
  const take = (first: Mutex, second: Mutex): Op<void> =>
    (function* (): Op<void> {
      yield* first.lock();
      yield* step.waitFor(() => go);
      yield* second.lock();
    })();
  s.spawn('rename', take(a, b));
  s.spawn('link', take(b, a));
  s.pump();
  go = true;
  step.wakeAll();
  let text = '';
  try {
    s.runToEnd(new Completion('I_SYNC').wait(), 'sync');
  } catch (e) {
    text = String(e);
  }
  lockdep.throws = true;
  expect(text).toContain('EDEADLK');
  expect(text).toContain('rename waits for locks.B, up to link; it holds locks.A (exclusive)');
  expect(text).toContain('link waits for locks.A, up to rename; it holds locks.B (exclusive)');
  expect(text).toContain('sync waits for I_SYNC');
  expect(text).toContain('in a circle: rename, link, rename');
  expect(lockdep.reports.map((r) => r.kind)).toEqual(['circular order']);
});

test('a reader behind a waiting writer waits for that writer and for the readers', () => {
  const stage = new Stage();
  for (const name of ['r1', 'w1', 'r2']) stage.arrive(name);
  expect(stage.rw.holders().map((t) => t.name)).toEqual(['r1', 'w1']);
});

test('a sleeper on a bit lock is known to wait for its holder; its class may be its own', () => {
  const page = Object.assign(new Page(), { lockClass: lockClass('locks.own', { after: ['*'] }) });
  const s = new Scheduler();
  const gate = new Completion();
  const holder = function* (): Op<void> {
    yield* lockBit(page, A);
    yield* gate.wait();
    unlockBit(page, A);
  };
  const first = s.spawn('first', holder());
  const second = s.spawn('second', holder());
  s.pump();
  expect(first.held.map((h) => h.cls.name)).toEqual(['locks.own']);
  expect(second.waitsFor?.holders()).toEqual([first]);
  gate.complete();
  s.pump();
  expect(s.live.size).toBe(0);
});
