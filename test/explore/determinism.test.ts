/**
 * Goal: code that does not do the same when it is moved the same way is told apart. Method:
 * programs and a scenario with hidden state of each kind, and those without; every real scenario.
 */
import { describe, expect, test } from 'vitest';
import { findDifference, findRepeatedDifference } from '../../src/explore/determinism.ts';
import { Dfs } from '../../src/explore/dfs.ts';
import { type Program, ProgramSystem, read, type Steps, write } from '../../src/explore/program.ts';
import { SoundSearch } from '../../src/explore/sound-search.ts';
import { TaskSystem } from '../../src/explore/task-system.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import { scenarios } from '../../src/scenarios/registry.ts';
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

/** A new one in the registry is looked at by itself, with each of its mistakes. */
describe.each(
  scenarios.flatMap((scenario) =>
    [undefined, ...Object.keys(scenario.variants ?? {})].map((variant) => ({
      id: scenario.id,
      variant: variant ?? 'as it is',
      scenario,
      options: variant === undefined ? {} : { variant },
    })),
  ),
)('$id, $variant', ({ scenario, options }) => {
  test('random schedules, each run twice', { timeout: 30_000 }, () => {
    expect(withSystem(scenario, options, (system) => findDifference(system, 20))).toBeNull();
  });

  test.each(['optimal', 'source'] as const)(
    'each beginning that the search repeats: %s',
    { timeout: 30_000 },
    (mode) => {
      const difference = withSystem(scenario, options, (system) => {
        const search = new SoundSearch(system, { mode, faults: scenario.faults ?? 1 });
        return findRepeatedDifference(system, search, 60);
      });
      expect(difference).toBeNull();
    },
  );
});

test('what a search repeats is compared: what is done besides, and who could move', () => {
  const hidden = (touch: boolean): Program => {
    let runs = 0;
    return {
      touches: true,
      init: () => runs++,
      tasks: (_s, hands) => [
        (function* (): Steps {
          yield read(0);
          if (touch && runs === 2) hands.touch(read(5));
          yield write(touch || runs < 2 ? 1 : 2);
        })(),
        (function* (): Steps {
          yield write(1);
        })(),
        (function* (): Steps {
          yield write(2);
        })(),
      ],
    };
  };
  const difference = (touch: boolean) => {
    const system = new ProgramSystem(hidden(touch));
    return findRepeatedDifference(system, new Dfs(), 3);
  };
  expect(difference(true)).toMatchObject({
    step: 0,
    was: 'T0 read(#0)',
    is: 'T0 read(#0) read(#5)',
  });
  expect(difference(false)).toMatchObject({
    step: 1,
    was: 'T0 write(#1),T1 write(#1),T2 write(#2)',
    is: 'T0 write(#2),T1 write(#1),T2 write(#2)',
  });
});
