/**
 * Goal: what is found in any scenario can be shown, here and elsewhere. Method: every known mistake
 * and every canary of the registry; its schedule, shrunk, is followed in a new system, where device
 * and other tasks get their numbers in another order than in the search.
 */
import { beforeEach, expect, test } from 'vitest';
import { diagram } from '../../src/explore/diagram.ts';
import { explore } from '../../src/explore/explore.ts';
import { parseSchedule, scheduleText } from '../../src/explore/schedule.ts';
import { replay, show } from '../../src/explore/show.ts';
import { expectedSymptom } from '../../src/explore/with-system.ts';
import { scenarios } from '../../src/scenarios/registry.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';

beforeEach(resetLockdep);

const mistakes = scenarios.flatMap((scenario) => {
  const names: (string | null)[] = Object.keys(scenario.variants ?? {});
  if (scenario.mustFail !== undefined) names.push(null);
  return names.map((variant) => [scenario.id, variant, scenario] as const);
});

test.each(mistakes)('%s (%s): found, shrunk, followed in a new system', (_id, name, scenario) => {
  const variant = name === null ? {} : { variant: name };
  const found = explore(scenario, { ...variant, limit: 20_000 });
  expect(found.failure?.symptom).toMatch(expectedSymptom(scenario, name)!);
  const before = replay(scenario, found.schedule!, variant);
  expect([before.strayed, before.failure?.symptom]).toEqual([null, found.failure?.symptom]);

  const { shrunk, recording } = show(scenario, found.schedule!, found.failure!, variant);
  expect([recording.strayed, recording.failure?.symptom]).toEqual([null, found.failure?.symptom]);
  const again = replay(scenario, parseSchedule(scheduleText(recording.schedule)), variant);
  expect(again.failure?.symptom).toBe(found.failure?.symptom);
  expect(diagram(again)).toBe(diagram(recording));
  expect(shrunk.preemptions).toBeLessThanOrEqual(1);
  for (const line of diagram(recording).split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});
