/** The canary: two increments without a lock. If this ever holds, the explorer is blind. */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import { Cell } from '../sched/cell.ts';
import type { Op } from '../sched/op.ts';

function* increment(x: Cell<number>): Op<void> {
  const old = yield* x.read();
  yield* x.write(old + 1);
}

export const lostUpdate: Scenario<Cell<number>> = {
  id: 'canary-lost-update',
  title: 'two increments without a lock, of which one is lost: must fail',
  setup: () => new Cell('x', 0),
  tasks: { first: increment, second: increment },
  finally: (x) => {
    assert(x.get() === 2, `x is ${x.get()}, not 2`);
  },
  values: (x) => ({ x: x.get() }),
  mustFail: /x is 1, not 2$/,
};
