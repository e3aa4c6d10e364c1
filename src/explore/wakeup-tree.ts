/**
 * What is still to be tried at one point of the search: sequences of steps, merged where they
 * begin alike. The first child is the one being explored; a leaf leaves the rest to the search.
 *
 * @source "Optimal dynamic partial order reduction" (POPL 2014), section 6, wakeup trees
 */
import type { Wait } from '../sched/op.ts';
import { agree, type Choices, faultsIn } from './outcomes.ts';
import type { Step } from './system.ts';
import { footprintsClash, type Trace } from './trace.ts';

/** Steps by number, in columns. */
export type Columns = Pick<Trace, 'task' | 'op' | 'more' | 'choices'>;

export interface WakeupNode extends Step {
  op: Wait;
  more: readonly Wait[] | null;
  /** The first few at least; the others come out when it is tried. */
  choices: Choices | null;
  children: WakeupNode[];
}

/** A step of an execution as a node with nothing behind it. */
export const leaf = (trace: Columns, e: number): WakeupNode => ({
  task: trace.task[e]!,
  op: trace.op[e]!,
  more: trace.more[e]!,
  choices: trace.choices[e]!,
  children: [],
});

/** It may come first. */
const FIRST = -1;

/**
 * What keeps `task`, whose next step has this footprint, from coming first in the sequence: an
 * index; or FIRST. (It is a weak initial: the first, or independent of all that stands before it.)
 * @param steps  numbers of steps of `trace`, in order; the first `count` count
 * @param left  so many choices may be other than 0
 */
function obstacle(
  trace: Columns,
  steps: Int32Array,
  count: number,
  next: WakeupNode,
  left: number,
): number {
  for (let a = 0; a < count; a++) {
    const e = steps[a]!;
    if (trace.task[e] === next.task) return agree(trace.choices[e]!, next.choices) ? FIRST : a;
    if (footprintsClash(trace.op[e]!, trace.more[e]!, next.op, next.more)) return a;
  }
  let more = left === Infinity ? 0 : faultsIn(next.choices);
  if (more === 0) return FIRST;
  for (let a = 0, last = FIRST; a < count; a++) {
    const here = faultsIn(trace.choices[steps[a]!]!);
    if (here > 0) last = a;
    if ((more += here) > left) return last;
  }
  return FIRST;
}

/**
 * Make sure that a sequence which begins like this one will be explored.
 *
 * What is kept of it is as much as nobody who is tried before it could begin with; behind that the
 * search is free, and still does nothing twice.
 * @param steps  as above; used up
 * @param needed  so many steps are kept at least
 * @param missing  of a task that the sequence does not go on with: behind which step of the trace
 *   nothing of the sequence can change that
 * @param left  so many choices may be other than 0
 * @returns the number of the last step on which it depends that this is enough
 */
export function insertSequence(
  list: WakeupNode[],
  trace: Columns,
  steps: Int32Array,
  count: number,
  needed: number,
  missing: (task: number) => number,
  left = Infinity,
): number {
  let until = 0;
  for (;;) {
    let hit: WakeupNode | undefined;
    for (const next of list) {
      const at = obstacle(trace, steps, count, next, left);
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
      const choices = trace.choices[steps[at]!]!;
      // What was left open there is settled now; the alternatives come when it is tried.
      if ((choices?.length ?? 0) > (hit.choices?.length ?? 0)) hit.choices = choices;
      steps.copyWithin(at, at + 1, count);
      count--;
      if (at < needed) needed--;
    }
    if (hit.children.length === 0 || needed === 0) return until;
    left -= faultsIn(hit.choices);
    list = hit.children;
  }
  for (let a = 0; a < needed; a++) {
    const e = steps[a]!;
    until = Math.max(until, e);
    const node = leaf(trace, e);
    list.push(node);
    list = node.children;
  }
  return until;
}
