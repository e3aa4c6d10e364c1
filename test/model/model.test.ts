// Goal: whatever a program does, a volume answers what POSIX says and what Linux does, and what is
// on the disk afterwards is sound and says the same. Method: random operations against a model in
// plain maps and against the host's own file system; failures shrink to a short list, which is
// kept in test/seeds/model/. FOLIOFS_EFFORT=50 does fifty times as much.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { effort, seedShift, timeLimit } from '../support/effort.ts';
import { GEOMETRIES } from './geometries.ts';
import { type Op, opList } from './ops.ts';
import { runModel } from './run.ts';

const SEEDS = new URL('../seeds/model/', import.meta.url);
const STEPS = 300;
const RUNS = Math.max(1, Math.round(8 * effort));

let folder = '';
let umask = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foliofs-model-'));
  umask = process.umask(0o022);
});
afterAll(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true });
});

/** The host takes part where it lets us act as root does on the volume. */
const haveHost = process.platform === 'linux' && process.getuid?.() === 0;

/** A kept failure: '#' lines that say what it was, then geometry, host, operations as JSON. */
interface Seed {
  readonly geometry: string;
  readonly host: boolean;
  readonly ops: readonly Op[];
}

const seedOf = (file: string): Seed =>
  JSON.parse(
    readFileSync(new URL(file, SEEDS), 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .join('\n'),
  ) as Seed;

describe('kept failures stay mended', () => {
  const files = readdirSync(SEEDS).filter((file) => file.endsWith('.txt'));
  test.each(files)('%s', (file) => {
    const { geometry, host, ops } = seedOf(file);
    const found = GEOMETRIES.find(({ name }) => name === geometry);
    if (!found) throw new Error(`no geometry is called ${geometry}`);
    runModel(found, ops, folder, host && haveHost);
  });
});

/** Run, and on failure say what to keep. */
function judge(geometry: string, host: boolean, seed: number): void {
  const over = GEOMETRIES.find(({ name }) => name === geometry)!;
  const property = fc.property(opList(STEPS), (ops) => {
    runModel(over, ops, folder, host);
  });
  const result = fc.check(property, { seed: seed + seedShift, numRuns: RUNS });
  if (!result.failed) return;
  const kept = { geometry, host, ops: result.counterexample?.[0] };
  const cause = (result.errorInstance as Error | null)?.stack ?? 'interrupted';
  expect.fail(`${cause}\nkeep in test/seeds/model/:\n${JSON.stringify(kept)}`);
}

describe('random operations end as the model says', () => {
  test.each(GEOMETRIES.map(({ name }, i) => [name, i] as const))(
    '%s',
    (name, i) => {
      judge(name, false, 1000 + i);
    },
    timeLimit(60_000),
  );
});

describe.skipIf(!haveHost)('random operations end as on the host (Linux and root needed)', () => {
  test.each(GEOMETRIES.map(({ name }, i) => [name, i] as const))(
    '%s',
    (name, i) => {
      judge(name, true, 2000 + i);
    },
    timeLimit(60_000),
  );
});
