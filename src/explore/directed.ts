/**
 * A search for one thing: a deadlock in a circle of lock classes that lockdep has reported. Tasks
 * that hold a lock of the circle and are about to take another one are held back, so that all of
 * them come to stand there together; when nobody else can move, one of them goes on. Which of the
 * others moves is left to chance. Some executions hold nobody back for long, in case that one who
 * stands there keeps the others from coming.
 * @source P. Joshi, C.-S. Park, K. Sen, M. Naik, "A randomized dynamic program analysis technique
 *         for detecting real deadlocks" (PLDI 2009)
 */
import { Prng } from '../base/prng.ts';
import { OneRun } from './follow.ts';
import { countOf } from './random-walk.ts';
import { runOnce } from './run.ts';
import { portable, type Schedule } from './schedule.ts';
import type { Failure, System } from './system.ts';

/** One execution in so many lets those who stand there pass, at one step in so many. */
const LET_PASS = 8;

export class Directed extends OneRun {
  private readonly classes: ReadonlySet<string>;
  private readonly random: Prng;
  private readonly strict: boolean;
  /** At most so many choices of data other than the ordinary. */
  private faults: number;

  /** @param classes  names of the lock classes, without subclasses */
  constructor(classes: Iterable<string>, seed: number, faults = 1) {
    super();
    this.classes = new Set(classes);
    this.random = new Prng(seed);
    this.strict = seed % LET_PASS !== LET_PASS - 1;
    this.faults = faults;
  }

  protected decide(system: System, enabled: number): number {
    let free = enabled;
    for (let left = enabled; left !== 0; left &= left - 1) {
      const task = 31 - Math.clz32(left & -left);
      if (this.standsBetween(system, task)) free &= ~(1 << task);
    }
    const pass = free === 0 || (!this.strict && this.random.below(LET_PASS) === 0);
    return this.oneOf(pass ? enabled : free);
  }

  /** It has a lock of the circle and wants one more. */
  private standsBetween(system: System, task: number): boolean {
    const wants = system.wantsLock?.(task) ?? null;
    if (wants === null) return false;
    return system.holdsLocks?.(task).some((name) => this.classes.has(name)) ?? false;
  }

  private oneOf(mask: number): number {
    let left = mask;
    for (let n = this.random.below(countOf(mask)); n > 0; n--) left &= left - 1;
    return 31 - Math.clz32(left & -left);
  }

  protected outcome(below: number): number {
    if (below === 1 || this.faults === 0 || !this.random.chance(1 / 8)) return 0;
    this.faults--;
    return 1 + this.random.below(below - 1);
  }
}

export interface DirectedOptions {
  readonly executions: number;
  readonly maxSteps: number;
  readonly faults: number;
}

/**
 * Execution after execution until `ended` has seen enough.
 * @param ended  told of each; returns whether to go on
 */
export function searchDirected(
  system: System,
  classes: Iterable<string>,
  options: DirectedOptions,
  ended: (failure: Failure | null, schedule: () => Schedule) => boolean,
): void {
  const names = [...classes];
  for (let seed = 0; seed < options.executions; seed++) {
    const search = new Directed(names, seed, options.faults);
    const { failure } = runOnce(system, search, options.maxSteps);
    if (!ended(failure, () => portable(search.moves, system))) return;
  }
}
