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
  PREP,
  RDLOCK,
  RDUNLOCK,
  SCHED,
  TRYFAIL,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WAKE,
  WQUEUE,
} from '../sched/point.ts';
import type { Trace } from './trace.ts';

/** An operation is possible where it was asked for. */
export const FREE = -1;
/** Somebody else must act first (a wake), and does not. */
export const NEVER = -2;

/** Two operations of one object that no state allows both: their order cannot be turned round. */
function neverBoth(later: number, earlier: number): boolean {
  if (later !== LOCK && later !== RDLOCK) return false;
  if (earlier === UNLOCK || earlier === RDUNLOCK || earlier === DOWNGRADE) return true;
  return later === LOCK && earlier === TRYFAIL;
}

export class Races {
  private readonly trace: Trace;
  private found: number[] = [];

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /**
   * Steps in an immediate race with step `at`, newest first. `at` may be the step that the trace
   * pretends. A release is never in a race with an acquire: the acquire before it is.
   */
  immediate(at: number): readonly number[] {
    const { trace } = this;
    this.found.length = 0;
    this.collect(at, trace.op[at]!);
    const more = trace.more[at]!;
    if (more !== null) {
      for (const x of more) this.collect(at, x);
      // What was found on one object may lie before what was found on the next.
      if (this.found.length > 1) return this.nearest();
    }
    return this.found.length === 0 ? this.found : this.found.slice();
  }

  private collect(at: number, x: Wait): void {
    const { trace, found } = this;
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
      if (neverBoth(kind, other)) continue;
      if (found.some((f) => (f < i ? false : trace.isBefore(i, f)))) {
        if (writes) return;
        continue;
      }
      found.push(i);
      if (writes && other !== UNLOCK) return;
    }
  }

  /** Those with no other of them after them. */
  private nearest(): number[] {
    const { trace, found } = this;
    return found.filter((i) => !found.some((f) => f > i && trace.isBefore(i, f)));
  }

  /**
   * The newest step that keeps the operation which step `at` announced from being possible, in the
   * execution that consists of the steps before `from` and then of `kept` (ascending, all of
   * from..at-1); or FREE, or NEVER.
   */
  blocker(from: number, kept: Int32Array, count: number, at: number): number {
    const x = this.trace.op[at]!;
    const kind = kindOf(x);
    if (kind === SCHED) return this.woken(from, kept, count, at) ? FREE : NEVER;
    if (kind !== LOCK && kind !== RDLOCK) return FREE;
    return this.holder(from, kept, count, at, kind === LOCK);
  }

  private holder(
    from: number,
    kept: Int32Array,
    count: number,
    at: number,
    exclusive: boolean,
  ): number {
    const { trace } = this;
    const log = trace.logOf(trace.op[at]!);
    let owner = -1;
    const reads = new Int32Array(32);
    const reader = new Int32Array(32).fill(-1);
    const queued = new Int32Array(32).fill(-1);
    for (let z = 0, a = 0; z < log.at.length; z++) {
      const e = log.at[z]!;
      if (e >= at) break;
      if (e >= from) {
        while (a < count && kept[a]! < e) a++;
        if (a >= count || kept[a] !== e) continue;
      }
      const t = trace.task[e]!;
      switch (kindOf(log.op[z]!)) {
        case LOCK:
          owner = e;
          queued[t] = -1;
          break;
        case TRYLOCK:
          owner = e;
          break;
        case UNLOCK:
          owner = -1;
          break;
        case RDLOCK:
        case TRYRDLOCK:
          if (reads[t]!++ === 0) reader[t] = e;
          break;
        case RDUNLOCK: {
          const who = reads[t]! > 0 ? t : reads.findIndex((n) => n > 0); // Handed over.
          if (who >= 0 && --reads[who]! === 0) reader[who] = -1;
          break;
        }
        case DOWNGRADE:
          owner = -1;
          if (reads[t]!++ === 0) reader[t] = e;
          break;
        case WQUEUE:
          queued[t] = e;
          break;
        default:
      }
    }
    const others = exclusive ? reader : queued;
    for (let t = 0; t < 32; t++) if (others[t]! > owner) owner = others[t]!;
    return owner;
  }

  private woken(from: number, kept: Int32Array, count: number, at: number): boolean {
    const { trace } = this;
    const log = trace.logOf(trace.op[at]!);
    let state: 'away' | 'waiting' | 'woken' = 'away';
    for (let z = 0, a = 0; z < log.at.length; z++) {
      const e = log.at[z]!;
      if (e >= at) break;
      if (e >= from) {
        while (a < count && kept[a]! < e) a++;
        if (a >= count || kept[a] !== e) continue;
      }
      const kind = kindOf(log.op[z]!);
      if (kind === PREP && trace.task[e] === trace.task[at]) state = 'waiting';
      else if (kind === WAKE && state === 'waiting') state = 'woken';
    }
    return state === 'woken';
  }
}
