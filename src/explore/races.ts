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
}
