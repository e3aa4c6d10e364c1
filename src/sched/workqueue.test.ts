import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from './clock.ts';
import { Completion } from './completion.ts';
import { lockClass } from './lock-class.ts';
import { resetLockdep } from './lockdep.ts';
import { Mutex } from './mutex.ts';
import type { Op } from './op.ts';
import { Scheduler } from './scheduler.ts';
import { Work, Workqueue } from './workqueue.ts';

beforeEach(resetLockdep);

function setUp() {
  const clock = new ManualClock();
  const s = new Scheduler({ clock });
  const wq = new Workqueue(s, 'test');
  const log: string[] = [];
  const gate = new Completion();
  const plain = (name: string): Work =>
    new Work(name, function* () {
      log.push(name);
    });
  const slow = (name: string): Work =>
    new Work(name, function* () {
      yield* gate.wait();
      log.push(name);
    });
  return { clock, s, wq, log, gate, plain, slow };
}

test('work runs in the order in which it was queued, and an idle queue keeps no task', () => {
  const { s, wq, log, plain } = setUp();
  for (const name of ['a', 'b', 'c']) expect(wq.queue(plain(name))).toBe(true);
  s.pump();
  expect(log).toEqual(['a', 'b', 'c']);
  expect(s.live.size).toBe(0);
});

test('queued work is queued once; running work that is queued runs once more', () => {
  const { s, wq, log, gate, slow } = setUp();
  const work = slow('x');
  wq.queue(work);
  expect(wq.queue(work)).toBe(false);
  s.pump();
  expect(wq.queue(work)).toBe(true);
  expect(wq.queue(work)).toBe(false);
  gate.complete();
  s.pump();
  expect(log).toEqual(['x', 'x']);
});

test('delayed work waits for its time; queue() makes it run now; cancel() takes it back', () => {
  const { clock, s, wq, log, plain } = setUp();
  const work = plain('x');
  expect(wq.queueDelayed(work, 100)).toBe(true);
  expect(wq.queueDelayed(work, 5)).toBe(false);
  clock.advance(99);
  s.pump();
  expect(log).toEqual([]);
  clock.advance(1);
  s.pump();
  expect(log).toEqual(['x']);

  wq.queueDelayed(work, 100);
  wq.queue(work);
  s.pump();
  clock.advance(100);
  s.pump();
  expect(log).toEqual(['x', 'x']);

  wq.queueDelayed(work, 100);
  expect(wq.cancel(work)).toBe(true);
  expect(wq.cancel(work)).toBe(false);
  clock.advance(100);
  s.pump();
  expect(log).toEqual(['x', 'x']);
});

test('flush waits for what is on the list, and not for what comes later or was taken back', () => {
  const { s, wq, log, gate, plain, slow } = setUp();
  const [first, second, late, never] = [slow('1'), plain('2'), plain('late'), slow('never')];
  wq.queue(first);
  wq.queue(second);
  s.spawn(
    'flusher',
    (function* (): Op<void> {
      yield* wq.flush();
      log.push('flushed');
    })(),
  );
  s.pump();
  wq.queue(late);
  wq.queue(never);
  wq.cancel(late);
  wq.cancel(never);
  s.pump();
  expect(log).toEqual([]);
  gate.complete();
  s.pump();
  expect(log).toEqual(['1', '2', 'flushed']);
  s.runToEnd(wq.flush());
});

test('drain waits for work that queues more work', () => {
  const { s, wq, log } = setUp();
  let left = 3;
  const chain: Work = new Work('chain', function* () {
    log.push(String(left));
    if (--left > 0) wq.queue(chain);
  });
  wq.queue(chain);
  s.runToEnd(wq.drain());
  expect(log).toEqual(['3', '2', '1']);
});

test('cancelSync waits for the end of a run under way', () => {
  const { s, wq, log, gate, slow } = setUp();
  const work = slow('x');
  wq.queue(work);
  s.pump();
  s.spawn('stopper', (function* (): Op<void> {
    expect(yield* wq.cancelSync(work)).toBe(false);
    log.push('stopped');
  })()); // prettier-ignore
  s.pump();
  expect(log).toEqual([]);
  gate.complete();
  s.pump();
  expect(log).toEqual(['x', 'stopped']);
});

test('work that fails is reported, and the next item runs', () => {
  const { s, wq, log, plain } = setUp();
  wq.queue(
    new Work('bad', function* () {
      throw new Error('oops');
    }),
  );
  wq.queue(plain('next'));
  expect(() => {
    s.pump();
  }).toThrow('oops');
  expect(log).toEqual(['next']);
});

test('waiting for work under a lock that work takes is a circle', () => {
  const { s, wq } = setUp();
  const lock = new Mutex(lockClass('wq.lock'));
  const work = new Work('taker', function* () {
    using _l = yield* lock.acquire();
  });
  wq.queue(work);
  s.pump();
  wq.queue(work);
  const op = function* (): Op<void> {
    using _l = yield* lock.acquire();
    yield* wq.flush();
  };
  expect(() => s.runToEnd(op())).toThrow(/circular order[^]*wq.lock -> workqueue test/);
});
