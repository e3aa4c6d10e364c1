/** What an exploration has seen so far, and what it says in the end. */
import type { Ending } from './run.ts';
import { scheduleOf, type Schedule } from './schedule.ts';
import type { SoundSearch } from './sound-search.ts';
import type { Failure, System } from './system.ts';

/** What a verdict stands for, so that nobody reads more into it. */
export interface Claim {
  /** Up to the order of independent steps; where not all have been seen, `holds` is never said. */
  readonly schedules: 'all' | 'some';
  /** Of executions with at most so many choices other than the ordinary; null: with any number. */
  readonly faults: number | null;
  /**
   * Is each execution a behaviour of its own? Tasks of the scheduler do not say beforehand all that
   * a turn may touch, so that executions are no fewer than behaviours, but may be more.
   */
  readonly once: boolean;
  /** Only up to who is who of tasks that are alike. */
  readonly symmetry?: true;
  readonly memory: 'sequentially consistent';
}

export interface Tallied {
  readonly claim: Claim;
  readonly verdict: 'holds' | 'violated' | 'limit';
  readonly complete: boolean;
  readonly executions: number;
  readonly steps: number;
  /** How many executions ended in each way. */
  readonly failures: Readonly<Partial<Record<Failure['kind'], number>>>;
  /** The first failure, and how to see it again. */
  readonly failure: Failure | null;
  readonly schedule: Schedule | null;
}

export class Tally {
  executions = 0;
  private steps = 0;
  private failures: Partial<Record<Failure['kind'], number>> = {};
  private first: { failure: Failure; schedule: Schedule } | null = null;
  private restarts = 0;
  /** Some execution had no end, and is not known to go round. */
  private cutOff = false;

  /** An execution has ended. @returns whether it failed */
  add(end: Ending, search: SoundSearch, system: System): boolean {
    if (search.restarts > this.restarts) {
      // What came before is explored again. A failure stays one.
      this.restarts = search.restarts;
      this.executions = 0;
      this.failures = {};
      this.cutOff = false;
    }
    this.steps += end.steps;
    this.cutOff ||= end.cutOff === true;
    if (!end.abandoned) this.executions++;
    const { failure } = end;
    if (failure === null) return false;
    this.failures[failure.kind] = (this.failures[failure.kind] ?? 0) + 1;
    this.first ??= { failure, schedule: scheduleOf(search.trace, system) };
    return true;
  }

  /** A failure of a search beside this one; its executions are not counted. */
  found(failure: Failure, schedule: Schedule): void {
    this.first ??= { failure, schedule };
  }

  /** @param faults  so many choices of an execution were allowed to be other than 0 */
  result(exhaustive: boolean, system: System, faults: number): Tallied {
    const { first } = this;
    const complete = exhaustive && !this.cutOff;
    return {
      claim: {
        schedules: complete ? 'all' : 'some',
        faults: faults === Infinity ? null : faults,
        once: system.exact === true,
        ...(system.symmetric === true ? { symmetry: true } : {}),
        memory: 'sequentially consistent',
      },
      verdict: first !== null ? 'violated' : complete ? 'holds' : 'limit',
      complete,
      executions: this.executions,
      steps: this.steps,
      failures: this.failures,
      failure: first?.failure ?? null,
      schedule: first?.schedule ?? null,
    };
  }
}
