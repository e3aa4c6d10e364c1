/**
 * The entrance: explore a scenario, and say whether it holds.
 *
 * `holds` is said only of a search that saw everything: every schedule of every step, every outcome
 * of every choice, up to the order of independent steps. Otherwise the verdict is `limit`, with how
 * far it came. The memory model is sequential consistency; a step is a turn of a task between two
 * announced operations, so that what plain code does within a turn is not taken apart.
 */
import { lockdep } from '../sched/lockdep.ts';
import { type CrashExploration, ExecutionCrashes } from './crash-explore.ts';
import type { CrashTally } from './crash-states.ts';
import { searchDirected } from './directed.ts';
import { findRound, goesRound } from './livelock.ts';
import { type Ending, runOnce } from './run.ts';
import type { Scenario } from './scenario.ts';
import { scheduleOf } from './schedule.ts';
import type { System } from './system.ts';
import { SoundSearch } from './sound-search.ts';
import type { TaskSystem } from './task-system.ts';
import { Tally, type Tallied } from './tally.ts';
import { className, type Target, Targets } from './targets.ts';
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
  /**
   * Executions of a search that is guided to each report of lockdep which is still open when this
   * one was cut short; 300.
   */
  readonly directed?: number;
  /** Look for data races on Cells; true. */
  readonly dataRaces?: boolean;
  /** Told now and then how many executions there were. @returns false: stop here */
  readonly progress?: (executions: number) => boolean;
}

/** And the crash states of every execution. */
export interface WithCrashes<S> {
  readonly crash?: CrashExploration<S>;
}

export interface Verdict extends Tallied {
  readonly id: string;
  readonly variant: string | null;
  /** What lockdep had to say, over all executions, and what became of it. */
  readonly targets: readonly Target[];
  /** Crash states of all executions, if they were asked for. */
  readonly crash?: CrashTally;
}

const PROGRESS_EVERY = 256;

/** Explore a scenario. @throws EINVAL it has no such variant */
export function explore<S, P>(
  scenario: Scenario<S, P>,
  options: ExploreOptions & WithCrashes<S> = {},
): Verdict {
  const crashes = options.crash === undefined ? null : new ExecutionCrashes(options.crash);
  const run = (system: TaskSystem<S, P>): Exploration =>
    exploreSystem(system, { faults: scenario.faults ?? 1, ...options });
  const found = withSystem(scenario, options, run, crashes);
  const head = { id: scenario.id, variant: options.variant ?? null };
  if (crashes === null) return { ...head, ...found };
  const crash = crashes.tally();
  const complete = found.complete && crash.complete;
  const verdict = found.verdict === 'holds' && !complete ? 'limit' : found.verdict;
  return { ...head, ...found, complete, verdict, crash };
}

export type Exploration = Omit<Verdict, 'id' | 'variant' | 'crash'>;

/** What has no end is a livelock only if it goes round; where that can be known. */
function looked(end: Ending, system: System, { trace }: SoundSearch): Ending {
  if (end.failure?.kind !== 'livelock' || system.fingerprint === undefined) return end;
  const moves = Array.from({ length: trace.length }, (_, i) => ({
    task: trace.task[i]!,
    choices: trace.choices[i]!,
  }));
  const round = findRound(system, moves);
  if (round === undefined) return end;
  if (round === null || round.starved !== 0) return { ...end, failure: null, cutOff: true };
  return { ...end, failure: goesRound(system, round) };
}

/** Explore any system. */
export function exploreSystem(
  system: System,
  options: ExploreOptions & { readonly faults?: number } = {},
): Exploration {
  const { limit = 1_000_000, maxSteps = 100_000, all = false, progress } = options;
  const mode = options.strategy ?? 'optimal';
  const faults = options.faults ?? 1;
  const search = new SoundSearch(system, { mode, faults });
  const tally = new Tally();
  const targets = new Targets(lockdep.reports);
  for (let more = true; more && tally.executions < limit;) {
    const end = looked(runOnce(system, search, maxSteps), system, search);
    targets.ended(end.failure, () => scheduleOf(search.trace, system));
    if (tally.add(end, search, system) && !all) break;
    more = search.ended();
    const { executions } = tally;
    if (progress && executions % PROGRESS_EVERY === 0 && !progress(executions)) break;
  }
  const complete = search.exhaustive;
  if (!complete) reachTargets(system, targets, tally, options);
  return { ...tally.result(complete, system, faults), targets: targets.verdict(complete) };
}

/** What lockdep has said and nobody has confirmed: a search of its own for each. */
function reachTargets(
  system: System,
  targets: Targets,
  tally: Tally,
  options: ExploreOptions & { readonly faults?: number },
): void {
  const { directed = 300, maxSteps = 100_000, faults = 1 } = options;
  for (const report of [...targets.open]) {
    const classes = report.classes.map(className);
    searchDirected(system, classes, { executions: directed, maxSteps, faults }, (failure, made) => {
      targets.ended(failure, made);
      if (failure !== null) tally.found(failure, made());
      return targets.open.includes(report);
    });
  }
}
