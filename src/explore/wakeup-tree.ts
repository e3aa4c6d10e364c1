/**
 * What is still to be tried at one point of the search: sequences of steps, merged where they
 * begin alike. The first child is the one being explored; a leaf leaves the rest to the search.
 *
 * @source "Optimal dynamic partial order reduction" (POPL 2014), section 6, wakeup trees
 */
import type { Wait } from '../sched/op.ts';
import type { Step } from './system.ts';
import { footprintsClash, type Trace } from './trace.ts';

export interface WakeupNode extends Step {
  op: Wait;
  more: readonly Wait[] | null;
  children: WakeupNode[];
}

export const leaf = (task: number, op: Wait): WakeupNode => ({
  task,
  op,
  more: null,
  choices: null,
  children: [],
});

/**
 * Could `task`, whose next step has this footprint, as well come first in the sequence? (It is a
 * weak initial: the first of the sequence, or independent of all that stands before it there.)
 * @param steps  numbers of steps of `trace`, in order; the first `count` count
 */
export function isWeakInitial(
  trace: Trace,
  steps: Int32Array,
  count: number,
  task: number,
  op: Wait,
  more: readonly Wait[] | null,
): boolean {
  for (let a = 0; a < count; a++) {
    const e = steps[a]!;
    if (trace.task[e] === task) return true;
    if (footprintsClash(trace.op[e]!, trace.more[e]!, op, more)) return false;
  }
  return true;
}

const sameChoices = (a: readonly number[] | null, b: readonly number[] | null): boolean =>
  a === b || (a !== null && b !== null && a.length === b.length && a.every((v, i) => v === b[i]));

/**
 * Make sure that a sequence which begins like this one will be explored.
 * @param steps  as above; used up
 */
export function insertSequence(
  list: WakeupNode[],
  trace: Trace,
  steps: Int32Array,
  count: number,
): void {
  let left = count;
  for (;;) {
    const hit = list.find((c) => isWeakInitial(trace, steps, left, c.task, c.op, c.more));
    if (hit === undefined) break;
    let at = 0;
    while (at < left && trace.task[steps[at]!] !== hit.task) at++;
    if (at < left) {
      // Every outcome of that step's choices is explored there, this one by itself.
      if (!sameChoices(trace.choices[steps[at]!]!, hit.choices)) return;
      steps.copyWithin(at, at + 1, left);
      left--;
    }
    if (hit.children.length === 0 || left === 0) return;
    list = hit.children;
  }
  for (let a = 0; a < left; a++) {
    const e = steps[a]!;
    const node: WakeupNode = {
      task: trace.task[e]!,
      op: trace.op[e]!,
      more: trace.more[e]!,
      choices: trace.choices[e]!,
      children: [],
    };
    list.push(node);
    list = node.children;
  }
}
