/**
 * Goal: the reducing search shows exactly the traces that there are: none is missing, none is made
 * up, each ends as it should; and none comes twice where footprints are fixed, whatever is chosen.
 * Method: random programs of all operations, against plain enumeration; and mistakes put into the
 * search, each of which must show on these programs.
 */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { DporMode } from '../../src/explore/dpor.ts';
import { effort, seedShift, timeLimit } from '../support/effort.ts';
import { kept } from './kept-programs.ts';
import { type Mutant, mutants } from './mutants.ts';
import { bruteForce, type Engine, judge, type Report, sound, type Traces } from './oracle.ts';
import {
  type Mix,
  print,
  programOf,
  randomScript,
  type Script,
  smallest,
} from './random-programs.ts';
import * as p from './programs.ts';

const none = { several: false, dependent: false, choices: false, spawns: false } as const;
const mixes = {
  'one operation a step': none,
  'several operations a step': { ...none, several: true },
  'tasks that make tasks': { ...none, several: true, spawns: true },
  'what a step touches depends on what it reads': { ...none, several: true, dependent: true },
  'free choices': { ...none, choices: true, spawns: true },
  'one choice is other than 0': { ...none, choices: true, faults: 1 },
  'two choices are other than 0': { ...none, choices: true, faults: 2 },
  'one fault, and what a step touches depends on it': {
    ...none,
    several: true,
    dependent: true,
    choices: true,
    faults: 1,
  },
  'all of it': { several: true, dependent: true, choices: true, spawns: true },
} as const satisfies Record<string, Mix>;
type Kind = keyof typeof mixes;
const kinds = Object.keys(mixes) as Kind[];
const faultsOf = (kind: Kind): number | undefined => (mixes[kind] as Mix).faults;
/** Footprints are fixed (a step that does several things depends on what a try-lock said). */
const isPlain = (kind: Kind): boolean => !mixes[kind].several;

/** Programs of each kind, and above how many schedules one is left out. */
const PROGRAMS = Math.ceil(1120 * effort);
const SCHEDULES = 600;

interface Case {
  readonly script: Script;
  readonly truth: Traces;
}
const known = new Map<Kind, Case[]>();

function casesOf(kind: Kind): Case[] {
  let cases = known.get(kind);
  if (cases !== undefined) return cases;
  known.set(kind, (cases = []));
  let seed = (kinds.indexOf(kind) + 100 * seedShift) * 10_000_000;
  while (cases.length < PROGRAMS) {
    const script = randomScript(new Prng(seed++), mixes[kind]);
    const truth = bruteForce(programOf(script), SCHEDULES, faultsOf(kind));
    if (truth !== null && truth.size > 1) cases.push({ script, truth });
  }
  return cases;
}

const isWrong = (r: Report): boolean =>
  r.missing + r.extra + r.other + r.infeasible > 0 || r.crash !== null;
/** As a search is that has nothing to find out about footprints. */
const isNotOptimal = (r: Report): boolean => isWrong(r) || r.twice + r.blocked > 0;

/** A failure shows the smallest program that still fails. */
function expectRight(kind: Kind, mode: DporMode, wrong: typeof isWrong): void {
  const engine = sound(mode, faultsOf(kind));
  const fails = (script: Script): boolean => {
    const truth = bruteForce(programOf(script), SCHEDULES, faultsOf(kind));
    return truth !== null && wrong(judge(programOf(script), truth, engine));
  };
  for (const { script, truth } of casesOf(kind)) {
    if (!wrong(judge(programOf(script), truth, engine))) continue;
    expect.fail(`${mode} mode is wrong on ${print(smallest(script, fails))}`);
  }
}

describe.each(kinds)('random programs: %s', (kind) => {
  test(
    'optimal mode shows every trace, and its ending',
    () => {
      expectRight(kind, 'optimal', isPlain(kind) ? isNotOptimal : isWrong);
    },
    timeLimit(60_000),
  );
  test(
    'source mode shows every trace, and its ending',
    () => {
      expectRight(kind, 'source', isWrong);
    },
    timeLimit(60_000),
  );
});

/** Programs on which a mistake must show. */
const judges = {
  'fixed footprints': kinds.filter((k) => isPlain(k) && !mixes[k].choices),
  choices: kinds.filter((k) => isPlain(k) && mixes[k].choices),
  'footprints that depend': kinds.filter((k) => mixes[k].dependent),
} as const satisfies Record<Mutant['on'], readonly Kind[]>;

/** Does any of these programs show that a search is wrong? */
function isCaught({ engine, mode, on }: Mutant): boolean {
  const plain = on !== 'footprints that depend';
  const wrong = mode === 'optimal' && plain ? isNotOptimal : isWrong;
  if (plain && wrong(judge(p.tries, triesTruth(), engine()))) return true;
  if (!plain && Object.values(kept).some((s) => wrong(against(s, engine())))) return true;
  return judges[on].some((kind) =>
    casesOf(kind).some(({ script, truth }) =>
      wrong(judge(programOf(script), truth, engine(faultsOf(kind)))),
    ),
  );
}
const against = (script: Script, engine: Engine): Report =>
  judge(programOf(script), bruteForce(programOf(script), 100_000)!, engine);
/**
 * Chance does not make it: 60,000 random programs of four tasks and two tries never showed what is
 * wrong with the short reversal sequence.
 */
const triesTruth = (): Traces => (ofTries ??= bruteForce(p.tries, 100_000)!);
let ofTries: Traces | undefined;

test.each(Object.entries(mutants))(
  'a mistake in the search is caught by these programs: %s',
  (_name, mutant) => {
    expect(isCaught(mutant)).toBe(true);
  },
  timeLimit(60_000),
);

describe('programs that were once explored wrongly', () => {
  test.each(Object.entries(kept))('%s', (_name, script) => {
    for (const mode of ['optimal', 'source'] as const) {
      const { missing, extra, other, infeasible, crash } = against(script, sound(mode));
      expect({ missing, extra, other, infeasible, crash }).toEqual({
        missing: 0,
        extra: 0,
        other: 0,
        infeasible: 0,
        crash: null,
      });
    }
  });
});
