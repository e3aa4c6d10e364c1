/**
 * Quota files, format v2 revision 1, in hidden inodes of the file system. 1 KiB blocks: block 0
 * begins with header and info, block 1 is the root of a radix tree of depth 4 over the id, whose
 * leaves point to blocks of fixed-size records.
 * @source fs/quota/quotaio_v2.h; fs/quota/quota_tree.h
 */
import { LE, struct, u16, u32, u64 } from '../../../base/struct.ts';

/** Kinds of quota, as Linux numbers them. */
export const USRQUOTA = 0;
export const GRPQUOTA = 1;
export const PRJQUOTA = 2;
export type QuotaType = typeof USRQUOTA | typeof GRPQUOTA | typeof PRJQUOTA;

/** dqh_magic, by kind. */
export const V2_INITQMAGICS: readonly [number, number, number] = [
  0xd9c0_1f11, 0xd9c0_1927, 0xd9c0_3f14,
];
/** dqh_version of revision 1, which Linux and e2fsprogs write for every kind. */
export const V2_INITQVERSION_R1 = 1;

/** At byte 0. */
export const DqHeader = struct('v2_disk_dqheader', LE, 8, {
  dqh_magic: u32(0x0), // which kind: V2_INITQMAGICS
  dqh_version: u32(0x4), // 0: records of 48 bytes; 1: of 72
});

/** At byte 8. */
export const DqInfo = struct('v2_disk_dqinfo', LE, 24, {
  dqi_bgrace: u32(0x00), // seconds that space may stay over its soft limit
  dqi_igrace: u32(0x04), // seconds that inodes may
  dqi_flags: u32(0x08), // DQF_*; 0
  dqi_blocks: u32(0x0c), // blocks of this file
  dqi_free_blk: u32(0x10), // first block of the list of free blocks; 0: none
  dqi_free_entry: u32(0x14), // first block of the list of blocks with a free record; 0: none
});

/** Head of a block of records. */
export const DqDbHeader = struct('qt_disk_dqdbheader', LE, 16, {
  dqdh_next_free: u32(0x0), // next block of the list that this one is on
  dqdh_prev_free: u32(0x4), // block before
  dqdh_entries: u16(0x8), // records in use
  dqdh_pad1: u16(0xa), // 0
  dqdh_pad2: u32(0xc), // 0
});

/** Record of revision 1. All zero: free; id 0 with nothing to say has a 1 in dqb_itime. */
export const DqBlk = struct('v2r1_disk_dqblk', LE, 72, {
  dqb_id: u32(0x00), // user, group or project
  dqb_pad: u32(0x04), // 0
  dqb_ihardlimit: u64(0x08), // inodes: never more
  dqb_isoftlimit: u64(0x10), // inodes: more only for dqi_igrace
  dqb_curinodes: u64(0x18), // inodes: now
  dqb_bhardlimit: u64(0x20), // space: never more, KiB
  dqb_bsoftlimit: u64(0x28), // space: more only for dqi_bgrace, KiB
  dqb_curspace: u64(0x30), // space: now, bytes
  dqb_btime: u64(0x38), // when the soft limit of space begins to bind, seconds
  dqb_itime: u64(0x40), // when the soft limit of inodes begins to bind
});

export const QUOTA_BLOCK_SIZE = 1024;
export const QT_TREEOFF = 1; // block of the root
export const QT_TREEDEPTH = 4; // 256 references a block, 8 bits of the id a level
export const QT_REFS_PER_BLOCK = QUOTA_BLOCK_SIZE / 4;
export const MAX_IQ_TIME = 604_800; // a week, in seconds
export const MAX_DQ_TIME = 604_800;

/** Which reference to follow at `depth` (0: the root) for an id. */
export const quotaTreeIndex = (id: number, depth: number): number =>
  (id >>> ((QT_TREEDEPTH - depth - 1) * 8)) & 0xff;
/** Records that a block has room for. */
export const quotaRecordsPerBlock = Math.floor((QUOTA_BLOCK_SIZE - DqDbHeader.$size) / DqBlk.$size);
/** Byte of record `n` in its block. */
export const quotaRecordOffset = (n: number): number => DqDbHeader.$size + n * DqBlk.$size;
