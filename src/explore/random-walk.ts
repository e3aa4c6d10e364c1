/**
 * Schedules by chance: at every step each task that can move is as likely as the others. For what
 * is too large to be seen wholly. Execution k has a seed of its own, so that one that fails is
 * found again by its number alone.
 */
import { Prng } from '../base/prng.ts';
import type { Search } from './search.ts';
import type { System } from './system.ts';

export interface RandomOptions {
  /** An integer from 0; execution k uses seed + k. */
  readonly seed: number;
  /** How many executions are wanted; without an end if left out. */
  readonly executions?: number;
  /** How likely a choice of data is other than the ordinary. */
  readonly faults?: number;
}

/** A search that never knows whether it has seen everything. */
export abstract class RandomSearch implements Search {
  readonly exhaustive = false;
  readonly blocked = 0;
  /** The seed of this execution. */
  seed: number;
  protected random: Prng;
  private readonly until: number;
  private readonly faults: number;

  constructor(options: RandomOptions) {
    this.seed = options.seed;
    this.until = options.seed + (options.executions ?? Infinity);
    this.faults = options.faults ?? 1 / 4;
    this.random = new Prng(this.seed);
  }

  abstract choose(system: System, enabled: number): number;

  pick(below: number): number {
    if (below === 1 || !this.random.chance(this.faults)) return 0;
    return 1 + this.random.below(below - 1);
  }

  stepped(_system: System, _task: number): void {
    // Nothing is remembered.
  }

  ended(_system: System): boolean {
    this.random = new Prng(++this.seed);
    return this.seed < this.until;
  }
}

/** How many tasks there are in a mask. */
export function countOf(mask: number): number {
  let n = 0;
  for (let left = mask; left !== 0; left &= left - 1) n++;
  return n;
}

export class RandomWalk extends RandomSearch {
  choose(_system: System, enabled: number): number {
    let left = enabled;
    for (let n = this.random.below(countOf(enabled)); n > 0; n--) left &= left - 1;
    return 31 - Math.clz32(left & -left);
  }
}
