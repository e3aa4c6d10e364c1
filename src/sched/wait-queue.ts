/**
 * Sleeping for a condition, and waking those who do.
 *
 * Looking at the condition and going to sleep is one step here (nothing runs in between), so a
 * wake cannot be missed as long as whoever makes the condition true wakes afterwards.
 * @source kernel/sched/wait.c, include/linux/wait.h:wait_event()
 */
import { List } from '../base/list.ts';
import { lockdepMightSleep } from './lockdep.ts';
import { type Op, SLEEP } from './op.ts';
import { announce, exploring, PREP, SCHED, SharedObject, touch, WAKE } from './point.ts';
import { type Announced, currentOrNull, currentTask, type Task, type WaitTarget } from './task.ts';

/**
 * The running task goes on `list`; its next `yield SLEEP` ends with a wake. One that was woken for
 * nothing goes back to the front, where it came from.
 */
export function sleepOn(list: List<Task>, target: WaitTarget, why: string, front = false): Task {
  const task = currentTask();
  task.waitsFor = target;
  task.waitsWhy = why;
  task.state = 'sleeping';
  if (front) list.addHead(task.waitNode);
  else list.addTail(task.waitNode);
  return task;
}

/** Wake the first of `list`, if there is one. */
export function wakeFirst(list: List<Task>): Task | null {
  const task = list.first();
  if (task !== null) {
    list.remove(task.waitNode);
    task.wake();
  }
  return task;
}

const nobody = (): readonly Task[] => [];

/** What sleepers wait for the end of, and who does it. */
class UnderWay implements WaitTarget {
  readonly name: string;
  private readonly task: Task | null;
  /** Does it still depend on the task, or on a device only? */
  private readonly still: () => boolean;
  constructor(name: string, task: Task | null, still: () => boolean) {
    this.name = name;
    this.task = task;
    this.still = still;
  }
  holders(): readonly Task[] {
    return this.task !== null && this.still() ? [this.task] : [];
  }
}
const always = (): boolean => true;

export class WaitQueue extends SharedObject implements WaitTarget, Announced {
  readonly name: string;
  /** Who could make the condition true, for deadlock reports. */
  readonly holders: () => readonly Task[];
  private list: List<Task> | null = null;
  /** Checked builds only. @see begin() */
  declare private underWay: Map<string, UnderWay> | undefined;

  /** While exploring: it was woken when nobody slept. Who sleeps now may have missed that wake. */
  declare wokenInVain: boolean | undefined;

  /** @param key  its identity, where whoever comes first makes it: see stableKey() */
  constructor(name: string, holders: () => readonly Task[] = nobody, key?: number) {
    super(key);
    this.name = name;
    this.holders = holders;
  }

  get empty(): boolean {
    return this.list === null || this.list.empty;
  }
  get anyOf(): boolean {
    return true;
  }

  // A flag whose end others sleep for (I_SYNC, PG_writeback) is a lock in all but name. These two
  // tell deadlock reports who holds it; for checked builds: `if (CHECKED) queue.begin('I_SYNC')`.

  /**
   * The running task sets the flag `what`, which a wait names as its `why`.
   * @param still  false from when the task has done its part and a device must do the rest
   */
  begin(what: string, still = always): void {
    if (CHECKED) {
      (this.underWay ??= new Map()).set(what, new UnderWay(what, currentOrNull(), still));
    }
  }
  /** The flag goes; a wake follows. */
  end(what: string): void {
    if (CHECKED) this.underWay?.delete(what);
  }

  /** The running task stands in the queue; the caller yields SLEEP and looks again. */
  prepare(why = this.name, target: WaitTarget = this): void {
    sleepOn((this.list ??= new List<Task>()), target, why);
  }
  private targetOf(why: string): WaitTarget {
    return CHECKED ? (this.underWay?.get(why) ?? this) : this;
  }

  /**
   * Sleep until `cond()`, which is looked at first and after each wake, and must have no effects.
   * @param why     names the wait in deadlock reports where one queue serves several: see begin()
   * @param target  says who can end it, where the queue does not know
   * @context May sleep, also if it need not this time.
   */
  *waitFor(cond: () => boolean, why = this.name, target?: WaitTarget): Op<void> {
    if (CHECKED) lockdepMightSleep(why);
    if (CHECKED && exploring) {
      for (;;) {
        yield announce(PREP, this);
        if (cond()) return;
        this.prepare(why, target ?? this.targetOf(why));
        announce(SCHED, this);
        yield SLEEP;
      }
    }
    while (!cond()) {
      this.prepare(why, target ?? this.targetOf(why));
      yield SLEEP;
    }
  }

  wakeOne(): void {
    if (CHECKED && exploring) this.wakes();
    if (this.list !== null) wakeFirst(this.list);
  }

  /** While exploring: a wake came when nobody slept. @see wokenInVain */
  private wakes(): void {
    if (CHECKED) {
      touch(WAKE, this);
      if (this.empty) this.wokenInVain = true;
    }
  }

  wakeAll(): void {
    if (CHECKED && exploring) this.wakes();
    if (this.list !== null) while (wakeFirst(this.list) !== null);
  }

  enabled(): boolean {
    return true; // Looking is always possible; a sleeper is not offered until it is woken.
  }
}
