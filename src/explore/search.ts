/**
 * A search decides, execution by execution, which schedules are tried. The loop that moves the
 * system (explore.ts) asks it before every step and tells it after.
 */
import type { Chooser, System } from './system.ts';

/** The rest of this execution would add nothing. */
export const ABANDON = -1;

export interface Search extends Chooser {
  /**
   * The task to move, where that is settled whoever is enabled, since the step is a repetition; or
   * ABANDON, and `choose()` is asked.
   */
  settled?(): number;
  /** The task to move: one of `enabled`, which is not empty; or ABANDON. */
  choose(system: System, enabled: number): number;
  /** `task` has moved; the footprint is in `system`. */
  stepped(system: System, task: number): void;
  /**
   * The execution has ended. @returns whether another is wanted
   */
  ended(system: System): boolean;
  /** Has everything been seen, once `ended()` said that no other is wanted? */
  readonly exhaustive: boolean;
  /** Executions that were abandoned: redundant work. */
  readonly blocked: number;
}
