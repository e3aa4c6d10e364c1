/**
 * The entrance: explore a scenario, and say whether it holds.
 *
 * `holds` is said only of a search that saw everything: every schedule of every step, every outcome
 * of every choice, up to the order of independent steps. Otherwise the verdict is `limit`, with how
 * far it came. The memory model is sequential consistency; a step is a turn of a task between two
 * announced operations, so that what plain code does within a turn is not taken apart.
 */
import { errno } from '../base/errno.ts';
import { isolateLockdep, lockdep } from '../sched/lockdep.ts';
import { Dpor } from './dpor.ts';
import { runOnce } from './run.ts';
import type { Scenario, Variant } from './scenario.ts';
import { scheduleOf, type Schedule } from './schedule.ts';
import type { Failure, System } from './system.ts';
import { type Target, Targets } from './targets.ts';
import { TaskSystem } from './task-system.ts';

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
  const variant = options.variant === undefined ? null : variantOf(scenario, options.variant);
  const system = new TaskSystem(scenario, variant, options);
  // What was seen before says nothing about this scenario, and a verdict is the same each time.
  const outer = isolateLockdep();
  lockdep.throws = false;
  try {
    const found = exploreSystem(system, { faults: scenario.faults ?? 1, ...options });
    return { id: scenario.id, variant: options.variant ?? null, ...found };
  } finally {
    system.stop();
    outer();
  }
}

export function variantOf<S, P>(scenario: Scenario<S, P>, name: string): Variant<P> {
  const variant = scenario.variants?.[name];
  if (variant !== undefined) return variant;
  const known = Object.keys(scenario.variants ?? {}).join(', ') || 'none';
  throw errno('EINVAL', { scenario: scenario.id }, `no variant ${name}; there are: ${known}`);
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
    targets.ended(end.failure, () => scheduleOf(search.trace));
    if (end.failure !== null) {
      failures[end.failure.kind] = (failures[end.failure.kind] ?? 0) + 1;
      first ??= { failure: end.failure, schedule: scheduleOf(search.trace) };
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
