/**
 * Inodes: from the table of their group into memory and back.
 *
 *   ext4Iget: record read -> checksum, every field against its bounds -> Ext4Inode -> operations
 *   ext4MarkInodeDirty: write access of the table block -> fields stored -> checksum -> journal
 *
 * As in Linux an inode's fields go into the table's buffer inside the handle that changed them, so
 * that a transaction always holds the inode as it was when the transaction ended.
 * @source fs/ext4/inode.c: __ext4_iget(), ext4_mark_iloc_dirty(), ext4_do_update_inode()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../base/mode.ts';
import { type Ino, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { AddressSpaceOperations } from '../../mm/address-space.ts';
import { igetFailed, igetLocked, iputNowait, unlockNewInode } from '../../vfs/inode-cache.ts';
import {
  I_DIRTY_INODE,
  I_NEW,
  S_APPEND,
  S_CASEFOLD,
  S_DIRSYNC,
  S_ENCRYPTED,
  S_IMMUTABLE,
  S_NOATIME,
  S_SYNC,
  S_VERITY,
} from '../../vfs/inode.ts';
import { inodeCsumOk, inodeCsumSeed, setInodeCsum } from './checksum.ts';
import { bgInodeTable } from './disk/group-desc.ts';
import { inodeTime, setInodeTime } from './disk/inode-time.ts';
import {
  EXT4_APPEND_FL,
  EXT4_BOOT_LOADER_INO,
  EXT4_CASEFOLD_FL,
  EXT4_DIRSYNC_FL,
  EXT4_EA_INODE_FL,
  EXT4_ENCRYPT_FL,
  EXT4_EXTENTS_FL,
  EXT4_FAST_SYMLINK_SIZE,
  EXT4_GOOD_OLD_INODE_SIZE,
  EXT4_IMMUTABLE_FL,
  EXT4_INLINE_DATA_FL,
  EXT4_NOATIME_FL,
  EXT4_ROOT_INO,
  EXT4_SYNC_FL,
  EXT4_VERITY_FL,
  fitsInInode,
  iBlocks,
  iFileAcl,
  iGid,
  Inode as RawInode,
  iSize,
  iUid,
  iVersion,
  setIBlocks,
  setIFileAcl,
  setIGid,
  setISize,
  setIUid,
  setIVersion,
} from './disk/inode.ts';
import { EXT_MAX_BLOCKS } from './disk/extent.ts';
import { ext4Report } from './error.ts';
import { Superblock } from './disk/superblock.ts';
import { checkExtentRoot } from './extents.ts';
import { ExtentStatusTree } from './extents-status.ts';
import { RO_COMPAT } from './features.ts';
import { groupDescGet } from './group-desc.ts';
import { checkIndirectRoot, maxIndirectBlocks } from './indirect.ts';
import { findInlineData } from './inline-data.ts';
import { Ext4Inode } from './inode-info.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { ext4SuperDirty } from './super-write.ts';

/** Where an inode's record stands. */
export interface InodeLoc {
  readonly bh: BufferHead;
  readonly at: number;
}

/** Inode table blocks read together: neighbours are usually wanted next. */
const TABLE_READAHEAD = 32;

const NO_AOPS: AddressSpaceOperations = {
  readFolio: () => {
    throw errno('EINVAL');
  },
  writepages: () => {
    throw errno('EINVAL');
  },
  dirtyFolio: () => false,
};

/** An inode object without contents, I_NEW, not in the inode cache. */
export const ext4AllocInode = (sb: Ext4SuperBlock, ino: Ino): Ext4Inode =>
  new Ext4Inode(sb, ino, NO_AOPS, new ExtentStatusTree(sb.esCache));

/** Block of the inode table and byte in it. @throws EUCLEAN no such inode */
function inodePlace(sb: Ext4SuperBlock, ino: Ino): { nr: number; at: number; first: number } {
  const { inodesCount, inodesPerGroup, inodeSize, blockSize } = sb.geo;
  if (!(ino >= 1 && ino <= inodesCount)) {
    throw corrupted('ext4_inode', 'inode number', { ino, want: `1..${inodesCount}` });
  }
  const group = Math.floor((ino - 1) / inodesPerGroup);
  const offset = ((ino - 1) % inodesPerGroup) * inodeSize;
  const first = groupDescGet(sb, group, bgInodeTable);
  return { nr: first + Math.floor(offset / blockSize), at: offset % blockSize, first };
}

/**
 * The table block of an inode, read, and where its record stands. The caller puts the buffer.
 * @context May sleep for I/O. @throws EIO, EUCLEAN
 */
export function* ext4GetInodeLoc(inode: Ext4Inode): Op<InodeLoc> {
  return yield* inodeLocOf(inode.sb, inode.ino);
}

function* inodeLocOf(sb: Ext4SuperBlock, ino: Ino): Op<InodeLoc> {
  const { nr, at, first } = inodePlace(sb, ino);
  const cached = sb.buffers.tryBread(pblk(nr));
  if (cached) return { bh: cached, at };
  const from = nr - ((nr - first) % TABLE_READAHEAD);
  const count = Math.min(TABLE_READAHEAD, first + sb.geo.itbPerGroup - from);
  if (count > 1) yield* sb.buffers.readahead(pblk(from), count);
  return { bh: yield* sb.buffers.bread(pblk(nr)), at };
}

export interface IgetOptions {
  /** The caller may have a reserved inode (journal, quota, orphan file) or one without names. */
  readonly special?: boolean;
  /** The caller wants an inode that holds the value of an attribute. */
  readonly eaInode?: boolean;
}

/**
 * An inode by number, with a reference.
 * @context May sleep. @throws ESTALE it is not in use; EUCLEAN a field is wrong (named); EIO
 */
export function* ext4Iget(sb: Ext4SuperBlock, ino: Ino, options: IgetOptions = {}): Op<Ext4Inode> {
  const { firstIno, inodesCount } = sb.geo;
  if (!options.special && ino < firstIno && ino !== EXT4_ROOT_INO) {
    throw corrupted('ext4_inode', 'inode number', { ino, want: `${firstIno}..${inodesCount}` });
  }
  inodePlace(sb, ino);
  const inode = yield* igetLocked(sb, ino, () => ext4AllocInode(sb, ino));
  if ((inode.state & I_NEW) === 0) {
    checkEaInodeOrPut(inode, options);
    return inode;
  }
  try {
    const { bh, at } = yield* inodeLocOf(sb, ino);
    try {
      readRecord(inode, bh, at, options);
    } finally {
      bh.put();
    }
    checkEaInode(inode, options);
    // What changed it before it left memory may be in either transaction.
    inode.syncTid = inode.datasyncTid = sb.journal.runningTid;
    sb.setInodeOps(inode);
  } catch (e) {
    igetFailed(inode);
    ext4Report(sb, e);
    throw e;
  }
  unlockNewInode(inode);
  return inode;
}

/**
 * The record in the table was changed by other means than through the inode: take it in.
 * @context Nobody else uses the inode. @throws EUCLEAN, EIO
 */
export function* ext4ReadAgain(inode: Ext4Inode): Op<void> {
  const { bh, at } = yield* inodeLocOf(inode.sb, inode.ino);
  try {
    inode.es.clear();
    readRecord(inode, bh, at, { special: true });
  } finally {
    bh.put();
  }
  inode.sb.setInodeOps(inode);
}

/** A cached inode of the wrong kind: our reference goes before the error. */
function checkEaInodeOrPut(inode: Ext4Inode, options: IgetOptions): void {
  try {
    checkEaInode(inode, options);
  } catch (e) {
    // Another reference holds it, or it stays cached: either way this needs no I/O.
    if (!iputNowait(inode)) inode.count--;
    throw e;
  }
}

/** Values of attributes are reached through attributes and never through a name. */
function checkEaInode(inode: Ext4Inode, options: IgetOptions): void {
  const is = inode.hasFlag(EXT4_EA_INODE_FL);
  if (options.eaInode && !is) throw bad(inode, 'i_flags', inode.iFlags, 'EXT4_EA_INODE_FL');
  if (is && !options.eaInode && !options.special) {
    throw bad(inode, 'i_flags', inode.iFlags, 'no EXT4_EA_INODE_FL');
  }
}

const bad = (inode: Ext4Inode, field: string, got: number, want?: string): Error =>
  corrupted('ext4_inode', field, { ino: inode.ino, got, want });

function readRecord(inode: Ext4Inode, bh: BufferHead, at: number, options: IgetOptions): void {
  const { sb, ino } = inode;
  const v = bh.view;
  const { inodeSize } = sb.geo;
  inode.generation = RawInode.i_generation.get(v, at);
  inode.csumSeed = inodeCsumSeed(sb.csumSeed, ino, inode.generation);
  if (inodeSize > EXT4_GOOD_OLD_INODE_SIZE) {
    const extra = RawInode.i_extra_isize.get(v, at);
    if (extra > inodeSize - EXT4_GOOD_OLD_INODE_SIZE || extra % 4 !== 0) {
      throw bad(inode, 'i_extra_isize', extra, `multiple of 4, at most ${inodeSize - 128}`);
    }
    // Space that nobody has claimed yet is ours to use, from the next write of the inode on.
    inode.extraIsize = extra === 0 ? RawInode.$size - EXT4_GOOD_OLD_INODE_SIZE : extra;
  }
  inode.mode = RawInode.i_mode.get(v, at);
  inode.nlink = RawInode.i_links_count.get(v, at);
  // A record that was never written has no checksum either: that it is unused says more.
  const unused = inode.nlink === 0 && inode.mode === 0;
  if (!unused && sb.has.metadataCsum && !inodeCsumOk(inode.csumSeed, bh, at, inodeSize)) {
    throw corrupted('ext4_inode', 'i_checksum_lo', { ino, pblk: bh.blocknr });
  }
  if (inode.nlink === 0 && ino === EXT4_ROOT_INO) throw bad(inode, 'i_links_count', 0, 'not 0');
  if (inode.nlink === 0 && !options.special && ino !== EXT4_BOOT_LOADER_INO) {
    throw errno('ESTALE', { ino }, 'inode is not in use');
  }
  inode.uid = iUid(v, at);
  inode.gid = iGid(v, at);
  inode.iFlags = RawInode.i_flags.get(v, at);
  inode.dtime = RawInode.i_dtime.get(v, at);
  inode.version = iVersion(v, at, inode.extraIsize);
  inode.iData.set(RawInode.i_block.get(v, at));
  inode.blockGroup = Math.floor((ino - 1) / sb.geo.inodesPerGroup);
  readTimes(inode, v, at);
  if (sb.has.project && fitsInInode(RawInode.i_projid, inode.extraIsize)) {
    inode.projid = RawInode.i_projid.get(v, at);
  }
  readSize(inode, v, at);
  readInline(inode, v, at);
  checkMapping(inode);
  setInodeFlags(inode);
}

function readTimes(inode: Ext4Inode, v: DataView, at: number): void {
  const extra = inode.extraIsize;
  const time = (name: 'atime' | 'mtime' | 'ctime' | 'crtime'): { sec: number; nsec: number } => {
    const t = inodeTime(v, at, extra, name);
    if (t.nsec > 999_999_999) throw bad(inode, `i_${name}_extra`, t.nsec, 'below 10^9 ns');
    return t;
  };
  inode.mtime = time('mtime');
  if (inode.hasFlag(EXT4_EA_INODE_FL)) {
    // atime and ctime hold the value's hash and reference count.
    inode.atime = inode.ctime = inode.mtime;
  } else {
    inode.atime = time('atime');
    inode.ctime = time('ctime');
  }
  inode.btime = fitsInInode(RawInode.i_crtime, extra) ? time('crtime') : null;
}

function readSize(inode: Ext4Inode, v: DataView, at: number): void {
  const { sb } = inode;
  const { blockSize, blockBits } = sb.geo;
  switch (inode.type) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    default:
      if (inode.ino === EXT4_ROOT_INO || inode.ino >= sb.geo.firstIno || inode.mode !== 0) {
        throw bad(inode, 'i_mode', inode.mode, 'a type of file');
      }
  }
  if (inode.ino === EXT4_ROOT_INO && !inode.isDir)
    throw bad(inode, 'i_mode', inode.mode, 'a directory');
  const wide = inode.isReg || sb.has.largeDir;
  inode.size = wide ? iSize(v, at) : RawInode.i_size_lo.get(v, at);
  inode.disksize = inode.size;
  const most = maxSize(sb, inode.hasFlag(EXT4_EXTENTS_FL));
  if (!(inode.size <= most)) {
    throw bad(inode, wide ? 'i_size_high' : 'i_size_lo', inode.size, `at most ${most}`);
  }
  const inline = inode.hasFlag(EXT4_INLINE_DATA_FL);
  if (inode.isDir && !inline && (inode.size === 0 || inode.size % blockSize !== 0)) {
    throw bad(inode, 'i_size_lo', inode.size, `a multiple of ${blockSize}`);
  }
  if (inode.isLnk && inode.size === 0) throw bad(inode, 'i_size_lo', 0, 'length of the target');
  if (inode.isLnk && inode.size >= blockSize) {
    throw bad(inode, 'i_size_lo', inode.size, `below ${blockSize}`);
  }
  inode.blocks = iBlocks(v, at, sb.has.hugeFile, blockBits);
  inode.fileAcl = iFileAcl(v, at, sb.has.is64bit);
  if (inode.fileAcl !== 0 && !sb.zones.valid(inode.fileAcl, 1, inode.ino)) {
    throw bad(inode, 'i_file_acl_lo', inode.fileAcl, 'a block of attributes');
  }
  if (inode.type === S_IFCHR || inode.type === S_IFBLK) inode.rdev = readRdev(inode);
}

/** Largest size of a file, bytes, by the kind of its map. */
export const maxSize = (sb: Ext4SuperBlock, extents: boolean): number =>
  (extents ? EXT_MAX_BLOCKS : maxIndirectBlocks(sb.geo.blockSize)) * sb.geo.blockSize;

/**
 * Device number as stat(2) gives it: below 2^16 in the first word, as ever, else in the second.
 * @source fs/ext4/inode.c, include/linux/kdev_t.h: new_decode_dev()
 */
function readRdev(inode: Ext4Inode): number {
  const v = inode.iDataView;
  const old = v.getUint32(0, true);
  return old !== 0 ? old & 0xffff : v.getUint32(4, true);
}

function readInline(inode: Ext4Inode, v: DataView, at: number): void {
  const { sb, ino } = inode;
  inode.inlineOff = 0;
  inode.inlineSize = 0;
  const extra = sb.geo.inodeSize > EXT4_GOOD_OLD_INODE_SIZE ? RawInode.i_extra_isize.get(v, at) : 0;
  const found = findInlineData(v, at, sb.geo.inodeSize, extra, ino);
  inode.hasIbodyXattr = found.hasXattr;
  if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) return;
  if (!sb.has.inlineData || inode.hasFlag(EXT4_EXTENTS_FL)) {
    throw bad(inode, 'i_flags', inode.iFlags, 'no EXT4_INLINE_DATA_FL');
  }
  if (found.entryAt === 0) throw bad(inode, 'system.data', 0, 'an attribute beside inline data');
  inode.inlineOff = found.entryAt;
  inode.inlineSize = found.valueSize + inode.iData.length;
  if (inode.size > inode.inlineSize) {
    throw bad(inode, 'i_size_lo', inode.size, `at most ${inode.inlineSize}, inline`);
  }
}

/**
 * Is the target of this symlink in i_block? @source fs/ext4/inode.c:ext4_inode_is_fast_symlink()
 */
export const ext4InodeIsFastSymlink = (inode: Ext4Inode): boolean =>
  inode.isLnk &&
  inode.size > 0 &&
  inode.size < EXT4_FAST_SYMLINK_SIZE &&
  (inode.iFlags & (EXT4_INLINE_DATA_FL | EXT4_EA_INODE_FL | EXT4_EXTENTS_FL)) === 0;

function checkMapping(inode: Ext4Inode): void {
  const { sb } = inode;
  if (inode.hasFlag(EXT4_INLINE_DATA_FL)) return;
  if (inode.hasFlag(EXT4_EXTENTS_FL)) {
    if (!sb.has.extents) throw bad(inode, 'i_flags', inode.iFlags, 'no EXT4_EXTENTS_FL');
    checkExtentRoot(inode);
  } else if (inode.isReg || inode.isDir || (inode.isLnk && !ext4InodeIsFastSymlink(inode))) {
    checkIndirectRoot(inode);
  }
  if (inode.hasFlag(EXT4_CASEFOLD_FL) && inode.isDir && !sb.has.casefold) {
    throw bad(inode, 'i_flags', inode.iFlags, 'no EXT4_CASEFOLD_FL');
  }
}

/** Pairs of on-disk flag and i_flags bit. */
const FLAG_PAIRS: readonly (readonly [number, number])[] = [
  [EXT4_SYNC_FL, S_SYNC],
  [EXT4_APPEND_FL, S_APPEND],
  [EXT4_IMMUTABLE_FL, S_IMMUTABLE],
  [EXT4_NOATIME_FL, S_NOATIME],
  [EXT4_DIRSYNC_FL, S_DIRSYNC],
  [EXT4_ENCRYPT_FL, S_ENCRYPTED],
  [EXT4_CASEFOLD_FL, S_CASEFOLD],
  [EXT4_VERITY_FL, S_VERITY],
];

/** i_flags from EXT4_*_FL. @source fs/ext4/inode.c:ext4_set_inode_flags() */
export function setInodeFlags(inode: Ext4Inode): void {
  let flags = 0;
  for (const [disk, vfs] of FLAG_PAIRS) if (inode.hasFlag(disk)) flags |= vfs;
  inode.flags = flags;
}

/**
 * The record's place with write access taken inside `handle`. The caller puts the buffer.
 * @context May sleep. @throws EROFS, EIO
 */
export function* ext4ReserveInodeWrite(handle: Handle, inode: Ext4Inode): Op<InodeLoc> {
  const loc = yield* ext4GetInodeLoc(inode);
  try {
    yield* handle.journal.getWriteAccess(handle, loc.bh);
  } catch (e) {
    loc.bh.put();
    throw e;
  }
  return loc;
}

/** Store the fields in the record. The caller has write access. @context Does not sleep. */
export function ext4DoUpdateInode(handle: Handle, inode: Ext4Inode, loc: InodeLoc): void {
  const { sb } = inode;
  const { bh, at } = loc;
  const v = bh.view;
  const { inodeSize, blockBits } = sb.geo;
  if (inodeSize > EXT4_GOOD_OLD_INODE_SIZE) RawInode.i_extra_isize.set(v, at, inode.extraIsize);
  RawInode.i_mode.set(v, at, inode.mode);
  RawInode.i_links_count.set(v, at, inode.nlink);
  RawInode.i_flags.set(v, at, inode.iFlags >>> 0);
  RawInode.i_generation.set(v, at, inode.generation);
  RawInode.i_dtime.set(v, at, inode.dtime);
  setIUid(v, at, inode.uid);
  setIGid(v, at, inode.gid);
  inode.syncTid = handle.tid;
  if (iSize(v, at) !== inode.disksize) inode.datasyncTid = handle.tid;
  setISize(v, at, inode.disksize);
  if (!setIBlocks(v, at, sb.has.hugeFile, blockBits, inode.blocks)) {
    throw errno('EFBIG', { ino: inode.ino, blocks: inode.blocks });
  }
  inode.iFlags = RawInode.i_flags.get(v, at);
  setIFileAcl(v, at, sb.has.is64bit, inode.fileAcl);
  RawInode.i_block.set(v, at, inode.iData);
  storeTimes(inode, v, at);
  if (!inode.hasFlag(EXT4_EA_INODE_FL)) setIVersion(v, at, inode.extraIsize, inode.version);
  if (sb.has.project && fitsInInode(RawInode.i_projid, inode.extraIsize)) {
    RawInode.i_projid.set(v, at, inode.projid);
  }
  if (sb.has.metadataCsum) setInodeCsum(inode.csumSeed, bh, at, inodeSize);
  handle.journal.dirtyMetadata(handle, bh);
  // The record has all of it now; what changes later is marked again.
  inode.state &= ~I_DIRTY_INODE;
  if (inode.disksize > MAX_SMALL_FILE && inode.isReg) setLargeFile(sb);
}

/** Largest file of an image without the feature large_file. */
const MAX_SMALL_FILE = 2 ** 31 - 1;

/** From the first large file on the image says that it has some. */
function setLargeFile(sb: Ext4SuperBlock): void {
  const { view } = sb.sbh;
  const word = Superblock.s_feature_ro_compat.get(view, sb.sbAt);
  if (word & RO_COMPAT.large_file) return;
  Superblock.s_feature_ro_compat.set(view, sb.sbAt, word | RO_COMPAT.large_file);
  ext4SuperDirty(sb);
}

function storeTimes(inode: Ext4Inode, v: DataView, at: number): void {
  const extra = inode.extraIsize;
  setInodeTime(v, at, extra, 'mtime', inode.mtime);
  if (inode.btime) setInodeTime(v, at, extra, 'crtime', inode.btime);
  if (inode.hasFlag(EXT4_EA_INODE_FL)) return;
  setInodeTime(v, at, extra, 'atime', inode.atime);
  setInodeTime(v, at, extra, 'ctime', inode.ctime);
}

/**
 * The inode's fields go into its table block when `handle` ends: once, however often they change
 * until then. One credit.
 * @context May sleep. @throws EROFS, EIO
 */
export function* ext4MarkInodeDirty(handle: Handle, inode: Ext4Inode): Op<void> {
  if (handle.isDeferred(inode)) return;
  const loc = yield* ext4ReserveInodeWrite(handle, inode);
  handle.defer(inode, () => {
    try {
      ext4DoUpdateInode(handle, inode, loc);
    } finally {
      loc.bh.put();
    }
  });
}

/** i_block of a device node. */
export function storeRdev(inode: Ext4Inode, rdev: number): void {
  inode.iData.fill(0);
  inode.iDataView.setUint32(rdev <= 0xffff ? 0 : 4, rdev, true);
  inode.rdev = rdev;
}
