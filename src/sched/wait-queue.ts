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
import { type Announced, currentTask, type Task, type WaitTarget } from './task.ts';

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

export class WaitQueue extends SharedObject implements WaitTarget, Announced {
  readonly name: string;
  /** Who could make the condition true, for deadlock reports. */
  readonly holders: () => readonly Task[];
  private list: List<Task> | null = null;

  /** @param of  what it belongs to, if it is made when first needed: see derivedKey() */
  constructor(name: string, holders: () => readonly Task[] = nobody, of = '') {
    super(of);
    this.name = name;
    this.holders = holders;
  }

  get empty(): boolean {
    return this.list === null || this.list.empty;
  }

  /** The running task stands in the queue; the caller yields SLEEP and looks again. */
  prepare(why = this.name): void {
    sleepOn((this.list ??= new List<Task>()), this, why);
  }

  /**
   * Sleep until `cond()`, which is looked at first and after each wake, and must have no effects.
   * @param why  names the wait in deadlock reports where one queue serves several
   * @context May sleep, also if it need not this time.
   */
  *waitFor(cond: () => boolean, why = this.name): Op<void> {
    if (CHECKED) lockdepMightSleep(why);
    if (CHECKED && exploring) {
      for (;;) {
        yield announce(PREP, this);
        if (cond()) return;
        this.prepare(why);
        announce(SCHED, this);
        yield SLEEP;
      }
    }
    while (!cond()) {
      this.prepare(why);
      yield SLEEP;
    }
  }

  wakeOne(): void {
    if (CHECKED && exploring) touch(WAKE, this);
    if (this.list !== null) wakeFirst(this.list);
  }

  wakeAll(): void {
    if (CHECKED && exploring) touch(WAKE, this);
    if (this.list !== null) while (wakeFirst(this.list) !== null);
  }

  enabled(): boolean {
    return true; // Looking is always possible; a sleeper is not offered until it is woken.
  }
}
