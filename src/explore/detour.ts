/**
 * What an execution would be like if one of its steps came before an earlier one: the steps before
 * the earlier one, then all that do not come after it, then the later one.
 *
 *     trace    a b  i  c  d  e  at f        i happened before d, at; nothing else
 *     detour   a b     c     e     f  at    the steps behind `from` = i, and `at` last
 *
 * Asked for every race, and most races turn out to be known already. So nothing is copied: whether
 * a step belongs to it is computed when asked for, and questions about an object look only at the
 * log of that object.
 *
 * Invariant
 *  V-1  With a step, all that it comes after and that is not before `from` belongs to the detour.
 */
import type { Wait } from '../sched/op.ts';
import {
  dependent,
  DOWNGRADE,
  kindOf,
  LOCK,
  PREP,
  RDLOCK,
  RDUNLOCK,
  SCHED,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WAKE,
  WQUEUE,
} from '../sched/point.ts';
import { agree, beginsWith, type Choices, faultsIn } from './outcomes.ts';
import { MAX_TASKS } from './system.ts';
import { footprintsClash, type ObjectLog, type Trace } from './trace.ts';

/** An operation is possible where it was asked for. */
export const FREE = -1;
/** Somebody else must act first (a wake), and does not. */
export const NEVER = -2;

/** Behind every step. */
export const LAST = 2 ** 31 - 1;
const ACQUIRES_ALONE = (1 << LOCK) | (1 << TRYLOCK);
const ENDS_ALONE = 1 << UNLOCK;

export class Detour {
  from = 0;
  at = 0;
  /** The last answer of `mayBegin()` depends on no step behind this one. */
  until = 0;
  /** How many steps `list()` found. */
  length = 0;
  /** At most so many choices of an execution are other than 0. */
  faults = Infinity;
  private readonly trace: Trace;
  /** Steps left out besides `from`, each with all that comes after it. */
  private readonly dropped: number[] = [];
  private readonly reads = new Int32Array(MAX_TASKS + 1);
  private readonly reader = new Int32Array(MAX_TASKS + 1);
  private readonly queued = new Int32Array(MAX_TASKS + 1);
  /** Steps found by `mayBegin()` to keep a task from it. */
  private readonly waker = new Int32Array(MAX_TASKS + 1);
  private wakers = 0;
  private readonly past = new Int32Array(MAX_TASKS + 1);

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /** @param at  may be the step that the trace pretends */
  begin(from: number, at: number): void {
    this.from = from;
    this.at = at;
    this.wakers = 0;
    if (this.dropped.length > 0) this.dropped.length = 0;
  }

  /** Leave out step `h` and what comes after it. */
  drop(h: number): void {
    this.dropped.push(h);
  }

  /** Does step `e`, later than `from`, belong to it? */
  has(e: number): boolean {
    if (e === this.at) return true;
    if (this.trace.isBefore(this.from, e)) return false;
    for (const h of this.dropped) if (this.trace.isBefore(h, e)) return false;
    return true;
  }

  /**
   * Its steps behind `from`: first those that `at` and the wakers need, then `at`, then the rest.
   * @returns how many there are up to `at`
   */
  list(into: Int32Array): number {
    const { trace, past } = this;
    this.gather();
    let count = 0;
    for (let e = this.from + 1; e < trace.length; e++) {
      if (e !== this.at && trace.nth[e]! <= past[trace.task[e]!]!) into[count++] = e;
    }
    into[count++] = this.at;
    const needed = count;
    for (let e = this.from + 1; e < trace.length; e++) {
      if (e === this.at || trace.nth[e]! <= past[trace.task[e]!]!) continue;
      if (this.has(e)) into[count++] = e;
    }
    this.length = count;
    return needed;
  }

  /** The clock of all that has to come before `at`, and of the wakers. */
  private gather(): void {
    const { trace, at } = this;
    this.past.fill(0);
    if (trace.before[at]! >= 0) this.merge(trace.before[at]!);
    this.mergeLog(trace.op[at]!);
    const more = trace.more[at]!;
    if (more !== null) for (const x of more) this.mergeLog(x);
    for (let k = 0; k < this.wakers; k++) if (this.waker[k] !== at) this.merge(this.waker[k]!);
  }
  private merge(e: number): void {
    const { stride, clock } = this.trace;
    for (let t = 0; t < stride; t++) {
      if (clock[e * stride + t]! > this.past[t]!) this.past[t] = clock[e * stride + t]!;
    }
  }
  private mergeLog(x: Wait): void {
    const log = this.trace.logOf(x);
    for (let z = log.at.length - 1; z >= 0 && log.at[z]! > this.from; z--) {
      const e = log.at[z]!;
      if (e !== this.at && dependent(log.op[z]!, x) && this.has(e)) this.merge(e);
    }
  }

  /** The first step of `task` behind `from`, or -1 if the detour has none. */
  firstOf(task: number): number {
    const e = this.trace.firstBehind(this.from, task);
    if (e >= 0 && this.has(e)) return e;
    return this.trace.task[this.at] === task ? this.at : -1;
  }

  /**
   * The first step of `task` that does not belong here although it is later than `from`. What comes
   * behind that step and depends on it does not belong here either, so that nothing of the detour
   * which comes later can say anything about the task.
   */
  missing(task: number): number {
    for (let e = this.from; e >= 0;) {
      e = this.trace.firstBehind(e, task);
      if (e >= 0 && !this.has(e)) return e;
    }
    return LAST;
  }

  /**
   * Could `task`, whose next step has this footprint and this outcome, as well come first? (It is a
   * weak initial: it does come first, or is independent of all that comes before it here.)
   * @param sleeps  only what is explored already counts: the outcome itself, all of it
   */
  mayBegin(
    task: number,
    op: Wait,
    more: readonly Wait[] | null,
    choices: Choices | null,
    sleeps: boolean,
  ): boolean {
    const { trace, at } = this;
    const first = this.firstOf(task);
    // A task cannot come before the step that makes it.
    const maker = first < 0 ? -1 : trace.before[first]!;
    if (maker > this.from && this.has(maker)) return this.wokenBy(maker);
    const obstacle = this.otherOutcome(first, choices, sleeps);
    if (obstacle >= 0) return this.wokenBy(obstacle);
    const until = first < 0 || first === at ? LAST : first;
    if (until === LAST && trace.task[at] !== task) {
      if (footprintsClash(op, more, trace.op[at]!, trace.more[at]!)) return this.wokenBy(at);
    }
    let found = this.toucher(op, until);
    if (more !== null) for (const x of more) found = Math.min(found, this.toucher(x, until));
    if (found < LAST) return this.wokenBy(found);
    this.until = first < 0 ? this.missing(task) : first;
    return true;
  }

  /**
   * The step that keeps an outcome from coming first: the task's own, with another; or, of a task
   * that has none here, a fault together with which it would be one too many. -1: none.
   */
  private otherOutcome(first: number, choices: Choices | null, sleeps: boolean): number {
    if (first >= 0) {
      const here = this.trace.choices[first]!;
      if (here === null && choices === null) return -1;
      return (sleeps ? beginsWith(here, choices) : agree(here, choices)) ? -1 : first;
    }
    if (choices === null || this.faults === Infinity) return -1;
    const more = faultsIn(choices);
    return more > 0 && this.faultsWithin() + more > this.faults ? this.newestFault() : -1;
  }
  /** Of what comes before it, too. */
  private faultsWithin(): number {
    const { trace, from, at } = this;
    let n = 0;
    for (let e = 0; e < trace.length; e++) {
      if (e < from || (e > from && e !== at && this.has(e))) n += faultsIn(trace.choices[e]!);
    }
    return n + faultsIn(trace.choices[at]!);
  }
  private newestFault(): number {
    const { trace, at } = this;
    if (faultsIn(trace.choices[at]!) > 0) return at;
    let e = trace.length - 1;
    while (e > this.from && !(this.has(e) && faultsIn(trace.choices[e]!) > 0)) e--;
    return e;
  }

  /**
   * Leave out what comes too dear: the newest faults besides that of `at`.
   * @returns whether that is enough
   */
  dropFaults(): boolean {
    const { trace } = this;
    if (this.faults === Infinity) return true;
    for (let e = trace.length - 1; this.faultsWithin() > this.faults; e--) {
      if (e <= this.from) return false;
      if (e !== this.at && this.has(e) && faultsIn(trace.choices[e]!) > 0) this.drop(e);
    }
    return true;
  }

  private wokenBy(e: number): false {
    this.until = e;
    if (this.wakers < this.waker.length) this.waker[this.wakers++] = e;
    return false;
  }

  /** The first step before step `until`, `at` left aside, that depends on `x`. */
  private toucher(x: Wait, until: number): number {
    const log = this.trace.logOf(x);
    let found = LAST;
    for (let z = log.at.length - 1; z >= 0; z--) {
      const e = log.at[z]!;
      if (e <= this.from) break;
      if (e < until && e !== this.at && dependent(log.op[z]!, x) && this.has(e)) found = e;
    }
    return found;
  }

  /** Tasks whose step could come first, of those that have a step here up to `at`. */
  initials(): number {
    const { trace, at } = this;
    let found = 0;
    for (let t = 0; t < trace.stride; t++) {
      const e = this.firstOf(t);
      if (e < 0 || e > at) continue;
      const [op, more, choices] = [trace.op[e]!, trace.more[e]!, trace.choices[e]!];
      if (this.mayBegin(t, op, more, choices, false)) found |= 1 << t;
    }
    return found;
  }

  /**
   * The newest step that keeps the operation which step `at` announced from being possible at the
   * end of the detour; or FREE, or NEVER.
   */
  blocker(): number {
    const x = this.trace.op[this.at]!;
    const kind = kindOf(x);
    if (kind === SCHED) return this.isWoken(this.trace.logOf(x)) ? FREE : NEVER;
    if (kind !== LOCK && kind !== RDLOCK) return FREE;
    return this.holder(this.trace.logOf(x), kind === LOCK);
  }

  /** Whether step `e` of a log happens before `at` does. */
  private precedes(e: number): boolean {
    return e < this.from || (e > this.from && this.has(e));
  }

  /**
   * From where on the log has to be read to know who holds the lock: whoever takes it alone found
   * it free, and leaves it free. Writers that stand in line may have done so long ago.
   */
  private relevant(log: ObjectLog, exclusive: boolean): number {
    if (log.fair && !exclusive) return 0;
    for (let z = log.at.length - 1; z > 0; z--) {
      if (log.at[z]! >= this.from) continue;
      const bit = 1 << kindOf(log.op[z]!);
      if ((bit & ACQUIRES_ALONE) !== 0) return z;
      if ((bit & ENDS_ALONE) !== 0) return z + 1;
    }
    return 0;
  }

  private holder(log: ObjectLog, exclusive: boolean): number {
    const { trace, reads, reader, queued } = this;
    reads.fill(0);
    reader.fill(FREE);
    queued.fill(FREE);
    let owner = FREE;
    for (let z = this.relevant(log, exclusive); z < log.at.length; z++) {
      const e = log.at[z]!;
      if (e >= this.at) break;
      if (!this.precedes(e)) continue;
      const t = trace.task[e]!;
      switch (kindOf(log.op[z]!)) {
        case LOCK:
          owner = e;
          queued[t] = FREE;
          break;
        case TRYLOCK:
          owner = e;
          break;
        case UNLOCK:
          owner = FREE;
          break;
        case RDLOCK:
        case TRYRDLOCK:
          if (reads[t]!++ === 0) reader[t] = e;
          break;
        case RDUNLOCK: {
          const who = reads[t]! > 0 ? t : reads.findIndex((n) => n > 0); // Handed over.
          if (who >= 0 && --reads[who]! === 0) reader[who] = FREE;
          break;
        }
        case DOWNGRADE:
          owner = FREE;
          if (reads[t]!++ === 0) reader[t] = e;
          break;
        case WQUEUE:
          queued[t] = e;
          break;
        default:
      }
    }
    const others = exclusive ? reader : queued;
    for (const e of others) if (e > owner) owner = e;
    return owner;
  }

  private isWoken(log: ObjectLog): boolean {
    const { trace, at } = this;
    for (let z = log.at.length - 1, woken = false; z >= 0; z--) {
      const e = log.at[z]!;
      if (e >= at || !this.precedes(e)) continue;
      const kind = kindOf(log.op[z]!);
      if (kind === WAKE) woken = true;
      else if (kind === PREP && trace.task[e] === trace.task[at]) return woken;
    }
    return false;
  }
}
