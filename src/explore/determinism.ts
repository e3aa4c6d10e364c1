/**
 * Does a system do the same when it is moved the same way? Everything here rests on it, and code
 * breaks it easily: a counter that outlives the execution, the clock, a set in order of insertion.
 * So random schedules are run twice, and what a search runs again is compared with what it was: all
 * that shows, who can move, what is announced, what is done, what is chosen.
 */
import { Follow } from './follow.ts';
import { RandomWalk } from './random-walk.ts';
import { runOnce } from './run.ts';
import type { Schedule } from './schedule.ts';
import type { Search } from './search.ts';
import type { System } from './system.ts';

/** Where two runs of one schedule part. */
export interface Difference {
  readonly schedule: Schedule;
  /** Number of the step, from 0. */
  readonly step: number;
  readonly was: string;
  readonly is: string;
}

/** What shows of an execution: a line for each state and each step. */
class Observed implements Search {
  readonly lines: string[] = [];
  readonly exhaustive = false;
  readonly blocked = 0;
  private readonly search: Search;
  private readonly choices: string[] = [];

  constructor(search: Search) {
    this.search = search;
  }

  choose(system: System, enabled: number): number {
    this.choices.length = 0;
    const able = system.names.map((_, t) => t).filter((t) => ((enabled >>> t) & 1) !== 0);
    const next = able.map((t) => `${system.names[t]!} ${describe(system, system.pending(t))}`);
    this.lines.push(`can move: ${next.join(', ')}`);
    return this.search.choose(system, enabled);
  }
  pick(below: number, why: string): number {
    const value = this.search.pick(below, why);
    this.choices.push(`${why}: ${value} of ${below}`);
    return value;
  }
  stepped(system: System, task: number): void {
    this.search.stepped(system, task);
    const did = [system.op, ...(system.more ?? [])].map((x) => describe(system, x));
    this.lines.push([system.names[task]!, ...did, ...this.choices].join(' '));
  }
  ended(system: System): boolean {
    return this.search.ended(system);
  }
}

const describe = (system: System, op: number): string => (op < 0 ? 'begin' : system.describe(op));

/** Moves of one execution, as they fell. */
class Noted extends RandomWalk {
  readonly moves: { task: number; choices: number[] | null }[] = [];
  private chosen: number[] = [];

  override choose(system: System, enabled: number): number {
    this.chosen = [];
    return super.choose(system, enabled);
  }
  override pick(below: number): number {
    const value = super.pick(below);
    this.chosen.push(value);
    return value;
  }
  override stepped(_system: System, task: number): void {
    this.moves.push({ task, choices: this.chosen.length === 0 ? null : this.chosen });
  }
}

const MAX_STEPS = 10_000;

function observe(system: System, search: Search): string[] {
  const observed = new Observed(search);
  const { failure } = runOnce(system, observed, MAX_STEPS);
  observed.lines.push(failure === null ? 'fine' : `${failure.kind}: ${failure.symptom}`);
  observed.ended(system);
  return observed.lines;
}

/**
 * Run random schedules twice each. @returns the first difference, or null
 * @param runs  how many schedules
 */
export function findDifference(system: System, runs: number, seed = 0): Difference | null {
  for (let k = 0; k < runs; k++) {
    const walk = new Noted({ seed: seed + k, executions: 1 });
    const was = observe(system, walk);
    const is = observe(system, new Follow(walk.moves, true));
    const at = was.findIndex((line, i) => line !== is[i]);
    if (at < 0 && was.length === is.length) continue;
    const line = at < 0 ? was.length : at;
    return {
      schedule: walk.moves,
      step: line >> 1,
      was: was[line] ?? 'the end',
      is: is[line] ?? 'the end',
    };
  }
  return null;
}

/** What a search does, each execution held against the one before as far as they are the same. */
class Repeating implements Search {
  difference: Difference | null = null;
  private readonly search: Search;
  private before: readonly Shown[] = [];
  private now: Shown[] = [];
  private able = '';
  private choices: number[] = [];
  private whys: string[] = [];
  /** All decisions so far were those of the execution before. */
  private same = true;

  constructor(search: Search) {
    this.search = search;
  }
  get exhaustive(): boolean {
    return this.search.exhaustive;
  }
  get blocked(): number {
    return this.search.blocked;
  }

  choose(system: System, enabled: number): number {
    const able = system.names.map((_, t) => t).filter((t) => ((enabled >>> t) & 1) !== 0);
    this.able = able
      .map((t) => `${system.names[t]!} ${describe(system, system.pending(t))}`)
      .join();
    this.choices = [];
    this.whys = [];
    return this.search.choose(system, enabled);
  }
  pick(below: number, why: string): number {
    const value = this.search.pick(below, why);
    this.choices.push(value);
    this.whys.push(`${why} of ${below}`);
    return value;
  }
  stepped(system: System, task: number): void {
    this.search.stepped(system, task);
    const ops = [system.op, ...(system.more ?? [])].map((x) => describe(system, x));
    const choices = this.choices.length === 0 ? null : this.choices;
    const did = [system.names[task]!, ...ops, ...this.whys].join(' ');
    this.compare({ task, choices, able: this.able, did });
  }

  private compare(is: Shown): void {
    const was = this.before[this.now.length];
    this.now.push(is);
    if (!this.same || was === undefined) return;
    const step = this.now.length - 1;
    if (was.able !== is.able) this.differ(step, was.able, is.able);
    this.same = was.task === is.task && was.choices?.join() === is.choices?.join();
    if (this.same && was.did !== is.did) this.differ(step, was.did, is.did);
  }
  private differ(step: number, was: string, is: string): void {
    const schedule = this.now.map(({ task, choices }) => ({ task, choices }));
    this.difference ??= { schedule, step, was, is };
  }

  ended(system: System): boolean {
    this.before = this.now;
    this.now = [];
    this.same = true;
    return this.search.ended(system) && this.difference === null;
  }
}
interface Shown {
  readonly task: number;
  readonly choices: readonly number[] | null;
  /** Who could move, and what was done. */
  readonly able: string;
  readonly did: string;
}

/**
 * Let a search explore, and compare whatever it repeats. @returns the first difference, or null
 * @param executions  at most so many
 */
export function findRepeatedDifference(
  system: System,
  search: Search,
  executions: number,
): Difference | null {
  const repeating = new Repeating(search);
  for (let k = 0; k < executions; k++) {
    runOnce(system, repeating, MAX_STEPS);
    if (!repeating.ended(system)) break;
  }
  return repeating.difference;
}
