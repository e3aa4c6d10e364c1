/**
 * The explorer beside the tools of its field. Each explores the same program to the end, in a
 * process of its own. Spin runs here if it is installed. Nidhugg and GenMC are in no package
 * registry, so that their figures are quoted; loom and shuttle too.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duel, Quoted, Rate } from '../case.ts';
import { exploreSystem } from '../../src/explore/explore.ts';
import type { Model } from '../../src/explore/models/model.ts';
import { thread000 } from '../../src/explore/models/thread000.ts';
import { thread001 } from '../../src/explore/models/thread001.ts';
import { thread002 } from '../../src/explore/models/thread002.ts';
import { thread003 } from '../../src/explore/models/thread003.ts';
import { thread004 } from '../../src/explore/models/thread004.ts';
import { ProgramSystem } from '../../src/explore/program.ts';
import { exploreModel } from '../explore-models.ts';
import { exploreExt4, exploreProgram, needTool, packageRoot, run } from '../host.ts';

/** Processes on a 2-core AMD EPYC, best of 3, Nidhugg of April 2026 and GenMC v0.9. */
const quoted = (
  id: string,
  program: readonly [string, number],
  traces: number,
  goal: number,
  peers: Quoted['peers'],
): Quoted => ({
  kind: 'quoted',
  id: `explore-${id}`,
  title: `${program.join('(')}): ${traces} behaviours, each once`,
  peers,
  goal,
  rounds: 5,
  run: () => {
    exploreProgram(program, traces);
  },
});

const TENTH = 1 / 10;
export const explorers: readonly Quoted[] = [
  quoted('filesystem', ['filesystem', 26], 8192, TENTH, { Nidhugg: 10_100, GenMC: 10_200 }),
  quoted('indexer', ['indexer', 15], 4096, TENTH, { Nidhugg: 3900, GenMC: 6400 }),
  quoted('lastzero', ['lastzero', 15], 147_456, 1 / 2, { Nidhugg: 36_100, GenMC: 5800 }),
  quoted('lastzero-10', ['lastzero', 10], 3328, 1, { Nidhugg: 400, GenMC: 150 }),
  quoted('readers', ['readers', 13], 8192, 1 / 2, { Nidhugg: 1470, GenMC: 510 }),
  quoted('lastwrite', ['lastwrite', 8], 40_320, 1 / 2, { Nidhugg: 3300, GenMC: 1220 }),
  quoted('lost-update', ['lost-update', 6], 518_400, 1 / 2, { Nidhugg: 34_700, GenMC: 11_100 }),
];

/** Spin's time includes that of making and compiling its checker, as a person waits for it. */
const spin = (
  id: string,
  program: readonly [string, number, number],
  traces: number,
  goal: number,
): Duel => ({
  kind: 'duel',
  id: `explore-spin-${id}`,
  title: `${program[0]} ${program[1]}x${program[2]} against all states`,
  peer: 'spin, gcc, pan',
  goal,
  rounds: 3,
  operations: () => 1,
  setup({ dir }) {
    needTool('spin');
    needTool('gcc');
    const [name, n, k] = program;
    copyFileSync(join(packageRoot(), `bench/models/${name}.pml`), join(dir, 'model.pml'));
    return {
      ours() {
        exploreProgram(program, traces);
      },
      theirs() {
        run('spin', [`-DN=${n}`, `-DK=${k}`, '-a', 'model.pml'], dir);
        run('gcc', ['-O2', '-DSAFETY', '-DMEMLIM=8000', '-w', '-o', 'pan', 'pan.c'], dir);
        run('./pan', ['-m100000', '-E'], dir);
      },
    };
  },
});

export const spins: readonly Duel[] = [
  spin('filesystem', ['filesystem', 6, 1], 1, 1 / 20),
  spin('indexer', ['indexer', 4, 1], 1, TENTH),
  spin('lost-update', ['lost-update', 5, 1], 14_400, 1),
  // Few states, many behaviours: what state hashing is for.
  spin('counter', ['lost-update', 3, 3], 1_824_912, 1),
];

const rateOf = (
  id: string,
  title: string,
  unit: string,
  goal: number,
  per: (e: { traces: number; steps: number }, seconds: number) => number,
  program: readonly [string, ...number[]],
): Rate => ({
  kind: 'rate',
  id: `explore-${id}`,
  title,
  unit,
  goal,
  rounds: 7,
  measure() {
    const start = performance.now();
    const [name, ...sizes] = program;
    const explored = exploreModel(name, sizes);
    return per(explored, (performance.now() - start) / 1000);
  },
});

const ext4 = (id: string, title: string, goal: number, judged: boolean): Rate => ({
  kind: 'rate',
  id: `explore-${id}`,
  title,
  unit: '/s',
  goal,
  rounds: 7,
  measure: () => exploreExt4(judged ? 1000 : 3000, judged),
});

export const exploreRates: readonly Rate[] = [
  rateOf('points', 'steps of a toy', 'M/s', 1, ({ steps }, s) => steps / s / 1e6, [
    'lost-update',
    5,
  ]),
  rateOf('points-locks', 'steps under locks', 'M/s', 1, ({ steps }, s) => steps / s / 1e6, [
    'indexer',
    15,
  ]),
  rateOf('executions', 'executions of a toy', '/s', 100_000, ({ traces }, s) => traces / s, [
    'lost-update',
    5,
  ]),
  rateOf('verdicts', 'verdicts on a thread', '/s', 100, (_, s) => 1 / s, ['inline-data', 2]),
  ext4('ext4', 'executions of two writes on ext4, read back', 3000, false),
  ext4('ext4-judged', 'the same, unmounted and the image judged', 1000, true),
];

/** A millisecond is at the mercy of the machine: so often each program is decided. */
const VERDICTS = 50;

/** The slowest of a thread's programs: that the right one holds, that each mistake is one. */
const thread = ({ thread: number, question, right, wrong }: Model): Rate => ({
  kind: 'rate',
  id: `explore-thread-${number}`,
  title: `${question} In 10 ms at most`,
  unit: '/s',
  goal: 100,
  rounds: 7,
  measure() {
    let slowest = 0;
    for (const program of [right, ...Object.values(wrong)]) {
      const start = performance.now();
      for (let k = 0; k < VERDICTS; k++) {
        const { verdict } = exploreSystem(new ProgramSystem(program), { faults: Infinity });
        const wanted = program === right ? 'holds' : 'violated';
        if (verdict !== wanted) throw new Error(`thread ${number}: ${verdict}, not ${wanted}`);
      }
      slowest = Math.max(slowest, performance.now() - start);
    }
    return (1000 * VERDICTS) / slowest;
  },
});
export const exploreThreads: readonly Rate[] = [
  thread000,
  thread001,
  thread002,
  thread003,
  thread004,
].map(thread);
