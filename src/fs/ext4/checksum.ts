/**
 * Every checksum of ext4 as a function of bytes.
 *
 * With metadata_csum all are crc32c and begin from one seed: the uuid's crc32c, or the number that
 * metadata_csum_seed keeps so that the uuid may change. What belongs to an inode goes on from the
 * crc of its number and generation, so that a block of a deleted file cannot pass for another's.
 * With gdt_csum only group descriptors have one, a crc16.
 *
 * For each there is the number (`xCsum`), whether the stored one equals it (`xCsumOk`) and the
 * storing of it (`setXCsum`). Whether the feature is on, the caller knows.
 * @source filesystems/ext4/checksums.rst, "Checksums"
 */
import { crc16, crc32c } from '../../base/checksum.ts';
import { LE } from '../../base/struct.ts';
import { DirEntryTail } from './disk/dirent.ts';
import { ExtentTail, ExtentHeader, extentTailOffset } from './disk/extent.ts';
import {
  EXT4_MIN_DESC_SIZE,
  GroupDesc,
  bgBlockBitmapCsum,
  bgInodeBitmapCsum,
  bitmapCsumMask,
} from './disk/group-desc.ts';
import type { DescField } from './disk/group-desc.ts';
import { DxEntry, DxCountlimit, DxTail } from './disk/htree.ts';
import {
  EXT4_GOOD_OLD_INODE_SIZE,
  Inode,
  fitsInInode,
  iChecksum,
  setIChecksum,
} from './disk/inode.ts';
import { Mmp } from './disk/mmp.ts';
import { OrphanBlockTail, orphanTailOffset } from './disk/orphan.ts';
import { Superblock } from './disk/superblock.ts';
import { XattrHeader } from './disk/xattr.ts';
import { INCOMPAT } from './features.ts';

/** Bytes and the view over the same bytes; a buffer head is one. */
export interface RawBlock {
  readonly data: Uint8Array;
  readonly view: DataView;
}

export const rawBlock = (data: Uint8Array): RawBlock => ({
  data,
  view: new DataView(data.buffer, data.byteOffset, data.byteLength),
});

/** A checksum has this in its own place while it is made. */
const ZEROS = new Uint8Array(4);
const word = rawBlock(new Uint8Array(8));

function crc32cLe32(crc: number, n: number): number {
  word.view.setUint32(0, n, LE);
  return crc32c(crc, word.data, 0, 4);
}

function crc32cLe64(crc: number, n: number): number {
  word.view.setUint32(0, n % 2 ** 32, LE);
  word.view.setUint32(4, Math.floor(n / 2 ** 32), LE);
  return crc32c(crc, word.data, 0, 8);
}

/** Seed of a file system with this uuid. */
export const csumSeedOfUuid = (uuid: Uint8Array): number => crc32c(0xffff_ffff, uuid);

/** Seed of the file system whose superblock stands at `at`. */
export function csumSeedOf(view: DataView, at: number): number {
  return (Superblock.s_feature_incompat.get(view, at) & INCOMPAT.metadata_csum_seed) !== 0
    ? Superblock.s_checksum_seed.get(view, at)
    : csumSeedOfUuid(Superblock.s_uuid.get(view, at));
}

/** Seed of everything that belongs to one inode. */
export const inodeCsumSeed = (csumSeed: number, ino: number, generation: number): number =>
  crc32cLe32(crc32cLe32(csumSeed, ino), generation);

// --- superblock ---------------------------------------------------------------------------------

/** @source fs/ext4/super.c:ext4_superblock_csum() */
export const superblockCsum = (b: RawBlock, at: number): number =>
  crc32c(0xffff_ffff, b.data, at, at + Superblock.s_checksum.offset);

export const superblockCsumOk = (b: RawBlock, at: number): boolean =>
  superblockCsum(b, at) === Superblock.s_checksum.get(b.view, at);

export function setSuperblockCsum(b: RawBlock, at: number): void {
  Superblock.s_checksum.set(b.view, at, superblockCsum(b, at));
}

// --- group descriptors --------------------------------------------------------------------------

/** With metadata_csum: the low half of crc32c over seed, group and the descriptor with 0 inside. */
export function groupDescCsum(
  csumSeed: number,
  group: number,
  b: RawBlock,
  at: number,
  descSize: number,
): number {
  const { offset, size } = GroupDesc.bg_checksum;
  let crc = crc32c(crc32cLe32(csumSeed, group), b.data, at, at + offset);
  crc = crc32c(crc, ZEROS, 0, size);
  return crc32c(crc, b.data, at + offset + size, at + descSize) & 0xffff;
}

/** With gdt_csum: crc16 of uuid, group and the descriptor without its checksum's place. */
export function groupDescCrc16(
  uuid: Uint8Array,
  group: number,
  b: RawBlock,
  at: number,
  descSize: number,
): number {
  const { offset, size } = GroupDesc.bg_checksum;
  word.view.setUint32(0, group, LE);
  let crc = crc16(crc16(0xffff, uuid), word.data, 0, 4);
  crc = crc16(crc, b.data, at, at + offset);
  const rest = offset + size;
  return descSize > EXT4_MIN_DESC_SIZE ? crc16(crc, b.data, at + rest, at + descSize) : crc;
}

// --- bitmaps ------------------------------------------------------------------------------------

/**
 * crc32c of the bitmap's bits that stand for something.
 * @param units  clusters (block bitmap) or inodes (inode bitmap) of a group
 */
export const bitmapCsum = (csumSeed: number, bitmap: Uint8Array, units: number): number =>
  crc32c(csumSeed, bitmap, 0, units >>> 3);

function bitmapCsumMatches(
  field: DescField,
  desc: DataView,
  at: number,
  descSize: number,
  crc: number,
): boolean {
  return field.get(desc, at, descSize) === (crc & bitmapCsumMask(field, descSize)) >>> 0;
}

/** Does the descriptor at `at` keep this crc of its block bitmap? (16 bits in short ones.) */
export const blockBitmapCsumOk = (
  desc: DataView,
  at: number,
  descSize: number,
  crc: number,
): boolean => bitmapCsumMatches(bgBlockBitmapCsum, desc, at, descSize, crc);

export const inodeBitmapCsumOk = (
  desc: DataView,
  at: number,
  descSize: number,
  crc: number,
): boolean => bitmapCsumMatches(bgInodeBitmapCsum, desc, at, descSize, crc);

// --- inodes -------------------------------------------------------------------------------------

/** The inode's i_extra_isize, 0 where records have 128 bytes. */
const extraIsizeOf = (view: DataView, at: number, inodeSize: number): number =>
  inodeSize > EXT4_GOOD_OLD_INODE_SIZE ? Inode.i_extra_isize.get(view, at) : 0;

/**
 * crc32c of the whole record, attributes included, with 0 in the checksum's own places.
 * @param seed  inodeCsumSeed() of this inode
 * @source fs/ext4/inode.c:ext4_inode_csum()
 */
export function inodeCsum(seed: number, b: RawBlock, at: number, inodeSize: number): number {
  const lo = Inode.l_i_checksum_lo;
  let crc = crc32c(seed, b.data, at, at + lo.offset);
  crc = crc32c(crc, ZEROS, 0, lo.size);
  crc = crc32c(crc, b.data, at + lo.offset + lo.size, at + EXT4_GOOD_OLD_INODE_SIZE);
  if (inodeSize <= EXT4_GOOD_OLD_INODE_SIZE) return crc;
  const hi = Inode.i_checksum_hi;
  crc = crc32c(crc, b.data, at + EXT4_GOOD_OLD_INODE_SIZE, at + hi.offset);
  let from = hi.offset;
  if (fitsInInode(hi, extraIsizeOf(b.view, at, inodeSize))) {
    crc = crc32c(crc, ZEROS, 0, hi.size);
    from += hi.size;
  }
  return crc32c(crc, b.data, at + from, at + inodeSize);
}

export function inodeCsumOk(seed: number, b: RawBlock, at: number, inodeSize: number): boolean {
  const extra = extraIsizeOf(b.view, at, inodeSize);
  const mask = fitsInInode(Inode.i_checksum_hi, extra) ? 0xffff_ffff : 0xffff;
  return iChecksum(b.view, at, extra) === (inodeCsum(seed, b, at, inodeSize) & mask) >>> 0;
}

export function setInodeCsum(seed: number, b: RawBlock, at: number, inodeSize: number): void {
  const crc = inodeCsum(seed, b, at, inodeSize);
  setIChecksum(b.view, at, extraIsizeOf(b.view, at, inodeSize), crc);
}

// --- blocks of an inode; `seed` is inodeCsumSeed() of it ----------------------------------------

/** Where a node's tail stands; -1 if eh_max leaves no room for it in the block. */
function extentTailAt({ data, view }: RawBlock): number {
  const at = extentTailOffset(ExtentHeader.eh_max.get(view, 0));
  return at + ExtentTail.$size <= data.length ? at : -1;
}

/** Node of an extent tree in a block of its own: all up to its tail. */
export const extentBlockCsum = (seed: number, b: RawBlock, tailAt: number): number =>
  crc32c(seed, b.data, 0, tailAt);

export function extentBlockCsumOk(seed: number, b: RawBlock): boolean {
  const at = extentTailAt(b);
  return at >= 0 && extentBlockCsum(seed, b, at) === ExtentTail.et_checksum.get(b.view, at);
}

export function setExtentBlockCsum(seed: number, b: RawBlock): void {
  const at = extentTailAt(b);
  if (at >= 0) ExtentTail.et_checksum.set(b.view, at, extentBlockCsum(seed, b, at));
}

/** Leaf of a directory: all up to the entry that holds the checksum. */
export const dirLeafCsum = (seed: number, data: Uint8Array): number =>
  crc32c(seed, data, 0, data.length - DirEntryTail.$size);

/** The caller has found that a DirEntryTail stands at the block's end. */
export const dirLeafCsumOk = (seed: number, b: RawBlock): boolean =>
  dirLeafCsum(seed, b.data) ===
  DirEntryTail.det_checksum.get(b.view, b.data.length - DirEntryTail.$size);

export function setDirLeafCsum(seed: number, b: RawBlock): void {
  const at = b.data.length - DirEntryTail.$size;
  DirEntryTail.det_checksum.set(b.view, at, dirLeafCsum(seed, b.data));
}

/** Where a node's DxTail stands; -1 if limit or count leave no room for it. */
function dxTailAt({ data, view }: RawBlock, entriesAt: number): number {
  const limit = DxCountlimit.limit.get(view, entriesAt);
  const count = DxCountlimit.count.get(view, entriesAt);
  const at = entriesAt + limit * DxEntry.$size;
  return count <= limit && at + DxTail.$size <= data.length ? at : -1;
}

/**
 * Node of a directory's hash tree: all up to its last used entry, then its tail.
 * @param entriesAt  where its entries stand: DX_ROOT_ENTRIES_OFFSET or DX_NODE_ENTRIES_OFFSET
 * @source fs/ext4/namei.c:ext4_dx_csum()
 */
function dxCsum(seed: number, { data, view }: RawBlock, entriesAt: number, tailAt: number): number {
  const count = DxCountlimit.count.get(view, entriesAt);
  let crc = crc32c(seed, data, 0, entriesAt + count * DxEntry.$size);
  crc = crc32c(crc, data, tailAt, tailAt + DxTail.dt_checksum.offset);
  return crc32c(crc, ZEROS);
}

/** False too where limit and count leave no room for a checksum. */
export function dxCsumOk(seed: number, b: RawBlock, entriesAt: number): boolean {
  const at = dxTailAt(b, entriesAt);
  return at >= 0 && dxCsum(seed, b, entriesAt, at) === DxTail.dt_checksum.get(b.view, at);
}

export function setDxCsum(seed: number, b: RawBlock, entriesAt: number): void {
  const at = dxTailAt(b, entriesAt);
  if (at >= 0) DxTail.dt_checksum.set(b.view, at, dxCsum(seed, b, entriesAt, at));
}

/** Block of the orphan file: its place on the device, then its slots. */
export function orphanBlockCsum(seed: number, pblk: number, data: Uint8Array): number {
  return crc32c(crc32cLe64(seed, pblk), data, 0, orphanTailOffset(data.length));
}

export const orphanBlockCsumOk = (seed: number, pblk: number, b: RawBlock): boolean =>
  orphanBlockCsum(seed, pblk, b.data) ===
  OrphanBlockTail.ob_checksum.get(b.view, orphanTailOffset(b.data.length));

export function setOrphanBlockCsum(seed: number, pblk: number, b: RawBlock): void {
  const at = orphanTailOffset(b.data.length);
  OrphanBlockTail.ob_checksum.set(b.view, at, orphanBlockCsum(seed, pblk, b.data));
}

// --- blocks of the file system; `csumSeed` is csumSeedOf() it ----------------------------------

/** Block of extended attributes, which inodes may share: its place stands for them. */
export function xattrBlockCsum(csumSeed: number, pblk: number, data: Uint8Array): number {
  const { offset, size } = XattrHeader.h_checksum;
  let crc = crc32c(crc32cLe64(csumSeed, pblk), data, 0, offset);
  crc = crc32c(crc, ZEROS, 0, size);
  return crc32c(crc, data, offset + size);
}

export const xattrBlockCsumOk = (csumSeed: number, pblk: number, b: RawBlock): boolean =>
  xattrBlockCsum(csumSeed, pblk, b.data) === XattrHeader.h_checksum.get(b.view, 0);

export function setXattrBlockCsum(csumSeed: number, pblk: number, b: RawBlock): void {
  XattrHeader.h_checksum.set(b.view, 0, xattrBlockCsum(csumSeed, pblk, b.data));
}

/** The value that an inode of its own holds. @source fs/ext4/xattr.c:ext4_xattr_inode_hash() */
export const eaInodeValueHash = (csumSeed: number, value: Uint8Array): number =>
  crc32c(csumSeed, value);

export const mmpCsum = (csumSeed: number, data: Uint8Array): number =>
  crc32c(csumSeed, data, 0, Mmp.mmp_checksum.offset);

export const mmpCsumOk = (csumSeed: number, b: RawBlock): boolean =>
  mmpCsum(csumSeed, b.data) === Mmp.mmp_checksum.get(b.view, 0);

export function setMmpCsum(csumSeed: number, b: RawBlock): void {
  Mmp.mmp_checksum.set(b.view, 0, mmpCsum(csumSeed, b.data));
}
