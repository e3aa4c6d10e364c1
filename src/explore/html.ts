/**
 * A recorded execution as one page that needs nothing else: no network, no server. One steps
 * through the schedule and sees, at each step, who holds what, who waits for whom, and the values,
 * with what changed marked. Without a script the page is still the whole schedule, as a table.
 */
import { type Line, linesOf, symptomOf } from './diagram.ts';
import { SCRIPT } from './html-script.ts';
import { STYLE } from './html-style.ts';
import type { RecordedStep, Recording } from './record.ts';
import { scheduleText } from './schedule.ts';
import type { Inspection } from './system.ts';

export interface PageFacts {
  readonly title: string;
  /** What is to hold, or what the mistake is. */
  readonly subtitle?: string;
  /** The command that shows it again. */
  readonly command?: string;
}

/** What the script reads. */
interface PageData {
  readonly names: readonly string[];
  /** Tasks that have a column. */
  readonly shown: readonly number[];
  readonly circle: readonly number[];
  /** Places to stop at: before the first step, after each that has a line, and at the end. */
  readonly stops: readonly Stop[];
}
interface Stop {
  /** Its lines are those of this step; -1: none. */
  readonly step: number;
  /** How things stand there. */
  readonly state: Inspection;
}

/** The page, as text to be written to a file. */
export function htmlPage(recording: Recording, facts: PageFacts): string {
  const lines = linesOf(recording);
  const used = new Set(lines.map((line) => line.task));
  const shown = [...recording.names.keys()].filter((t) => used.has(t));
  const data: PageData = {
    names: recording.names,
    shown,
    circle: recording.circle,
    stops: stopsOf(recording, lines),
  };
  const { title, subtitle = '', command = '' } = facts;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
${subtitle === '' ? '' : `<p>${escaped(subtitle)}</p>`}
<p class="symptom">${escaped(symptomOf(recording))}</p>
<p class="schedule">schedule <code>${escaped(scheduleText(recording.schedule))}</code></p>
${command === '' ? '' : `<p><code>${escaped(command)}</code></p>`}
</header>
<nav aria-label="steps">
<button id="first" title="Home">|&lt;</button>
<button id="back" title="arrow up or left">&lt; back</button>
<button id="next" title="arrow down or right">next &gt;</button>
<button id="last" title="End">&gt;|</button>
<input id="slider" type="range" min="0" max="${data.stops.length - 1}" value="0" aria-label="step">
<output id="where" aria-live="polite"></output>
<span class="keys"><kbd>&uarr;</kbd> <kbd>&darr;</kbd> <kbd>Home</kbd> <kbd>End</kbd></span>
</nav>
<main>
${scheduleTable(recording, lines, shown)}
${PANES}
</main>
<script type="application/json" id="data">${jsonInHtml(data)}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** Nothing is loaded from anywhere, whatever a name may try. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

const PANES = `<aside>
<h2>Locks</h2>
<table><thead><tr><th>task</th><th>holds</th><th>waits in</th><th>for</th></tr></thead>
<tbody id="locks"></tbody></table>
<h2>Who waits for whom</h2>
<p id="idle" class="idle">nobody waits</p>
<svg id="graph" viewBox="0 0 360 260" role="img" aria-label="tasks that wait for one another"></svg>
<h2>Values</h2>
<table><thead><tr><th>value</th><th>was</th><th>is</th></tr></thead>
<tbody id="values"></tbody></table>
</aside>`;

function stopsOf(recording: Recording, lines: readonly Line[]): Stop[] {
  const { steps, before } = recording;
  const last = steps.at(-1)?.after ?? before;
  const numbers = [...new Set(lines.map((line) => line.step))];
  const stops = numbers.map((step) => ({ step, state: steps[step]?.after ?? last }));
  return [{ step: -1, state: before }, ...stops];
}

function scheduleTable(
  recording: Recording,
  lines: readonly Line[],
  shown: readonly number[],
): string {
  const { names, left } = recording;
  const heads = shown.map((t) => `<th scope="col">CPU${t} ${escaped(names[t] ?? '')}</th>`);
  const rows = lines.map((line) => row(line, shown, recording.steps[line.step]));
  const symptom = symptomOf(recording);
  if (symptom !== '') {
    const cell = `<td colspan="${shown.length + 1}">${escaped(symptom)}</td>`;
    rows.push(`<tr class="symptom">${cell}</tr>`);
  }
  const more =
    left === 0 ? '' : `<tr><td colspan="${shown.length + 1}">... ${left} more steps ...</td></tr>`;
  return `<section tabindex="0" aria-label="schedule"><table id="schedule"><thead><tr>${heads.join('')}<th scope="col"># notes</th></tr></thead>
<tbody>
${rows.join('\n')}${more}
</tbody></table></section>`;
}

function row(line: Line, shown: readonly number[], its: RecordedStep | undefined): string {
  const { task, text, note, step } = line;
  const cells = shown.map((t) => (t === task ? `<td>${escaped(text)}</td>` : '<td></td>'));
  const blocked = text.endsWith('<- blocked') ? ' class="blocked"' : '';
  return `<tr data-step="${step}"${blocked}>${cells.join('')}<td>${note === '' ? '' : notes(its!)}</td></tr>`;
}

/** Values first; what tracepoints said is for who looks closer. */
function notes({ read, changes, chose, notes: said }: RecordedStep): string {
  const values = changes.map(({ name, from, to }) => `${name}: ${from} \u2192 ${to}`);
  const parts = [...(read === null ? [] : [read]), ...values].map(
    (part) => `<div>${escaped(part)}</div>`,
  );
  if (chose.length > 0) parts.push(`<div class="chose">${escaped(chose.join('; '))}</div>`);
  if (said.length > 0) parts.push(`<div class="said">${escaped(said.join('; '))}</div>`);
  return parts.join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!);

/** JSON that can neither end its script element nor begin a comment in it. */
const jsonInHtml = (value: unknown): string => JSON.stringify(value).replace(/</g, '\\u003c');
