/**
 * Work that is done later, by a task of its own: write-back, commits, completions that must sleep.
 *
 * Work items run one after the other, in the order in which they were queued. The worker task lives
 * while there is work, so that an idle queue is no sleeping task.
 * @source kernel/workqueue.c (ordered workqueues)
 */
import { EXCLUSIVE, lockClass, type LockClass } from './lock-class.ts';
import { lockdepAcquire, lockdepRelease, lockdepWant } from './lockdep.ts';
import type { Op } from './op.ts';
import type { Scheduler } from './scheduler.ts';
import type { Task } from './task.ts';
import { WaitQueue } from './wait-queue.ts';

export class Work {
  readonly name: string;
  readonly fn: () => Op<void>;
  /** On the list, not yet begun. */
  queued = false;
  /** Its place among all items that were ever queued. */
  ticket = 0;
  /** Stops the timer of delayed work. */
  stopTimer: (() => void) | null = null;

  constructor(name: string, fn: () => Op<void>) {
    this.name = name;
    this.fn = fn;
  }
  get pending(): boolean {
    return this.queued || this.stopTimer !== null;
  }
}

export class Workqueue {
  readonly name: string;
  private readonly scheduler: Scheduler;
  /** What a work item waits for while somebody flushes: a lock, as far as cycles go. */
  private readonly cls: LockClass;
  private list: Work[] = [];
  private running: Work | null = null;
  private runningTicket = 0;
  private worker: Task | null = null;
  private lastTicket = 0;
  private readonly progress: WaitQueue;

  constructor(scheduler: Scheduler, name: string) {
    this.scheduler = scheduler;
    this.name = name;
    this.cls = lockClass(`workqueue ${name}`, { pseudo: true });
    const worker = (): readonly Task[] => (this.worker === null ? [] : [this.worker]);
    this.progress = new WaitQueue(`workqueue ${name}`, worker);
  }

  /** @returns false: it was on the list already. Work that is running runs once more afterwards. */
  queue(work: Work): boolean {
    work.stopTimer?.();
    work.stopTimer = null;
    if (work.queued) return false;
    work.queued = true;
    this.list.push(work);
    work.ticket = ++this.lastTicket;
    this.worker ??= this.scheduler.spawn(`kworker/${this.name}`, this.work());
    return true;
  }

  /** @returns false: it was pending already, and stays as it was. */
  queueDelayed(work: Work, ms: number): boolean {
    if (work.pending) return false;
    work.stopTimer = this.scheduler.clock.after(ms, () => {
      work.stopTimer = null;
      this.queue(work);
    });
    return true;
  }

  /** Take back what has not begun. @returns whether there was something */
  cancel(work: Work): boolean {
    const was = work.pending;
    work.stopTimer?.();
    work.stopTimer = null;
    const at = this.list.indexOf(work);
    if (at >= 0) {
      this.list.splice(at, 1);
      work.queued = false;
      this.progress.wakeAll();
    }
    return was;
  }

  /** As cancel(), and wait for the end of a run under way. @context May sleep. */
  *cancelSync(work: Work): Op<boolean> {
    const was = this.cancel(work);
    if (this.running === work) yield* this.waitUntil(() => this.running !== work);
    return was;
  }

  /** Wait for all that is on the list now. Timers are not awaited. @context May sleep. */
  *flush(): Op<void> {
    const last = this.lastTicket;
    if (!this.isPast(last)) yield* this.waitUntil(() => this.isPast(last));
  }

  /** Everything up to `ticket` has ended or was taken back. */
  private isPast(ticket: number): boolean {
    return this.runningTicket > ticket || (this.running === null && !this.isListed(ticket));
  }
  private isListed(ticket: number): boolean {
    const first = this.list[0];
    return first !== undefined && first.ticket <= ticket;
  }

  /** Wait until the list is empty, work that queues more work included. @context May sleep. */
  *drain(): Op<void> {
    if (this.worker !== null) yield* this.waitUntil(() => this.worker === null);
  }

  private *waitUntil(cond: () => boolean): Op<void> {
    if (CHECKED) lockdepWant(this.cls, 0, EXCLUSIVE, this);
    yield* this.progress.waitFor(cond);
  }

  private *work(): Op<void> {
    try {
      for (let work = this.list.shift(); work; work = this.list.shift()) yield* this.run(work);
    } finally {
      this.worker = null;
      this.progress.wakeAll();
    }
  }

  private *run(work: Work): Op<void> {
    work.queued = false;
    this.running = work;
    this.runningTicket = work.ticket; // Its own may change: it may queue itself anew.
    if (CHECKED) lockdepAcquire(this.cls, 0, EXCLUSIVE, this);
    try {
      yield* work.fn();
    } catch (error) {
      this.scheduler.report(error, `${this.name}: ${work.name}`); // The next item still runs.
    } finally {
      if (CHECKED) lockdepRelease(this.cls, this);
      this.running = null;
      this.progress.wakeAll();
    }
  }
}
