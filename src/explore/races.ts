/**
 * Races of an execution: pairs of steps of two tasks that depend on each other, with nothing
 * ordered between them. Whoever wants to see every behaviour has to try each the other way round.
 *
 * @source Abdulla, Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction" (POPL 2014),
 *         for races, initials and wakeup trees; locks and wait queues are added here.
 */
import type { Wait } from '../sched/op.ts';
import {
  DOWNGRADE,
  isReadLike,
  kindOf,
  LOCK,
  RDLOCK,
  RDUNLOCK,
  TRYFAIL,
  UNLOCK,
} from '../sched/point.ts';
import type { Trace } from './trace.ts';

/**
 * Two operations of one object that no state allows both: their order cannot be turned round. A try
 * fails where the lock is held, and so is not to be had; but a try to read also fails where a
 * writer only stands in line.
 * @param fair  writers stand in line there
 */
function neverBoth(later: number, earlier: number, fair: boolean): boolean {
  if (later !== LOCK && later !== RDLOCK) return false;
  if (earlier === UNLOCK || earlier === RDUNLOCK || earlier === DOWNGRADE) return true;
  return later === LOCK && earlier === TRYFAIL && !fair;
}

export class Races {
  /** What `immediate()` found. */
  found = new Int32Array(64);
  private readonly trace: Trace;
  private count = 0;

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /**
   * Steps in an immediate race with step `at`, newest first, into `found`. `at` may be the step
   * that the trace pretends. A release is never in a race with an acquire: the acquire before it
   * is. @returns how many
   */
  immediate(at: number): number {
    const { trace } = this;
    this.count = 0;
    this.collect(at, trace.op[at]!);
    const more = trace.more[at]!;
    if (more !== null) {
      for (const x of more) this.collect(at, x);
      // What was found on one object may lie before what was found on the next.
      if (this.count > 1) this.count = this.nearest();
    }
    return this.count;
  }

  private collect(at: number, x: Wait): void {
    const { trace } = this;
    const log = trace.logOf(x);
    const task = trace.task[at]!;
    const kind = kindOf(x);
    const reads = isReadLike(kind);
    for (let z = log.at.length - 1; z >= 0; z--) {
      const i = log.at[z]!;
      if (i >= at) continue;
      const other = kindOf(log.op[z]!);
      const writes = !isReadLike(other);
      if (reads && !writes) continue;
      if (trace.task[i] === task || trace.isPast(i, at)) {
        if (writes) return; // All that came before is past too.
        continue;
      }
      if (neverBoth(kind, other, log.fair)) continue;
      if (this.isCovered(i)) {
        if (writes) return;
        continue;
      }
      this.add(i);
      if (writes && other !== UNLOCK) return;
    }
  }

  private add(i: number): void {
    if (this.count === this.found.length) {
      const more = new Int32Array(this.count * 2);
      more.set(this.found);
      this.found = more;
    }
    this.found[this.count++] = i;
  }

  /** Has step `i`, or one after it, been found? */
  private isCovered(i: number): boolean {
    for (let k = 0; k < this.count; k++) {
      if (this.found[k]! >= i && this.trace.isBefore(i, this.found[k]!)) return true;
    }
    return false;
  }

  /** Keeps those with no other of them after them. @returns how many */
  private nearest(): number {
    const all = this.found.slice(0, this.count);
    const near = all.filter((i) => !all.some((f) => f > i && this.trace.isBefore(i, f)));
    this.found.set(near);
    return near.length;
  }
}
