/**
 * A recorded execution as the CPU0/CPU1 sketch of the mailing lists: a column for each task, time
 * downward, notes behind `#`, and the symptom at the end.
 *
 *     CPU0  ab             CPU1  ba
 *      lock(A)
 *                           lock(B)
 *                           lock(A)  <- blocked
 *      lock(B)  <- blocked
 *     *** DEADLOCK ***  ab waits for ba, ba waits for ab
 *
 * Columns are as narrow as what stands in them. Where all of them do not fit side by side they
 * overlap, since each line has the text of one task only.
 */
import type { RecordedStep, Recording } from './record.ts';

const WIDTH = 100;
/** Between two columns, and before the notes. */
const GAP = 2;
/** Notes narrower than this are no pleasure: they get lines of their own. */
const LEAST_NOTE = 24;
/** Of very long executions the first lines and the last are shown. */
const FIRST_LINES = 400;
const LAST_LINES = 60;

/** One line: text in the column of a task, and what is to be said about it. */
export interface Line {
  readonly task: number;
  readonly text: string;
  readonly note: string;
  /** Number of the step; the steps' number for what is blocked at the end. */
  readonly step: number;
}

/** What the tasks did, a line each. The first step of a task shows only if it does something. */
export function linesOf(recording: Recording): Line[] {
  const lines: Line[] = [];
  recording.steps.forEach((step, i) => {
    const texts = step.text === 'begin' && step.also.length > 0 ? [] : [oneLine(step.text)];
    texts.push(...step.also.map(oneLine));
    const note = oneLine(noteOf(step));
    if (step.text === 'begin' && step.also.length === 0 && note === '') return;
    texts.forEach((text, n) => {
      lines.push({ task: step.task, text, note: n === 0 ? note : '', step: i });
    });
  });
  for (const { task, text } of recording.blocked) {
    const step = recording.steps.length;
    lines.push({ task, text: `${oneLine(text)}  <- blocked`, note: '', step });
  }
  return lines;
}

/** Values may be of any kind; a sketch has one line for each. */
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');

const noteOf = ({ read, changes, chose, notes }: RecordedStep): string =>
  [
    ...(read === null ? [] : [read]),
    ...changes.map(({ name, from, to }) => `${name}: ${from} -> ${to}`),
    ...chose,
    ...notes,
  ].join('; ');

/** The symptom, as the last lines of a diagram. */
export function symptomOf({ failure, circle, blocked, names }: Recording): string {
  if (failure === null) return '';
  const kind = `*** ${failure.kind.toUpperCase()} ***`;
  if (failure.kind !== 'deadlock') return `${kind}  ${failure.symptom}`;
  const name = (t: number): string => names[t] ?? `task ${t}`;
  if (circle.length === 0) {
    const what = blocked.map(({ task, text }) => `${name(task)} waits in ${text}`).join(', ');
    return `${kind}  ${what}, and nobody is left who could end that`;
  }
  const next = (i: number): number => circle[(i + 1) % circle.length]!;
  return `${kind}  ${circle.map((t, i) => `${name(t)} waits for ${name(next(i))}`).join(', ')}`;
}

/** The diagram, lines without blanks at their ends, at most `width` columns. */
export function diagram(recording: Recording, width = WIDTH): string {
  const all = linesOf(recording);
  const used = new Set(all.map((line) => line.task));
  const tasks = [...recording.names.keys()].filter((t) => used.has(t));
  const layout = layOut(recording, tasks, all, width);
  const out = header(layout);
  const { head, tail, left } = abridged(all, recording.left);
  for (const line of head) out.push(...draw(layout, line));
  if (left > 0) out.push(` ... ${left} more ...`);
  for (const line of tail) out.push(...draw(layout, line));
  const symptom = symptomOf(recording);
  if (symptom !== '')
    out.push(...wrap(oneLine(symptom), width - 4).map((s, i) => (i === 0 ? s : `    ${s}`)));
  return out.map((s) => s.trimEnd()).join('\n');
}

function abridged(
  all: readonly Line[],
  left: number,
): { head: Line[]; tail: Line[]; left: number } {
  if (all.length <= FIRST_LINES + LAST_LINES) {
    const end = all.findIndex((line) => line.text.endsWith('<- blocked'));
    const at = end < 0 ? all.length : end;
    return { head: all.slice(0, at), tail: all.slice(at), left };
  }
  const hidden = all.length - FIRST_LINES - LAST_LINES + left;
  return { head: all.slice(0, FIRST_LINES), tail: all.slice(-LAST_LINES), left: hidden };
}

interface Layout {
  readonly width: number;
  /** Where the column of each task begins. */
  readonly start: ReadonlyMap<number, number>;
  readonly titles: readonly string[];
  /** Where notes begin; null: on lines of their own. */
  readonly notes: number | null;
}

function layOut(r: Recording, tasks: number[], lines: readonly Line[], width: number): Layout {
  const titles = tasks.map((t) => `CPU${t}  ${oneLine(r.names[t] ?? '')}`);
  const widths = tasks.map((t, c) => {
    const texts = lines.filter((line) => line.task === t).map((line) => line.text.length + 1);
    return Math.max(titles[c]!.length, ...texts) + GAP;
  });
  const sum = widths.reduce((a, w) => a + w, 0);
  if (sum - GAP <= width) {
    let at = 0;
    const start = new Map(tasks.map((t, c) => [t, (at += c === 0 ? 0 : widths[c - 1]!)]));
    return { width, start, titles, notes: width - sum >= LEAST_NOTE ? sum : null };
  }
  // The last column has room for its widest line, if that can be; the others share what is left.
  const room = Math.max(0, width - Math.min(widths.at(-1)!, Math.ceil(width / 2)));
  const stride = Math.floor(room / Math.max(1, tasks.length - 1));
  const start = new Map(tasks.map((t, c) => [t, c * stride]));
  return { width, start, titles, notes: null };
}

/** All titles on one line, if they do not run into one another. */
function header({ start, titles, width }: Layout): string[] {
  const starts = [...start.values()];
  const ends = titles.map((title, c) => starts[c]! + title.length + 1);
  if (ends.every((end, c) => end <= (starts[c + 1] ?? width + 1))) {
    return [titles.reduce((row, title, c) => row.padEnd(starts[c]!) + title, '')];
  }
  return titles.flatMap((title, c) => indented(title, starts[c]!, width));
}

const indented = (text: string, by: number, width: number): string[] =>
  wrap(text, width - by).map((s) => ' '.repeat(by) + s);

function draw({ start, notes, width }: Layout, { task, text, note }: Line): string[] {
  const from = start.get(task)! + 1;
  const rows = indented(text, from, width);
  if (note === '') return rows;
  if (notes === null) return [...rows, ...indented(`# ${note}`, from + 2, width)];
  return wrap(note, width - notes - 2).map((s, i) => {
    const row = rows[i] ?? '';
    return `${row.padEnd(notes)}# ${s}`;
  });
}

/** Lines of at most `width`, broken at blanks, or anywhere if need be; continued lines stand in. */
function wrap(text: string, width: number): string[] {
  const most = Math.max(8, width);
  const rows: string[] = [];
  let rest = text;
  while (rest.length > most) {
    const blank = rest.lastIndexOf(' ', most);
    const at = blank > 2 ? blank : most;
    rows.push(rest.slice(0, at));
    rest = `  ${rest.slice(at).trimStart()}`;
  }
  return [...rows, rest];
}
