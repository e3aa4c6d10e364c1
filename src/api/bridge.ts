/**
 * From operations to calls: run to the end now, or a promise.
 *
 * One operation, three faces. The synchronous face runs the operation here and now; with a device
 * that answers later it fails with EAGAIN. The promise face starts a task and lets the scheduler
 * run whenever the outside world wakes something.
 */
import { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import { dressed, type Subject } from './errors.ts';

/** An operation that was asked for, and what to say if it fails. */
export interface Call<T> extends Subject {
  readonly op: Op<T>;
}

export class Bridge {
  readonly scheduler: Scheduler;
  private pumping = false;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
    scheduler.onKick = () => {
      this.pumpSoon();
    };
  }

  /** @throws Node's error */
  sync<T>(call: Call<T>): T {
    trace('api:Bridge.sync');
    try {
      return this.scheduler.runToEnd(call.op, call.syscall);
    } catch (e) {
      throw e instanceof FsError ? dressed(e, call) : e;
    }
  }

  /** The promise of the operation's result; it starts before this returns. */
  async promise<T>(call: Call<T>): Promise<T> {
    trace('api:Bridge.promise');
    // Made here, so that the stack of a rejection shows who asked.
    const asked = { stack: '' };
    if (Error.stackTraceLimit > 0) Error.captureStackTrace(asked);
    return await new Promise<T>((resolve, reject) => {
      const task = this.scheduler.spawn(call.syscall, call.op);
      task.onDone((t) => {
        if (!t.failed) {
          resolve(t.result as T);
          return;
        }
        const error = dressed(t.error, call);
        if (error instanceof Error && t.error instanceof FsError) {
          error.stack = `${error.name}: ${error.message}\n${asked.stack.split('\n').slice(2).join('\n')}`;
        }
        reject(error);
      });
      this.pump();
    });
  }

  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    try {
      this.scheduler.pump();
    } finally {
      this.pumping = false;
    }
  }

  private pumpSoon(): void {
    if (this.pumping) return;
    queueMicrotask(() => {
      this.pump();
    });
  }
}
