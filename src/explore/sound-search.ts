/**
 * The search that verdicts come from: Dpor, with what it takes for granted seen to, which is that
 * footprints are fixed. A turn of a real task may read a flag and then touch what the flag says; so
 * each step is said to touch all that it was ever seen to touch (footprint.ts), and when a step is
 * seen to touch more, the search begins anew.
 */
import type { Wait } from '../sched/op.ts';
import { Dpor, type DporOptions } from './dpor.ts';
import { Footprints } from './footprint.ts';
import type { Search } from './search.ts';
import {
  type Chooser,
  type Failure,
  type Inspection,
  MAX_TASKS,
  NONE,
  type Step,
  type System,
} from './system.ts';

/** A system, with steps that touch all that they were ever seen to touch. */
class Widened implements System {
  op: Wait = NONE;
  more: readonly Wait[] | null = null;
  private readonly inner: System;
  private readonly footprints = new Footprints();
  private readonly taken = new Int32Array(MAX_TASKS + 1);
  private announced: Wait = NONE;

  constructor(inner: System) {
    this.inner = inner;
  }

  /** Another execution begins. */
  begin(): void {
    this.taken.fill(0);
  }
  moves(task: number): void {
    this.announced = this.inner.pending(task);
  }
  moved(task: number, choices: readonly number[]): void {
    const nth = this.taken[task]!++;
    const { inner } = this;
    const step =
      inner.exact === true ? inner : this.footprints.of(inner, task, nth, this.announced, choices);
    this.op = step.op;
    this.more = step.more;
  }
  haveGrown(): boolean {
    return this.footprints.haveGrown();
  }
  mayTouch(task: number): readonly Wait[] | null {
    return this.footprints.known(task, this.taken[task]!, this.inner.pending(task));
  }
  mayTouchWith(step: Step, nth: number): readonly Wait[] | null {
    if (this.inner.exact === true) return step.more;
    return this.footprints.suppose(step, step.task, nth, step.choices!);
  }

  start(chooser: Chooser): void {
    this.inner.start(chooser);
  }
  step(task: number): void {
    this.inner.step(task);
  }
  get count(): number {
    return this.inner.count;
  }
  get born(): number {
    return this.inner.born;
  }
  get live(): number {
    return this.inner.live;
  }
  enabled(): number {
    return this.inner.enabled();
  }
  pending(task: number): Wait {
    return this.inner.pending(task);
  }
  judge(): Failure | null {
    return this.inner.judge();
  }
  get names(): readonly string[] {
    return this.inner.names;
  }
  describe(op: Wait): string {
    return this.inner.describe(op);
  }
  inspect(): Inspection {
    return this.inner.inspect();
  }
}

export class SoundSearch implements Search {
  /** How often it began anew: what came before does not count. */
  restarts = 0;
  private inner: Dpor;
  private readonly options: DporOptions;
  private readonly widened: Widened;
  private chosen: number[] = [];

  /** @param system  the one that it will move */
  constructor(system: System, options: DporOptions = {}) {
    this.widened = new Widened(system);
    this.options = options;
    this.inner = new Dpor(options);
  }

  get trace(): Dpor['trace'] {
    return this.inner.trace;
  }
  get exhaustive(): boolean {
    return this.inner.exhaustive;
  }
  get blocked(): number {
    return this.inner.blocked;
  }
  get infeasible(): number {
    return this.inner.infeasible;
  }

  settled(): number {
    const task = this.inner.settled();
    if (task >= 0) this.moves(task);
    return task;
  }

  choose(_system: System, enabled: number): number {
    const task = this.inner.choose(this.widened, enabled);
    if (task >= 0) this.moves(task);
    return task;
  }
  private moves(task: number): void {
    this.chosen = [];
    this.widened.moves(task);
  }

  pick(below: number): number {
    const value = this.inner.pick(below);
    this.chosen.push(value);
    return value;
  }

  stepped(_system: System, task: number): void {
    this.widened.moved(task, this.chosen);
    this.inner.stepped(this.widened, task);
  }

  ended(): boolean {
    const anew = this.widened.haveGrown();
    if (anew) {
      this.restarts++;
      this.inner = new Dpor(this.options);
    }
    const more = anew || this.inner.ended(this.widened);
    this.widened.begin();
    return more;
  }
}
