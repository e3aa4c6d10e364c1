/**
 * Goal: of real scenarios the verdict claims that every behaviour was seen, not that each was seen
 * once: a turn that may touch more than it did is taken for dependent on more than it was. Method:
 * every scenario of the registry and every mistake in it. Where plain enumeration comes to an end,
 * the behaviours are the same; and it is counted how many come again.
 */
import { beforeEach, expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { SoundSearch } from '../../src/explore/sound-search.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import { scenarios } from '../../src/scenarios/registry.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';
import { type Seen, see, TASKS, Thrifty } from './oracle.ts';

beforeEach(resetLockdep);

/** With a mistake there may be far more to see than without: not all of it is seen here. */
const EXECUTIONS = 1500;

const all = scenarios.flatMap((scenario) =>
  [null, ...Object.keys(scenario.variants ?? {})].map(
    (variant) => [scenario.id, variant, scenario] as const,
  ),
);

function seen(scenario: Scenario, variant: string | null, plainly: boolean): Seen | null {
  const faults = scenario.faults ?? 1;
  return withSystem(scenario, variant === null ? {} : { variant }, (system) => {
    const search = plainly ? new Thrifty(faults) : new SoundSearch(system, { faults });
    return see(system, search, EXECUTIONS, TASKS);
  });
}

test.each(all)('%s (%s): as many behaviours as there are', { timeout: 60_000 }, (...of) => {
  const [, variant, scenario] = of;
  const got = seen(scenario, variant, false);
  if (got === null) return; // It is not done yet.
  const truth = seen(scenario, variant, true);
  if (truth !== null) expect(got.traces).toEqual(truth.traces);
  // Most come once; a turn of reclaim looks at every folio, and which, depends.
  expect(got.twice).toBeLessThanOrEqual(got.traces.size * 3);
});

test('at least one of them has been enumerated plainly, and at least one comes again', () => {
  const mistaken = scenarios.find(({ id }) => id === 'reclaim-read')!;
  const variant = 'takes-what-is-dirty';
  expect(seen(mistaken, variant, true)?.traces.size).toBeGreaterThan(5);
  expect(seen(mistaken, variant, false)?.twice).toBeGreaterThan(0);
});

test('the verdict says what it claims', () => {
  const [canary, real] = ['canary-lost-update', 'rename-rename'].map((id) =>
    scenarios.find((s) => s.id === id)!,
  );
  expect(explore(real!).claim).toEqual({
    schedules: 'all',
    faults: 1,
    once: false,
    memory: 'sequentially consistent',
  });
  expect(explore(canary!).claim.schedules).toBe('some');
  expect(explore(canary!, { all: true }).claim.schedules).toBe('all');
});
