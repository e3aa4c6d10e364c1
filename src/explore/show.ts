/** From a schedule of a scenario to what people see of it. */
import { ExecutionCrashes } from './crash-explore.ts';
import type { WithCrashes } from './explore.ts';
import { record, type Recording, type RecordOptions } from './record.ts';
import type { Scenario } from './scenario.ts';
import type { Schedule } from './schedule.ts';
import { shrink, type Shrunk, type ShrinkOptions } from './shrink.ts';
import type { Failure } from './system.ts';
import type { TaskSystem } from './task-system.ts';
import { type WithOptions, withSystem } from './with-system.ts';

export interface ShowOptions extends RecordOptions, ShrinkOptions, WithOptions {}

/**
 * Run a schedule again and write it down; with `crash`, with a crash at every step of it.
 * @throws EINVAL no such variant
 */
export function replay<S, P>(
  scenario: Scenario<S, P>,
  schedule: Schedule,
  options: ShowOptions & WithCrashes<S> = {},
): Recording {
  const crashes = options.crash === undefined ? null : new ExecutionCrashes(options.crash);
  return withSystem(scenario, options, (system) => record(system, schedule, options), crashes);
}

export interface Shown {
  readonly recording: Recording;
  readonly shrunk: Shrunk;
}

/** Shrink a failing schedule, and write down what is left of it. @throws EINVAL no such variant */
export function show<S, P>(
  scenario: Scenario<S, P>,
  schedule: Schedule,
  failure: Failure,
  options: ShowOptions & WithCrashes<S> = {},
): Shown {
  const crashes = options.crash === undefined ? null : new ExecutionCrashes(options.crash);
  const run = (system: TaskSystem<S, P>): Shrunk => shrink(system, schedule, failure, options);
  const shrunk = withSystem(scenario, options, run, crashes);
  // Another system: names are given in the order in which things are met, as in every replay.
  return { shrunk, recording: replay(scenario, shrunk.schedule, options) };
}
