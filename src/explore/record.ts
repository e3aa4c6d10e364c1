/**
 * An execution run again along its schedule and written down for people: step by step what was
 * done, which values changed, who holds what and who waits for whom, and what the tracepoints said.
 */
import { onTrace, type TraceFacts } from '../base/trace.ts';
import {
  DEV_FLUSH,
  DEV_WRITE,
  DOWNGRADE,
  kindOf,
  RDUNLOCK,
  SET,
  TRYFAIL,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WAKE,
} from '../sched/point.ts';
import { Follow, type Stray } from './follow.ts';
import { livelock, type Recent, WINDOW } from './run.ts';
import { portable, type Schedule } from './schedule.ts';
import type { Failure, Inspection, System } from './system.ts';

/** A value before and after; both alike where it was written anew. */
export interface Change {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

export interface RecordedStep {
  readonly task: number;
  /** The announced operation; `begin` for the first step of a task. */
  readonly text: string;
  /** What plain functions did behind it: unlocks, wakes, try-locks. */
  readonly also: readonly string[];
  readonly changes: readonly Change[];
  /** The value that was read, where it has a name: `x = 1`. */
  readonly read: string | null;
  /** Choices that fell otherwise than usual. */
  readonly chose: readonly string[];
  /** Tracepoints. */
  readonly notes: readonly string[];
  /** How things stand after the step. */
  readonly after: Inspection;
}

export interface Blocked {
  readonly task: number;
  readonly text: string;
  readonly by: readonly number[];
}

export interface Recording {
  readonly names: readonly string[];
  readonly before: Inspection;
  readonly steps: readonly RecordedStep[];
  /** Steps that were taken and are not written down, since there were too many. */
  readonly left: number;
  /** Who cannot go on after the last step. */
  readonly blocked: readonly Blocked[];
  /** Tasks that wait for one another, each for the next; empty: there is no such circle. */
  readonly circle: readonly number[];
  readonly failure: Failure | null;
  readonly strayed: Stray | null;
  /** The steps as they were taken, up to the last one written down. */
  readonly schedule: Schedule;
}

export interface RecordOptions {
  /** Steps, beyond which it is called a livelock; 100,000. */
  readonly maxSteps?: number;
  /** Steps that are written down; 5,000. */
  readonly keep?: number;
}

/** What else a step did, if it matters to the reader: what only looked does not. */
const SHOWN = new Set([
  UNLOCK,
  RDUNLOCK,
  DOWNGRADE,
  TRYLOCK,
  TRYRDLOCK,
  TRYFAIL,
  WAKE,
  SET,
  DEV_WRITE,
  DEV_FLUSH,
]);
const MAX_NOTES = 20;

/** Run the system along `schedule`, and write down what happens. */
export function record(system: System, schedule: Schedule, options: RecordOptions = {}): Recording {
  const { maxSteps = 100_000, keep = 5_000 } = options;
  const follow = new Follow(schedule);
  const said: string[] = [];
  const deaf = onTrace((name, facts) => {
    if (said.length < MAX_NOTES) said.push(traceText(name, facts));
  });
  try {
    system.start(follow);
    const before = system.inspect();
    const steps: RecordedStep[] = [];
    const recent: Recent[] = [];
    let count = 0;
    for (; count < maxSteps; count++) {
      const enabled = system.enabled();
      if (enabled === 0) break;
      const task = follow.choose(system, enabled);
      said.length = 0;
      system.step(task);
      follow.stepped(system, task);
      recent.push({ task, op: system.op });
      if (recent.length > 2 * WINDOW) recent.splice(0, WINDOW);
      if (count >= keep) continue;
      const last = steps.at(-1)?.after ?? before;
      steps.push(recordStep(system, task, last, { chose: surprises(follow), notes: [...said] }));
    }
    if (count < maxSteps) follow.ended(system);
    const end = system.inspect();
    const schedule = portable(follow.moves, system);
    const failure =
      count < maxSteps ? system.judge() : (system.wrong ?? livelock(system, recent, count));
    return cut({ names: system.names, before, steps, count, end, failure, follow, schedule });
  } finally {
    deaf();
  }
}

const traceText = (name: string, facts: TraceFacts): string =>
  [name, ...Object.entries(facts).map(([k, v]) => `${k}=${v}`)].join(' ');

/** Choices that did not fall as usual. */
function surprises(follow: Follow): string[] {
  const fell = follow.moves.at(-1)?.choices ?? [];
  return fell.flatMap((value, i) => (value === 0 ? [] : [`${follow.whys[i]!}: outcome ${value}`]));
}

type Said = Pick<RecordedStep, 'chose' | 'notes'>;

function recordStep(system: System, task: number, last: Inspection, said: Said): RecordedStep {
  const text = system.describe(system.op);
  const more = (system.more ?? []).filter((x) => SHOWN.has(kindOf(x)));
  const also = withoutOwnWakes([text, ...more.map((x) => system.describe(x))]).slice(1);
  const after = system.inspect();
  const read = access('read', text, last.values);
  const changes = changesOf(last.values, after.values);
  for (const what of [text, ...also]) {
    const name = access('write', what, after.values) ?? access('set', what, after.values);
    if (name === null || changes.some((c) => c.name === name)) continue;
    changes.push({ name, from: last.values[name]!, to: after.values[name]! });
  }
  return {
    task,
    text,
    also,
    changes,
    read: read === null ? null : `${read} = ${last.values[read]!}`,
    ...said,
    after,
  };
}

/** The wake of a bit lock's queue is part of the unlock before it, and has its name. */
function withoutOwnWakes(texts: readonly string[]): string[] {
  const named = (text: string): string => /\((.*?)(?: \(\d+\))?\)$/.exec(text)?.[1] ?? '';
  return texts.filter((text, i) => {
    const before = texts[i - 1] ?? '';
    const own = text.startsWith('wake(') && before.startsWith('unlock(');
    return !own || named(text) !== named(before);
  });
}

/** The value that an operation is about, if it is among those that are shown. */
function access(kind: string, text: string, values: Inspection['values']): string | null {
  if (!text.startsWith(`${kind}(`)) return null;
  const name = text.slice(kind.length + 1, -1);
  return Object.hasOwn(values, name) ? name : null;
}

const NOT_THERE = '-';
function changesOf(was: Inspection['values'], is: Inspection['values']): Change[] {
  const names = new Set([...Object.keys(was), ...Object.keys(is)]);
  return [...names].flatMap((name) => {
    const [from, to] = [was[name] ?? NOT_THERE, is[name] ?? NOT_THERE];
    return from === to ? [] : [{ name, from, to }];
  });
}

interface Raw {
  readonly names: readonly string[];
  readonly before: Inspection;
  readonly steps: RecordedStep[];
  /** Steps taken, written down or not. */
  readonly count: number;
  readonly end: Inspection;
  readonly failure: Failure | null;
  readonly follow: Follow;
  readonly schedule: Schedule;
}

/** Without what came after the failure: it shows nothing. */
function cut(raw: Raw): Recording {
  const { names, before, steps, count, end, failure } = raw;
  const whole = steps.length === count;
  const length = whole ? lengthToShow(steps, failure) : Math.min(steps.length, depthOf(failure));
  const shown = steps.slice(0, length);
  const last = whole ? (shown.at(-1)?.after ?? before) : end;
  const acted = new Map(shown.map((s, i) => [s.task, i]));
  const since = (task: number): number => acted.get(task) ?? -1;
  const blocked = last.waits
    .map(({ task, what, by }) => ({ task, text: what, by }))
    .sort((a, b) => since(a.task) - since(b.task));
  const left = whole ? 0 : Math.min(count, depthOf(failure)) - length;
  return {
    names,
    before,
    steps: shown,
    left,
    blocked,
    circle: circleOf(last),
    failure,
    strayed: raw.follow.strayed,
    schedule: raw.schedule.slice(0, length + left),
  };
}

const depthOf = (failure: Failure | null): number =>
  failure === null || failure.kind === 'deadlock' ? Infinity : failure.depth;

/** A violation ends where it shows, a deadlock where its circle has closed. */
function lengthToShow(steps: readonly RecordedStep[], failure: Failure | null): number {
  if (failure?.kind !== 'deadlock') return Math.min(steps.length, depthOf(failure));
  const end = steps.at(-1)?.after;
  if (end === undefined || circleOf(end).length === 0) return Math.min(steps.length, failure.depth);
  const stands = ({ after }: RecordedStep): boolean =>
    end.waits.every((w) => after.waits.some((x) => x.task === w.task && x.what === w.what));
  let length = Math.min(steps.length, failure.depth);
  while (length > 1 && stands(steps[length - 2]!)) length--;
  return length;
}

/** Tasks of which each waits for the next, and the last for the first. */
export function circleOf({ waits }: Inspection): number[] {
  const by = new Map(waits.map((w) => [w.task, w.by]));
  const settled = new Set<number>();
  const walk = (task: number, path: number[]): number[] | null => {
    const at = path.indexOf(task);
    if (at >= 0) return path.slice(at);
    if (settled.has(task)) return null;
    for (const next of by.get(task) ?? []) {
      const circle = walk(next, [...path, task]);
      if (circle !== null) return circle;
    }
    settled.add(task);
    return null;
  };
  for (const task of by.keys()) {
    const circle = walk(task, []);
    if (circle !== null) return circle;
  }
  return [];
}
