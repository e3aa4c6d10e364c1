/**
 * The superblock: 1024 bytes at byte 1024 of the device, with copies in some block groups.
 * @source filesystems/ext4/super.rst, "Super Block"; fs/ext4/ext4.h:struct ext4_super_block
 */
import { LE, join64, raw, struct, u16, u32, u64, u8 } from '../../../base/struct.ts';
import type { Field } from '../../../base/struct.ts';

/** Byte of the device at which the primary superblock stands, whatever the block size. */
export const EXT4_SUPER_OFFSET = 1024;
export const EXT4_SUPER_SIZE = 1024;
export const EXT4_SUPER_MAGIC = 0xef53;

export const Superblock = struct('ext4_super_block', LE, EXT4_SUPER_SIZE, {
  s_inodes_count: u32(0x000), // inodes in all groups together
  s_blocks_count_lo: u32(0x004), // blocks of the file system, low 32 bits
  s_r_blocks_count_lo: u32(0x008), // blocks that only the reserved user may take, low
  s_free_blocks_count_lo: u32(0x00c), // free blocks, low; an estimate while mounted
  s_free_inodes_count: u32(0x010), // free inodes; an estimate while mounted
  s_first_data_block: u32(0x014), // block of the primary superblock: 1 with 1 KiB blocks, else 0
  s_log_block_size: u32(0x018), // block size is 2^(10 + this)
  s_log_cluster_size: u32(0x01c), // cluster size is 2^(10 + this); as above without bigalloc
  s_blocks_per_group: u32(0x020), // blocks of a group
  s_clusters_per_group: u32(0x024), // clusters of a group, = bits used in its block bitmap
  s_inodes_per_group: u32(0x028), // inodes of a group
  s_mtime: u32(0x02c), // last mount, seconds, low
  s_wtime: u32(0x030), // last write of this superblock, seconds, low
  s_mnt_count: u16(0x034), // mounts since the last check
  s_max_mnt_count: u16(0x036), // mounts after which a check is due; 0 or 0xffff: never
  s_magic: u16(0x038), // 0xEF53
  s_state: u16(0x03a), // EXT4_VALID_FS, EXT4_ERROR_FS, EXT4_ORPHAN_FS, EXT4_FC_REPLAY
  s_errors: u16(0x03c), // what to do when the disk contradicts itself: EXT4_ERRORS_*
  s_minor_rev_level: u16(0x03e), // not used
  s_lastcheck: u32(0x040), // last check, seconds, low
  s_checkinterval: u32(0x044), // most seconds between checks; 0: no limit
  s_creator_os: u32(0x048), // EXT4_OS_*
  s_rev_level: u32(0x04c), // EXT4_GOOD_OLD_REV or EXT4_DYNAMIC_REV
  s_def_resuid: u16(0x050), // user who may take reserved blocks, low 16 bits
  s_def_resgid: u16(0x052), // group that may take reserved blocks, low 16 bits
  s_first_ino: u32(0x054), // first inode that is not reserved (11); revision 1 and later only
  s_inode_size: u16(0x058), // bytes of an inode record; revision 0 has 128
  s_block_group_nr: u16(0x05a), // group that holds this copy of the superblock
  s_feature_compat: u32(0x05c), // unknown bits do no harm
  s_feature_incompat: u32(0x060), // an unknown bit: do not touch the file system at all
  s_feature_ro_compat: u32(0x064), // an unknown bit: read, but do not write
  s_uuid: raw(0x068, 16), // identity; seeds the checksums unless s_checksum_seed does
  s_volume_name: raw(0x078, 16), // label, padded with NUL
  s_last_mounted: raw(0x088, 64), // folder it was last mounted on
  s_algorithm_usage_bitmap: u32(0x0c8), // compression (never in Linux)
  s_prealloc_blocks: u8(0x0cc), // blocks to preallocate for a file (not used)
  s_prealloc_dir_blocks: u8(0x0cd), // blocks to preallocate for a directory (not used)
  s_reserved_gdt_blocks: u16(0x0ce), // blocks kept after each descriptor table for growth
  s_journal_uuid: raw(0x0d0, 16), // uuid of the external journal
  s_journal_inum: u32(0x0e0), // inode of the journal (8)
  s_journal_dev: u32(0x0e4), // device number of the external journal
  s_last_orphan: u32(0x0e8), // head of the orphan list; the links run through i_dtime
  s_hash_seed: raw(0x0ec, 16), // four words that seed the directory hashes
  s_def_hash_version: u8(0x0fc), // DX_HASH_* for new directories
  s_jnl_backup_type: u8(0x0fd), // 1: s_jnl_blocks holds a copy of the journal inode's map
  s_desc_size: u16(0x0fe), // bytes of a group descriptor with 64bit; else 0, meaning 32
  s_default_mount_opts: u32(0x100), // EXT4_DEFM_*
  s_first_meta_bg: u32(0x104), // first meta block group with meta_bg
  s_mkfs_time: u32(0x108), // when it was made, seconds, low
  s_jnl_blocks: raw(0x10c, 68), // copy of the journal's i_block (15 words), i_size_high, i_size_lo
  s_blocks_count_hi: u32(0x150), // blocks of the file system, high 32 bits, with 64bit
  s_r_blocks_count_hi: u32(0x154), // reserved blocks, high
  s_free_blocks_count_hi: u32(0x158), // free blocks, high
  s_min_extra_isize: u16(0x15c), // every inode has at least this many bytes after the first 128
  s_want_extra_isize: u16(0x15e), // new inodes reserve this many
  s_flags: u32(0x160), // EXT2_FLAGS_*
  s_raid_stride: u16(0x164), // blocks written to one disk before the next one
  s_mmp_interval: u16(0x166), // seconds between two looks of multi-mount protection
  s_mmp_block: u64(0x168), // block of the multi-mount protection record
  s_raid_stripe_width: u32(0x170), // blocks of all data disks of one stripe
  s_log_groups_per_flex: u8(0x174), // a flexible group has 2^this groups
  s_checksum_type: u8(0x175), // 1: crc32c
  s_encryption_level: u8(0x176), // version of the encryption scheme
  s_reserved_pad: u8(0x177), // zero
  s_kbytes_written: u64(0x178), // KiB written in its whole life
  s_snapshot_inum: u32(0x180), // active snapshot (never in Linux)
  s_snapshot_id: u32(0x184), // its number
  s_snapshot_r_blocks_count: u64(0x188), // blocks kept for it
  s_snapshot_list: u32(0x190), // head of the list of snapshots
  s_error_count: u32(0x194), // errors seen since the last check
  s_first_error_time: u32(0x198), // first error: when, seconds, low
  s_first_error_ino: u32(0x19c), // ... in which inode
  s_first_error_block: u64(0x1a0), // ... in which block
  s_first_error_func: raw(0x1a8, 32), // ... in which function
  s_first_error_line: u32(0x1c8), // ... in which line
  s_last_error_time: u32(0x1cc), // last error: when, seconds, low
  s_last_error_ino: u32(0x1d0), // ... in which inode
  s_last_error_line: u32(0x1d4), // ... in which line
  s_last_error_block: u64(0x1d8), // ... in which block
  s_last_error_func: raw(0x1e0, 32), // ... in which function
  s_mount_opts: raw(0x200, 64), // default mount options as text
  s_usr_quota_inum: u32(0x240), // inode of the user quota file (3)
  s_grp_quota_inum: u32(0x244), // inode of the group quota file (4)
  s_overhead_clusters: u32(0x248), // clusters of metadata; 0: not counted yet
  s_backup_bgs: raw(0x24c, 8), // with sparse_super2: the (at most) two groups with copies
  s_encrypt_algos: raw(0x254, 4), // encryption algorithms in use
  s_encrypt_pw_salt: raw(0x258, 16), // salt of the string-to-key function
  s_lpf_ino: u32(0x268), // inode of lost+found
  s_prj_quota_inum: u32(0x26c), // inode of the project quota file
  s_checksum_seed: u32(0x270), // crc32c of the uuid it was made with, with metadata_csum_seed
  s_wtime_hi: u8(0x274), // bits 32..39 of s_wtime
  s_mtime_hi: u8(0x275), // bits 32..39 of s_mtime
  s_mkfs_time_hi: u8(0x276), // bits 32..39 of s_mkfs_time
  s_lastcheck_hi: u8(0x277), // bits 32..39 of s_lastcheck
  s_first_error_time_hi: u8(0x278), // bits 32..39 of s_first_error_time
  s_last_error_time_hi: u8(0x279), // bits 32..39 of s_last_error_time
  s_first_error_errcode: u8(0x27a), // first error: EXT4_ERR_*
  s_last_error_errcode: u8(0x27b), // last error: EXT4_ERR_*
  s_encoding: u16(0x27c), // charset of names with casefold: EXT4_ENC_*
  s_encoding_flags: u16(0x27e), // EXT4_ENC_STRICT_MODE_FL
  s_orphan_file_inum: u32(0x280), // inode of the orphan file
  s_def_resuid_hi: u16(0x284), // user of the reserved blocks, high 16 bits
  s_def_resgid_hi: u16(0x286), // group of the reserved blocks, high 16 bits
  s_reserved: raw(0x288, 372), // zero
  s_checksum: u32(0x3fc), // crc32c of all bytes before this word, seeded with ~0
});

/** s_state: unmounted cleanly; errors were seen; orphans are being recovered; fast commits too. */
export const EXT4_VALID_FS = 0x0001;
export const EXT4_ERROR_FS = 0x0002;
export const EXT4_ORPHAN_FS = 0x0004;
export const EXT4_FC_REPLAY = 0x0020;

/** s_errors. */
export const EXT4_ERRORS_CONTINUE = 1;
export const EXT4_ERRORS_RO = 2;
export const EXT4_ERRORS_PANIC = 3;
export const EXT4_ERRORS_DEFAULT = EXT4_ERRORS_CONTINUE;

/** s_rev_level: revision 0 has 128-byte inodes, first inode 11 and no feature words. */
export const EXT4_GOOD_OLD_REV = 0;
export const EXT4_DYNAMIC_REV = 1;

/** s_creator_os. */
export const EXT4_OS_LINUX = 0;
export const EXT4_OS_HURD = 1;
export const EXT4_OS_MASIX = 2;
export const EXT4_OS_FREEBSD = 3;
export const EXT4_OS_LITES = 4;

/** s_def_hash_version, dx_root_info.hash_version; the unsigned forms exist in memory only. */
export const DX_HASH_LEGACY = 0;
export const DX_HASH_HALF_MD4 = 1;
export const DX_HASH_TEA = 2;
export const DX_HASH_LEGACY_UNSIGNED = 3;
export const DX_HASH_HALF_MD4_UNSIGNED = 4;
export const DX_HASH_TEA_UNSIGNED = 5;
export const DX_HASH_SIPHASH = 6;

/** s_flags. */
export const EXT2_FLAGS_SIGNED_HASH = 0x0001; // names were hashed as signed chars
export const EXT2_FLAGS_UNSIGNED_HASH = 0x0002; // names were hashed as unsigned chars
export const EXT2_FLAGS_TEST_FILESYS = 0x0004; // made for developers of the file system

/** s_default_mount_opts. */
export const EXT4_DEFM_DEBUG = 0x0001;
export const EXT4_DEFM_BSDGROUPS = 0x0002;
export const EXT4_DEFM_XATTR_USER = 0x0004;
export const EXT4_DEFM_ACL = 0x0008;
export const EXT4_DEFM_UID16 = 0x0010;
export const EXT4_DEFM_JMODE = 0x0060; // mask of the three modes below
export const EXT4_DEFM_JMODE_DATA = 0x0020;
export const EXT4_DEFM_JMODE_ORDERED = 0x0040;
export const EXT4_DEFM_JMODE_WBACK = 0x0060;
export const EXT4_DEFM_NOBARRIER = 0x0100;
export const EXT4_DEFM_BLOCK_VALIDITY = 0x0200;
export const EXT4_DEFM_DISCARD = 0x0400;
export const EXT4_DEFM_NODELALLOC = 0x0800;

/** s_checksum_type. */
export const EXT4_CRC32C_CHKSUM = 1;
/** s_jnl_backup_type. */
export const EXT3_JNL_BACKUP_BLOCKS = 1;
/** s_encoding: UTF-8 with the tables of Unicode 12.1. */
export const EXT4_ENC_UTF8_12_1 = 1;
/** s_encoding_flags: a name that is not valid UTF-8 is refused. */
export const EXT4_ENC_STRICT_MODE_FL = 0x0001;
/** s_encoding_flags: a name is looked for by its hash alone, not in every block after a miss. */
export const EXT4_ENC_NO_COMPAT_FALLBACK_FL = 0x0002;

/** s_first_error_errcode, s_last_error_errcode. @source fs/ext4/ext4.h:EXT4_ERR_* */
export const EXT4_ERR_UNKNOWN = 1;
export const EXT4_ERR_EIO = 2;
export const EXT4_ERR_ENOMEM = 3;
export const EXT4_ERR_EFSBADCRC = 4;
export const EXT4_ERR_EFSCORRUPTED = 5;
export const EXT4_ERR_ENOSPC = 6;
export const EXT4_ERR_ENOKEY = 7;
export const EXT4_ERR_EROFS = 8;
export const EXT4_ERR_EFBIG = 9;
export const EXT4_ERR_EEXIST = 10;
export const EXT4_ERR_ERANGE = 11;
export const EXT4_ERR_EOVERFLOW = 12;
export const EXT4_ERR_EBUSY = 13;
export const EXT4_ERR_ENOTDIR = 14;
export const EXT4_ERR_ENOTEMPTY = 15;
export const EXT4_ERR_ESHUTDOWN = 16;
export const EXT4_ERR_EFAULT = 17;

/** Limits of the format. */
export const EXT4_MIN_BLOCK_LOG_SIZE = 10;
export const EXT4_MAX_BLOCK_LOG_SIZE = 16;
export const EXT4_MAX_CLUSTER_LOG_SIZE = 30;
export const EXT4_LABEL_MAX = 16;

/** A count kept in a low and a high word; the high one counts with the 64bit feature only. */
interface WideCount {
  get(view: DataView, at: number, wide: boolean): number;
  set(view: DataView, at: number, wide: boolean, value: number): void;
}

const wideCount = (lo: Field, hi: Field): WideCount => ({
  get: (view, at, wide) => join64(lo.get(view, at), wide ? hi.get(view, at) : 0),
  set: (view, at, wide, value) => {
    lo.set(view, at, value % 2 ** 32);
    if (wide) hi.set(view, at, Math.floor(value / 2 ** 32));
  },
});

/** `wide`: the 64bit feature is set. */
export const sBlocksCount = wideCount(Superblock.s_blocks_count_lo, Superblock.s_blocks_count_hi);
export const sRBlocksCount = wideCount(
  Superblock.s_r_blocks_count_lo,
  Superblock.s_r_blocks_count_hi,
);
export const sFreeBlocksCount = wideCount(
  Superblock.s_free_blocks_count_lo,
  Superblock.s_free_blocks_count_hi,
);

/** A time of the superblock: 40 bits of unsigned seconds. */
interface SuperTime {
  get(view: DataView, at: number): number;
  set(view: DataView, at: number, seconds: number): void;
}

const superTime = (lo: Field, hi: Field): SuperTime => ({
  get: (view, at) => hi.get(view, at) * 2 ** 32 + lo.get(view, at),
  set: (view, at, seconds) => {
    const t = Math.min(Math.max(Math.floor(seconds), 0), 2 ** 40 - 1);
    lo.set(view, at, t % 2 ** 32);
    hi.set(view, at, Math.floor(t / 2 ** 32));
  },
});

export const sMtime = superTime(Superblock.s_mtime, Superblock.s_mtime_hi);
export const sWtime = superTime(Superblock.s_wtime, Superblock.s_wtime_hi);
export const sMkfsTime = superTime(Superblock.s_mkfs_time, Superblock.s_mkfs_time_hi);
export const sLastcheck = superTime(Superblock.s_lastcheck, Superblock.s_lastcheck_hi);
export const sFirstErrorTime = superTime(
  Superblock.s_first_error_time,
  Superblock.s_first_error_time_hi,
);
export const sLastErrorTime = superTime(
  Superblock.s_last_error_time,
  Superblock.s_last_error_time_hi,
);
