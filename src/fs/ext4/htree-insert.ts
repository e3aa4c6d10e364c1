/**
 * Growth of a directory's hash tree: a full leaf is split at the middle of its names' hashes, a
 * full node at the middle of its entries, a full root gets a level below it; and a directory whose
 * one block is full becomes a tree.
 *
 * Every step leaves a tree that is whole. A node that was split sends the caller back to the root:
 * a new probe costs less than repairing the path by hand, and each probe finds more room.
 * @source fs/ext4/namei.c:ext4_dx_add_entry(), do_split(), make_indexed_dir()
 */
import { corrupted, errno } from '../../base/errno.ts';
import type { Lblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { ext4Append } from './bread.ts';
import { dirtyDirblock, ext4ReadDirblock, leafAccess, nodeAccess } from './dir-block.ts';
import {
  type DirArea,
  type DirShape,
  checkedRecLen,
  findRoom,
  initDots,
  initFreeEntry,
  initLeafTail,
  insertEntry,
  leafArea,
  type NewEntry,
} from './dir-entry.ts';
import { DirEntry2, dirRecLen, recLenToDisk } from './disk/dirent.ts';
import {
  DX_ROOT_INFO_OFFSET,
  DxEntry,
  DxRootInfo,
  dxNodeLimit,
  dxRootLimit,
} from './disk/htree.ts';
import { EXT4_INDEX_FL } from './disk/inode.ts';
import { DX_HASH_TEA } from './disk/superblock.ts';
import { type Ext4Filename, dirShape, entryHash } from './filename.ts';
import { DxFrame, type DxPath, dxInsert, dxProbe, htreeLevels } from './htree.ts';
import type { Ext4Inode } from './inode-info.ts';

/** A probe for each level that may have to be split, and some to spare. */
const PROBES_MAX = 8;

/** A name of a leaf: where it stands, the room it takes, its hash. */
interface LeafName {
  readonly at: number;
  readonly size: number;
  readonly hash: number;
}

/**
 * Add a name through the tree.
 * @throws ENOSPC also where the tree is full; EEXIST; EUCLEAN
 */
export function* dxAddEntry(
  handle: Handle,
  dir: Ext4Inode,
  name: Ext4Filename,
  entry: NewEntry,
): Op<void> {
  const shape = dirShape(dir);
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const path = yield* dxProbe(dir, (version) => name.hash(version).hash);
    try {
      if (yield* addThroughPath(handle, dir, path, name, entry, shape)) return;
    } finally {
      path.put();
    }
  }
  throw corrupted('dx_countlimit', 'count', { ino: dir.ino, probes: PROBES_MAX });
}

/** @returns false: a node was split, probe again */
function* addThroughPath(
  handle: Handle,
  dir: Ext4Inode,
  path: DxPath,
  name: Ext4Filename,
  entry: NewEntry,
  shape: DirShape,
): Op<boolean> {
  const frame = path.leaf;
  const lblk = frame.child;
  const bh = yield* ext4ReadDirblock(dir, lblk, 'leaf');
  let target = bh;
  try {
    const area = leafArea(bh, shape, lblk);
    const at = findRoom(area, name.matcher, dirRecLen(entry.name.length), shape);
    if (at >= 0) {
      yield* leafAccess(handle, dir, bh);
      insertEntry(area, at, entry, shape);
      dirtyDirblock(handle, dir, bh);
      return true;
    }
    if (frame.count >= frame.limit) {
      yield* growNodes(handle, dir, path);
      return false;
    }
    target = yield* splitLeaf(handle, dir, path, area, bh, name.hash(path.version).hash);
    addToHalf(leafArea(target, shape, lblk), name, entry, shape);
    dirtyDirblock(handle, dir, target);
    return true;
  } finally {
    if (target !== bh) target.put();
    bh.put();
  }
}

/** A leaf that was just split has room for any name. */
function addToHalf(area: DirArea, name: Ext4Filename, entry: NewEntry, shape: DirShape): void {
  const at = findRoom(area, name.matcher, dirRecLen(entry.name.length), shape);
  if (at < 0) throw errno('ENOSPC', { ino: shape.ino, lblk: area.lblk });
  insertEntry(area, at, entry, shape);
}

/** Names in use of a leaf, as they stand. @throws EUCLEAN */
function leafNames(area: DirArea, shape: DirShape, hashOf: (at: number) => number): LeafName[] {
  const names: LeafName[] = [];
  for (let at = area.start; at < area.end;) {
    const size = checkedRecLen(area, at, shape);
    if (DirEntry2.inode.get(area.view, at) !== 0 && area.data[at + 6] !== 0) {
      names.push({ at, size, hash: hashOf(at) });
    }
    at += size;
  }
  return names;
}

/**
 * Where to cut names that are sorted by hash: the upper part is at most half a block, or half of
 * the names where all of them are less than that.
 */
function splitPoint(names: readonly LeafName[], blockSize: number): number {
  let size = 0;
  let i = names.length - 1;
  for (; i >= 0; i--) {
    const { size: own } = names[i]!;
    // More than half of this name would lie beyond the middle.
    if (size + (own >> 1) > blockSize >> 1) break;
    size += own;
  }
  return i > 0 ? i + 1 : names.length >> 1;
}

/**
 * Move the upper half of a leaf's names to a new leaf, and enter that in the node.
 * @returns the leaf where `hash` belongs: `bh` itself, or the new one with a reference
 */
function* splitLeaf(
  handle: Handle,
  dir: Ext4Inode,
  path: DxPath,
  area: DirArea,
  bh: BufferHead,
  hash: number,
): Op<BufferHead> {
  const shape = dirShape(dir);
  const names = leafNames(area, shape, (at) => entryHash(dir, path.version, area, at).hash);
  if (names.length < 2) {
    const facts = { ino: dir.ino, lblk: area.lblk, names: names.length };
    throw corrupted('ext4_dir_entry_2', 'rec_len', facts);
  }
  names.sort((a, b) => a.hash - b.hash);
  const cut = splitPoint(names, dir.sb.geo.blockSize);
  const upper = names.slice(cut);
  const lower = names.slice(0, cut).sort((a, b) => a.at - b.at);
  const upperHash = names[cut]!.hash;
  const continued = names[cut - 1]!.hash === upperHash;

  const { bh: fresh, lblk } = yield* ext4Append(handle, dir);
  try {
    yield* leafAccess(handle, dir, fresh);
    yield* leafAccess(handle, dir, bh);
    yield* nodeAccess(handle, dir, path.leaf.bh, path.leaf.isRoot);
    const before = bh.data.slice();
    packNames(leafArea(fresh, shape, lblk), before, upper, shape);
    packNames(area, before, lower, shape);
    dxInsert(path.leaf, continued ? upperHash + 1 : upperHash, lblk);
    dirtyDirblock(handle, dir, fresh);
    dirtyDirblock(handle, dir, bh);
    dirtyDirblock(handle, dir, path.leaf.bh);
  } catch (e) {
    fresh.put();
    throw e;
  }
  if (hash >= upperHash) return fresh;
  fresh.put();
  return bh;
}

/** Fill a leaf with some names of another, close together; the last reaches to the end. */
function packNames(
  area: DirArea,
  from: Uint8Array,
  names: readonly LeafName[],
  shape: DirShape,
): void {
  area.data.fill(0);
  let at = 0;
  let last = -1;
  for (const name of names) {
    const length = dirRecLen(from[name.at + 6]!, shape.hashed);
    area.data.set(from.subarray(name.at, name.at + length), at);
    DirEntry2.rec_len.set(area.view, at, recLenToDisk(length, shape.blockSize));
    last = at;
    at += length;
  }
  if (last < 0) initFreeEntry(area, 0, area.end, shape);
  else DirEntry2.rec_len.set(area.view, last, recLenToDisk(area.end - last, shape.blockSize));
  initLeafTail(area, shape);
}

/**
 * The lowest node of the path is full: split the highest of the full nodes at the lower end of the
 * path, or give the root a level where all are full.
 * @throws ENOSPC the format allows no more levels
 */
function* growNodes(handle: Handle, dir: Ext4Inode, path: DxPath): Op<void> {
  const { frames } = path;
  let full = frames.length - 1;
  while (full > 0 && frames[full - 1]!.count >= frames[full - 1]!.limit) full--;
  if (full === 0 && frames.length >= htreeLevels(dir)) {
    const text = dir.sb.has.largeDir
      ? 'the index of the directory is full'
      : 'the index of the directory is full; the feature large_dir would allow another level';
    throw errno('ENOSPC', { ino: dir.ino, levels: frames.length }, text);
  }
  const { bh, lblk } = yield* ext4Append(handle, dir);
  try {
    yield* nodeAccess(handle, dir, bh, false);
    initFreeEntry(bh, 0, dir.sb.geo.blockSize, dirShape(dir));
    const fresh = new DxFrame(bh, false);
    fresh.limit = dxNodeLimit(dir.sb.geo.blockSize, dir.sb.has.metadataCsum);
    const node = frames[full]!;
    yield* nodeAccess(handle, dir, node.bh, node.isRoot);
    if (full === 0) {
      lowerRoot(node, fresh, lblk);
    } else {
      const parent = frames[full - 1]!;
      yield* nodeAccess(handle, dir, parent.bh, parent.isRoot);
      const half = node.count >> 1;
      const hash = node.hashAt(half);
      moveEntries(node, half, fresh);
      dxInsert(parent, hash, lblk);
      dirtyDirblock(handle, dir, parent.bh);
    }
    dirtyDirblock(handle, dir, node.bh);
    dirtyDirblock(handle, dir, bh);
  } finally {
    bh.put();
  }
}

/** Give entries [from, count) of a node to an empty one. */
function moveEntries(node: DxFrame, from: number, fresh: DxFrame): void {
  const { count } = node;
  const { limit } = fresh;
  fresh.bh.data.set(node.bh.data.subarray(node.place(from), node.place(count)), fresh.place(0));
  fresh.limit = limit; // Lies over the first hash, which a first entry does not need.
  fresh.count = count - from;
  node.count = Math.max(from, 1);
}

/** All entries of the root go to a new node, which becomes its only child. */
function lowerRoot(root: DxFrame, fresh: DxFrame, lblk: Lblk): void {
  moveEntries(root, 0, fresh);
  DxEntry.block.set(root.bh.view, root.place(0), lblk);
  const levels = DxRootInfo.indirect_levels.get(root.bh.view, DX_ROOT_INFO_OFFSET);
  DxRootInfo.indirect_levels.set(root.bh.view, DX_ROOT_INFO_OFFSET, levels + 1);
}

/**
 * A directory whose only block is full becomes a tree: its names move to block 1, block 0 becomes
 * the root. The name is added by the caller, through the tree.
 * @param bh  block 0, not yet touched in this handle
 */
export function* makeIndexedDir(handle: Handle, dir: Ext4Inode, bh: BufferHead): Op<void> {
  const shape = dirShape(dir);
  const { blockSize } = dir.sb.geo;
  const area = leafArea(bh, shape, 0);
  const dotdotAt = checkedRecLen(area, 0, shape);
  const namesAt = dotdotAt + checkedRecLen(area, dotdotAt, shape);
  const parent = DirEntry2.inode.get(bh.view, dotdotAt);
  if (dotdotAt !== dirRecLen(1) || area.data[dotdotAt + 6] !== 2 || namesAt >= area.end) {
    const facts = { ino: dir.ino, lblk: 0, at: dotdotAt };
    throw corrupted('ext4_dir_entry_2', 'rec_len', facts);
  }
  const { bh: leaf, lblk } = yield* ext4Append(handle, dir);
  try {
    yield* leafAccess(handle, dir, leaf);
    yield* nodeAccess(handle, dir, bh, true);
    const names = leafNames({ ...area, start: namesAt }, shape, () => 0);
    packNames(leafArea(leaf, shape, lblk), bh.data.slice(), names, shape);
    bh.data.fill(0);
    initDots(bh, dir.ino, parent, blockSize, shape);
    dir.iFlags |= EXT4_INDEX_FL;
    initRoot(dir, bh, lblk);
    dirtyDirblock(handle, dir, leaf);
    dirtyDirblock(handle, dir, bh);
  } finally {
    leaf.put();
  }
}

function initRoot(dir: Ext4Inode, bh: BufferHead, leaf: Lblk): void {
  const { defHashVersion } = dir.sb;
  const stored = defHashVersion > DX_HASH_TEA ? defHashVersion - 3 : defHashVersion;
  DxRootInfo.hash_version.set(bh.view, DX_ROOT_INFO_OFFSET, stored);
  DxRootInfo.info_length.set(bh.view, DX_ROOT_INFO_OFFSET, DxRootInfo.$size);
  const root = new DxFrame(bh, true);
  root.limit = dxRootLimit(dir.sb.geo.blockSize, dir.sb.has.metadataCsum);
  root.count = 1;
  DxEntry.block.set(bh.view, root.place(0), leaf);
}
