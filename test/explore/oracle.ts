/**
 * The judge of the reducing searches: every schedule of a program by plain enumeration, and one
 * name for all schedules that differ only in the order of independent steps.
 *
 * The name is the normal form of Foata: each step has a level, one more than the highest level of
 * what it depends on; the levels, each as the set of (task, choices) on it, name the trace.
 * @source V. Diekert, G. Rozenberg, "The Book of Traces" (1995), chapter 2
 */
import { Dfs } from '../../src/explore/dfs.ts';
import type { DporMode } from '../../src/explore/dpor.ts';
import { type Program, ProgramSystem } from '../../src/explore/program.ts';
import { runOnce } from '../../src/explore/run.ts';
import { SoundSearch } from '../../src/explore/sound-search.ts';
import type { Search } from '../../src/explore/search.ts';
import type { Chooser, System } from '../../src/explore/system.ts';
import { isReadLike, kindOf, objectOf } from '../../src/sched/point.ts';
import type { Wait } from '../../src/sched/op.ts';

/** Names of traces, each with how it ended. */
export type Traces = Map<string, string>;

/** Of programs; tasks of the scheduler have more of everything. */
const PROGRAM = { objects: 64, steps: 200 };
export const TASKS = { objects: 1 << 15, steps: 20_000 };

/** The trace of the execution that goes on, computed from the footprints alone. */
class Foata {
  private readonly ofTask = new Int32Array(32);
  private readonly written: Int32Array;
  private readonly read: Int32Array;
  private readonly parts: number[] = [];
  private readonly made = new Int32Array(32);
  private choices = 1;

  constructor(objects: number) {
    this.written = new Int32Array(objects);
    this.read = new Int32Array(objects);
  }

  start(): void {
    for (const a of [this.ofTask, this.written, this.read, this.made]) a.fill(0);
    this.parts.length = 0;
    this.choices = 1;
  }
  picked(value: number): void {
    this.choices = this.choices * 4 + value;
  }
  step(task: number, system: System): void {
    const { op, more } = system;
    let level = Math.max(this.ofTask[task]!, this.made[task]!, this.floor(op));
    if (more !== null) for (const x of more) level = Math.max(level, this.floor(x));
    level++;
    this.ofTask[task] = level;
    this.mark(op, level);
    if (more !== null) for (const x of more) this.mark(x, level);
    // Who only waits for its turn to begin has not been made.
    const born = system.symmetric === true ? 0 : system.born;
    for (let t = 0; t < system.count; t++) if ((born >>> t) & 1) this.made[t] = level;
    this.parts.push((level * 32 + task) * 4096 + this.choices);
    this.choices = 1;
  }
  private floor(x: Wait): number {
    const o = objectOf(x);
    return isReadLike(kindOf(x)) ? this.written[o]! : Math.max(this.written[o]!, this.read[o]!);
  }
  private mark(x: Wait, level: number): void {
    const o = objectOf(x);
    const levels = isReadLike(kindOf(x)) ? this.read : this.written;
    if (levels[o]! < level) levels[o] = level;
  }
  name(): string {
    return this.parts.sort((a, b) => a - b).join();
  }
}

/** A name with other numbers for the tasks. */
export const renamed = (name: string, as: readonly number[]): string =>
  name
    .split(',')
    .map((part) => {
      const task = Math.floor(Number(part) / 4096) % 32;
      return Number(part) + (as[task]! - task) * 4096;
    })
    .sort((a, b) => a - b)
    .join();

/** Passes everything on to a search, and names what happens. */
class Named implements Search {
  readonly foata: Foata;
  private readonly search: Search;
  constructor(search: Search, objects: number) {
    this.search = search;
    this.foata = new Foata(objects);
  }
  get exhaustive(): boolean {
    return this.search.exhaustive;
  }
  get blocked(): number {
    return this.search.blocked;
  }
  choose(system: System, enabled: number): number {
    return this.search.choose(system, enabled);
  }
  pick: Chooser['pick'] = (below, why) => {
    const value = this.search.pick(below, why);
    this.foata.picked(value);
    return value;
  };
  stepped(system: System, task: number): void {
    this.foata.step(task, system);
    this.search.stepped(system, task);
  }
  ended(system: System): boolean {
    return this.search.ended(system);
  }
}

export interface Seen {
  readonly traces: Traces;
  /** Traces that came more than once. */
  readonly twice: number;
  readonly executions: number;
}

/** Everything a search shows of a program; null: it is not done after so many executions. */
export function see(
  system: System,
  search: Search,
  limit: number,
  { objects, steps } = PROGRAM,
): Seen | null {
  const named = new Named(search, objects);
  const traces: Traces = new Map();
  let [twice, executions, restarts] = [0, 0, 0];
  do {
    if (executions++ === limit) return null;
    named.foata.start();
    const end = runOnce(system, named, steps);
    if (search instanceof SoundSearch && search.restarts > restarts) {
      restarts = search.restarts;
      traces.clear();
      twice = 0;
    }
    if (end.abandoned) continue;
    const name = named.foata.name();
    if (traces.has(name)) twice++;
    traces.set(name, `${end.failure?.kind ?? 'fine'} ${system.live}`);
  } while (named.ended(system));
  return { traces, twice, executions };
}

/** At most so many choices of an execution are other than 0. */
export class Thrifty extends Dfs {
  private readonly faults: number;
  private spent = 0;
  constructor(faults: number) {
    super();
    this.faults = faults;
  }
  override pick(below: number): number {
    const value = super.pick(this.spent < this.faults ? below : 1);
    if (value !== 0) this.spent++;
    return value;
  }
  override ended(system: System): boolean {
    this.spent = 0;
    return super.ended(system);
  }
}

export const bruteForce = <S>(
  program: Program<S>,
  limit: number,
  faults = Infinity,
): Traces | null => see(new ProgramSystem(program), new Thrifty(faults), limit)?.traces ?? null;

/** What a search has to answer for. */
export interface Report {
  missing: number;
  extra: number;
  twice: number;
  /** Traces that ended otherwise. */
  other: number;
  blocked: number;
  infeasible: number;
  executions: number;
  /** It stopped with an error of its own. */
  crash: string | null;
}

/** What is judged: a search, for a system. */
export type Engine = (system: System) => Search & { readonly infeasible: number };
export const sound =
  (mode: DporMode, faults = Infinity): Engine =>
  (system) =>
    new SoundSearch(system, { mode, faults });

/** Hold a search against the truth. */
export function judge<S>(program: Program<S>, truth: Traces, engine: Engine): Report {
  const system = new ProgramSystem(program);
  const search = engine(system);
  const report: Report = {
    missing: 0,
    extra: 0,
    twice: 0,
    other: 0,
    blocked: 0,
    infeasible: 0,
    executions: 0,
    crash: null,
  };
  try {
    const seen = see(system, search, truth.size * 50 + 1000);
    if (seen === null) return { ...report, crash: 'far too many executions' };
    for (const [name, end] of truth) {
      const got = seen.traces.get(name);
      if (got === undefined) report.missing++;
      else if (got !== end) report.other++;
    }
    for (const name of seen.traces.keys()) if (!truth.has(name)) report.extra++;
    const { blocked, infeasible } = search;
    return { ...report, twice: seen.twice, blocked, infeasible, executions: seen.executions };
  } catch (error) {
    return { ...report, crash: error instanceof Error ? error.message : String(error) };
  }
}
