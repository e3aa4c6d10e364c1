/**
 * Block allocation: where a file's next blocks go.
 *
 * A request names a goal and a length. In order:
 *   1. the inode's own preallocation, if the goal continues it;
 *   2. the run at the goal itself, if it is free: the file stays contiguous;
 *   3. the first run of the full length, from the goal's group on, through groups that can have
 *   one;
 *   4. the longest run seen anywhere.
 * A regular file gets more than it asked for in memory (its window): interleaved writers then do
 * not interleave on the disk. Windows are only respected by others, never written to disk; they
 * are given up on close, on truncate, and all at once before ENOSPC is said.
 *
 * Counting is in clusters throughout; blocks and clusters are the same without bigalloc.
 * @source fs/ext4/mballoc.c (goals, normalisation, stream allocation)
 */
import { clearBits, findNextSet, findNextZero, setBits } from '../../base/bitmap.ts';
import { corrupted, CorruptError, errno } from '../../base/errno.ts';
import { mark } from '../../base/trace.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import { mishap } from '../../sched/mishap.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { bitmapCsum } from './checksum.ts';
import {
  bgBlockBitmapCsum,
  bgFreeBlocksCount,
  EXT4_BG_BLOCK_UNINIT,
  GroupDesc,
} from './disk/group-desc.ts';
import { EXT4_EA_INODE_FL } from './disk/inode.ts';
import { ext4Error } from './error.ts';
import { ext4DirtyMetadata, ext4GetWriteAccess } from './ext4-jbd2.ts';
import {
  ext4GroupDescDirty,
  ext4ReadBlockBitmap,
  groupClusters,
  groupDesc,
  groupDescGet,
  groupFirstBlock,
} from './group-desc.ts';
import { holdFreed, nextUsable, usableEnd } from './freed-clusters.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import {
  cutWindow,
  dropWindow,
  dropAllWindows,
  freeRunOutsideWindows,
  takeWindow,
  useWindow,
} from './windows.ts';

export interface AllocRequest {
  readonly inode: Ext4Inode;
  /** Logical block that the first new block will hold. */
  readonly lblk: number;
  /** Blocks wanted; one is enough to succeed. */
  readonly len: number;
  readonly goal: Pblk | null;
  /** Blocks of the file's own metadata: no window, and the reserve may be used. */
  readonly metadata: boolean;
}

/** A run of clusters in a group. */
export interface ClusterRun {
  readonly group: number;
  readonly start: number;
  readonly len: number;
}

const freeIn = (sb: Ext4SuperBlock, group: number): number =>
  groupDescGet(sb, group, bgFreeBlocksCount);

const groupOf = (sb: Ext4SuperBlock, nr: number): number =>
  Math.floor((nr - sb.geo.firstDataBlock) / sb.geo.blocksPerGroup);
const clusterOf = (sb: Ext4SuperBlock, nr: number): number =>
  Math.floor(((nr - sb.geo.firstDataBlock) % sb.geo.blocksPerGroup) / 2 ** sb.geo.clusterBits);

/** Files from this many blocks on are streams: they go behind one another, not near their inode. */
const STREAM_BLOCKS = 16;

/** Where a file without blocks starts: in its inode's group, files behind directories. */
function defaultGoal(ar: AllocRequest): Pblk {
  const { inode } = ar;
  const sb = inode.sb;
  if (ar.lblk + ar.len > STREAM_BLOCKS && inode.isReg && sb.streamGoal !== null)
    return sb.streamGoal;
  let group = inode.blockGroup;
  if (sb.geo.flexBits >= 2) {
    // Metadata of a flex group fills its first group: data starts in the next one.
    group -= group % 2 ** sb.geo.flexBits;
    if (inode.isReg && group + 1 < sb.geo.groupsCount) group++;
  }
  return pblk(groupFirstBlock(sb, group));
}

/** Clusters that this request may still take. */
function allowance(sb: Ext4SuperBlock, metadata: boolean): number {
  return sb.freeClusters - (metadata || sb.mayUseReserve() ? 0 : sb.reservedClusters);
}

/**
 * Allocate up to `len` blocks in one run.
 * @throws ENOSPC none is left; EUCLEAN a bitmap is damaged (that group is left alone afterwards)
 * @context Inside `handle`; i_data_sem exclusive for file blocks. May sleep.
 */
export function* ext4MbNewBlocks(
  handle: Handle,
  ar: AllocRequest,
): Op<{ pblk: Pblk; len: number }> {
  const { inode } = ar;
  const sb = inode.sb;
  const ratio = 2 ** sb.geo.clusterBits;
  const offset = ar.lblk % ratio;
  const want = Math.ceil((offset + ar.len) / ratio);
  const clusters = Math.min(want, allowance(sb, ar.metadata));
  if (clusters < 1 || (CHECKED && mishap('no space') !== 0)) throw errno('ENOSPC');
  const goal = ar.goal ?? defaultGoal(ar);
  const run = yield* claim(handle, ar, goal, clusters);
  const start = groupFirstBlock(sb, run.group) + run.start * ratio;
  const len = Math.min(ar.len, run.len * ratio - offset);
  inode.blocks += (run.len * ratio * sb.blockSize) / 512;
  if (!ar.metadata && ar.lblk + ar.len > STREAM_BLOCKS && inode.isReg) {
    sb.streamGoal = pblk(start + run.len * ratio);
  }
  sb.buffers.cleanAliases(pblk(start), run.len * ratio);
  yield* ext4MarkInodeDirty(handle, inode);
  return { pblk: pblk(start + offset), len };
}

/** Tries before an allocator that always loses its run to others gives up. */
const MAX_TRIES = 64;

/**
 * Find a run and mark it used. Reading a bitmap may sleep, and so may the journal: a run that was
 * free when it was found is looked at again under write access, and another found if it has gone.
 */
function* claim(handle: Handle, ar: AllocRequest, goal: Pblk, want: number): Op<ClusterRun> {
  const { inode } = ar;
  const { sb } = inode;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    let run = ar.metadata || tries > 0 ? null : useWindow(inode, ar.lblk, want);
    const ours = run !== null;
    // Its window is for another block: what is taken now may come from inside it.
    if (!run && !ar.metadata) dropWindow(inode);
    run ??= yield* findRun(ar, goal, want);
    if (!run) {
      dropAllWindows(sb);
      run = yield* findRun(ar, goal, want);
    }
    if (!run) throw errno('ENOSPC');
    if (!ours) cutWindow(inode, run);
    if (yield* markUsed(handle, sb, run)) return run;
    mark('mballoc: run taken meanwhile');
  }
  throw errno('ENOSPC', {}, 'every free run was taken by others');
}

/** The run to take: at the goal, the first that is long enough, or the longest there is. */
function* findRun(ar: AllocRequest, goal: Pblk, want: number): Op<ClusterRun | null> {
  const sb = ar.inode.sb;
  const { groupsCount } = sb.geo;
  const inside = goal >= sb.geo.firstDataBlock && goal < sb.geo.blocksCount;
  const first = inside ? groupOf(sb, goal) : 0;
  const at = inside ? clusterOf(sb, goal) : 0;
  const window = ar.metadata ? want : windowSize(ar, want);
  const here = yield* runAt(ar, first, at, window);
  if (here && here.len >= Math.min(want, 8)) return keep(ar, here, want);
  let best: ClusterRun | null = here;
  for (const least of window > want ? [window, want] : [want]) {
    for (let i = 0; i <= groupsCount; i++) {
      const group = (first + i) % groupsCount;
      const info = sb.groups[group]!;
      if (info.corrupt || freeIn(sb, group) === 0 || info.largestFree < least) continue;
      const run = yield* searchGroup(ar, group, i === 0 ? at : 0, least);
      if (run && run.len >= least) return keep(ar, run, want);
      if (run && run.len > (best?.len ?? 0)) best = run;
    }
  }
  best ??= yield* anyRun(ar, first);
  return best && keep(ar, best, want);
}

/** Last resort: groups that were passed over because their longest run was too short. */
function* anyRun(ar: AllocRequest, first: number): Op<ClusterRun | null> {
  const { sb } = ar.inode;
  for (let i = 0; i < sb.geo.groupsCount; i++) {
    const group = (first + i) % sb.geo.groupsCount;
    if (sb.groups[group]!.corrupt || freeIn(sb, group) === 0) continue;
    const run = yield* searchGroup(ar, group, 0, 1);
    if (run) return run;
  }
  return null;
}

/** Whose window may be allocated from: metadata keeps out of the file's own one too. */
const ownerOf = (ar: AllocRequest): Ext4Inode | null => (ar.metadata ? null : ar.inode);

/** Use `want` of the run and leave the rest, as far as it goes, as the file's window. */
function keep(ar: AllocRequest, run: ClusterRun, want: number): ClusterRun {
  const most = ar.metadata ? want : windowSize(ar, want);
  if (run.len > want && most > want) {
    takeWindow(ar.inode, ar.lblk, { ...run, len: Math.min(run.len, most) }, want);
  }
  return { ...run, len: Math.min(run.len, want) };
}

/**
 * Clusters to look for, so that a growing file stays together: next power of two, 64 KiB..8 MiB.
 */
function windowSize(ar: AllocRequest, want: number): number {
  const { inode } = ar;
  if (!inode.isReg || inode.writeCount <= 0) return want;
  const clusterSize = inode.sb.blockSize * 2 ** inode.sb.geo.clusterBits;
  const end = (ar.lblk + ar.len) * inode.sb.blockSize;
  const target = Math.min(8 << 20, Math.max(64 << 10, 2 ** Math.ceil(Math.log2(end))));
  return Math.max(want, Math.floor(target / clusterSize));
}

/** The free run that starts exactly at a cluster, up to `want`. */
function* runAt(ar: AllocRequest, group: number, at: number, want: number): Op<ClusterRun | null> {
  const { sb } = ar.inode;
  if (sb.groups[group]!.corrupt || freeIn(sb, group) === 0) return null;
  const bh = yield* loadBitmap(sb, group);
  if (!bh) return null;
  try {
    const end = groupClusters(sb, group);
    const { held } = sb.groups[group]!;
    if (at >= end || nextUsable(bh.data, held, at, at + 1) !== at) return null;
    const stop = usableEnd(bh.data, held, at, Math.min(end, at + want));
    const run = freeRunOutsideWindows(sb, ownerOf(ar), { group, start: at, len: stop - at });
    return run?.start === at ? run : null;
  } finally {
    bh.put();
  }
}

/**
 * First run of at least `least` clusters from `from` on (then from the start), else the longest.
 */
function* searchGroup(
  ar: AllocRequest,
  group: number,
  from: number,
  least: number,
): Op<ClusterRun | null> {
  const { sb } = ar.inode;
  const bh = yield* loadBitmap(sb, group);
  if (!bh) return null;
  try {
    const end = groupClusters(sb, group);
    const info = sb.groups[group]!;
    let best: ClusterRun | null = null;
    let longest = 0;
    const begin = Math.max(from, info.firstFree);
    for (let at = nextUsable(bh.data, info.held, begin, end); at < end;) {
      const stop = usableEnd(bh.data, info.held, at, end);
      longest = Math.max(longest, stop - at);
      const run = freeRunOutsideWindows(sb, ownerOf(ar), { group, start: at, len: stop - at });
      if (run && run.len >= least) return run;
      if (run && run.len > (best?.len ?? 0)) best = run;
      at = nextUsable(bh.data, info.held, stop, end);
    }
    if (begin <= info.firstFree) info.largestFree = longest;
    return best ?? (from > info.firstFree ? yield* searchGroup(ar, group, 0, least) : null);
  } finally {
    bh.put();
  }
}

/** The group's bitmap, or null if it is damaged: then the group is not used, and said so once. */
function* loadBitmap(sb: Ext4SuperBlock, group: number): Op<BufferHead | null> {
  try {
    return yield* ext4ReadBlockBitmap(sb, group);
  } catch (e) {
    if (!(e instanceof CorruptError)) throw e;
    sb.groups[group]!.corrupt = true;
    sb.warn(`${e.message}: no blocks are allocated in group ${group}`);
    return null;
  }
}

/** Set the run's bits. @returns false: somebody else has taken some of them */
function* markUsed(handle: Handle, sb: Ext4SuperBlock, run: ClusterRun): Op<boolean> {
  const { group, start, len } = run;
  const bh = yield* ext4ReadBlockBitmap(sb, group);
  try {
    yield* ext4GetWriteAccess(handle, bh);
    yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
    const { held } = sb.groups[group]!;
    if (usableEnd(bh.data, held, start, start + len) < start + len) return false;
    setBits(bh.data, start, len);
    finishChange(handle, sb, group, bh, -len);
    const info = sb.groups[group]!;
    if (start === info.firstFree) info.firstFree = start + len;
    return true;
  } finally {
    bh.put();
  }
}

/** The bitmap has changed: counts, checksums, and the end of "never written". */
function finishChange(
  handle: Handle,
  sb: Ext4SuperBlock,
  group: number,
  bh: BufferHead,
  freed: number,
): void {
  const { bh: gdt, at } = groupDesc(sb, group);
  const { descSize, clustersPerGroup } = sb.geo;
  const free = bgFreeBlocksCount.get(gdt.view, at, descSize);
  bgFreeBlocksCount.set(gdt.view, at, descSize, free + freed);
  if (sb.has.metadataCsum || sb.has.gdtCsum) {
    const flags = GroupDesc.bg_flags.get(gdt.view, at);
    GroupDesc.bg_flags.set(gdt.view, at, flags & ~EXT4_BG_BLOCK_UNINIT);
  }
  if (sb.has.metadataCsum) {
    const csum = bitmapCsum(sb.csumSeed, bh.data, clustersPerGroup);
    bgBlockBitmapCsum.set(gdt.view, at, descSize, csum);
  }
  sb.freeClusters += freed;
  ext4DirtyMetadata(handle, bh);
  ext4GroupDescDirty(handle, sb, group);
}

/**
 * Are the inode's blocks in the log? Those of directories and long symlinks are, and values of
 * attributes. @source fs/ext4/extents.c:get_default_free_blocks_flags()
 */
const hasMetadataBlocks = (inode: Ext4Inode): boolean =>
  inode.isDir || inode.isLnk || inode.hasFlag(EXT4_EA_INODE_FL);

/**
 * Give blocks back; with bigalloc whole clusters only. Where a bitmap is damaged, or says that they
 * are free already, it is left as it is and the error is reported: the blocks are lost until a
 * repair, but whoever gave them back is done with them, and a deletion comes to its end.
 * @throws EUCLEAN they lie outside of the file system; EIO
 * @source fs/ext4/mballoc.c:ext4_free_blocks(), which returns nothing
 * @context Inside `handle`. Nothing refers to the blocks any more.
 */
export function* ext4FreeBlocks(
  handle: Handle,
  inode: Ext4Inode,
  start: Pblk,
  count: number,
): Op<void> {
  const sb = inode.sb;
  const ratio = 2 ** sb.geo.clusterBits;
  if (start < sb.geo.firstDataBlock || start + count > sb.geo.blocksCount + ratio - 1) {
    throw corrupted('ext4_extent', 'ee_start', { ino: inode.ino, pblk: start, count });
  }
  for (let done = 0; done < count;) {
    const nr = start + done;
    const group = groupOf(sb, nr);
    const inGroup = groupFirstBlock(sb, group) + sb.geo.blocksPerGroup - nr;
    const n = Math.min(count - done, inGroup);
    const first = clusterOf(sb, nr);
    const len = clusterOf(sb, nr + n - 1) - first + 1;
    if (hasMetadataBlocks(inode)) {
      for (let i = 0; i < n; i++) yield* handle.journal.revoke(handle, pblk(nr + i));
    }
    // The inode does not have them any more, whether or not the bitmap can say so.
    inode.blocks = Math.max(0, inode.blocks - (len * ratio * sb.blockSize) / 512);
    try {
      yield* markFree(handle, sb, { group, start: first, len });
    } catch (e) {
      if (!(e instanceof CorruptError)) throw e;
      ext4Error(sb, e);
    }
    done += n;
  }
  yield* ext4MarkInodeDirty(handle, inode);
}

function* markFree(handle: Handle, sb: Ext4SuperBlock, run: ClusterRun): Op<void> {
  const { group, start, len } = run;
  const bh = yield* ext4ReadBlockBitmap(sb, group);
  try {
    const hole = findNextZero(bh.data, start, start + len);
    if (hole < start + len) {
      sb.groups[group]!.corrupt = true;
      throw corrupted('block bitmap', 'bit', { group, cluster: hole, why: 'free already' });
    }
    yield* ext4GetWriteAccess(handle, bh);
    yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
    clearBits(bh.data, start, len);
    finishChange(handle, sb, group, bh, len);
    holdFreed(handle, sb, run);
  } finally {
    bh.put();
  }
}

/**
 * Let the bitmaps say of [start, start + count) that it is used, or free, whatever they say now:
 * for who knows it better than they do.
 * @returns the blocks of which they said otherwise, as runs
 * @throws EUCLEAN a bitmap is damaged; EIO
 * @source fs/ext4/mballoc.c:ext4_mb_mark_bb()
 */
export function* ext4MarkBlocks(
  handle: Handle,
  sb: Ext4SuperBlock,
  start: Pblk,
  count: number,
  used: boolean,
): Op<{ pblk: Pblk; len: number }[]> {
  const ratio = 2 ** sb.geo.clusterBits;
  const changed: { pblk: Pblk; len: number }[] = [];
  for (let nr = start as number; nr < start + count;) {
    const group = groupOf(sb, nr);
    const first = groupFirstBlock(sb, group);
    const stop = Math.min(start + count, first + sb.geo.blocksPerGroup);
    const end = clusterOf(sb, stop - 1) + 1;
    const bh = yield* ext4ReadBlockBitmap(sb, group);
    try {
      yield* ext4GetWriteAccess(handle, bh);
      yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
      const next = used ? findNextZero : findNextSet;
      const after = used ? findNextSet : findNextZero;
      for (let at = next(bh.data, clusterOf(sb, nr), end); at < end;) {
        const to = after(bh.data, at, end);
        if (used) setBits(bh.data, at, to - at);
        else clearBits(bh.data, at, to - at);
        finishChange(handle, sb, group, bh, used ? at - to : to - at);
        changed.push({ pblk: pblk(first + at * ratio), len: (to - at) * ratio });
        at = next(bh.data, to, end);
      }
      const info = sb.groups[group]!;
      info.firstFree = 0;
      info.largestFree = Infinity;
    } finally {
      bh.put();
    }
    nr = stop;
  }
  return changed;
}

/** One block for an extent node, an indirect block or an xattr block. @throws ENOSPC */
export function* ext4NewMetaBlock(handle: Handle, inode: Ext4Inode, goal: Pblk): Op<Pblk> {
  const near = goal > 0 ? goal : null;
  const got = yield* ext4MbNewBlocks(handle, {
    inode,
    lblk: 0,
    len: 1,
    goal: near,
    metadata: true,
  });
  return got.pblk;
}

/** Free a metadata block: its buffer is worthless, and a logged copy must not be replayed. */
export function* ext4FreeMetaBlock(handle: Handle, inode: Ext4Inode, nr: Pblk): Op<void> {
  yield* handle.journal.revoke(handle, nr);
  yield* ext4FreeBlocks(handle, inode, nr, 1);
}

/** The file is closed or cut: its window is for others. */
export function ext4DiscardPreallocations(inode: Ext4Inode): void {
  dropWindow(inode);
}
