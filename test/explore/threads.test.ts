/**
 * Goal: threads and shards see what one search sees. Method: the worker and the programs bundled as
 * the build does it, in real threads; numbers of behaviours that are published.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exploreShard, type ShardOptions } from '../../src/cli/explore-shards.ts';
import { exploreInThreads } from '../../src/cli/explore-threads.ts';
import type { Origin } from '../../src/cli/explore-worker.ts';
import { systemNamed } from './systems.ts';

let dir = '';
const worker = (): URL => pathToFileURL(join(dir, 'src/cli/explore-worker.js'));
const origin = (...given: readonly unknown[]): Origin => ({
  module: pathToFileURL(join(dir, 'test/explore/systems.js')).href,
  name: 'systemNamed',
  arguments: given,
});

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'foliofs-threads-'));
  await build({
    entryPoints: ['src/cli/explore-worker.ts', 'test/explore/systems.ts'],
    outdir: dir,
    outbase: '.',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { CHECKED: 'true' },
    logLevel: 'error',
  });
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

test.each([1, 2, 3])(
  '%d threads see the 3328 behaviours of lastzero(10), each once',
  async (jobs) => {
    const got = await exploreInThreads(origin('lastzero', 10), { jobs, worker: worker() });
    expect(got).toMatchObject({ complete: true, failed: null });
    expect(got.counts).toMatchObject({ executions: 3328, blocked: 0, infeasible: 0 });
  },
);

test('two threads count as many lost updates as one', async () => {
  const of = (jobs: number) =>
    exploreInThreads(origin('lostUpdate', 5), { jobs, all: true, worker: worker() });
  const [one, two] = [await of(1), await of(2)];
  expect(one.counts.executions).toBe(14_400);
  expect(two.counts).toEqual(one.counts);
  expect(two.parts).toBeGreaterThan(1);
});

test('threads stop at the first failure, and tell how to see it again', async () => {
  const got = await exploreInThreads(origin('philosophers', 6), { jobs: 2, worker: worker() });
  expect(got.failed?.failure.kind).toBe('deadlock');
  expect(got.failed?.schedule.length).toBeGreaterThanOrEqual(6);
});

test('a limit ends a search that would not end, and it is not called complete', async () => {
  const options = { jobs: 2, limit: 1000, all: true, worker: worker() };
  const got = await exploreInThreads(origin('lostUpdate', 7), options);
  expect(got.complete).toBe(false);
  expect(got.counts.executions).toBeGreaterThanOrEqual(1000);
});

test('a module without the function is named', async () => {
  const wrong = { ...origin(), name: 'nothing' };
  const search = exploreInThreads(wrong, { jobs: 2, worker: worker() });
  await expect(search).rejects.toThrow(/systems\.js exports no function nothing/);
});

/** In one process: shards know of each other through the folder alone. */
function shards(count: number, name: string, size: number): ShardOptions[] {
  const folder = join(dir, `${name}-${count}`);
  mkdirSync(folder);
  return Array.from({ length: count }, (_, index) => ({
    folder,
    index,
    count,
    what: `${name}(${size})`,
    round: 40,
    all: true,
  }));
}

test.each([1, 2, 3])('each of %d shards ends with the sum of all', async (count) => {
  const all = shards(count, 'lostUpdate', 5).map((o) =>
    exploreShard(systemNamed('lostUpdate', 5), o),
  );
  const verdicts = await Promise.all(all);
  const [first] = verdicts;
  expect(first).toMatchObject({ complete: true, counts: { executions: 14_400, blocked: 0 } });
  for (const verdict of verdicts) expect(verdict).toEqual(first);
  if (count > 1) expect(first!.parts).toBeGreaterThan(1);
});

test('a shard that was in the folder before, or in another search, is refused', async () => {
  const [one, two] = shards(2, 'lastwrite', 4);
  const searches = [one!, two!].map((o) => exploreShard(systemNamed('lastwrite', 4), o));
  await Promise.all(searches);
  const system = systemNamed('lastwrite', 4);
  await expect(exploreShard(system, one!)).rejects.toThrow(/shard 0 has been here/);
  const folder = join(dir, 'mixed');
  mkdirSync(folder);
  const lonely = exploreShard(system, { ...one!, folder, patience: 300 });
  const other = exploreShard(system, { ...two!, folder, what: 'something else' });
  await expect(other).rejects.toThrow(/shard 0 explores something else/);
  await expect(lonely).rejects.toThrow(/shard 1: no .*round-0000\.shard-1/);
  await expect(exploreShard(system, { ...one!, index: 2 })).rejects.toThrow('no shard 2 of 2');
});
