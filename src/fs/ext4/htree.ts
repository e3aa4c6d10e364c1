/**
 * The hash tree of a directory: finding the leaf of a hash, and walking on from leaf to leaf.
 *
 *   root (block 0) -> nodes (0, 1 or, with large_dir, 2 levels) -> leaves
 *
 * A frame is one step of the way down: a node and the index of the entry taken in it. Names whose
 * hash is that of a leaf's last name may go on in the next leaf: its key then has bit 0 set.
 * @source filesystems/ext4/directory.rst, "Hash Tree Directories";
 *   fs/ext4/namei.c:dx_probe(), ext4_htree_next_block()
 */
import { assert } from '../../base/assert.ts';
import { corrupted } from '../../base/errno.ts';
import { type Lblk, lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { ext4ReadDirblock, readDirblockNowait } from './dir-block.ts';
import { DirEntry2, dirRecLen } from './disk/dirent.ts';
import {
  DX_BLOCK_MASK,
  DX_NODE_ENTRIES_OFFSET,
  DX_ROOT_ENTRIES_OFFSET,
  DX_ROOT_INFO_OFFSET,
  DxCountlimit,
  DxEntry,
  DxRootInfo,
  EXT4_HTREE_LEVEL,
  EXT4_HTREE_LEVEL_COMPAT,
  dxNodeLimit,
  dxRootLimit,
} from './disk/htree.ts';
import { DX_HASH_SIPHASH, DX_HASH_TEA } from './disk/superblock.ts';
import { hashInDirent, hashVersionOf } from './filename.ts';
import type { Ext4Inode } from './inode-info.ts';

const ENTRY = DxEntry.$size;
const ROOT = toLblk(0);

/** A node of the tree with the entry that the way goes through. */
export class DxFrame {
  bh: BufferHead;
  readonly isRoot: boolean;
  /** Index of the entry taken. */
  at = 0;

  constructor(bh: BufferHead, isRoot: boolean) {
    this.bh = bh;
    this.isRoot = isRoot;
  }

  get entriesAt(): number {
    return this.isRoot ? DX_ROOT_ENTRIES_OFFSET : DX_NODE_ENTRIES_OFFSET;
  }
  get count(): number {
    return DxCountlimit.count.get(this.bh.view, this.entriesAt);
  }
  set count(n: number) {
    DxCountlimit.count.set(this.bh.view, this.entriesAt, n);
  }
  get limit(): number {
    return DxCountlimit.limit.get(this.bh.view, this.entriesAt);
  }
  set limit(n: number) {
    DxCountlimit.limit.set(this.bh.view, this.entriesAt, n);
  }
  /** Where entry `i` stands in the block. */
  place(i: number): number {
    return this.entriesAt + i * ENTRY;
  }
  hashAt(i: number): number {
    return i === 0 ? 0 : this.bh.view.getUint32(this.place(i), true);
  }
  blockAt(i: number): Lblk {
    return toLblk(this.bh.view.getUint32(this.place(i) + 4, true) & DX_BLOCK_MASK);
  }
  /** The block below. */
  get child(): Lblk {
    return this.blockAt(this.at);
  }
}

/** A way from the root to the lowest node, and how this directory hashes. */
export class DxPath {
  readonly frames: DxFrame[] = [];
  /** DX_HASH_* in use, signedness included. */
  version = 0;

  get leaf(): DxFrame {
    const frame = this.frames.at(-1);
    assert(frame !== undefined);
    return frame;
  }
  put(): void {
    for (const frame of this.frames) frame.bh.put();
    this.frames.length = 0;
  }
}

/** Levels of nodes that the format allows. */
export const htreeLevels = (dir: Ext4Inode): number =>
  dir.sb.has.largeDir ? EXT4_HTREE_LEVEL : EXT4_HTREE_LEVEL_COMPAT;

/**
 * Is block 0 the root of a tree that we understand?
 * @returns the hash version in use and the inner levels
 * @throws EUCLEAN
 */
function checkRoot(dir: Ext4Inode, bh: BufferHead): { version: number; levels: number } {
  const { view } = bh;
  const wrong = (field: string, got: number): never => {
    throw corrupted('dx_root_info', field, { ino: dir.ino, pblk: bh.blocknr, got });
  };
  const dots = dirRecLen(1);
  if (DirEntry2.rec_len.get(view, 0) !== dots) {
    const got = DirEntry2.rec_len.get(view, 0);
    throw corrupted('ext4_dir_entry_2', 'rec_len', { ino: dir.ino, lblk: 0, at: 0, got });
  }
  const stored = DxRootInfo.hash_version.get(view, DX_ROOT_INFO_OFFSET);
  const sip = stored === DX_HASH_SIPHASH;
  if (sip !== hashInDirent(dir) || (!sip && stored > DX_HASH_TEA)) wrong('hash_version', stored);
  const zero = DxRootInfo.reserved_zero.get(view, DX_ROOT_INFO_OFFSET);
  if (zero !== 0) wrong('reserved_zero', zero);
  const flags = DxRootInfo.unused_flags.get(view, DX_ROOT_INFO_OFFSET);
  if ((flags & 1) !== 0) wrong('unused_flags', flags);
  const length = DxRootInfo.info_length.get(view, DX_ROOT_INFO_OFFSET);
  if (length !== DxRootInfo.$size) wrong('info_length', length);
  const levels = DxRootInfo.indirect_levels.get(view, DX_ROOT_INFO_OFFSET);
  if (levels >= htreeLevels(dir)) wrong('indirect_levels', levels);
  return { version: hashVersionOf(dir, stored), levels };
}

/** Do count and limit of a node fit its block? @throws EUCLEAN */
function checkCounts(dir: Ext4Inode, frame: DxFrame): void {
  const { blockSize } = dir.sb.geo;
  const csum = dir.sb.has.metadataCsum;
  const want = frame.isRoot ? dxRootLimit(blockSize, csum) : dxNodeLimit(blockSize, csum);
  const facts = { ino: dir.ino, pblk: frame.bh.blocknr };
  if (frame.limit !== want) {
    throw corrupted('dx_countlimit', 'limit', { ...facts, got: frame.limit, want });
  }
  if (frame.count === 0 || frame.count > frame.limit) {
    throw corrupted('dx_countlimit', 'count', { ...facts, got: frame.count, limit: frame.limit });
  }
}

/** Index of the last entry whose hash is at most `hash`. The inner loop of every look-up. */
function searchNode(frame: DxFrame, hash: number): number {
  const { view } = frame.bh;
  const first = frame.entriesAt;
  let low = 1;
  let high = frame.count - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (view.getUint32(first + middle * ENTRY, true) > hash) high = middle - 1;
    else low = middle + 1;
  }
  return low - 1;
}

/** A node's child must lie in the directory and not be a node of the way to it. */
function checkChild(dir: Ext4Inode, path: DxPath, child: Lblk, seen: readonly number[]): void {
  const { blockSize } = dir.sb.geo;
  if (seen.includes(child) || (child + 1) * blockSize > dir.size) {
    const pblk = path.leaf.bh.blocknr;
    throw corrupted('dx_entry', 'block', { ino: dir.ino, pblk, got: child, size: dir.size });
  }
}

/**
 * The way to the leaf where a hash belongs. The caller puts the path.
 * @param hashOf  tells the hash once the version of this directory is known
 * @throws EUCLEAN, EIO
 */
export function* dxProbe(dir: Ext4Inode, hashOf: (version: number) => number): Op<DxPath> {
  const path = new DxPath();
  try {
    const top = readDirblockNowait(dir, ROOT, 'node');
    const root = new DxFrame(top ?? (yield* ext4ReadDirblock(dir, ROOT, 'node')), true);
    path.frames.push(root);
    const { version, levels } = checkRoot(dir, root.bh);
    path.version = version;
    const hash = hashOf(version);
    const seen = [0];
    for (let frame = root; ;) {
      checkCounts(dir, frame);
      frame.at = searchNode(frame, hash);
      const { child } = frame;
      checkChild(dir, path, child, seen);
      if (path.frames.length > levels) return path;
      seen.push(child);
      const bh = readDirblockNowait(dir, child, 'node');
      frame = new DxFrame(bh ?? (yield* ext4ReadDirblock(dir, child, 'node')), false);
      path.frames.push(frame);
    }
  } catch (e) {
    path.put();
    throw e;
  }
}

/**
 * Move the path to the next leaf if it may hold names of this hash too.
 * @param hash  null: to the next leaf whatever its key
 * @returns the key of the new leaf, or -1: no more leaves, or none for this hash
 */
export function* dxNextLeaf(dir: Ext4Inode, path: DxPath, hash: number | null): Op<number> {
  const { frames } = path;
  let level = frames.length - 1;
  while (level >= 0 && frames[level]!.at + 1 >= frames[level]!.count) level--;
  const turn = frames[level];
  if (!turn) return -1;
  const key = turn.hashAt(turn.at + 1);
  if (hash !== null && (key & 1) === 0) return -1;
  if (hash !== null && (key & ~1) >>> 0 !== hash) return -1;
  turn.at++;
  const seen = [0, ...frames.slice(0, level).map((f) => f.child)];
  for (level++; level < frames.length; level++) {
    const child = frames[level - 1]!.child;
    checkChild(dir, path, child, seen);
    seen.push(child);
    const frame = new DxFrame(yield* ext4ReadDirblock(dir, child, 'node'), false);
    frames[level]!.bh.put();
    frames[level] = frame;
    checkCounts(dir, frame);
  }
  checkChild(dir, path, path.leaf.child, seen);
  return key;
}

/** Put a key and its block after the entry that the frame stands at. There is room for one. */
export function dxInsert(frame: DxFrame, hash: number, block: number): void {
  const { count } = frame;
  assert(count < frame.limit, 'no room in the node');
  const from = frame.place(frame.at + 1);
  frame.bh.data.copyWithin(from + ENTRY, from, frame.place(count));
  DxEntry.hash.set(frame.bh.view, from, hash);
  DxEntry.block.set(frame.bh.view, from, block);
  frame.count = count + 1;
}
