/**
 * Extent trees, what files ask of them: map new blocks, convert, cut off.
 * @source fs/ext4/extents.c (ext4_ext_map_blocks, ext4_convert_unwritten_extents,
 *   ext4_ext_remove_space)
 */
import { assert } from '../../base/assert.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import {
  EXT4_EXT_MAGIC,
  ExtentHeader,
  EXT_INIT_MAX_LEN,
  EXT_UNWRITTEN_MAX_LEN,
} from './disk/extent.ts';
import { EXT4_CREDITS, ext4EnsureCredits, withHandle } from './ext4-jbd2.ts';
import { ES_WRITTEN } from './extents-status.ts';
import {
  accessNode,
  canMerge,
  correctIndexes,
  dirtyNode,
  ext4ExtInsert,
  mergeUp,
  removeEmptyLeaf,
  shiftEntries,
  writeExtent,
} from './extents-edit.ts';
import {
  ext4ExtLookup,
  ext4FindExtent,
  type ExtentEntry,
  type ExtentPath,
  leafOf,
  nextAllocated,
  nodeEntries,
  readExtent,
  releasePath,
} from './extents.ts';
import { withAllocRetry } from './freed-clusters.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4FreeBlocks, ext4MbNewBlocks } from './mballoc.ts';

/** An empty root in i_block. The caller dirties the inode. */
export function ext4ExtTreeInit(inode: Ext4Inode): void {
  inode.iData.fill(0);
  ExtentHeader.eh_magic.set(inode.iDataView, 0, EXT4_EXT_MAGIC);
  ExtentHeader.eh_max.set(inode.iDataView, 0, 4);
}

/** Near what the file already has: behind the extent before, or in front of the one after. */
function* findGoal(inode: Ext4Inode, lblk: number): Op<Pblk | null> {
  const path = yield* ext4FindExtent(inode, lblk);
  try {
    const leaf = leafOf(path);
    const n = nodeEntries(leaf);
    if (leaf.pos >= 0) {
      const e = readExtent(leaf, leaf.pos);
      return pblk(e.pblk + (lblk - e.lblk));
    }
    if (n > 0) {
      const e = readExtent(leaf, 0);
      return e.pblk > e.lblk - lblk ? pblk(e.pblk - (e.lblk - lblk)) : e.pblk;
    }
    const parent = path.at(-1)?.bh;
    return parent ? parent.blocknr : null;
  } finally {
    releasePath(path);
  }
}

/** What is undone if the tree has no room: a table, so that a mistake can be put in its place. */
export const failedInsert = { giveBack: ext4FreeBlocks };

export interface CreatedBlocks {
  readonly pblk: Pblk;
  readonly len: number;
}

/**
 * Allocate blocks for [lblk, lblk + len), a hole, and enter them in the tree.
 * @returns what was mapped: at least one block, perhaps fewer than asked
 * @throws ENOSPC, EDQUOT; nothing has changed then
 * @context i_data_sem exclusive, inside `handle`.
 */
export function* ext4ExtCreateBlocks(
  handle: Handle,
  inode: Ext4Inode,
  lblk: number,
  len: number,
  unwritten: boolean,
): Op<CreatedBlocks> {
  const limit = unwritten ? EXT_UNWRITTEN_MAX_LEN : EXT_INIT_MAX_LEN;
  const want = yield* upToOwnedCluster(inode, lblk, Math.min(len, limit));
  const implied = yield* impliedCluster(inode, lblk, want);
  const got =
    implied ??
    (yield* ext4MbNewBlocks(handle, {
      inode,
      lblk,
      len: want,
      goal: yield* findGoal(inode, lblk),
      metadata: false,
    }));
  try {
    yield* ext4ExtInsert(handle, inode, { lblk, len: got.len, pblk: got.pblk, unwritten });
  } catch (e) {
    if (!implied) yield* failedInsert.giveBack(handle, inode, got.pblk, got.len);
    throw e;
  }
  return got;
}

/**
 * bigalloc: a cluster belongs to the file as soon as one of its blocks is mapped; the others must
 * be mapped to the same cluster.
 */
function* impliedCluster(inode: Ext4Inode, lblk: number, len: number): Op<CreatedBlocks | null> {
  const ratio = 2 ** inode.sb.geo.clusterBits;
  if (ratio === 1) return null;
  const first = lblk - (lblk % ratio);
  const base = yield* clusterOf(inode, first, ratio);
  if (base !== null) {
    return { pblk: pblk(base + (lblk - first)), len: Math.min(len, ratio - (lblk - first)) };
  }
  return null;
}

/**
 * bigalloc: blocks of the hole at `lblk` before the cluster that the extent behind the hole begins
 * in; that cluster is the file's already. A run within one cluster stays as it is.
 */
function* upToOwnedCluster(inode: Ext4Inode, lblk: number, len: number): Op<number> {
  const ratio = 2 ** inode.sb.geo.clusterBits;
  const last = lblk + len - 1;
  const head = last - (last % ratio);
  if (ratio === 1 || head <= lblk) return len;
  return (yield* clusterOf(inode, head, ratio)) === null ? len : head - lblk;
}

/** Physical start of the cluster that holds the logical cluster at `first`, if any is mapped. */
export function* clusterOf(inode: Ext4Inode, first: number, ratio: number): Op<Pblk | null> {
  for (let at = first; at < first + ratio;) {
    const found = yield* ext4ExtLookup(inode, at);
    if (found.extent) return pblk(found.extent.pblk + (first - found.extent.lblk));
    at += found.holeLen;
  }
  return null;
}

/** Cut the extent that covers `lblk` in two there, if it does not start there already. */
function* splitAt(handle: Handle, inode: Ext4Inode, lblk: number): Op<void> {
  const path = yield* ext4FindExtent(inode, lblk);
  let tail: ExtentEntry;
  try {
    const leaf = leafOf(path);
    if (leaf.pos < 0) return;
    const e = readExtent(leaf, leaf.pos);
    const head = lblk - e.lblk;
    if (head <= 0 || head >= e.len) return;
    tail = { ...e, lblk, len: e.len - head, pblk: pblk(e.pblk + head) };
    yield* accessNode(handle, inode, leaf);
    writeExtent(leaf, leaf.pos, { ...e, len: head });
    yield* dirtyNode(handle, inode, leaf);
  } finally {
    releasePath(path);
  }
  try {
    yield* ext4ExtInsert(handle, inode, tail, false);
  } catch (e) {
    yield* lengthen(handle, inode, tail);
    throw e;
  }
}

/** Undo of splitAt: the tail goes back to the extent before it. */
function* lengthen(handle: Handle, inode: Ext4Inode, tail: ExtentEntry): Op<void> {
  const path = yield* ext4FindExtent(inode, tail.lblk);
  try {
    const leaf = leafOf(path);
    const head = readExtent(leaf, leaf.pos);
    assert(canMerge(head, tail), 'the cut extent has changed');
    writeExtent(leaf, leaf.pos, { ...head, len: head.len + tail.len });
    yield* dirtyNode(handle, inode, leaf);
  } finally {
    releasePath(path);
  }
}

/**
 * The data up to byte `end` is on the device: the size on disk may tell. The caller dirties the inode.
 * @context i_data_sem exclusive (INV-4), inside `handle`.
 */
export function ext4RaiseDisksize(inode: Ext4Inode, end: number): void {
  const to = Math.min(end, inode.size);
  if (to > inode.disksize) inode.disksize = to;
}

/**
 * Turn [lblk, lblk + len) from unwritten to written; parts that are written already stay so. One
 * extent a transaction, and the size on disk with it, since written blocks behind the size would be
 * damage: between them the file is valid, only less of it is readable yet.
 * @param sizeEnd  byte up to which the data is on the device
 * @throws ENOSPC a leaf must be split for it; what was converted so far stays so
 * @context May sleep. Takes a handle and i_data_sem; the caller holds neither.
 */
export function* ext4ConvertUnwritten(
  inode: Ext4Inode,
  lblk: number,
  len: number,
  sizeEnd: number,
): Op<void> {
  const end = lblk + len;
  for (let at = lblk; at < end;) {
    at = yield* withAllocRetry(inode.sb, () =>
      withHandle(inode.sb, 'write', (handle) => convertOne(handle, inode, at, end, sizeEnd)),
    );
  }
}

function* convertOne(
  handle: Handle,
  inode: Ext4Inode,
  at: number,
  end: number,
  sizeEnd: number,
): Op<number> {
  const { dataSem } = inode;
  if (!dataSem.tryExclusive()) yield* dataSem.lockExclusive();
  try {
    const next = yield* convertStep(handle, inode, at, end);
    ext4RaiseDisksize(inode, Math.min(sizeEnd, next * inode.sb.blockSize));
    yield* ext4MarkInodeDirty(handle, inode);
    return next;
  } finally {
    dataSem.unlockExclusive();
  }
}

/** The same inside the caller's handle and i_data_sem exclusive: for a run of one extent. */
export function* ext4ConvertLocked(
  handle: Handle,
  inode: Ext4Inode,
  lblk: number,
  len: number,
): Op<void> {
  for (let at = lblk; at < lblk + len;) at = yield* convertStep(handle, inode, at, lblk + len);
}

/** Convert what the extent at `at` has of the range. Returns where to go on. */
function* convertStep(handle: Handle, inode: Ext4Inode, at: number, end: number): Op<number> {
  const { extent, holeLen } = yield* ext4ExtLookup(inode, at);
  if (!extent) return at + holeLen;
  const stop = Math.min(end, extent.lblk + extent.len);
  if (extent.unwritten) {
    inode.syncTid = inode.datasyncTid = handle.tid;
    yield* splitAt(handle, inode, at);
    yield* splitAt(handle, inode, stop);
    yield* markWritten(handle, inode, at);
    inode.es.insert(at, stop - at, extent.pblk + (at - extent.lblk), ES_WRITTEN);
  }
  return stop;
}

/** The extent that starts at `lblk` becomes written, and joins its neighbours where it can. */
function* markWritten(handle: Handle, inode: Ext4Inode, lblk: number): Op<void> {
  const path = yield* ext4FindExtent(inode, lblk);
  try {
    const leaf = leafOf(path);
    let e = readExtent(leaf, leaf.pos);
    assert(e.lblk === lblk && e.unwritten);
    yield* accessNode(handle, inode, leaf);
    e = { ...e, unwritten: false };
    writeExtent(leaf, leaf.pos, e);
    if (leaf.pos + 1 < nodeEntries(leaf)) {
      const right = readExtent(leaf, leaf.pos + 1);
      if (canMerge(e, right)) {
        e = { ...e, len: e.len + right.len };
        writeExtent(leaf, leaf.pos, e);
        shiftEntries(leaf, leaf.pos + 2, -1);
      }
    }
    if (leaf.pos > 0) {
      const left = readExtent(leaf, leaf.pos - 1);
      if (canMerge(left, e)) {
        writeExtent(leaf, leaf.pos - 1, { ...left, len: left.len + e.len });
        shiftEntries(leaf, leaf.pos + 1, -1);
      }
    }
    yield* dirtyNode(handle, inode, leaf);
    yield* mergeUp(handle, inode, path);
  } finally {
    releasePath(path);
  }
}

/**
 * Remove [from, end) from the tree and free its blocks, from the right to the left, so that every
 * state in between is a valid, shorter file. The handle may restart between steps, for which
 * i_data_sem is dropped.
 * @context i_rwsem and invalidate_lock exclusive over the whole (protocols A.2.4); i_data_sem not.
 */
export function* ext4ExtRemoveSpace(
  handle: Handle,
  inode: Ext4Inode,
  from: number,
  end: number,
): Op<void> {
  for (let more = true; more;) {
    yield* ext4EnsureCredits(handle, EXT4_CREDITS.truncate);
    if (!inode.dataSem.tryExclusive()) yield* inode.dataSem.lockExclusive();
    try {
      inode.es.remove(from, end - from);
      more = yield* removeStep(handle, inode, from, end);
    } finally {
      inode.dataSem.unlockExclusive();
    }
  }
}

/** Deal with the last extent of the range; false when none is left. */
function* removeStep(handle: Handle, inode: Ext4Inode, from: number, end: number): Op<boolean> {
  const path = yield* ext4FindExtent(inode, end - 1);
  try {
    const leaf = leafOf(path);
    if (leaf.pos < 0) return false;
    const e = readExtent(leaf, leaf.pos);
    if (e.lblk + e.len <= from) return false;
    if (e.lblk >= from || e.lblk + e.len <= end) {
      yield* cutExtent(handle, inode, path, e, from, end);
      return true;
    }
  } finally {
    releasePath(path);
  }
  // A hole in the middle leaves two pieces: make them two first.
  yield* splitAt(handle, inode, end);
  return true;
}

/** Cut [from, end) off one extent, at its head, its tail, or wholly. */
function* cutExtent(
  handle: Handle,
  inode: Ext4Inode,
  path: ExtentPath,
  e: ExtentEntry,
  from: number,
  end: number,
): Op<void> {
  const leaf = leafOf(path);
  const first = Math.max(e.lblk, from);
  const last = Math.min(e.lblk + e.len, end);
  yield* accessNode(handle, inode, leaf);
  if (first > e.lblk) {
    writeExtent(leaf, leaf.pos, { ...e, len: first - e.lblk });
  } else if (last < e.lblk + e.len) {
    const cut = last - e.lblk;
    writeExtent(leaf, leaf.pos, { ...e, lblk: last, len: e.len - cut, pblk: pblk(e.pblk + cut) });
  } else {
    shiftEntries(leaf, leaf.pos + 1, -1);
  }
  yield* dirtyNode(handle, inode, leaf);
  if (leaf.pos === 0) yield* correctIndexes(handle, inode, path);
  if (nodeEntries(leaf) === 0) yield* removeEmptyLeaf(handle, inode, path);
  else yield* mergeUp(handle, inode, path);
  yield* freeRange(handle, inode, first, last, pblk(e.pblk + (first - e.lblk)));
}

/** Free the blocks of a range that has left the tree; with bigalloc only clusters left empty. */
function* freeRange(
  handle: Handle,
  inode: Ext4Inode,
  first: number,
  last: number,
  start: Pblk,
): Op<void> {
  const ratio = 2 ** inode.sb.geo.clusterBits;
  let from = first;
  let to = last;
  if (ratio > 1) {
    const head = first - (first % ratio);
    const tail = last - (last % ratio);
    if (head < first && (yield* clusterOf(inode, head, ratio)) !== null) from = head + ratio;
    else from = head;
    if (tail < last) to = (yield* clusterOf(inode, tail, ratio)) === null ? tail + ratio : tail;
  }
  if (from < to) yield* ext4FreeBlocks(handle, inode, pblk(start + (from - first)), to - from);
}

/** First logical block at or after `lblk` that is mapped; EXT_MAX_BLOCKS if none is. */
export function* ext4ExtNextMapped(inode: Ext4Inode, lblk: number): Op<number> {
  const path = yield* ext4FindExtent(inode, lblk);
  try {
    const leaf = leafOf(path);
    if (leaf.pos >= 0) {
      const e = readExtent(leaf, leaf.pos);
      if (lblk < e.lblk + e.len) return lblk;
    }
    return nextAllocated(path);
  } finally {
    releasePath(path);
  }
}
