/**
 * One execution: its steps in order, and which happened before which.
 *
 * Two steps are ordered if one task took both, or if they depend on each other (same object, not
 * both read-like), or by a chain of such pairs. Each step has a vector clock: entry t is how many
 * steps of task t happened before it, its own included. Steps are numbered from 0.
 *
 * Invariants
 *  T-1  The log of an object holds its operations in order; an entry names its step.
 *  T-2  A step is ordered after every earlier write-like operation on each of its objects, so that
 *       looking further back than the newest of them finds nothing new.
 */
import { assert } from '../base/assert.ts';
import type { Wait } from '../sched/op.ts';
import { dependent, isReadLike, kindOf, objectOf, WQUEUE } from '../sched/point.ts';
import { MAX_TASKS, type System } from './system.ts';

export class ObjectLog {
  readonly at: number[] = [];
  readonly op: Wait[] = [];
  /** A writer has stood in line here, in this execution or in one before. */
  fair = false;
}

const grown = <T extends Int8Array | Int32Array>(a: T, length: number): T => {
  const next = new (a.constructor as new (n: number) => T)(length);
  next.set(a);
  return next;
};

export class Trace {
  length = 0;
  /** Ints of one clock: room for this many tasks. */
  stride = 4;
  task = new Int8Array(1024);
  op = new Int32Array(1024);
  /** The how-many-th step of its task, from 1. */
  nth = new Int32Array(1024);
  /** Step before it of the same task, or of the one that made the task; -1: none. */
  before = new Int32Array(1024);
  clock = new Int32Array(1024 * 4);
  readonly more: (readonly Wait[] | null)[] = [];
  readonly choices: (readonly number[] | null)[] = [];
  /** Last step of each task, or the one that made it; -1: none. */
  private readonly last = new Int32Array(MAX_TASKS + 1).fill(-1);
  private readonly logs: (ObjectLog | undefined)[] = [];
  /** Steps of each task, in order. */
  private readonly steps: number[][] = Array.from({ length: MAX_TASKS + 1 }, () => []);

  /** Nothing has happened, and these tasks are there. */
  begin(count: number): void {
    assert(this.length === 0, 'an execution begins with nothing');
    this.last.fill(-1);
    this.fit(count);
  }

  private fit(count: number): void {
    assert(count <= MAX_TASKS, `at most ${MAX_TASKS} tasks can be explored`);
    if (count > this.stride) this.widen(count);
  }

  private widen(count: number): void {
    const wide = Math.min(32, 2 ** Math.ceil(Math.log2(count)));
    const clock = new Int32Array(this.task.length * wide);
    for (let i = 0; i < this.length; i++) {
      for (let t = 0; t < this.stride; t++) clock[i * wide + t] = this.clock[i * this.stride + t]!;
    }
    this.stride = wide;
    this.clock = clock;
  }

  private room(): void {
    const more = this.task.length * 2;
    this.task = grown(this.task, more);
    this.op = grown(this.op, more);
    this.nth = grown(this.nth, more);
    this.before = grown(this.before, more);
    this.clock = grown(this.clock, more * this.stride);
  }

  /** `task` has taken the step that is in `system`. */
  push(system: System, task: number, choices: readonly number[] | null): void {
    const { op, more } = system;
    this.fit(system.count);
    if (this.length + 1 >= this.task.length) this.room(); // One to spare: see `pretend()`.
    const i = this.length++;
    this.write(i, task, op, more);
    this.choices[i] = choices;
    const { clock, stride } = this;
    const base = i * stride;
    const from = this.last[task]! * stride;
    if (from >= 0) for (let t = 0; t < stride; t++) clock[base + t] = clock[from + t]!;
    else for (let t = 0; t < stride; t++) clock[base + t] = 0;
    this.nth[i] = clock[base + task]! + 1;
    this.order(i, op);
    if (more !== null) for (const x of more) this.order(i, x);
    clock[base + task] = this.nth[i]!;
    this.last[task] = i;
    this.steps[task]!.push(i);
    for (let t = 0, born = system.born; born !== 0; t++, born >>>= 1) {
      if ((born & 1) !== 0) this.last[t] = i;
    }
  }

  private write(i: number, task: number, op: Wait, more: readonly Wait[] | null): void {
    this.task[i] = task;
    this.op[i] = op;
    this.more[i] = more;
    this.before[i] = this.last[task]!;
  }

  /**
   * What `task` would do if it could stands behind the last step, to be looked at like one; the
   * next step overwrites it.
   */
  pretend(task: number, op: Wait, more: readonly Wait[] | null): number {
    this.write(this.length, task, op, more);
    this.choices[this.length] = []; // Not known.
    return this.length;
  }

  /**
   * What the task of step `i` would have done with other choices stands behind the last step, as
   * above.
   */
  pretendInstead(i: number, choices: readonly number[], more: readonly Wait[] | null): number {
    this.write(this.length, this.task[i]!, this.op[i]!, more);
    this.before[this.length] = this.before[i]!;
    this.choices[this.length] = choices;
    return this.length;
  }

  /** Step `i` comes after what it depends on through `x`. */
  private order(i: number, x: Wait): void {
    const log = this.logOf(x);
    const { clock, stride, task, nth } = this;
    const base = i * stride;
    const reads = isReadLike(kindOf(x));
    for (let z = log.at.length - 1; z >= 0; z--) {
      const readsToo = isReadLike(kindOf(log.op[z]!));
      if (reads && readsToo) continue;
      const j = log.at[z]!;
      if (j !== i && clock[base + task[j]!]! < nth[j]!) {
        const c = j * stride;
        for (let t = 0; t < stride; t++) {
          if (clock[c + t]! > clock[base + t]!) clock[base + t] = clock[c + t]!;
        }
      }
      if (!readsToo) break; // T-2
    }
    log.at.push(i);
    log.op.push(x);
    if (kindOf(x) === WQUEUE) log.fair = true;
  }

  logOf(x: Wait): ObjectLog {
    return (this.logs[objectOf(x)] ??= new ObjectLog());
  }

  /** Forget the steps from number `length` on. */
  cut(length: number): void {
    while (this.length > length) {
      const i = --this.length;
      const more = this.more[i]!;
      if (more !== null) for (let k = more.length - 1; k >= 0; k--) this.unlog(more[k]!);
      this.unlog(this.op[i]!);
      this.last[this.task[i]!] = this.before[i]!;
      this.steps[this.task[i]!]!.pop();
    }
  }
  private unlog(x: Wait): void {
    const log = this.logOf(x);
    log.at.pop();
    log.op.pop();
  }

  /** Did step `i` happen before step `j`, or are they the same? Needs i <= j. */
  isBefore(i: number, j: number): boolean {
    return this.clock[j * this.stride + this.task[i]!]! >= this.nth[i]!;
  }
  /** Did step `i` happen before the task of step `at` came to that step? */
  isPast(i: number, at: number): boolean {
    const b = this.before[at]!;
    return b >= 0 && this.isBefore(i, b);
  }

  /** The first step of `task` behind step `i`; -1: none. */
  firstBehind(i: number, task: number): number {
    const steps = this.steps[task]!;
    let k = steps.length;
    while (k > 0 && steps[k - 1]! > i) k--;
    return steps[k] ?? -1;
  }
}

/** Do two footprints have operations that depend on each other? */
export function footprintsClash(
  a: Wait,
  moreA: readonly Wait[] | null,
  b: Wait,
  moreB: readonly Wait[] | null,
): boolean {
  if (dependent(a, b)) return true;
  if (moreA !== null) for (const x of moreA) if (clashes(x, b, moreB)) return true;
  if (moreB !== null) for (const y of moreB) if (dependent(a, y)) return true;
  return false;
}
const clashes = (x: Wait, b: Wait, more: readonly Wait[] | null): boolean => {
  if (dependent(x, b)) return true;
  if (more !== null) for (const y of more) if (dependent(x, y)) return true;
  return false;
};
