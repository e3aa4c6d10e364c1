/**
 * Goal: what lockdep reports and the search did not come to is looked for by itself. Method: tasks
 * that do so much else that chance and an early end of the search miss the deadlock.
 */
import { beforeEach, expect, test } from 'vitest';
import { searchDirected } from '../../src/explore/directed.ts';
import { explore } from '../../src/explore/explore.ts';
import { RandomWalk } from '../../src/explore/random-walk.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { replay } from '../../src/explore/show.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import { Cell } from '../../src/sched/cell.ts';
import { lockClass } from '../../src/sched/lock-class.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';

const CLASSES = [0, 1, 2].map((n) => lockClass(`directed.${n}`));
const G = lockClass('directed.gate');

interface Locks {
  readonly locks: readonly Mutex[];
  readonly gate: Mutex;
  readonly x: Cell<number>;
}

function* work(x: Cell<number>, steps: number): Op<void> {
  for (let i = 0; i < steps; i++) yield* x.write((yield* x.read()) + 1);
}
/** Much work, then two locks that are held for one step. */
const pair = (a: number, b: number, gated: boolean) =>
  function* ({ locks, gate, x }: Locks): Op<void> {
    yield* work(x, 3 + 14 * a);
    if (gated) yield* gate.lock();
    {
      using _a = yield* locks[a]!.acquire();
      using _b = yield* locks[b]!.acquire();
    }
    if (gated) gate.unlock();
    yield* work(x, 30 - 14 * a);
  };
const scenarioOf = (gated: boolean): Scenario<Locks> => ({
  id: 'directed',
  title: 'three tasks take three locks in a circle',
  setup: () => ({
    locks: CLASSES.map((cls) => new Mutex(cls)),
    gate: new Mutex(G),
    x: new Cell('x', 0),
  }),
  tasks: { a: pair(0, 1, gated), b: pair(1, 2, gated), c: pair(2, 0, gated) },
});

beforeEach(() => {
  resetLockdep();
  lockdep.declaredOnly = false;
});
const options = { dataRaces: false } as const;

test('a report that an early end leaves open is confirmed, with its schedule', () => {
  const scenario = scenarioOf(false);
  const blind = explore(scenario, { ...options, limit: 20, directed: 0 });
  expect([blind.verdict, blind.targets.map((t) => t.outcome)]).toEqual(['limit', ['not reached']]);
  const v = explore(scenario, { ...options, limit: 20 });
  expect([v.verdict, v.failure?.kind, v.executions]).toEqual(['violated', 'deadlock', 20]);
  expect(v.targets.map((t) => t.outcome)).toEqual(['confirmed']);
  expect(replay(scenario, v.targets[0]!.schedule).failure?.kind).toBe('deadlock');
  expect(replay(scenario, v.schedule!).failure?.symptom).toBe('a and b and c wait for ever');
});

test('it is found in a few executions, where chance needs hundreds', () => {
  const many = 200;
  const [byChance, guided] = withSystem(scenarioOf(false), options, (system) => {
    let [chance, directed] = [0, 0];
    const walk = new RandomWalk({ seed: 1 });
    for (let i = 0; i < many; i++) {
      if (runOnce(system, walk, 10_000).failure !== null) chance++;
      walk.ended(system);
    }
    const classes = CLASSES.map((cls) => cls.name);
    searchDirected(system, classes, { executions: many, maxSteps: 10_000, faults: 0 }, (f) => {
      if (f !== null) directed++;
      return true;
    });
    return [chance, directed];
  });
  expect(guided).toBeGreaterThan(many / 4);
  expect(byChance * 10).toBeLessThan(guided);
});

test('a lock around all of it: the report stays what it was, not reached', () => {
  const v = explore(scenarioOf(true), { ...options, limit: 20 });
  expect([v.verdict, v.targets.map((t) => t.outcome)]).toEqual(['limit', ['not reached']]);
});
