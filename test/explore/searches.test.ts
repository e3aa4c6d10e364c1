/**
 * Goal: each search sees what it says it sees. Method: programs whose numbers of schedules and of
 * states are known; mistakes that need a known number of switches.
 */
import { describe, expect, test } from 'vitest';
import { Bounded } from '../../src/explore/bounded.ts';
import { Dfs } from '../../src/explore/dfs.ts';
import { Dpor } from '../../src/explore/dpor.ts';
import { faults, inlineData } from '../../src/explore/models/thread002.ts';
import { Pct } from '../../src/explore/pct.ts';
import { Portfolio, soak } from '../../src/explore/portfolio.ts';
import { type Program, ProgramSystem, read, type Steps, write } from '../../src/explore/program.ts';
import { RandomWalk } from '../../src/explore/random-walk.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { Search } from '../../src/explore/search.ts';
import type { System } from '../../src/explore/system.ts';
import * as p from './programs.ts';

interface Seen {
  executions: number;
  /** Executions that were given up. */
  abandoned: number;
  failures: number;
  /** Number of the first execution that failed, from 1. */
  first: number | null;
}
function see(system: System, search: Search, limit = 1_000_000, stop = false): Seen {
  const seen: Seen = { executions: 0, abandoned: 0, failures: 0, first: null };
  do {
    const end = runOnce(system, search, 1000);
    seen.executions++;
    if (end.abandoned) seen.abandoned++;
    if (end.failure === null) continue;
    seen.failures++;
    seen.first ??= seen.executions;
    if (stop) break;
  } while (search.ended(system) && seen.executions < limit);
  return seen;
}
const of = <S>(program: Program<S>): System => new ProgramSystem(program);
const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
/** Tasks with so many steps each, nobody ever waiting. */
const schedules = (...steps: number[]): number =>
  factorial(steps.reduce((a, b) => a + b)) / steps.map(factorial).reduce((a, b) => a * b);

/** A walk over the numbers 0..k; `repeated` adds a choice at each step. */
const choosing = (below: number): Program<{ x: number }> => ({
  init: () => ({ x: 0 }),
  tasks: (s, hands) =>
    [1, 2].map(function* (): Steps {
      yield write(0);
      s.x += hands.pick(below, 'how much');
    }),
});

describe('plain depth-first search runs every schedule once', () => {
  test.each([
    ['lost update, 2 tasks', p.lostUpdate(2), schedules(2, 2)],
    ['lost update, 3 tasks', p.lostUpdate(3), schedules(2, 2, 2)],
    ['last write, 6 tasks', p.lastwrite(6), factorial(6)],
    ['3 readers and a writer', p.readers(3), factorial(4)],
    ['tasks under one lock run one after the other', p.lockedUpdate(4), factorial(4)],
    ['two tasks with three outcomes each', choosing(3), 2 * 3 * 3],
  ] as const)('%s', (_name, program, count) => {
    const search = new Dfs();
    expect(see(of(program as Program), search)).toMatchObject({ executions: count, abandoned: 0 });
    expect(search.exhaustive).toBe(true);
  });
});

test('source sets need 79 executions for lastzero(5): 64 behaviours, 15 given up', () => {
  const got = see(of(p.lastzero(5)), new Dpor({ mode: 'source' }));
  expect(got).toMatchObject({ executions: 79, abandoned: 15 });
});

describe('few pre-emptions first', () => {
  const bug = of(inlineData(faults.convert));

  test('the mistake of thread 002 needs two', () => {
    for (const most of [0, 1]) {
      expect(see(bug, new Bounded({ most })).failures).toBe(0);
    }
    const search = new Bounded();
    expect(see(bug, search, 1e6, true).failures).toBe(1);
    expect(search.bound).toBe(2);
  });

  test('without pre-emption n tasks under no lock run in n! orders', () => {
    const search = new Bounded({ most: 0 });
    expect(see(of(p.lostUpdate(4)), search).executions).toBe(factorial(4));
    expect(search.exhaustive).toBe(false);
  });

  test('with one pre-emption of two tasks of n steps, each can stop at n - 1 places', () => {
    // 2 schedules without, and for each place one in which the other runs to its end in between.
    const search = new Bounded({ most: 1 });
    const n = 6;
    expect(see(of(p.lostUpdate(2, n / 2)), search).executions).toBe(2 + (2 + 2 * (n - 1)));
  });

  test('it ends by itself when no bound would show more', () => {
    const search = new Bounded();
    const got = see(of(p.lostUpdate(2)), search);
    expect(search.exhaustive).toBe(true);
    // The last bound shows all six schedules.
    expect(got.executions).toBe(2 + 4 + 6);
  });
});

describe('random schedules', () => {
  const bug = of(inlineData(faults.convert));

  test('the same seed gives the same executions, and a failure comes back by its number', () => {
    for (const Of of [RandomWalk, Pct]) {
      const [one, two] = [1, 2].map(() => see(bug, new Of({ seed: 5, executions: 500 })));
      expect(one).toEqual(two);
      expect(one!.executions).toBe(500);
      expect(one!.failures).toBeGreaterThan(0);
    }
    const search = new RandomWalk({ seed: 5 });
    see(bug, search, 1e6, true);
    expect(see(bug, new RandomWalk({ seed: search.seed, executions: 1 })).failures).toBe(1);
  });

  test('random walk hits the mistake of thread 002 in about one of twenty executions', () => {
    const { failures } = see(bug, new RandomWalk({ seed: 1, executions: 20_000 }));
    expect(failures / 20_000).toBeGreaterThan(0.03);
    expect(failures / 20_000).toBeLessThan(0.06);
  });

  test('priorities of depth 2 never hit it, of depth 3 they do', () => {
    const rate = (depth: number): number =>
      see(bug, new Pct({ seed: 1, executions: 20_000, depth })).failures / 20_000;
    expect(rate(2)).toBe(0);
    expect(rate(3)).toBeGreaterThan(0.002);
  });

  test('every outcome of a choice comes, the ordinary one most often', () => {
    const fell = [0, 0, 0];
    const system = of({
      init: () => null,
      tasks: (_s, hands) => [
        (function* (): Steps {
          yield read(0);
          fell[hands.pick(3, 'any')]!++;
        })(),
      ],
    });
    see(system, new RandomWalk({ seed: 2, executions: 1000 }));
    expect(fell[0]).toBeGreaterThan(600);
    expect(Math.min(fell[1]!, fell[2]!)).toBeGreaterThan(60);
  });

  test('a portfolio takes its searches by turns, as many executions as are wanted', () => {
    for (const executions of [1, 2, 3, 100]) {
      expect(see(bug, soak(3, executions)).executions).toBe(executions);
    }
    const found = see(bug, soak(3, 2000));
    expect(found.failures).toBeGreaterThan(0);
    const turns = new Portfolio([new RandomWalk({ seed: 1 }), new Pct({ seed: 1 })]);
    const kinds = [0, 1, 2, 3].map(() => {
      const { current } = turns;
      runOnce(bug, turns, 100);
      turns.ended(bug);
      return current.constructor.name;
    });
    expect(kinds).toEqual(['RandomWalk', 'Pct', 'RandomWalk', 'Pct']);
  });

  test('a portfolio ends when one of its searches has seen everything', () => {
    const both = new Portfolio([new RandomWalk({ seed: 1 }), new Dfs()]);
    see(of(p.lostUpdate(2)), both);
    expect(both.exhaustive).toBe(true);
  });
});
