/** Two locks, always taken in one order; and what becomes of it if one task has another. */
import type { Scenario } from '../explore/scenario.ts';
import { lockClass } from '../sched/lock-class.ts';
import { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';

const A = lockClass('A');
const B = lockClass('B', { after: ['A'] });

interface Locks {
  readonly a: Mutex;
  readonly b: Mutex;
}

function* aThenB({ a, b }: Locks): Op<void> {
  using _a = yield* a.acquire();
  using _b = yield* b.acquire();
}
function* bThenA({ a, b }: Locks): Op<void> {
  using _b = yield* b.acquire();
  using _a = yield* a.acquire();
}

const ops = { second: aThenB };

export const abba: Scenario<Locks> = {
  id: 'abba',
  title: 'two tasks take two locks in the same order, and both come to their end',
  setup: () => ({ a: new Mutex(A), b: new Mutex(B) }),
  tasks: { first: aThenB, second: (locks) => ops.second(locks) },
  variants: {
    'other-order': {
      title: 'the second task takes them the other way round',
      symptom: /^first and second wait for ever$/,
      apply: () => {
        ops.second = bThenA;
        return () => {
          ops.second = aThenB;
        };
      },
    },
  },
};
