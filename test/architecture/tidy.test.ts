/**
 * The house is tidy. Every rule is run over the project, and over a fault planted for it, so that
 * a rule that finds nothing is known to look.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { layers } from '../../layers.mjs';
import * as tidy from '../support/tidy.ts';

const root = new URL('../..', import.meta.url).pathname;
const git = (args: string[], input?: string): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28, input });

const paths = git(['ls-files', '--cached', '--others', '--exclude-standard']).trim().split('\n');
const TEXT = /\.(?:ts|mjs|json|md|txt|yml)$|^\.ci\/|^\.[a-z]+(?:ignore|rc)$/;
/** These two hold the banned words as data. */
const OURSELVES = new Set(['test/support/tidy.ts', 'test/architecture/tidy.test.ts']);
/** Made by a machine, or taken over whole. */
const FOREIGN = /^(?:package-lock\.json|LICENSE)$|^test\/(?:golden|fixtures)\//;

const read = (path: string): tidy.SourceFile[] => {
  try {
    return [{ path, text: readFileSync(root + path, 'utf8') }];
  } catch {
    return []; // in the index, gone from the work tree
  }
};
const files = paths.filter((p) => TEXT.test(p) && !FOREIGN.test(p)).flatMap(read);
const ours = files.filter((f) => !OURSELVES.has(f.path));
const code = files.filter((f) => /\.(?:ts|mjs)$/.test(f.path));
/** Configurations that their tools want as a default export. */
const typescript = code.filter((f) => /^(?:src|test|bench)\//.test(f.path));

const rooms = Object.keys(layers);
const ENTRIES = [
  'src/index.ts',
  'src/cli/main.ts',
  'src/cli/explore-worker.ts',
  'src/explore/index.ts',
];

/**
 * Complete and tested, and no program of ours calls them yet. A line goes when its caller comes.
 */
const WAITING: Readonly<Record<string, string>> = {
  'src/cli/explore-threads.ts': 'a search in several threads, for the command `explore`',
  'src/cli/explore-shards.ts': 'a search on several machines, for the same',
  'src/fs/tmpfs/tmpfs.ts': 'the file system to read first; the VFS is tested over it',
  'src/vfs/libfs.ts': 'generic operations of simple file systems: tmpfs',
  'src/syscall/mount.ts': 'mounts inside a tree, for the FUSE server',
  'src/fs/ext4/quota.ts': 'quota records, for accounting',
};
const units = tidy.unitNames(readFileSync(`${root}src/base/units.ts`, 'utf8'));

test('the rules look at the whole project', () => {
  expect(code.length).toBeGreaterThan(50);
  expect(units).toContain('Pblk');
});

test('no banned word and no path of a host', () => {
  expect(ours.flatMap(tidy.bannedWords)).toEqual([]);
});

test('no line past 100 columns', () => {
  expect(code.flatMap(tidy.longLines)).toEqual([]);
});

test('no enum, no default export, no barrel, no cast to a unit', () => {
  expect(typescript.flatMap((f) => tidy.forbiddenSyntax(f, units))).toEqual([]);
});

test('no file is dead: an entry point reaches each', () => {
  // Before the first entry point there is nothing to be reached from.
  if (!ENTRIES.some((e) => paths.includes(e))) return;
  // A file that has its caller now must leave the list: both directions are held.
  const dead = tidy.deadFiles(files, ENTRIES).map((line) => line.split(':')[0]);
  expect(dead.sort()).toEqual(Object.keys(WAITING).sort());
});

test('every room has a README of at most 60 lines', () => {
  const folders = rooms.filter((room) => room !== 'init' && room !== 'index');
  expect(tidy.roomReadmes(files, folders)).toEqual([]);
});

test('every source file stands in a room, every test in a kind', () => {
  expect(tidy.misplaced(paths, rooms)).toEqual([]);
});

/** Larger, and worth it: the map of 57 000 ranges is text so that a change of it can be read. */
const KEPT = new Set(['test/golden/extents-depth-3-full/tree.json']);

test('no blob above 256 KiB, now or in history', () => {
  const objects = git(['rev-list', '--objects', 'HEAD']);
  const format = '%(objecttype) %(objectsize) %(rest)';
  const listed = git(['cat-file', `--batch-check=${format}`], objects)
    .trim()
    .split('\n');
  const blobs = listed
    .map((line) => line.split(' '))
    .filter(([type]) => type === 'blob')
    .map(([, size, ...path]) => ({ path: path.join(' '), size: Number(size) }));
  expect(blobs.length).toBeGreaterThan(50);
  expect(tidy.bigBlobs(blobs.filter((b) => !KEPT.has(b.path)))).toEqual([]);
});

// Planted faults.

test.each([
  ['// TODO later', 'do it now'],
  ['// FIXME', 'do it now'],
  ['test.only("x")', 'commit none alone'],
  ['it.skip("x")', 'skipIf'],
  ['// @ts-ignore', 'ts-expect-error'],
  ['// eslint-disable-next-line no-var', 'reason'],
  ["open('/home/me/x')", "a host's path"],
  ["open('/work/x')", "a host's path"],
  ['we utilize it', 'write use'],
])('planted: %s is found', (text, instead) => {
  const [finding] = tidy.bannedWords({ path: 'a.ts', text: `\n${text}` });
  expect(finding).toMatch(/^a\.ts:2: /);
  expect(finding).toContain(instead);
});

test('planted: a directive with a reason and an ordinary path are let be', () => {
  const text = "// eslint-disable-next-line no-var -- the probe needs it\nopen('/data/homework')";
  expect(tidy.bannedWords({ path: 'a.ts', text })).toEqual([]);
});

test('planted: a long line is found, a long address is not', () => {
  const long = `// ${'word '.repeat(21)}`;
  const found = tidy.longLines({ path: 'a.ts', text: `${long}\n// https://${'x'.repeat(100)}` });
  expect(found).toEqual(['a.ts:1: 108 columns, not 100']);
});

test.each([
  ['enum E { A }', 'src/mm/a.ts', 'an enum'],
  ['export default 1;', 'src/mm/a.ts', 'a default export'],
  ['export default function f() {}', 'src/mm/a.ts', 'a default export'],
  ["export { a } from './b.ts';", 'src/mm/a.ts', 'a barrel'],
  ["export * from './b.ts';", 'src/mm/index.ts', 'a barrel'],
  ['const b = 3 as Pblk;', 'src/mm/a.ts', 'a cast to Pblk'],
  ['const b = <Pblk>3;', 'src/mm/a.ts', 'a cast to Pblk'],
])('planted: %s in %s is found', (text, path, what) => {
  const findings = tidy.forbiddenSyntax({ path, text }, units);
  expect(findings).toEqual([expect.stringContaining(`${path}:1: ${what}`)]);
});

test.each([
  ["export { a } from './b.ts';", 'src/index.ts'],
  ['const b = 3 as Pblk;', 'src/base/units.ts'],
  ['export const a = 1; export { a as b };', 'src/mm/a.ts'],
])('planted: %s in %s is let be', (text, path) => {
  expect(tidy.forbiddenSyntax({ path, text }, units)).toEqual([]);
});

test('planted: a dead file is found, also when only its test or another dead file uses it', () => {
  const tree = [
    { path: 'src/index.ts', text: "export { a } from './mm/a.ts';" },
    { path: 'src/mm/a.ts', text: "const w = new URL('./worker.ts', import.meta.url);" },
    { path: 'src/mm/worker.ts', text: "await import('./lazy.ts');" },
    { path: 'src/mm/lazy.ts', text: '' },
    { path: 'src/mm/dead.ts', text: "import './dead-too.ts';" },
    { path: 'src/mm/dead-too.ts', text: '' },
    { path: 'src/mm/dead.test.ts', text: "import './dead.ts';" },
  ];
  expect(tidy.deadFiles(tree, ['src/index.ts'])).toEqual([
    'src/mm/dead.ts: reached from no entry point: use it or remove it',
    'src/mm/dead-too.ts: reached from no entry point: use it or remove it',
  ]);
});

test('planted: a room without a README, and one that is too long, are found', () => {
  const tree = [
    { path: 'src/mm/a.ts', text: '' },
    { path: 'src/vfs/a.ts', text: '' },
    { path: 'src/vfs/README.md', text: 'x\n'.repeat(61) },
    { path: 'src/base/a.ts', text: '' },
    { path: 'src/base/README.md', text: 'x\n'.repeat(60) },
  ];
  const [missing, long, ...rest] = tidy.roomReadmes(tree, ['mm', 'vfs', 'base', 'web']);
  expect(missing).toMatch(/^src\/mm\/README\.md: missing/);
  expect(long).toBe('src/vfs/README.md: 61 lines, not 60');
  expect(rest).toEqual([]);
});

test('planted: misplaced files and a large blob are found', () => {
  const found = tidy.misplaced(['src/utils/a.ts', 'src/mm/a.ts', 'test/a.test.ts'], rooms);
  expect(found).toHaveLength(2);
  expect(tidy.bigBlobs([{ path: 'a.img', size: tidy.BLOB_LIMIT + 1 }])).toHaveLength(1);
  expect(tidy.bigBlobs([{ path: 'a.img', size: tidy.BLOB_LIMIT }])).toEqual([]);
});
