/**
 * Every schedule and every outcome of every choice, with no reduction at all: what cleverer
 * searches are held against. Depth first, by an odometer of decisions, the last one fastest.
 */
import { assert } from '../base/assert.ts';
import type { Search } from './search.ts';
import type { System } from './system.ts';

interface Decision {
  /** The task, or the outcome of a choice. */
  value: number;
  /** Tasks that are left to be tried. */
  left: number;
  /** How many outcomes a choice has; 0: it is a task. */
  readonly below: number;
}

const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);

export class Dfs implements Search {
  exhaustive = false;
  blocked = 0;
  private readonly decisions: Decision[] = [];
  private at = 0;

  choose(_system: System, enabled: number): number {
    return this.decide(enabled, 0);
  }
  pick(below: number): number {
    return this.decide(0, below);
  }

  private decide(among: number, below: number): number {
    const known = this.decisions[this.at++];
    if (known !== undefined) {
      assert(known.below === below, 'the same execution offers the same choices');
      return known.value;
    }
    const value = below > 0 ? 0 : this.first(among);
    this.decisions.push({ value, left: among & ~(1 << value), below });
    return value;
  }

  /** Which of some tasks is tried first. */
  protected first(among: number): number {
    return lowest(among);
  }

  stepped(_system: System, _task: number): void {
    // Footprints do not matter here.
  }

  /** Was the last decision of this execution new, so that no execution before has come here? */
  protected get isNew(): boolean {
    return this.at >= this.decisions.length;
  }

  ended(_system: System): boolean {
    const { decisions } = this;
    this.at = 0;
    for (let d = decisions.at(-1); d !== undefined; d = decisions.at(-1)) {
      if (d.value + 1 < d.below) {
        d.value++;
        return true;
      }
      if (d.left !== 0) {
        d.value = lowest(d.left);
        d.left &= d.left - 1;
        return true;
      }
      decisions.pop();
    }
    this.exhaustive = true;
    return false;
  }
}
