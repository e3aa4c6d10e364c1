/**
 * Extent trees, the changing side: room in a leaf, insertion, splitting, merging.
 *
 * Every function leaves a valid tree when it returns or throws, and takes blocks before it changes
 * anything, so that ENOSPC in the middle costs nothing. A tree is walked (and so checked) before
 * it is changed; after every change of shape the walk starts again, which bounds what one has to
 * keep in mind, at the price of a second descent through cached nodes.
 * @source fs/ext4/extents.c (ext4_ext_insert_extent, ext4_ext_split, ext4_ext_grow_indepth)
 */
import { assert } from '../../base/assert.ts';
import { corrupted } from '../../base/errno.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import {
  EXT4_EXT_MAGIC,
  EXT4_MAX_EXTENT_DEPTH,
  EXT_INIT_MAX_LEN,
  EXT_UNWRITTEN_MAX_LEN,
  Extent,
  encodeExtentLength,
  ExtentHeader,
  ExtentIdx,
  idxLeaf,
  setExtentStart,
  setIdxLeaf,
} from './disk/extent.ts';
import { ext4DirtyMetadata, ext4GetCreateAccess, ext4GetWriteAccess } from './ext4-jbd2.ts';
import {
  entryAt,
  entryKey,
  ext4FindExtent,
  extentBlockRoom,
  type ExtentEntry,
  type ExtentPath,
  type ExtentPathLevel,
  extentTrigger,
  leafOf,
  nodeEntries,
  nodeMax,
  readExtent,
  releasePath,
} from './extents.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4FreeMetaBlock, ext4NewMetaBlock } from './mballoc.ts';

/** Announce that a node is going to change. */
export function* accessNode(handle: Handle, inode: Ext4Inode, level: ExtentPathLevel): Op<void> {
  if (level.bh) yield* ext4GetWriteAccess(handle, level.bh, extentTrigger, inode.csumSeed);
}

/** A node has changed. */
export function* dirtyNode(handle: Handle, inode: Ext4Inode, level: ExtentPathLevel): Op<void> {
  if (level.bh) ext4DirtyMetadata(handle, level.bh);
  else yield* ext4MarkInodeDirty(handle, inode);
}

export function writeExtent(level: ExtentPathLevel, i: number, e: ExtentEntry): void {
  const at = entryAt(i);
  Extent.ee_block.set(level.view, at, e.lblk);
  Extent.ee_len.set(level.view, at, encodeExtentLength(e.len, e.unwritten));
  setExtentStart(level.view, at, e.pblk);
}

/** Move the entries from `i` on by `by` places (1 opens a gap, -1 closes one) and fix the count. */
export function shiftEntries(level: ExtentPathLevel, i: number, by: 1 | -1): void {
  const n = nodeEntries(level);
  assert(n + by <= nodeMax(level), 'node is full');
  const { view } = level;
  const node = new Uint8Array(view.buffer, view.byteOffset, entryAt(nodeMax(level)));
  node.copyWithin(entryAt(i + by), entryAt(i), entryAt(n));
  if (by < 0) node.fill(0, entryAt(n - 1), entryAt(n));
  ExtentHeader.eh_entries.set(view, 0, n + by);
}

const maxLen = (unwritten: boolean): number =>
  unwritten ? EXT_UNWRITTEN_MAX_LEN : EXT_INIT_MAX_LEN;

/** Do the two follow each other in the file, on the device and in kind? */
export const canMerge = (a: ExtentEntry, b: ExtentEntry): boolean =>
  a.unwritten === b.unwritten &&
  a.lblk + a.len === b.lblk &&
  a.pblk + a.len === b.pblk &&
  a.len + b.len <= maxLen(a.unwritten);

/** The first key of a leaf changed: the index entries above that lead to it as first follow. */
export function* correctIndexes(handle: Handle, inode: Ext4Inode, path: ExtentPath): Op<void> {
  const leaf = leafOf(path);
  if (nodeEntries(leaf) === 0) return;
  const key = entryKey(leaf, 0);
  for (let i = path.length - 2; i >= 0; i--) {
    const level = path[i];
    assert(level !== undefined);
    if (entryKey(level, level.pos) === key) return;
    yield* accessNode(handle, inode, level);
    ExtentIdx.ei_block.set(level.view, entryAt(level.pos), key);
    yield* dirtyNode(handle, inode, level);
    if (level.pos > 0) return;
  }
}

/**
 * Insert an extent where the file has none.
 * @param merge  join it to neighbours that it continues
 * @throws ENOSPC a node must be split and there is no block for it: the tree is as it was
 * @context i_data_sem exclusive, inside `handle`.
 */
export function* ext4ExtInsert(
  handle: Handle,
  inode: Ext4Inode,
  e: ExtentEntry,
  merge = true,
): Op<void> {
  // Each turn makes room in one node; a tree has at most six levels to make room in, and growing
  // it by one counts as a turn.
  for (let turn = 0; turn <= 2 * EXT4_MAX_EXTENT_DEPTH + 2; turn++) {
    const path = yield* ext4FindExtent(inode, e.lblk);
    try {
      if (yield* insertHere(handle, inode, path, e, merge)) return;
      yield* makeRoom(handle, inode, path);
    } finally {
      releasePath(path);
    }
  }
  throw corrupted('ext4_extent_header', 'eh_max', { ino: inode.ino, why: 'no room can be made' });
}

/** Merge with a neighbour of the leaf, or take a free place. False: the leaf is full. */
function* insertHere(
  handle: Handle,
  inode: Ext4Inode,
  path: ExtentPath,
  e: ExtentEntry,
  merge: boolean,
): Op<boolean> {
  const leaf = leafOf(path);
  const n = nodeEntries(leaf);
  const left = leaf.pos >= 0 ? readExtent(leaf, leaf.pos) : null;
  const right = leaf.pos + 1 < n ? readExtent(leaf, leaf.pos + 1) : null;
  if ((left && left.lblk + left.len > e.lblk) || (right && e.lblk + e.len > right.lblk)) {
    throw corrupted('ext4_extent', 'ee_block', { ino: inode.ino, lblk: e.lblk, why: 'overlap' });
  }
  if (merge && left && canMerge(left, e)) {
    yield* accessNode(handle, inode, leaf);
    const joined = { ...left, len: left.len + e.len };
    writeExtent(leaf, leaf.pos, joined);
    if (right && canMerge(joined, right)) {
      writeExtent(leaf, leaf.pos, { ...joined, len: joined.len + right.len });
      shiftEntries(leaf, leaf.pos + 2, -1);
    }
  } else if (merge && right && canMerge(e, right)) {
    yield* accessNode(handle, inode, leaf);
    writeExtent(leaf, leaf.pos + 1, { ...e, len: e.len + right.len });
  } else {
    if (n >= nodeMax(leaf)) return false;
    yield* accessNode(handle, inode, leaf);
    shiftEntries(leaf, leaf.pos + 1, 1);
    writeExtent(leaf, leaf.pos + 1, e);
  }
  yield* dirtyNode(handle, inode, leaf);
  if (leaf.pos < 0) yield* correctIndexes(handle, inode, path);
  return true;
}

/** Split the lowest node whose parent has room; grow the tree by a level if none has. */
function* makeRoom(handle: Handle, inode: Ext4Inode, path: ExtentPath): Op<void> {
  for (let i = path.length - 2; i >= 0; i--) {
    const parent = path[i];
    const child = path[i + 1];
    assert(parent !== undefined && child !== undefined);
    if (nodeEntries(parent) < nodeMax(parent)) {
      yield* splitNode(handle, inode, parent, child);
      return;
    }
  }
  yield* growIndepth(handle, inode);
}

/** A new block as a node of `depth`, to be filled by the caller. */
function* newNode(
  handle: Handle,
  inode: Ext4Inode,
  depth: number,
  goal: Pblk,
): Op<ExtentPathLevel> {
  const nr = yield* ext4NewMetaBlock(handle, inode, goal);
  const bh = yield* inode.sb.buffers.getNew(nr);
  yield* ext4GetCreateAccess(handle, bh, extentTrigger, inode.csumSeed);
  ExtentHeader.eh_magic.set(bh.view, 0, EXT4_EXT_MAGIC);
  ExtentHeader.eh_depth.set(bh.view, 0, depth);
  ExtentHeader.eh_max.set(bh.view, 0, extentBlockRoom(inode.sb));
  return { bh, view: bh.view, depth, pos: -1 };
}

/**
 * Move the upper part of `child` to a new node and enter that in `parent`. Where the new entry
 * would go behind the last one, only the last one moves: a file that grows leaves full leaves.
 */
function* splitNode(
  handle: Handle,
  inode: Ext4Inode,
  parent: ExtentPathLevel,
  child: ExtentPathLevel,
): Op<void> {
  const n = nodeEntries(child);
  const appending = child.pos === n - 1;
  const from = appending ? n - 1 : n >>> 1;
  const near = pblk(child.bh ? child.bh.blocknr : 0);
  const fresh = yield* newNode(handle, inode, child.depth, near);
  try {
    assert(fresh.bh !== null);
    yield* accessNode(handle, inode, child);
    yield* accessNode(handle, inode, parent);
    copyEntries(child, from, n, fresh);
    const old = new Uint8Array(child.view.buffer, child.view.byteOffset, entryAt(n));
    old.fill(0, entryAt(from));
    ExtentHeader.eh_entries.set(child.view, 0, from);
    const at = parent.pos + 1;
    shiftEntries(parent, at, 1);
    ExtentIdx.ei_block.set(parent.view, entryAt(at), entryKey(fresh, 0));
    setIdxLeaf(parent.view, entryAt(at), fresh.bh.blocknr);
    ExtentIdx.ei_unused.set(parent.view, entryAt(at), 0);
    yield* dirtyNode(handle, inode, fresh);
    yield* dirtyNode(handle, inode, child);
    yield* dirtyNode(handle, inode, parent);
  } finally {
    fresh.bh?.put();
  }
}

function copyEntries(from: ExtentPathLevel, first: number, end: number, to: ExtentPathLevel): void {
  const { view } = from;
  const source = new Uint8Array(
    view.buffer,
    view.byteOffset + entryAt(first),
    entryAt(end) - entryAt(first),
  );
  new Uint8Array(to.view.buffer, to.view.byteOffset).set(source, entryAt(0));
  ExtentHeader.eh_entries.set(to.view, 0, end - first);
}

/** The root moves to a block of its own and becomes an index of one entry. */
function* growIndepth(handle: Handle, inode: Ext4Inode): Op<void> {
  const view = inode.iDataView;
  const depth = ExtentHeader.eh_depth.get(view, 0);
  if (depth >= EXT4_MAX_EXTENT_DEPTH) {
    throw corrupted('ext4_extent_header', 'eh_depth', { ino: inode.ino, got: depth, want: '0..4' });
  }
  const root: ExtentPathLevel = { bh: null, view, depth, pos: 0 };
  const n = nodeEntries(root);
  const goal = n > 0 && depth === 0 ? readExtent(root, 0).pblk : pblk(0);
  const node = yield* newNode(handle, inode, depth, goal);
  try {
    assert(node.bh !== null);
    copyEntries(root, 0, n, node);
    yield* dirtyNode(handle, inode, node);
    const key = n > 0 ? entryKey(root, 0) : 0;
    inode.iData.fill(0, entryAt(0));
    ExtentHeader.eh_depth.set(view, 0, depth + 1);
    ExtentHeader.eh_entries.set(view, 0, 1);
    ExtentIdx.ei_block.set(view, entryAt(0), key);
    setIdxLeaf(view, entryAt(0), node.bh.blocknr);
    yield* ext4MarkInodeDirty(handle, inode);
  } finally {
    node.bh?.put();
  }
}

/** Take an empty leaf, and indexes that become empty with it, out of the tree. */
export function* removeEmptyLeaf(handle: Handle, inode: Ext4Inode, path: ExtentPath): Op<void> {
  for (let i = path.length - 1; i > 0; i--) {
    const node = path[i];
    const parent = path[i - 1];
    assert(node !== undefined && parent !== undefined);
    if (nodeEntries(node) > 0) return;
    const nr = pblk(idxLeaf(parent.view, entryAt(parent.pos)));
    yield* accessNode(handle, inode, parent);
    shiftEntries(parent, parent.pos + 1, -1);
    yield* dirtyNode(handle, inode, parent);
    yield* ext4FreeMetaBlock(handle, inode, nr);
    if (parent.pos === 0 && nodeEntries(parent) > 0)
      yield* indexKeyMoved(handle, inode, path, i - 1);
  }
  if (nodeEntries(path[0]!) === 0) {
    ExtentHeader.eh_depth.set(inode.iDataView, 0, 0);
    yield* ext4MarkInodeDirty(handle, inode);
  }
}

/** The first entry of the index at `at` went: the levels above must not promise its old key. */
function* indexKeyMoved(handle: Handle, inode: Ext4Inode, path: ExtentPath, at: number): Op<void> {
  for (let i = at; i > 0; i--) {
    const node = path[i];
    const parent = path[i - 1];
    assert(node !== undefined && parent !== undefined);
    yield* accessNode(handle, inode, parent);
    ExtentIdx.ei_block.set(parent.view, entryAt(parent.pos), entryKey(node, 0));
    yield* dirtyNode(handle, inode, parent);
    if (parent.pos > 0) return;
  }
}

/** A tree of one index entry over a leaf that fits the inode needs no leaf. */
export function* mergeUp(handle: Handle, inode: Ext4Inode, path: ExtentPath): Op<void> {
  const [root, leaf] = path;
  if (path.length !== 2 || !root || !leaf?.bh) return;
  const n = nodeEntries(leaf);
  if (nodeEntries(root) !== 1 || n > nodeMax(root)) return;
  const nr = leaf.bh.blocknr;
  copyEntries(leaf, 0, n, root);
  inode.iData.fill(0, entryAt(n));
  ExtentHeader.eh_depth.set(root.view, 0, 0);
  yield* ext4MarkInodeDirty(handle, inode);
  yield* ext4FreeMetaBlock(handle, inode, nr);
}
