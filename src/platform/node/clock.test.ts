import { expect, test } from 'vitest';
import type { Op } from '../../sched/op.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { WaitQueue } from '../../sched/wait-queue.ts';
import { NodeClock } from './clock.ts';

test('a timer goes off once, by the event loop, and not after it was cancelled', async () => {
  const clock = new NodeClock();
  const log: string[] = [];
  clock.after(1, () => log.push('ran'));
  clock.after(1, () => log.push('cancelled'))();
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.runDue();
  expect(log).toEqual(['ran']);
  expect(clock.waitDue()).toBe(false);
});

test('in a program of synchronous calls due timers go off between operations', () => {
  const clock = new NodeClock();
  const s = new Scheduler({ clock });
  let ran = false;
  clock.after(2, () => (ran = true));
  const nothing = function* (): Op<void> {};
  const begin = performance.now();
  while (!ran && performance.now() - begin < 2000) s.runToEnd(nothing());
  expect(ran).toBe(true);
});

test('a synchronous caller sleeps until the timer that its operation waits for', () => {
  const clock = new NodeClock();
  const s = new Scheduler({ clock });
  const pause = new WaitQueue('pause');
  let over = false;
  const op = function* (): Op<void> {
    clock.after(5, () => {
      over = true;
      pause.wakeAll();
    });
    yield* pause.waitFor(() => over);
  };
  const begin = performance.now();
  s.runToEnd(op());
  expect(performance.now() - begin).toBeGreaterThanOrEqual(4.9);
});

test('the wall clock is the host’s, with nanoseconds in range', () => {
  const { sec, nsec } = new NodeClock().realtime();
  expect(Math.abs(sec + nsec / 1e9 - Date.now() / 1000)).toBeLessThan(1);
  expect(nsec).toBeGreaterThanOrEqual(0);
  expect(nsec).toBeLessThan(1e9);
});

test('the coarse time is the true one again after a turn of the event loop', async () => {
  const clock = new NodeClock();
  const first = clock.coarseSec();
  expect(first).toBeCloseTo(Date.now() / 1000, -1);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(clock.coarseSec()).toBeGreaterThan(first);
});
