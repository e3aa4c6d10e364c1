/**
 * The inode: 128 bytes that every image has, and up to 32 more that i_extra_isize announces.
 * What the record has left after them holds extended attributes.
 * @source filesystems/ext4/inodes.rst, "Index Nodes"; fs/ext4/ext4.h:struct ext4_inode
 */
import { LE, join64, raw, struct, u16, u32, i32 } from '../../../base/struct.ts';
import type { Field } from '../../../base/struct.ts';

export const EXT4_GOOD_OLD_INODE_SIZE = 128;

/** Fields from 0x80 on exist only as far as `fitsInInode()` says. */
export const Inode = struct('ext4_inode', LE, 160, {
  i_mode: u16(0x00), // file type and permissions: S_IF*, S_I*
  i_uid: u16(0x02), // owner, low 16 bits
  i_size_lo: u32(0x04), // size in bytes, low
  i_atime: i32(0x08), // last access, seconds, low; hash of the value in an ea_inode
  i_ctime: i32(0x0c), // last change of the inode, seconds, low; count, high, in an ea_inode
  i_mtime: i32(0x10), // last change of the content, seconds, low
  i_dtime: u32(0x14), // when it was deleted; next orphan while it is on the orphan list
  i_gid: u16(0x18), // group, low 16 bits
  i_links_count: u16(0x1a), // names; 1 in a directory means "too many to count" with dir_nlink
  i_blocks_lo: u32(0x1c), // space used, in 512-byte units or in blocks (see iBlocks()), low
  i_flags: u32(0x20), // EXT4_*_FL
  l_i_version: u32(0x24), // osd1 of Linux: version, low; count, low, in an ea_inode
  i_block: raw(0x28, 60), // extent root, block map, inline data, symlink target or device number
  i_generation: u32(0x64), // changes with each use of the inode number
  i_file_acl_lo: u32(0x68), // block of extended attributes, low
  i_size_high: u32(0x6c), // size in bytes, high
  i_obso_faddr: u32(0x70), // fragment address, never used
  l_i_blocks_high: u16(0x74), // osd2 of Linux: space used, high
  l_i_file_acl_high: u16(0x76), // block of extended attributes, high
  l_i_uid_high: u16(0x78), // owner, high
  l_i_gid_high: u16(0x7a), // group, high
  l_i_checksum_lo: u16(0x7c), // crc32c of the inode, low half
  l_i_reserved: u16(0x7e), // not used
  i_extra_isize: u16(0x80), // bytes after the first 128 that hold the fields below
  i_checksum_hi: u16(0x82), // crc32c of the inode, high half
  i_ctime_extra: u32(0x84), // nanoseconds << 2 | bits 32..33 of the seconds
  i_mtime_extra: u32(0x88), // likewise
  i_atime_extra: u32(0x8c), // likewise
  i_crtime: i32(0x90), // when it was made, seconds, low
  i_crtime_extra: u32(0x94), // likewise
  i_version_hi: u32(0x98), // version, high
  i_projid: u32(0x9c), // project
});

/** Reserved inode numbers. */
export const EXT4_BAD_INO = 1;
export const EXT4_ROOT_INO = 2;
export const EXT4_USR_QUOTA_INO = 3;
export const EXT4_GRP_QUOTA_INO = 4;
export const EXT4_BOOT_LOADER_INO = 5;
export const EXT4_UNDEL_DIR_INO = 6;
export const EXT4_RESIZE_INO = 7;
export const EXT4_JOURNAL_INO = 8;
export const EXT4_EXCLUDE_INO = 9;
export const EXT4_REPLICA_INO = 10;
export const EXT4_GOOD_OLD_FIRST_INO = 11;

/** i_mode. */

/** i_flags. */
export const EXT4_SECRM_FL = 0x0000_0001; // overwrite when deleted (not honoured)
export const EXT4_UNRM_FL = 0x0000_0002; // keep for undelete (not honoured)
export const EXT4_COMPR_FL = 0x0000_0004; // compressed (never in Linux)
export const EXT4_SYNC_FL = 0x0000_0008; // writes are synchronous
export const EXT4_IMMUTABLE_FL = 0x0000_0010; // no change at all
export const EXT4_APPEND_FL = 0x0000_0020; // writes only at the end
export const EXT4_NODUMP_FL = 0x0000_0040; // dump(8) passes over it
export const EXT4_NOATIME_FL = 0x0000_0080; // reading leaves atime alone
export const EXT4_DIRTY_FL = 0x0000_0100; // compression: not yet compressed
export const EXT4_COMPRBLK_FL = 0x0000_0200; // compression: has compressed clusters
export const EXT4_NOCOMPR_FL = 0x0000_0400; // compression: do not
export const EXT4_ENCRYPT_FL = 0x0000_0800; // content and names are encrypted
export const EXT4_INDEX_FL = 0x0000_1000; // directory with a hash tree
export const EXT4_IMAGIC_FL = 0x0000_2000; // AFS
export const EXT4_JOURNAL_DATA_FL = 0x0000_4000; // content goes through the journal
export const EXT4_NOTAIL_FL = 0x0000_8000; // no tail merging (not in ext4)
export const EXT4_DIRSYNC_FL = 0x0001_0000; // changes of the directory are synchronous
export const EXT4_TOPDIR_FL = 0x0002_0000; // top of a hierarchy: spread its subdirectories
export const EXT4_HUGE_FILE_FL = 0x0004_0000; // i_blocks counts blocks, not 512-byte units
export const EXT4_EXTENTS_FL = 0x0008_0000; // i_block is the root of an extent tree
export const EXT4_VERITY_FL = 0x0010_0000; // read-only, with a Merkle tree past the end
export const EXT4_EA_INODE_FL = 0x0020_0000; // content is the value of an extended attribute
export const EXT4_DAX_FL = 0x0200_0000; // access without the page cache
export const EXT4_INLINE_DATA_FL = 0x1000_0000; // content is in the inode
export const EXT4_PROJINHERIT_FL = 0x2000_0000; // new children take the project
export const EXT4_CASEFOLD_FL = 0x4000_0000; // names of the directory are matched by folding case
export const EXT4_RESERVED_FL = 0x8000_0000; // library of e2fsprogs
/** What lsattr may show and what chattr may change (without EXT4_EXTENTS_FL's one-way move). */
export const EXT4_FL_USER_VISIBLE = 0x725b_dfff;
export const EXT4_FL_USER_MODIFIABLE = 0x624b_c0ff;

export const EXT4_NDIR_BLOCKS = 12;
export const EXT4_IND_BLOCK = 12;
export const EXT4_DIND_BLOCK = 13;
export const EXT4_TIND_BLOCK = 14;
export const EXT4_N_BLOCKS = 15;
/** A symlink shorter than this lives in i_block, with its NUL. */
export const EXT4_FAST_SYMLINK_SIZE = 60;
/** Links of an inode; a directory past it shows 1 with dir_nlink. */
export const EXT4_LINK_MAX = 65_000;

/**
 * Does this inode record have the field? (Linux: EXT4_FITS_IN_INODE.)
 * @param extraIsize  the inode's i_extra_isize, 0 where records have 128 bytes
 */
export const fitsInInode = (field: Field, extraIsize: number): boolean =>
  field.offset + field.size <= EXT4_GOOD_OLD_INODE_SIZE + extraIsize;

/** Size in bytes. Infinity where the 64 bits pass 2^53-1. */
export const iSize = (view: DataView, at: number): number =>
  join64(Inode.i_size_lo.get(view, at), Inode.i_size_high.get(view, at));

export function setISize(view: DataView, at: number, size: number): void {
  Inode.i_size_lo.set(view, at, size % 2 ** 32);
  Inode.i_size_high.set(view, at, Math.floor(size / 2 ** 32));
}

/** The words that hold i_blocks, joined; in what unit, the flag EXT4_HUGE_FILE_FL says. */
export const iBlocksRaw = (view: DataView, at: number, hugeFile: boolean): number =>
  Inode.i_blocks_lo.get(view, at) + (hugeFile ? Inode.l_i_blocks_high.get(view, at) * 2 ** 32 : 0);

/**
 * Space used in 512-byte units, as stat(2) shows it.
 * @param hugeFile  the file system has huge_file; @param blockBits  log2 of the block size
 * @source fs/ext4/inode.c:ext4_inode_blocks()
 */
export function iBlocks(view: DataView, at: number, hugeFile: boolean, blockBits: number): number {
  const count = iBlocksRaw(view, at, hugeFile);
  const inBlocks = hugeFile && (Inode.i_flags.get(view, at) & EXT4_HUGE_FILE_FL) !== 0;
  return inBlocks ? count * 2 ** (blockBits - 9) : count;
}

/**
 * Store the space used; sets or clears EXT4_HUGE_FILE_FL as the number demands.
 * @returns false if the number cannot be stored (past 32 bits without huge_file)
 * @source fs/ext4/inode.c:ext4_inode_blocks_set()
 */
export function setIBlocks(
  view: DataView,
  at: number,
  hugeFile: boolean,
  blockBits: number,
  sectors: number,
): boolean {
  const flags = Inode.i_flags.get(view, at);
  const inBlocks = sectors >= 2 ** 48;
  const count = inBlocks ? sectors / 2 ** (blockBits - 9) : sectors;
  if (sectors >= 2 ** 32 && (!hugeFile || count >= 2 ** 48)) return false;
  Inode.i_blocks_lo.set(view, at, count % 2 ** 32);
  Inode.l_i_blocks_high.set(view, at, Math.floor(count / 2 ** 32));
  const next = inBlocks ? flags | EXT4_HUGE_FILE_FL : flags & ~EXT4_HUGE_FILE_FL;
  Inode.i_flags.set(view, at, next >>> 0);
  return true;
}

export const iUid = (view: DataView, at: number): number =>
  Inode.l_i_uid_high.get(view, at) * 0x1_0000 + Inode.i_uid.get(view, at);
export const iGid = (view: DataView, at: number): number =>
  Inode.l_i_gid_high.get(view, at) * 0x1_0000 + Inode.i_gid.get(view, at);

export function setIUid(view: DataView, at: number, uid: number): void {
  Inode.i_uid.set(view, at, uid & 0xffff);
  Inode.l_i_uid_high.set(view, at, uid >>> 16);
}
export function setIGid(view: DataView, at: number, gid: number): void {
  Inode.i_gid.set(view, at, gid & 0xffff);
  Inode.l_i_gid_high.set(view, at, gid >>> 16);
}

/** Block of extended attributes, 48 bits (the high 16 count with 64bit only); 0: none. */
export const iFileAcl = (view: DataView, at: number, wide: boolean): number =>
  Inode.i_file_acl_lo.get(view, at) + (wide ? Inode.l_i_file_acl_high.get(view, at) * 2 ** 32 : 0);

export function setIFileAcl(view: DataView, at: number, wide: boolean, block: number): void {
  Inode.i_file_acl_lo.set(view, at, block % 2 ** 32);
  if (wide) Inode.l_i_file_acl_high.set(view, at, Math.floor(block / 2 ** 32));
}

/** Version counter, 64 bits where the inode has room for them. */
export const iVersion = (view: DataView, at: number, extraIsize: number): number =>
  join64(
    Inode.l_i_version.get(view, at),
    fitsInInode(Inode.i_version_hi, extraIsize) ? Inode.i_version_hi.get(view, at) : 0,
  );

export function setIVersion(view: DataView, at: number, extraIsize: number, value: number): void {
  Inode.l_i_version.set(view, at, value % 2 ** 32);
  if (!fitsInInode(Inode.i_version_hi, extraIsize)) return;
  Inode.i_version_hi.set(view, at, Math.floor(value / 2 ** 32));
}

/** The stored crc32c: 32 bits where i_checksum_hi fits, else its low 16. */
export const iChecksum = (view: DataView, at: number, extraIsize: number): number =>
  Inode.l_i_checksum_lo.get(view, at) +
  (fitsInInode(Inode.i_checksum_hi, extraIsize) ? Inode.i_checksum_hi.get(view, at) * 0x1_0000 : 0);

export function setIChecksum(view: DataView, at: number, extraIsize: number, crc: number): void {
  Inode.l_i_checksum_lo.set(view, at, crc & 0xffff);
  if (!fitsInInode(Inode.i_checksum_hi, extraIsize)) return;
  Inode.i_checksum_hi.set(view, at, crc >>> 16);
}
