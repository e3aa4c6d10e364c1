// Goal: attributes of every size, in every place, are kept, are sound to e2fsck and are what the
// kernel reads. Method: random changes of several inodes against a plain map, on images with and
// without room in the inode, with and without ea_inode.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { isErrno } from '../../src/base/errno.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { haveLoop, withKernelMount } from '../support/judges.ts';
import { Tree } from '../support/tree.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

function sound(image: TestImage): void {
  const { code, output } = image.fsck();
  expect(code, output).toBe(0);
}

const KINDS: [string, string[], number[]][] = [
  ['256-byte inodes', ['-t', 'ext4', '-b', '1024', '-I', '256'], [0, 1, 20, 60, 100, 300, 900]],
  ['128-byte inodes', ['-t', 'ext3', '-b', '1024', '-I', '128'], [0, 1, 20, 100, 300, 900]],
  ['1024-byte inodes', ['-t', 'ext4', '-b', '4096', '-I', '1024'], [0, 5, 100, 500, 2000, 3900]],
  ['ea_inode', ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode'], [0, 9, 200, 900, 1500, 5000, 65536]],
  ['inline_data', ['-t', 'ext4', '-b', '1024', '-O', 'inline_data'], [0, 1, 20, 60, 100, 300]],
  ['no checksums', ['-t', 'ext4', '-b', '2048', '-O', '^metadata_csum'], [0, 1, 50, 700, 1900]],
];

const FILES = ['/a', '/b', '/dir', '/c'];
const SPACES = ['user', 'trusted', 'security'];

type Model = Map<string, Map<string, string>>;

function step(t: Tree, model: Model, chance: Prng, sizes: number[]): string {
  const file = FILES[chance.below(FILES.length)]!;
  const name = `${SPACES[chance.below(3)]}.${'n'.repeat(chance.below(12))}${chance.below(6)}`;
  const attrs = model.get(file)!;
  if (chance.chance(0.3)) {
    if (!attrs.has(name)) return 'nothing';
    t.setxattr(file, name, null);
    attrs.delete(name);
    return 'removed';
  }
  const value = chance.bytes(sizes[chance.below(sizes.length)]!);
  try {
    t.setxattr(file, name, value);
    attrs.set(name, hex(value));
    return 'set';
  } catch (e) {
    if (!isErrno(e, 'ENOSPC')) throw e;
    return 'full';
  }
}

function check(t: Tree, model: Model): void {
  for (const [file, attrs] of model) {
    expect(t.listxattr(file).sort(), file).toEqual([...attrs.keys()].sort());
    for (const [name, value] of attrs) expect(hex(t.getxattr(file, name)), name).toBe(value);
  }
}

function kernelAttrs(dir: string, file: string): Record<string, string> {
  const code =
    'import os,sys,json\np=sys.argv[1]\n' +
    'print(json.dumps({n: os.getxattr(p,n).hex() for n in os.listxattr(p)}))';
  return JSON.parse(
    execFileSync('python3', ['-c', code, dir + file], { maxBuffer: 1 << 28, encoding: 'utf8' }),
  );
}

for (const [kind, args, sizes] of KINDS) {
  test(`attributes of all sizes come and go (${kind})`, async () => {
    const image = makeImage(args, '16M');
    const model: Model = new Map(FILES.map((f) => [f, new Map<string, string>()]));
    const chance = new Prng(11);
    const seen = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const t = Tree.open(image.path);
      if (round === 0)
        for (const f of FILES)
          if (f === '/dir') t.mkdir(f);
          else t.create(f);
      for (let i = 0; i < 150; i++) seen.add(step(t, model, chance, sizes));
      check(t, model);
      t.umount();
      sound(image);
    }
    expect(seen).toContain('removed');
    const t = Tree.open(image.path, { readOnly: true });
    check(t, model);
    t.umount();
    if (haveLoop()) {
      await withKernelMount(image.path, { ro: true }, (dir) => {
        for (const [file, attrs] of model) {
          expect(kernelAttrs(dir, file), file).toEqual(Object.fromEntries(attrs));
        }
      });
    }
    const u = Tree.open(image.path);
    for (const f of FILES)
      if (f === '/dir') u.rmdir(f);
      else u.unlink(f);
    u.umount();
    sound(image);
  });
}

test('XATTR_CREATE and XATTR_REPLACE are kept apart', () => {
  const image = makeImage(['-t', 'ext4'], '8M');
  const t = Tree.open(image.path);
  t.create('/f');
  expect(() => t.setxattr('/f', 'user.x', new Uint8Array(1), 2)).toThrow('ENODATA');
  t.setxattr('/f', 'user.x', new Uint8Array(1), 1);
  expect(() => t.setxattr('/f', 'user.x', new Uint8Array(2), 1)).toThrow('EEXIST');
  t.setxattr('/f', 'user.x', new Uint8Array(2), 2);
  expect(t.getxattr('/f', 'user.x').length).toBe(2);
  expect(() => t.getxattr('/f', 'system.data')).toThrow('EOPNOTSUPP');
  t.umount();
  sound(image);
});

test('equal blocks of attributes are shared, and a change parts them', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-I', '128'], '8M');
  const t = Tree.open(image.path);
  const value = new Prng(3).bytes(400);
  for (let i = 0; i < 20; i++) {
    t.create(`/f${i}`);
    t.setxattr(`/f${i}`, 'user.same', value);
  }
  const first = t.inode('/f0').fileAcl;
  for (let i = 0; i < 20; i++) expect(t.inode(`/f${i}`).fileAcl).toBe(first);
  t.setxattr('/f3', 'user.same', value.slice(1));
  expect(t.inode('/f3').fileAcl).not.toBe(first);
  t.setxattr('/f4', 'user.same', null);
  for (let i = 5; i < 10; i++) t.unlink(`/f${i}`);
  expect(hex(t.getxattr('/f0', 'user.same'))).toBe(hex(value));
  t.umount();
  sound(image);
});
