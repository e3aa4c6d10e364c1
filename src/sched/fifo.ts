/** Production's strategy: first come, first served, and every free choice of data is the first. */
import type { Strategy } from './strategy.ts';
import type { Task } from './task.ts';

export const fifo: Strategy = {
  nextTask: (runnable) => runnable[0] as Task,
  nextU64: () => 0,
};
