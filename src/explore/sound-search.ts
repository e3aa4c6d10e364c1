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
  /** Numbers of the steps of this execution, the one that is being taken last. */
  private readonly steps: number[] = [];

  constructor(inner: System) {
    this.inner = inner;
  }

  /** Another execution begins. */
  begin(): void {
    this.footprints.begin();
    this.steps.length = 0;
  }
  moves(task: number): void {
    if (this.inner.exact === true) return;
    this.steps.push(this.footprints.next(task, this.inner.pending(task)));
  }
  moved(task: number, choices: readonly number[]): void {
    const { inner, footprints } = this;
    const did =
      inner.exact === true ? inner : footprints.of(inner, task, this.steps.at(-1)!, choices);
    this.op = did.op;
    this.more = did.more;
  }
  haveGrown(): boolean {
    return this.footprints.haveGrown();
  }
  mayTouch(task: number): readonly Wait[] | null {
    return this.footprints.known(this.footprints.next(task, this.inner.pending(task)));
  }
  mayTouchWith(i: number, step: Step): readonly Wait[] | null {
    if (this.inner.exact === true) return step.more;
    return this.footprints.suppose(this.steps[i]!, step, step.choices!);
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

/**
 * What is explored after a footprint has grown is worth nothing, but that it may see others grow,
 * which saves going round for each: so many executions at least, and so many times as many as it
 * took to see the first.
 */
const PATIENCE = 32;
const MORE = 4;

export class SoundSearch implements Search {
  /** How often it began anew: what came before does not count. */
  restarts = 0;
  /** Since it last did. */
  private executions = 0;
  /** It has to, and will after so many executions. */
  private until: number | null = null;
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
    this.executions++;
    if (this.widened.haveGrown()) this.until ??= Math.max(PATIENCE, this.executions * MORE);
    const more = this.inner.ended(this.widened);
    this.widened.begin();
    if (this.until === null || (more && this.executions < this.until)) return more;
    this.restarts++;
    this.inner = new Dpor(this.options);
    this.executions = 0;
    this.until = null;
    return true;
  }
}
