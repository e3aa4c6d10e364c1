/**
 * One search on several machines that share a folder. It goes in rounds: each shard explores its
 * parts for a while and writes what came of them to a file; when the files of all shards are there,
 * each reads them all. So every shard keeps the same division, and all end with the same verdict.
 *
 *     shard-1              who takes part, and in what; made by whoever is shard 1, once
 *     round-0007.shard-1   what came of the parts of shard 1 in round 7
 *
 * A part belongs to the shard (its number modulo their count). Files are written beside and
 * renamed, so that nobody reads half of one. There is no other connection, and no clock that has to
 * agree.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Division } from '../explore/division.ts';
import { Part, type Report } from '../explore/part.ts';
import type { System } from '../explore/system.ts';
import { CliError } from './errors.ts';
import { Slices } from './explore-slices.ts';
import type { Divided } from './explore-threads.ts';

export interface ShardOptions {
  readonly folder: string;
  /** 0..count-1. */
  readonly index: number;
  readonly count: number;
  /** What is explored, in words: all shards must say the same. */
  readonly what: string;
  readonly faults?: number;
  readonly maxSteps?: number;
  readonly limit?: number;
  readonly all?: boolean;
  /** Milliseconds of exploring a round, and how long to wait for the others. */
  readonly round?: number;
  readonly patience?: number;
}

type Reports = readonly (readonly [id: number, report: Report])[];

const POLL = 10;

class Shard {
  private readonly division = new Division();
  /** Parts that are not finished; those of other shards are only known by number. */
  private readonly parts = new Map<number, Part | null>();
  private readonly slices: Slices;
  private readonly options: ShardOptions;
  private count = 0;

  constructor(system: System, options: ShardOptions) {
    this.slices = new Slices(system, options.maxSteps ?? 100_000);
    this.options = options;
  }

  /** @throws CliError EEXIST this shard is there already; EINVAL another search is in the folder */
  join(): void {
    const { folder, index, count, what } = this.options;
    const words = JSON.stringify({ count, what });
    try {
      writeFileSync(join(folder, `shard-${index}`), words, { flag: 'wx' });
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
      throw new CliError('EEXIST', `shard ${index} has been here: ${folder}; take an empty folder`);
    }
    for (let i = 0; i < count; i++) {
      const file = join(folder, `shard-${i}`);
      if (!existsSync(file) || readFileSync(file, 'utf8') === words) continue;
      throw new CliError('EINVAL', `shard ${i} explores something else: ${file}`);
    }
  }

  async run(): Promise<Divided> {
    const { division, options } = this;
    for (let round = 0; ; round++) {
      for (let job = division.next(); job !== null; job = division.next()) {
        const mine = job.id % options.count === options.index;
        this.parts.set(job.id, mine ? new Part(job.path, { faults: options.faults ?? 1 }) : null);
        this.count++;
      }
      this.write(round, this.explore(round));
      await this.merge(round);
      const { counts, failed, finished: complete } = division;
      const stop = counts.executions >= (options.limit ?? Infinity);
      if (complete || stop || (failed !== null && options.all !== true)) {
        return { complete, counts, failed, parts: this.count };
      }
    }
  }

  /** The parts of this shard in turns, until the time is up. */
  private explore(round: number): Reports {
    const { round: time = 500, count } = this.options;
    // The first rounds are short: what there is has to be shared out.
    const end = performance.now() + Math.min(time, 20 * 2 ** round);
    const reports: [number, Report][] = [];
    const mine = new Map([...this.parts].filter((e): e is [number, Part] => e[1] !== null));
    // Once a round: what is given away waits until the next.
    let cut = this.parts.size < 2 * count;
    while (mine.size > 0 && performance.now() < end) {
      for (const [id, part] of mine) {
        const report = this.slices.run(part, cut);
        reports.push([id, report]);
        if (report.finished) mine.delete(id);
      }
      cut = false;
    }
    return reports;
  }

  private fileOf(round: number, shard: number): string {
    return join(this.options.folder, `round-${String(round).padStart(4, '0')}.shard-${shard}`);
  }

  private write(round: number, reports: Reports): void {
    const file = this.fileOf(round, this.options.index);
    writeFileSync(`${file}.part`, JSON.stringify(reports));
    renameSync(`${file}.part`, file);
  }

  private async merge(round: number): Promise<void> {
    for (let shard = 0; shard < this.options.count; shard++) {
      for (const [id, report] of await this.read(round, shard)) {
        this.division.report(id, report);
        if (report.finished) this.parts.delete(id);
      }
    }
  }

  /** @throws CliError ETIMEDOUT the shard does not write */
  private async read(round: number, shard: number): Promise<Reports> {
    const file = this.fileOf(round, shard);
    const end = performance.now() + (this.options.patience ?? 600_000);
    while (!existsSync(file)) {
      if (performance.now() > end) throw new CliError('ETIMEDOUT', `shard ${shard}: no ${file}`);
      await sleep(POLL);
    }
    return JSON.parse(readFileSync(file, 'utf8')) as Reports;
  }
}

/**
 * Explore as shard `index` of `count`, together with the others.
 * @throws CliError EEXIST, EINVAL the folder is not for this search; ETIMEDOUT a shard is missing
 */
export async function exploreShard(system: System, options: ShardOptions): Promise<Divided> {
  const { index, count } = options;
  if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count) {
    throw new CliError('EINVAL', `no shard ${index} of ${count}`);
  }
  const shard = new Shard(system, options);
  shard.join();
  return shard.run();
}
