/**
 * Who runs next, and how free choices of data fall: the scheduler obeys (an ops table, invariant
 * A3). Production has one strategy (fifo.ts); the explorer brings its own.
 */
import type { Task } from './task.ts';

export interface Strategy {
  /** One of `runnable`, which is never empty and holds only tasks whose next step is possible. */
  nextTask(runnable: readonly Task[]): Task;
  /** An integer of 0..below-1; `why` names the choice in schedules and reports. */
  nextU64(below: number, why: string): number;
}
