// Goal: what is special about some directories is as Linux has it: folded names, encrypted names,
// inline ones that grow, counts that overflow, readers that meet writers. Method: images made by
// mke2fs and the golden ones, changed here, judged by e2fsck and (where it can mount) the kernel.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nameFromText } from '../../src/base/name.ts';
import type { Op } from '../../src/sched/op.ts';
import { O_DIRECTORY } from '../../src/vfs/file.ts';
import { fput, vfsOpen } from '../../src/vfs/open.ts';
import { vfsGetdents } from '../../src/vfs/readdir.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { goldenPath, goldenTree } from '../support/images.ts';
import { e2fsck, haveLoop, withKernelMount } from '../support/judges.ts';
import { Tree } from '../support/tree.ts';

function sound(image: TestImage): void {
  const { code, output } = image.fsck();
  expect(code, output).toBe(0);
}

test('a casefolded directory finds, refuses and removes names whatever their case', () => {
  const image = makeImage(
    ['-t', 'ext4', '-b', '1024', '-O', 'casefold', '-E', 'encoding=utf8'],
    '8M',
  );
  image.debugfs('mkdir /cf', 'sif /cf flags 0x40080000');
  const t = Tree.open(image.path);
  const utf8 = (s: string): string => nameFromText(s);
  for (let i = 0; i < 300; i++) t.create(`/cf/File-Ä-${i}`.replace('Ä', utf8('Ä')));
  expect(t.exists(utf8('/cf/FILE-ä-7'))).toBe(true);
  expect(t.exists(utf8('/cf/file-A-7'))).toBe(false);
  expect(() => t.create(utf8('/cf/fILE-ä-8'))).toThrow('EEXIST');
  t.unlink(utf8('/cf/FILE-Ä-9'));
  expect(t.exists(utf8('/cf/File-Ä-9'))).toBe(false);
  t.rename(utf8('/cf/file-ä-10'), '/cf/Other');
  expect(t.exists('/cf/OTHER')).toBe(true);
  expect(t.exists(utf8('/cf/File-Ä-10'))).toBe(false);
  t.mkdir('/cf/Sub');
  t.create('/cf/sub/Inner');
  expect(t.exists('/cf/SUB/INNER')).toBe(true);
  t.create('/cf/\xff\xfe');
  expect(t.exists('/cf/\xff\xfe')).toBe(true);
  t.umount();
  sound(image);
});

test('strict encoding refuses names that are not UTF-8', () => {
  const flags = ['-E', 'encoding=utf8,encoding_flags=strict'];
  const image = makeImage(['-t', 'ext4', '-O', 'casefold', ...flags], '8M');
  image.debugfs('mkdir /cf', 'sif /cf flags 0x40080000');
  const t = Tree.open(image.path);
  expect(() => t.create('/cf/\xff\xfe')).toThrow('EINVAL');
  t.create('/\xff\xfe');
  t.umount();
  sound(image);
});

test('without the key an encrypted directory takes no names, and names can go', () => {
  using golden = goldenPath('encrypt');
  const path = join(scratchDir(), 'image');
  copyFileSync(golden.path, path);
  const tree = goldenTree('encrypt');
  const t = Tree.open(path);
  for (const dir of ['/pad4', '/indexed']) {
    const nr = t.inode(dir).ino;
    const want = Object.keys(tree.inodes[String(nr)]?.entries ?? {});
    for (const make of ['create', 'mkdir'] as const) {
      expect(() => t[make](`${dir}/new`)).toThrow('ENOKEY');
    }
    expect(() => t.symlink('x', `${dir}/new`)).toThrow('ENOKEY');
    expect(t.exists(`${dir}/new`)).toBe(false);
    let gone = 0;
    for (const name of dir === '/indexed' ? t.names(dir) : want) {
      if (!t.inode(`${dir}/${name}`).isReg) continue;
      t.unlink(`${dir}/${name}`);
      gone++;
    }
    expect(gone).toBeGreaterThan(2);
  }
  t.umount();
  const { status, output } = e2fsck(path);
  expect(status, output).toBe(0);
});

test('an inline directory grows inside its inode and then into blocks, and the kernel follows', async () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', 'inline_data'], '8M');
  const sizes = new Set<number>();
  const t = Tree.open(image.path);
  for (let count = 0; count < 14; count++) {
    t.mkdir(`/d${count}`);
    for (let i = 0; i < count; i++) t.create(`/d${count}/name-${i}`);
    if (count % 3 === 0) t.setxattr(`/d${count}`, 'user.x', new Uint8Array(20));
    sizes.add(t.inode(`/d${count}`).size);
  }
  t.mkdir('/full');
  t.setxattr('/full', 'user.x', new Uint8Array(60));
  for (let i = 0; i < 60; i++) t.create(`/full/${'n'.repeat(i + 1)}`);
  for (let i = 0; i < 60; i += 2) t.unlink(`/full/${'n'.repeat(i + 1)}`);
  const want = Object.fromEntries(t.names('/').map((d) => [d, t.names(`/${d}`)]));
  t.umount();
  sound(image);
  expect([...sizes].some((s) => s === 60)).toBe(true);
  expect([...sizes].some((s) => s > 60 && s < 1024)).toBe(true);
  expect([...sizes].some((s) => s >= 1024)).toBe(true);
  if (!haveLoop()) return;
  await withKernelMount(image.path, { ro: true }, (dir) => {
    for (const [d, names] of Object.entries(want)) {
      const seen = execFileSync('ls', ['-A', join(dir, d)], { encoding: 'utf8' });
      expect(seen.split('\n').filter(Boolean).sort()).toEqual(names);
    }
  });
});

test('the order of names is the kernel’s', async () => {
  if (!haveLoop()) return;
  for (const args of [
    ['-O', 'dir_index'],
    ['-O', '^dir_index'],
    ['-O', 'inline_data'],
  ]) {
    const image = makeImage(['-t', 'ext4', '-b', '1024', ...args], '16M');
    const t = Tree.open(image.path);
    for (const [dir, count] of [
      ['/few', 4],
      ['/some', 20],
      ['/many', 700],
    ] as const) {
      t.mkdir(dir);
      for (let i = 0; i < count; i++) t.create(`${dir}/a name ${i}`);
    }
    const ours = ['/few', '/some', '/many'].map((d) =>
      t.entries(d, 10).map((e) => e.name as string),
    );
    t.umount();
    sound(image);
    await withKernelMount(image.path, { ro: true }, (dir) => {
      const theirs = ['/few', '/some', '/many'].map((d) =>
        execFileSync('ls', ['-Ua', dir + d], { encoding: 'utf8' })
          .split('\n')
          .filter(Boolean),
      );
      expect(ours).toEqual(theirs);
    });
  }
});

test('a directory of more than 65,000 directories shows one link', () => {
  const image = makeImage(['-t', 'ext4', '-O', 'inline_data', '-N', '66000', '-I', '256'], '64M');
  const t = Tree.open(image.path);
  t.mkdir('/d');
  for (let i = 0; i < 64_990; i++) t.mkdir(`/d/${i}`);
  expect(t.inode('/d').nlink).toBe(64_992);
  for (let i = 64_990; i < 65_010; i++) t.mkdir(`/d/${i}`);
  expect(t.inode('/d').nlink).toBe(1);
  t.rmdir('/d/5');
  expect(t.inode('/d').nlink).toBe(1);
  t.umount();
  sound(image);
});

test('without dir_nlink the 65,000th directory is refused', () => {
  const image = makeImage(['-t', 'ext4', '-O', 'inline_data,^dir_nlink', '-N', '66000'], '64M');
  const t = Tree.open(image.path);
  t.mkdir('/d');
  expect(() => {
    for (let i = 0; i < 65_000; i++) t.mkdir(`/d/${i}`);
  }).toThrow('EMLINK');
  expect(t.inode('/d').nlink).toBe(65_000);
  t.umount();
  sound(image);
});

for (const [kind, args] of [
  ['by hash', ['-O', 'dir_index']],
  ['as they lie', ['-O', '^dir_index']],
] as const) {
  test(`a reader sees every name that stays exactly once while others come and go (${kind})`, () => {
    const image = makeImage(['-t', 'ext4', '-b', '1024', ...args], '32M');
    const t = Tree.open(image.path);
    t.mkdir('/d');
    const stay = Array.from({ length: 400 }, (_, i) => `stays-${i}-${'s'.repeat(i % 30)}`);
    for (const name of stay) t.create(`/d/${name}`);
    const seen: string[] = [];
    const dentry = t.run(t.lookup('/d'));
    const file = t.run(vfsOpen(dentry, O_DIRECTORY));
    for (let turn = 0; ; turn++) {
      const some = t.run(vfsGetdents(file, 7));
      if (some.length === 0) break;
      seen.push(...some.map((e) => e.name as string));
      for (let i = 0; i < 10; i++) t.create(`/d/comes-${turn}-${i}`);
      if (turn % 2) for (let i = 0; i < 10; i++) t.unlink(`/d/comes-${turn - 1}-${i}`);
      if (turn > 500) break;
    }
    t.run(
      (function* (): Op<void> {
        yield* fput(file);
      })(),
    );
    const stayed = seen.filter((n) => n.startsWith('stays'));
    expect(stayed.length).toBe(new Set(stayed).size);
    expect(stayed.sort()).toEqual([...stay].sort());
    t.umount();
    sound(image);
  });
}
