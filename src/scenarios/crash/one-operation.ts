/**
 * Every workload of one operation: on a durable set-up one operation, and behind it one persistence
 * point, on each file that the operation has to do with, on its directory, or on everything.
 *
 * The kind of enumeration is B3's ("seq-1"): the same few files, two directories deep, each system
 * call with the arguments that have a meaning of their own. B3 counts 328; we count persistence
 * points as it does, one workload each. Direct and mapped writes, and fallocate() other than plain
 * allocation, are named in `refused` until they are there.
 * @source J. Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing"
 *   (OSDI 2018), section 5.1 and table 3
 */
import { type CrashOp, opText, parentOf, type Persistence } from './op.ts';
import type { CrashWorkload } from './workload.ts';

/** Operations of B3 that this file system refuses by name, and why. */
export const refused: Readonly<Record<string, string>> = {
  dwrite: 'direct writes are not there yet',
  mmapwrite: 'mapped files are not there yet',
  'falloc punch_hole': 'EOPNOTSUPP',
  'falloc zero_range': 'EOPNOTSUPP',
  'falloc zero_range|keep_size': 'EOPNOTSUPP',
  'falloc collapse_range': 'EOPNOTSUPP',
  'falloc insert_range': 'EOPNOTSUPP',
};

/** A length that is no whole number of blocks of 1 KiB, nor of 4. */
const LENGTH = 5000;
const TAIL = 5000 % 1024;

const creat = (path: string): CrashOp => ({ op: 'creat', path });
const mkdir = (path: string): CrashOp => ({ op: 'mkdir', path });
const write = (path: string, at: number, length: number): CrashOp => ({
  op: 'write',
  path,
  at,
  length,
});
const truncate = (path: string, size: number): CrashOp => ({ op: 'truncate', path, size });
const falloc = (path: string, at: number, length: number, keepSize: boolean): CrashOp => ({
  op: 'falloc',
  path,
  keepSize,
  at,
  length,
});

/** An operation, what must be there before it, and what may be synced after it. */
interface Step {
  readonly setup: readonly CrashOp[];
  readonly op: CrashOp;
  readonly files: readonly string[];
  readonly dirs: readonly string[];
}

/** `/A` and `/B` are always there. */
const DIRS = ['/A', '/B'].map(mkdir);
const FILES = ['/foo', '/A/foo'];
/** A file with contents. */
const full = (path: string): CrashOp[] => [creat(path), write(path, 0, LENGTH)];

function step(setup: readonly CrashOp[], op: CrashOp, files: string[], dirs: string[]): Step {
  return { setup: [...DIRS, ...setup], op, files, dirs: [...new Set(dirs)] };
}

/** Changes of one file's data and mapping. */
function* dataSteps(path: string): Generator<Step> {
  const on = (setup: readonly CrashOp[], op: CrashOp): Step =>
    step(setup, op, [path], [parentOf(path)]);
  const there = full(path);
  yield on([creat(path)], write(path, 0, LENGTH)); // into an empty file
  yield on(there, write(path, LENGTH, 3000)); // append
  yield on(there, write(path, 0, LENGTH)); // all of it
  yield on(there, write(path, 0, 2000)); // the beginning
  yield on(there, write(path, LENGTH - 2000, 2000)); // the end
  yield on(there, write(path, LENGTH - 1000, 3000)); // over the end
  yield on(there, write(path, 4 * LENGTH, 3000)); // behind a hole
  yield on([...there, truncate(path, 6 * LENGTH)], write(path, 3 * LENGTH, 3000)); // into a hole
  for (const size of [0, 2048, 2500, LENGTH - TAIL, 8192, 2 * LENGTH]) {
    yield on(there, truncate(path, size));
  }
  for (const keepSize of [false, true]) {
    yield on([creat(path)], falloc(path, 0, LENGTH, keepSize));
    yield on(there, falloc(path, LENGTH, 3000, keepSize)); // behind the end
    yield on(there, falloc(path, LENGTH - 1000, 4000, keepSize)); // over the end
    yield on([...there, truncate(path, 6 * LENGTH)], falloc(path, 3 * LENGTH, 3000, keepSize));
  }
}

function* attributeSteps(path: string, setup: readonly CrashOp[]): Generator<Step> {
  const set = (length: number): CrashOp => ({ op: 'setxattr', path, name: 'user.a', length });
  const dir = setup.length === 0;
  const on = (more: readonly CrashOp[], op: CrashOp): Step =>
    step([...setup, ...more], op, dir ? [] : [path], [dir ? path : parentOf(path)]);
  yield on([], set(20)); // in the inode
  yield on([], set(700)); // in a block of its own
  yield on([set(20)], set(30));
  yield on([set(700)], set(600));
  yield on([set(20)], { op: 'removexattr', path, name: 'user.a' });
  yield on([set(700)], { op: 'removexattr', path, name: 'user.a' });
}

/** Names of files that come and go. */
function* nameSteps(path: string, other: string): Generator<Step> {
  const dirs = [parentOf(path), parentOf(other)];
  yield step([creat(path)], { op: 'link', from: path, to: other }, [path, other], dirs);
  yield step(full(path), { op: 'link', from: path, to: other }, [path, other], dirs);
  const rename: CrashOp = { op: 'rename', from: path, to: other };
  yield step([creat(path)], rename, [other], dirs);
  yield step(full(path), rename, [other], dirs);
  yield step([...full(path), ...full(other)], rename, [other], dirs); // over a file
  const link: CrashOp = { op: 'link', from: path, to: other };
  // Of two names of one file: one goes; and rename() between them does nothing.
  yield step([...full(path), link], { op: 'unlink', path }, [other], dirs);
  yield step([...full(path), link], rename, [path, other], dirs);
  const symlink = (target: string): CrashOp => ({ op: 'symlink', target, path: other });
  yield step(full(path), symlink(path), [path], dirs);
  yield step(full(path), symlink(`${'x'.repeat(150)}`), [path], dirs); // in a block of its own
}

function* fileSteps(): Generator<Step> {
  for (const path of FILES) {
    const dir = parentOf(path);
    yield step([], creat(path), [path], [dir]);
    yield* dataSteps(path);
    yield* attributeSteps(path, [creat(path)]);
    yield step([creat(path)], { op: 'unlink', path }, [], [dir]);
    yield step(full(path), { op: 'unlink', path }, [], [dir]);
    for (const other of ['/bar', '/A/bar']) yield* nameSteps(path, other);
  }
}

function* dirSteps(): Generator<Step> {
  const renames: [string, string, CrashOp[]][] = [
    ['/A', '/C', []],
    ['/A', '/B', []], // over an empty directory
    ['/A', '/B/C', []], // into another
    ['/A', '/C', full('/A/foo')], // with something in it
    ['/A', '/B/C', full('/A/foo')],
    ['/A/C', '/B/C', [mkdir('/A/C')]],
  ];
  for (const [from, to, setup] of renames) {
    yield step(setup, { op: 'rename', from, to }, [], [to, parentOf(from), parentOf(to)]);
  }
  for (const path of ['/C', '/A/C']) {
    yield step([], mkdir(path), [], [path, parentOf(path)]);
    yield step([mkdir(path)], { op: 'rmdir', path }, [], [parentOf(path)]);
  }
  yield* attributeSteps('/A', []);
}

/** Persistence points that have to do with a step. */
function* pointsOf({ files, dirs }: Step): Generator<Persistence> {
  for (const path of files) {
    yield { op: 'fsync', path };
    yield { op: 'fdatasync', path };
  }
  for (const path of dirs) yield { op: 'fsync', path };
  yield { op: 'sync' };
}

function make(): CrashWorkload[] {
  const made: CrashWorkload[] = [];
  for (const s of [...fileSteps(), ...dirSteps()]) {
    for (const point of pointsOf(s)) {
      const id = `one-${String(made.length + 1).padStart(3, '0')}`;
      const title = `${opText(s.op)}; ${opText(point)}`;
      made.push({ id, title, setup: s.setup, ops: [s.op, point] });
    }
  }
  return made;
}

let all: readonly CrashWorkload[] | null = null;

/** All of them, in the same order always. */
export const oneOperation = (): readonly CrashWorkload[] => (all ??= make());
