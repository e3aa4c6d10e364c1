/** Goal: a system that is not deterministic is found out. Method: one that is, one that is not. */
import { expect, test } from 'vitest';
import { findDifference } from '../../src/explore/determinism.ts';
import { ProgramSystem, read, type Steps, write } from '../../src/explore/program.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import { ext4Scenarios } from '../../src/scenarios/registry.ts';
import { philosophers } from './programs.ts';

test('a program that is the same each time has no difference', () => {
  expect(findDifference(new ProgramSystem(philosophers(4)), 50)).toBeNull();
});

test('a counter that outlives the execution is found, with the step', () => {
  let runs = 0;
  const hidden = new ProgramSystem({
    init: () => null,
    tasks: () => [
      (function* (): Steps {
        yield read(1);
        yield runs++ % 2 === 0 ? read(2) : write(2);
      })(),
    ],
  });
  expect(findDifference(hidden, 5)?.step).toBe(1);
});

test.each(ext4Scenarios)('$id is the same each time', (scenario) => {
  expect(withSystem(scenario, {}, (system) => findDifference(system, 20))).toBeNull();
});
