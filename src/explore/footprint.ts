/**
 * What a step may touch at most.
 *
 * Whether two steps are independent must not depend on the steps before them, or a search that
 * skips schedules for it misses some: a turn that reads a flag and then writes what the flag says
 * is independent of another writer only as long as nobody turns the flag. So the footprint of a
 * step is taken to be all that this step was ever seen to touch: the same task, as many steps on,
 * with the same operation announced, and the same choices made. When a step is seen to touch more than that, what has been
 * decided before is worth nothing, and the search begins anew; the widest footprints stay.
 *
 * In the end nothing is missed. If a schedule were, take its first step with an unknown footprint:
 * up to there all footprints are known, so that a schedule with the same beginning has been
 * explored, in which the step read something else. That it read differs, so some step that comes
 * between is in conflict with it, and the race was turned round.
 */
import type { Wait } from '../sched/op.ts';
import type { System } from './system.ts';

import {
  isReadLike,
  kindOf,
  objectOf,
  operation,
  READ,
  TRYFAIL,
  TRYLOCK,
  TRYRDLOCK,
  WRITE,
} from '../sched/point.ts';
import { beginsWith, type Choices } from './outcomes.ts';

type Footprint = Pick<System, 'op' | 'more'>;
interface Known {
  readonly choices: Choices;
  readonly wide: Wait[];
  /** The first few choices, and what was supposed of all that begin so. */
  readonly supposed: boolean;
}

/** The access that an operation is, and nothing of what it does to locks and queues. */
const access = (x: Wait): Wait => operation(isReadLike(kindOf(x)) ? READ : WRITE, objectOf(x));
/** Does what is independent of `wide` stay so with `x`? */
const within = (x: Wait, wide: readonly Wait[]): boolean =>
  wide.includes(x) || wide.includes(operation(WRITE, objectOf(x)));

const STEPS = 4096;
/** What is announced: of a try, whatever comes of it, the same. */
const plan = (x: Wait): Wait => {
  const tries = kindOf(x) === TRYFAIL || kindOf(x) === TRYRDLOCK;
  return tries ? operation(TRYLOCK, objectOf(x)) : x;
};
const keyOf = (task: number, nth: number, announced: Wait): number =>
  (plan(announced) * 32 + task) * STEPS + (nth % STEPS);

const same = (a: Choices, b: Choices): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i]);

export class Footprints {
  private readonly widest = new Map<number, Known[]>();
  private grown = false;

  /** Since the last call, has a step touched more than was known of it? */
  haveGrown(): boolean {
    const { grown } = this;
    this.grown = false;
    return grown;
  }

  /**
   * What a step is known to touch that has not been taken.
   * @param nth  how many steps the task has taken before
   */
  known(task: number, nth: number, announced: Wait): Wait[] | null {
    const known = this.widest.get(keyOf(task, nth, announced)) ?? [];
    return known.length === 0 ? null : known.flatMap(({ wide }) => wide);
  }

  /**
   * What a step may touch with choices that begin like these: as far as nothing is known, what it
   * touched with others. To be wrong about that is to see it touch more.
   */
  suppose(step: Footprint, task: number, nth: number, choices: Choices): readonly Wait[] | null {
    const key = keyOf(task, nth, step.op);
    const known = this.widest.get(key) ?? [];
    const those = known.filter((k) => beginsWith(k.choices, choices));
    if (those.length > 0) return those.flatMap(({ wide }) => wide);
    const wide = [step.op, ...(step.more ?? [])].map(access);
    this.widest.set(key, [...known, { choices, wide, supposed: true }]);
    return step.more;
  }

  /** The footprint of the step that was just taken, widened. */
  of(step: Footprint, task: number, nth: number, announced: Wait, choices: Choices): Footprint {
    const { op, more } = step;
    const key = keyOf(task, nth, announced);
    const now = [access(op), ...(more ?? []).map(access)];
    const known = this.widest.get(key) ?? [];
    const wide = known.find((k) => !k.supposed && same(k.choices, choices))?.wide;
    if (wide === undefined) {
      this.widest.set(key, [...known, { choices, wide: now, supposed: false }]);
      const supposed = known.filter((k) => k.supposed && beginsWith(choices, k.choices));
      this.grown ||= supposed.some((k) => !now.every((x) => within(x, k.wide)));
      return step;
    }
    for (const x of now) {
      if (within(x, wide)) continue;
      wide.push(x);
      this.grown = true;
    }
    const missing = wide.filter((x) => !within(x, now));
    return missing.length === 0 ? step : { op, more: [...(more ?? []), ...missing] };
  }
}
