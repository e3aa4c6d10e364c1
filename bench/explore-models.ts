/** Model programs that other explorers are measured with, and how ours explores them. */
import { Dpor } from '../src/explore/dpor.ts';
import { type Program, ProgramSystem, type Steps } from '../src/explore/program.ts';
import { lock, read, unlock, write } from '../src/explore/program.ts';
import { runOnce } from '../src/explore/run.ts';
import type { System } from '../src/explore/system.ts';
import {
  filesystem,
  indexer,
  lastwrite,
  lastzero,
  lostUpdate,
  readers,
} from '../test/explore/programs.ts';

interface Inline {
  inline: boolean;
  free: number;
  broken: boolean;
}
const [INODE, XATTR, FOLIO, GROUP] = [0, 1, 2, 3] as const;
const [FLAG, BLOCKS] = [8, 9] as const;

function* convert(s: Inline): Steps {
  yield lock(XATTR);
  yield read(FLAG);
  if (s.inline) {
    yield write(FLAG);
    s.inline = false;
    yield lock(GROUP);
    yield read(BLOCKS);
    const full = s.free === 0;
    if (!full) {
      yield write(BLOCKS);
      s.free--;
    }
    yield unlock(GROUP);
    if (full) {
      yield write(FLAG);
      s.inline = true;
    }
  }
  yield unlock(XATTR);
}
function* bufferedWrite(s: Inline): Steps {
  yield lock(INODE);
  yield read(FLAG);
  const prepared = s.inline;
  yield lock(FOLIO);
  yield read(FLAG);
  if (s.inline && !prepared) s.broken = true;
  yield unlock(FOLIO);
  yield unlock(INODE);
}
function* takeBlock(s: Inline): Steps {
  yield lock(GROUP);
  yield read(BLOCKS);
  if (s.free > 0) {
    yield write(BLOCKS);
    s.free--;
  }
  yield unlock(GROUP);
}

/** A fault converts inline data while others write, and the conversion may find no space. */
const inlineData = (n: number): Program<Inline> => ({
  locks: 5,
  init: () => ({ inline: true, free: 1, broken: false }),
  check: (s) => !s.broken,
  tasks: (s) => [
    ...Array.from({ length: n }, () => convert(s)),
    ...Array.from({ length: n }, () => bufferedWrite(s)),
    takeBlock(s),
  ],
});

const of = <S>(program: Program<S>): System => new ProgramSystem(program);
const models: Readonly<Record<string, (...n: number[]) => System>> = {
  filesystem: (n = 14) => of(filesystem(n)),
  indexer: (n = 12) => of(indexer(n)),
  'inline-data': (n = 1) => of(inlineData(n)),
  lastwrite: (n = 4) => of(lastwrite(n)),
  lastzero: (n = 4) => of(lastzero(n)),
  'lost-update': (n = 2, k = 1) => of(lostUpdate(n, k)),
  readers: (n = 2) => of(readers(n)),
};

export interface Explored {
  readonly traces: number;
  readonly steps: number;
}

/** Every behaviour of a model program, once. @throws RangeError no such program */
export function exploreModel(name: string, sizes: readonly number[]): Explored {
  const make = models[name];
  if (!make) throw new RangeError(`no program ${name}`);
  const system = make(...sizes);
  const search = new Dpor();
  let [traces, steps] = [0, 0];
  do {
    steps += runOnce(system, search, 10_000).steps;
    traces++;
  } while (search.ended(system));
  return { traces, steps };
}
