/**
 * A task: one operation on its way, with what Linux keeps in task_struct. Tasks take turns; a turn
 * lasts until the operation sleeps or ends.
 *
 *     spawn -> runnable -> running -> sleeping -> runnable ... -> done
 */
import { assert } from '../base/assert.ts';
import { ListNode } from '../base/list.ts';
import type { Held, LockMode } from './lock-class.ts';
import { type Op, SLEEP, type Wait } from './op.ts';

export type TaskState = 'runnable' | 'running' | 'sleeping' | 'done';

/** What a task can sleep for; deadlock reports are made of these. */
export interface WaitTarget {
  readonly name: string;
  /**
   * The tasks that could end the wait; empty where that is not known, or where no task need do so
   * (a device). @param asker  who waits, where it matters
   */
  holders(asker?: Task): readonly Task[];
  /** Any one of them is enough to end the wait; otherwise, as with locks, it needs them all. */
  readonly anyOf?: boolean;
}

/** An object whose operations are announced to the explorer. @see point.ts */
export interface Announced {
  readonly name: string;
  readonly objectKey: number;
  /** Could `task` do the announced operation now, without sleeping? */
  enabled(kind: number, task: Task): boolean;
}

/** What a task needs of the scheduler that runs it. */
export interface Runner {
  makeRunnable(task: Task): void;
  choose(below: number, why: string): number;
}

const NOTHING_HELD: Held[] = [];

export class Task<T = unknown> {
  /** Counts up from 1 within a scheduler. */
  readonly id: number;
  readonly name: string;
  readonly op: Op<T>;
  readonly runner: Runner;
  state: TaskState = 'runnable';
  /** Open jbd2 handle. Linux: current->journal_info. */
  journalInfo: unknown = null;
  /** Who the task acts for (vfs/cred.ts); null is the kernel itself. */
  cred: unknown = null;
  /** Above 0: allocations must not enter the file system. Linux: PF_MEMALLOC_NOFS. */
  nofs = 0;
  result: T | undefined = undefined;
  error: unknown = undefined;
  failed = false;
  /** A driver stands there and waits for the end. */
  awaited = false;
  /** Locks held, oldest first; kept in checked builds only. */
  readonly held: Held[] = CHECKED ? [] : NOTHING_HELD;

  /** While sleeping: for what, in which way or why. */
  waitsFor: WaitTarget | null = null;
  waitsWhy = '';
  /** On a rw-semaphore's line: wanted shared or exclusive. */
  waitMode: LockMode = 0;
  /** The operation announced last, and its object. */
  pending: Wait = SLEEP;
  pendingOn: Announced | null = null;

  /** Identity that is the same in every execution of one program. @see point.ts */
  objectKey = 0;
  stableId = 0;
  made = 0;

  private node: ListNode<Task> | null = null;
  private callbacks: ((task: Task) => void)[] | null = null;

  constructor(id: number, name: string, op: Op<T>, runner: Runner) {
    this.id = id;
    this.name = name;
    this.op = op;
    this.runner = runner;
  }

  /** A task sleeps in one place at a time, so that one entry, used again and again, is enough. */
  get waitNode(): ListNode<Task> {
    return (this.node ??= new ListNode<Task>(this));
  }

  /** `cb` hears of the end, be it a result or an error; at once if that was already. */
  onDone(cb: (task: Task<T>) => void): void {
    if (this.state === 'done') cb(this);
    else (this.callbacks ??= []).push(cb as (task: Task) => void);
  }
  /** Does anybody look at how this task ends? */
  get observed(): boolean {
    return this.awaited || this.callbacks !== null;
  }

  /** The scheduler's: the operation has ended. */
  finish(): void {
    this.state = 'done';
    const callbacks = this.callbacks;
    this.callbacks = null;
    if (callbacks !== null) for (const cb of callbacks) cb(this);
  }

  /** Ends a sleep. The caller has taken the task off its wait list. */
  wake(): void {
    assert(this.state === 'sleeping', 'only a sleeping task is woken');
    this.state = 'runnable';
    this.waitsFor = null;
    this.waitsWhy = '';
    this.runner.makeRunnable(this);
  }
}

let current: Task | null = null;

/** The running task. @throws AssertionError outside of tasks (I/O completion, timer, plain code) */
export function currentTask(): Task {
  assert(current !== null, 'no task is running');
  return current;
}
export const currentOrNull = (): Task | null => current;

/** The scheduler's. @returns the one before, to be put back: schedulers nest. */
export function setCurrent(task: Task | null): Task | null {
  const before = current;
  current = task;
  return before;
}
