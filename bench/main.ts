/**
 * `npm run bench -- [CASE...] [--quick] [--json] [--record]`: the same as `foliofs bench`, and with
 * --record a line a case in bench/history.ndjson.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Row } from './case.ts';
import { machine } from './host.ts';
import { runBench } from './run.ts';

const HISTORY = 'bench/history.ndjson';

/** The commit, with a plus if the work tree differs from it. */
function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
  return git('rev-parse', '--short=12', 'HEAD') + (changed ? '+' : '');
}

function record(rows: readonly Row[]): void {
  const head = { commit: commit(), machine: machine() };
  for (const { case: name, unit, ours, theirs, ratio, on } of rows) {
    if (!ours) continue;
    const { median, spread } = ours;
    const entry = { ...head, case: name, unit, median, spread, peer: theirs?.median, ratio, on };
    appendFileSync(HISTORY, `${JSON.stringify(entry)}\n`);
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
const rows = await runBench(positionals, values);
if (values.record) {
  if (values.quick) throw new Error('a quick run is not worth recording');
  record(rows);
}
