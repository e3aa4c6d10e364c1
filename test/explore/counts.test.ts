/**
 * Goal: the engine sees every behaviour once. Method: programs whose numbers of Mazurkiewicz traces
 * are known; equality, and no redundant execution in optimal mode.
 */
import { expect, test } from 'vitest';
import { Dpor, type DporMode } from '../../src/explore/dpor.ts';
import { type Program, ProgramSystem } from '../../src/explore/program.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { System } from '../../src/explore/system.ts';
import * as p from './programs.ts';

const of = <S>(program: Program<S>): System => new ProgramSystem(program);

interface Counts {
  traces: number;
  deadlocks: number;
  violations: number;
  blocked: number;
}
function count(system: System, mode: DporMode): Counts {
  const search = new Dpor({ mode });
  const out = { traces: 0, deadlocks: 0, violations: 0, blocked: 0 };
  do {
    const end = runOnce(system, search, 10_000);
    if (end.abandoned) continue;
    out.traces++;
    if (end.failure?.kind === 'deadlock') out.deadlocks++;
    if (end.failure?.kind === 'violation') out.violations++;
  } while (search.ended(system));
  out.blocked = search.blocked;
  expect(search.infeasible).toBe(0);
  return out;
}

const table: [string, System, number, number?][] = [
  ...(
    [
      [14, 2],
      [16, 8],
      [18, 32],
      [19, 64],
      [20, 128],
      [26, 8192],
    ] as const
  ).map(([n, traces]): [string, System, number] => [
    `filesystem(${n})`,
    of(p.filesystem(n)),
    traces,
  ]),
  ...(
    [
      [12, 8],
      [13, 64],
      [14, 512],
      [15, 4096],
    ] as const
  ).map(([n, traces]): [string, System, number] => [`indexer(${n})`, of(p.indexer(n)), traces]),
  ['readers(2)', of(p.readers(2)), 4],
  ['readers(8)', of(p.readers(8)), 256],
  ['readers(13)', of(p.readers(13)), 8192],
  ['lastzero(4)', of(p.lastzero(4)), 28],
  ['lastzero(5)', of(p.lastzero(5)), 64],
  ['lastzero(10)', of(p.lastzero(10)), 3328],
  ['lastzero(15)', of(p.lastzero(15)), 147_456],
  ['lastwrite(4)', of(p.lastwrite(4)), 24],
  ['lastwrite(6)', of(p.lastwrite(6)), 720],
  ['lastwrite(8)', of(p.lastwrite(8)), 40_320],
  ['floating_read(4)', of(p.floatingRead(4)), 120],
  ['floating_read(6)', of(p.floatingRead(6)), 5040],
  ['lost-update(2)', of(p.lostUpdate(2)), 4],
  ['lost-update(3)', of(p.lostUpdate(3)), 36],
  ['lost-update(4)', of(p.lostUpdate(4)), 576],
  ['lost-update(5)', of(p.lostUpdate(5)), 14_400],
  ['lost-update(6)', of(p.lostUpdate(6)), 518_400],
  ['lost-update(3 tasks x 2)', of(p.lostUpdate(3, 2)), 7134],
  ['lost-update(2x4)', of(p.lostUpdate(2, 4)), 3334],
  ['lost-update(2x6)', of(p.lostUpdate(2, 6)), 372_436],
  ['lost-update(3x3)', of(p.lostUpdate(3, 3)), 1_824_912],
  ['locked update(3)', of(p.lockedUpdate(3)), 6],
  ['locked update(6)', of(p.lockedUpdate(6)), 720],
  ['locked update(3x2)', of(p.lockedUpdate(3, 2)), 90],
  ['ABBA', of(p.abba), 10, 4],
  ['ABBA, ordered', of(p.abbaOrdered), 6, 0],
  ...[3, 4, 6, 8].map((n): [string, System, number, number] => [
    `philosophers(${n})`,
    of(p.philosophers(n)),
    2 ** n - 1,
    1,
  ]),
  ['philosophers(8), ordered', of(p.philosophersOrdered(8)), 254, 0],
  ['rwsem 2R+1W', of(p.rwsem(2, 1, false)), 4, 0],
  ['rwsem 3R+1W', of(p.rwsem(3, 1, false)), 8, 0],
  ['rwsem 2R+1W, queued writer', of(p.rwsem(2, 1, true)), 9, 0],
  ['rwsem 3R+1W, queued writer', of(p.rwsem(3, 1, true)), 27, 0],
  ['rwsem 2R+2W', of(p.rwsem(2, 2, false)), 18, 0],
  ['rwsem 2R+2W, queued writers', of(p.rwsem(2, 2, true)), 132, 0],
  ['rwsem 3R+2W', of(p.rwsem(3, 2, false)), 54, 0],
  ['rwsem 3R+2W, queued writers', of(p.rwsem(3, 2, true)), 560, 0],
  ['two tries', of(p.tries), 130, 0],
];

// The longest has 1.8 million executions.
test.each(table)('optimal: %s', { timeout: 300_000 }, (_name, system, traces, deadlocks = 0) => {
  const got = count(system, 'optimal');
  expect({ traces: got.traces, deadlocks: got.deadlocks }).toEqual({ traces, deadlocks });
  expect(got.blocked).toBe(0);
});
