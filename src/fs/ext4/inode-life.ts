/**
 * Writing an inode that only the VFS knows to be dirty, and the end of an inode's life.
 * @source fs/ext4/inode.c: ext4_write_inode(), ext4_evict_inode()
 */
import { FsError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import { truncateInodePagesFinal } from '../../mm/truncate.ts';
import type { Inode } from '../../vfs/inode.ts';
import { ext4Error } from './error.ts';
import { ext4JournalStart, ext4JournalStop, withHandle } from './ext4-jbd2.ts';
import { ext4FreeInode } from './ialloc.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4InodeIsFastSymlink, ext4MarkInodeDirty } from './inode.ts';
import { ext4DiscardPreallocations } from './mballoc.ts';
import { ext4OrphanDel } from './orphan.ts';
import { ext4Truncate } from './truncate.ts';
import { ext4XattrDeleteInode } from './xattr.ts';

/**
 * Store the fields that were changed without a handle (times). Changes made inside handles are in
 * the table's buffer already.
 */
export function* ext4WriteInode(inode: Inode): Op<void> {
  const { sb } = inode as Ext4Inode;
  if (sb.readOnly) return;
  yield* withHandle(sb, 'inode', (handle) => ext4MarkInodeDirty(handle, inode as Ext4Inode));
}

/** A clean, linked inode leaves memory to make room. @context Does not sleep. */
export function ext4EvictCached(inode: Inode): boolean {
  const ei = inode as Ext4Inode;
  if (ei.orphan) return false;
  ext4DiscardPreallocations(ei);
  ei.es.clear();
  return true;
}

/**
 * The last reference is gone: the cache, and without links the blocks, attributes and number too.
 * An error leaves the inode on the orphan list, for e2fsck or the next mount.
 * @context May sleep. No handle is open.
 */
export function* ext4EvictInode(inode: Inode): Op<void> {
  const ei = inode as Ext4Inode;
  const { sb } = ei;
  yield* truncateInodePagesFinal(inode.mapping);
  ext4DiscardPreallocations(ei);
  if ((inode.nlink === 0 || ei.orphan) && !sb.readOnly) {
    try {
      if (inode.nlink === 0) yield* deleteInode(ei);
      else yield* cutToDisksize(ei);
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      ext4Error(sb, e);
    }
  }
  ei.es.clear();
}

/** Data that never reached the device: its blocks behind the size on disk go. */
function* cutToDisksize(inode: Ext4Inode): Op<void> {
  inode.size = inode.disksize;
  yield* ext4Truncate(inode);
}

function* deleteInode(inode: Ext4Inode): Op<void> {
  const { sb } = inode;
  // The text of a fast symlink is no map. With size 0 nothing tells the two apart any more, here
  // or at the next mount after a crash.
  if (ext4InodeIsFastSymlink(inode)) inode.iData.fill(0);
  inode.size = 0;
  yield* inodeEnd.truncate(inode);
  const handle = yield* ext4JournalStart(sb, 'unlink');
  try {
    // Freed after this inode, in handles of their own.
    sb.evictNext.push(...(yield* ext4XattrDeleteInode(handle, inode)));
    yield* ext4OrphanDel(handle, inode);
    inode.disksize = 0;
    inode.dtime = sb.now().sec;
    yield* ext4MarkInodeDirty(handle, inode);
    yield* ext4FreeInode(handle, inode);
  } finally {
    yield* ext4JournalStop(handle);
  }
}

/** A table, so that a mistake can be put in the place of a step. */
export const inodeEnd = { truncate: ext4Truncate };
