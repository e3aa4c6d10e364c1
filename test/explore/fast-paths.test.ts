/**
 * Goal: each fast path is explored as it is, and as if it had nothing to say. Method: scenarios
 * where the explorer may refuse them, by choice and all of them; marks tell what was reached.
 */
import { beforeEach, expect, test } from 'vitest';
import { marks } from '../../src/base/trace.ts';
import { explore } from '../../src/explore/explore.ts';
import { lookUp } from '../../src/scenarios/look-up.ts';
import { reclaimRead } from '../../src/scenarios/reclaim-read.ts';
import { ext4Scenarios } from '../../src/scenarios/registry.ts';
import { writeBadAddress } from '../../src/scenarios/write-evicted.ts';
import { writeWrite } from '../../src/scenarios/write-write.ts';
import { type FastPath, fastPaths } from '../../src/sched/mishap.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';

beforeEach(() => {
  resetLockdep();
  marks.clear();
});

test('each is explored in both forms', () => {
  const choosing = { mishaps: ['fast path short'] } as const;
  const others = [writeWrite, writeBadAddress, reclaimRead].map((s) => ({ ...s, ...choosing }));
  for (const scenario of [lookUp, ...others]) {
    expect(explore(scenario, { limit: 20_000 }).verdict).toBe('holds');
  }
  const missing = (form: 'fast' | 'short'): FastPath[] =>
    fastPaths.filter((path) => !marks.has(`${form}: ${path}`));
  expect([missing('fast'), missing('short')]).toEqual([[], []]);
});

test.each(ext4Scenarios)('$id holds where all of them fall short', (scenario) => {
  const v = explore({ ...scenario, mishaps: [], fastPathsShort: true }, { limit: 20_000 });
  expect(v.verdict, v.failure?.symptom ?? '').toBe('holds');
  const short = fastPaths.filter((path) => marks.has(`short: ${path}`));
  expect(short.length).toBeGreaterThan(0);
});

test('nothing falls short where that is not offered', () => {
  expect(explore(writeWrite).verdict).toBe('holds');
  expect([...marks.keys()].filter((name) => name.startsWith('short: '))).toEqual([]);
});
