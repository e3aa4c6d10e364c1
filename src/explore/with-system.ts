/** A scenario as a system, with one of its mistakes put in if that is wanted, and out again. */
import { errno } from '../base/errno.ts';
import { isolateLockdep, lockdep } from '../sched/lockdep.ts';
import type { ExecutionCrashes } from './crash-explore.ts';
import type { Scenario, Variant } from './scenario.ts';
import { TaskSystem } from './task-system.ts';

export interface WithOptions {
  readonly variant?: string;
  /** Look for data races; yes. */
  readonly dataRaces?: boolean;
}

/**
 * Meanwhile lockdep has seen nothing from outside, so that a verdict is the same each time, and
 * only keeps its reports: a lock order that is wrong is no reason to stop.
 * @throws EINVAL the scenario has no such variant
 */
export function withSystem<S, P, R>(
  scenario: Scenario<S, P>,
  { variant, dataRaces = true }: WithOptions,
  use: (system: TaskSystem<S, P>) => R,
  crashes: ExecutionCrashes<S> | null = null,
): R {
  const mistake = variant === undefined ? null : variantOf(scenario, variant);
  const system = new TaskSystem(scenario, mistake, { dataRaces, crashes });
  const outer = isolateLockdep();
  lockdep.throws = false;
  try {
    return use(system);
  } finally {
    system.stop();
    outer();
  }
}

/** @throws EINVAL there is none of that name; the message names those that are */
export function variantOf<S, P>(scenario: Scenario<S, P>, name: string): Variant<P> {
  const variants = scenario.variants ?? {};
  if (Object.hasOwn(variants, name)) return variants[name]!;
  const known = Object.keys(variants).join(', ') || 'none';
  throw errno('EINVAL', { scenario: scenario.id }, `no variant ${name}; there are: ${known}`);
}

/**
 * The symptom that a scenario must fail with; null: it must hold.
 * @throws EINVAL no such variant
 */
export const expectedSymptom = <S, P>(
  scenario: Scenario<S, P>,
  variant: string | null,
): RegExp | null =>
  variant === null ? (scenario.mustFail ?? null) : variantOf(scenario, variant).symptom;
