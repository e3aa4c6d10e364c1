/**
 * The image as the passes see it: its geometry, its descriptors, and reading by block number.
 *
 * Long runs (inode tables, bitmaps, directories) are read once, past the cache, into a buffer of
 * the checker; single blocks that may be wanted again (nodes of maps, attribute blocks) come
 * through the buffer cache.
 */
import { errno } from '../../../base/errno.ts';
import { crcScratch } from '../../../base/crc32c-kernel.ts';
import { type Pblk, pblk, roundUp } from '../../../base/units.ts';
import type { BlockDevice } from '../../../block/block-device.ts';
import { BufferCache } from '../../../buffer/buffer-cache.ts';
import type { BufferHead } from '../../../buffer/buffer-head.ts';
import type { Memory } from '../../../mm/vmscan.ts';
import type { Op } from '../../../sched/op.ts';
import { type RawBlock, rawBlock } from '../checksum.ts';
import { type DescField, GroupDesc } from '../disk/group-desc.ts';
import { Superblock } from '../disk/superblock.ts';
import { type FeatureName, hasFeature } from '../features.ts';
import type { Ext4Geometry, Ext4Has } from '../sb-info.ts';
import type { SuperFacts } from '../super-read.ts';
import type { Reporter } from './problem.ts';

/** Bytes read at once from inode tables, bitmaps and directories; of small images fewer. */
const PIECE = 1 << 19;
const pieceOf = (size: number, blockSize: number): number =>
  Math.max(blockSize, Math.min(PIECE, roundUp(Math.ceil(size / 128), 1 << 16)));
const powerOf = (n: number, base: number): boolean => {
  while (n > 1 && n % base === 0) n /= base;
  return n === 1;
};

export class Volume {
  readonly device: BlockDevice;
  readonly report: Reporter;
  readonly facts: SuperFacts;
  readonly geo: Ext4Geometry;
  readonly has: Ext4Has;
  /** The super block that is believed: 1024 bytes at 0. */
  readonly super: RawBlock;
  /** All group descriptors, one after the other; filled by the first pass. */
  readonly gdt: RawBlock;
  readonly gdtBlocks: number;
  /** First meta block group, counted in descriptor blocks. */
  readonly firstMetaBg: number;
  readonly clusterRatio: number;
  /** What was read last, for whoever reads long runs; the passes take turns. */
  readonly scratch: RawBlock;
  private readonly cache: BufferCache;

  constructor(
    device: BlockDevice,
    memory: Memory,
    report: Reporter,
    facts: SuperFacts,
    superBytes: Uint8Array,
  ) {
    const { geo } = facts;
    if (memory.frameSize < geo.blockSize) {
      throw errno('EINVAL', { blockSize: geo.blockSize }, 'the cache holds no block of this size');
    }
    this.device = device;
    this.report = report;
    this.facts = facts;
    this.geo = geo;
    this.has = facts.has;
    this.super = rawBlock(superBytes);
    this.gdtBlocks = Math.ceil(geo.groupsCount / geo.descPerBlock);
    this.gdt = rawBlock(new Uint8Array(this.gdtBlocks * geo.blockSize));
    this.firstMetaBg = facts.has.metaBg ? this.sbField('s_first_meta_bg') : Infinity;
    this.clusterRatio = 2 ** geo.clusterBits;
    this.scratch = rawBlock(crcScratch(pieceOf(device.size, geo.blockSize)));
    this.cache = new BufferCache(device, memory, geo.blockSize);
  }

  sbField(name: 's_first_meta_bg' | 's_reserved_gdt_blocks' | 's_last_orphan' | 's_state'): number {
    return Superblock[name].get(this.super.view, 0);
  }

  feature(name: FeatureName): boolean {
    return hasFeature(this.facts.features, name);
  }

  get hasGroupCsum(): boolean {
    return this.has.metadataCsum || this.has.gdtCsum;
  }

  desc(group: number, field: DescField): number {
    return field.get(this.gdt.view, group * this.geo.descSize, this.geo.descSize);
  }

  /** bg_flags, as far as a checksum vouches for them. */
  flags(group: number): number {
    if (!this.hasGroupCsum) return 0;
    return GroupDesc.bg_flags.get(this.gdt.view, group * this.geo.descSize);
  }

  groupFirst(group: number): number {
    return this.geo.firstDataBlock + group * this.geo.blocksPerGroup;
  }

  groupBlocks(group: number): number {
    return Math.min(this.geo.blocksPerGroup, this.geo.blocksCount - this.groupFirst(group));
  }

  groupClusters(group: number): number {
    return Math.ceil(this.groupBlocks(group) / this.clusterRatio);
  }

  groupOf(block: number): number {
    return Math.floor((block - this.geo.firstDataBlock) / this.geo.blocksPerGroup);
  }

  clusterOf(block: number): number {
    return Math.floor((block - this.geo.firstDataBlock) / this.clusterRatio);
  }

  /** May `count` blocks from here belong to anything? */
  inRange(start: number, count = 1): boolean {
    return start >= this.geo.firstDataBlock && start + count <= this.geo.blocksCount;
  }

  validIno(ino: number): boolean {
    return ino > 0 && ino <= this.geo.inodesCount;
  }

  /** @source fs/ext4/balloc.c:ext4_bg_has_super() */
  groupHasSuper(group: number): boolean {
    if (group === 0) return true;
    if (this.feature('sparse_super2')) {
      const at = Superblock.s_backup_bgs.offset;
      const { view } = this.super;
      return group === view.getUint32(at, true) || group === view.getUint32(at + 4, true);
    }
    if (group === 1 || !this.feature('sparse_super')) return true;
    return group % 2 === 1 && [3, 5, 7].some((base) => powerOf(group, base));
  }

  /** Descriptor blocks in front of a group. @source fs/ext4/balloc.c:ext4_bg_num_gdb() */
  groupGdtBlocks(group: number): number {
    const { descPerBlock } = this.geo;
    if (Math.floor(group / descPerBlock) < this.firstMetaBg) {
      return this.groupHasSuper(group) ? Math.min(this.firstMetaBg, this.gdtBlocks) : 0;
    }
    const inMeta = group % descPerBlock;
    return inMeta === 0 || inMeta === 1 || inMeta === descPerBlock - 1 ? 1 : 0;
  }

  /** Blocks in front of a group: super block, descriptors, and those kept for more of them. */
  groupBaseMeta(group: number): number {
    const hasSuper = this.groupHasSuper(group);
    let count = this.groupGdtBlocks(group) + (hasSuper ? 1 : 0);
    if (hasSuper && Math.floor(group / this.geo.descPerBlock) < this.firstMetaBg) {
      count += this.sbField('s_reserved_gdt_blocks');
    }
    if (group === 0 && this.bootBlock) count++;
    return Math.min(count, this.groupBlocks(group));
  }

  /** A boot block stands before the super block where clusters begin with block 0. */
  private get bootBlock(): boolean {
    return this.geo.blockSize === 1024 && this.geo.firstDataBlock === 0;
  }

  /** Where descriptor block `i` is. @source fs/ext4/super.c:descriptor_loc() */
  gdtBlockAt(i: number): number {
    const boot = this.bootBlock ? 1 : 0;
    if (i < this.firstMetaBg) return this.geo.firstDataBlock + boot + 1 + i;
    const group = i * this.geo.descPerBlock;
    const skip = (this.groupHasSuper(group) ? 1 : 0) + (i === 0 ? boot : 0);
    return this.groupFirst(group) + skip;
  }

  /** Read `count` blocks into the front of `into`. @throws EIO */
  *readRun(start: number, count: number, into: Uint8Array): Op<void> {
    const { blockSize } = this.geo;
    yield* this.device.transfer('read', start * blockSize, into.subarray(0, count * blockSize));
  }

  /** One block, cached; null where the number is outside of the image. The caller puts it. */
  *bread(block: number): Op<BufferHead | null> {
    if (!this.inRange(block)) return null;
    const nr: Pblk = pblk(block);
    return this.cache.tryBread(nr) ?? (yield* this.cache.bread(nr));
  }
}
