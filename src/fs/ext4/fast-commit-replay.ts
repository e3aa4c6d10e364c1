/**
 * Replaying fast commits: each record says what became of something, and is made so.
 *
 *   names      at once, in the directories themselves, which nothing else here changes
 *   inodes     gathered (fast-commit-inode.ts), then in three steps for all of them: what they had
 *              is free, what they have is taken, trees and records are written
 *
 * Blocks that any record maps are taken before anything is allocated, so that a directory that
 * grows does not grow into them. Everything may be done again on what it has done.
 * @source fs/ext4/fast_commit.c: ext4_fc_replay()
 */
import { corrupted } from '../../base/errno.ts';
import { ino, type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { FcAddRange, FcDentryInfo } from '../../jbd2/disk.ts';
import { ext4AddEntry, ext4InitNewDir } from './dir-add.ts';
import { ext4DeleteEntry, ext4FindEntry } from './dir-search.ts';
import { EXT4_EXTENTS_FL, EXT4_INDEX_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { withHandle } from './ext4-jbd2.ts';
import { ext4ExtTreeInit } from './extents-change.ts';
import { ReplayedInode } from './fast-commit-inode.ts';
import type { FastCommitRecord, NameRecord, RangeRecord } from './fast-commit-read.ts';
import { Ext4Filename } from './filename.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget, ext4MarkInodeDirty } from './inode.ts';
import { ext4DecCount, ext4IncCount } from './links.ts';
import { ext4MarkBlocks } from './mballoc.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

class FastCommitReplay {
  private readonly sb: Ext4SuperBlock;
  private readonly nodes = new Map<number, ReplayedInode>();
  /** Directories in use, referenced. */
  private readonly dirs = new Map<number, Ext4Inode>();
  /** Runs that were free until a record was seen to map them. */
  private reserved: { pblk: Pblk; len: number }[] = [];

  constructor(sb: Ext4SuperBlock) {
    this.sb = sb;
  }

  *run(records: readonly FastCommitRecord[]): Op<void> {
    try {
      yield* this.reserve(records);
      for (const record of records) yield* this.apply(record);
      yield* this.settle();
    } finally {
      yield* this.letGo();
    }
  }

  private *reserve(records: readonly FastCommitRecord[]): Op<void> {
    const { sb } = this;
    for (const record of records) {
      if (record.kind !== 'add') continue;
      checkTarget(sb, record);
      const runs = yield* withHandle(sb, 'write', (handle) =>
        ext4MarkBlocks(handle, sb, pblk(record.pblk), record.len, true),
      );
      this.reserved.push(...runs);
    }
  }

  private *node(nr: number): Op<ReplayedInode> {
    let node = this.nodes.get(nr);
    if (!node) this.nodes.set(nr, (node = yield* ReplayedInode.load(this.sb, ino(nr))));
    return node;
  }

  private *apply(record: FastCommitRecord): Op<void> {
    const node = yield* this.node(record.ino);
    switch (record.kind) {
      case 'inode':
        node.become(record.raw);
        break;
      case 'add':
      case 'delete':
        if (node.exists && !node.isDir) node.changeRange(record);
        break;
      case 'create':
        if (node.isDir) yield* this.makeDir(node, record);
        else yield* this.addName(node, record);
        break;
      case 'link':
        if (yield* this.addName(node, record)) node.nlink++;
        break;
      case 'unlink':
        yield* this.removeName(node, record);
    }
  }

  /** @throws EUCLEAN no such directory; EIO */
  private *dir(nr: number): Op<Ext4Inode> {
    const known = this.dirs.get(nr);
    if (known) return known;
    const dir = yield* ext4Iget(this.sb, ino(nr));
    this.dirs.set(nr, dir);
    if (!dir.isDir) throw corrupted(FcDentryInfo.$name, 'fc_parent_ino', { got: nr });
    return dir;
  }

  /** False: the directory has the name already, from an earlier replay. */
  private *addName(node: ReplayedInode, record: NameRecord): Op<boolean> {
    if (!node.exists) return false;
    const dir = yield* this.dir(record.dir);
    const fname = new Ext4Filename(dir, record.name);
    const found = yield* ext4FindEntry(dir, fname);
    found?.put();
    if (found) return false;
    yield* withHandle(this.sb, 'create', (handle) => ext4AddEntry(handle, dir, fname, node));
    return true;
  }

  /** A name that another inode has by now was removed by an earlier replay. */
  private *removeName(node: ReplayedInode, record: NameRecord): Op<void> {
    if (!node.exists) return;
    const { sb } = this;
    const dir = yield* this.dir(record.dir);
    const found = yield* ext4FindEntry(dir, new Ext4Filename(dir, record.name));
    if (!found) return;
    try {
      if (found.ino !== record.ino) return;
      yield* withHandle(sb, 'unlink', function* (handle): Op<void> {
        yield* ext4DeleteEntry(handle, found);
        dir.mtime = dir.ctime = sb.now();
        if (node.isDir) ext4DecCount(dir);
        yield* ext4MarkInodeDirty(handle, dir);
      });
    } finally {
      found.put();
    }
    if (node.isDir) yield* this.removeDir(node);
    else if (node.nlink > 0) node.nlink--;
  }

  /** A new directory: its inode, its first entries, its name. What it holds is named later. */
  private *makeDir(node: ReplayedInode, record: NameRecord): Op<void> {
    const { sb } = this;
    const parent = yield* this.dir(record.dir);
    if (!(yield* this.addName(node, record))) return;
    if (node.isReborn) yield* node.bury();
    const dir = yield* withHandle(sb, 'mkdir', function* (handle): Op<Ext4Inode> {
      const inode = yield* node.materialise(handle);
      inode.iFlags &= ~(EXT4_INDEX_FL | EXT4_INLINE_DATA_FL);
      inode.iData.fill(0);
      if (sb.has.extents) {
        inode.iFlags |= EXT4_EXTENTS_FL;
        ext4ExtTreeInit(inode);
      }
      inode.blocks = 0;
      yield* ext4InitNewDir(handle, inode, parent.ino);
      ext4IncCount(parent);
      yield* ext4MarkInodeDirty(handle, parent);
      return inode;
    });
    this.dirs.set(dir.ino, dir);
  }

  /** It was empty when it was removed, so nothing else can refer to it: it goes at once. */
  private *removeDir(node: ReplayedInode): Op<void> {
    const dirs = [this.dirs.get(node.ino), node.inode];
    this.dirs.delete(node.ino);
    const refs = new Set(dirs.filter((d) => d !== null && d !== undefined));
    node.forget();
    for (const dir of refs) {
      dir.nlink = 0;
      while (dir.count > 1) yield* iput(dir);
      yield* iput(dir);
    }
  }

  /** Everything is known: free, take, write, each for all before the next. */
  private *settle(): Op<void> {
    const { sb, reserved } = this;
    const nodes = [...this.nodes.values()];
    for (const node of nodes) yield* node.letGo();
    for (const run of reserved) {
      yield* withHandle(sb, 'write', (handle) =>
        ext4MarkBlocks(handle, sb, run.pblk, run.len, false),
      );
    }
    for (const node of nodes) yield* withHandle(sb, 'write', (handle) => node.claim(handle));
    for (const node of nodes) yield* node.settle();
  }

  /** Drop all references. */
  private *letGo(): Op<void> {
    const held = new Set<Ext4Inode>();
    for (const { inode } of this.nodes.values()) if (inode) held.add(inode);
    for (const dir of this.dirs.values()) {
      // One reference a map.
      if (held.has(dir) && dir.count > 1) yield* iput(dir);
      held.add(dir);
    }
    for (const inode of held) yield* iput(inode);
  }
}

/** @throws EUCLEAN a range is mapped to what is no file's data */
function checkTarget(sb: Ext4SuperBlock, record: RangeRecord): void {
  const { pblk: start, len } = record;
  if (record.len > 0 && sb.zones.valid(start, len, record.ino)) return;
  throw corrupted(FcAddRange.$name, 'fc_ex', { ino: record.ino, lblk: record.lblk, pblk: start });
}

/**
 * Make the file system what the records say.
 * @throws EUCLEAN a record contradicts the file system; ENOSPC; EIO
 * @context Nobody else uses the mount, which may be written.
 */
export const replayFastCommits = (
  sb: Ext4SuperBlock,
  records: readonly FastCommitRecord[],
): Op<void> => new FastCommitReplay(sb).run(records);
