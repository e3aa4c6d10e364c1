/**
 * A failing schedule made easy to read: the same failure (kind and symptom) with
 *
 *   1. the fewest surprises: choices of data that need not fall otherwise than usual do not;
 *   2. the fewest pre-emptions: all schedules with none are tried, then those with one, and so on
 *      (iterative context bounding), until one fails so;
 *   3. the fewest switches: blocks of steps of one task are joined where the failure lets them;
 *   4. nothing after the step that fails.
 *
 * The effort is bounded. A task is pre-empted only before a step on an object that another task
 * uses too: elsewhere the other task might as well come a step later.
 */
import type { Wait } from '../sched/op.ts';
import { isReadLike, kindOf, objectOf } from '../sched/point.ts';
import { Follow, OneRun } from './follow.ts';
import { runOnce } from './run.ts';
import { type Move, portable, type Schedule } from './schedule.ts';
import { type Failure, MAX_TASKS, type System } from './system.ts';

export interface ShrinkOptions {
  /** Executions, for pre-emptions and for switches each; 10,000. */
  readonly executions?: number;
  /** Steps of all executions together, likewise; 2,000,000. */
  readonly steps?: number;
  /** Steps of one execution; 100,000. */
  readonly maxSteps?: number;
}

export interface Shrunk {
  readonly schedule: Schedule;
  readonly switches: number;
  readonly preemptions: number;
  /** Every schedule with fewer pre-emptions was tried. */
  readonly fewest: boolean;
  readonly executions: number;
}

/** @param schedule  one that ends in `failure`; if it does not, it comes back as it is */
export function shrink(
  system: System,
  schedule: Schedule,
  failure: Failure,
  options: ShrinkOptions = {},
): Shrunk {
  return new Shrinker(system, failure, options).shrink(schedule);
}

/** A failing execution. */
interface Found {
  /** Tasks by their numbers in the system, which schedules do not change. */
  readonly moves: readonly Move[];
  readonly switches: number;
  readonly preemptions: number;
  readonly schedule: Schedule;
}

class Shrinker {
  private readonly system: System;
  private readonly failure: Failure;
  private readonly options: Required<ShrinkOptions>;
  private executions = 0;
  /** What is left of the effort. */
  private runs = 0;
  private steps = 0;

  constructor(system: System, failure: Failure, options: ShrinkOptions) {
    this.system = system;
    this.failure = failure;
    this.options = { executions: 10_000, steps: 2_000_000, maxSteps: 100_000, ...options };
  }

  shrink(schedule: Schedule): Shrunk {
    this.refill();
    const follow = new Follow(schedule);
    let best = this.run(follow);
    if (follow.strayed !== null) best = null;
    if (best === null) {
      return { schedule, switches: NaN, preemptions: NaN, fewest: false, executions: 1 };
    }
    best = this.fewerSurprises(best);
    const bounded = this.fewerPreemptions(best);
    this.refill();
    best = this.joined(bounded.found);
    const { switches, preemptions } = best;
    const { fewest } = bounded;
    const { executions } = this;
    return { schedule: best.schedule, switches, preemptions, fewest, executions };
  }

  private refill(): void {
    this.runs = this.options.executions;
    this.steps = this.options.steps;
  }
  private get spent(): boolean {
    return this.runs <= 0 || this.steps <= 0;
  }

  /** One execution. @returns null: it does not fail so */
  private run(search: OneRun): Found | null {
    const end = runOnce(this.system, search, this.options.maxSteps);
    this.executions++;
    this.runs--;
    this.steps -= end.steps;
    const { failure } = end;
    if (failure?.kind !== this.failure.kind || failure.symptom !== this.failure.symptom)
      return null;
    return ending(search, failure.depth, this.system);
  }

  private follow(moves: Schedule): Found | null {
    const follow = new Follow(moves, true);
    const found = this.run(follow);
    return follow.strayed === null ? found : null;
  }

  private fewerSurprises(found: Found): Found {
    let best = found;
    for (let i = 0; i < best.moves.length && !this.spent; i++) {
      const { task, choices } = best.moves[i]!;
      if (choices === null || choices.every((c) => c === 0)) continue;
      const start = best.moves.slice(0, i);
      const usual: Move = { task, choices: null };
      best = this.follow([...start, usual, ...best.moves.slice(i + 1)]) ?? best;
    }
    return best;
  }

  private fewerPreemptions(found: Found): { found: Found; fewest: boolean } {
    const outcomes = outcomesOf(found.moves);
    const clashes = new Clashes();
    this.watch(found.moves, clashes);
    for (let bound = 0; bound < found.preemptions; bound++) {
      const open: Branch[] = [];
      for (;;) {
        if (this.spent) return { found, fewest: false };
        const better = this.run(new BoundedRun(bound, open, outcomes, clashes));
        if (better !== null) return { found: better, fewest: true };
        while (open.length > 0 && open.at(-1)!.tasks.length < 2) open.pop();
        if (open.length === 0) break;
        open.at(-1)!.tasks.shift();
      }
    }
    return { found, fewest: true };
  }

  private watch(moves: Schedule, clashes: Clashes): void {
    const follow = new Follow(moves, true);
    const stepped = follow.stepped.bind(follow);
    follow.stepped = (system, task): void => {
      clashes.saw(task, system.op, system.more);
      stepped(system, task);
    };
    this.run(follow);
  }

  /** Move a block to the one before or behind it of the same task, as long as that helps. */
  private joined(found: Found): Found {
    let best = found;
    for (let again = true; again && !this.spent;) {
      again = false;
      const blocks = blocksOf(best.moves);
      for (const joining of joiningsOf(blocks)) {
        if (this.spent) break;
        const other = this.follow(join(blocks, joining));
        if (other === null || !isBetter(other, best)) continue;
        best = other;
        again = true;
        break;
      }
    }
    return best;
  }
}

const isBetter = (a: Found, b: Found): boolean =>
  a.preemptions <= b.preemptions && a.switches < b.switches;

/** The beginning of a run, up to its failure. */
function ending(search: OneRun, depth: number, system: System): Found {
  const moves = search.moves.slice(0, depth);
  let switches = 0;
  for (let i = 1; i < moves.length; i++) if (moves[i]!.task !== moves[i - 1]!.task) switches++;
  const { preemptedAt } = search;
  const preemptions = preemptedAt.filter((at) => at < depth).length;
  return { moves, switches, preemptions, schedule: portable(moves, system) };
}

/** How the choices of each task fell, in order. */
function outcomesOf(moves: readonly Move[]): number[][] {
  const outcomes: number[][] = [];
  for (const { task, choices } of moves) (outcomes[task] ??= []).push(...(choices ?? []));
  return outcomes;
}

/** Steps of one task in a row. */
interface Block {
  readonly task: number;
  readonly moves: Move[];
}

function blocksOf(moves: readonly Move[]): Block[] {
  const blocks: Block[] = [];
  for (const move of moves) {
    if (blocks.at(-1)?.task === move.task) blocks.at(-1)!.moves.push(move);
    else blocks.push({ task: move.task, moves: [move] });
  }
  return blocks;
}

/** Two blocks of one task that could stand together, at the place of the first or of the second. */
interface Joining {
  readonly first: number;
  readonly second: number;
  readonly early: boolean;
}

function joiningsOf(blocks: readonly Block[]): Joining[] {
  const found: Joining[] = [];
  blocks.forEach(({ task }, first) => {
    // Only with the next of the task: a later one cannot overtake that.
    const second = blocks.findIndex((b, j) => j > first && b.task === task);
    if (second < 0) return;
    for (const early of [true, false]) found.push({ first, second, early });
  });
  return found;
}

function join(blocks: readonly Block[], { first, second, early }: Joining): Move[] {
  const pair = [blocks[first]!, blocks[second]!];
  const between = blocks.slice(first + 1, second);
  const middle = early ? [...pair, ...between] : [...between, ...pair];
  const order = [...blocks.slice(0, first), ...middle, ...blocks.slice(second + 1)];
  return order.flatMap((block) => block.moves);
}

/** Which steps touch what other tasks touch too, as far as has been seen. */
class Clashes {
  private readonly readers = new Map<number, number>();
  private readonly writers = new Map<number, number>();
  /** What the step that a task announced so has touched. */
  private readonly touched = new Map<number, Map<Wait, Set<number>>>();

  saw(task: number, op: Wait, more: readonly Wait[] | null): void {
    const ofTask = this.touched.get(task) ?? new Map<Wait, Set<number>>();
    this.touched.set(task, ofTask);
    const objects = ofTask.get(op) ?? new Set<number>();
    ofTask.set(op, objects);
    for (const x of more === null ? [op] : [op, ...more]) {
      const users = isReadLike(kindOf(x)) ? this.readers : this.writers;
      users.set(objectOf(x), (users.get(objectOf(x)) ?? 0) | (1 << task));
      objects.add(objectOf(x));
    }
  }

  /** Might it matter that somebody comes before this? */
  matters(task: number, op: Wait): boolean {
    const objects = this.touched.get(task)?.get(op);
    if (objects === undefined) return true;
    for (const o of objects) {
      const writers = this.writers.get(o) ?? 0;
      const all = writers | (this.readers.get(o) ?? 0);
      if (writers !== 0 && (all & (all - 1)) !== 0) return true;
    }
    return false;
  }
}

/** Tasks that may still move at some depth; the first is on its way. */
interface Branch {
  readonly tasks: number[];
}

const has = (mask: number, task: number): boolean => ((mask >>> task) & 1) !== 0;

/** The next execution of a depth-first search that pre-empts at most so often. */
class BoundedRun extends OneRun {
  private readonly bound: number;
  private readonly open: Branch[];
  private readonly known: number;
  private readonly outcomes: readonly (readonly number[])[];
  private readonly picked: number[] = [];
  private readonly clashes: Clashes;

  constructor(
    bound: number,
    open: Branch[],
    outcomes: readonly (readonly number[])[],
    clashes: Clashes,
  ) {
    super();
    this.bound = bound;
    this.open = open;
    this.known = open.length;
    this.outcomes = outcomes;
    this.clashes = clashes;
  }

  protected decide(system: System, enabled: number): number {
    const depth = this.moves.length;
    if (depth < this.known) return this.open[depth]!.tasks[0]!;
    const tasks = this.candidates(system, enabled);
    this.open.push({ tasks });
    return tasks[0]!;
  }

  private candidates(system: System, enabled: number): number[] {
    const { mover } = this;
    const all: number[] = [];
    for (let t = 0; t < MAX_TASKS; t++) if (has(enabled, t)) all.push(t);
    if (mover < 0 || !has(enabled, mover)) return all;
    if (this.preemptions >= this.bound) return [mover];
    if (!this.clashes.matters(mover, system.pending(mover))) return [mover];
    return [mover, ...all.filter((t) => t !== mover)];
  }

  /** The n-th choice of a task falls as it fell in the schedule that is known to fail. */
  protected outcome(below: number): number {
    const { mover } = this;
    const n = this.picked[mover] ?? 0;
    this.picked[mover] = n + 1;
    const value = this.outcomes[mover]?.[n] ?? 0;
    return value < below ? value : 0;
  }

  override stepped(system: System, task: number): void {
    if (this.moves.length + 1 >= this.known) this.clashes.saw(task, system.op, system.more);
    super.stepped(system, task);
  }
}
