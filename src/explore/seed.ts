/**
 * A failure that was found once, kept as text so that it is tried first ever after:
 *
 *     why: two readers of the counter may both see its old value
 *     scenario: canary-lost-update
 *     schedule: 1-0*2.1*3.0
 *     symptom: finally: x is 1
 *
 * `variant: NAME` stands there where the failure is one of a known mistake.
 */
import { errno } from '../base/errno.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

export interface Seed {
  readonly why: string;
  readonly scenario: string;
  readonly variant: string | null;
  readonly schedule: Schedule;
  readonly symptom: string;
}

const KEYS = ['why', 'scenario', 'variant', 'schedule', 'symptom'];

/** @throws EINVAL it is not a seed; the facts name the line or the key */
export function parseSeed(text: string): Seed {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf(':');
    const key = line.slice(0, Math.max(0, at)).trim();
    if (!KEYS.includes(key) || found.has(key))
      throw errno('EINVAL', { line }, 'not a line of a seed');
    found.set(key, line.slice(at + 1).trim());
  }
  const need = (key: string): string => {
    const value = found.get(key);
    if (value === undefined || value === '') throw errno('EINVAL', { key }, `a seed has no ${key}`);
    return value;
  };
  return {
    why: need('why'),
    scenario: need('scenario'),
    variant: found.get('variant') ?? null,
    schedule: parseSchedule(need('schedule')),
    symptom: need('symptom'),
  };
}
