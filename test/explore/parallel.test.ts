/**
 * Goal: however a search is divided, the parts add up to what one search sees. Method: parts are
 * explored in turns drawn by chance, a few executions each, and cut whenever somebody is idle; the
 * numbers are those of one search.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Division } from '../../src/explore/division.ts';
import { Dpor } from '../../src/explore/dpor.ts';
import { type Counts, Part, type Report } from '../../src/explore/part.ts';
import { type Program, ProgramSystem, type Steps } from '../../src/explore/program.ts';
import * as m from '../../src/explore/program.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { System } from '../../src/explore/system.ts';
import * as p from './programs.ts';

type Make = () => System;
const of =
  <S>(program: Program<S>): Make =>
  () =>
    new ProgramSystem(program);

interface Sum extends Counts {
  parts: number;
}
/** As threads would, with what passes between them copied. */
function together(make: Make, workers: number, atMost: number, chance: Prng): Sum {
  const division = new Division();
  const seats = Array.from({ length: workers }, () => ({
    system: make(),
    part: null as Part | null,
    id: 0,
  }));
  let parts = 0;
  while (!division.finished) {
    const seat = seats[chance.below(workers)]!;
    if (seat.part === null) {
      const job = division.next();
      if (job === null) continue;
      Object.assign(seat, { part: new Part(job.path), id: job.id });
      parts++;
    }
    const cut = division.open < workers;
    const report = seat.part!.run(seat.system, 1 + chance.below(atMost), cut, 1000);
    division.report(seat.id, JSON.parse(JSON.stringify(report)) as Report);
    if (report.finished) seat.part = null;
  }
  return { ...division.counts, parts };
}

function alone(make: Make): Pick<Counts, 'executions' | 'failures'> {
  const [system, search] = [make(), new Dpor()];
  const failures: Counts['failures'] = {};
  let executions = 0;
  do {
    const { failure } = runOnce(system, search, 1000);
    executions++;
    if (failure !== null) failures[failure.kind] = (failures[failure.kind] ?? 0) + 1;
  } while (search.ended(system));
  return { executions, failures };
}

const table: [string, Make, number][] = [
  ['filesystem(18)', of(p.filesystem(18)), 32],
  ['indexer(14)', of(p.indexer(14)), 512],
  ['readers(8)', of(p.readers(8)), 256],
  ['lastzero(10)', of(p.lastzero(10)), 3328],
  ['lastwrite(6)', of(p.lastwrite(6)), 720],
  ['lost-update(4)', of(p.lostUpdate(4)), 576],
  ['lost-update(3x2)', of(p.lostUpdate(3, 2)), 7134],
  ['locked update(3x2)', of(p.lockedUpdate(3, 2)), 90],
  ['ABBA', of(p.abba), 10],
  ['philosophers(6)', of(p.philosophers(6)), 63],
  ['rwsem 3R+2W, queued writers', of(p.rwsem(3, 2, true)), 560],
  ['two tries', of(p.tries), 130],
];
const seats = [1, 2, 3];

test.each(
  table.flatMap(([name, make, traces]) => seats.map((w) => [name, w, make, traces] as const)),
)('%s, explored by %d', (_name, workers, make, traces) => {
  const sum = together(make, workers, 50, new Prng(workers));
  expect(sum).toMatchObject({ executions: traces, blocked: 0, infeasible: 0 });
  expect(sum.failures).toEqual(alone(make).failures);
  if (traces > 100) expect(sum.parts).toBeGreaterThan(1);
});

const LOCKS = 2;
/** One operation, or a pair that belongs together, and what has to come behind it. */
function piece(chance: Prng): [number[], number[]] {
  const o = chance.below(LOCKS);
  const x = LOCKS + 1 + chance.below(2);
  const all: [number[], number[]][] = [
    [[m.read(x)], []],
    [[m.write(x)], []],
    [[m.lock(o)], [m.unlock(o)]],
    [[m.rdlock(o)], [m.rdunlock(o)]],
    [[m.wqueue(o), m.lock(o)], [m.unlock(o)]],
    [[m.prep(LOCKS), m.sched(LOCKS)], []],
    [[m.wake(LOCKS)], []],
  ];
  return all[chance.below(all.length)]!;
}
/** Two to four tasks; locks nest as it happens, so that there are deadlocks. */
function programOf(chance: Prng): Program {
  const count = 2 + chance.below(3);
  const tasks = Array.from({ length: count }, () => {
    const [steps, ends]: [number[], number[]] = [[], []];
    while (steps.length + ends.length < 9 / count + 1) {
      const [begin, end] = piece(chance);
      if (begin.some((x) => steps.includes(x) && end.length > 0)) break;
      steps.push(...begin);
      ends.unshift(...end);
    }
    return [...steps, ...ends];
  });
  return {
    locks: LOCKS + 1,
    init: () => null,
    tasks: () =>
      tasks.map(function* (steps): Steps {
        for (const x of steps) yield x;
      }),
  };
}

test('parts of random programs add up, however they are cut', () => {
  const chance = new Prng(2026);
  let cut = 0;
  for (let i = 0; i < 400; i++) {
    const make = of(programOf(chance));
    const whole = alone(make);
    for (const workers of seats) {
      const sum = together(make, workers, 1 + chance.below(4), chance);
      expect(sum).toMatchObject({ ...whole, blocked: 0, infeasible: 0 });
      cut += sum.parts - 1;
    }
  }
  expect(cut).toBeGreaterThan(1000);
});

test('what cannot be explored in parts is refused, not explored in part', () => {
  const chooses: Program = {
    init: () => null,
    tasks: (_s, choose) => [
      (function* (): Steps {
        yield m.read(0);
        choose.pick(2, 'which');
      })(),
    ],
  };
  const explore = (system: System) => new Part([]).run(system, 1, false, 100);
  expect(() => explore(of(chooses)())).toThrow(/free choices cannot be explored in parts/);
  const local = Object.assign(of(p.abba)(), { portable: false });
  expect(() => explore(local)).toThrow(/cannot be explored in parts/);
});
