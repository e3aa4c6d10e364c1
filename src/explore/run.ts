/** The loop that moves a system as a search says, one execution after the other. */
import { ABANDON, type Search } from './search.ts';
import type { Wait } from '../sched/op.ts';
import type { Failure, System } from './system.ts';

/** How one execution ended. */
export interface Ending {
  readonly failure: Failure | null;
  /** The search gave it up: it is no behaviour of its own. */
  readonly abandoned: boolean;
  readonly steps: number;
  /** It was cut off, and nothing wrong was seen up to there. */
  readonly cutOff?: true;
}

/** The system until nobody can move, or nobody should. @param limit  steps */
export function runOnce(system: System, search: Search, limit: number): Ending {
  const recent: Recent[] = [];
  system.start(search);
  let steps = 0;
  for (let task; (task = search.settled?.() ?? ABANDON) !== ABANDON; steps++) {
    system.step(task);
    search.stepped(system, task);
  }
  for (; ; steps++) {
    const enabled = system.enabled();
    if (enabled === 0) return { failure: system.judge(), abandoned: false, steps };
    if (steps === limit) {
      return { failure: system.wrong ?? livelock(system, recent, steps), abandoned: false, steps };
    }
    const task = search.choose(system, enabled);
    if (task === ABANDON) return { failure: null, abandoned: true, steps };
    system.step(task);
    search.stepped(system, task);
    if (steps >= limit - WINDOW) recent.push({ task, op: system.op });
  }
}

/** So many steps before the limit are kept, to see what goes round. */
export const WINDOW = 300;
/** So often in a row a sequence of steps must come to be called a repetition. */
const ROUNDS = 3;

export interface Recent {
  readonly task: number;
  readonly op: Wait;
}

/**
 * No end: who does the same again and again, if that can be seen in the last steps. If somebody
 * else could have moved all the while, the schedule is an unfair one, and that is said.
 */
export function livelock(system: System, recent: readonly Recent[], steps: number): Failure {
  const symptom = `no end after ${steps} steps`;
  const round = roundOf(recent);
  if (round === null) return { kind: 'livelock', symptom, depth: steps };
  const { names } = system;
  const moving = new Set(round.map(({ task }) => task));
  const who = names.filter((_, t) => moving.has(t)).join(' and ');
  const idle = names.filter((_, t) => ((system.enabled() >>> t) & 1) !== 0 && !moving.has(t));
  const lines = round.map(({ task, op }) => `${names[task]!}: ${system.describe(op)}`);
  if (idle.length > 0) lines.push(`while ${idle.join(' and ')} could move: an unfair schedule`);
  return {
    kind: 'livelock',
    symptom: `${symptom}: ${who} ${moving.size > 1 ? 'go' : 'goes'} round`,
    detail: `again and again:\n${lines.join('\n')}`,
    depth: steps,
  };
}

/** The shortest sequence that the last steps repeat. */
function roundOf(recent: readonly Recent[]): readonly Recent[] | null {
  const end = recent.length;
  for (let n = 1; n * ROUNDS <= end; n++) {
    let same = true;
    for (let i = end - n * ROUNDS; same && i < end - n; i++) {
      const [a, b] = [recent[i]!, recent[i + n]!];
      same = a.task === b.task && a.op === b.op;
    }
    if (same) return recent.slice(end - n);
  }
  return null;
}
