/**
 * A part of a search: all that begins with certain steps, explored by itself. Several parts can be
 * explored at once, in threads or on machines that share nothing, and together see every behaviour
 * once, as one search would.
 *
 * A wakeup tree tells a whole that stands alone: at a leaf of it everybody is awake who slept where
 * the tree is rooted, so that what begins there needs nothing from its siblings and repeats nothing
 * of theirs. A part is such a leaf: the path to it, with the siblings on its left at each depth.
 * Races whose reversal branches off within the path are not this part's to try: they are reported,
 * and the division (division.ts) puts them on its tree, on the right of what is there.
 *
 * While it is being explored a part can be cut: it keeps the child that it is at, and gives away
 * the siblings on the right of it, at the smallest depth where there are some.
 *
 * Invariants
 *  P-1  What was reported, given away, or explored, together is all that begins with the path.
 *  P-2  Nobody sleeps at the end of the path.
 *  P-3  There are no free choices: a path has one outcome of each, and somebody would have to try
 *       the others. A system that asks for one is refused, not explored in part.
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { LAST } from './detour.ts';
import { Dpor, type DporOptions, has, lowest, WIDE } from './dpor.ts';
import { runOnce } from './run.ts';
import { scheduleOf, type Schedule } from './schedule.ts';
import type { Failure, Step, System } from './system.ts';
import type { WakeupNode } from './wakeup-tree.ts';

export interface PathStep {
  readonly task: number;
  readonly choices: readonly number[] | null;
  /** First steps of the siblings on its left. */
  readonly known: readonly Step[];
}
export type Path = readonly PathStep[];

/** A sequence to be tried at a depth of the path. */
export interface Reversal {
  readonly depth: number;
  readonly steps: readonly Step[];
  /** So many of them at least: see `insertSequence()`. */
  readonly needed: number;
}

/** What a part gave away: its path goes on with these. */
export interface Cut {
  readonly path: readonly { readonly done: readonly Step[]; readonly step: Step }[];
  /** Siblings of the last of them, on its right. */
  readonly waiting: readonly WakeupNode[];
}

export interface Counts {
  executions: number;
  steps: number;
  /** Executions that were redundant, and reversals that could not be carried out: none. */
  blocked: number;
  infeasible: number;
  failures: Partial<Record<Failure['kind'], number>>;
}
export const noCounts = (): Counts => ({
  executions: 0,
  steps: 0,
  blocked: 0,
  infeasible: 0,
  failures: {},
});

export interface Failed {
  readonly failure: Failure;
  readonly schedule: Schedule;
}

/** What came of a while of exploring. */
export interface Report {
  readonly cut: Cut | null;
  readonly reversals: readonly Reversal[];
  readonly counts: Counts;
  readonly failed: Failed | null;
  readonly finished: boolean;
}

export class Part extends Dpor {
  private readonly path: Path;
  private reversals: Reversal[] = [];
  /** What has been reported, in words. */
  private readonly reported = new Set<string>();
  private finished = false;

  constructor(path: Path, options: Omit<DporOptions, 'mode'> = {}) {
    super({ ...options, mode: 'optimal' });
    this.path = path;
    this.root = path.length;
  }

  override choose(system: System, enabled: number): number {
    const next = this.at === this.trace.length ? this.path[this.at] : undefined;
    if (next === undefined) return super.choose(system, enabled);
    const d = this.at;
    assert(has(enabled, next.task), 'a part begins as it did where it was found');
    this.tree[d] = [{ task: next.task, op: 0, more: null, choices: next.choices, children: [] }];
    for (const known of next.known) this.know(d, known);
    this.done[d]! &= ~(1 << next.task);
    return super.choose(system, enabled);
  }

  private know(d: number, { task, op, more }: Step): void {
    this.done[d]! |= 1 << task;
    this.footOp[d * WIDE + task] = op;
    this.footMore[d * WIDE + task] = more;
  }

  override pick(): never {
    throw errno('EOPNOTSUPP', {}, 'free choices cannot be explored in parts'); // P-3
  }

  /** What is on the list there, only the division knows: such a race is never settled here. */
  protected override plant(i: number): number {
    if (i >= this.root) return super.plant(i);
    const needed = this.detour.list(this.steps);
    const steps = Array.from(this.steps.subarray(0, this.detour.length), (e) => this.stepOf(e));
    const words = `${i} ${steps.map((s) => `${s.task}:${s.choices?.join() ?? ''}`).join(' ')}`;
    if (this.reported.has(words)) return LAST;
    this.reported.add(words);
    this.reversals.push({ depth: i, steps, needed });
    return LAST;
  }

  private stepOf(e: number): Step {
    const { trace } = this;
    return {
      task: trace.task[e]!,
      op: trace.op[e]!,
      more: trace.more[e]!,
      choices: trace.choices[e]!,
    };
  }

  /** Give away what waits at the smallest depth where something does. */
  private cut(): Cut | null {
    let d = this.root;
    while (d < this.trace.length && (this.tree[d]?.length ?? 0) < 2) {
      d++;
    }
    if (d >= this.trace.length) return null;
    const path = [];
    for (let k = this.root; k <= d; k++) path.push({ done: this.doneAt(k), step: this.stepOf(k) });
    this.root = d + 1;
    return { path, waiting: this.tree[d]!.splice(1) };
  }

  private doneAt(d: number): Step[] {
    const steps: Step[] = [];
    for (let left = this.done[d]!; left !== 0; left &= left - 1) {
      const task = lowest(left);
      const at = d * WIDE + task;
      steps.push({ task, op: this.footOp[at]!, more: this.footMore[at]!, choices: null });
    }
    return steps;
  }

  /**
   * Explore on. @param executions  at most so many
   * @param cut  give away something first, if there is anything
   * @throws EOPNOTSUPP the system's numbers are of this process alone, its steps do more than they
   *   announce, or it asks for a choice
   */
  run(system: System, executions: number, cut: boolean, maxSteps: number): Report {
    if (system.portable !== true || system.exact !== true) {
      throw errno('EOPNOTSUPP', {}, 'it cannot be explored in parts');
    }
    const counts = noCounts();
    const given = cut && this.trace.length > 0 && !this.finished ? this.cut() : null;
    const before = { blocked: this.blocked, infeasible: this.infeasible };
    let failed: Failed | null = null;
    while (!this.finished && counts.executions < executions) {
      const { failure, abandoned, steps } = runOnce(system, this, maxSteps);
      counts.steps += steps;
      if (!abandoned) counts.executions++;
      if (failure !== null) {
        counts.failures[failure.kind] = (counts.failures[failure.kind] ?? 0) + 1;
        failed ??= { failure, schedule: scheduleOf(this.trace, system) };
      }
      this.finished = !this.ended(system);
    }
    counts.blocked = this.blocked - before.blocked;
    counts.infeasible = this.infeasible - before.infeasible;
    const { reversals, finished } = this;
    this.reversals = [];
    return { cut: given, reversals, counts, failed, finished };
  }
}
