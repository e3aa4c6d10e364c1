/**
 * Outcomes of a step that makes free choices: a list of numbers, one a choice.
 *
 * Two outcomes of a step are two events that exclude each other, as if each were a task of its own
 * and whoever comes first took a lock that nobody gives back. So each has its own footprint, sleeps
 * and is woken by itself, and is on the list of what is to be tried by itself: see dpor.ts.
 *
 * What else a step chooses may depend on its first choices, so that outcomes are leaves of a tree.
 * What has been tried knows all of its numbers; what is to be tried knows the first few, and the
 * rest comes out when it is.
 */
import type { Step } from './system.ts';

export type Choices = readonly number[];

/** A step with this outcome has been explored. */
export interface Outcome extends Step {
  readonly choices: Choices;
  /** Of how many each choice was one. */
  readonly below: readonly number[];
}

/** Does `all` begin with `first`? Without choices everything is a beginning. */
export function beginsWith(all: Choices | null, first: Choices | null): boolean {
  if (first === null) return true;
  if (all === null) return first.length === 0;
  return first.length <= all.length && first.every((v, i) => v === all[i]);
}

/** Can they be the same outcome, as far as both are known? */
export const agree = (a: Choices | null, b: Choices | null): boolean =>
  a === b || beginsWith(a, b) || beginsWith(b, a);

/** How many choices are not the ordinary one. */
export function faultsIn(choices: Choices | null): number {
  let n = 0;
  if (choices !== null) for (const v of choices) if (v !== 0) n++;
  return n;
}

/**
 * Is every outcome of the task's step that begins like this among them?
 * @param left  so many more choices may be other than 0
 */
export function allAmong(
  outcomes: readonly Outcome[],
  task: number,
  first: Choices,
  left: number,
): boolean {
  const those = outcomes.filter((o) => o.task === task && beginsWith(o.choices, first));
  const one = those[0];
  if (one === undefined) return false;
  const n = first.length;
  if (one.choices.length === n) return true;
  const below = left > 0 ? one.below[n]! : 1;
  for (let v = 0; v < below; v++) {
    if (!allAmong(those, task, [...first, v], v === 0 ? left : left - 1)) return false;
  }
  return true;
}

/**
 * What else the step could have chosen, the first few numbers of each.
 * @param left  so many choices of the step may be other than 0
 */
export function alternatives(choices: Choices, below: readonly number[], left: number): Choices[] {
  const found: Choices[] = [];
  for (let n = 0; n < choices.length; n++) {
    const before = choices.slice(0, n);
    const spent = faultsIn(before);
    for (let v = 0; v < below[n]!; v++) {
      if (v === choices[n] || spent + (v === 0 ? 0 : 1) > left) continue;
      found.push([...before, v]);
    }
  }
  return found;
}
