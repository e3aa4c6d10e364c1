/**
 * Does an execution that came to no end go round for ever, or does it only take long?
 *
 * Where states have names it can be proved: if a state comes again, what lies between can be done
 * for ever. It is a livelock if a fair scheduler could do it too, one that does not pass over
 * somebody who could move all the while. A loop that tries again while the one it waits for is not
 * let on is none, and neither is one that counts its tries: no state comes twice.
 */
import type { Wait } from '../sched/op.ts';
import { Follow } from './follow.ts';
import { ABANDON } from './search.ts';
import type { Schedule } from './schedule.ts';
import type { Failure, System } from './system.ts';

/** Steps that lead from a state back to it. */
export interface Round {
  /** After so many steps the state was there for the first time, and again. */
  readonly from: number;
  readonly to: number;
  readonly steps: readonly { readonly task: number; readonly op: Wait }[];
  /** Tasks that could move all the while, and did not. */
  readonly starved: number;
}

/**
 * The first round of an execution in which nobody is passed over, else the first of all. The
 * execution is run again to its end, so that the system is left as it was.
 * @param schedule  tasks by their numbers in this system
 * @returns null: no state comes twice; undefined: states have no names here
 */
export function findRound(system: System, schedule: Schedule): Round | null | undefined {
  const follow = new Follow(schedule, true);
  system.start(follow);
  const seen = new Map<string, number>();
  const able: number[] = [];
  const steps: { task: number; op: Wait }[] = [];
  let round: Round | null | undefined = null;
  for (let k = 0; ; k++) {
    const enabled = system.enabled();
    able.push(enabled);
    if (round === null || (round !== undefined && round.starved !== 0)) {
      const name = system.fingerprint?.() ?? null;
      const from = name === null ? undefined : seen.get(name);
      if (name === null) round = undefined;
      else if (from === undefined) seen.set(name, k);
      else round = better(round, roundOf(from, k, steps, able));
    }
    if (k === schedule.length || enabled === 0) return round;
    const task = follow.choose(system, enabled);
    if (task === ABANDON) return round;
    system.step(task);
    follow.stepped(system, task);
    steps.push({ task, op: system.op });
  }
}

const better = (was: Round | null, is: Round): Round =>
  was === null || is.starved === 0 ? is : was;

function roundOf(from: number, to: number, all: Round['steps'], able: readonly number[]): Round {
  const steps = all.slice(from, to);
  let starved = -1;
  for (let k = from; k < to; k++) starved &= able[k]!;
  for (const { task } of steps) starved &= ~(1 << task);
  return { from, to, steps, starved };
}

/** So many steps of a round are written down. */
const SHOWN = 60;

/** In words. */
export function goesRound(system: System, { from, to, steps }: Round): Failure {
  const { names } = system;
  const left = steps.length - SHOWN;
  const who = [...new Set(steps.map(({ task }) => names[task]!))];
  return {
    kind: 'livelock',
    symptom: `${who.join(' and ')} ${who.length > 1 ? 'go' : 'goes'} round for ever`,
    detail: [
      `after step ${to} all is as it was after step ${from}; in between:`,
      ...steps.slice(0, SHOWN).map(({ task, op }) => `${names[task]!}: ${system.describe(op)}`),
      ...(left > 0 ? [`and ${left} more`] : []),
    ].join('\n'),
    depth: to,
  };
}
