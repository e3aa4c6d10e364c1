/**
 * Make an empty ext4: plan it, place it, write what is not zero.
 *
 * The device need not be zero: what a mount would read is written, the rest is said to be
 * uninitialised where a checksum vouches for that, and cleared where none does.
 * @source mke2fs(8); filesystems/ext4/
 */
import { pblk } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import type { BlockDevice } from '../../../block/block-device.ts';
import {
  bitmapCsum,
  csumSeedOfUuid,
  groupDescCrc16,
  groupDescCsum,
  rawBlock,
  setSuperblockCsum,
} from '../checksum.ts';
import { setBits } from '../../../base/bitmap.ts';
import {
  bgBlockBitmap,
  bgBlockBitmapCsum,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgInodeBitmapCsum,
  bgInodeTable,
  bgItableUnused,
  bgUsedDirsCount,
  EXT4_BG_BLOCK_UNINIT,
  EXT4_BG_INODE_UNINIT,
  EXT4_BG_INODE_ZEROED,
  GroupDesc,
} from '../disk/group-desc.ts';
import { EXT4_SUPER_OFFSET, EXT4_SUPER_SIZE, Superblock } from '../disk/superblock.ts';
import { hasFeature } from '../features.ts';
import { InodeMaker } from './inodes.ts';
import {
  baseMeta,
  groupEnd,
  groupGdt,
  groupStart,
  hasSuper,
  type MkfsOptions,
  type Plan,
  planFs,
  superAt,
} from './plan.ts';
import { type Run, Space } from './space.ts';
import { type OwnFiles, superBlock } from './superblock.ts';
import { type GroupTables, placeTables } from './tables.ts';

export interface MkfsResult {
  readonly plan: Plan;
  readonly freeBlocks: number;
  readonly freeInodes: number;
}

/** Bytes written in one go where neighbours allow it. */
const MAX_WRITE = 1 << 20;

/**
 * Make a file system on the whole device.
 * @param zeroed  the device reads as zero now: a new sparse file
 * @throws EINVAL, EOPNOTSUPP, ENOSPC before anything is written; EIO
 * @context May sleep. Nobody has the device open otherwise.
 */
export function* mkfs(
  device: BlockDevice,
  o: MkfsOptions,
  identity: { uuid: Uint8Array; hashSeed: Uint8Array },
  zeroed: boolean,
): Op<MkfsResult> {
  const plan = planFs(device.size, o);
  const space = new Space(plan);
  const tables = placeTables(plan, space);
  const overhead = overheadClusters(plan, space);
  const csumSeed = csumSeedOfUuid(identity.uuid);
  const maker = new InodeMaker(plan, space, csumSeed);
  maker.directories(o.rootOwner ?? { uid: 0, gid: 0 }, o.rootMode ?? 0o755);
  maker.resize();
  const files: OwnFiles = {
    journal: maker.journal(identity.uuid),
    mmpBlock: maker.multiMount(o.time),
    quotas: maker.quotas(),
    orphanFile: maker.orphanFile(),
  };
  const writer = new Writer(device, plan);
  if (!zeroed) yield* clearOld(writer, plan, tables, maker.journalRuns);
  const made = new Groups(plan, space, tables, csumSeed, identity.uuid, maker.lastIno);
  yield* writer.blocks(maker.blocks);
  yield* writer.blocks(maker.tableBlocks(tables[0]!.inodeTable, o.time));
  yield* writer.blocks(made.bitmaps());
  const sb = superBlock(
    plan,
    o,
    identity,
    files,
    made.freeBlocks,
    made.freeInodes,
    csumSeed,
    overhead,
  );
  yield* writeSupers(writer, plan, sb, made.descriptors());
  yield* device.flush();
  return { plan, freeBlocks: made.freeBlocks, freeInodes: made.freeInodes };
}

/** Clusters that no file will ever have: metadata of all groups, and the journal to come. */
function overheadClusters(plan: Plan, space: Space): number {
  let clusters = plan.firstDataBlock + Math.ceil(plan.journalBlocks / plan.ratio);
  for (let g = 0; g < plan.groupsCount; g++) clusters += space.usedClusters(g);
  return clusters;
}

/** Writes blocks, neighbours together. */
class Writer {
  readonly device: BlockDevice;
  private readonly blockSize: number;

  constructor(device: BlockDevice, plan: Plan) {
    this.device = device;
    this.blockSize = plan.blockSize;
  }

  *blocks(image: ReadonlyMap<number, Uint8Array>): Op<void> {
    const order = [...image.keys()].sort((a, b) => a - b);
    for (let i = 0; i < order.length;) {
      const first = order[i]!;
      const parts: Uint8Array[] = [];
      while (order[i] === first + parts.length && parts.length * this.blockSize < MAX_WRITE) {
        parts.push(image.get(order[i]!)!);
        i++;
      }
      const data = new Uint8Array(parts.length * this.blockSize);
      parts.forEach((p, k) => {
        data.set(p, k * this.blockSize);
      });
      yield* this.device.transfer('write', first * this.blockSize, data);
    }
  }

  *zero(start: number, len: number): Op<void> {
    if (len > 0) {
      yield* this.device.clear('writeZeroes', start * this.blockSize, len * this.blockSize);
    }
  }
}

/** What an older file system left where a mount, or a probe, would look. */
function* clearOld(
  writer: Writer,
  plan: Plan,
  tables: readonly GroupTables[],
  journal: readonly Run[],
): Op<void> {
  yield* writer.zero(0, plan.firstDataBlock + 1);
  for (let g = 0; g < plan.groupsCount; g++) {
    if (hasSuper(plan, g))
      yield* writer.zero(superAt(plan, g), 1 + plan.gdtBlocks + plan.reservedGdt);
  }
  for (const t of tables) yield* writer.zero(t.inodeTable, plan.itable);
  // Journal blocks of an older file system could pass for transactions of this one.
  for (const run of journal) yield* writer.zero(run.start, run.len);
}

/** Descriptors and bitmaps of all groups. */
class Groups {
  private readonly plan: Plan;
  private readonly space: Space;
  private readonly tables: readonly GroupTables[];
  private readonly csumSeed: number;
  private readonly uuid: Uint8Array;
  private readonly lastIno: number;
  freeBlocks = 0;
  freeInodes = 0;

  constructor(
    plan: Plan,
    space: Space,
    tables: readonly GroupTables[],
    csumSeed: number,
    uuid: Uint8Array,
    lastIno: number,
  ) {
    this.plan = plan;
    this.space = space;
    this.tables = tables;
    this.csumSeed = csumSeed;
    this.uuid = uuid;
    this.lastIno = lastIno;
    for (let g = 0; g < plan.groupsCount; g++) {
      this.freeBlocks += space.freeClusters(g) * plan.ratio;
      this.freeInodes += plan.inodesPerGroup - this.usedInodes(g);
    }
  }

  private usedInodes(group: number): number {
    return group === 0 ? this.lastIno : 0;
  }
  private get checked(): boolean {
    return this.has('metadata_csum') || this.has('uninit_bg');
  }
  private has(name: 'metadata_csum' | 'uninit_bg'): boolean {
    return hasFeature(this.plan.features, name);
  }

  /** A group that nothing but its front matter is in need not have a bitmap, except the last. */
  private blockUninit(group: number): boolean {
    const last = group === this.plan.groupsCount - 1;
    return this.checked && !last && this.space.usedBlocks(group) === this.ownBlocks(group);
  }
  /** Front matter of a group and what it has of its own tables: what the bitmap implies. */
  private ownBlocks(group: number): number {
    const first = groupStart(this.plan, group);
    const end = groupEnd(this.plan, group);
    const t = this.tables[group]!;
    const inside = (at: number, len: number): number => (at >= first && at < end ? len : 0);
    return (
      baseMeta(this.plan, group) +
      inside(t.blockBitmap, 1) +
      inside(t.inodeBitmap, 1) +
      inside(t.inodeTable, this.plan.itable)
    );
  }
  private inodeUninit(group: number): boolean {
    return this.checked && this.usedInodes(group) === 0;
  }

  private inodeBitmap(group: number): Uint8Array {
    const { blockSize, inodesPerGroup } = this.plan;
    const map = new Uint8Array(blockSize);
    setBits(map, 0, this.usedInodes(group));
    if (inodesPerGroup < blockSize * 8)
      setBits(map, inodesPerGroup, blockSize * 8 - inodesPerGroup);
    return map;
  }

  bitmaps(): Map<number, Uint8Array> {
    const image = new Map<number, Uint8Array>();
    this.tables.forEach((t, g) => {
      if (!this.blockUninit(g)) image.set(t.blockBitmap, this.space.bitmap(g));
      if (!this.inodeUninit(g)) image.set(t.inodeBitmap, this.inodeBitmap(g));
    });
    return image;
  }

  descriptors(): Uint8Array {
    const { plan } = this;
    const bytes = new Uint8Array(plan.gdtBlocks * plan.blockSize);
    const b = rawBlock(bytes);
    for (let g = 0; g < plan.groupsCount; g++) this.descriptor(b.view, g * plan.descSize, g, bytes);
    return bytes;
  }

  private descriptor(v: DataView, at: number, g: number, bytes: Uint8Array): void {
    const { descSize, inodesPerGroup, blocksPerGroup, ratio } = this.plan;
    const t = this.tables[g]!;
    const set = (field: typeof bgInodeTable, value: number): void => {
      field.set(v, at, descSize, value);
    };
    set(bgBlockBitmap, t.blockBitmap);
    set(bgInodeBitmap, t.inodeBitmap);
    set(bgInodeTable, t.inodeTable);
    set(bgFreeBlocksCount, this.space.freeClusters(g));
    set(bgFreeInodesCount, inodesPerGroup - this.usedInodes(g));
    set(bgUsedDirsCount, g === 0 ? 2 : 0);
    if (!this.checked) return;
    set(bgItableUnused, inodesPerGroup - this.usedInodes(g));
    const flags =
      (this.blockUninit(g) ? EXT4_BG_BLOCK_UNINIT : 0) |
      (this.inodeUninit(g) ? EXT4_BG_INODE_UNINIT : 0) |
      EXT4_BG_INODE_ZEROED;
    GroupDesc.bg_flags.set(v, at, flags);
    const b = { data: bytes, view: v };
    if (this.has('metadata_csum')) {
      const clusters = blocksPerGroup / ratio;
      const csum = (map: Uint8Array, units: number): number =>
        bitmapCsum(this.csumSeed, map, units);
      if (!this.blockUninit(g)) set(bgBlockBitmapCsum, csum(this.space.bitmap(g), clusters));
      if (!this.inodeUninit(g)) set(bgInodeBitmapCsum, csum(this.inodeBitmap(g), inodesPerGroup));
      GroupDesc.bg_checksum.set(v, at, groupDescCsum(this.csumSeed, g, b, at, descSize));
    } else {
      GroupDesc.bg_checksum.set(v, at, groupDescCrc16(this.uuid, g, b, at, descSize));
    }
  }
}

/** The super block and the descriptors, and their copies. */
function* writeSupers(writer: Writer, plan: Plan, sb: Uint8Array, gdt: Uint8Array): Op<void> {
  const { blockSize } = plan;
  const metaBg = hasFeature(plan.features, 'meta_bg');
  const descPerBlock = blockSize / plan.descSize;
  for (let g = plan.groupsCount - 1; g >= 0; g--) {
    const image = new Map<number, Uint8Array>();
    const first = superAt(plan, g);
    const copy = hasSuper(plan, g);
    const n = groupGdt(plan, g);
    for (let i = 0; i < n; i++) {
      const nr = metaBg ? Math.floor(g / descPerBlock) : i;
      const block = gdt.subarray(nr * blockSize, (nr + 1) * blockSize);
      image.set(first + (copy ? 1 : 0) + i, block);
    }
    yield* writer.blocks(image);
    if (copy) yield* writeSuper(writer, plan, sb, g);
  }
}

function* writeSuper(writer: Writer, plan: Plan, sb: Uint8Array, group: number): Op<void> {
  const { blockSize } = plan;
  const mine = sb.slice();
  const b = rawBlock(mine);
  Superblock.s_block_group_nr.set(b.view, 0, group);
  if (hasFeature(plan.features, 'metadata_csum')) setSuperblockCsum(b, 0);
  const block = new Uint8Array(blockSize);
  const inBlock = group === 0 && plan.firstDataBlock === 0 ? EXT4_SUPER_OFFSET % blockSize : 0;
  block.set(mine, inBlock);
  const nr = group === 0 ? Math.floor(EXT4_SUPER_OFFSET / blockSize) : groupStart(plan, group);
  yield* writer.blocks(new Map([[pblk(nr), block.length >= EXT4_SUPER_SIZE ? block : mine]]));
}
