/** From a schedule of a scenario to what people see of it. */
import { record, type Recording, type RecordOptions } from './record.ts';
import type { Scenario } from './scenario.ts';
import type { Schedule } from './schedule.ts';
import { shrink, type Shrunk, type ShrinkOptions } from './shrink.ts';
import type { Failure } from './system.ts';
import { type WithOptions, withSystem } from './with-system.ts';

export interface ShowOptions extends RecordOptions, ShrinkOptions, WithOptions {}

/** Run a schedule again and write it down. @throws EINVAL no such variant */
export const replay = <S, P>(
  scenario: Scenario<S, P>,
  schedule: Schedule,
  options: ShowOptions = {},
): Recording => withSystem(scenario, options, (system) => record(system, schedule, options));

export interface Shown {
  readonly recording: Recording;
  readonly shrunk: Shrunk;
}

/** Shrink a failing schedule, and write down what is left of it. @throws EINVAL no such variant */
export function show<S, P>(
  scenario: Scenario<S, P>,
  schedule: Schedule,
  failure: Failure,
  options: ShowOptions = {},
): Shown {
  const shrunk = withSystem(scenario, options, (system) =>
    shrink(system, schedule, failure, options),
  );
  // Another system: names are given in the order in which things are met, as in every replay.
  return { shrunk, recording: replay(scenario, shrunk.schedule, options) };
}
