import { expect, test } from 'vitest';
import { ManualClock } from './clock.ts';

test('a manual clock stands still until it is moved', () => {
  const clock = new ManualClock(1000);
  expect(clock.realtime()).toEqual({ sec: 1000, nsec: 0 });
  clock.advance(1500.25);
  expect(clock.realtime()).toEqual({ sec: 1001, nsec: 500_250_000 });
  expect(clock.monotonicMs()).toBe(1500.25);
});

test('timers run in the order of their times, each at its own time, equal ones as set', () => {
  const clock = new ManualClock();
  const log: string[] = [];
  const note = (name: string) => () => log.push(`${name}@${clock.monotonicMs()}`);
  clock.after(20, note('b'));
  clock.after(10, note('a'));
  clock.after(20, note('c'));
  clock.after(5, () => clock.after(1, note('nested')));
  const cancel = clock.after(7, note('cancelled'));
  cancel();
  cancel();
  clock.advance(30);
  expect(log).toEqual(['nested@6', 'a@10', 'b@20', 'c@20']);
  expect(clock.nextDue).toBe(null);
});

test('runDue runs what is due and leaves alone what that makes due', () => {
  const clock = new ManualClock();
  let runs = 0;
  const again = (): void => {
    runs++;
    clock.after(0, again);
  };
  clock.after(0, again);
  clock.after(1, again);
  clock.runDue();
  expect(runs).toBe(1);
  clock.runDue();
  expect(runs).toBe(2);
});

test('a timer that an earlier one of the same round cancels does not run', () => {
  const clock = new ManualClock();
  let ran = false;
  clock.after(0, () => {
    cancel();
  });
  const cancel = clock.after(0, () => (ran = true));
  clock.runDue();
  expect(ran).toBe(false);
});
