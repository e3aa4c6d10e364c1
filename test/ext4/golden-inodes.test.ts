// Goal: every inode of every golden image is what the kernel and debugfs say it is, and every
// file's content too. Method: inodes by number, below names and system calls.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ino } from '../../src/base/units.ts';
import { FsError } from '../../src/base/errno.ts';
import { EXT4_ENCRYPT_FL } from '../../src/fs/ext4/disk/inode.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import type { Ext4Inode } from '../../src/fs/ext4/inode-info.ts';
import { filemapRead } from '../../src/mm/filemap.ts';
import { IovIter } from '../../src/mm/iov-iter.ts';
import { FileRaState } from '../../src/mm/readahead.ts';
import type { Timespec } from '../../src/sched/clock.ts';
import { DENSE_LIMIT, type Node } from '../../scripts/golden/tree.mjs';
import type { File } from '../../src/vfs/file.ts';
import { goldenNames, goldenPath, goldenTree } from '../support/images.ts';
import { mountFile, type Mounted } from '../support/mounted.ts';

const TYPES: Record<number, string> = {
  0o100000: 'file',
  0o040000: 'dir',
  0o120000: 'symlink',
  0o020000: 'char',
  0o060000: 'block',
  0o010000: 'fifo',
  0o140000: 'socket',
};

const timeText = (t: Timespec): string => `${t.sec}.${String(t.nsec).padStart(9, '0')}`;

function factsOf(m: Mounted, inode: Ext4Inode, node: Node): Partial<Node> {
  const stat = { attributes: 0, blocks: inode.blocks, btime: null };
  m.run(inode.iops.getattr!(inode, stat as never));
  const facts: Partial<Node> = {
    type: TYPES[inode.type] as Node['type'],
    mode: (inode.mode & 0o7777).toString(8).padStart(4, '0'),
    uid: inode.uid,
    gid: inode.gid,
    nlink: inode.nlink,
    size: inode.size,
    blocks: stat.blocks,
    atime: timeText(inode.atime),
    mtime: timeText(inode.mtime),
    ctime: timeText(inode.ctime),
  };
  if (node.crtime !== undefined && inode.btime) facts.crtime = timeText(inode.btime);
  if (node.flags !== undefined) facts.flags = (inode.iFlags >>> 0).toString(16);
  if (node.generation !== undefined) facts.generation = inode.generation;
  if (node.rdev !== undefined)
    facts.rdev = `${(inode.rdev >>> 8) & 0xfff}:${(inode.rdev & 0xff) | ((inode.rdev >>> 12) & 0xfff00)}`;
  return facts;
}

function hashOf(m: Mounted, inode: Ext4Inode, ranges: [number, number][]): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(1 << 18);
  const ra = new FileRaState(inode.mapping.folioSize);
  for (const [start, end] of ranges) {
    for (let at = start; at < end;) {
      const part = buffer.subarray(0, Math.min(buffer.length, end - at));
      const n = m.run(filemapRead(inode.mapping, ra, IovIter.of(part), at));
      expect(n).toBeGreaterThan(0);
      hash.update(buffer.subarray(0, n));
      at += n;
    }
  }
  return hash.digest('hex');
}

const KEYS = [
  'type',
  'mode',
  'uid',
  'gid',
  'nlink',
  'size',
  'blocks',
  'atime',
  'mtime',
  'ctime',
  'crtime',
  'rdev',
  'flags',
  'generation',
] as const;

function check(m: Mounted, nr: string, node: Node, wrong: string[]): void {
  let inode: Ext4Inode;
  try {
    inode = m.run(ext4Iget(m.sb, ino(Number(nr))));
  } catch (e) {
    if (!node.error || node.mode !== undefined) wrong.push(`${nr}: ${(e as Error).message}`);
    return;
  }
  const facts = factsOf(m, inode, node) as Record<string, unknown>;
  for (const key of KEYS) {
    if (node[key] === undefined || node[key] === facts[key]) continue;
    // Linux shows the length of the encoded target instead; symlink.ts does.
    if (key === 'size' && inode.isLnk && inode.hasFlag(EXT4_ENCRYPT_FL)) continue;
    if (key === 'flags' && facts[key] === undefined) continue;
    wrong.push(`${nr}.${key}: ${String(facts[key])}, want ${String(node[key])}`);
  }
  if (node.type !== 'file' || (node.sha256 === undefined && node.error === undefined)) return;
  const dense = node.ranges === undefined || inode.size <= DENSE_LIMIT;
  try {
    if (inode.fops.open) m.run(inode.fops.open(inode, { writable: false } as File));
    const got = hashOf(m, inode, dense ? [[0, inode.size]] : (node.ranges ?? []));
    if (node.error) wrong.push(`${nr}: read, want ${node.error}`);
    else if (got !== node.sha256) wrong.push(`${nr}: other content`);
  } catch (e) {
    const code = e instanceof FsError ? e.code : String(e);
    if (!node.error) wrong.push(`${nr}: ${(e as Error).message}`);
    else if (code !== node.error && !(code === 'EUCLEAN'))
      wrong.push(`${nr}: ${code}, want ${node.error}`);
  }
  m.run(m.sb.sops.evictInode(inode));
  m.sb.inodes.delete(inode.ino);
}

test.each(goldenNames())('%s: every inode and every content', (name) => {
  const tree = goldenTree(name);
  using image = goldenPath(name);
  let m: Mounted;
  try {
    m = mountFile(image.path);
  } catch (e) {
    if (tree.refused) return;
    throw e;
  }
  if (tree.refused && !tree.refused.readOnly) expect.fail('must be refused');
  const wrong: string[] = [];
  for (const [nr, node] of Object.entries(tree.inodes)) {
    if (wrong.length < 20) check(m, nr, node, wrong);
  }
  expect(wrong).toEqual([]);
  m.umount();
});
