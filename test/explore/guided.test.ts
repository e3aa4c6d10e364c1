/** Goal: property tests move a scenario, and make its failing schedule small. */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { runGuided } from '../../src/explore/guided.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { scheduleText } from '../../src/explore/schedule.ts';
import { Cell } from '../../src/sched/cell.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import type { Op } from '../../src/sched/op.ts';
import { choose } from '../../src/sched/point.ts';

beforeEach(() => {
  resetLockdep();
  lockdep.declaredOnly = false;
});

function* increment(x: Cell<number>): Op<void> {
  const v = yield* x.read();
  yield* x.write(v + 1);
}
const sum: Scenario<Cell<number>> = {
  id: 'sum',
  title: 'three increments',
  setup: () => new Cell('x', 0),
  tasks: { a: increment, b: increment, c: increment },
  finally: (x) => {
    assert(x.get() === 3, `x is ${x.get()}`);
  },
};

test('a failing schedule is found by fast-check and shrunk to one switch too many', () => {
  const holds = fc.property(
    fc.array(fc.nat(3)),
    (numbers) => runGuided(sum, numbers).failure === null,
  );
  const found = fc.check(holds, { seed: 1 });
  expect(found.failed).toBe(true);
  const [numbers] = found.counterexample!;
  const { failure, schedule } = runGuided(sum, numbers);
  expect(failure?.symptom).toBe('finally: x is 2');
  const switches = schedule.filter((m, i) => i > 0 && m.task !== schedule[i - 1]!.task).length;
  expect(switches, scheduleText(schedule)).toBe(3); // Three tasks one by one have two.
});

test('no numbers: one task after the other, and every choice ordinary', () => {
  const { failure, schedule } = runGuided(sum, []);
  expect([failure, scheduleText(schedule)]).toEqual([null, '1-0*3.1*3.2*3']);
});

test('the same numbers are the same execution, choices of data among them', () => {
  const draws: Scenario<number[]> = {
    id: 'draws',
    title: 'draws',
    setup: () => [],
    tasks: {
      *a(s): Op<void> {
        s.push(choose(5, 'outcome'));
      },
    },
    finally: (s) => {
      assert(s[0] === 0, `drew ${s[0]}`);
    },
  };
  for (let times = 0; times < 2; times++) {
    const { failure, schedule } = runGuided(draws, [3]);
    expect([failure?.symptom, scheduleText(schedule)]).toEqual(['finally: drew 3', '1-0:3']);
  }
});
