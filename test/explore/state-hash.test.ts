/**
 * Goal: every state is seen, and each is gone into once. Method: numbers of states that can be
 * counted by hand, and the endings that plain enumeration finds.
 */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Dfs } from '../../src/explore/dfs.ts';
import {
  lock,
  type Program,
  ProgramSystem,
  read,
  type Steps,
  trylock,
  unlock,
  write,
} from '../../src/explore/program.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { Search } from '../../src/explore/search.ts';
import { StateHash } from '../../src/explore/state-hash.ts';
import { nameOfValue } from '../../src/explore/state-name.ts';
import * as p from './programs.ts';
import { print, programOf, randomScript } from './random-programs.ts';

/** How executions end: the state of all, and what is wrong. */
function endings<S>(program: Program<S>, search: Search, limit = 1e6): Set<string> {
  const system = new ProgramSystem(program);
  const found = new Set<string>();
  let n = 0;
  do {
    const end = runOnce(system, search, 500);
    if (end.abandoned) continue;
    found.add(`${nameOfValue(system.state)} ${system.live} ${end.failure?.symptom ?? ''}`);
  } while (search.ended(system) && ++n < limit);
  return found;
}

const counter = (n: number, times: number): Program<{ x: number }> => ({
  ...p.lostUpdate(n, times),
  sees: (s) => s.x,
});

test('n steps of two tasks that share nothing make a grid of states', () => {
  const idle = function* (n: number, o: number): Steps {
    for (let i = 0; i < n; i++) yield write(o);
  };
  const search = new StateHash();
  endings({ init: () => null, sees: () => 0, tasks: () => [idle(4, 1), idle(6, 2)] }, search);
  expect(search.states).toBe(5 * 7);
  expect(search.exhaustive).toBe(true);
});

test.each([
  [2, 2],
  [2, 3],
  [3, 1],
])('lost update: %d tasks, %d times, ends as in all schedules', (n, times) => {
  const search = new StateHash();
  const plain = { ...p.lostUpdate(n, times) };
  expect(endings(counter(n, times), search)).toEqual(endings(plain, new Dfs()));
  expect(search.exhaustive).toBe(true);
});

test('lost update, 3 tasks 2 times: far fewer states than the 7134 behaviours', () => {
  const search = new StateHash();
  endings(counter(3, 2), search);
  expect(search.states).toBeLessThan(7134);
  expect(search.exhaustive).toBe(true);
});

/** Two tasks that try for a lock again and again: there is no end of schedules. */
const spin = (says: boolean): Program<{ x: number }> => ({
  locks: 1,
  init: () => ({ x: 0 }),
  sees: (s) => s.x,
  check: (s) => s.x === 2,
  tasks: (s, hands) =>
    [0, 1].map(function* (): Steps {
      do {
        if (says) hands.remembers('about to try');
      } while (!(yield trylock(0)));
      yield read(1);
      const v = s.x;
      yield write(1);
      s.x = v + 1;
      yield unlock(0);
    }),
});

describe('a loop that tries again', () => {
  test('has few states, if the task says what it remembers', () => {
    const search = new StateHash();
    expect(endings(spin(true), search)).toEqual(new Set(['["x":2] 0 ']));
    expect(search.exhaustive).toBe(true);
    expect(search.states).toBeLessThan(40);
  });

  test('has no end of states otherwise, and the bound on states ends it, not done', () => {
    const search = new StateHash({ states: 500 });
    endings(spin(false), search);
    expect(search.exhaustive).toBe(false);
    expect(search.states).toBe(500);
  });

  test('that waits for a value turns round in one state', () => {
    const wait: Program<{ ready: boolean }> = {
      init: () => ({ ready: false }),
      sees: (s) => s.ready,
      tasks: (s, hands) => [
        (function* (): Steps {
          for (let done = false; !done;) {
            hands.remembers('about to look');
            yield read(0);
            done = s.ready;
          }
        })(),
        (function* (): Steps {
          yield write(0);
          s.ready = true;
        })(),
      ],
    };
    const search = new StateHash();
    endings(wait, search);
    // Not ready; ready; ready and seen. Looking in vain leads back to the first.
    expect(search.states).toBe(3);
    expect(search.exhaustive).toBe(true);
  });
});

test('a state without a name is refused, not overlooked', () => {
  const program: Program = { init: () => new Map(), tasks: () => [both()] };
  function* both(): Steps {
    yield lock(0);
    yield unlock(0);
  }
  const system = new ProgramSystem({ ...program, locks: 1 });
  expect(() => runOnce(system, new StateHash(), 10)).toThrow(/EOPNOTSUPP.*no names/);
});

test.each([
  [
    { a: 1, b: [1, 2] },
    { a: 1, b: [1, 3] },
  ],
  [new Int32Array([1, 2]), new Int16Array([1, 2])],
  [
    [1, [2]],
    [[1], 2],
  ],
  ['1', 1],
  [0, -0],
  [null, undefined],
  [{ a: undefined }, {}],
])('values that differ have different names: %j', (a, b) => {
  expect(nameOfValue(a)).not.toBe(nameOfValue(b));
});

test('random programs end in the same ways, whether states or schedules are tried', () => {
  const kinds = { several: true, dependent: true, choices: true, spawns: true };
  let compared = 0;
  for (let seed = 0; compared < 300; seed++) {
    const script = randomScript(new Prng(seed + 4e9), kinds);
    const dfs = new Dfs();
    const all = endings(programOf(script), dfs, 500);
    if (!dfs.exhaustive) continue;
    compared++;
    const search = new StateHash();
    expect(endings(programOf(script), search), print(script)).toEqual(all);
    expect(search.exhaustive).toBe(true);
  }
});
