/**
 * The table: a line a case, printed as soon as it is measured.
 */
import type { Row } from './case.ts';
import { type Machine, startTime } from './host.ts';

const COLUMNS = [24, 20, 12, 8, 12, 8, 7, 7] as const;
const NAMES = ['case', 'peer', 'ours', '+-', 'peer takes', '+-', 'ratio', 'goal'];

const cells = (texts: readonly string[]): string =>
  texts
    .map((text, i) => (i < 2 ? text.padEnd(COLUMNS[i] ?? 0) : text.padStart(COLUMNS[i] ?? 0)))
    .join(' ');

/** What the numbers hold for. */
export function heading(m: Machine, on: string, quick: boolean): string {
  const start = startTime().toFixed(0);
  const lines = [
    `${m.cpu}, ${m.cores} cores, Linux ${m.kernel}, Node ${m.node}; images and peers on ${on}.`,
    "Time of one operation, median of the rounds; ratio: our time by the peer's, smaller is better.",
    `Commands (build, mkfs, check) begin with the start of Node: ${start} ms when it does nothing.`,
  ];
  if (quick) lines.push('Quick: the sizes are too small to prove anything.');
  return [...lines, '', cells(NAMES)].join('\n');
}

const number = (n: number): string => n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0);
const percent = (part: number): string => `${Math.round(part * 100)} %`;

export function line(row: Row): string {
  const { ours, theirs, ratio, unit, goal } = row;
  if (!ours || ratio === undefined) return `${cells([row.case])} left out: ${row.missing ?? '?'}`;
  const verdict = row.met ? 'met' : 'MISSED';
  if (!theirs) {
    const limit = unit === 'MiB' ? `limit ${goal} MiB` : `at least ${goal} ${unit}`;
    const blank = ['', '', ''];
    return `${cells([row.case, limit, `${number(ours.median)} ${unit}`, ...blank, number(ratio), '1.00'])}  ${verdict}`;
  }
  const columns = [
    row.case,
    `${row.peer ?? ''}${row.quoted ? ', quoted' : ''}`,
    `${number(row.quoted ? ours.min : ours.median)} ${unit}`,
    percent(ours.spread),
    `${number(theirs.median)} ${unit}`,
    row.quoted ? '' : percent(theirs.spread),
    number(ratio),
    number(goal),
  ];
  return `${cells(columns)}  ${verdict}`;
}
