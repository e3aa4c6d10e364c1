/**
 * Group descriptors in their pinned blocks, the layout of groups, and the two bitmaps.
 *
 * A descriptor is changed through its buffer inside a handle; its checksum is put in when the block
 * is written, by the trigger that `ext4GroupDescDirty` sets. A bitmap is compared with its checksum
 * and with what the descriptor says of its own blocks once, after it was read (`bh.verified`).
 * @source fs/ext4/balloc.c, fs/ext4/ialloc.c, fs/ext4/super.c:ext4_check_descriptors()
 */
import { countSet, setBits, testBit } from '../../base/bitmap.ts';
import { assert } from '../../base/assert.ts';
import { corrupted } from '../../base/errno.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import {
  bitmapCsum,
  blockBitmapCsumOk,
  groupDescCrc16,
  groupDescCsum,
  inodeBitmapCsumOk,
} from './checksum.ts';
import {
  type DescField,
  EXT4_BG_BLOCK_UNINIT,
  EXT4_BG_INODE_UNINIT,
  GroupDesc,
  bgBlockBitmap,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgInodeTable,
  bgItableUnused,
  bgUsedDirsCount,
} from './disk/group-desc.ts';
import { Superblock } from './disk/superblock.ts';
import { hasFeature } from './features.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Where a descriptor stands. */
export interface GroupDescAt {
  readonly bh: BufferHead;
  readonly at: number;
}

/** @context Does not sleep: descriptor blocks are pinned. */
export function groupDesc(sb: Ext4SuperBlock, group: number): GroupDescAt {
  const { descPerBlock, descSize } = sb.geo;
  const bh = sb.gdtBlocks[Math.floor(group / descPerBlock)];
  assert(bh !== undefined && group < sb.geo.groupsCount, 'no such block group');
  return { bh, at: (group % descPerBlock) * descSize };
}

/** One number of one group's descriptor. */
export function groupDescGet(sb: Ext4SuperBlock, group: number, field: DescField): number {
  const { bh, at } = groupDesc(sb, group);
  return field.get(bh.view, at, sb.geo.descSize);
}

/** bg_flags, as far as they mean anything: without a checksum no flag can be trusted. */
export function groupFlags(sb: Ext4SuperBlock, group: number): number {
  if (!sb.has.metadataCsum && !sb.has.gdtCsum) return 0;
  const { bh, at } = groupDesc(sb, group);
  return GroupDesc.bg_flags.get(bh.view, at);
}

export const groupFirstBlock = (sb: Ext4SuperBlock, group: number): number =>
  sb.geo.firstDataBlock + group * sb.geo.blocksPerGroup;

/** Blocks of a group: fewer in the last one. */
export const groupBlocks = (sb: Ext4SuperBlock, group: number): number =>
  Math.min(sb.geo.blocksPerGroup, sb.geo.blocksCount - groupFirstBlock(sb, group));

/** Clusters of a group: fewer in the last one. */
export const groupClusters = (sb: Ext4SuperBlock, group: number): number =>
  Math.ceil(groupBlocks(sb, group) / 2 ** sb.geo.clusterBits);

const powerOf = (n: number, base: number): boolean => {
  while (n > 1 && n % base === 0) n /= base;
  return n === 1;
};

/** Does the group hold a copy of the super block? @source fs/ext4/balloc.c:ext4_bg_has_super() */
export function groupHasSuper(sb: Ext4SuperBlock, group: number): boolean {
  if (group === 0) return true;
  if (hasFeature(sb.features, 'sparse_super2')) {
    const { view } = sb.sbh;
    const at = sb.sbAt + Superblock.s_backup_bgs.offset;
    return group === view.getUint32(at, true) || group === view.getUint32(at + 4, true);
  }
  if (group === 1 || !hasFeature(sb.features, 'sparse_super')) return true;
  return group % 2 === 1 && [3, 5, 7].some((base) => powerOf(group, base));
}

/** First meta block group, counted in descriptor blocks; Infinity without meta_bg. */
const firstMetaBg = (sb: Ext4SuperBlock): number =>
  sb.has.metaBg ? Superblock.s_first_meta_bg.get(sb.sbh.view, sb.sbAt) : Infinity;

/** Descriptor blocks at the front of a group. @source fs/ext4/balloc.c:ext4_bg_num_gdb() */
export function groupGdtBlocks(sb: Ext4SuperBlock, group: number): number {
  const { descPerBlock } = sb.geo;
  const meta = firstMetaBg(sb);
  const metaGroup = Math.floor(group / descPerBlock);
  if (metaGroup < meta) {
    if (!groupHasSuper(sb, group)) return 0;
    return Math.min(meta, sb.gdtBlocks.length);
  }
  const inMeta = group % descPerBlock;
  return inMeta === 0 || inMeta === 1 || inMeta === descPerBlock - 1 ? 1 : 0;
}

/** Blocks at the front of a group: super block, descriptors, and those kept for more of them. */
export function groupBaseMeta(sb: Ext4SuperBlock, group: number): number {
  const gdt = groupGdtBlocks(sb, group);
  const hasSuper = groupHasSuper(sb, group);
  let count = gdt + (hasSuper ? 1 : 0);
  if (hasSuper && Math.floor(group / sb.geo.descPerBlock) < firstMetaBg(sb)) {
    count += Superblock.s_reserved_gdt_blocks.get(sb.sbh.view, sb.sbAt);
  }
  // A boot block stands before the super block where clusters begin with block 0.
  const { blockSize, firstDataBlock } = sb.geo;
  if (group === 0 && blockSize === 1024 && firstDataBlock === 0) count++;
  return Math.min(count, groupBlocks(sb, group));
}

/** Where descriptor block `i` is. @source fs/ext4/super.c:descriptor_loc() */
export function gdtBlockAt(sb: Ext4SuperBlock, i: number): Pblk {
  const { blockSize, descPerBlock, firstDataBlock } = sb.geo;
  const superNr = sb.sbh.blocknr;
  if (i < firstMetaBg(sb)) return pblk(superNr + 1 + i);
  const group = i * descPerBlock;
  let skip = groupHasSuper(sb, group) ? 1 : 0;
  if (blockSize === 1024 && i === 0 && firstDataBlock === 0) skip++;
  return pblk(groupFirstBlock(sb, group) + skip);
}

/** The checksum a descriptor should have, or null where descriptors have none. */
function wantedCsum(sb: Ext4SuperBlock, group: number, { bh, at }: GroupDescAt): number | null {
  const { descSize } = sb.geo;
  if (sb.has.metadataCsum) return groupDescCsum(sb.csumSeed, group, bh, at, descSize);
  if (sb.has.gdtCsum) return groupDescCrc16(sb.uuid, group, bh, at, descSize);
  return null;
}

/**
 * Compare a descriptor with its checksum and with the file system's bounds.
 * @throws EUCLEAN names the field
 */
export function checkGroupDesc(sb: Ext4SuperBlock, group: number): void {
  const where = groupDesc(sb, group);
  const { bh, at } = where;
  const { geo } = sb;
  const fail = (field: string, got: number, want?: string): never => {
    throw corrupted('ext4_group_desc', field, { group, pblk: bh.blocknr, got, want });
  };
  const csum = wantedCsum(sb, group, where);
  if (csum !== null) {
    const stored = GroupDesc.bg_checksum.get(bh.view, at);
    if (stored !== csum) fail('bg_checksum', stored, String(csum));
  }
  const first = sb.has.flexBg ? geo.firstDataBlock : groupFirstBlock(sb, group);
  const end = sb.has.flexBg ? geo.blocksCount : first + groupBlocks(sb, group);
  const place = (field: DescField, name: string, count: number): void => {
    const block = field.get(bh.view, at, geo.descSize);
    if (!(block >= first && block + count <= end)) fail(name, block, `${first}..${end - count}`);
  };
  place(bgBlockBitmap, 'bg_block_bitmap_lo', 1);
  place(bgInodeBitmap, 'bg_inode_bitmap_lo', 1);
  place(bgInodeTable, 'bg_inode_table_lo', geo.itbPerGroup);
  const limit = (field: DescField, name: string, most: number): void => {
    const got = field.get(bh.view, at, geo.descSize);
    if (got > most) fail(name, got, `at most ${most}`);
  };
  limit(bgFreeBlocksCount, 'bg_free_blocks_count_lo', groupClusters(sb, group));
  limit(bgFreeInodesCount, 'bg_free_inodes_count_lo', geo.inodesPerGroup);
  limit(bgUsedDirsCount, 'bg_used_dirs_count_lo', geo.inodesPerGroup);
  if (csum !== null) limit(bgItableUnused, 'bg_itable_unused_lo', geo.inodesPerGroup);
}

/**
 * A descriptor was changed inside `handle`: its checksum and the journal.
 * The caller took write access of its block before the change. @context Does not sleep.
 */
export function ext4GroupDescDirty(handle: Handle, sb: Ext4SuperBlock, group: number): void {
  const where = groupDesc(sb, group);
  const csum = wantedCsum(sb, group, where);
  if (csum !== null) GroupDesc.bg_checksum.set(where.bh.view, where.at, csum);
  handle.journal.dirtyMetadata(handle, where.bh);
}

const mark = (map: Uint8Array, from: number, count: number, most: number): void => {
  const first = Math.max(0, Math.floor(from));
  const end = Math.min(most, Math.ceil(from + count));
  if (end > first) setBits(map, first, end - first);
};

/** Where the group's own bitmaps and table lie, relative to the group, in blocks. */
function ownMetadata(
  sb: Ext4SuperBlock,
  group: number,
): [name: string, at: number, count: number][] {
  const first = groupFirstBlock(sb, group);
  const at = (field: DescField): number => groupDescGet(sb, group, field) - first;
  return [
    ['bg_block_bitmap_lo', at(bgBlockBitmap), 1],
    ['bg_inode_bitmap_lo', at(bgInodeBitmap), 1],
    ['bg_inode_table_lo', at(bgInodeTable), sb.geo.itbPerGroup],
  ];
}

/** Bits of a block bitmap that no group of this size has: set, so that nobody takes them. */
function padBitmap(sb: Ext4SuperBlock, map: Uint8Array, used: number): void {
  const bits = sb.geo.blockSize * 8;
  if (used < bits) setBits(map, used, bits - used);
}

/** The bitmap of a group whose blocks were never written: base metadata used, the rest free. */
function synthesiseBlockBitmap(sb: Ext4SuperBlock, group: number, map: Uint8Array): void {
  const ratio = 2 ** sb.geo.clusterBits;
  const clusters = groupClusters(sb, group);
  map.fill(0);
  mark(map, 0, groupBaseMeta(sb, group) / ratio, clusters);
  for (const [, at, count] of ownMetadata(sb, group)) {
    if (at + count <= 0 || at >= sb.geo.blocksPerGroup) continue;
    const from = Math.floor(at / ratio);
    mark(map, from, (at + count) / ratio - from, clusters);
  }
  padBitmap(sb, map, clusters);
}

/**
 * A bitmap that was read. Where it has no checksum, another block in its place is known by its
 * count of free clusters, which the descriptor has too.
 * @throws EUCLEAN its checksum or the count is wrong, or it calls the group's own metadata free
 * @source fs/ext4/balloc.c:ext4_validate_block_bitmap(), fs/ext4/mballoc.c:ext4_mb_generate_buddy()
 */
function verifyBlockBitmap(sb: Ext4SuperBlock, group: number, bh: BufferHead): void {
  const where = groupDesc(sb, group);
  if (sb.has.metadataCsum) {
    const crc = bitmapCsum(sb.csumSeed, bh.data, sb.geo.clustersPerGroup);
    if (!blockBitmapCsumOk(where.bh.view, where.at, sb.geo.descSize, crc)) {
      throw corrupted('ext4_group_desc', 'bg_block_bitmap_csum_lo', { group, pblk: bh.blocknr });
    }
  }
  const clusters = groupClusters(sb, group);
  const want = clusters - countSet(bh.data, 0, clusters);
  const got = bgFreeBlocksCount.get(where.bh.view, where.at, sb.geo.descSize);
  if (got !== want) {
    const facts = { group, pblk: bh.blocknr, got, want };
    throw corrupted('ext4_group_desc', 'bg_free_blocks_count_lo', facts);
  }
  const ratio = 2 ** sb.geo.clusterBits;
  for (const [field, at, count] of ownMetadata(sb, group)) {
    if (at < 0 || at + count > groupBlocks(sb, group)) continue;
    for (let c = Math.floor(at / ratio); c < (at + count) / ratio; c++) {
      if (testBit(bh.data, c)) continue;
      throw corrupted('block bitmap', field, { group, pblk: bh.blocknr, free: at + count });
    }
  }
  bh.verified = true;
}

/**
 * The block bitmap of a group, read and verified; made where the group was never written.
 * @context May sleep for I/O. The caller puts the buffer.
 * @throws EIO, EUCLEAN
 */
export function* ext4ReadBlockBitmap(sb: Ext4SuperBlock, group: number): Op<BufferHead> {
  const nr = pblk(groupDescGet(sb, group, bgBlockBitmap));
  const cached = sb.buffers.tryBread(nr);
  if (cached?.verified) return cached;
  const bh = cached ?? (yield* readBitmap(sb, group, nr, EXT4_BG_BLOCK_UNINIT));
  try {
    if (!bh.uptodate) {
      synthesiseBlockBitmap(sb, group, bh.data);
      bh.uptodate = true;
      bh.verified = true;
    } else if (!bh.verified) {
      verifyBlockBitmap(sb, group, bh);
    }
  } catch (e) {
    bh.put();
    throw e;
  }
  return bh;
}

/** The bitmap's buffer: not uptodate if the group says that it was never written. */
function* readBitmap(sb: Ext4SuperBlock, group: number, nr: Pblk, uninit: number): Op<BufferHead> {
  if ((groupFlags(sb, group) & uninit) === 0) return yield* sb.buffers.bread(nr);
  const bh = yield* sb.buffers.getblk(nr);
  // The flag may have gone while we slept; then somebody has made the bitmap, and it is cached.
  if (bh.uptodate || (groupFlags(sb, group) & uninit) !== 0) return bh;
  bh.put();
  return yield* sb.buffers.bread(nr);
}

/**
 * The inode bitmap of a group, read and verified; made where the group was never written.
 * @context May sleep for I/O. The caller puts the buffer.
 * @throws EIO, EUCLEAN
 */
export function* ext4ReadInodeBitmap(sb: Ext4SuperBlock, group: number): Op<BufferHead> {
  const nr = pblk(groupDescGet(sb, group, bgInodeBitmap));
  const cached = sb.buffers.tryBread(nr);
  if (cached?.verified) return cached;
  const bh = cached ?? (yield* readBitmap(sb, group, nr, EXT4_BG_INODE_UNINIT));
  const { inodesPerGroup, descSize } = sb.geo;
  if (!bh.uptodate) {
    bh.data.fill(0);
    padBitmap(sb, bh.data, inodesPerGroup);
    bh.uptodate = true;
    bh.verified = true;
  } else if (!bh.verified && sb.has.metadataCsum) {
    const where = groupDesc(sb, group);
    const crc = bitmapCsum(sb.csumSeed, bh.data, inodesPerGroup);
    if (!inodeBitmapCsumOk(where.bh.view, where.at, descSize, crc)) {
      bh.put();
      throw corrupted('ext4_group_desc', 'bg_inode_bitmap_csum_lo', { group, pblk: nr });
    }
  }
  bh.verified = true;
  return bh;
}
