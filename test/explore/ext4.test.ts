/**
 * Goal: the ground floor's own code holds under every interleaving, and a known mistake is caught.
 * Method: scenarios on a real ext4 image, explored completely; variants that replace one function.
 */
import { beforeEach, expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import { ext4Scenarios } from '../../src/scenarios/registry.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';

beforeEach(() => {
  resetLockdep();
});

test.each(ext4Scenarios)('$id: $title', (scenario) => {
  const v = explore(scenario, { all: true, limit: 20_000 });
  expect([v.verdict, v.complete, v.targets.length]).toEqual(['holds', true, 0]);
});

const bad = ext4Scenarios.flatMap((s) =>
  Object.keys(s.variants ?? {}).map((v) => [s.id, v, s] as const),
);
test.each(bad)('%s with %s is caught', (_id, variant, scenario) => {
  const v = explore(scenario, { variant, limit: 20_000 });
  expect(v.verdict).toBe('violated');
  expect(v.failure?.symptom).toMatch(scenario.variants![variant]!.symptom);
});
