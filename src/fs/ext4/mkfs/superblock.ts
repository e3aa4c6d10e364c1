/**
 * The super block of a new file system.
 * @source filesystems/ext4/super.rst; mke2fs(8)
 */
import { log2 } from '../../../base/units.ts';
import { rawBlock } from '../checksum.ts';
import { EXT4_JOURNAL_INO } from '../disk/inode.ts';
import { GRPQUOTA, PRJQUOTA, USRQUOTA } from '../disk/quota.ts';
import {
  DX_HASH_HALF_MD4,
  EXT2_FLAGS_SIGNED_HASH,
  EXT3_JNL_BACKUP_BLOCKS,
  EXT4_CRC32C_CHKSUM,
  EXT4_DEFM_ACL,
  EXT4_DEFM_XATTR_USER,
  EXT4_DYNAMIC_REV,
  EXT4_ENC_UTF8_12_1,
  EXT4_ERRORS_DEFAULT,
  EXT4_OS_LINUX,
  EXT4_SUPER_MAGIC,
  EXT4_SUPER_SIZE,
  EXT4_VALID_FS,
  sBlocksCount,
  sFreeBlocksCount,
  sLastcheck,
  sMkfsTime,
  sRBlocksCount,
  Superblock,
  sWtime,
} from '../disk/superblock.ts';
import { hasFeature, writeFeatures } from '../features.ts';
import type { NewInode } from './inodes.ts';
import { backupGroups, type MkfsOptions, type Plan } from './plan.ts';

function padded(text: string, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(new TextEncoder().encode(text).subarray(0, size));
  return out;
}

/** What the super block has to name; 0: there is none. */
export interface OwnFiles {
  readonly journal: NewInode | null;
  readonly mmpBlock: number;
  /** Inodes of the quota files, by kind. */
  readonly quotas: readonly [number, number, number];
  readonly orphanFile: number;
}

export function superBlock(
  plan: Plan,
  o: MkfsOptions,
  identity: { uuid: Uint8Array; hashSeed: Uint8Array },
  files: OwnFiles,
  freeBlocks: number,
  freeInodes: number,
  csumSeed: number,
  overhead: number,
): Uint8Array {
  const bytes = new Uint8Array(EXT4_SUPER_SIZE);
  const v = rawBlock(bytes).view;
  const S = Superblock;
  const has = (name: Parameters<typeof hasFeature>[1]): boolean => hasFeature(plan.features, name);
  const wide = has('64bit');
  const logBlock = log2(plan.blockSize) - 10;
  S.s_inodes_count.set(v, 0, plan.inodesPerGroup * plan.groupsCount);
  sBlocksCount.set(v, 0, wide, plan.blocksCount);
  sRBlocksCount.set(v, 0, wide, plan.reservedBlocks);
  sFreeBlocksCount.set(v, 0, wide, freeBlocks);
  S.s_free_inodes_count.set(v, 0, freeInodes);
  S.s_first_data_block.set(v, 0, plan.firstDataBlock);
  S.s_log_block_size.set(v, 0, logBlock);
  S.s_log_cluster_size.set(v, 0, logBlock + log2(plan.ratio));
  S.s_blocks_per_group.set(v, 0, plan.blocksPerGroup);
  S.s_clusters_per_group.set(v, 0, plan.blocksPerGroup / plan.ratio);
  S.s_inodes_per_group.set(v, 0, plan.inodesPerGroup);
  S.s_max_mnt_count.set(v, 0, 0xffff);
  S.s_magic.set(v, 0, EXT4_SUPER_MAGIC);
  S.s_state.set(v, 0, EXT4_VALID_FS);
  S.s_errors.set(v, 0, EXT4_ERRORS_DEFAULT);
  S.s_creator_os.set(v, 0, EXT4_OS_LINUX);
  S.s_rev_level.set(v, 0, EXT4_DYNAMIC_REV);
  S.s_first_ino.set(v, 0, 11);
  S.s_inode_size.set(v, 0, plan.inodeSize);
  writeFeatures(v, 0, plan.features);
  S.s_uuid.set(v, 0, identity.uuid);
  S.s_volume_name.set(v, 0, padded(o.label ?? '', 16));
  S.s_last_mounted.set(v, 0, padded(o.lastMounted ?? '', 64));
  S.s_reserved_gdt_blocks.set(v, 0, plan.reservedGdt);
  S.s_hash_seed.set(v, 0, identity.hashSeed);
  S.s_def_hash_version.set(v, 0, DX_HASH_HALF_MD4);
  S.s_flags.set(v, 0, EXT2_FLAGS_SIGNED_HASH);
  S.s_default_mount_opts.set(v, 0, EXT4_DEFM_XATTR_USER | EXT4_DEFM_ACL);
  if (wide) S.s_desc_size.set(v, 0, plan.descSize);
  if (has('flex_bg')) S.s_log_groups_per_flex.set(v, 0, log2(plan.flex));
  if (has('metadata_csum')) S.s_checksum_type.set(v, 0, EXT4_CRC32C_CHKSUM);
  if (has('metadata_csum_seed')) S.s_checksum_seed.set(v, 0, csumSeed);
  if (plan.inodeSize > 128) {
    S.s_min_extra_isize.set(v, 0, 32);
    S.s_want_extra_isize.set(v, 0, 32);
  }
  if (has('casefold')) S.s_encoding.set(v, 0, EXT4_ENC_UTF8_12_1);
  if (has('sparse_super2')) {
    const [first, second] = backupGroups(plan.groupsCount);
    const words = new DataView(new ArrayBuffer(8));
    words.setUint32(0, first, true);
    words.setUint32(4, second, true);
    S.s_backup_bgs.set(v, 0, new Uint8Array(words.buffer));
  }
  for (const time of [sMkfsTime, sWtime, sLastcheck]) time.set(v, 0, o.time);
  S.s_overhead_clusters.set(v, 0, overhead);
  S.s_mmp_interval.set(v, 0, plan.mmpInterval);
  nameFiles(v, files);
  return bytes;
}

function nameFiles(v: DataView, files: OwnFiles): void {
  if (files.journal) journalBackup(v, files.journal);
  Superblock.s_mmp_block.set(v, 0, files.mmpBlock);
  Superblock.s_usr_quota_inum.set(v, 0, files.quotas[USRQUOTA]);
  Superblock.s_grp_quota_inum.set(v, 0, files.quotas[GRPQUOTA]);
  Superblock.s_prj_quota_inum.set(v, 0, files.quotas[PRJQUOTA]);
  Superblock.s_orphan_file_inum.set(v, 0, files.orphanFile);
}

/** Where the journal is, once more: for e2fsck, should inode 8 be lost. */
function journalBackup(v: DataView, journal: NewInode): void {
  const words = new Uint8Array(68);
  words.set(journal.iBlock);
  const w = new DataView(words.buffer);
  w.setUint32(60, Math.floor(journal.size / 2 ** 32), true);
  w.setUint32(64, journal.size % 2 ** 32, true);
  Superblock.s_journal_inum.set(v, 0, EXT4_JOURNAL_INO);
  Superblock.s_jnl_backup_type.set(v, 0, EXT3_JNL_BACKUP_BLOCKS);
  Superblock.s_jnl_blocks.set(v, 0, words);
}
