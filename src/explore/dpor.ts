/**
 * Dynamic partial order reduction: of all schedules that differ only in the order of independent
 * steps, run one. After each execution its races are looked at, and for each a schedule in which
 * they come the other way round is put on the list, at the step where it branches off.
 *
 *   optimal  the list is a wakeup tree a step: no execution is redundant (POPL 2014, Algorithm 2)
 *   source   the list is a set of tasks a step (Algorithm 1): cheaper to keep, and some executions
 *            are begun and then given up
 *
 * The search is depth first. A system cannot go back, so that the steps up to the branch are taken
 * anew; they must turn out as before, which is checked.
 *
 *     depth   0 .. from-1      from         from+1 ..
 *             taken again      the branch   new: chosen freely, or as the wakeup tree says
 *
 * What a task does next is known only after it did so once: footprints of sleeping tasks are
 * remembered, those of other tasks never asked for.
 *
 * A step may choose data (`pick()`). Source mode explores its outcomes like an odometer, last
 * choice fastest, before the step counts as done. In optimal mode each outcome is an event of its
 * own, which excludes the others (outcomes.ts): after an execution the alternatives of its steps
 * are put on the list like reversed races, and each outcome sleeps by itself.
 *
 * Invariants
 *  D-1  A task in `sleep` or `done` of a depth has been explored from there, with every outcome of
 *       its choices; its footprint is remembered and still true. So has, with that outcome alone,
 *       what is in `asleep` or `tried`.
 *  D-2  `tree[d][0]` is the child being explored; the others wait. Without a list, the child that
 *       was chosen freely is the only one.
 *  D-3  Races of steps before `from` are on the list already, or known; but where that is only so
 *       because of what came behind the race (it woke a sleeper, or did not), the race is in `open`
 *       and looked at again, since this time something else may have come.
 */
import { assert } from '../base/assert.ts';
import type { Wait } from '../sched/op.ts';
import { kindNames, kindOf, objectOf } from '../sched/point.ts';
import { Detour, FREE, NEVER } from './detour.ts';
import { Races } from './races.ts';
import {
  allAmong,
  alternatives,
  beginsWith,
  type Choices,
  faultsIn,
  type Outcome,
} from './outcomes.ts';
import { ABANDON, type Search } from './search.ts';
import { NONE, type System } from './system.ts';
import { footprintsClash, Trace } from './trace.ts';
import { insertSequence, leaf, type WakeupNode } from './wakeup-tree.ts';

export type DporMode = 'optimal' | 'source';

/** A free choice of data, and the outcome being tried; those below it have been. */
interface Choice {
  readonly below: number;
  readonly tried: number;
}
/** Of a step that has not asked for anything. */
const NO_PLAN: Choice[] = [];
const NOTHING: readonly Outcome[] = [];

const sayOp = (op: Wait): string => `${kindNames[kindOf(op)]} of object ${objectOf(op)}`;

export const WIDE = 32;
export const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);
export const has = (mask: number, task: number): boolean => ((mask >>> task) & 1) !== 0;

export interface DporOptions {
  readonly mode?: DporMode;
  /** At most so many choices of an execution are other than 0. */
  readonly faults?: number;
}

export class Dpor implements Search {
  readonly mode: DporMode;
  readonly trace = new Trace();
  exhaustive = false;
  blocked = 0;
  /** Reversals that could not be carried out: what they wait for did not come. */
  infeasible = 0;
  /** Races that were looked at. */
  raced = 0;

  protected readonly races = new Races(this.trace);
  /** Tasks that need not be tried here, and tasks that have been. */
  protected readonly sleep: number[] = [0];
  protected readonly done: number[] = [0];
  /** Source mode: tasks to be tried. */
  protected readonly wanted: number[] = [0];
  protected readonly able: number[] = [];
  protected readonly tree: (WakeupNode[] | null)[] = [null];
  protected readonly footOp: Wait[] = [];
  protected readonly footMore: (readonly Wait[] | null)[] = [];

  private readonly faults: number;
  /** Source mode, by step; null: nothing is known of it. */
  private readonly plans: (Choice[] | null)[] = [];
  /** Optimal mode: outcomes that need not be tried here, and those that have been. */
  private readonly asleep: (Outcome[] | null)[] = [null];
  private readonly tried: (Outcome[] | null)[] = [null];
  /** By step: of how many each of its choices was one. */
  private readonly offered: (readonly number[] | null)[] = [];
  /** The running step: who takes it, what it is to choose, what it has chosen, of how many. */
  private mover = 0;
  /** This execution was given up: who can move sleeps. */
  private gaveUp = false;
  private wish: Choices | null = null;
  private readonly picked: number[] = [];
  private readonly below: number[] = [];
  /** Choices of this execution that were not 0. */
  private spent = 0;
  /** By depth: of those before it. */
  private readonly spentAt: number[] = [0];
  /** Steps taken in this execution, and how many of them are a repetition. */
  protected at = 0;
  private from = 0;
  /** Depths before it are somebody else's: see part.ts. */
  protected root = 0;

  /** Races to be looked at again: later step, earlier step, what it depends on; and so on. */
  private readonly open: number[] = [];
  /** Alternatives of repeated steps, likewise. */
  private openChoices: { readonly at: number; readonly choices: Choices; until: number }[] = [];
  protected readonly detour = new Detour(this.trace);
  private readonly missing = (task: number): number => this.detour.missing(task);
  protected steps = new Int32Array(1024);

  constructor(options: DporOptions = {}) {
    this.mode = options.mode ?? 'optimal';
    this.faults = options.faults ?? Infinity;
    this.detour.faults = this.faults;
  }

  settled(): number {
    if (this.at >= this.from) return ABANDON;
    this.prepare();
    return this.trace.task[this.at]!;
  }

  /** The next step has not asked for anything yet. */
  private prepare(): void {
    this.picked.length = this.below.length = 0;
    this.wish = null;
    if (this.at === 0) this.spent = 0;
  }

  choose(system: System, enabled: number): number {
    const d = this.at;
    this.prepare();
    if (this.trace.length === 0) this.trace.begin(system.count);
    if (d > 0 && d === this.from && enabled !== this.able[d]) this.strayed('who can move', d);
    this.able[d] = enabled;
    const task = this.mode === 'optimal' ? this.byTree(enabled) : this.bySet(enabled);
    this.gaveUp = task === ABANDON;
    if (this.gaveUp) this.blocked++;
    this.mover = task;
    return task;
  }

  /** As the tree says; at a leaf, whoever does not sleep. */
  private byTree(enabled: number): number {
    const d = this.at;
    const list = this.tree[d] ?? null;
    while (list !== null && list.length > 0) {
      const node = list[0]!;
      if (has(enabled, node.task)) {
        this.wish = node.choices;
        return node.task;
      }
      list.shift();
      this.infeasible++;
    }
    if (list !== null && (this.done[d] !== 0 || this.tried[d] !== null)) return ABANDON;
    const task = this.anybody(this.awake(enabled & ~this.sleep[d]!));
    this.tree[d] = null;
    return task;
  }

  /** Of some tasks those that have an outcome which does not sleep. */
  private awake(among: number): number {
    const outcomes = this.asleep[this.at]!;
    if (outcomes === null) return among;
    const left = this.faults - this.spent;
    for (const { task } of outcomes) {
      if (has(among, task) && allAmong(outcomes, task, [], left)) among &= ~(1 << task);
    }
    return among;
  }

  private bySet(enabled: number): number {
    const d = this.at;
    const open = this.wanted[d]! & enabled & ~this.done[d]! & ~this.sleep[d]!;
    if (open !== 0) {
      if (this.plans[d] !== null) return this.trace.task[d]!;
      this.plans[d] = NO_PLAN;
      return lowest(open);
    }
    const task = this.anybody(enabled & ~this.sleep[d]!);
    if (task === ABANDON) return task;
    this.wanted[d] = 1 << task;
    this.plans[d] ??= NO_PLAN;
    return task;
  }

  /** The task that moved last if it may, for fewer switches; else the first. */
  protected anybody(among: number): number {
    if (among === 0) return ABANDON;
    const last = this.at > 0 ? this.trace.task[this.at - 1]! : 0;
    return has(among, last) ? last : lowest(among);
  }

  pick(below: number): number {
    const n = this.picked.length;
    const value = this.at < this.from ? this.trace.choices[this.at]?.[n] : this.outcome(n, below);
    if (value === undefined || value >= below) this.strayed('another choice', this.at);
    if (value !== 0) this.spent++;
    this.picked.push(value);
    this.below.push(below);
    return value;
  }

  private outcome(n: number, below: number): number {
    const allowed = this.spent < this.faults ? below : 1;
    return this.mode === 'optimal' ? this.firstAwake(n, allowed) : this.planned(n, allowed);
  }

  /** As the tree says; behind that, the first that does not sleep. */
  private firstAwake(n: number, below: number): number {
    const wanted = this.wish?.[n];
    if (wanted !== undefined && wanted < below) return wanted;
    this.wish = null;
    const outcomes = this.asleep[this.at]!;
    if (outcomes === null) return 0;
    for (let v = 0; v < below; v++) {
      const left = this.faults - this.spent - (v === 0 ? 0 : 1);
      if (!allAmong(outcomes, this.mover, [...this.picked, v], left)) return v;
    }
    return 0;
  }

  private planned(n: number, below: number): number {
    let plan = this.plans[this.at]!;
    if (plan === NO_PLAN) this.plans[this.at] = plan = [];
    plan[n] ??= { below, tried: 0 };
    assert(plan[n].below === below, 'the same execution offers the same choices');
    return plan[n].tried;
  }

  stepped(system: System, task: number): void {
    const d = this.at++;
    const { trace } = this;
    if (d < this.from) {
      if (system.op !== trace.op[d]) this.strayed(sayOp(system.op), d);
      return;
    }
    const chose = this.picked.length > 0;
    trace.push(system, task, chose ? this.picked.slice() : null);
    this.offered[d] = chose ? this.below.slice() : null;
    this.sleep[d + 1] = this.stillAsleep(d);
    this.done[d + 1] = 0;
    this.spentAt[d + 1] = this.spent;
    this.asleep[d + 1] = this.outcomesAsleep(d);
    this.tried[d + 1] = null;
    this.wanted[d + 1] = 0;
    const node = this.tree[d]?.[0];
    if (node !== undefined) {
      node.op = system.op; // Known only now.
      node.more = system.more;
      node.choices = trace.choices[d]!;
    }
    this.tree[d + 1] = node !== undefined && node.children.length > 0 ? node.children : null;
    this.plans[d + 1] = null;
  }

  /** Who has been tried at depth `d`, and is independent of what was done there instead. */
  private stillAsleep(d: number): number {
    const { trace, footOp, footMore } = this;
    let left = (this.sleep[d]! | this.done[d]!) & ~(1 << trace.task[d]!);
    let asleep = 0;
    while (left !== 0) {
      const q = lowest(left);
      left &= left - 1;
      const at = d * WIDE + q;
      if (footprintsClash(footOp[at]!, footMore[at]!, trace.op[d]!, trace.more[d]!)) continue;
      asleep |= 1 << q;
      footOp[at + WIDE] = footOp[at]!;
      footMore[at + WIDE] = footMore[at]!;
    }
    return asleep;
  }

  /** Likewise. The step that was taken excludes other outcomes of itself. */
  private outcomesAsleep(d: number): Outcome[] | null {
    if (this.asleep[d] === null && this.tried[d] === null) return null;
    const { trace } = this;
    const [task, op, more] = [trace.task[d]!, trace.op[d]!, trace.more[d]!];
    const still = this.explored(d).filter(
      (o) => o.task !== task && !footprintsClash(o.op, o.more, op, more),
    );
    return still.length > 0 ? still : null;
  }
  private explored(d: number): readonly Outcome[] {
    const [asleep, tried] = [this.asleep[d] ?? null, this.tried[d] ?? null];
    return asleep === null ? (tried ?? NOTHING) : [...asleep, ...(tried ?? NOTHING)];
  }

  private strayed(what: string, d: number): never {
    const was = d < this.from ? sayOp(this.trace.op[d]!) : 'another';
    assert(false, `step ${d} was ${was}, now: ${what}; the program is not deterministic`);
  }

  ended(system: System): boolean {
    const { trace } = this;
    assert(this.at === trace.length, 'an execution repeats its beginning to the end');
    this.room();
    this.reopen();
    for (let at = this.from; at < trace.length; at++) this.raceOf(at);
    this.blockedForever(system);
    if (this.mode === 'optimal') this.otherOutcomes(system);
    return this.next();
  }

  /**
   * Operations that never happened, since their task is stuck, race too; so do those of an
   * execution that was cut off, as far as it came.
   */
  protected blockedForever(system: System): void {
    const stuck = this.gaveUp ? system.live & ~system.enabled() : system.live;
    for (let p = 0; p < system.count; p++) {
      if (!has(stuck, p) || system.pending(p) === NONE) continue;
      this.raceOf(this.trace.pretend(p, system.pending(p), system.mayTouch?.(p) ?? null));
    }
  }

  protected raceOf(at: number): void {
    const count = this.races.immediate(at);
    this.raced += count;
    for (let k = 0; k < count; k++) {
      const i = this.races.found[k]!;
      const until = this.reverse(i, at);
      if (until > at && at < this.trace.length) this.open.push(at, i, until);
    }
  }

  /** Races of repeated steps, with another end of the execution behind them. */
  protected reopen(): void {
    const { open } = this;
    while (open.length > 0 && open.at(-3)! >= this.from) open.length -= 3;
    let left = 0;
    for (let k = 0; k < open.length; k += 3) {
      const at = open[k]!;
      const i = open[k + 1]!;
      let until = open[k + 2]!;
      if (until >= this.from) until = this.reverse(i, at);
      if (until <= at) continue;
      open[left++] = at;
      open[left++] = i;
      open[left++] = until;
    }
    open.length = left;
  }

  /** What steps did not choose has to be tried in their place. */
  protected otherOutcomes(system: System): void {
    const { trace, openChoices } = this;
    this.openChoices = openChoices.filter(({ at }) => at < this.from);
    for (const open of this.openChoices) {
      if (open.until >= this.from) open.until = this.branch(system, open.at, open.choices);
    }
    for (let at = this.from; at < trace.length; at++) {
      const [choices, below] = [trace.choices[at]!, this.offered[at]!];
      if (choices === null || below === null) continue;
      for (const other of alternatives(choices, below, this.faults - this.spentAt[at]!)) {
        const until = this.branch(system, at, other);
        if (until > at) this.openChoices.push({ at, choices: other, until });
      }
    }
  }

  /**
   * See to it that step `i` is tried with these choices, too, after all that does not come after
   * it. @returns as `reverse()` does
   */
  private branch(system: System, i: number, choices: Choices): number {
    const { trace, detour } = this;
    const [task, op, more] = [trace.task[i]!, trace.op[i]!, trace.more[i]!];
    const touched = system.mayTouchWith?.(i, { task, op, more, choices }) ?? more;
    detour.begin(i, trace.pretendInstead(i, choices, touched));
    if (!detour.dropFaults()) return i;
    // Of what begins so every outcome may have been tried, and none of them is all of it.
    const left = this.faults - this.spentAt[i]! - faultsIn(choices);
    if (allAmong(this.explored(i), task, choices, left)) {
      const those = this.explored(i).filter(
        (o) => o.task === task && beginsWith(o.choices, choices),
      );
      const all = those.flatMap((o) => [o.op, ...(o.more ?? [])]);
      if (detour.mayBegin(task, op, all, choices, true)) return detour.until;
    }
    return this.addToTree(i);
  }

  private room(): void {
    if (this.steps.length > this.trace.length) return;
    this.steps = new Int32Array(this.trace.task.length);
  }

  /**
   * See to it that step `at` is tried before step `i`, with which it is in a race.
   * @returns the last step on which it depends that this is enough: if it is behind `at`, other
   *   executions that begin alike may need more
   */
  protected reverse(i: number, at: number): number {
    const { trace, detour } = this;
    detour.begin(i, at);
    for (let h = this.blocker(); h !== FREE; h = this.blocker()) {
      // Who waits for itself, or for what it came after, waits in any order.
      if (h === NEVER || trace.task[h] === trace.task[at] || trace.isPast(h, at)) return at;
      if (h < i) return this.overtake(h, at);
      detour.drop(h);
    }
    if (this.mode === 'optimal') return this.addToTree(i);
    this.addToSet(i, at);
    return at;
  }

  protected blocker(): number {
    return this.detour.blocker();
  }
  /** The lock is held since before the race: that holder is the one to overtake. */
  protected overtake(holder: number, at: number): number {
    return this.reverse(holder, at);
  }

  /** Source sets: some first step of the detour must be among those to be tried. */
  protected addToSet(i: number, at: number): void {
    const initials = this.detour.initials();
    assert(initials !== 0, 'a sequence has a first step');
    if (((this.wanted[i]! | this.sleep[i]! | this.done[i]!) & initials) !== 0) return;
    this.wanted[i]! |= 1 << this.firstStep(initials, this.trace.task[at]!);
  }
  /** Any of the initials will do; how much is begun in vain depends on it. */
  protected firstStep(initials: number, later: number): number {
    return has(initials, later) ? later : lowest(initials);
  }

  /**
   * Wakeup trees: the detour must be among the sequences to be tried, unless what begins like it
   * has been explored, with a task first that sleeps or is done.
   */
  protected addToTree(i: number): number {
    const { detour, footOp, footMore } = this;
    let known = -1;
    for (let left = this.sleep[i]! | this.done[i]!; left !== 0; left &= left - 1) {
      const at = i * WIDE + lowest(left);
      if (!detour.mayBegin(lowest(left), footOp[at]!, footMore[at]!, null, true)) continue;
      if (detour.until <= detour.at) return detour.until;
      known = known < 0 ? detour.until : Math.min(known, detour.until);
    }
    if (this.asleep[i] === null && this.tried[i] === null)
      return known >= 0 ? known : this.plant(i);
    for (const { task, op, more, choices } of this.explored(i)) {
      if (!detour.mayBegin(task, op, more, choices, true)) continue;
      known = known < 0 ? detour.until : Math.min(known, detour.until);
    }
    return known >= 0 ? known : this.plant(i);
  }

  protected plant(i: number): number {
    const { detour, trace, steps } = this;
    const list = (this.tree[i] ??= [leaf(trace, i)]);
    // Most often it is on the list: seen before anything is copied.
    const hit = list.find(({ task, op, more, choices }) =>
      detour.mayBegin(task, op, more, choices, false),
    );
    if (hit?.children.length === 0 && this.isSettled(hit)) return detour.until;
    const needed = detour.list(steps);
    const left = this.faults - this.spentAt[i]!;
    return insertSequence(list, trace, steps, detour.length, needed, this.missing, left);
  }
  /** Does it leave no choice open that the detour makes? */
  private isSettled({ task, choices }: WakeupNode): boolean {
    const e = this.detour.firstOf(task);
    return e < 0 || beginsWith(choices, this.trace.choices[e]!);
  }

  /** To the deepest step where something is left to be tried. */
  private next(): boolean {
    const { trace } = this;
    for (let d = trace.length - 1; d >= this.root; d--) {
      this.remember(d);
      if ((this.mode === 'source' && this.turnOdometer(d)) || this.another(d)) {
        trace.cut(d);
        this.from = d;
        this.at = 0;
        return true;
      }
    }
    this.exhaustive = true;
    return false;
  }

  /** The next outcome of the choices of step `d`, with a fresh subtree behind it. */
  private turnOdometer(d: number): boolean {
    const plan = this.plans[d]!;
    for (let c = plan.pop(); c !== undefined; c = plan.pop()) {
      if (c.tried + 1 === c.below) continue;
      plan.push({ ...c, tried: c.tried + 1 });
      return true;
    }
    return false;
  }

  /** The footprint of step `d`; in source mode, of all outcomes of its choices together. */
  private remember(d: number): void {
    const { trace } = this;
    const at = d * WIDE + trace.task[d]!;
    const [op, more] = [trace.op[d]!, trace.more[d]!];
    const choices = trace.choices[d]!;
    if (this.mode === 'optimal' && choices !== null) {
      const outcome = { task: trace.task[d]!, op, more, choices, below: this.offered[d]! };
      (this.tried[d] ??= []).push(outcome);
    } else if (choices === null || this.plans[d]!.every((c) => c.tried === 0)) {
      this.footOp[at] = op;
      this.footMore[at] = more;
    } else this.footMore[at] = [...(this.footMore[at] ?? []), op, ...(more ?? [])];
  }

  /** Step `d` is done with; is there another task to be tried in its place? */
  private another(d: number): boolean {
    const all = this.mode === 'source' || this.trace.choices[d] === null;
    if (all) this.done[d]! |= 1 << this.trace.task[d]!;
    this.plans[d] = null;
    if (this.mode === 'source') {
      return (this.wanted[d]! & this.able[d]! & ~this.done[d]! & ~this.sleep[d]!) !== 0;
    }
    const list = this.tree[d]!;
    if (list === null) return false;
    list.shift();
    return list.length > 0;
  }
}
