/**
 * A schedule from a list of numbers, so that whoever makes such lists can look for failures and
 * make them smaller: fast-check does both. Each number is one decision. 0 is: the task that moved
 * last goes on, and choices of data fall ordinarily; so smaller numbers, and fewer of them, are
 * schedules with fewer switches and fewer faults.
 */
import { runOnce } from './run.ts';
import type { Scenario } from './scenario.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import type { Search } from './search.ts';
import type { Failure, System } from './system.ts';
import { Trace } from './trace.ts';
import { withSystem } from './with-system.ts';

export class Guided implements Search {
  readonly trace = new Trace();
  readonly exhaustive = false;
  readonly blocked = 0;
  private readonly numbers: readonly number[];
  private at = 0;
  private choices: number[] = [];

  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  choose(system: System, enabled: number): number {
    const { length, task } = this.trace;
    if (length === 0) this.trace.begin(system.count);
    this.choices = [];
    const able = Array.from({ length: system.count }, (_, t) => t).filter(
      (t) => ((enabled >>> t) & 1) !== 0,
    );
    const last = length === 0 ? -1 : task[length - 1]!;
    able.sort((a, b) => Number(b === last) - Number(a === last));
    return able[this.decide(able.length)]!;
  }

  pick(below: number): number {
    const value = this.decide(below);
    this.choices.push(value);
    return value;
  }

  /** Where there is nothing to decide, no number is used up. */
  private decide(below: number): number {
    return below === 1 ? 0 : Math.abs(Math.trunc(this.numbers[this.at++] ?? 0)) % below;
  }

  stepped(system: System, task: number): void {
    this.trace.push(system, task, this.choices.length === 0 ? null : this.choices);
  }

  ended(): boolean {
    return false;
  }
}

/** One execution as the numbers say. */
export function runGuided<S, P>(
  scenario: Scenario<S, P>,
  numbers: readonly number[],
  options: { readonly maxSteps?: number } = {},
): { readonly failure: Failure | null; readonly schedule: Schedule } {
  return withSystem(scenario, {}, (system) => {
    const search = new Guided(numbers);
    const { failure } = runOnce(system, search, options.maxSteps ?? 100_000);
    return { failure, schedule: scheduleOf(search.trace, system) };
  });
}
