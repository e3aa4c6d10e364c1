import { expect, test } from 'vitest';
import { isErrno } from '../base/errno.ts';
import { ManualClock } from './clock.ts';
import { Completion } from './completion.ts';
import { type Op, SLEEP } from './op.ts';
import { Scheduler } from './scheduler.ts';
import { currentOrNull, currentTask, type Task } from './task.ts';
import { WaitQueue } from './wait-queue.ts';

function* value<T>(v: T): Op<T> {
  return v;
}
function* failing(text: string): Op<void> {
  throw new Error(text);
}
const thrown = (f: () => unknown): unknown => {
  try {
    f();
  } catch (e) {
    return e;
  }
  return null;
};

test('an operation that does not sleep ends in one turn and leaves no task behind', () => {
  const s = new Scheduler();
  expect(s.runToEnd(value(42))).toBe(42);
  expect(s.live.size).toBe(0);
  expect(currentOrNull()).toBe(null);
});

test('while one task sleeps the others run, and the result comes from the awaited one', () => {
  const s = new Scheduler();
  const done = new Completion();
  const order: string[] = [];
  s.spawn(
    'other',
    (function* (): Op<void> {
      order.push('other');
      done.complete();
    })(),
  );
  const result = s.runToEnd(
    (function* (): Op<string> {
      order.push('main');
      yield* done.wait();
      order.push('main again');
      return currentTask().name;
    })(),
    'writer',
  );
  expect(result).toBe('writer');
  expect(order).toEqual(['main', 'other', 'main again']);
});

test('an error of the awaited operation is thrown to the caller', () => {
  const s = new Scheduler();
  expect(() => s.runToEnd(failing('disk on fire'))).toThrow('disk on fire');
  expect(currentOrNull()).toBe(null);
});

test('an error of a background task is not lost: the driver throws it', () => {
  const s = new Scheduler();
  s.spawn('kthread', failing('lost?'));
  expect(() => s.pump()).toThrow('lost?');
  s.spawn('kthread', failing('lost again?'));
  expect(() => s.runToEnd(value(1))).toThrow('lost again?');
  s.pump();
});

test('onDone and the unhandled hook take errors away from the driver', () => {
  const s = new Scheduler();
  const seen: string[] = [];
  s.spawn('a', failing('one')).onDone((t) => seen.push(`onDone ${String(t.error)}`));
  s.pump();
  s.unhandled = (e, where) => seen.push(`${where} ${String(e)}`);
  s.spawn('b', failing('two'));
  s.pump();
  expect(seen).toEqual(['onDone Error: one', 'b Error: two']);
});

test('onDone of a task that is done calls at once', () => {
  const s = new Scheduler();
  const task = s.spawn('t', value(7));
  s.pump();
  let got: number | undefined;
  task.onDone((t) => (got = t.result));
  expect(got).toBe(7);
});

test('sleeping for what nobody can end is EDEADLK, and the text says who waits for what', () => {
  const s = new Scheduler();
  const queue = new WaitQueue('transaction start');
  const error = thrown(() =>
    s.runToEnd(
      queue.waitFor(() => false),
      'fsync',
    ),
  );
  expect(isErrno(error, 'EDEADLK')).toBe(true);
  expect(String(error)).toContain('fsync waits for transaction start');
});

test('with an asynchronous device under way the same is EAGAIN, and the task lives on', () => {
  const s = new Scheduler();
  const io = new Completion('io');
  s.external = () => !io.done;
  let ended = false;
  const op = (function* (): Op<void> {
    yield* io.wait();
    ended = true;
  })();
  expect(
    isErrno(
      thrown(() => s.runToEnd(op)),
      'EAGAIN',
    ),
  ).toBe(true);
  io.complete();
  s.pump();
  expect(ended).toBe(true);
});

test('runToEnd and pump inside a task of the same scheduler are defects; of another they nest', () => {
  const s = new Scheduler();
  const inner = new Scheduler();
  const nest = (f: () => unknown): Op<unknown> =>
    (function* () {
      const me = currentTask();
      const got = f();
      expect(currentTask()).toBe(me);
      return got;
    })();
  expect(() => s.runToEnd(nest(() => s.runToEnd(value(1))))).toThrow('same scheduler');
  expect(() => s.runToEnd(nest(() => s.pump()))).toThrow('same scheduler');
  expect(s.runToEnd(nest(() => inner.runToEnd(value(5))))).toBe(5);
});

test('onKick is called for events from outside, and not while tasks are being run', () => {
  const s = new Scheduler();
  let kicks = 0;
  s.onKick = () => kicks++;
  const event = new Completion();
  const op = function* (): Op<void> {
    yield* event.wait();
  };
  s.spawn('sleeper', op());
  expect(kicks).toBe(1);
  s.pump();
  event.complete();
  expect(kicks).toBe(2);
  s.pump();
  expect(s.live.size).toBe(0);
  s.runToEnd(
    (function* (): Op<void> {
      s.spawn('child', value(1));
    })(),
  );
  expect(kicks).toBe(2);
});

test('due timers run at the end of runToEnd, and the work they start gets its turn', () => {
  const clock = new ManualClock();
  const s = new Scheduler({ clock });
  const log: string[] = [];
  clock.after(10, () => {
    s.spawn(
      'timer work',
      (function* (): Op<void> {
        log.push('worked');
      })(),
    );
  });
  s.runToEnd(value(0));
  expect(log).toEqual([]);
  s.runToEnd(
    (function* (): Op<void> {
      clock.advance(0);
    })(),
  );
  Object.assign(clock, { ms: 10 }); // Time passed while nobody looked.
  s.runToEnd(value(0));
  expect(log).toEqual(['worked']);
});

test('background work at the end of runToEnd is bounded; the rest is left to a kick', () => {
  const s = new Scheduler();
  let kicks = 0;
  let turns = 0;
  const again = function* (): Op<void> {
    turns++;
    s.spawn('again', again());
  };
  s.runToEnd(
    (function* (): Op<void> {
      s.onKick = () => kicks++;
      s.spawn('again', again());
    })(),
  );
  expect(turns).toBeGreaterThan(0);
  expect(turns).toBeLessThan(100);
  expect(kicks).toBe(1);
});

test('a clock that can wait ends a sleep that only a timer ends', () => {
  const clock = new ManualClock();
  const waiting = Object.assign(clock, {
    waitDue(): boolean {
      const due = clock.nextDue;
      if (due === null) return false;
      clock.advance(due - clock.monotonicMs());
      return true;
    },
  });
  const s = new Scheduler({ clock: waiting });
  const queue = new WaitQueue('pause');
  let over = false;
  clock.after(200, () => {
    over = true;
    queue.wakeAll();
  });
  s.runToEnd(queue.waitFor(() => over));
  expect(clock.monotonicMs()).toBe(200);
});

test('the strategy decides who runs next', () => {
  const order: string[] = [];
  const last = {
    nextTask: (runnable: readonly Task[]) => runnable[runnable.length - 1]!,
    nextU64: () => 0,
  };
  const s = new Scheduler({ strategy: last });
  for (const name of ['a', 'b', 'c']) {
    s.spawn(
      name,
      (function* (): Op<void> {
        order.push(name);
      })(),
    );
  }
  s.pump();
  expect(order).toEqual(['c', 'b', 'a']);
});

test('a wake between standing in the queue and going to sleep is not lost', () => {
  const s = new Scheduler();
  const queue = new WaitQueue('q');
  s.runToEnd(
    (function* (): Op<void> {
      queue.prepare();
      queue.wakeAll();
      yield SLEEP;
    })(),
  );
  expect(s.live.size).toBe(0);
});
