/**
 * Runs tasks, one at a time, each until it sleeps. Two drivers: `runToEnd()` for a caller that
 * stands there and waits, `pump()` for an event loop. The strategy says who is next.
 *
 * Invariants
 *  S-1  A task is in `runnable` exactly while its state is 'runnable'.
 *  S-2  At most one task of a scheduler is running; `runToEnd()` inside of one is a defect.
 *  S-3  No error is lost: it reaches the caller of runToEnd(), onDone(), `unhandled`, or is thrown
 *       by the driver that was running when the task failed.
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { Prng } from '../base/prng.ts';
import { type Clock, ManualClock } from './clock.ts';
import { fifo } from './fifo.ts';
import { lockdepTaskEnd } from './lockdep.ts';
import type { Op } from './op.ts';
import { exploring, isEnabled, newObjectKey } from './point.ts';
import type { Strategy } from './strategy.ts';
import { currentOrNull, type Runner, setCurrent, Task } from './task.ts';
import { describeWaits } from './wait-for.ts';

export interface SchedulerOptions {
  readonly strategy?: Strategy;
  readonly clock?: Clock;
  readonly chance?: Prng;
}

/** Turns that background tasks get at the end of a runToEnd(), which must not become endless. */
const BACKGROUND_TURNS = 32;

export class Scheduler implements Runner {
  readonly clock: Clock;
  readonly chance: Prng;
  readonly strategy: Strategy;
  /** An event from outside made a task runnable while nobody was running tasks. */
  onKick: (() => void) | null = null;
  /** An error that nobody waits for. Without it the driver throws the error. */
  unhandled: ((error: unknown, where: string) => void) | null = null;
  /** Can something outside of all tasks (an asynchronous device) still wake one of them? */
  external: (() => boolean) | null = null;
  /** Hears of each task that is spawned: the explorer numbers them. */
  onSpawn: ((task: Task) => void) | null = null;
  /** Tasks that were spawned, or that have slept, and are not done. */
  readonly live = new Set<Task>();

  private readonly runnable: Task[] = [];
  private lastId = 0;
  /** How many drivers are on the stack. */
  private driving = 0;
  private readonly lost: { readonly error: unknown }[] = [];

  constructor(options: SchedulerOptions = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.chance = options.chance ?? new Prng(1);
    this.strategy = options.strategy ?? fifo;
  }

  /** A task of its own. It does not begin before somebody runs tasks. */
  spawn<T>(name: string, op: Op<T>): Task<T> {
    const task = this.newTask(name, op);
    this.live.add(task);
    this.makeRunnable(task);
    if (CHECKED) this.onSpawn?.(task);
    return task;
  }

  /**
   * Run `op` to its end, and whatever else it waits for.
   * @throws its error; EDEADLK it sleeps and nothing can wake it; EAGAIN only the world outside
   *         can, and that needs the caller to return. After these two the task goes on sleeping.
   */
  runToEnd<T>(op: Op<T>, name = 'main'): T {
    assert(currentOrNull()?.runner !== this, 'runToEnd inside a task of the same scheduler');
    const task = this.newTask(name, op);
    this.driving++;
    try {
      this.turn(task);
      if (task.state !== 'done') this.drive(task);
      this.clock.runDue?.();
      if (this.runnable.length > 0) this.background();
    } finally {
      this.driving--;
    }
    if (this.lost.length > 0) this.throwLost(task);
    if (task.failed) throw task.error;
    return task.result as T;
  }

  /** Run until nothing can run. @throws the first error that nobody else took */
  pump(): void {
    assert(currentOrNull()?.runner !== this, 'pump inside a task of the same scheduler');
    this.driving++;
    try {
      for (let next = this.pick(); next !== null; next = this.pick()) this.turn(next);
    } finally {
      this.driving--;
    }
    if (this.lost.length > 0) this.throwLost(null);
  }

  /** One turn of one task, as the strategy says. @returns false: none can run */
  step(): boolean {
    const next = this.pick();
    if (next === null) return false;
    this.driving++;
    try {
      this.turn(next);
    } finally {
      this.driving--;
    }
    return true;
  }

  /** One turn of this task, which must be able to run: for whoever decides by himself. */
  stepTask(task: Task): void {
    const at = this.runnable.indexOf(task);
    assert(at >= 0, 'this task cannot run');
    this.runnable.splice(at, 1);
    this.driving++;
    try {
      this.turn(task);
    } finally {
      this.driving--;
    }
  }

  /** Somebody failed and nobody is there to hear of it. */
  report(error: unknown, where: string): void {
    if (this.unhandled !== null) this.unhandled(error, where);
    else this.lost.push({ error });
  }

  /** @see Runner */
  makeRunnable(task: Task): void {
    this.runnable.push(task);
    if (this.driving === 0) this.onKick?.();
  }
  choose(below: number, why: string): number {
    return this.strategy.nextU64(below, why);
  }

  private newTask<T>(name: string, op: Op<T>): Task<T> {
    const task = new Task<T>(++this.lastId, name, op, this);
    if (CHECKED) task.objectKey = newObjectKey();
    return task;
  }

  /** Let `task` run until it sleeps or ends. */
  private turn<T>(task: Task<T>): void {
    const before = setCurrent(task);
    task.state = 'running';
    try {
      const step = task.op.next();
      if (step.done === true) {
        task.result = step.value;
        this.finish(task);
      } else if (CHECKED && step.value >= 0) {
        task.state = 'runnable';
        this.runnable.push(task);
      }
    } catch (error) {
      task.failed = true;
      task.error = error;
      this.finish(task);
    } finally {
      setCurrent(before);
    }
  }

  private finish<T>(task: Task<T>): void {
    if (CHECKED) {
      try {
        lockdepTaskEnd(task);
      } catch (error) {
        task.failed = true;
        task.error = error;
      }
    }
    const spawned = this.live.delete(task);
    if (task.failed && spawned && !task.observed) this.report(task.error, task.name);
    task.finish();
  }

  /** The next task, off the queue, or null. */
  private pick(): Task | null {
    const { runnable } = this;
    if (runnable.length === 0) return null;
    if (this.strategy === fifo && !(CHECKED && exploring)) return runnable.shift()!;
    const able = CHECKED && exploring ? runnable.filter(isEnabled) : runnable;
    if (able.length === 0) return null;
    const next = this.strategy.nextTask(able);
    const at = runnable.indexOf(next);
    assert(at >= 0, 'the strategy chose a task that cannot run');
    runnable.splice(at, 1);
    return next;
  }

  /** `awaited` sleeps: run the others until it has ended. */
  private drive(awaited: Task): void {
    this.live.add(awaited);
    awaited.awaited = true;
    while (awaited.state !== 'done') {
      const next = this.pick();
      if (next !== null) this.turn(next);
      else if (!(this.clock.waitDue?.() ?? false)) this.stuck(awaited);
    }
  }

  private stuck(task: Task): never {
    const facts = { task: task.name, for: task.waitsWhy };
    if (this.external?.() === true) {
      throw errno('EAGAIN', facts, 'only the event loop can complete what this waits for');
    }
    throw errno('EDEADLK', facts, describeWaits([...this.live]));
  }

  /** What an event loop would have run by now gets a bounded number of turns. */
  private background(): void {
    for (let turns = 0; turns < BACKGROUND_TURNS; turns++) {
      const next = this.pick();
      if (next === null) return;
      this.turn(next);
    }
    this.onKick?.();
  }

  /** One at a time, and the awaited task's own first: the next driver throws the next. */
  private throwLost(task: Task | null): void {
    if (task?.failed === true) return;
    const next = this.lost.shift();
    if (next !== undefined) throw next.error;
  }
}
