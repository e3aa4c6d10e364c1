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
function dataSteps(path: string): Step[] {
  const on = (setup: readonly CrashOp[], op: CrashOp): Step =>
    step(setup, op, [path], [parentOf(path)]);
  const there = full(path);
  const long = [...there, truncate(path, 6 * LENGTH)];
  return [
    on([creat(path)], write(path, 0, LENGTH)), // into an empty file
    on(there, write(path, LENGTH, 3000)), // append
    on(there, write(path, 0, LENGTH)), // all of it
    on(there, write(path, 0, 2000)), // the beginning
    on(there, write(path, LENGTH - 2000, 2000)), // the end
    on(there, write(path, LENGTH - 1000, 3000)), // over the end
    on(there, write(path, 4 * LENGTH, 3000)), // behind a hole
    on(long, write(path, 3 * LENGTH, 3000)), // into a hole
    ...[0, 2048, 2500, LENGTH - TAIL, 8192, 2 * LENGTH].map((n) => on(there, truncate(path, n))),
    ...[false, true].flatMap((keepSize) => [
      on([creat(path)], falloc(path, 0, LENGTH, keepSize)),
      on(there, falloc(path, LENGTH, 3000, keepSize)), // behind the end
      on(there, falloc(path, LENGTH - 1000, 4000, keepSize)), // over the end
      on(long, falloc(path, 3 * LENGTH, 3000, keepSize)), // into a hole
    ]),
  ];
}

function attributeSteps(path: string, setup: readonly CrashOp[]): Step[] {
  const set = (length: number): CrashOp => ({ op: 'setxattr', path, name: 'user.a', length });
  const remove: CrashOp = { op: 'removexattr', path, name: 'user.a' };
  const dir = setup.length === 0;
  const on = (more: readonly CrashOp[], op: CrashOp): Step =>
    step([...setup, ...more], op, dir ? [] : [path], [dir ? path : parentOf(path)]);
  return [
    on([], set(20)), // in the inode
    on([], set(700)), // in a block of its own
    on([set(20)], set(30)),
    on([set(700)], set(600)),
    on([set(20)], remove),
    on([set(700)], remove),
  ];
}

/** Names of files that come and go. */
function nameSteps(path: string, other: string): Step[] {
  const dirs = [parentOf(path), parentOf(other)];
  const rename: CrashOp = { op: 'rename', from: path, to: other };
  const link: CrashOp = { op: 'link', from: path, to: other };
  const symlink = (target: string): CrashOp => ({ op: 'symlink', target, path: other });
  return [
    step([creat(path)], link, [path, other], dirs),
    step(full(path), link, [path, other], dirs),
    step([creat(path)], rename, [other], dirs),
    step(full(path), rename, [other], dirs),
    step([...full(path), ...full(other)], rename, [other], dirs), // over a file
    // Of two names of one file: one goes; and rename() between them does nothing.
    step([...full(path), link], { op: 'unlink', path }, [other], dirs),
    step([...full(path), link], rename, [path, other], dirs),
    step(full(path), symlink(path), [path], dirs),
    step(full(path), symlink('x'.repeat(150)), [path], dirs), // in a block of its own
  ];
}

function fileSteps(path: string): Step[] {
  const dir = parentOf(path);
  return [
    step([], creat(path), [path], [dir]),
    ...dataSteps(path),
    ...attributeSteps(path, [creat(path)]),
    step([creat(path)], { op: 'unlink', path }, [], [dir]),
    step(full(path), { op: 'unlink', path }, [], [dir]),
    ...['/bar', '/A/bar'].flatMap((other) => nameSteps(path, other)),
  ];
}

function dirSteps(): Step[] {
  const renames: [string, string, CrashOp[]][] = [
    ['/A', '/C', []],
    ['/A', '/B', []], // over an empty directory
    ['/A', '/B/C', []], // into another
    ['/A', '/C', full('/A/foo')], // with something in it
    ['/A', '/B/C', full('/A/foo')],
    ['/A/C', '/B/C', [mkdir('/A/C')]],
  ];
  return [
    ...renames.map(([from, to, setup]) =>
      step(setup, { op: 'rename', from, to }, [], [to, parentOf(from), parentOf(to)]),
    ),
    ...['/C', '/A/C'].flatMap((path) => [
      step([], mkdir(path), [], [path, parentOf(path)]),
      step([mkdir(path)], { op: 'rmdir', path }, [], [parentOf(path)]),
    ]),
    ...attributeSteps('/A', []),
  ];
}

/** Persistence points that have to do with a step. */
const pointsOf = ({ files, dirs }: Step): Persistence[] => [
  ...files.flatMap((path): Persistence[] => [
    { op: 'fsync', path },
    { op: 'fdatasync', path },
  ]),
  ...dirs.map((path): Persistence => ({ op: 'fsync', path })),
  { op: 'sync' },
];

function make(): CrashWorkload[] {
  const made: CrashWorkload[] = [];
  for (const s of [...FILES.flatMap(fileSteps), ...dirSteps()]) {
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
