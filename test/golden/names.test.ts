// Goal: every name, link target and attribute of every golden image is what the kernel and debugfs
// say. Method: the directories of the kept trees, listed in small and large calls, each name looked
// up again by itself.
import { expect, test } from 'vitest';
import { ino } from '../../src/base/units.ts';
import { nameFromBytes, nameToBytes, type Name } from '../../src/base/name.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import type { Ext4Inode } from '../../src/fs/ext4/inode-info.ts';
import { dMakeRoot } from '../../src/vfs/dcache.ts';
import { File } from '../../src/vfs/file.ts';
import type { Inode } from '../../src/vfs/inode.ts';
import { type Dirent, vfsGetdents } from '../../src/vfs/readdir.ts';
import { bytesOf, digestEntries, nameOf, type Node } from '../../scripts/golden/tree.mjs';
import { goldenNames, goldenPath, goldenTree } from '../support/images.ts';
import { mountFile, type Mounted } from '../support/mounted.ts';

const jsonName = (name: Name): string => nameOf(Buffer.from(nameToBytes(name)));
const nameFromJson = (name: string): Name => nameFromBytes(bytesOf(name));

function list(m: Mounted, dir: Ext4Inode, batch: number): Dirent[] {
  const file = new File(dMakeRoot(m.sb, dir), dir, 0);
  const all: Dirent[] = [];
  for (;;) {
    const some = m.run(vfsGetdents(file, batch));
    all.push(...some);
    if (some.length === 0) return all;
    expect(file.pos).toBeGreaterThanOrEqual(some.at(-1)?.cookie ?? 0);
  }
}

const lookup = (m: Mounted, dir: Ext4Inode, name: Name): Inode | null =>
  m.run(dir.iops.lookup!(dir, name));

function checkDir(m: Mounted, dir: Ext4Inode, node: Node, wrong: string[]): void {
  const all = list(m, dir, 1000);
  const found: Record<string, number> = {};
  for (const { name, ino: nr } of all) {
    if (name === '..' && node.dotdot !== undefined && nr !== node.dotdot) wrong.push(`..: ${nr}`);
    if (name === '.' && nr !== dir.ino) wrong.push(`.: ${nr}`);
    if (name !== '.' && name !== '..') found[jsonName(name)] = nr;
  }
  const want = node.entries ?? {};
  const digested = typeof want['sha256' as keyof typeof want] === 'string';
  expect(digested ? digestEntries(found) : found, `entries of ${dir.ino}`).toEqual(want);
  if (all.length < 3000) expect(list(m, dir, 3)).toEqual(all);
  for (const { name, ino: nr } of all.slice(0, 2000)) {
    if (name === '.' || name === '..') continue;
    try {
      const inode = lookup(m, dir, name);
      if (inode?.ino !== nr) wrong.push(`${dir.ino}/${jsonName(name)}: looked up ${inode?.ino}`);
    } catch (e) {
      // A tree may hold inodes that Linux refuses too.
      const node2 = goldenTreeNode(m, nr);
      if (!node2?.error) wrong.push(`${dir.ino}/${jsonName(name)}: ${(e as Error).message}`);
    }
  }
  if (lookup(m, dir, 'no such name' as Name)) wrong.push(`${dir.ino}: found what is not there`);
}

let nodes: Record<string, Node> = {};
const goldenTreeNode = (_m: Mounted, nr: number): Node | undefined => nodes[String(nr)];

function checkXattrs(m: Mounted, inode: Ext4Inode, node: Node): void {
  const found: Record<string, string> = {};
  for (const name of m.run(inode.iops.listxattr!(inode))) {
    const value = m.run(inode.iops.getxattr!(inode, name));
    found[name] = Buffer.from(value ?? []).toString('hex');
  }
  expect(found, `attributes of ${inode.ino}`).toEqual(node.xattrs);
}

test.each(goldenNames())('%s: every name, target and attribute', (name) => {
  const tree = goldenTree(name);
  if (tree.refused && !tree.refused.readOnly) return;
  nodes = tree.inodes;
  using image = goldenPath(name);
  const m = mountFile(image.path);
  const wrong: string[] = [];
  for (const [nr, node] of Object.entries(nodes)) {
    if (node.mode === undefined) continue;
    const inode = m.run(ext4Iget(m.sb, ino(Number(nr))));
    if (node.type === 'dir') checkDir(m, inode, node, wrong);
    if (node.target !== undefined) {
      expect(jsonName(m.run(inode.iops.getLink!(inode))), `target of ${nr}`).toBe(node.target);
    }
    if (node.xattrs) checkXattrs(m, inode, node);
  }
  expect(wrong).toEqual([]);
  for (const [path, want] of Object.entries(tree.lookups ?? {})) {
    let at: Inode | null = m.run(ext4Iget(m.sb, ino(2)));
    for (const part of path.split('/')) {
      if (at) at = lookup(m, at as Ext4Inode, nameFromJson(part));
    }
    expect(at?.ino ?? 'ENOENT', path).toBe(want);
  }
});
