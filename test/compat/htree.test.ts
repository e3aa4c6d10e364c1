// Goal: a directory grows to the depth its format allows, and not further, sound at each depth.
// Method: long names in blocks of 1 KiB, as links of a few files, so that leaves hold three names.
import { expect, test } from 'vitest';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { haveLoop, withKernelMount } from '../support/judges.ts';
import { Tree } from '../support/tree.ts';
import { readdirSync } from 'node:fs';
import { DxRootInfo } from '../../src/fs/ext4/disk/htree.ts';
import { ext4ReadDirblock } from '../../src/fs/ext4/dir-block.ts';
import { lblk } from '../../src/base/units.ts';
import type { Op } from '../../src/sched/op.ts';

function sound(image: TestImage): void {
  const { code, output } = image.fsck();
  expect(code, output).toBe(0);
}

const nameOf = (i: number): string => `${i}-`.padEnd(240, 'abcdefghij');

/** Inner levels, as the root says. */
const levels = (t: Tree, dir: string): number =>
  t.with(dir, function* (inode): Op<number> {
    const bh = yield* ext4ReadDirblock(inode, lblk(0), 'node');
    const n = DxRootInfo.indirect_levels.get(bh.view, 24);
    bh.put();
    return n;
  });

/** Links of files, each with fewer than there may be. */
function fill(t: Tree, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const file = `/f${Math.floor(i / 60_000)}`;
    if (i % 60_000 === 0) t.create(file);
    t.link(file, `/d/${nameOf(i)}`);
  }
}

async function kernelAgrees(image: TestImage, names: string[]): Promise<void> {
  if (!haveLoop()) return;
  await withKernelMount(image.path, { ro: true }, (dir) => {
    expect(readdirSync(`${dir}/d`).sort()).toEqual(names);
  });
}

test('splits reach two levels of nodes, and emptying leaves a sound directory', async () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-N', '64'], '48M');
  let t = Tree.open(image.path);
  t.mkdir('/d');
  fill(t, 0, 1200);
  expect(levels(t, '/d')).toBe(1);
  const names = t.names('/d');
  expect(names.length).toBe(1200);
  t.umount();
  sound(image);
  await kernelAgrees(image, names);
  t = Tree.open(image.path);
  for (let i = 0; i < 1200; i++) if (i % 3) t.unlink(`/d/${nameOf(i)}`);
  for (let i = 1200; i < 1500; i++) t.link('/f0', `/d/${nameOf(i)}`);
  const left = t.names('/d');
  t.umount();
  sound(image);
  await kernelAgrees(image, left);
  t = Tree.open(image.path);
  for (const name of left) t.unlink(`/d/${name}`);
  t.rmdir('/d');
  t.umount();
  sound(image);
});

test('a directory whose index is full says so, and stays sound', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-N', '64'], '64M');
  const t = Tree.open(image.path);
  t.mkdir('/d');
  let made = 0;
  expect(() => {
    for (; made < 60_000; made++) {
      if (made === 0) t.create('/f0');
      t.link('/f0', `/d/${nameOf(made)}`);
    }
  }).toThrow(/ENOSPC: the index of the directory is full/);
  expect(made).toBeGreaterThan(25_000);
  expect(t.exists(`/d/${nameOf(made - 1)}`)).toBe(true);
  expect(t.exists(`/d/${nameOf(made)}`)).toBe(false);
  t.umount();
  sound(image);
});

test('with large_dir there is a third level of nodes', async () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-N', '64', '-O', 'large_dir'], '128M');
  const t = Tree.open(image.path);
  t.mkdir('/d');
  fill(t, 0, 70_000);
  expect(levels(t, '/d')).toBe(2);
  for (let i = 0; i < 70_000; i += 997) expect(t.exists(`/d/${nameOf(i)}`)).toBe(true);
  const names = t.names('/d');
  expect(names.length).toBe(70_000);
  t.umount();
  sound(image);
  await kernelAgrees(image, names);
});
