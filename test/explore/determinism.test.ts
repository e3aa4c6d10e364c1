/**
 * Goal: code that does not do the same when it is moved the same way is told apart. Method: programs
 * and a scenario with hidden state of each kind, and those without.
 */
import { describe, expect, test } from 'vitest';
import { findDifference } from '../../src/explore/determinism.ts';
import { type Program, ProgramSystem, read, type Steps, write } from '../../src/explore/program.ts';
import { TaskSystem } from '../../src/explore/task-system.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import { ext4Scenarios } from '../../src/scenarios/registry.ts';
import { Cell } from '../../src/sched/cell.ts';
import type { Op } from '../../src/sched/op.ts';
import * as p from './programs.ts';

const find = <S>(program: Program<S>, runs = 20) =>
  findDifference(new ProgramSystem(program), runs);

test.each([
  ['lost update', p.lostUpdate(3)],
  ['lock order', p.abba],
  ['filesystem', p.filesystem(4)],
  ['readers and writers in line', p.rwsem(2, 2, true)],
] as const)('%s does the same every time', (_name, program) => {
  expect(find(program as Program)).toBeNull();
});

describe('what outlives an execution is found', () => {
  test('a counter that says which object is used', () => {
    let made = 0;
    const difference = find({
      init: () => null,
      tasks: () => [
        (function* (): Steps {
          yield read(0);
          yield write(1 + (made++ % 2));
        })(),
      ],
    });
    expect(difference).toMatchObject({
      step: 1,
      was: 'can move: T0 write(#1)',
      is: 'can move: T0 write(#2)',
    });
  });

  test('a counter that says how many choices there are', () => {
    let runs = 0;
    const difference = find({
      init: () => null,
      tasks: (_s, hands) => [
        (function* (): Steps {
          yield read(0);
          if (runs++ % 2 === 1) hands.pick(2, 'once more');
        })(),
      ],
    });
    expect(difference?.step).toBe(0);
    expect(difference?.is).toContain('once more: 0 of 2');
  });

  test('a counter that says how many steps there are, and one that decides the verdict', () => {
    let runs = 0;
    const longer = find({
      init: () => null,
      tasks: () => [
        (function* (): Steps {
          for (let n = runs++ % 2; n >= 0; n--) yield read(0);
        })(),
      ],
    });
    expect(longer).toMatchObject({ step: 1, was: 'fine' });
    let verdicts = 0;
    const other = find({ ...p.lostUpdate(1), check: () => verdicts++ % 2 === 0 });
    expect(other).toMatchObject({ was: 'fine', is: 'violation: the final check fails' });
  });

  test('what is rare, if enough schedules are run', () => {
    let left = 7;
    const program: Program = {
      init: () => null,
      tasks: () => [
        (function* (): Steps {
          yield read(0);
          if (left-- === 0) yield read(1);
        })(),
      ],
    };
    expect(find(program, 3)).toBeNull();
    expect(find(program, 3)?.schedule).toHaveLength(1);
  });
});

test('tasks of the scheduler are compared likewise', () => {
  let runs = 0;
  const scenario = (hidden: boolean) => ({
    id: 'x',
    title: 'x',
    setup: () => ({ x: new Cell('x', 0) }),
    tasks: Object.fromEntries(
      ['a', 'b'].map((name) => [
        name,
        function* ({ x }: { x: Cell<number> }): Op<void> {
          if (name === 'a') runs++;
          if (hidden && runs % 2 === 1) yield* x.write(0);
          yield* x.write((yield* x.read()) + 1);
        },
      ]),
    ),
  });
  for (const hidden of [false, true]) {
    const system = new TaskSystem(scenario(hidden));
    const difference = findDifference(system, 30);
    system.stop();
    expect(difference === null).toBe(!hidden);
  }
});

test.each(ext4Scenarios)('$id does the same every time', (scenario) => {
  expect(withSystem(scenario, {}, (system) => findDifference(system, 20))).toBeNull();
});
