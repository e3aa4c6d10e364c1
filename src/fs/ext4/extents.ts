/**
 * Extent trees, the reading side: walking from the root in i_block to the leaf that covers a
 * logical block, with every node checked before a field of it is used.
 *
 *   path[0]      path[1]        path[depth]
 *   root   --->  index   --->   leaf          `pos` is the entry chosen at each level, -1 none
 *
 * Invariants of a node (checked): magic, depth one less than its parent's, 0 < max <= room,
 * entries <= max, keys ascending, inside the range that the parent gives it, extents disjoint.
 * @source filesystems/ext4/ifork.rst, "Extent Tree"; fs/ext4/extents.c:ext4_find_extent()
 */
import { corrupted } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { extentBlockCsumOk, setExtentBlockCsum } from './checksum.ts';
import {
  EXT4_EXT_MAGIC,
  EXT4_MAX_EXTENT_DEPTH,
  EXT_MAX_BLOCKS,
  Extent,
  extentCapacity,
  ExtentHeader,
  ExtentIdx,
  extentLength,
  extentStart,
  ExtentTail,
  idxLeaf,
  isUnwritten,
} from './disk/extent.ts';
import type { Ext4Inode } from './inode-info.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** One level of a walk: a node and the entry that was followed. */
export interface ExtentPathLevel {
  /** null: the root, in the inode. */
  readonly bh: BufferHead | null;
  readonly view: DataView;
  readonly depth: number;
  pos: number;
}
export type ExtentPath = ExtentPathLevel[];

/** An extent of the file as numbers. */
export interface ExtentEntry {
  readonly lblk: number;
  readonly len: number;
  readonly pblk: Pblk;
  readonly unwritten: boolean;
}

export const nodeEntries = (l: ExtentPathLevel): number => ExtentHeader.eh_entries.get(l.view, 0);
export const nodeMax = (l: ExtentPathLevel): number => ExtentHeader.eh_max.get(l.view, 0);
/** Byte offset of entry `i` in its node. */
export const entryAt = (i: number): number => ExtentHeader.$size + i * Extent.$size;
/** First logical block of entry `i`: the same field in both kinds of node. */
export const entryKey = (l: ExtentPathLevel, i: number): number =>
  Extent.ee_block.get(l.view, entryAt(i));

export function readExtent(l: ExtentPathLevel, i: number): ExtentEntry {
  const at = entryAt(i);
  const len = Extent.ee_len.get(l.view, at);
  return {
    lblk: Extent.ee_block.get(l.view, at),
    len: extentLength(len),
    pblk: pblk(extentStart(l.view, at)),
    unwritten: isUnwritten(len),
  };
}

export function releasePath(path: ExtentPath): void {
  for (const level of path) level.bh?.put();
  path.length = 0;
}

/** The leaf level of a complete path. */
export function leafOf(path: ExtentPath): ExtentPathLevel {
  const leaf = path.at(-1);
  if (leaf?.depth !== 0) throw corrupted('ext4_extent_header', 'eh_depth', {});
  return leaf;
}

/** Puts the checksum of an extent block in before it is written; `seed` is the inode's. */
export const extentTrigger = (bh: BufferHead): void => {
  setExtentBlockCsum(bh.seed, bh);
};

/** Bytes of an extent block that entries may use. */
export const extentBlockRoom = (sb: Ext4SuperBlock): number =>
  extentCapacity(sb.blockSize - (sb.has.metadataCsum ? ExtentTail.$size : 0));

interface NodeBounds {
  readonly depth: number;
  readonly first: number;
  readonly end: number;
}

/** Check a node's header and all its entries. @throws EUCLEAN naming field and place */
function checkNode(
  inode: Ext4Inode,
  view: DataView,
  where: Pblk,
  room: number,
  b: NodeBounds,
): void {
  const facts = { ino: inode.ino, pblk: where };
  const magic = ExtentHeader.eh_magic.get(view, 0);
  const depth = ExtentHeader.eh_depth.get(view, 0);
  const max = ExtentHeader.eh_max.get(view, 0);
  const entries = ExtentHeader.eh_entries.get(view, 0);
  if (magic !== EXT4_EXT_MAGIC) {
    throw corrupted('ext4_extent_header', 'eh_magic', { ...facts, got: magic });
  }
  if (depth !== b.depth) {
    throw corrupted('ext4_extent_header', 'eh_depth', { ...facts, got: depth, want: b.depth });
  }
  if (max === 0 || max > room) {
    throw corrupted('ext4_extent_header', 'eh_max', { ...facts, got: max, want: `1..${room}` });
  }
  if (entries > max || (entries === 0 && depth > 0)) {
    throw corrupted('ext4_extent_header', 'eh_entries', {
      ...facts,
      got: entries,
      want: `..${max}`,
    });
  }
  if (depth > 0) checkIndexes(inode, view, entries, facts, b);
  else checkExtents(inode, view, entries, facts, b);
}

type Facts = Readonly<Record<string, number>>;

function checkIndexes(
  inode: Ext4Inode,
  view: DataView,
  n: number,
  facts: Facts,
  b: NodeBounds,
): void {
  let last = -1;
  for (let i = 0; i < n; i++) {
    const at = entryAt(i);
    const key = ExtentIdx.ei_block.get(view, at);
    if (key <= last || (i > 0 && key < b.first) || key >= b.end) {
      throw corrupted('ext4_extent_idx', 'ei_block', { ...facts, entry: i, got: key });
    }
    last = key;
    const leaf = idxLeaf(view, at);
    if (!inode.sb.zones.valid(leaf, 1, inode.ino)) {
      throw corrupted('ext4_extent_idx', 'ei_leaf', { ...facts, entry: i, got: leaf });
    }
  }
}

function checkExtents(
  inode: Ext4Inode,
  view: DataView,
  n: number,
  facts: Facts,
  b: NodeBounds,
): void {
  let next = b.first;
  for (let i = 0; i < n; i++) {
    const at = entryAt(i);
    const lblk = Extent.ee_block.get(view, at);
    const len = extentLength(Extent.ee_len.get(view, at));
    const start = extentStart(view, at);
    if (lblk < next || lblk >= b.end) {
      throw corrupted('ext4_extent', 'ee_block', { ...facts, entry: i, got: lblk });
    }
    if (len === 0 || lblk + len > b.end || lblk + len > EXT_MAX_BLOCKS) {
      throw corrupted('ext4_extent', 'ee_len', { ...facts, entry: i, got: len });
    }
    if (!inode.sb.zones.valid(start, len, inode.ino)) {
      throw corrupted('ext4_extent', 'ee_start', { ...facts, entry: i, got: start });
    }
    next = lblk + len;
  }
}

/** Index of the last entry whose key is at most `lblk`; -1 if there is none. */
function searchNode(level: ExtentPathLevel, lblk: number): number {
  let low = 0;
  let high = nodeEntries(level);
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (entryKey(level, mid) <= lblk) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}

/** Check the root in i_block, once when the inode is read. @throws EUCLEAN */
export function checkExtentRoot(inode: Ext4Inode): NodeBounds {
  const depth = ExtentHeader.eh_depth.get(inode.iDataView, 0);
  if (depth > EXT4_MAX_EXTENT_DEPTH) {
    throw corrupted('ext4_extent_header', 'eh_depth', { ino: inode.ino, got: depth, want: '0..5' });
  }
  const bounds = { depth, first: 0, end: EXT_MAX_BLOCKS + 1 };
  checkNode(inode, inode.iDataView, pblk(0), extentCapacity(60), bounds);
  return bounds;
}

/**
 * The path from the root to the leaf that covers `lblk`, or would. The leaf's `pos` is the last
 * extent that starts at or before it, -1 if none does. The caller releases the path.
 * @throws EUCLEAN a node is damaged; EIO
 * @context May sleep for I/O. i_data_sem held.
 */
export function* ext4FindExtent(inode: Ext4Inode, lblk: number): Op<ExtentPath> {
  const path: ExtentPath = [];
  try {
    let bounds = checkExtentRoot(inode);
    const { depth } = bounds;
    let level: ExtentPathLevel = { bh: null, view: inode.iDataView, depth, pos: -1 };
    level.pos = searchNode(level, lblk);
    path.push(level);
    while (level.depth > 0) {
      const pos: number = Math.max(0, level.pos);
      level.pos = pos;
      const last = pos + 1 >= nodeEntries(level);
      bounds = {
        depth: level.depth - 1,
        first: entryKey(level, pos),
        end: last ? bounds.end : entryKey(level, pos + 1),
      };
      level = yield* readNode(inode, pblk(idxLeaf(level.view, entryAt(pos))), bounds);
      path.push(level);
      level.pos = searchNode(level, lblk);
    }
    return path;
  } catch (e) {
    releasePath(path);
    throw e;
  }
}

function* readNode(inode: Ext4Inode, nr: Pblk, bounds: NodeBounds): Op<ExtentPathLevel> {
  const { buffers, has } = inode.sb;
  const bh = buffers.tryBread(nr) ?? (yield* buffers.bread(nr));
  try {
    // Once per stay in memory and owner: afterwards only our own code has changed it.
    if (!bh.verified || bh.seed !== inode.csumSeed) {
      if (has.metadataCsum && !bh.dirty && !extentBlockCsumOk(inode.csumSeed, bh)) {
        throw corrupted('ext4_extent_tail', 'et_checksum', { ino: inode.ino, pblk: nr });
      }
      checkNode(inode, bh.view, nr, extentCapacity(inode.sb.blockSize), bounds);
    }
    bh.verified = true;
    bh.seed = inode.csumSeed;
    return { bh, view: bh.view, depth: bounds.depth, pos: -1 };
  } catch (e) {
    bh.put();
    throw e;
  }
}

/** What the tree says of one block: an extent that covers it, or the hole around it. */
export interface ExtentLookup {
  readonly extent: ExtentEntry | null;
  /** The hole [lblk, lblk + holeLen) when `extent` is null. */
  readonly holeLen: number;
}

/** Look a block up. @context i_data_sem held. */
export function* ext4ExtLookup(inode: Ext4Inode, lblk: number): Op<ExtentLookup> {
  trace('fs/ext4:ext4ExtLookup');
  const path = yield* ext4FindExtent(inode, lblk);
  try {
    const leaf = leafOf(path);
    if (leaf.pos >= 0) {
      const e = readExtent(leaf, leaf.pos);
      if (lblk < e.lblk + e.len) return { extent: e, holeLen: 0 };
    }
    return { extent: null, holeLen: nextAllocated(path) - lblk };
  } finally {
    releasePath(path);
  }
}

/** First allocated logical block after the path's position; EXT_MAX_BLOCKS if there is none. */
export function nextAllocated(path: ExtentPath): number {
  for (let i = path.length - 1; i >= 0; i--) {
    const level = path[i];
    if (level && level.pos + 1 < nodeEntries(level)) return entryKey(level, level.pos + 1);
  }
  return EXT_MAX_BLOCKS;
}
