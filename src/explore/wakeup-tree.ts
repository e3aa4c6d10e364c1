/**
 * What is still to be tried at one point of the search: sequences of steps, merged where they
 * begin alike. The first child is the one being explored; a leaf leaves the rest to the search.
 *
 * @source "Optimal dynamic partial order reduction" (POPL 2014), section 6, wakeup trees
 */
import type { Wait } from '../sched/op.ts';
import type { Step } from './system.ts';
import { footprintsClash, type Trace } from './trace.ts';

/** Steps by number, in columns. */
export type Columns = Pick<Trace, 'task' | 'op' | 'more' | 'choices'>;

export interface WakeupNode extends Step {
  op: Wait;
  more: readonly Wait[] | null;
  children: WakeupNode[];
}

export const leaf = (task: number, op: Wait, more: readonly Wait[] | null): WakeupNode => ({
  task,
  op,
  more,
  choices: null,
  children: [],
});

/** It may come first. */
const FIRST = -1;

/**
 * What keeps `task`, whose next step has this footprint, from coming first in the sequence: an
 * index; or FIRST. (It is a weak initial: the first, or independent of all that stands before it.)
 * @param steps  numbers of steps of `trace`, in order; the first `count` count
 */
function obstacle(trace: Columns, steps: Int32Array, count: number, next: WakeupNode): number {
  for (let a = 0; a < count; a++) {
    const e = steps[a]!;
    if (trace.task[e] === next.task) return FIRST;
    if (footprintsClash(trace.op[e]!, trace.more[e]!, next.op, next.more)) return a;
  }
  return FIRST;
}

const sameChoices = (a: readonly number[] | null, b: readonly number[] | null): boolean =>
  a === b || (a !== null && b !== null && a.length === b.length && a.every((v, i) => v === b[i]));

/**
 * Make sure that a sequence which begins like this one will be explored.
 *
 * What is kept of it is as much as nobody who is tried before it could begin with; behind that the
 * search is free, and still does nothing twice.
 * @param steps  as above; used up
 * @param needed  so many steps are kept at least
 * @param missing  of a task that the sequence does not go on with: behind which step of the trace
 *   nothing of the sequence can change that
 * @returns the number of the last step on which it depends that this is enough
 */
export function insertSequence(
  list: WakeupNode[],
  trace: Columns,
  steps: Int32Array,
  count: number,
  needed: number,
  missing: (task: number) => number,
): number {
  let until = 0;
  for (;;) {
    let hit: WakeupNode | undefined;
    for (const next of list) {
      const at = obstacle(trace, steps, count, next);
      if (at === FIRST) {
        hit = next;
        break;
      }
      needed = Math.max(needed, at + 1);
    }
    if (hit === undefined) break;
    let at = 0;
    while (at < count && trace.task[steps[at]!] !== hit.task) at++;
    until = Math.max(until, at < count ? steps[at]! : missing(hit.task));
    if (at < count) {
      // Every outcome of that step's choices is explored there, this one by itself.
      if (!sameChoices(trace.choices[steps[at]!]!, hit.choices)) return until;
      steps.copyWithin(at, at + 1, count);
      count--;
      if (at < needed) needed--;
    }
    if (hit.children.length === 0 || needed === 0) return until;
    list = hit.children;
  }
  for (let a = 0; a < needed; a++) {
    const e = steps[a]!;
    until = Math.max(until, e);
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
  return until;
}
