/**
 * What the passes hand on: use of blocks and inodes, the directories, and shared records.
 */
import { setBits } from '../../../base/bitmap.ts';
import { bgBlockBitmap, bgInodeBitmap, bgInodeTable } from '../disk/group-desc.ts';
import { InodeMap, NumberList } from './maps.ts';
import { PagedBitmap } from './paged-bitmap.ts';
import type { Volume } from './volume.ts';

/** Flags of a directory, in Directories.flags. */
export const DIR_INDEXED = 1;
export const DIR_CASEFOLD = 2;
export const DIR_ENCRYPT = 4;
export const DIR_INLINE = 8;

/** Every directory in use, in ascending order of inodes; columns, to stay small. */
export class Directories {
  readonly ino = new NumberList();
  readonly flags = new NumberList();
  readonly generation = new NumberList();
  /** Blocks that i_size speaks of. */
  readonly blocks = new NumberList();
  /** Index of its first run in the lists below; the runs of one directory stand together. */
  readonly firstRun = new NumberList();
  /** Who has an entry for it; 0: nobody seen. Filled by pass 2. */
  readonly parent = new NumberList();
  /** What its ".." says. Filled by pass 2. */
  readonly dotdot = new NumberList();

  readonly runLblk = new NumberList();
  readonly runPblk = new NumberList(true);
  readonly runLen = new NumberList();

  /** Its runs will be pushed next. @returns index of the directory */
  begin(ino: number, flags: number, generation: number, blocks: number): number {
    this.ino.push(ino);
    this.flags.push(flags);
    this.generation.push(generation);
    this.blocks.push(blocks);
    this.firstRun.push(this.runLblk.length);
    this.parent.push(0);
    this.dotdot.push(0);
    return this.ino.length - 1;
  }

  addRun(lblk: number, pblk: number, len: number): void {
    const { runLblk, runPblk, runLen } = this;
    const last = runLblk.length - 1;
    if (
      last >= this.firstRun.at(this.firstRun.length - 1) &&
      runLblk.at(last) + runLen.at(last) === lblk &&
      runPblk.at(last) + runLen.at(last) === pblk
    ) {
      runLen.set(last, runLen.at(last) + len);
      return;
    }
    runLblk.push(lblk);
    runPblk.push(pblk);
    runLen.push(len);
  }

  endRun(dir: number): number {
    return dir + 1 < this.firstRun.length ? this.firstRun.at(dir + 1) : this.runLblk.length;
  }
}

/** Clusters that somebody claimed although they were taken. */
export interface Clash {
  readonly cluster: number;
  readonly count: number;
  readonly ino: number;
}

/** Clashes remembered one by one; more are only counted. */
const MOST_CLASHES = 10_000;

export class CheckState {
  readonly vol: Volume;
  readonly blocks: PagedBitmap;
  readonly inodes: InodeMap;
  readonly dirs = new Directories();
  readonly clashes: Clash[] = [];
  /** Attribute blocks that say they are shared: block to references that were not met yet. */
  readonly sharedXattr = new Map<number, number>();
  /** Inodes that hold a value: references they count, less references met. */
  readonly eaInodes = new Map<number, number>();
  /** Inodes on the orphan list or in the orphan file. */
  readonly orphans = new Set<number>();
  /** Directories with a link count of 1, meaning "too many", and the names found. */
  readonly overflowed = new Map<number, number>();
  /** Directories in use, by group. */
  readonly dirsInGroup: Uint32Array;
  usedInodes = 0;
  largeFiles = 0;
  files = 0;

  constructor(vol: Volume) {
    this.vol = vol;
    this.blocks = new PagedBitmap(vol.geo.clustersPerGroup);
    this.inodes = new InodeMap(vol.geo.inodesPerGroup);
    this.dirsInGroup = new Uint32Array(vol.geo.groupsCount);
  }

  /** Clusters now belong to `ino`; 0: to the file system itself. @returns whether none was taken */
  claim(cluster: number, count: number, ino: number): boolean {
    if (!this.blocks.set(cluster, count)) return true;
    // Files of such an image share their blocks on purpose.
    if (this.vol.has.sharedBlocks) return false;
    if (this.clashes.length < MOST_CLASHES) this.clashes.push({ cluster, count, ino });
    return false;
  }

  /** A record of the file system itself lies here. */
  claimMetadata(start: number, count: number): void {
    if (!this.vol.inRange(start, count)) return;
    const first = this.vol.clusterOf(start);
    this.blocks.set(first, this.vol.clusterOf(start + count - 1) - first + 1);
  }

  /**
   * Mark all that belongs to no file: super blocks, descriptors, bitmaps, tables. What two groups
   * claim both is a problem of its own.
   */
  claimAllMetadata(): void {
    const { vol } = this;
    const { geo } = vol;
    this.claimBase();
    const own = new PagedBitmap(Math.ceil(geo.blocksPerGroup / 8) * 8);
    const tables = [
      [bgBlockBitmap, 'bg_block_bitmap_lo', 1],
      [bgInodeBitmap, 'bg_inode_bitmap_lo', 1],
      [bgInodeTable, 'bg_inode_table_lo', geo.itbPerGroup],
    ] as const;
    for (let group = 0; group < geo.groupsCount; group++) {
      for (const [field, name, count] of tables) {
        const at = vol.desc(group, field);
        if (!vol.inRange(at, count)) continue;
        if (this.inBase(at, count) || own.set(at, count)) {
          const text = `Group ${group}: ${name} overlaps other metadata at block ${at}.`;
          vol.report.report('group-desc-overlap', text, { group, field: name });
        }
        this.claimMetadata(at, count);
      }
    }
  }

  private claimBase(): void {
    for (let g = 0; g < this.vol.geo.groupsCount; g++) {
      const count = this.vol.groupBaseMeta(g);
      if (count > 0) this.claimMetadata(this.vol.groupFirst(g), count);
    }
  }

  /** Does the run touch the super block or the descriptors in front of its groups? */
  private inBase(start: number, count: number): boolean {
    const { vol } = this;
    for (let g = vol.groupOf(start); g <= vol.groupOf(start + count - 1); g++) {
      const first = vol.groupFirst(g);
      const base = vol.groupBaseMeta(g);
      if (base > 0 && start < first + base && start + count > first) return true;
    }
    return false;
  }

  /**
   * What a block bitmap holds that was never written: the metadata in its group, wherever in the
   * flexible group it belongs. @param map  where to draw it: at least a group's bits
   */
  baseBitmap(group: number, map: Uint8Array): Uint8Array {
    const { vol } = this;
    const { geo, clusterRatio } = vol;
    map.fill(0);
    const first = vol.groupFirst(group);
    const clusters = vol.groupClusters(group);
    const add = (at: number, count: number): void => {
      const from = Math.max(0, Math.floor((at - first) / clusterRatio));
      const end = Math.min(clusters, Math.ceil((at + count - first) / clusterRatio));
      if (end > from) setBits(map, from, end - from);
    };
    add(first, vol.groupBaseMeta(group));
    const span = vol.has.flexBg ? 2 ** geo.flexBits : 1;
    const start = group - (group % span);
    for (let g = start; g < Math.min(start + span, geo.groupsCount); g++) {
      add(vol.desc(g, bgBlockBitmap), 1);
      add(vol.desc(g, bgInodeBitmap), 1);
      add(vol.desc(g, bgInodeTable), geo.itbPerGroup);
    }
    return map;
  }
}
