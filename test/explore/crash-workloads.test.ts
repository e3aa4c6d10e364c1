/**
 * Workloads of system calls on a journalled ext4, with every crash state of each. Here a part that
 * fits into a minute; all of it: `foliofs crash --all --torn --inside-recovery`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytes, sector } from '../../src/base/units.ts';
import { Bio } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { type CrashOptions, forEachCrashState } from '../../src/explore/crash-states.ts';
import { explore } from '../../src/explore/explore.ts';
import { pairWorkload, randomWorkload } from '../../src/scenarios/crash/choose.ts';
import { exploreCrashes } from '../../src/scenarios/crash/crash-run.ts';
import { SHAPES } from '../../src/scenarios/crash/image.ts';
import { knownWorkloads } from '../../src/scenarios/crash/known.ts';
import { crashMistakes } from '../../src/scenarios/crash/mistakes.ts';
import { oneOperation } from '../../src/scenarios/crash/one-operation.ts';
import { crashWorkload } from '../../src/scenarios/crash/registry.ts';
import {
  type CrashRun,
  type CrashWorkload,
  judgeImage,
  recordRun,
  visitOf,
} from '../../src/scenarios/crash/workload.ts';
import { fsyncAndRename, fsyncAndRenameCrash } from './crash-two-tasks.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { e2fsck, haveE2fsprogs, preen } from '../support/judges.ts';

const LAZY: CrashOptions = { mode: 'lazy' };

/** What is wrong with workloads, in lines: none, when they hold and were seen wholly. */
function wrong(workloads: readonly CrashWorkload[], options: CrashOptions): string[] {
  return workloads.flatMap((w) => {
    const { tally } = exploreCrashes(w, options);
    const lines = tally.failures.map((f) => `${w.id} (${w.title}): ${f.symptom} at ${f.id}`);
    return tally.complete ? lines : [...lines, `${w.id}: not complete`];
  });
}

const every = <T>(list: readonly T[], stride: number, from: number): T[] =>
  list.filter((_, i) => i % stride === from);
const byNumber = (n: number, make: (seed: number, number: number) => CrashWorkload) =>
  Array.from({ length: n }, (_, i) => make(1, i));

test('there are more workloads of one operation than B3 counts (328), each once', () => {
  const all = oneOperation();
  expect(all.length).toBe(469);
  expect(new Set(all.map((w) => JSON.stringify([w.setup, w.ops]))).size).toBe(all.length);
});

describe('whatever the moment of the crash, what was promised is there, and nothing foreign', () => {
  test('after what was a bug somewhere', () => {
    expect(wrong(knownWorkloads, LAZY)).toEqual([]);
  });

  test('after one operation', () => {
    expect(wrong(every(oneOperation(), 4, 1), LAZY)).toEqual([]);
  });

  test('after one operation, with a torn block, and with a crash in the middle of recovery', () => {
    const deep = { ...LAZY, torn: true, insideRecovery: 1 };
    expect(wrong(every(oneOperation(), 32, 3), deep)).toEqual([]);
  });

  test('with inline data, with indirect maps, with blocks of 4 KiB', () => {
    const some = every(oneOperation(), 48, 0);
    for (const shape of [SHAPES.inline, SHAPES['4k'], SHAPES.ext3]) {
      const allowed = some.filter((w) => shape !== SHAPES.ext3 || w.ops[0]!.op !== 'falloc');
      expect(
        wrong(
          allowed.map((w) => ({ ...w, shape })),
          LAZY,
        ),
        shape.name,
      ).toEqual([]);
    }
  });

  test('after two operations, by seed', () => {
    expect(wrong(byNumber(80, pairWorkload), LAZY)).toEqual([]);
  });

  test('after a dozen, by seed', () => {
    expect(wrong(byNumber(12, randomWorkload), LAZY)).toEqual([]);
  });
});

describe('a mistake in an order is caught', () => {
  for (const [name, mistake] of Object.entries(crashMistakes)) {
    for (const id of mistake.workloads) {
      test(`${name}, by ${id}`, () => {
        const { tally, asExpected } = exploreCrashes(crashWorkload(id)!, LAZY, mistake);
        expect(asExpected, tally.failures.map((f) => f.symptom).join('\n')).toBe(true);
      });
    }
  }
});

test('lazily and eagerly the same symptoms are seen', () => {
  for (const name of ['commit-not-durable', 'data-after-commit', 'tail-not-first']) {
    const mistake = crashMistakes[name]!;
    const workload = crashWorkload(mistake.workloads[0]!)!;
    const [lazy, eager] = (['lazy', 'eager'] as const).map((mode) =>
      exploreCrashes(workload, { mode }, mistake)
        .tally.failures.map((f) => f.symptom)
        .sort(),
    );
    expect(lazy!.length, name).toBeGreaterThan(0);
    expect(lazy, name).toEqual(eager);
  }
});

test('one crash state is judged again by its id, and alone', () => {
  const mistake = crashMistakes['data-after-commit']!;
  const workload = crashWorkload('create-write')!;
  const [first] = exploreCrashes(workload, LAZY, mistake).tally.failures;
  const { tally } = exploreCrashes(workload, { ...LAZY, only: first!.id }, mistake);
  expect(tally.recoveries).toBe(1);
  expect(tally.failures.map((f) => f.symptom)).toEqual([first!.symptom]);
});

function bytesOf(image: BlockDriver): Uint8Array {
  const data = new Uint8Array(image.size);
  image.start(new Bio('read', sector(0)).add(data));
  return data;
}

/** Ids of crash states, and how many persistence points had returned. */
function statesOf(run: CrashRun): (readonly [id: string, promised: number])[] {
  const states: (readonly [string, number])[] = [];
  forEachCrashState(run.recording, LAZY, (image, at) => {
    visitOf(run)(image, at);
    states.push([at.id, at.marks.length]);
  });
  return states;
}

test.runIf(haveE2fsprogs())('what e2fsck recovers is whole, and what was promised', () => {
  const file = join(scratchDir(), 'crashed.img');
  for (const id of ['create-write', 'rename-over', 'held-unlink', 'directory-block-reused']) {
    const workload = crashWorkload(id)!;
    const run = recordRun(workload);
    const states = every(statesOf(run), 5, 0);
    expect(states.length, id).toBeGreaterThan(3);
    for (const [only, promised] of states) {
      exploreCrashes(workload, { ...LAZY, only }, null, (image) => {
        writeFileSync(file, bytesOf(image));
      });
      expect(preen(file).status, `${id} ${only}`).toBeLessThan(2);
      expect(e2fsck(file).status, `${id} ${only}`).toBe(0);
      const data = readFileSync(file);
      const ram = new RamDevice(bytes(data.length));
      ram.poke(0, data);
      judgeImage(run, ram, promised);
    }
  }
});

test('two tasks at once: at every crash of every schedule tried, what each was promised', () => {
  const right = explore(fsyncAndRename, { limit: 150, crash: fsyncAndRenameCrash });
  // The search has no end within a minute: no more is claimed.
  expect([right.verdict, right.failure]).toEqual(['limit', null]);
  expect(right.crash!.complete).toBe(true);
  const variant = 'commit-not-durable';
  const wrong = explore(fsyncAndRename, { limit: 150, crash: fsyncAndRenameCrash, variant });
  expect(wrong.failure?.symptom).toMatch(fsyncAndRename.variants![variant]!.symptom);
});
