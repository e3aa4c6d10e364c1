/**
 * An event that happens once and stays: I/O is done, a thread has started.
 * @source kernel/sched/completion.c:wait_for_completion(), complete_all()
 */
import type { Op } from './op.ts';
import type { Task } from './task.ts';
import { WaitQueue } from './wait-queue.ts';

export class Completion {
  done = false;
  private readonly queue: WaitQueue;

  /** @param holders  who will complete it, if known, for deadlock reports */
  constructor(name = 'completion', holders?: () => readonly Task[]) {
    this.queue = new WaitQueue(name, holders);
  }

  /** @context May sleep. */
  wait(): Op<void> {
    return this.queue.waitFor(() => this.done);
  }

  /** Everybody who waits goes on, now and from now on. @context Outside of tasks too. */
  complete(): void {
    this.done = true;
    this.queue.wakeAll();
  }

  /** To be used again. Nobody may be waiting. */
  reset(): void {
    this.done = false;
  }
}
