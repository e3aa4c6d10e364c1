/**
 * Goal: what was found once is found at once. Method: every kept failure of the explorer is run
 * again, along its schedule alone; one that no longer applies fails, and is to be mended or dropped
 * on purpose. The project `seeds` runs before all others.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import { parseSeed } from '../../src/explore/seed.ts';
import { replay } from '../../src/explore/show.ts';
import { expectedSymptom } from '../../src/explore/with-system.ts';
import { scenarioNamed, scenarios } from '../../src/scenarios/registry.ts';

const folder = new URL('explore/', import.meta.url).pathname;
const kept = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.txt'))
  .sort();

test('there are kept failures, each in the folder of its scenario, named DATE-SLUG.txt', () => {
  expect(kept.length).toBeGreaterThan(0);
  for (const file of kept) expect(file).toMatch(/^[\w-]+\/\d{4}-\d\d-\d\d-[a-z0-9-]+\.txt$/);
});

test.each(kept)('%s fails as it did', (file) => {
  const seed = parseSeed(readFileSync(join(folder, file), 'utf8'));
  expect(file.split('/')[0]).toBe(seed.scenario);
  const scenario = scenarioNamed(seed.scenario)!;
  expect(scenario, `the scenario ${seed.scenario} is there`).toBeDefined();
  const variant = seed.variant === null ? {} : { variant: seed.variant };
  const { failure, strayed } = replay(scenario, seed.schedule, variant);
  expect({ strayed, symptom: failure?.symptom }).toEqual({ strayed: null, symptom: seed.symptom });
});

const canaries = scenarios.filter((scenario) => scenario.mustFail !== undefined);

test('there is a canary', () => {
  expect(canaries.map(({ id }) => id)).toContain('canary-lost-update');
});

test.each(canaries)('the canary $id fails', (scenario) => {
  const { verdict, failure } = explore(scenario);
  expect(verdict).toBe('violated');
  expect(failure?.symptom).toMatch(expectedSymptom(scenario, null)!);
});

test('what is no seed is refused, with the line or the key', () => {
  const good = 'why: w\nscenario: s\nschedule: 1-0\nsymptom: y: z\n';
  expect(parseSeed(good)).toMatchObject({ variant: null, symptom: 'y: z' });
  const bad = (text: string): unknown => {
    try {
      return parseSeed(text);
    } catch (e) {
      return (e as { code: string; facts: object }).facts;
    }
  };
  expect(bad(good.replace('why: w\n', ''))).toEqual({ key: 'why' });
  expect(bad(`${good}colour: red\n`)).toEqual({ line: 'colour: red' });
  expect(bad(`${good}why: again\n`)).toEqual({ line: 'why: again' });
  expect(bad(good.replace('1-0', '1-x'))).toEqual({ word: 'x' });
});
