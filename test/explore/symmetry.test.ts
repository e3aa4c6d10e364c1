/**
 * Goal: of tasks that are the same, only one order of beginning is explored, and nothing is missed
 * but for who is who. Method: plain enumeration of all, with the tasks renamed in every way.
 */
import { describe, expect, test } from 'vitest';
import { Dpor } from '../../src/explore/dpor.ts';
import { exploreSystem } from '../../src/explore/explore.ts';
import { faults, inlineData } from '../../src/explore/models/thread002.ts';
import { type Program, ProgramSystem } from '../../src/explore/program.ts';
import { StateHash } from '../../src/explore/state-hash.ts';
import { bruteForce, renamed, see } from './oracle.ts';
import * as p from './programs.ts';

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function orders(of: readonly number[]): number[][] {
  if (of.length === 0) return [[]];
  return of.flatMap((x) => orders(of.filter((y) => y !== x)).map((rest) => [x, ...rest]));
}
/** Every way to give the tasks of each group each other's numbers. */
function renamings(tasks: number, groups: readonly (readonly number[])[]): number[][] {
  return groups.reduce<number[][]>(
    (all, group) =>
      all.flatMap((as) =>
        orders(group).map((order) => {
          const next = [...as];
          group.forEach((t, i) => (next[t] = order[i]!));
          return next;
        }),
      ),
    [numbers(tasks)],
  );
}

const alike = <S>(program: Program<S>, ...groups: number[][]): Program<S> => ({
  ...program,
  alike: groups,
});
const twoEach = inlineData(faults.convert, { faults: 2, writes: 2, others: 1 });

describe.each([
  ['lost update', alike(p.lostUpdate(3), [0, 1, 2]) as Program, 3, 36, 15],
  ['locked update', alike(p.lockedUpdate(4), [0, 1, 2, 3]) as Program, 4, 24, 1],
  ['readers', alike(p.readers(4), [1, 2, 3, 4]), 5, 16, 5],
  ['writers in line', alike(p.rwsem(2, 2, true), [0, 1], [2, 3]), 4, 132, 50],
  ['choices', alike(p.chooseAndWrite(3, 2), [0, 1, 2]), 3, 48, 8],
  ['philosophers of one table', alike(p.abba, [0, 2]), 3, 10, 5],
])('%s', (_name, program, tasks, all, fewer) => {
  test(`${all} behaviours, and ${fewer} of them are all but for who is who`, () => {
    const truth = bruteForce(program, 200_000)!;
    expect(truth.size).toBe(all);
    const seen = see(new ProgramSystem(program, { symmetry: true }), new Dpor(), 10_000)!;
    expect([seen.executions, seen.twice]).toEqual([fewer, 0]);
    const found = new Set(
      [...seen.traces.keys()].flatMap((name) =>
        renamings(tasks, program.alike!).map((as) => renamed(name, as)),
      ),
    );
    expect([...truth.keys()].filter((name) => !found.has(name))).toEqual([]);
  });
});

test('with two tasks of a kind each a quarter and a little more, and what is wrong is found', () => {
  const program = alike(twoEach, [0, 1], [2, 3]) as Program;
  const decide = (symmetry: boolean) =>
    exploreSystem(new ProgramSystem(program, { symmetry }), { all: true });
  expect(decide(false)).toMatchObject({ executions: 300, failures: { violation: 92 } });
  const { verdict, executions, complete, claim } = decide(true);
  expect({ verdict, complete, symmetry: claim.symmetry }).toEqual({
    verdict: 'violated',
    complete: true,
    symmetry: true,
  });
  expect(executions).toBeLessThan(150);
});

test('states have other names while somebody is not yet there', () => {
  const program = alike(p.lostUpdate(3), [0, 1, 2]) as Program;
  const states = (symmetry: boolean): number => {
    const search = new StateHash();
    see(new ProgramSystem(program, { symmetry }), search, 100_000);
    return search.states;
  };
  expect(states(true)).toBeLessThan(states(false));
});
