/**
 * The inodes of a new file system - root, lost+found, journal, resize, quota, orphans - and their
 * blocks.
 * @source filesystems/ext4/special_inodes.rst; mke2fs(8)
 */
import { assert } from '../../../base/assert.ts';
import { S_IFDIR, S_IFREG } from '../../../base/mode.ts';
import { ino } from '../../../base/units.ts';
import { JBD2_MAGIC_NUMBER, JBD2_SUPERBLOCK_V2, JournalSuperblock } from '../../../jbd2/disk.ts';
import {
  initDirEntryTail,
  DirEntry2,
  DirEntryTail,
  EXT4_FT_DIR,
  recLenToDisk,
} from '../disk/dirent.ts';
import {
  EXT4_EXT_MAGIC,
  EXT_INIT_MAX_LEN,
  Extent,
  extentCapacity,
  ExtentHeader,
  ExtentIdx,
  ExtentTail,
  setExtentStart,
  setIdxLeaf,
} from '../disk/extent.ts';
import {
  EXT4_EXTENTS_FL,
  EXT4_GOOD_OLD_INODE_SIZE,
  EXT4_GRP_QUOTA_INO,
  EXT4_IMMUTABLE_FL,
  EXT4_JOURNAL_INO,
  EXT4_RESIZE_INO,
  EXT4_ROOT_INO,
  EXT4_USR_QUOTA_INO,
  Inode,
  setIBlocks,
  setIGid,
  setISize,
  setIUid,
} from '../disk/inode.ts';
import { setInodeTime } from '../disk/inode-time.ts';
import {
  EXT4_MMP_MAGIC,
  EXT4_MMP_MIN_CHECK_INTERVAL,
  EXT4_MMP_SEQ_CLEAN,
  Mmp,
} from '../disk/mmp.ts';
import { EXT4_ORPHAN_BLOCK_MAGIC, OrphanBlockTail, orphanTailOffset } from '../disk/orphan.ts';
import {
  inodeCsumSeed,
  rawBlock,
  setDirLeafCsum,
  setExtentBlockCsum,
  setInodeCsum,
  setMmpCsum,
  setOrphanBlockCsum,
} from '../checksum.ts';
import { hasFeature } from '../features.ts';
import { mmpNodeName } from '../mmp.ts';
import { groupStart, hasSuper, type Plan, superAt } from './plan.ts';
import { quotaFile, quotaOrder, type QuotaUse } from './quota-file.ts';
import type { Run, Space } from './space.ts';

/** What goes to the device: contents of a block. */
export type BlockImage = ReadonlyMap<number, Uint8Array>;

/** An inode to be written. */
export interface NewInode {
  readonly number: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  /** 512-byte units. */
  readonly sectors: number;
  readonly flags: number;
  readonly iBlock: Uint8Array;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** What a file over runs of blocks is made from. */
interface Mapped {
  readonly number: number;
  readonly mode: number;
  readonly links: number;
  readonly runs: readonly Run[];
  readonly size: number;
  /** Blocks that it owns, of which the last cluster may hang over. */
  readonly taken: number;
  readonly flags?: number;
  /** Default: root. */
  readonly owner?: NewInode['owner'];
}

const ROOT = { uid: 0, gid: 0 };
export const LOST_FOUND_INO = 11;

/** Builds inodes and collects the blocks they need. */
export class InodeMaker {
  private readonly plan: Plan;
  private readonly space: Space;
  private readonly csumSeed: number;
  readonly blocks = new Map<number, Uint8Array>();
  readonly inodes: NewInode[] = [];
  journalRuns: readonly Run[] = [];

  constructor(plan: Plan, space: Space, csumSeed: number) {
    this.plan = plan;
    this.space = space;
    this.csumSeed = csumSeed;
  }

  private get csum(): boolean {
    return hasFeature(this.plan.features, 'metadata_csum');
  }
  private sectorsOf(blocks: number): number {
    return (blocks * this.plan.blockSize) / 512;
  }
  private put(nr: number): Uint8Array {
    const data = new Uint8Array(this.plan.blockSize);
    this.blocks.set(nr, data);
    return data;
  }

  /** Root and lost+found, which hold each other's names. */
  directories(owner: NewInode['owner'], rootMode: number): void {
    const { blockSize, ratio, features } = this.plan;
    // Not inline even with inline_data: Linux mounts no root without a block.
    this.rootBlock(owner, rootMode);
    // lost+found is made large enough for e2fsck to fill without allocating: 16 KiB, no indirect.
    // mke2fs begins with an inline one and stops a block earlier.
    const inline = hasFeature(features, 'inline_data') ? 1 : 0;
    const count = Math.max(1, Math.min(12, (16 * 1024) / blockSize) - inline);
    const taken = Math.ceil(count / ratio) * ratio;
    const start = this.space.allocate(0, taken);
    for (let i = 0; i < count; i++) {
      const names: readonly [number, string][] = [
        [LOST_FOUND_INO, '.'],
        [EXT4_ROOT_INO, '..'],
      ];
      this.dirBlock(this.put(start + i), LOST_FOUND_INO, i === 0 ? names : []);
    }
    const run = { start, len: count };
    // Root's, whoever the root directory belongs to.
    this.mapped({
      number: LOST_FOUND_INO,
      mode: S_IFDIR | 0o700,
      links: 2,
      runs: [run],
      size: count * blockSize,
      taken,
    });
  }

  private rootBlock(owner: NewInode['owner'], mode: number): void {
    const { blockSize, ratio } = this.plan;
    const start = this.space.allocate(0, ratio);
    this.dirBlock(this.put(start), EXT4_ROOT_INO, [
      [EXT4_ROOT_INO, '.'],
      [EXT4_ROOT_INO, '..'],
      [LOST_FOUND_INO, 'lost+found'],
    ]);
    this.mapped({
      number: EXT4_ROOT_INO,
      mode: S_IFDIR | mode,
      links: 3,
      runs: [{ start, len: 1 }],
      size: blockSize,
      taken: ratio,
      owner,
    });
  }

  /** One directory block: names, then one entry that takes the rest, then the checksum tail. */
  private dirBlock(data: Uint8Array, dirIno: number, names: readonly [number, string][]): void {
    const { blockSize, features } = this.plan;
    const b = rawBlock(data);
    const end = blockSize - (this.csum ? DirEntryTail.$size : 0);
    const type = hasFeature(features, 'filetype') ? EXT4_FT_DIR : 0;
    const entries: readonly [number, string][] = names.length > 0 ? names : [[0, '']];
    let at = 0;
    entries.forEach(([number, name], i) => {
      const last = i === entries.length - 1;
      const len = last ? end - at : (DirEntry2.$size + name.length + 3) & ~3;
      DirEntry2.inode.set(b.view, at, number);
      DirEntry2.rec_len.set(b.view, at, recLenToDisk(len, blockSize));
      DirEntry2.name_len.set(b.view, at, name.length);
      DirEntry2.file_type.set(b.view, at, number === 0 ? 0 : type);
      data.set(new TextEncoder().encode(name), at + DirEntry2.$size);
      at += len;
    });
    if (!this.csum) return;
    initDirEntryTail(b.view, end);
    setDirLeafCsum(inodeCsumSeed(this.csumSeed, dirIno, 0), b);
  }

  /** The journal: its super block, and an empty log behind it. */
  journal(uuid: Uint8Array): NewInode | null {
    const { journalBlocks, blockSize } = this.plan;
    if (journalBlocks === 0) return null;
    const runs = this.space.allocateRuns(this.journalGoal(), journalBlocks);
    this.journalRuns = runs;
    const view = rawBlock(this.put(runs[0]!.start)).view;
    const J = JournalSuperblock;
    J.h_magic.set(view, 0, JBD2_MAGIC_NUMBER);
    J.h_blocktype.set(view, 0, JBD2_SUPERBLOCK_V2);
    J.s_blocksize.set(view, 0, blockSize);
    J.s_maxlen.set(view, 0, journalBlocks);
    J.s_first.set(view, 0, 1);
    J.s_sequence.set(view, 0, 1);
    J.s_nr_users.set(view, 0, 1);
    J.s_uuid.set(view, 0, uuid);
    const size = journalBlocks * blockSize;
    return this.mapped({
      number: EXT4_JOURNAL_INO,
      mode: S_IFREG | 0o600,
      links: 1,
      runs,
      size,
      taken: journalBlocks,
    });
  }

  /** The first number that no inode has, behind those that are set aside. */
  private freeIno(): number {
    return this.lastIno + 1;
  }
  get lastIno(): number {
    return Math.max(LOST_FOUND_INO, ...this.inodes.map((i) => i.number));
  }

  /**
   * The block that says who has the file system mounted: nobody. 0 without the feature.
   * @source filesystems/ext4/mmp.rst
   */
  multiMount(time: number): number {
    const { plan } = this;
    if (plan.mmpInterval === 0) return 0;
    const nr = this.space.allocate(0, plan.ratio);
    const b = rawBlock(this.put(nr));
    Mmp.mmp_magic.set(b.view, 0, EXT4_MMP_MAGIC);
    Mmp.mmp_seq.set(b.view, 0, EXT4_MMP_SEQ_CLEAN);
    Mmp.mmp_time.set(b.view, 0, time);
    Mmp.mmp_nodename.set(b.view, 0, mmpNodeName());
    const interval = Math.max(plan.mmpInterval, EXT4_MMP_MIN_CHECK_INTERVAL);
    Mmp.mmp_check_interval.set(b.view, 0, interval);
    if (this.csum) setMmpCsum(this.csumSeed, b);
    return nr;
  }

  /**
   * The quota files, which know what root and lost+found take; call it when these are made. What
   * the file system needs for itself is nobody's. Inode numbers by kind, 0: none.
   */
  quotas(): readonly [number, number, number] {
    const numbers: [number, number, number] = [0, 0, 0];
    const owned = this.inodes.filter((i) => [EXT4_ROOT_INO, LOST_FOUND_INO].includes(i.number));
    for (const type of this.plan.quotas) {
      const usage = new Map<number, QuotaUse>();
      for (const { owner, sectors } of owned) {
        const id = [owner.uid, owner.gid, 0][type]!;
        const before = usage.get(id) ?? { inodes: 0, space: 0 };
        usage.set(id, { inodes: before.inodes + 1, space: before.space + sectors * 512 });
      }
      const number = [EXT4_USR_QUOTA_INO, EXT4_GRP_QUOTA_INO, this.freeIno()][type]!;
      const file = quotaFile(type, usage);
      const runs = this.place(file, quotaOrder(this.plan, file.length));
      this.mapped({
        number,
        mode: S_IFREG | 0o600,
        links: 1,
        runs,
        size: file.length,
        taken: this.clusters(runs),
        flags: EXT4_IMMUTABLE_FL,
      });
      numbers[type] = number;
    }
    return numbers;
  }

  /** Blocks for a file's bytes, taken in the order in which `order` names those of the file. */
  private place(file: Uint8Array, order: readonly number[]): Run[] {
    const { blockSize } = this.plan;
    const blocks = this.blocksOf(this.space.allocateRuns(0, order.length));
    const at = new Array<number>(order.length);
    order.forEach((lblk, i) => {
      at[lblk] = blocks[i]!;
      const bytes = file.subarray(lblk * blockSize, (lblk + 1) * blockSize);
      this.put(blocks[i]!).set(bytes);
    });
    return at.map((start) => ({ start, len: 1 })).reduce<Run[]>(joinRun, []);
  }
  private blocksOf(runs: readonly Run[]): number[] {
    return runs.flatMap((r) => Array.from({ length: r.len }, (_, i) => r.start + i));
  }
  /** Blocks that runs take, whole clusters. */
  private clusters(runs: readonly Run[]): number {
    const { ratio } = this.plan;
    return Math.ceil(runs.reduce((n, r) => n + r.len, 0) / ratio) * ratio;
  }

  /**
   * The orphan file, empty: slots of zero and a tail in every block. Its number, 0 without the
   * feature.
   * @source filesystems/ext4/orphan.rst, "Orphan file"
   */
  orphanFile(): number {
    const { orphanBlocks, blockSize } = this.plan;
    if (orphanBlocks === 0) return 0;
    const number = this.freeIno();
    const seed = inodeCsumSeed(this.csumSeed, number, 0);
    const runs = this.space.allocateRuns(0, orphanBlocks);
    for (const nr of this.blocksOf(runs)) {
      const b = rawBlock(this.put(nr));
      OrphanBlockTail.ob_magic.set(b.view, orphanTailOffset(blockSize), EXT4_ORPHAN_BLOCK_MAGIC);
      if (this.csum) setOrphanBlockCsum(seed, nr, b);
    }
    this.mapped({
      number,
      mode: S_IFREG | 0o600,
      links: 1,
      runs,
      size: orphanBlocks * blockSize,
      taken: this.clusters(runs),
    });
    return number;
  }

  /** The middle of the device, in the group around it that has most room. */
  private journalGoal(): number {
    const { plan, space } = this;
    // mke2fs looks for the middle only where extents can describe what it finds there.
    if (!hasFeature(plan.features, 'extent')) return 0;
    const middle = Math.floor((plan.blocksCount - plan.firstDataBlock) / 2);
    let group = Math.floor((middle - plan.firstDataBlock) / plan.blocksPerGroup);
    let start = Math.max(0, group - 1);
    if (plan.flex > 1 && group > plan.flex) {
      group -= group % plan.flex;
      while (group < plan.groupsCount && space.freeClusters(group) === 0) group++;
      if (group === plan.groupsCount) group = 0;
      start = group;
    }
    const end = Math.min(group + 1, plan.groupsCount - 1);
    let best = start;
    for (let g = start + 1; g <= end; g++) {
      if (space.freeClusters(g) > space.freeClusters(best)) best = g;
    }
    return groupStart(plan, best);
  }

  /**
   * The resize inode: a double indirect block whose entries are the reserved descriptor blocks of
   * group 0, each listing its copies in the other groups.
   */
  resize(): void {
    const { plan } = this;
    if (!hasFeature(plan.features, 'resize_inode')) return;
    const slots = plan.blockSize / 4;
    const iBlock = new Uint8Array(60);
    // The double indirect block is there even where no descriptor block is kept in reserve.
    const dindNr = this.space.allocate(0, plan.ratio);
    const dind = rawBlock(this.put(dindNr)).view;
    new DataView(iBlock.buffer).setUint32(13 * 4, dindNr, true);
    const copies: number[] = [];
    for (let g = 1; g < plan.groupsCount; g++) if (hasSuper(plan, g)) copies.push(g);
    for (let i = 0; i < plan.reservedGdt; i++) {
      const offset = 1 + plan.gdtBlocks + i;
      const nr = superAt(plan, 0) + offset;
      dind.setUint32(((plan.gdtBlocks + i) % slots) * 4, nr, true);
      const list = rawBlock(this.put(nr)).view;
      copies.forEach((g, k) => {
        list.setUint32(k * 4, groupStart(plan, g) + offset, true);
      });
    }
    const blocks = 1 + plan.reservedGdt * (1 + copies.length);
    const size = (slots * slots + slots + 12) * plan.blockSize;
    this.inodes.push({
      number: EXT4_RESIZE_INO,
      mode: S_IFREG | 0o600,
      links: 1,
      size,
      sectors: this.sectorsOf(blocks * plan.ratio),
      flags: 0,
      iBlock,
      owner: ROOT,
    });
  }

  /** An inode over runs of blocks, by extents or by pointers. */
  private mapped(file: Mapped): NewInode {
    const { number, mode, links, runs, size, taken } = file;
    const iBlock = new Uint8Array(60);
    const extents = hasFeature(this.plan.features, 'extent');
    const extra = extents
      ? this.extentMap(iBlock, number, runs)
      : this.pointerMap(iBlock, this.blocksOf(runs));
    const inode: NewInode = {
      number,
      mode,
      links,
      size,
      sectors: this.sectorsOf(taken + extra),
      flags: (file.flags ?? 0) | (extents ? EXT4_EXTENTS_FL : 0),
      iBlock,
      owner: file.owner ?? ROOT,
    };
    this.inodes.push(inode);
    return inode;
  }

  /** Extents in i_block, or in one leaf below it. Returns the blocks the map itself takes. */
  private extentMap(iBlock: Uint8Array, number: number, runs: readonly Run[]): number {
    const pieces = splitRuns(runs);
    const root = new DataView(iBlock.buffer);
    if (pieces.length <= 4) {
      fillLeaf(root, 4, pieces);
      return 0;
    }
    const tail = this.csum ? ExtentTail.$size : 0;
    const room = extentCapacity(this.plan.blockSize - tail);
    assert(pieces.length <= room, 'a map of two levels holds a journal');
    const { ratio } = this.plan;
    const nr = this.space.allocate(runs[0]!.start - ratio, ratio);
    const b = rawBlock(this.put(nr));
    fillLeaf(b.view, room, pieces);
    if (this.csum) setExtentBlockCsum(inodeCsumSeed(this.csumSeed, number, 0), b);
    header(root, 1, 4, 1);
    ExtentIdx.ei_block.set(root, ExtentHeader.$size, 0);
    setIdxLeaf(root, ExtentHeader.$size, nr);
    return ratio;
  }

  /** Direct, indirect, double indirect. Returns the blocks the map itself takes. */
  private pointerMap(iBlock: Uint8Array, data: readonly number[]): number {
    const slots = this.plan.blockSize / 4;
    const root = new DataView(iBlock.buffer);
    let meta = 0;
    const table = (list: readonly number[]): number => {
      meta++;
      const nr = this.space.allocate(data[0]!, this.plan.ratio);
      const view = rawBlock(this.put(nr)).view;
      list.forEach((p, i) => {
        view.setUint32(i * 4, p, true);
      });
      return nr;
    };
    data.slice(0, 12).forEach((p, i) => {
      root.setUint32(i * 4, p, true);
    });
    const level = (list: readonly number[], depth: number): number =>
      depth === 0
        ? table(list)
        : table(chunks(list, slots ** depth).map((c) => level(c, depth - 1)));
    let from = 12;
    for (let depth = 0; depth < 3 && from < data.length; depth++) {
      const span = slots ** (depth + 1);
      root.setUint32((12 + depth) * 4, level(data.slice(from, from + span), depth), true);
      from += span;
    }
    return meta;
  }

  /** The inode table blocks of group 0 as far as they are used. */
  tableBlocks(tableStart: number, time: number): BlockImage {
    const { blockSize, inodeSize } = this.plan;
    const image = new Map<number, Uint8Array>();
    const { lastIno } = this;
    const count = Math.ceil((lastIno * inodeSize) / blockSize);
    for (let i = 0; i < count; i++) image.set(tableStart + i, new Uint8Array(blockSize));
    for (let number = 1; number <= lastIno; number++) {
      const offset = (number - 1) * inodeSize;
      const data = image.get(tableStart + Math.floor(offset / blockSize))!;
      const inode = this.inodes.find((i) => i.number === number);
      this.writeInode(data, offset % blockSize, number, inode ?? null, time);
    }
    return image;
  }

  private writeInode(
    data: Uint8Array,
    at: number,
    number: number,
    i: NewInode | null,
    time: number,
  ): void {
    const b = rawBlock(data);
    const v = b.view;
    const { inodeSize, blockSize, features } = this.plan;
    const extra = inodeSize > EXT4_GOOD_OLD_INODE_SIZE && i ? 32 : 0;
    // Inode 1 lists bad blocks: it is empty, but it has a time.
    if (i || number === 1) {
      for (const t of ['atime', 'ctime', 'mtime'] as const) {
        setInodeTime(v, at, extra, t, { sec: time, nsec: 0 });
      }
    }
    if (i) {
      if (extra) Inode.i_extra_isize.set(v, at, extra);
      if (extra) setInodeTime(v, at, extra, 'crtime', { sec: time, nsec: 0 });
      Inode.i_mode.set(v, at, i.mode);
      Inode.i_links_count.set(v, at, i.links);
      Inode.i_flags.set(v, at, i.flags);
      setIUid(v, at, i.owner.uid);
      setIGid(v, at, i.owner.gid);
      setISize(v, at, i.size);
      setIBlocks(v, at, hasFeature(features, 'huge_file'), Math.log2(blockSize), i.sectors);
      Inode.i_block.set(v, at, i.iBlock);
    }
    if (this.csum) setInodeCsum(inodeCsumSeed(this.csumSeed, ino(number), 0), b, at, inodeSize);
  }
}

/** Runs with one more, joined to the last one where they touch. */
function joinRun(runs: Run[], { start, len }: Run): Run[] {
  const last = runs.at(-1);
  if (!last || last.start + last.len !== start) return [...runs, { start, len }];
  return [...runs.slice(0, -1), { start: last.start, len: last.len + len }];
}

interface Piece extends Run {
  readonly lblk: number;
}

/** Runs cut to the longest extent, with their place in the file. */
function splitRuns(runs: readonly Run[]): Piece[] {
  const pieces: Piece[] = [];
  let lblk = 0;
  for (const run of runs) {
    for (let done = 0; done < run.len; done += EXT_INIT_MAX_LEN) {
      const len = Math.min(EXT_INIT_MAX_LEN, run.len - done);
      pieces.push({ start: run.start + done, len, lblk });
      lblk += len;
    }
  }
  return pieces;
}

function header(view: DataView, entries: number, max: number, depth: number): void {
  ExtentHeader.eh_magic.set(view, 0, EXT4_EXT_MAGIC);
  ExtentHeader.eh_entries.set(view, 0, entries);
  ExtentHeader.eh_max.set(view, 0, max);
  ExtentHeader.eh_depth.set(view, 0, depth);
}

function fillLeaf(view: DataView, max: number, pieces: readonly Piece[]): void {
  header(view, pieces.length, max, 0);
  pieces.forEach((p, i) => {
    const at = ExtentHeader.$size + i * Extent.$size;
    Extent.ee_block.set(view, at, p.lblk);
    Extent.ee_len.set(view, at, p.len);
    setExtentStart(view, at, p.start);
  });
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size));
  return out;
}
