/**
 * Inode allocation: directories apart from each other, files beside their directory.
 *
 * A new directory below the root (or below one marked "top of a hierarchy") goes where there is
 * most room, so that unrelated trees do not crowd each other; deeper ones stay with their parent
 * as long as its group is no worse than the average. Files take the first free inode of their
 * directory's group, else of groups at quadratic distances, else anywhere.
 * @source fs/ext4/ialloc.c (Orlov allocator)
 */
import { clearBits, findNextZero, setBits, testBit } from '../../base/bitmap.ts';
import { corrupted, CorruptError, errno } from '../../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../base/mode.ts';
import { type Ino, ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { igetFailed } from '../../vfs/inode-cache.ts';
import { I_NEW } from '../../vfs/inode.ts';
import { bitmapCsum, inodeCsumSeed } from './checksum.ts';
import {
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmapCsum,
  bgItableUnused,
  bgUsedDirsCount,
  EXT4_BG_INODE_UNINIT,
  GroupDesc,
} from './disk/group-desc.ts';
import {
  EXT4_CASEFOLD_FL,
  EXT4_DIRSYNC_FL,
  EXT4_EXTENTS_FL,
  EXT4_GOOD_OLD_INODE_SIZE,
  EXT4_NOATIME_FL,
  EXT4_NODUMP_FL,
  EXT4_PROJINHERIT_FL,
  EXT4_ROOT_INO,
  EXT4_SYNC_FL,
  EXT4_TOPDIR_FL,
} from './disk/inode.ts';
import { ext4DirtyMetadata, ext4GetWriteAccess } from './ext4-jbd2.ts';
import { ext4ExtTreeInit } from './extents-change.ts';
import { ext4GroupDescDirty, ext4ReadInodeBitmap, groupDesc, groupDescGet } from './group-desc.ts';
import {
  type InodeLoc,
  ext4AllocInode,
  ext4DoUpdateInode,
  ext4ReserveInodeWrite,
  setInodeFlags,
} from './inode.ts';
import type { Ext4Inode } from './inode-info.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { Superblock } from './disk/superblock.ts';

const freeInodes = (sb: Ext4SuperBlock, g: number): number =>
  groupDescGet(sb, g, bgFreeInodesCount);
const freeBlocks = (sb: Ext4SuperBlock, g: number): number =>
  groupDescGet(sb, g, bgFreeBlocksCount);
const usedDirs = (sb: Ext4SuperBlock, g: number): number => groupDescGet(sb, g, bgUsedDirsCount);

/** Groups in the order of preference for a new directory. */
function directoryGroup(sb: Ext4SuperBlock, parent: Ext4Inode): number {
  const n = sb.geo.groupsCount;
  const avgInodes = sb.freeInodes / n;
  const avgBlocks = sb.freeClusters / n;
  const avgDirs = sb.usedDirs / n;
  const top = parent.ino === EXT4_ROOT_INO || parent.hasFlag(EXT4_TOPDIR_FL);
  const start = top ? sb.scheduler.chance.below(n) : parent.blockGroup;
  let best = -1;
  for (let i = 0; i < n; i++) {
    const g = (start + i) % n;
    const inodes = freeInodes(sb, g);
    if (inodes === 0) continue;
    if (top) {
      if (inodes < avgInodes || freeBlocks(sb, g) < avgBlocks) continue;
      if (best < 0 || usedDirs(sb, g) < usedDirs(sb, best)) best = g;
    } else if (
      usedDirs(sb, g) <= avgDirs + sb.geo.inodesPerGroup / 16 &&
      inodes >= avgInodes / 4 &&
      freeBlocks(sb, g) >= avgBlocks / 4
    ) {
      return g;
    }
  }
  if (best >= 0) return best;
  return firstWith(sb, parent.blockGroup, (g) => freeInodes(sb, g) >= avgInodes);
}

/** A group for a file: the directory's, then a quadratic walk seeded by it, then any. */
function fileGroup(sb: Ext4SuperBlock, parent: Ext4Inode): number {
  const n = sb.geo.groupsCount;
  const near = parent.blockGroup;
  const roomy = (g: number): boolean => freeInodes(sb, g) > 0 && freeBlocks(sb, g) > 0;
  if (roomy(near)) return near;
  let g = (near + parent.ino) % n;
  for (let step = 1; step < n; step <<= 1) {
    g = (g + step) % n;
    if (roomy(g)) return g;
  }
  return firstWith(sb, near, roomy);
}

function firstWith(sb: Ext4SuperBlock, start: number, good: (g: number) => boolean): number {
  const n = sb.geo.groupsCount;
  let any = -1;
  for (let i = 0; i < n; i++) {
    const g = (start + i) % n;
    if (good(g)) return g;
    if (any < 0 && freeInodes(sb, g) > 0) any = g;
  }
  if (any < 0) throw errno('ENOSPC', {}, 'no free inodes');
  return any;
}

/** Flags a new inode takes from its directory. */
function inheritedFlags(parent: Ext4Inode, mode: number): number {
  const all =
    0x1 |
    0x2 |
    0x4 |
    EXT4_SYNC_FL |
    EXT4_NODUMP_FL |
    EXT4_NOATIME_FL |
    0x400 |
    0x4000 |
    0x8000 |
    EXT4_DIRSYNC_FL |
    EXT4_PROJINHERIT_FL |
    EXT4_CASEFOLD_FL |
    0x200_0000;
  const flags = parent.iFlags & all;
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return flags;
    case S_IFREG:
      return flags & ~(EXT4_DIRSYNC_FL | EXT4_TOPDIR_FL | EXT4_CASEFOLD_FL | EXT4_PROJINHERIT_FL);
    default:
      return flags & (EXT4_NODUMP_FL | EXT4_NOATIME_FL);
  }
}

/**
 * A new inode, on disk and in memory, with one link and no blocks; referenced, not I_NEW.
 * Owner and ACL are set by the caller, who then dirties it again.
 * @param parent  the directory it will be in (decides the group and inherited flags)
 * @throws ENOSPC no inode is left; EUCLEAN
 * @context Inside `handle`. May sleep.
 */
export function* ext4NewInode(handle: Handle, parent: Ext4Inode, mode: number): Op<Ext4Inode> {
  const sb = parent.sb;
  if (sb.freeInodes === 0) throw errno('ENOSPC', {}, 'no free inodes');
  const isDir = (mode & S_IFMT) === S_IFDIR;
  const first = isDir ? directoryGroup(sb, parent) : fileGroup(sb, parent);
  for (let i = 0; i < sb.geo.groupsCount; i++) {
    const group = (first + i) % sb.geo.groupsCount;
    if (freeInodes(sb, group) === 0) continue;
    const nr = yield* claimInode(handle, sb, group, isDir);
    if (nr !== null) return yield* initInode(handle, parent, nr, group, mode);
  }
  throw errno('ENOSPC', {}, 'no free inodes');
}

/** Set a free bit in the group's bitmap. null: none is usable, or the bitmap is damaged. */
function* claimInode(
  handle: Handle,
  sb: Ext4SuperBlock,
  group: number,
  isDir: boolean,
): Op<Ino | null> {
  let bh: BufferHead;
  try {
    bh = yield* ext4ReadInodeBitmap(sb, group);
  } catch (e) {
    if (!(e instanceof CorruptError)) throw e;
    sb.warn(`${e.message}: no inodes are allocated in group ${group}`);
    return null;
  }
  try {
    const { inodesPerGroup, firstIno } = sb.geo;
    let at = group === 0 ? firstIno - 1 : 0;
    for (;;) {
      at = findNextZero(bh.data, at, inodesPerGroup);
      if (at >= inodesPerGroup) return null;
      // One that is still leaving memory may not be taken by a new object yet.
      if (!sb.inodes.has(ino(group * inodesPerGroup + at + 1))) break;
      at++;
    }
    yield* ext4GetWriteAccess(handle, bh);
    yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
    if (testBit(bh.data, at)) return yield* claimInode(handle, sb, group, isDir);
    setBits(bh.data, at, 1);
    bitmapChanged(handle, sb, group, bh, -1, isDir ? 1 : 0, at);
    return ino(group * inodesPerGroup + at + 1);
  } finally {
    bh.put();
  }
}

/** Is this inode in use, as its bitmap says? @throws EUCLEAN, EIO */
export function* ext4InodeInUse(sb: Ext4SuperBlock, nr: Ino): Op<boolean> {
  const { inodesPerGroup } = sb.geo;
  const bh = yield* ext4ReadInodeBitmap(sb, Math.floor((nr - 1) / inodesPerGroup));
  try {
    return testBit(bh.data, (nr - 1) % inodesPerGroup);
  } finally {
    bh.put();
  }
}

/**
 * Take one certain inode, that is free as its bitmap says. @context Inside `handle`.
 * @throws EUCLEAN the bitmap is damaged; EIO
 * @source fs/ext4/ialloc.c:ext4_mark_inode_used()
 */
export function* ext4TakeInode(
  handle: Handle,
  sb: Ext4SuperBlock,
  nr: Ino,
  isDir: boolean,
): Op<void> {
  const group = Math.floor((nr - 1) / sb.geo.inodesPerGroup);
  const at = (nr - 1) % sb.geo.inodesPerGroup;
  const bh = yield* ext4ReadInodeBitmap(sb, group);
  try {
    yield* ext4GetWriteAccess(handle, bh);
    yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
    setBits(bh.data, at, 1);
    bitmapChanged(handle, sb, group, bh, -1, isDir ? 1 : 0, at);
  } finally {
    bh.put();
  }
}

/** Counts, "never used" mark and checksums after a bit of the inode bitmap changed. */
function bitmapChanged(
  handle: Handle,
  sb: Ext4SuperBlock,
  group: number,
  bh: BufferHead,
  freed: number,
  dirs: number,
  at: number,
): void {
  const { bh: gdt, at: g } = groupDesc(sb, group);
  const { descSize, inodesPerGroup } = sb.geo;
  const add = (field: typeof bgFreeInodesCount, by: number): void => {
    field.set(gdt.view, g, descSize, field.get(gdt.view, g, descSize) + by);
  };
  add(bgFreeInodesCount, freed);
  add(bgUsedDirsCount, dirs);
  if (freed < 0) {
    // Without checksums both are 0, or left over from a feature that was taken away: e2fsck then
    // believes them all the same.
    const flags = GroupDesc.bg_flags.get(gdt.view, g);
    const unused = bgItableUnused.get(gdt.view, g, descSize);
    const fresh = (flags & EXT4_BG_INODE_UNINIT) !== 0 ? inodesPerGroup : unused;
    GroupDesc.bg_flags.set(gdt.view, g, flags & ~EXT4_BG_INODE_UNINIT);
    bgItableUnused.set(gdt.view, g, descSize, Math.min(fresh, inodesPerGroup - at - 1));
  }
  if (sb.has.metadataCsum) {
    const csum = bitmapCsum(sb.csumSeed, bh.data, inodesPerGroup);
    bgInodeBitmapCsum.set(gdt.view, g, descSize, csum);
  }
  sb.freeInodes += freed;
  sb.usedDirs += dirs;
  ext4DirtyMetadata(handle, bh);
  ext4GroupDescDirty(handle, sb, group);
}

function* initInode(
  handle: Handle,
  parent: Ext4Inode,
  nr: Ino,
  group: number,
  mode: number,
): Op<Ext4Inode> {
  const sb = parent.sb;
  const inode = ext4AllocInode(sb, nr);
  sb.inodes.set(nr, inode);
  inode.mode = mode;
  inode.blockGroup = group;
  inode.generation = sb.scheduler.chance.u32();
  inode.csumSeed = inodeCsumSeed(sb.csumSeed, nr, inode.generation);
  inode.atime = inode.mtime = inode.ctime = sb.now();
  if (sb.geo.inodeSize > EXT4_GOOD_OLD_INODE_SIZE) {
    inode.extraIsize = Superblock.s_want_extra_isize.get(sb.sbh.view, sb.sbAt) || 32;
    inode.btime = inode.ctime;
  }
  inode.iFlags = inheritedFlags(parent, mode);
  const type = mode & S_IFMT;
  if (sb.has.extents && (type === S_IFREG || type === S_IFDIR || type === S_IFLNK)) {
    inode.iFlags |= EXT4_EXTENTS_FL;
    ext4ExtTreeInit(inode);
  }
  if (sb.has.project && parent.hasFlag(EXT4_PROJINHERIT_FL)) inode.projid = parent.projid;
  setInodeFlags(inode);
  sb.setInodeOps(inode);
  const loc = yield* reserveOrGiveBack(handle, inode);
  try {
    // What stood here belongs to an inode that is gone, or was never initialised.
    loc.bh.data.fill(0, loc.at, loc.at + sb.geo.inodeSize);
    ext4DoUpdateInode(handle, inode, loc);
    // No data is found without its inode: fdatasync too waits for this transaction.
    inode.datasyncTid = handle.tid;
  } finally {
    loc.bh.put();
  }
  inode.state &= ~I_NEW;
  inode.stateWait.wakeAll();
  return inode;
}

/** The place of the new inode's record; if that cannot be read, nobody has the inode. */
function* reserveOrGiveBack(handle: Handle, inode: Ext4Inode): Op<InodeLoc> {
  try {
    return yield* ext4ReserveInodeWrite(handle, inode);
  } catch (e) {
    igetFailed(inode);
    yield* ext4FreeInode(handle, inode);
    throw e;
  }
}

/**
 * Give an inode back. Its blocks are gone, its links are 0, its record says so already.
 * @context Inside `handle`; nobody has a reference. @throws EUCLEAN it is free already
 */
export function* ext4FreeInode(handle: Handle, inode: Ext4Inode): Op<void> {
  const sb = inode.sb;
  const { inodesPerGroup, firstIno } = sb.geo;
  if (inode.ino < firstIno) throw corrupted('ext4_inode', 'inode number', { ino: inode.ino });
  const group = Math.floor((inode.ino - 1) / inodesPerGroup);
  const at = (inode.ino - 1) % inodesPerGroup;
  const bh = yield* ext4ReadInodeBitmap(sb, group);
  try {
    if (!testBit(bh.data, at)) {
      throw corrupted('inode bitmap', 'bit', { group, ino: inode.ino, why: 'free already' });
    }
    yield* ext4GetWriteAccess(handle, bh);
    yield* ext4GetWriteAccess(handle, groupDesc(sb, group).bh);
    clearBits(bh.data, at, 1);
    bitmapChanged(handle, sb, group, bh, 1, inode.isDir ? -1 : 0, at);
  } finally {
    bh.put();
  }
}
