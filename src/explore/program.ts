/**
 * Model programs: tasks that are generators of operations, nothing else. `yield` announces the
 * next operation, and the code behind it performs it; locks and wait queues are the system's own.
 * A step is one operation, so that counts can be compared with those of other tools; with `touch()`
 * it may do more, as turns of real tasks do.
 *
 *     const x = 64; // an object that is no lock
 *     const add = function* (s: { x: number }): Steps {
 *       yield read(x);
 *       const v = s.x;
 *       yield write(x);
 *       s.x = v + 1;
 *     };
 */
import { assert } from '../base/assert.ts';
import type { Wait } from '../sched/op.ts';
import {
  DOWNGRADE,
  kindNames,
  kindOf,
  LOCK,
  objectOf,
  operation,
  PREP,
  RDLOCK,
  RDUNLOCK,
  READ,
  SCHED,
  TRYFAIL,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WAKE,
  WQUEUE,
  WRITE,
} from '../sched/point.ts';
import { nameOfValue, Pasts } from './state-name.ts';
import {
  type Chooser,
  type Failure,
  type Inspection,
  MAX_TASKS,
  NONE,
  type System,
} from './system.ts';

/** The value of `yield trylock(o)`, of `yield tryrdlock(o)`, is whether it took the lock. */
export type Steps = Generator<Wait, void, boolean>;

/** What a task can do within a step, besides the operation that it announced. */
export interface Hands extends Chooser {
  /**
   * One more operation that cannot block. @returns whether a try took the lock
   */
  touch(op: Wait): boolean;
  /** One more task. Only one task of a program may make others: their numbers are in order. */
  spawn(task: Steps): void;
  /**
   * A promise: of all that it has seen, the task remembers only this, and it is here. So that every
   * round of a loop that tries again is the same as the one before (state-hash.ts).
   */
  remembers(here: string, ...what: readonly unknown[]): void;
}

export interface Program<S = unknown> {
  /** Objects 0..locks-1 may be locks or wait queues. */
  readonly locks?: number;
  /** Steps may do more than they announce (`touch()`), or turn out as reads or writes. */
  readonly touches?: boolean;
  readonly init: () => S;
  readonly tasks: (state: S, hands: Hands) => Steps[];
  /**
   * Groups of tasks, by number, that are the same: a promise that each does what any other of its
   * group would, and that `check` does not tell them apart.
   */
  readonly alike?: readonly (readonly number[])[];
  readonly names?: readonly string[];
  /** Names of objects, by number. */
  readonly objects?: Readonly<Record<number, string>>;
  /**
   * What a task sees of an object when it reads it; a promise that it sees nothing else, and
   * nothing at all in other steps. If left out, it is taken to see the whole state at every step.
   */
  readonly sees?: (state: S, object: number) => unknown;
  /** Holds at the end; or the symptom. */
  readonly check?: (state: S) => boolean | string;
}

export const read = (o: number): Wait => operation(READ, o);
export const write = (o: number): Wait => operation(WRITE, o);
export const lock = (o: number): Wait => operation(LOCK, o);
export const unlock = (o: number): Wait => operation(UNLOCK, o);
export const rdlock = (o: number): Wait => operation(RDLOCK, o);
export const rdunlock = (o: number): Wait => operation(RDUNLOCK, o);
/** Gives up the lock and keeps it for reading. */
export const downgrade = (o: number): Wait => operation(DOWNGRADE, o);
/** Reads if no writer has the lock or stands in line: `touches`. */
export const tryrdlock = (o: number): Wait => operation(TRYRDLOCK, o);
export const trylock = (o: number): Wait => operation(TRYLOCK, o);
/** A writer gets in line: from now on new readers wait. `lock()` follows. */
export const wqueue = (o: number): Wait => operation(WQUEUE, o);
export const prep = (o: number): Wait => operation(PREP, o);
export const sched = (o: number): Wait => operation(SCHED, o);
export const wake = (o: number): Wait => operation(WAKE, o);

const WAITING = (1 << LOCK) | (1 << RDLOCK) | (1 << SCHED);
const mayWait = (x: Wait): boolean => ((WAITING >>> kindOf(x)) & 1) !== 0;

export class ProgramSystem<S> implements System {
  op = NONE;
  more: Wait[] | null = null;
  count = 0;
  born = 0;
  live = 0;
  state!: S;
  depth = 0;
  readonly portable = true;
  readonly exact: boolean;
  private readonly program: Program<S>;
  private tasks: Steps[] = [];
  private moving = -1;
  /** Whose code runs: that of the moving task, or of one that it makes. */
  private running = -1;
  private maker = -1;
  /** Somebody asks for names of states. By task: what it has gone through. */
  private naming = false;
  /** A task has seen something that has no name. */
  private unnamed = false;
  private readonly pasts = new Pasts();
  private readonly past = new Int32Array(MAX_TASKS + 1);
  private chooser: Chooser = { pick: () => 0 };
  private readonly hands: Hands = {
    pick: (below, why) => {
      const value = this.chooser.pick(below, why);
      if (this.naming) this.lives(`picks ${value}`);
      return value;
    },
    touch: (op) => this.touch(op),
    spawn: (task) => {
      this.spawn(task);
    },
    remembers: (here, ...what) => {
      if (!this.naming) return;
      this.past[this.running] = 0;
      this.lives(`is at ${this.nameOf([here, what])}`);
    },
  };
  private readonly next = new Int32Array(MAX_TASKS + 1);
  /** By lock: the task that has it, or -1; who reads; which writers wait. */
  private readonly owner: Int8Array;
  private readonly readers: Int32Array;
  private readonly queued: Int32Array;
  private readonly woken: Int32Array;
  /** By lock: whose next step may have to wait for it. */
  private readonly asking: Int32Array;
  private able = 0;
  /** How often each task reads each lock. */
  private readonly reads: Uint8Array;
  readonly symmetric: boolean;
  /** By task: the next of its group, or -1; is it to wait for the one before? */
  private readonly follower = new Int8Array(MAX_TASKS + 1).fill(-1);
  private follows = 0;

  /**
   * @param symmetry  of tasks that are alike (`Program.alike`) each takes its first step only after
   *   the one before it in its group. Every behaviour is one of those, but for who is who: in its
   *   schedule call the one that begins first by the first number, and so on.
   */
  constructor(program: Program<S>, { symmetry = false } = {}) {
    this.symmetric = symmetry && program.alike !== undefined;
    const locks = program.locks ?? 0;
    this.program = program;
    this.exact = program.touches !== true;
    this.owner = new Int8Array(locks);
    this.readers = new Int32Array(locks);
    this.queued = new Int32Array(locks);
    this.woken = new Int32Array(locks);
    this.asking = new Int32Array(locks);
    this.reads = new Uint8Array(locks * 32);
  }

  start(chooser: Chooser): void {
    this.owner.fill(-1);
    const { readers, queued, woken, asking, reads } = this;
    for (const a of [readers, queued, woken, asking, reads]) a.fill(0);
    this.depth = 0;
    this.past.fill(0);
    this.chooser = chooser;
    this.state = this.program.init();
    this.moving = this.maker = -1;
    this.tasks = this.program.tasks(this.state, this.hands);
    this.count = this.tasks.length;
    this.live = 0;
    this.able = 0;
    this.follows = 0;
    if (this.symmetric) this.standInLine();
    for (let t = 0; t < this.count; t++) if (!this.isWaiting(t)) this.advance(t, false);
    this.born = 0;
    this.more = null;
  }

  private standInLine(): void {
    this.next.fill(NONE, 0, this.count);
    for (const group of this.program.alike!) {
      for (const [i, t] of group.entries()) {
        assert(t < this.count, 'tasks that are alike are there from the beginning');
        this.follower[t] = group[i + 1] ?? -1;
        if (i > 0) this.follows |= 1 << t;
      }
    }
  }
  private isWaiting(t: number): boolean {
    return ((this.follows >>> t) & 1) !== 0;
  }

  private touch(op: Wait): boolean {
    assert(this.moving >= 0, 'a task begins with an announced operation');
    assert(!this.exact, 'a program that touches says so');
    assert(!mayWait(op), 'what may block is announced');
    const announced = this.op;
    this.op = op;
    const took = kindOf(op) >= LOCK && this.performed(this.moving, op);
    (this.more ??= []).push(this.op);
    this.op = announced;
    return took;
  }

  private spawn(task: Steps): void {
    assert(this.moving >= 0, 'a task begins with an announced operation');
    assert(this.maker < 0 || this.maker === this.moving, 'one task makes the others');
    assert(this.count < MAX_TASKS, `at most ${MAX_TASKS} tasks can be explored`);
    this.maker = this.moving;
    const t = this.count++;
    this.tasks.push(task);
    if (this.naming) this.past[t] = this.pasts.after(this.past[this.moving]!, `makes ${t}`);
    this.born |= 1 << t;
    this.advance(t, false);
  }

  private advance(task: number, took: boolean): void {
    const before = this.running;
    this.running = task;
    const r = this.tasks[task]!.next(took);
    this.running = before;
    if (r.done === true) {
      this.live &= ~(1 << task);
      this.next[task] = NONE;
    } else {
      this.live |= 1 << task;
      this.next[task] = r.value;
      if (mayWait(r.value)) this.asking[objectOf(r.value)]! |= 1 << task;
    }
    this.look(task);
  }

  enabled(): number {
    return this.able;
  }

  private look(task: number): void {
    if (this.isEnabled(task)) this.able |= 1 << task;
    else this.able &= ~(1 << task);
  }

  private isEnabled(task: number): boolean {
    if (((this.live >>> task) & 1) === 0) return false;
    const x = this.next[task]!;
    const kind = kindOf(x);
    const o = objectOf(x);
    if (kind === LOCK) return this.owner[o]! < 0 && this.readers[o] === 0;
    if (kind === RDLOCK) return this.owner[o]! < 0 && this.queued[o] === 0;
    if (kind === SCHED) return ((this.woken[o]! >>> task) & 1) !== 0;
    return true;
  }

  pending(task: number): Wait {
    return this.next[task]!;
  }

  step(task: number): void {
    const x = this.next[task]!;
    this.op = x;
    this.more = null;
    this.born = 0;
    this.moving = task;
    this.depth++;
    const took = kindOf(x) >= LOCK && this.performed(task, x);
    if (this.naming) {
      this.running = task;
      this.lives(`does ${this.op} ${this.seen(this.op)}`);
    }
    this.advance(task, took);
    const follower = this.follower[task]!;
    if (follower < 0 || !this.isWaiting(follower)) return;
    this.follows &= ~(1 << follower);
    this.born |= 1 << follower;
    this.advance(follower, false);
  }

  /** The task that runs goes through something. */
  private lives(event: string): void {
    this.past[this.running] = this.pasts.after(this.past[this.running]!, event);
  }
  private seen(op: Wait): string {
    const { sees } = this.program;
    if (sees === undefined || !this.exact) return this.nameOf(this.state);
    return kindOf(op) === READ ? this.nameOf(sees(this.state, objectOf(op))) : '';
  }
  private nameOf(value: unknown): string {
    const name = nameOfValue(value);
    this.unnamed ||= name === null;
    return name ?? '';
  }

  /** Asked for before the first step, or never. @returns null: the program's state has no name */
  fingerprint(): string | null {
    if (!this.naming) {
      if (this.depth > 0) return null;
      this.naming = true;
      this.start(this.chooser); // What tasks do before their first step is part of it.
    }
    const { owner, readers, queued, woken, reads, past } = this;
    const state = nameOfValue(this.state);
    if (state === null || this.unnamed) return null;
    const tasks = Array.from({ length: this.count }, (_, t) => {
      if (this.isWaiting(t)) return '+';
      return ((this.live >>> t) & 1) === 0 ? '-' : past[t];
    });
    return [state, owner, readers, queued, woken, reads, tasks].join(';');
  }

  /** Locks and queues as they are afterwards, and who can move. @returns whether a try succeeded */
  private performed(task: number, x: Wait): boolean {
    const o = objectOf(x);
    if (mayWait(x)) this.asking[o]! &= ~(1 << task);
    const took = this.perform(task, kindOf(x), o);
    for (let left = this.asking[o]!; left !== 0; left &= left - 1) {
      this.look(31 - Math.clz32(left & -left));
    }
    return took;
  }

  private perform(task: number, kind: number, o: number): boolean {
    const bit = 1 << task;
    switch (kind) {
      case LOCK:
        this.owner[o] = task;
        this.queued[o]! &= ~bit;
        return true;
      case UNLOCK:
        assert(this.owner[o] === task, 'only the owner unlocks');
        this.owner[o] = -1;
        return true;
      case RDLOCK:
        this.readers[o]! |= bit;
        this.reads[o * 32 + task]!++;
        return true;
      case RDUNLOCK:
        assert(this.reads[o * 32 + task]! > 0, 'only a reader ends reading');
        if (--this.reads[o * 32 + task]! === 0) this.readers[o]! &= ~bit;
        return true;
      case TRYLOCK: {
        const free = this.owner[o]! < 0 && this.readers[o] === 0;
        if (free) this.owner[o] = task;
        else this.op = operation(TRYFAIL, o);
        return free;
      }
      case TRYRDLOCK: {
        const free = this.owner[o]! < 0 && this.queued[o] === 0;
        if (free) this.perform(task, RDLOCK, o);
        else this.op = operation(TRYFAIL, o);
        return free;
      }
      case DOWNGRADE:
        this.perform(task, UNLOCK, o);
        return this.perform(task, RDLOCK, o);
      case WQUEUE:
      case PREP:
        this.woken[o]! &= ~bit;
        this.queued[o]! |= bit;
        return true;
      case WAKE:
        this.woken[o]! |= this.queued[o]!;
        this.queued[o] = 0;
        return true;
      default:
        return true;
    }
  }

  judge(): Failure | null {
    if (this.live !== 0) {
      const who = this.names.filter((_, t) => ((this.live >>> t) & 1) !== 0).join(', ');
      return { kind: 'deadlock', symptom: `${who} wait for ever`, depth: this.depth };
    }
    const fine = this.program.check?.(this.state) ?? true;
    if (fine === true) return null;
    const symptom = fine === false ? 'the final check fails' : fine;
    return { kind: 'violation', symptom, depth: this.depth };
  }

  get names(): readonly string[] {
    const { names } = this.program;
    return Array.from({ length: this.count }, (_, t) => names?.[t] ?? `T${t}`);
  }

  describe(op: Wait): string {
    const o = objectOf(op);
    return `${kindNames[kindOf(op)]!}(${this.program.objects?.[o] ?? `#${o}`})`;
  }

  inspect(): Inspection {
    const held: { task: number; what: string }[] = [];
    const waits: { task: number; what: string; by: number[] }[] = [];
    const nameOf = (o: number): string => this.program.objects?.[o] ?? `#${o}`;
    for (let t = 0; t < this.count; t++) {
      for (let o = 0; o < this.owner.length; o++) {
        if (this.owner[o] === t || ((this.readers[o]! >>> t) & 1) !== 0) {
          held.push({ task: t, what: nameOf(o) });
        }
      }
      if (((this.live >>> t) & 1) === 0 || this.isEnabled(t)) continue;
      const o = objectOf(this.next[t]!);
      // A reader is kept out by writers that hold it or stand in line, a writer by readers too.
      const others = kindOf(this.next[t]!) === RDLOCK ? this.queued[o]! : this.readers[o]!;
      const by = Array.from({ length: this.count }, (_, q) => q).filter(
        (q) => this.owner[o] === q || ((others >>> q) & 1) !== 0,
      );
      waits.push({ task: t, what: this.describe(this.next[t]!), by });
    }
    const state: unknown = this.state;
    const entries = typeof state === 'object' && state !== null ? Object.entries(state) : [];
    const plain = entries.filter(([, v]) => ['number', 'boolean', 'string'].includes(typeof v));
    return { held, waits, values: Object.fromEntries(plain.map(([k, v]) => [k, String(v)])) };
  }
}
