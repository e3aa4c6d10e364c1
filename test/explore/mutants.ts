/** The search with a mistake in it: what the judge of the search must be able to see. */
import { Detour } from '../../src/explore/detour.ts';
import { Dpor, type DporMode } from '../../src/explore/dpor.ts';
import { FREE } from '../../src/explore/detour.ts';

/** Operations that never happened are forgotten, so that one deadlock hides the next. */
class NoRacesOfTheStuck extends Dpor {
  protected override blockedForever(): void {
    // The mistake.
  }
}

/** A lock is asked for where it is taken. */
class NoBlocker extends Dpor {
  protected override blocker(): number {
    return FREE;
  }
}

/** A lock that is held since before the race is waited for in vain. */
class NoEarlierHolder extends Dpor {
  protected override overtake(_holder: number, at: number): number {
    return at;
  }
}

/** What the execution did later and independently is not part of a reversal. */
class ShortSequence extends Dpor {
  protected override readonly detour = new (class extends Detour {
    override has(e: number): boolean {
      return e <= this.at && super.has(e);
    }
  })(this.trace);
}

/** A task that sleeps stands for a sequence only if it moves in it. */
class StrongInitials extends Dpor {
  protected override readonly detour = new (class extends Detour {
    override mayBegin(...next: Parameters<Detour['mayBegin']>): boolean {
      return super.mayBegin(...next) && this.firstOf(next[0]) >= 0;
    }
  })(this.trace);
}

/**
 * The later task of a race is tried in place of the earlier one if it can move there, else all are.
 * Complete by itself, but not together with sleep sets.
 * @source C. Flanagan, P. Godefroid, "Dynamic partial-order reduction for model checking
 *         software" (POPL 2005)
 */
class BacktrackSets extends Dpor {
  protected override reverse(i: number, at: number): number {
    const p = this.trace.task[at]!;
    const able = this.able[i]!;
    this.wanted[i]! |= (able >>> p) & 1 ? 1 << p : able;
    return at;
  }
}

/** Two reads are no race, and neither are a read and a write. */
class BlindForReads extends Dpor {
  protected override reverse(i: number, at: number): number {
    return (this.trace.op[at]! & 31) === 0 ? at : super.reverse(i, at);
  }
}

export const mutants: Record<string, [mode: DporMode, Of: typeof Dpor]> = {
  'no races of operations that are blocked for ever': ['optimal', NoRacesOfTheStuck],
  'no look whether a lock is free where it is asked for': ['optimal', NoBlocker],
  'no earlier holder is overtaken': ['optimal', NoEarlierHolder],
  'the short reversal sequence': ['optimal', ShortSequence],
  'initials instead of weak initials': ['optimal', StrongInitials],
  'backtrack sets with sleep sets': ['source', BacktrackSets],
  'a read is no race': ['optimal', BlindForReads],
};
