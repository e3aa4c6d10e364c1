/**
 * Who moved when, and how free choices fell: enough to see an execution again. Its text form is
 * one word, `1-0*3.1.0:2`: the version, then task numbers with how often in a row, and behind a
 * colon the outcomes of that step's choices. What is left out at the end is: whoever comes first.
 */
import { errno } from '../base/errno.ts';
import type { System } from './system.ts';
import type { Trace } from './trace.ts';

export interface Move {
  /** The how-many-th task that this execution met, from 0: the same in every process. */
  readonly task: number;
  readonly choices: readonly number[] | null;
}
export type Schedule = readonly Move[];

const VERSION = '1';

/** The schedule of the execution that has just been run. */
export function scheduleOf(trace: Trace, system: System): Move[] {
  const moves = Array.from({ length: trace.length }, (_, i) => ({
    task: trace.task[i]!,
    choices: trace.choices[i]!,
  }));
  return portable(moves, system);
}

/** Moves with numbers of `system`, as a schedule. @param system  it has just made these moves */
export function portable(moves: readonly Move[], { births }: System): Move[] {
  if (births === undefined) return [...moves];
  return moves.map(({ task, choices }) => ({ task: births.indexOf(task), choices }));
}

export function scheduleText(schedule: Schedule): string {
  const words: string[] = [];
  for (let i = 0; i < schedule.length;) {
    const { task, choices } = schedule[i]!;
    let n = 1;
    if (choices === null) {
      while (schedule[i + n]?.task === task && schedule[i + n]!.choices === null) n++;
    }
    words.push(`${task}${n > 1 ? `*${n}` : ''}${choices === null ? '' : `:${choices.join(',')}`}`);
    i += n;
  }
  return `${VERSION}-${words.join('.')}`;
}

const MAX_STEPS = 1_000_000;

/** @throws EINVAL it is not the text of a schedule; the facts name the word */
export function parseSchedule(text: string): Move[] {
  const [version, words = ''] = text.trim().split('-', 2);
  if (version !== VERSION) throw errno('EINVAL', { version: version ?? '' }, 'not a schedule');
  const moves: Move[] = [];
  for (const word of words === '' ? [] : words.split('.')) {
    const m = /^(\d{1,2})(?:\*(\d{1,7}))?(?::(\d+(?:,\d+)*))?$/.exec(word);
    if (m === null) throw errno('EINVAL', { word }, 'not a step of a schedule');
    const times = Number(m[2] ?? 1);
    if (moves.length + times > MAX_STEPS) throw errno('EINVAL', { word }, 'a schedule too long');
    const choices = m[3] === undefined ? null : m[3].split(',').map(Number);
    for (let i = 0; i < times; i++) moves.push({ task: Number(m[1]), choices });
  }
  return moves;
}
