/**
 * `foliofs bench [CASE...]`: runs the cases one after the other, each beside its peer.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './cases/build.ts';
import { checkEmpty, checkTree } from './cases/check.ts';
import { crashRates } from './cases/crash.ts';
import { crashWorkloadRates } from './cases/crash-workloads.ts';
import { create } from './cases/create.ts';
import { explorers, exploreRates, exploreThreads, spins } from './cases/explore.ts';
import { journals } from './cases/journal.ts';
import { lookup, lookupRandom } from './cases/lookup.ts';
import { memoryBuild, memoryCheck, memoryNames } from './cases/memory.ts';
import { mkfs, mkfsCall } from './cases/mkfs.ts';
import { read1m, read4k, read4kWide } from './cases/read.ts';
import { recovery } from './cases/recovery.ts';
import { type Case, type Duel, Missing, type Quoted, type Row, type Stage } from './case.ts';
import { ground, machine } from './host.ts';
import { compare, type Sample, sampleOf } from './measure.ts';
import { heading, line } from './report.ts';

export const cases: readonly Case[] = [
  build,
  mkfs,
  mkfsCall,
  checkEmpty,
  checkTree,
  recovery,
  ...journals,
  read4k,
  read4kWide,
  read1m,
  create,
  lookup,
  lookupRandom,
  memoryBuild,
  memoryCheck,
  memoryNames,
  ...explorers,
  ...spins,
  ...exploreRates,
  ...exploreThreads,
  ...crashRates,
  ...crashWorkloadRates,
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
      const stage = { dir: join(scratch, one.id), quick: options.quick };
      for (const row of await runCase(one, stage, type)) {
        rows.push(row);
        print(options.json ? JSON.stringify(row) : line(row));
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return rows;
}

/** A name stands for a case, or for all whose names go on with a dash: `explore`. */
function choose(names: readonly string[]): readonly Case[] {
  if (names.length === 0) return cases;
  const known = cases.map(({ id }) => id).join(', ');
  return names.flatMap((name) => {
    const exact = cases.filter(({ id }) => id === name);
    const found = exact.length > 0 ? exact : cases.filter(({ id }) => id.startsWith(`${name}-`));
    if (found.length === 0) throw new RangeError(`no case ${name}; there are ${known}`);
    return found;
  });
}

async function runCase(one: Case, stage: Stage, on: string): Promise<Row[]> {
  const { id, title, goal } = one;
  const head = { case: id, title, goal };
  mkdirSync(stage.dir);
  try {
    switch (one.kind) {
      case 'duel':
        return [await runDuel(one, stage, { ...head, peer: one.peer, on })];
      case 'quoted':
        return runQuoted(one, stage, head);
      case 'rate': {
        const ours = sampleOf(Array.from({ length: stage.quick ? 3 : one.rounds }, one.measure));
        const ratio = goal / ours.median;
        return [{ ...head, unit: one.unit, ours, ratio, met: ratio <= 1 }];
      }
      case 'footprint': {
        const peak = await one.measure(stage);
        const ours = { median: peak, min: peak, spread: 0 };
        return [{ ...head, unit: 'MiB', ours, ratio: peak / goal, met: peak <= goal }];
      }
    }
  } catch (e) {
    if (!(e instanceof Missing)) throw e;
    return [{ ...head, unit: one.kind === 'footprint' ? 'MiB' : 'ms', missing: e.message }];
  } finally {
    rmSync(stage.dir, { recursive: true, force: true });
  }
}

type Head = Pick<Row, 'case' | 'title' | 'goal'> & Partial<Pick<Row, 'peer' | 'on'>>;

async function runDuel(one: Duel, stage: Stage, head: Head): Promise<Row> {
  const operations = one.operations(stage.quick);
  const sides = await one.setup(stage);
  try {
    const c = compare(sides, stage.quick ? 3 : one.rounds);
    const unit = operations > 1 ? 'us' : 'ms';
    const scale = operations > 1 ? 1000 / operations : 1;
    const ours = scaled(c.ours, scale);
    const theirs = scaled(c.theirs, scale);
    return { ...head, unit, ours, theirs, ratio: c.ratio, met: c.ratio <= one.goal };
  } finally {
    sides.done?.();
  }
}

/** A figure of another day knows no rounds: our best time, as theirs was the best of three. */
function runQuoted(one: Quoted, stage: Stage, head: Head): Row[] {
  const times = Array.from({ length: stage.quick ? 1 : one.rounds }, () => {
    const start = performance.now();
    one.run();
    return performance.now() - start;
  });
  const ours = sampleOf(times);
  return Object.entries(one.peers).map(([peer, ms]) => {
    const ratio = ours.min / ms;
    const theirs = { median: ms, min: ms, spread: 0 };
    return { ...head, peer, quoted: true, unit: 'ms', ours, theirs, ratio, met: ratio <= one.goal };
  });
}

const scaled = (s: Sample, by: number): Sample => ({
  median: s.median * by,
  min: s.min * by,
  spread: s.spread,
});
