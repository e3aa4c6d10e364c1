/**
 * Schedules by random priorities: the task of the highest priority that can move does, and at d - 1
 * random steps the one that is about to move falls behind all others. A mistake that needs d such
 * orderings in n tasks and k steps shows with a chance of at least 1 / (n * k^(d - 1)) in each
 * execution. How long an execution is, is taken from those before.
 * @source S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, "A randomized scheduler with
 *         probabilistic guarantees of finding bugs" (ASPLOS 2010)
 */
import { assert } from '../base/assert.ts';
import { type RandomOptions, RandomSearch } from './random-walk.ts';
import type { System } from './system.ts';

export interface PctOptions extends RandomOptions {
  /** How many orderings a mistake may need; 3. */
  readonly depth?: number;
}

export class Pct extends RandomSearch {
  readonly depth: number;
  /** The longest execution so far, steps. */
  private longest = 0;
  private steps = 0;
  /** Steps before which a priority changes; ascending. */
  private changes: number[] = [];
  /** By task, the higher the sooner; those that fell behind are below 0. */
  private readonly priority: number[] = [];

  constructor(options: PctOptions) {
    super(options);
    this.depth = options.depth ?? 3;
    assert(Number.isInteger(this.depth) && this.depth > 0, 'a depth is an integer from 1');
  }

  override choose(system: System, enabled: number): number {
    if (this.steps === 0) this.begin();
    for (let t = this.priority.length; t < system.count; t++) {
      this.priority.push(this.random.below(2 ** 32));
    }
    let task = this.highest(enabled);
    while (this.changes[0] === this.steps) {
      this.changes.shift();
      this.priority[task] = -this.depth + this.changes.length;
      task = this.highest(enabled);
    }
    this.steps++;
    return task;
  }

  private begin(): void {
    this.priority.length = 0;
    const steps = Math.max(1, this.longest);
    this.changes = Array.from({ length: this.depth - 1 }, () => this.random.below(steps));
    this.changes.sort((a, b) => a - b);
  }

  private highest(enabled: number): number {
    let best = -1;
    for (let left = enabled; left !== 0; left &= left - 1) {
      const t = 31 - Math.clz32(left & -left);
      if (best < 0 || this.priority[t]! > this.priority[best]!) best = t;
    }
    return best;
  }

  override ended(system: System): boolean {
    this.longest = Math.max(this.longest, this.steps);
    this.steps = 0;
    return super.ended(system);
  }
}
