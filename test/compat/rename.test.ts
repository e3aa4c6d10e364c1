// Goal: names mean on an image what they mean on the host. Method: the same random steps on both,
// by Node's fs there and the VFS here; every outcome and, now and then, the whole tree is compared,
// and e2fsck looks at the image.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { Tree } from '../support/tree.ts';

function sound(image: TestImage): void {
  const { code, output } = image.fsck();
  expect(code, output).toBe(0);
}

const outcome = (what: () => void): string => {
  try {
    what();
    return 'ok';
  } catch (e) {
    const { code } = e as { code?: string };
    if (code === undefined || code === 'EUCLEAN') throw e;
    return code;
  }
};

/** A path as the byte string that the VFS takes. */
const utf8 = (p: string): string => Buffer.from(p, 'utf8').toString('latin1');

const NAMES = ['a', 'b', 'c', 'dir', 'x'.repeat(60), 'ö', 'long-name-'.repeat(20)];

function path(chance: Prng): string {
  let p = '';
  for (let depth = 1 + chance.below(3); depth > 0; depth--)
    p += `/${NAMES[chance.below(NAMES.length)]!}`;
  return p;
}

type Op = readonly [string, (p: string) => void, (host: string) => void];

function operation(t: Tree, chance: Prng, root: string): Op {
  const other = path(chance);
  // Relative: an absolute one would leave the host's folder.
  const target = other.slice(1);
  const mode = chance.below(10);
  const ops: Op[] = [
    ['create', (p) => t.create(p), (p) => fs.closeSync(fs.openSync(p, 'wx'))],
    ['mkdir', (p) => t.mkdir(p), (p) => fs.mkdirSync(p)],
    ['rename', (p) => t.rename(p, utf8(other)), (p) => fs.renameSync(p, root + other)],
    ['link', (p) => t.link(p, utf8(other)), (p) => fs.linkSync(p, root + other)],
    ['unlink', (p) => t.unlink(p), (p) => fs.unlinkSync(p)],
    ['rmdir', (p) => t.rmdir(p), (p) => fs.rmdirSync(p)],
    ['symlink', (p) => t.symlink(utf8(target), p), (p) => fs.symlinkSync(target, p)],
  ];
  const weights = [0, 0, 1, 1, 2, 2, 2, 3, 4, 5];
  return chance.chance(0.1) ? ops[6]! : ops[weights[mode]!]!;
}

/** Every path with its type, its links and which paths are one inode. */
function hostTree(root: string): string[] {
  const out: string[] = [];
  const walk = (dir: string): void => {
    for (const name of fs.readdirSync(root + dir).sort()) {
      const p = `${dir}/${name}`;
      const s = fs.lstatSync(root + p);
      const target = s.isSymbolicLink() ? fs.readlinkSync(root + p) : '';
      out.push(`${p} ${(s.mode >> 12).toString(8)} ${s.nlink} ${target}`);
      if (s.isDirectory()) walk(p);
    }
  };
  walk('');
  return out.sort();
}

function ourTree(t: Tree): string[] {
  const out: string[] = [];
  const walk = (dir: string): void => {
    for (const { name } of t.entries(dir || '/')) {
      if (name === '.' || name === '..' || name === 'lost+found') continue;
      const p = `${dir}/${name}`;
      const i = t.inode(p);
      const line = `${p} ${(i.mode >> 12).toString(8)} ${i.nlink} ${i.isLnk ? t.readlink(p) : ''}`;
      out.push(Buffer.from(line, 'latin1').toString('utf8'));
      if (i.isDir) walk(p);
    }
  };
  walk('');
  return out.sort();
}

const KINDS: [string, string[]][] = [
  ['ext4', ['-t', 'ext4']],
  ['ext2 1k', ['-t', 'ext2', '-b', '1024']],
  ['inline_data', ['-t', 'ext4', '-b', '1024', '-O', 'inline_data']],
  ['no filetype', ['-t', 'ext2', '-O', '^filetype']],
];

for (const [kind, args] of KINDS) {
  test(`random changes of names end as on the host (${kind})`, () => {
    const image = makeImage([...args, '-N', '2000'], '32M');
    const root = scratchDir();
    const chance = new Prng(kind.length);
    const counts: Record<string, number> = {};
    for (let round = 0; round < 4; round++) {
      const t = Tree.open(image.path);
      for (let i = 0; i < 500; i++) {
        const [name, ours, theirs] = operation(t, chance, root);
        const p = path(chance);
        const want = outcome(() => theirs(root + p));
        const got = outcome(() => ours(utf8(p)));
        expect(got, `${round}.${i} ${name} ${p}`).toBe(want);
        counts[`${name} ${got}`] = (counts[`${name} ${got}`] ?? 0) + 1;
      }
      expect(ourTree(t)).toEqual(hostTree(root));
      t.umount();
      sound(image);
    }
    expect(counts['rename ok'] ?? 0).toBeGreaterThan(20);
    expect(counts['rename ENOTEMPTY'] ?? 0).toBeGreaterThan(0);
    fs.rmSync(join(root), { recursive: true, force: true });
  });
}

test('exchange swaps files and directories, with their parents and counts', () => {
  for (const args of [
    ['-t', 'ext4'],
    ['-t', 'ext4', '-O', 'inline_data'],
    ['-t', 'ext2'],
  ]) {
    const image = makeImage(args, '8M');
    const t = Tree.open(image.path);
    t.mkdir('/one');
    t.mkdir('/two');
    t.mkdir('/one/d');
    t.create('/one/d/inside');
    t.create('/two/f');
    const d = t.inode('/one/d').ino;
    t.rename('/one/d', '/two/f', 2);
    expect(t.inode('/two/f').ino).toBe(d);
    expect(t.inode('/one/d').isReg).toBe(true);
    expect(t.exists('/two/f/inside')).toBe(true);
    expect(t.inode('/one').nlink).toBe(2);
    expect(t.inode('/two').nlink).toBe(3);
    expect(t.entries('/two/f').find((e) => e.name === '..')?.ino).toBe(t.inode('/two').ino);
    expect(() => t.rename('/one/d', '/two/f', 1)).toThrow('EEXIST');
    expect(() => t.rename('/one/d', '/two/none', 2)).toThrow('ENOENT');
    expect(() => t.rename('/one/d', '/two/none', 4)).toThrow('EINVAL');
    t.umount();
    sound(image);
  }
});
