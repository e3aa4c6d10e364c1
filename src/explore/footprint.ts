/**
 * What a step may touch at most.
 *
 * Whether two steps are independent must not depend on the steps before them, or a search that
 * skips schedules for it misses some: a turn that reads a flag and then writes what the flag says
 * is independent of another writer only as long as nobody turns the flag. So the footprint of a
 * step is taken to be all that this step was ever seen to touch: the same task, which has done the
 * same before, with the same operation announced and the same choices made, whatever it read. When
 * a step is seen to touch more than that, what has been decided before is worth nothing, and the
 * search begins anew; the widest footprints stay.
 *
 * In the end nothing is missed. If a schedule were, take its first step with an unknown footprint:
 * up to there all footprints are known, so that a schedule with the same beginning has been
 * explored, in which the step read something else. That it read differs, so some step that comes
 * between is in conflict with it, and the race was turned round.
 */
import type { Wait } from '../sched/op.ts';
import { isReadLike, kindOf, objectOf, operation, READ, WRITE } from '../sched/point.ts';
import { beginsWith, type Choices } from './outcomes.ts';
import { MAX_TASKS, type System } from './system.ts';

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

const same = (a: Choices, b: Choices): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i]);

/** Numbers for what a task has done so far. */
class Histories {
  private readonly numbers = new Map<number, number>();

  /** @param x  an operation, or a number below 0 for something else */
  after(past: number, x: number): number {
    const key = past * 2 ** 32 + 2 ** 31 + x;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const number = this.numbers.size + 1;
    // Beyond that some are taken for the same: their steps touch what any of them does.
    if (number > MOST) return 1 + (key % MOST);
    this.numbers.set(key, number);
    return number;
  }
}
const MOST = 2 ** 20;

export class Footprints {
  private readonly pasts = new Histories();
  /** By task: what it has gone through. */
  private readonly past = new Int32Array(MAX_TASKS + 1);
  /** By what a task has gone through and what it announces. */
  private readonly widest = new Map<number, Known[]>();
  private grown = false;

  /** Another execution begins. */
  begin(): void {
    this.past.fill(0);
  }

  /** Since the last call, has a step touched more than was known of it? */
  haveGrown(): boolean {
    const { grown } = this;
    this.grown = false;
    return grown;
  }

  /** The number of the step of `task` that comes next. */
  next(task: number, announced: Wait): number {
    return this.pasts.after(this.pasts.after(this.past[task]!, ~task), announced);
  }

  /** What a step is known to touch. */
  known(step: number): Wait[] | null {
    return this.widest.get(step)?.flatMap(({ wide }) => wide) ?? null;
  }

  /**
   * What a step may touch with choices that begin like these: as far as nothing is known, what it
   * touched with others. To be wrong about that is to see it touch more.
   */
  suppose(step: number, { op, more }: Footprint, choices: Choices): readonly Wait[] | null {
    const known = this.widest.get(step) ?? [];
    const those = known.filter((k) => beginsWith(k.choices, choices));
    if (those.length > 0) return those.flatMap(({ wide }) => wide);
    const wide = [op, ...(more ?? [])].map(access);
    this.widest.set(step, [...known, { choices, wide, supposed: true }]);
    return more;
  }

  /** The footprint of the step that `task` just took, widened. */
  of({ op, more }: Footprint, task: number, step: number, choices: Choices): Footprint {
    const now = [access(op), ...(more ?? []).map(access)];
    const known = this.widest.get(step) ?? [];
    this.past[task] = this.did(step, now, choices);
    const wide = known.find((k) => !k.supposed && same(k.choices, choices))?.wide;
    if (wide === undefined) {
      this.widest.set(step, [...known, { choices, wide: now, supposed: false }]);
      const supposed = known.filter((k) => k.supposed && beginsWith(choices, k.choices));
      this.grown ||= supposed.some((k) => !now.every((x) => within(x, k.wide)));
      return { op, more };
    }
    for (const x of now) {
      if (within(x, wide)) continue;
      wide.push(x);
      this.grown = true;
    }
    const missing = wide.filter((x) => !within(x, now));
    return { op, more: missing.length === 0 ? more : [...(more ?? []), ...missing] };
  }

  private did(step: number, accesses: readonly Wait[], choices: Choices): number {
    let past = step;
    for (const v of choices) past = this.pasts.after(past, ~v);
    for (const x of accesses) past = this.pasts.after(past, x);
    return past;
  }
}
