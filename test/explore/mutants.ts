/** The search with a mistake in it: what the judge of the search must be able to see. */
import { Detour, FREE } from '../../src/explore/detour.ts';
import { Dpor, type DporMode, type DporOptions } from '../../src/explore/dpor.ts';
import type { Engine } from './oracle.ts';

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

/** A race whose reversal seems to be known is known for good, whatever else comes behind it. */
class LookedAtOnce extends Dpor {
  protected override reopen(): void {
    // The mistake.
  }
}

/** Once an outcome of a step has been tried, the whole step has. */
class OneOutcome extends Dpor {
  protected override otherOutcomes(): void {
    // The mistake.
  }
}

/** That an outcome has been tried says so of all of them. */
class OneSleepsForAll extends Dpor {
  protected override readonly detour = new (class extends Detour {
    override mayBegin(...[task, op, more, , sleeps]: Parameters<Detour['mayBegin']>): boolean {
      return super.mayBegin(task, op, more, null, sleeps);
    }
  })(this.trace);
}

/** What sleeps stands for a sequence together with which it would be one fault too many. */
class FaultsForNothing extends Dpor {
  constructor(options: DporOptions) {
    super(options);
    this.detour.faults = Infinity;
  }
}

export interface Mutant {
  readonly mode: DporMode;
  /** On which programs it must show. */
  readonly on: 'fixed footprints' | 'choices' | 'footprints that depend';
  readonly engine: (faults?: number) => Engine;
}
const of =
  (on: Mutant['on']) =>
  (mode: DporMode, Of: typeof Dpor): Mutant => {
    return { mode, on, engine: (faults) => () => new Of({ mode, ...(faults && { faults }) }) };
  };
const plain = of('fixed footprints');
const choosing = of('choices');
const depending = of('footprints that depend');

export const mutants: Record<string, Mutant> = {
  'no races of operations that are blocked for ever': plain('optimal', NoRacesOfTheStuck),
  'no look whether a lock is free where it is asked for': plain('optimal', NoBlocker),
  'no earlier holder is overtaken': plain('optimal', NoEarlierHolder),
  'the same, in source mode': plain('source', NoEarlierHolder),
  'the short reversal sequence': plain('optimal', ShortSequence),
  'initials instead of weak initials': plain('optimal', StrongInitials),
  'backtrack sets with sleep sets': plain('source', BacktrackSets),
  'a read is no race': plain('optimal', BlindForReads),
  'looked at once': plain('optimal', LookedAtOnce),
  'nothing wider, optimal': depending('optimal', Dpor),
  'nothing wider, source': depending('source', Dpor),
  'one outcome of a choice': choosing('optimal', OneOutcome),
  'an outcome sleeps for all': choosing('optimal', OneSleepsForAll),
  'faults are counted where they fall, not where they are planned': choosing(
    'optimal',
    FaultsForNothing,
  ),
};
