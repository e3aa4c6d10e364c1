/**
 * The entrance: explore a scenario, and say whether it holds.
 *
 * `holds` is said only of a search that saw everything: every schedule of every step, every outcome
 * of every choice, up to the order of independent steps. Otherwise the verdict is `limit`, with how
 * far it came. The memory model is sequential consistency; a step is a turn of a task between two
 * announced operations, so that what plain code does within a turn is not taken apart.
 */
import { lockdep } from '../sched/lockdep.ts';
import { Dpor } from './dpor.ts';
import { runOnce } from './run.ts';
import type { Scenario } from './scenario.ts';
import { scheduleOf, type Schedule } from './schedule.ts';
import type { Failure, System } from './system.ts';
import { type Target, Targets } from './targets.ts';
import { withSystem } from './with-system.ts';

export interface ExploreOptions {
  readonly strategy?: 'optimal' | 'source';
  /** Executions; 1,000,000. */
  readonly limit?: number;
  /** Steps of one execution, beyond which it is called a livelock; 100,000. */
  readonly maxSteps?: number;
  /** Go on after the first failure and count them all. */
  readonly all?: boolean;
  readonly variant?: string;
  /** Look for data races on Cells; true. */
  readonly dataRaces?: boolean;
  /** Told now and then how many executions there were. @returns false: stop here */
  readonly progress?: (executions: number) => boolean;
}

export interface Verdict {
  readonly id: string;
  readonly variant: string | null;
  readonly verdict: 'holds' | 'violated' | 'limit';
  readonly complete: boolean;
  readonly executions: number;
  readonly steps: number;
  /** How many executions ended in each way. */
  readonly failures: Readonly<Partial<Record<Failure['kind'], number>>>;
  /** The first failure, and how to see it again. */
  readonly failure: Failure | null;
  readonly schedule: Schedule | null;
  /** What lockdep had to say, over all executions, and what became of it. */
  readonly targets: readonly Target[];
}

const PROGRESS_EVERY = 256;

/** Explore a scenario. @throws EINVAL it has no such variant */
export function explore<S, P>(scenario: Scenario<S, P>, options: ExploreOptions = {}): Verdict {
  return withSystem(scenario, options, (system) => ({
    id: scenario.id,
    variant: options.variant ?? null,
    ...exploreSystem(system, { faults: scenario.faults ?? 1, ...options }),
  }));
}

export type Exploration = Omit<Verdict, 'id' | 'variant'>;

/** Explore any system. */
export function exploreSystem(
  system: System,
  options: ExploreOptions & { readonly faults?: number } = {},
): Exploration {
  const { limit = 1_000_000, maxSteps = 100_000, all = false, progress } = options;
  const search = new Dpor({ mode: options.strategy ?? 'optimal', faults: options.faults ?? 1 });
  const failures: Partial<Record<Failure['kind'], number>> = {};
  const targets = new Targets(lockdep.reports);
  let [executions, steps] = [0, 0];
  let first: { failure: Failure; schedule: Schedule } | null = null;
  let more = true;
  while (more && executions < limit) {
    const end = runOnce(system, search, maxSteps);
    steps += end.steps;
    if (!end.abandoned) executions++;
    targets.ended(end.failure, () => scheduleOf(search.trace, system));
    if (end.failure !== null) {
      failures[end.failure.kind] = (failures[end.failure.kind] ?? 0) + 1;
      first ??= { failure: end.failure, schedule: scheduleOf(search.trace, system) };
      if (!all) break;
    }
    more = search.ended(system);
    if (progress && executions % PROGRESS_EVERY === 0 && !progress(executions)) break;
  }
  const complete = search.exhaustive;
  return {
    verdict: first !== null ? 'violated' : complete ? 'holds' : 'limit',
    complete,
    executions,
    steps,
    failures,
    failure: first?.failure ?? null,
    schedule: first?.schedule ?? null,
    targets: targets.verdict(complete),
  };
}
