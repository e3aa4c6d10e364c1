/**
 * One inode while fast commits are replayed: what the records make of it is gathered in memory, and
 * goes to its place once, when all records are known. So nothing is allocated while it is not yet
 * clear which blocks are taken, and a record that a later one overrides costs nothing.
 * @source fs/ext4/fast_commit.c: ext4_fc_replay_inode(), ext4_fc_set_bitmaps_and_counters()
 */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../base/mode.ts';
import { type Ino, pblk as toPblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { I_NEW } from '../../vfs/inode.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { inodeCsumSeed, setInodeCsum } from './checksum.ts';
import { EXT4_EXT_MAGIC, EXT_MAX_BLOCKS, extentCapacity, ExtentHeader } from './disk/extent.ts';
import {
  EXT4_EXTENTS_FL,
  EXT4_FAST_SYMLINK_SIZE,
  EXT4_INLINE_DATA_FL,
  Inode,
  iSize,
} from './disk/inode.ts';
import { ExtentList } from './extent-list.ts';
import { ext4ExtRemoveSpace, ext4ExtTreeInit } from './extents-change.ts';
import { ext4ExtInsert } from './extents-edit.ts';
import type { ExtentEntry } from './extents.ts';
import { ext4GetWriteAccess, withHandle } from './ext4-jbd2.ts';
import type { RangeRecord } from './fast-commit-read.ts';
import { ext4InodeInUse, ext4TakeInode } from './ialloc.ts';
import { ext4IndCreateBlocks, ext4IndRemoveSpace } from './indirect-change.ts';
import type { Ext4Inode } from './inode-info.ts';
import {
  ext4AllocInode,
  ext4DoUpdateInode,
  ext4GetInodeLoc,
  ext4Iget,
  ext4InodeIsFastSymlink,
  ext4MarkInodeDirty,
  ext4ReadAgain,
} from './inode.ts';
import { ext4MarkBlocks } from './mballoc.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

export class ReplayedInode {
  readonly sb: Ext4SuperBlock;
  readonly ino: Ino;
  /** As it is on the disk, referenced; null: not in use there. */
  inode: Ext4Inode | null = null;
  nlink = 0;
  /** The last record, which stops where the fields of the inode do. */
  private raw: DataView | null = null;
  private generation = 0;
  private readonly extents = new ExtentList();
  /** Its blocks have changed. */
  private moved = false;
  /** What is on the disk under this number is another file's, of an earlier time. */
  private reborn = false;

  private constructor(sb: Ext4SuperBlock, ino: Ino) {
    this.sb = sb;
    this.ino = ino;
  }

  /** @throws EUCLEAN the inode that is in use is damaged; EIO */
  static *load(sb: Ext4SuperBlock, ino: Ino): Op<ReplayedInode> {
    const self = new ReplayedInode(sb, ino);
    if (!(yield* ext4InodeInUse(sb, ino))) return self;
    const inode = yield* ext4Iget(sb, ino, { special: true });
    self.inode = inode;
    self.nlink = inode.nlink;
    self.generation = inode.generation;
    if (!inode.isDir && mapsBlocks(inode)) yield* self.extents.read(inode);
    return self;
  }

  get exists(): boolean {
    return this.inode !== null || this.raw !== null;
  }
  get mode(): number {
    return this.raw ? Inode.i_mode.get(this.raw, 0) : (this.inode?.mode ?? 0);
  }
  get isDir(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  /** Its record became this. */
  become(raw: Uint8Array): void {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    const generation = Inode.i_generation.get(view, 0);
    if (this.exists && generation !== this.generation) {
      this.reborn = this.inode !== null;
      this.moved = true;
      this.extents.clear();
    }
    this.raw = view;
    this.generation = generation;
    this.nlink = Inode.i_links_count.get(view, 0);
  }

  /** A range of it is mapped anew, or not at all. */
  changeRange(record: RangeRecord): void {
    this.moved = true;
    const { kind, lblk, len, pblk, unwritten } = record;
    const end = Math.min(lblk + len, EXT_MAX_BLOCKS);
    if (kind === 'delete') this.extents.remove(lblk, end);
    else if (end > lblk) this.extents.put({ lblk, len: end - lblk, pblk: toPblk(pblk), unwritten });
  }

  /** Nothing of it stays: it was on its way out before, and orphan cleanup ends that. */
  private get passing(): boolean {
    return this.inode !== null && !this.reborn && this.inode.nlink === 0 && this.nlink === 0;
  }
  /** It goes on, or begins to. */
  private get stays(): boolean {
    return this.exists && this.nlink > 0;
  }

  /** What is on the disk under this number goes, wholly and now. */
  *bury(): Op<void> {
    const { inode } = this;
    this.inode = null;
    this.reborn = false;
    if (!inode) return;
    inode.nlink = 0;
    yield* iput(inode);
  }

  /** A directory was removed: nothing is left under this number, until a record says otherwise. */
  forget(): void {
    this.inode = null;
    this.raw = null;
    this.nlink = 0;
    this.reborn = false;
  }

  get isReborn(): boolean {
    return this.reborn;
  }

  /**
   * First: the blocks that it had are nobody's. What is deleted goes wholly.
   */
  *letGo(): Op<void> {
    const { inode, sb } = this;
    if (!inode || this.passing || this.isDir) return;
    if (!this.stays || this.reborn) {
      yield* this.bury();
      return;
    }
    if (!this.moved && !this.raw) return;
    if (!mapsBlocks(inode)) return;
    yield* withHandle(sb, 'truncate', function* (handle): Op<void> {
      if (inode.hasFlag(EXT4_EXTENTS_FL)) {
        yield* ext4ExtRemoveSpace(handle, inode, 0, EXT_MAX_BLOCKS);
      } else yield* ext4IndRemoveSpace(handle, inode, 0);
      yield* ext4MarkInodeDirty(handle, inode);
    });
  }

  /** Then: the blocks that it has now are taken. */
  *claim(handle: Handle): Op<void> {
    if (!this.stays || this.passing || this.isDir) return;
    for (const e of this.extents.all) {
      yield* ext4MarkBlocks(handle, this.sb, e.pblk, e.len, true);
    }
  }

  /** Last: its record and its tree. */
  *settle(): Op<void> {
    if (!this.stays || this.passing || this.isDir) return;
    const self = this;
    yield* withHandle(this.sb, 'create', function* (handle): Op<void> {
      const inode = yield* self.materialise(handle);
      inode.nlink = self.nlink;
      if (mapsBlocks(inode)) yield* self.grow(handle, inode);
      yield* ext4MarkInodeDirty(handle, inode);
    });
  }

  private *grow(handle: Handle, inode: Ext4Inode): Op<void> {
    if (!inode.dataSem.tryExclusive()) yield* inode.dataSem.lockExclusive();
    try {
      inode.es.clear();
      inode.blocks = this.ownBlocks(inode) * (this.sb.blockSize / 512);
      if (inode.hasFlag(EXT4_EXTENTS_FL)) {
        ext4ExtTreeInit(inode);
        for (const e of this.extents.all) yield* ext4ExtInsert(handle, inode, e);
      } else for (const e of this.extents.all) yield* insertIndirect(handle, inode, e);
    } finally {
      inode.dataSem.unlockExclusive();
    }
  }

  /** Blocks of its data and of its attributes. */
  private ownBlocks(inode: Ext4Inode): number {
    const ratio = 2 ** this.sb.geo.clusterBits;
    const attributes = inode.fileAcl === 0 ? 0 : ratio;
    const data = this.extents.all;
    if (ratio === 1) return data.reduce((sum, e) => sum + e.len, attributes);
    const clusters = new Set<number>();
    for (const e of data) {
      for (let nr = e.pblk - (e.pblk % ratio); nr < e.pblk + e.len; nr += ratio) clusters.add(nr);
    }
    return clusters.size * ratio + attributes;
  }

  /**
   * The inode with the record in its place, its number taken; of its blocks it knows nothing yet.
   */
  *materialise(handle: Handle): Op<Ext4Inode> {
    const { sb, ino, raw } = this;
    const fresh = this.inode === null;
    const inode = this.inode ?? ext4AllocInode(sb, ino);
    this.inode = inode;
    if (fresh) {
      if (!(yield* ext4InodeInUse(sb, ino))) yield* ext4TakeInode(handle, sb, ino, this.isDir);
      inode.blockGroup = Math.floor((ino - 1) / sb.geo.inodesPerGroup);
      sb.inodes.set(ino, inode);
      inode.state &= ~I_NEW;
    }
    if (!raw) return inode;
    // What the handle still has to store of the old one would go over the new one.
    handle.runDeferred();
    const { bh, at } = yield* ext4GetInodeLoc(inode);
    try {
      yield* ext4GetWriteAccess(handle, bh);
      const record = bh.data.subarray(at, at + sb.geo.inodeSize);
      const dtime = fresh ? 0 : Inode.i_dtime.get(bh.view, at);
      if (fresh) record.fill(0);
      storeRecord(bh.view, at, raw);
      // It is the link of the list of orphans while the inode is on it.
      Inode.i_dtime.set(bh.view, at, dtime);
      const seed = inodeCsumSeed(sb.csumSeed, ino, this.generation);
      if (sb.has.metadataCsum) setInodeCsum(seed, bh, at, sb.geo.inodeSize);
      handle.journal.dirtyMetadata(handle, bh);
      yield* ext4ReadAgain(inode);
      ext4DoUpdateInode(handle, inode, { bh, at });
    } finally {
      bh.put();
    }
    return inode;
  }
}

/** Does i_block map blocks? Else it is a device's number, a short target, or data. */
const mapsBlocks = (inode: Ext4Inode): boolean =>
  (inode.isReg || inode.isDir || inode.isLnk) &&
  !inode.hasFlag(EXT4_INLINE_DATA_FL) &&
  !ext4InodeIsFastSymlink(inode);

function* insertIndirect(handle: Handle, inode: Ext4Inode, e: ExtentEntry): Op<void> {
  for (let done = 0; done < e.len;) {
    const at = toPblk(e.pblk + done);
    done += (yield* ext4IndCreateBlocks(handle, inode, e.lblk + done, e.len - done, at)).len;
  }
}

/** The record's fields; where they map blocks, an empty map stands instead. */
function storeRecord(view: DataView, at: number, raw: DataView): void {
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
  new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes);
  const flags = Inode.i_flags.get(view, at);
  if ((flags & EXT4_INLINE_DATA_FL) !== 0) return;
  const root = at + Inode.i_block.offset;
  if ((flags & EXT4_EXTENTS_FL) === 0) {
    const type = Inode.i_mode.get(view, at) & S_IFMT;
    const short = type === S_IFLNK && iSize(view, at) < EXT4_FAST_SYMLINK_SIZE;
    if (type === S_IFREG || type === S_IFDIR || (type === S_IFLNK && !short)) {
      Inode.i_block.get(view, at).fill(0);
    }
    return;
  }
  Inode.i_block.get(view, at).fill(0);
  ExtentHeader.eh_magic.set(view, root, EXT4_EXT_MAGIC);
  ExtentHeader.eh_max.set(view, root, extentCapacity(Inode.i_block.size));
}
