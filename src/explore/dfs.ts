/**
 * Every schedule and every outcome of every choice, with no reduction at all: what cleverer
 * searches are held against. Depth first, by an odometer of decisions, the last one fastest.
 */
import { assert } from '../base/assert.ts';
import type { Search } from './search.ts';
import type { Chooser, System } from './system.ts';

interface Decision {
  /** The task, or the outcome of a choice. */
  value: number;
  /** Tasks that are left to be tried; or -1 and the number of outcomes. */
  left: number;
  readonly below: number;
}

export class Dfs implements Search {
  exhaustive = false;
  readonly blocked = 0;
  /** Steps at the beginning of this execution that are a repetition. */
  repeated = 0;
  private readonly decisions: Decision[] = [];
  private at = 0;
  private steps = 0;
  /** Steps before each decision. */
  private readonly before: number[] = [];

  choose(_system: System, enabled: number): number {
    const known = this.decisions[this.at++];
    this.steps++;
    if (known !== undefined) return known.value;
    const value = 31 - Math.clz32(enabled & -enabled);
    this.decisions.push({ value, left: enabled & (enabled - 1), below: 0 });
    this.before.push(this.steps - 1);
    return value;
  }

  pick: Chooser['pick'] = (below) => {
    const known = this.decisions[this.at++];
    if (known !== undefined) {
      assert(known.below === below, 'the same execution offers the same choices');
      return known.value;
    }
    this.decisions.push({ value: 0, left: 0, below });
    this.before.push(this.steps - 1);
    return 0;
  };

  stepped(): void {
    // Footprints do not matter here.
  }

  ended(): boolean {
    const { decisions } = this;
    this.at = 0;
    this.steps = 0;
    for (
      let d = decisions[decisions.length - 1];
      d !== undefined;
      d = decisions[decisions.length - 1]
    ) {
      if (d.value + 1 < d.below) {
        d.value++;
        return this.again();
      }
      if (d.left !== 0) {
        d.value = 31 - Math.clz32(d.left & -d.left);
        d.left &= d.left - 1;
        return this.again();
      }
      decisions.pop();
      this.before.pop();
    }
    this.exhaustive = true;
    return false;
  }

  private again(): boolean {
    this.repeated = this.before[this.before.length - 1]!;
    return true;
  }
}
