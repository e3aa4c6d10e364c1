/**
 * Pass 5: what the passes before counted, against both bitmaps of every group and the numbers in
 * the descriptors and the super block.
 */
import { countSet, findNextSet, findNextZero } from '../../../base/bitmap.ts';
import { LE } from '../../../base/struct.ts';
import { ino as inoUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { bitmapCsum, blockBitmapCsumOk, inodeBitmapCsumOk } from '../checksum.ts';
import {
  type DescField,
  EXT4_BG_BLOCK_UNINIT,
  EXT4_BG_INODE_UNINIT,
  bgBlockBitmap,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgItableUnused,
  bgUsedDirsCount,
} from '../disk/group-desc.ts';
import { Superblock, sFreeBlocksCount } from '../disk/superblock.ts';
import type { CheckState } from './state.ts';

/** Groups whose bitmaps are read together, where they stand together. */
const BATCH = 64;

export class BitmapCheck {
  private readonly state: CheckState;
  private readonly buffer: Uint8Array;
  private readonly batch: number;
  freeClusters = 0;
  freeInodes = 0;

  constructor(state: CheckState) {
    const { blockSize } = state.vol.geo;
    this.state = state;
    this.buffer = state.vol.scratch.data;
    this.batch = Math.min(BATCH, this.buffer.length / blockSize);
  }

  *check(): Op<void> {
    const { vol } = this.state;
    const { groupsCount } = vol.geo;
    for (let first = 0; first < groupsCount; first += this.batch) {
      const end = Math.min(first + this.batch, groupsCount);
      yield* this.read(first, end, bgBlockBitmap, EXT4_BG_BLOCK_UNINIT);
      for (let g = first; g < end; g++) this.checkBlocks(g, this.slot(g - first));
      yield* this.read(first, end, bgInodeBitmap, EXT4_BG_INODE_UNINIT);
      for (let g = first; g < end; g++) this.checkInodes(g, this.slot(g - first));
      vol.report.progress(end);
    }
    this.checkSuper();
  }

  private slot(i: number): Uint8Array {
    const { blockSize } = this.state.vol.geo;
    return this.buffer.subarray(i * blockSize, (i + 1) * blockSize);
  }

  /** The bitmaps of groups [first, end) into their slots, those that exist, in few reads. */
  private *read(first: number, end: number, field: DescField, uninit: number): Op<void> {
    const { vol } = this.state;
    for (let g = first; g < end;) {
      const at = vol.desc(g, field);
      let count = 1;
      if ((vol.flags(g) & uninit) === 0 && vol.inRange(at)) {
        while (
          g + count < end &&
          vol.desc(g + count, field) === at + count &&
          vol.inRange(at, count + 1) &&
          (vol.flags(g + count) & uninit) === 0
        ) {
          count++;
        }
        const slots = this.buffer.subarray((g - first) * vol.geo.blockSize);
        yield* vol.readRun(at, count, slots);
      }
      g += count;
    }
  }

  private problem(code: string, text: string, group: number, field?: string): void {
    const place = { group, ...(field !== undefined && { field }) };
    this.state.vol.report.report(code, `Group ${group}: ${text}.`, place);
  }

  private checkBlocks(group: number, map: Uint8Array): void {
    const { state } = this;
    const { vol } = state;
    const { geo } = vol;
    const clusters = vol.groupClusters(group);
    const page = state.blocks.page(group);
    const used = countSet(page, 0, clusters);
    const uninit = (vol.flags(group) & EXT4_BG_BLOCK_UNINIT) !== 0;
    if (!uninit && !vol.inRange(vol.desc(group, bgBlockBitmap))) return;
    if (!uninit && vol.has.metadataCsum) {
      const crc = bitmapCsum(vol.facts.csumSeed, map, geo.clustersPerGroup);
      if (!blockBitmapCsumOk(vol.gdt.view, group * geo.descSize, geo.descSize, crc)) {
        const text = 'the checksum of the block bitmap is wrong';
        this.problem('block-bitmap-checksum', text, group, 'bg_block_bitmap_csum_lo');
      }
    }
    const disk = uninit ? state.baseBitmap(group, map) : map;
    this.compare(page, disk, clusters, (bit, count, isUsed) => {
      const first = vol.groupFirst(group) + bit * vol.clusterRatio;
      const last = first + count * vol.clusterRatio - 1;
      const text = isUsed
        ? `Blocks ${first}..${last} are in use, but free in the block bitmap`
        : `Blocks ${first}..${last} are taken in the block bitmap, but nobody has them`;
      const code = isUsed ? 'block-bitmap-free' : 'block-bitmap-lost';
      vol.report.report(code, `${text}.`, { group, pblk: pblkUnit(first) });
    });
    if (!uninit && findNextZero(disk, clusters, geo.blockSize * 8) < geo.blockSize * 8) {
      this.problem('block-bitmap-padding', 'the end of the block bitmap is not filled', group);
    }
    const free = clusters - used;
    this.freeClusters += free;
    this.count(group, bgFreeBlocksCount, 'bg_free_blocks_count_lo', free, 'group-free-blocks');
  }

  private checkInodes(group: number, map: Uint8Array): void {
    const { state } = this;
    const { vol } = state;
    const { geo } = vol;
    const page = state.inodes.used.page(group);
    const used = countSet(page, 0, geo.inodesPerGroup);
    const uninit = (vol.flags(group) & EXT4_BG_INODE_UNINIT) !== 0;
    if (!uninit && !vol.inRange(vol.desc(group, bgInodeBitmap))) return;
    if (uninit) {
      map.fill(0, 0, Math.ceil(geo.inodesPerGroup / 8));
    } else if (vol.has.metadataCsum) {
      const crc = bitmapCsum(vol.facts.csumSeed, map, geo.inodesPerGroup);
      if (!inodeBitmapCsumOk(vol.gdt.view, group * geo.descSize, geo.descSize, crc)) {
        const text = 'the checksum of the inode bitmap is wrong';
        this.problem('inode-bitmap-checksum', text, group, 'bg_inode_bitmap_csum_lo');
      }
    }
    this.compare(page, map, geo.inodesPerGroup, (bit, count, isUsed) => {
      const first = group * geo.inodesPerGroup + bit + 1;
      const text = isUsed
        ? `Inodes ${first}..${first + count - 1} are in use, but free in the inode bitmap`
        : `Inodes ${first}..${first + count - 1} are taken in the inode bitmap, but not in use`;
      const code = isUsed ? 'inode-bitmap-free' : 'inode-bitmap-lost';
      vol.report.report(code, `${text}.`, { group, ino: inoUnit(first) });
    });
    const bits = geo.blockSize * 8;
    if (!uninit && findNextZero(map, geo.inodesPerGroup, bits) < bits) {
      this.problem('inode-bitmap-padding', 'the end of the inode bitmap is not filled', group);
    }
    const free = geo.inodesPerGroup - used;
    this.freeInodes += free;
    this.count(group, bgFreeInodesCount, 'bg_free_inodes_count_lo', free, 'group-free-inodes');
    const dirs = state.dirsInGroup[group]!;
    this.count(group, bgUsedDirsCount, 'bg_used_dirs_count_lo', dirs, 'group-directories');
    this.checkUnused(group, page);
  }

  /** No inode in use may stand where the descriptor says that none ever was. */
  private checkUnused(group: number, page: Uint8Array): void {
    const { vol } = this.state;
    if (!vol.hasGroupCsum) return;
    const { inodesPerGroup } = vol.geo;
    const unused = Math.min(vol.desc(group, bgItableUnused), inodesPerGroup);
    const first = inodesPerGroup - unused;
    if (findNextSet(page, first, inodesPerGroup) === inodesPerGroup) return;
    const text = 'inodes are in use in the part of the table that was never used';
    this.problem('group-itable-unused', text, group, 'bg_itable_unused_lo');
  }

  private count(group: number, field: DescField, name: string, want: number, code: string): void {
    const got = this.state.vol.desc(group, field);
    if (got !== want) this.problem(code, `${name} is ${got}, counted ${want}`, group, name);
  }

  /** Call `differ` for each run of bits in which the two maps differ. */
  private compare(
    mine: Uint8Array,
    disk: Uint8Array,
    bits: number,
    differ: (bit: number, count: number, isUsed: boolean) => void,
  ): void {
    const bytes = bits >>> 3;
    const a = new DataView(mine.buffer, mine.byteOffset);
    const b = new DataView(disk.buffer, disk.byteOffset);
    let at = 0;
    for (; at + 4 <= bytes; at += 4) {
      if (a.getUint32(at, LE) !== b.getUint32(at, LE)) break;
    }
    let runStart = -1;
    let runUsed = false;
    for (let bit = at * 8; bit <= bits; bit++) {
      const byte = bit >>> 3;
      const mask = 1 << (bit & 7);
      const used = bit < bits && (mine[byte]! & mask) !== 0;
      const other = bit < bits && (disk[byte]! & mask) !== 0;
      if (runStart >= 0 && (used === other || used !== runUsed)) {
        differ(runStart, bit - runStart, runUsed);
        runStart = -1;
      }
      if (used !== other && runStart < 0) {
        runStart = bit;
        runUsed = used;
      }
    }
  }

  private checkSuper(): void {
    const { vol } = this.state;
    const { view } = vol.super;
    const blocks = sFreeBlocksCount.get(view, 0, vol.has.is64bit);
    const wantBlocks = this.freeClusters * vol.clusterRatio;
    if (blocks !== wantBlocks) {
      const text = `The super block has ${blocks} free blocks, counted ${wantBlocks}.`;
      vol.report.report('superblock-free-blocks', text, { field: 's_free_blocks_count_lo' });
    }
    const inodes = Superblock.s_free_inodes_count.get(view, 0);
    if (inodes !== this.freeInodes) {
      const text = `The super block has ${inodes} free inodes, counted ${this.freeInodes}.`;
      vol.report.report('superblock-free-inodes', text, { field: 's_free_inodes_count' });
    }
    if (this.state.largeFiles > 0 && !vol.feature('large_file')) {
      const text = 'A file has 2 GiB or more, but the feature large_file is not set.';
      vol.report.report('large-file-feature', text, { field: 's_feature_ro_compat' });
    }
  }
}
