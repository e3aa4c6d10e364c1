/**
 * `foliofs bench [CASE...]`: runs the cases one after the other, each beside its peer.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './cases/build.ts';
import { checkEmpty, checkTree } from './cases/check.ts';
import { create } from './cases/create.ts';
import { lookup, lookupRandom } from './cases/lookup.ts';
import { memoryBuild, memoryCheck, memoryNames } from './cases/memory.ts';
import { mkfs } from './cases/mkfs.ts';
import { read1m, read4k, read4kWide } from './cases/read.ts';
import { type Case, Missing, type Row, type Stage } from './case.ts';
import { ground, machine } from './host.ts';
import { compare, type Sample } from './measure.ts';
import { heading, line } from './report.ts';

export const cases: readonly Case[] = [
  build,
  mkfs,
  checkEmpty,
  checkTree,
  read4k,
  read4kWide,
  read1m,
  create,
  lookup,
  lookupRandom,
  memoryBuild,
  memoryCheck,
  memoryNames,
];

export interface BenchOptions {
  /** Print one object a line. */
  readonly json: boolean;
  /** A tenth of the work: shows that the cases run, proves nothing about speed. */
  readonly quick: boolean;
}

/**
 * Run the named cases, or all; print each row when it is there.
 * @throws RangeError no such case; what a case throws when one side fails
 */
export async function runBench(names: readonly string[], options: BenchOptions): Promise<Row[]> {
  const chosen = choose(names);
  const { dir, type } = ground();
  const print = (text: string): boolean => process.stdout.write(`${text}\n`);
  if (!options.json) print(heading(machine(), type, options.quick));
  const scratch = mkdtempSync(join(dir, 'foliofs-bench-'));
  const rows: Row[] = [];
  try {
    for (const one of chosen) {
      const row = await runCase(one, { dir: join(scratch, one.id), quick: options.quick }, type);
      rows.push(row);
      print(options.json ? JSON.stringify(row) : line(row));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return rows;
}

function choose(names: readonly string[]): readonly Case[] {
  if (names.length === 0) return cases;
  const known = cases.map(({ id }) => id).join(', ');
  return names.map((name) => {
    const found = cases.find(({ id }) => id === name);
    if (!found) throw new RangeError(`no case ${name}; there are ${known}`);
    return found;
  });
}

async function runCase(one: Case, stage: Stage, on: string): Promise<Row> {
  const { id, title, goal } = one;
  const head = { case: id, title, goal, ...(one.kind === 'duel' ? { peer: one.peer, on } : {}) };
  mkdirSync(stage.dir);
  try {
    if (one.kind === 'duel') {
      const operations = one.operations(stage.quick);
      const sides = await one.setup(stage);
      try {
        const c = compare(sides, stage.quick ? 3 : one.rounds);
        const unit = operations > 1 ? 'us' : 'ms';
        const scale = operations > 1 ? 1000 / operations : 1;
        const ours = scaled(c.ours, scale);
        const theirs = scaled(c.theirs, scale);
        return { ...head, unit, ours, theirs, ratio: c.ratio, met: c.ratio <= goal };
      } finally {
        sides.done?.();
      }
    }
    const peak = await one.measure(stage);
    const ours = { median: peak, min: peak, spread: 0 };
    return { ...head, unit: 'MiB', ours, ratio: peak / goal, met: peak <= goal };
  } catch (e) {
    if (!(e instanceof Missing)) throw e;
    return { ...head, unit: one.kind === 'duel' ? 'ms' : 'MiB', missing: e.message };
  } finally {
    rmSync(stage.dir, { recursive: true, force: true });
  }
}

const scaled = (s: Sample, by: number): Sample => ({
  median: s.median * by,
  min: s.min * by,
  spread: s.spread,
});
