/**
 * Data races on Cells: two accesses of one cell by two tasks, one of them plain (`get`, `set`) and
 * one of them a change, that nothing orders. In this run they came one after the other; on two
 * processors they need not.
 *
 * What orders: release and acquire of a lock, a wake and the end of the sleep, marked accesses of
 * one object in the order in which they came, and the making of a task. Plain accesses order
 * nothing. Each task has a vector clock, which ticks at each release; each object has the clock of
 * its releases. An access is ordered before a task if the task's clock has reached it.
 *
 * An execution is written down as it runs and judged at its end, and only if a cell was accessed
 * plainly at all: what has no such cells pays for the writing down alone.
 *
 * @source Flanagan, Freund: "FastTrack" (PLDI 2009), for clocks of locks and epochs of accesses
 */
import type { Wait } from '../sched/op.ts';
import {
  DOWNGRADE,
  GET,
  kindOf,
  LOCK,
  objectOf,
  PREP,
  RDLOCK,
  RDUNLOCK,
  READ,
  SCHED,
  SET,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WAKE,
  WRITE,
} from '../sched/point.ts';

/** One side of a race. */
export interface Access {
  readonly task: number;
  /** Number of the step it lies in, from 0. */
  readonly step: number;
  readonly op: Wait;
}
export interface DataRace {
  readonly first: Access;
  readonly second: Access;
}

const join = (into: Int32Array, from: Int32Array | undefined): void => {
  if (from === undefined) return;
  for (let t = 0; t < into.length; t++) if (from[t]! > into[t]!) into[t] = from[t]!;
};

/** What the releases of an object carry on: those of readers order writers only. */
interface Released {
  byWriters: Int32Array;
  byReaders: Int32Array;
}
/** The last access of each kind and task, with the task's own time then. */
interface Seen {
  readonly access: Access;
  readonly time: number;
}
const changes = (kind: number): boolean => kind === SET || kind === WRITE;
const isPlain = (kind: number): boolean => kind === GET || kind === SET;
const isAccess = (kind: number): boolean => isPlain(kind) || kind === READ || kind === WRITE;
const conflict = (a: number, b: number): boolean =>
  (changes(a) || changes(b)) && (isPlain(a) || isPlain(b));

export class DataRaces {
  private readonly tasks: number[] = [];
  private readonly born: number[] = [];
  private readonly ops: Wait[][] = [];
  private plainChange = false;

  private clocks: Int32Array[] = [];
  private width = 0;
  /** By object. */
  private readonly released: Released[] = [];
  private readonly seen: Seen[][] = [];

  /** A new execution. */
  begin(): void {
    this.tasks.length = this.born.length = this.ops.length = 0;
    this.plainChange = false;
  }

  /** A step: its announced operation, and what plain functions did, in order, repetitions too. */
  step(task: number, op: Wait, touched: readonly Wait[], born: number): void {
    this.tasks.push(task);
    this.born.push(born);
    this.ops.push([op, ...touched]);
    for (const x of touched) if (isPlain(kindOf(x))) this.plainChange = true;
  }

  /** The first race of the execution. */
  find(): DataRace | null {
    if (!this.plainChange) return null;
    const born = this.born.reduce((all, mask) => all | mask, 0);
    this.width = Math.max(...this.tasks, 31 - Math.clz32(born)) + 1;
    this.clocks = Array.from({ length: this.width }, (_, t) => {
      const clock = this.clock();
      clock[t] = 1;
      return clock;
    });
    this.released.length = this.seen.length = 0;
    for (let step = 0; step < this.tasks.length; step++) {
      const task = this.tasks[step]!;
      for (const op of this.ops[step]!) {
        const race = isAccess(kindOf(op)) ? this.access(task, step, op) : null;
        if (race !== null) return race;
        this.order(task, op);
      }
      for (let t = 0, born = this.born[step]!; born !== 0; t++, born >>>= 1) {
        if ((born & 1) !== 0) join(this.clocks[t]!, this.clocks[task]);
      }
      if (this.born[step] !== 0) this.clocks[task]![task]!++;
    }
    return null;
  }

  private clock(): Int32Array {
    return new Int32Array(this.width);
  }

  private access(task: number, step: number, op: Wait): DataRace | null {
    const kind = kindOf(op);
    const seen = (this.seen[objectOf(op)] ??= []);
    const clock = this.clocks[task]!;
    let same = seen.length;
    for (let n = 0; n < seen.length; n++) {
      const { access, time } = seen[n]!;
      const other = kindOf(access.op);
      if (access.task === task) {
        if (other === kind) same = n;
      } else if (conflict(other, kind) && time > clock[access.task]!) {
        return { first: access, second: { task, step, op } };
      }
    }
    seen[same] = { access: { task, step, op }, time: clock[task]! };
    return null;
  }

  private order(task: number, op: Wait): void {
    const mine = this.clocks[task]!;
    const of = this.releasedOf(objectOf(op));
    switch (kindOf(op)) {
      case LOCK:
      case TRYLOCK:
        join(mine, of.byReaders);
        join(mine, of.byWriters);
        return;
      case RDLOCK:
      case TRYRDLOCK:
      case SCHED:
      case PREP:
      case READ:
        join(mine, of.byWriters);
        return;
      case RDUNLOCK:
        join(of.byReaders, mine);
        break;
      case WRITE:
        join(mine, of.byWriters);
        join(of.byWriters, mine);
        break;
      case UNLOCK:
      case DOWNGRADE:
      case WAKE:
        join(of.byWriters, mine);
        break;
      default:
        return;
    }
    mine[task]!++; // What comes after a release is not ordered by it.
  }

  private releasedOf(object: number): Released {
    return (this.released[object] ??= { byWriters: this.clock(), byReaders: this.clock() });
  }
}
