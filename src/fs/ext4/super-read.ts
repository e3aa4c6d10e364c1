/**
 * The super block of the disk, checked field by field, and what follows from it.
 *
 * Order of the checks: magic and revision; checksum; features, so that a file system from the
 * future is refused by the name of its feature and not by a field that means something else there;
 * then every number against every other and against the size of the device.
 * @source fs/ext4/super.c:__ext4_fill_super(); filesystems/ext4/super.rst
 */
import { corrupted, errno } from '../../base/errno.ts';
import { log2, type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BlockDevice } from '../../block/block-device.ts';
import { csumSeedOf, rawBlock, superblockCsumOk } from './checksum.ts';
import {
  EXT4_CRC32C_CHKSUM,
  EXT4_DYNAMIC_REV,
  EXT4_ENC_UTF8_12_1,
  EXT4_GOOD_OLD_REV,
  EXT4_MAX_BLOCK_LOG_SIZE,
  EXT4_MAX_CLUSTER_LOG_SIZE,
  EXT4_MIN_BLOCK_LOG_SIZE,
  EXT4_OS_HURD,
  EXT4_OS_LITES,
  EXT4_SUPER_MAGIC,
  EXT4_SUPER_OFFSET,
  EXT4_SUPER_SIZE,
  EXT2_FLAGS_UNSIGNED_HASH,
  DX_HASH_SIPHASH,
  DX_HASH_TEA,
  sBlocksCount,
  sFreeBlocksCount,
  sRBlocksCount,
  Superblock,
} from './disk/superblock.ts';
import { EXT4_MIN_DESC_SIZE, EXT4_MIN_DESC_SIZE_64BIT } from './disk/group-desc.ts';
import { EXT4_GOOD_OLD_FIRST_INO, EXT4_GOOD_OLD_INODE_SIZE } from './disk/inode.ts';
import {
  type FeatureName,
  type Features,
  hasFeature,
  readFeatures,
  whyUnreadable,
} from './features.ts';
import type { Ext4Geometry, Ext4Has } from './sb-info.ts';

/** What the super block says, checked. */
export interface SuperFacts {
  readonly geo: Ext4Geometry;
  readonly has: Ext4Has;
  readonly features: Features;
  readonly csumSeed: number;
  readonly hashSeed: Uint32Array;
  readonly defHashVersion: number;
  readonly uuid: Uint8Array;
}

const bad = (field: string, got: unknown, want?: string): Error =>
  corrupted('ext4_super_block', field, { pblk: 0, got: String(got), want });

/** Block that holds the primary super block, and where in it. */
export const superBlockAt = (blockSize: number): { nr: Pblk; at: number } =>
  blockSize > EXT4_SUPER_OFFSET
    ? { nr: pblk(0), at: EXT4_SUPER_OFFSET }
    : { nr: pblk(EXT4_SUPER_OFFSET / blockSize), at: 0 };

/**
 * The 1024 bytes of the primary super block.
 * @throws EUCLEAN the device is too small to have one
 */
export function* readSuperBlock(device: BlockDevice): Op<Uint8Array> {
  const size = Math.max(4096, device.logicalBlockSize);
  if (device.size < size) {
    throw corrupted('ext4_super_block', 's_magic', { deviceSize: device.size, want: size });
  }
  const block = new Uint8Array(size);
  yield* device.transfer('read', 0, block);
  return block.subarray(EXT4_SUPER_OFFSET, EXT4_SUPER_OFFSET + EXT4_SUPER_SIZE);
}

/**
 * Bytes of a block: what the page cache's frames must not be smaller than.
 * @throws EUCLEAN not an ext4 super block
 */
export function* ext4BlockSizeOf(device: BlockDevice): Op<number> {
  const raw = rawBlock(yield* readSuperBlock(device));
  checkMagic(raw.view);
  return blockSizeOf(raw.view);
}

function checkMagic(v: DataView): void {
  const magic = Superblock.s_magic.get(v, 0);
  if (magic !== EXT4_SUPER_MAGIC) throw bad('s_magic', magic, String(EXT4_SUPER_MAGIC));
}

function blockSizeOf(v: DataView): number {
  const log = Superblock.s_log_block_size.get(v, 0);
  const most = EXT4_MAX_BLOCK_LOG_SIZE - EXT4_MIN_BLOCK_LOG_SIZE;
  if (log > most) throw bad('s_log_block_size', log, `0..${most}`);
  return 2 ** (EXT4_MIN_BLOCK_LOG_SIZE + log);
}

/**
 * Everything the super block says, or an error that names the field.
 * @param raw  its 1024 bytes; @param deviceSize  bytes
 * @throws EUCLEAN, EINVAL an unsupported feature (named)
 */
export function parseSuperBlock(raw: Uint8Array, deviceSize: number): SuperFacts {
  const b = rawBlock(raw);
  const v = b.view;
  checkMagic(v);
  const rev = Superblock.s_rev_level.get(v, 0);
  if (rev > EXT4_DYNAMIC_REV) throw bad('s_rev_level', rev, '0..1');
  const features = readFeatures(v, 0);
  if (
    rev === EXT4_GOOD_OLD_REV &&
    (features.compat | features.incompat | features.roCompat) !== 0
  ) {
    throw bad('s_rev_level', rev, '1, as there are features');
  }
  if (hasFeature(features, 'metadata_csum')) {
    const type = Superblock.s_checksum_type.get(v, 0);
    if (type !== EXT4_CRC32C_CHKSUM) throw bad('s_checksum_type', type, '1');
    if (!superblockCsumOk(b, 0)) throw bad('s_checksum', Superblock.s_checksum.get(v, 0));
  }
  checkFeatures(v, features);
  const geo = geometry(v, rev, features, deviceSize);
  checkRest(v, features, geo);
  const seed = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    seed[i] = v.getUint32(Superblock.s_hash_seed.offset + 4 * i, true);
  }
  return {
    geo,
    has: featureSet(features),
    features,
    csumSeed: csumSeedOf(v, 0),
    hashSeed: seed,
    defHashVersion: hashVersion(v),
    uuid: Superblock.s_uuid.get(v, 0).slice(),
  };
}

function checkFeatures(v: DataView, features: Features): void {
  const why = whyUnreadable(features);
  if (why !== null) throw errno('EINVAL', {}, why);
  const on = (name: FeatureName): boolean => hasFeature(features, name);
  const os = Superblock.s_creator_os.get(v, 0);
  if (os > EXT4_OS_LITES) throw bad('s_creator_os', os, '0..4');
  if (os === EXT4_OS_HURD) {
    throw errno(
      'EINVAL',
      {},
      'made for the Hurd, whose inodes keep other things in the same bytes',
    );
  }
  if (on('bigalloc') && !on('extent')) throw bad('s_feature_incompat', 'bigalloc without extent');
  if (on('casefold')) {
    const encoding = Superblock.s_encoding.get(v, 0);
    if (encoding !== EXT4_ENC_UTF8_12_1) throw bad('s_encoding', encoding, '1');
  }
  if (on('has_journal')) checkJournalFields(v);
}

function checkJournalFields(v: DataView): void {
  const inum = Superblock.s_journal_inum.get(v, 0);
  const dev = Superblock.s_journal_dev.get(v, 0);
  if (inum === 0 && dev !== 0) {
    throw errno(
      'EINVAL',
      { s_journal_dev: dev },
      'the journal is on another device: not supported',
    );
  }
  if (inum === 0) throw bad('s_journal_inum', inum, 'not 0');
}

function geometry(v: DataView, rev: number, f: Features, deviceSize: number): Ext4Geometry {
  const get = (field: { get(view: DataView, at: number): number }): number => field.get(v, 0);
  const wide = hasFeature(f, '64bit');
  const blockSize = blockSizeOf(v);
  const clusterBits = clusterBitsOf(v, f, blockSize);
  const blocksCount = sBlocksCount.get(v, 0, wide);
  if (!(blocksCount > 0 && blocksCount * blockSize <= deviceSize)) {
    throw bad('s_blocks_count_lo', blocksCount, `at most ${Math.floor(deviceSize / blockSize)}`);
  }
  const firstDataBlock = get(Superblock.s_first_data_block);
  const wantFirst = blockSize === 1024 && clusterBits === 0 ? 1 : 0;
  if (firstDataBlock !== wantFirst || firstDataBlock >= blocksCount) {
    throw bad('s_first_data_block', firstDataBlock, String(wantFirst));
  }
  const { blocksPerGroup, clustersPerGroup } = groupSize(v, blockSize, clusterBits);
  const inodeSize = inodeSizeOf(v, rev, blockSize);
  const firstIno =
    rev === EXT4_GOOD_OLD_REV ? EXT4_GOOD_OLD_FIRST_INO : get(Superblock.s_first_ino);
  const inodesPerGroup = get(Superblock.s_inodes_per_group);
  const itbPerGroup = Math.ceil((inodesPerGroup * inodeSize) / blockSize);
  if (inodesPerGroup === 0 || inodesPerGroup > blockSize * 8 || itbPerGroup >= blocksPerGroup) {
    throw bad('s_inodes_per_group', inodesPerGroup, `1..${blockSize * 8}`);
  }
  const groupsCount = Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup);
  const inodesCount = get(Superblock.s_inodes_count);
  if (inodesCount !== groupsCount * inodesPerGroup) {
    throw bad('s_inodes_count', inodesCount, String(groupsCount * inodesPerGroup));
  }
  if (firstIno < EXT4_GOOD_OLD_FIRST_INO || firstIno > inodesCount) {
    throw bad('s_first_ino', firstIno, `11..${inodesCount}`);
  }
  const descSize = descSizeOf(v, wide, blockSize);
  const flex = hasFeature(f, 'flex_bg') ? get(Superblock.s_log_groups_per_flex) : 0;
  if (flex > 31) throw bad('s_log_groups_per_flex', flex, '0..31');
  return {
    blockSize,
    blockBits: log2(blockSize),
    clusterBits,
    blocksCount,
    firstDataBlock,
    groupsCount,
    blocksPerGroup,
    clustersPerGroup,
    inodesPerGroup,
    inodesCount,
    inodeSize,
    firstIno,
    descSize,
    descPerBlock: blockSize / descSize,
    itbPerGroup,
    flexBits: flex,
  };
}

function clusterBitsOf(v: DataView, f: Features, blockSize: number): number {
  const log = Superblock.s_log_cluster_size.get(v, 0);
  const logBlock = Superblock.s_log_block_size.get(v, 0);
  const most = EXT4_MAX_CLUSTER_LOG_SIZE - EXT4_MIN_BLOCK_LOG_SIZE;
  if (!hasFeature(f, 'bigalloc')) {
    if (log !== logBlock) throw bad('s_log_cluster_size', log, String(logBlock));
    return 0;
  }
  if (log < logBlock || log > most) throw bad('s_log_cluster_size', log, `${logBlock}..${most}`);
  return log - Math.log2(blockSize / 1024);
}

function groupSize(
  v: DataView,
  blockSize: number,
  clusterBits: number,
): { blocksPerGroup: number; clustersPerGroup: number } {
  const blocksPerGroup = Superblock.s_blocks_per_group.get(v, 0);
  const clustersPerGroup = Superblock.s_clusters_per_group.get(v, 0);
  const most = blockSize * 8;
  if (clustersPerGroup === 0 || clustersPerGroup % 8 !== 0 || clustersPerGroup > most) {
    throw bad('s_clusters_per_group', clustersPerGroup, `multiple of 8, at most ${most}`);
  }
  if (blocksPerGroup !== clustersPerGroup * 2 ** clusterBits) {
    throw bad('s_blocks_per_group', blocksPerGroup, String(clustersPerGroup * 2 ** clusterBits));
  }
  return { blocksPerGroup, clustersPerGroup };
}

function inodeSizeOf(v: DataView, rev: number, blockSize: number): number {
  if (rev === EXT4_GOOD_OLD_REV) return EXT4_GOOD_OLD_INODE_SIZE;
  const size = Superblock.s_inode_size.get(v, 0);
  if (size < EXT4_GOOD_OLD_INODE_SIZE || size > blockSize || (size & (size - 1)) !== 0) {
    throw bad('s_inode_size', size, `a power of 2, 128..${blockSize}`);
  }
  const want = Superblock.s_want_extra_isize.get(v, 0);
  const room = size - EXT4_GOOD_OLD_INODE_SIZE;
  // Inodes are made with it, and one that is no multiple of 4 nobody reads again.
  if (want > room || want % 4 !== 0) {
    throw bad('s_want_extra_isize', want, `a multiple of 4, at most ${room}`);
  }
  const least = Superblock.s_min_extra_isize.get(v, 0);
  if (least > room) throw bad('s_min_extra_isize', least, `at most ${room}`);
  return size;
}

function descSizeOf(v: DataView, wide: boolean, blockSize: number): number {
  if (!wide) return EXT4_MIN_DESC_SIZE;
  const size = Superblock.s_desc_size.get(v, 0);
  const most = Math.min(1024, blockSize);
  if (size < EXT4_MIN_DESC_SIZE_64BIT || size > most || (size & (size - 1)) !== 0) {
    throw bad('s_desc_size', size, `a power of 2, 64..${most}`);
  }
  return size;
}

/** Numbers that shape nothing but must be possible. */
function checkRest(v: DataView, f: Features, geo: Ext4Geometry): void {
  const get = (field: { get(view: DataView, at: number): number }): number => field.get(v, 0);
  const wide = hasFeature(f, '64bit');
  const reserved = sRBlocksCount.get(v, 0, wide);
  if (reserved > geo.blocksCount) throw bad('s_r_blocks_count_lo', reserved);
  const free = sFreeBlocksCount.get(v, 0, wide);
  if (free > geo.blocksCount) throw bad('s_free_blocks_count_lo', free);
  const freeInodes = get(Superblock.s_free_inodes_count);
  if (freeInodes > geo.inodesCount) throw bad('s_free_inodes_count', freeInodes);
  const gdt = get(Superblock.s_reserved_gdt_blocks);
  if (hasFeature(f, 'resize_inode') && gdt > geo.blockSize / 4) {
    throw bad('s_reserved_gdt_blocks', gdt, `at most ${geo.blockSize / 4}`);
  }
  const errors = get(Superblock.s_errors);
  if (errors > 3) throw bad('s_errors', errors, '1..3');
  const hash = get(Superblock.s_def_hash_version);
  if (hash > DX_HASH_TEA && hash !== DX_HASH_SIPHASH) throw bad('s_def_hash_version', hash, '0..2');
  const gdtBlocks = Math.ceil(geo.groupsCount / geo.descPerBlock);
  const metaBg = get(Superblock.s_first_meta_bg);
  if (hasFeature(f, 'meta_bg') && metaBg > gdtBlocks) {
    throw bad('s_first_meta_bg', metaBg, `at most ${gdtBlocks}`);
  }
  if (hasFeature(f, 'mmp')) {
    const mmp = get(Superblock.s_mmp_block);
    if (!(mmp > geo.firstDataBlock && mmp < geo.blocksCount)) throw bad('s_mmp_block', mmp);
  }
  checkInodeNumbers(v, f, geo);
}

function checkInodeNumbers(v: DataView, f: Features, geo: Ext4Geometry): void {
  const inodes = [
    ['s_journal_inum', 'has_journal'],
    ['s_orphan_file_inum', 'orphan_file'],
    ['s_usr_quota_inum', 'quota'],
    ['s_grp_quota_inum', 'quota'],
    ['s_prj_quota_inum', 'quota'],
  ] as const;
  for (const [field, feature] of inodes) {
    const ino = Superblock[field].get(v, 0);
    if (hasFeature(f, feature) && ino > geo.inodesCount) {
      throw bad(field, ino, `at most ${geo.inodesCount}`);
    }
  }
  if (hasFeature(f, 'orphan_file') && Superblock.s_orphan_file_inum.get(v, 0) === 0) {
    throw bad('s_orphan_file_inum', 0, 'not 0');
  }
  const orphan = Superblock.s_last_orphan.get(v, 0);
  if (orphan !== 0 && (orphan < geo.firstIno || orphan > geo.inodesCount)) {
    throw bad('s_last_orphan', orphan, `0 or ${geo.firstIno}..${geo.inodesCount}`);
  }
}

/** Version for new directories; 3 more where names were hashed as unsigned chars. */
function hashVersion(v: DataView): number {
  const version = Superblock.s_def_hash_version.get(v, 0);
  const unsigned = (Superblock.s_flags.get(v, 0) & EXT2_FLAGS_UNSIGNED_HASH) !== 0;
  return unsigned && version <= DX_HASH_TEA ? version + 3 : version;
}

function featureSet(f: Features): Ext4Has {
  const on = (name: FeatureName): boolean => hasFeature(f, name);
  return {
    extents: on('extent'),
    is64bit: on('64bit'),
    flexBg: on('flex_bg'),
    metaBg: on('meta_bg'),
    metadataCsum: on('metadata_csum'),
    gdtCsum: on('uninit_bg') && !on('metadata_csum'),
    bigalloc: on('bigalloc'),
    hugeFile: on('huge_file'),
    dirNlink: on('dir_nlink'),
    dirIndex: on('dir_index'),
    largeDir: on('large_dir'),
    casefold: on('casefold'),
    inlineData: on('inline_data'),
    eaInode: on('ea_inode'),
    quota: on('quota'),
    project: on('project'),
    orphanFile: on('orphan_file'),
    filetype: on('filetype'),
    journal: on('has_journal'),
    encrypt: on('encrypt'),
    verity: on('verity'),
    sharedBlocks: on('shared_blocks'),
  };
}
