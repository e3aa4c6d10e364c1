/**
 * Open regular files: cached reads, buffered writes, fsync, seeking, allocation.
 * @source fs/ext4/file.c
 */
import { errno, FsError } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import type { Op } from '../../sched/op.ts';
import { iomapFileBufferedWrite, iomapZeroRange } from '../../iomap/buffered-write.ts';
import { iomapFiemap, iomapSeekData, iomapSeekHole } from '../../iomap/seek.ts';
import { filemapRead, filemapReadNowait } from '../../mm/filemap.ts';
import type { IovIter } from '../../mm/iov-iter.ts';
import { fileModified } from '../../vfs/attr.ts';
import type { File, FileOperations } from '../../vfs/file.ts';
import { I_DIRTY_DATASYNC, I_DIRTY_INODE, type Inode } from '../../vfs/inode.ts';
import { syncInodeMetadata } from '../../vfs/fs-writeback.ts';
import { genericLlseek, genericWriteChecks, SEEK_DATA, SEEK_HOLE } from '../../vfs/read-write.ts';
import type { FiemapExtent } from '../../vfs/inode.ts';
import { fileWriteAndWaitRange } from '../../vfs/sync.ts';
import { EXT4_ENCRYPT_FL, EXT4_INLINE_DATA_FL, EXT4_VERITY_FL } from './disk/inode.ts';
import { withHandle } from './ext4-jbd2.ts';
import { checkFallocate, ext4Fallocate } from './fallocate.ts';
import { ext4ConvertInlineData, ext4InlineWrite, mayWriteInline } from './inline-write.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4DiscardPreallocations } from './mballoc.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4IomapOps } from './iomap.ts';

const of = (file: File): Ext4Inode => file.inode as Ext4Inode;

/** What no writer may do to this file. @throws EROFS, ENOKEY, EPERM */
function checkWritable(inode: Ext4Inode): void {
  if (inode.sb.readOnly) throw errno('EROFS');
  if (inode.hasFlag(EXT4_ENCRYPT_FL)) throw errno('ENOKEY', { ino: inode.ino });
  if (inode.hasFlag(EXT4_VERITY_FL)) throw errno('EPERM', { ino: inode.ino }, 'verity file');
}

/**
 * A write behind the end exposes the rest of the old last block: zero it first (INV-7).
 * @context i_rwsem exclusive.
 */
export function* zeroOldTail(inode: Ext4Inode, upTo: number): Op<void> {
  const { size } = inode;
  const bs = inode.sb.blockSize;
  const end = Math.min(upTo, Math.ceil(size / bs) * bs);
  if (end > size) yield* iomapZeroRange(inode, size, end - size, ext4IomapOps);
}

/** i_rwsem exclusive held. */
function* writeLocked(file: File, iter: IovIter, where: number): Op<number> {
  const inode = of(file);
  const asked = iter.count;
  const pos = genericWriteChecks(file, iter, where);
  checkWritable(inode);
  const { count } = iter;
  if (count === 0) return 0;
  yield* fileModified(file);
  try {
    const done = yield* writeBytes(file, iter, pos);
    yield* storeInode(inode);
    return done;
  } catch (e) {
    // What was allocated before the failure is in the inode; the first error is the one to tell.
    try {
      yield* storeInode(inode);
    } catch (second) {
      if (!(second instanceof FsError)) throw second;
    }
    throw e;
  } finally {
    iter.count += asked - count;
  }
}

/** Inline if it fits, else through the page cache. */
function* writeBytes(file: File, iter: IovIter, pos: number): Op<number> {
  const inode = of(file);
  if (mayWriteInline(inode, pos, iter.count)) {
    const done = yield* ext4InlineWrite(inode, iter, pos);
    if (done > 0) return done;
  }
  if (inode.hasFlag(EXT4_INLINE_DATA_FL)) yield* ext4ConvertInlineData(inode);
  if (pos > inode.size) yield* zeroOldTail(inode, pos);
  return yield* iomapFileBufferedWrite(file, iter, pos, ext4IomapOps);
}

/** Times and block count; i_disksize follows the data (protocols C.11). */
function* storeInode(inode: Ext4Inode): Op<void> {
  yield* withHandle(inode.sb, 'inode', (handle) => ext4MarkInodeDirty(handle, inode));
}

export const ext4FileOperations: FileOperations = {
  // Nothing to wait for: the key is never there.
  *open(inode, file) {
    const ei = inode as Ext4Inode;
    if (ei.hasFlag(EXT4_ENCRYPT_FL)) throw errno('ENOKEY', { ino: inode.ino });
    if (ei.hasFlag(EXT4_VERITY_FL) && file.writable) {
      throw errno('EPERM', { ino: inode.ino }, 'verity files are never written');
    }
  },
  *release(inode, file) {
    // The last writer leaves: what it laid claim to is for others.
    if (file.writable && inode.writeCount <= 1) ext4DiscardPreallocations(inode as Ext4Inode);
  },
  readIter(file, iter, pos) {
    trace('fs/ext4:ext4FileOperations.readIter');
    return filemapRead(file.inode.mapping, file.ra, iter, pos);
  },
  readNowait(file, iter, pos) {
    trace('fs/ext4:ext4FileOperations.readNowait');
    return filemapReadNowait(file.inode.mapping, file.ra, iter, pos);
  },
  *writeIter(file, iter, pos) {
    trace('fs/ext4:ext4FileOperations.writeIter');
    const { rwsem } = file.inode;
    if (!rwsem.tryExclusive()) yield* rwsem.lockExclusive();
    try {
      return yield* writeLocked(file, iter, pos);
    } finally {
      rwsem.unlockExclusive();
    }
  },
  fsync: ext4Fsync,
  llseek: ext4Llseek,
  *fallocate(file, mode, offset, length) {
    const inode = of(file);
    const { rwsem } = inode;
    if (!rwsem.tryExclusive()) yield* rwsem.lockExclusive();
    try {
      checkWritable(inode);
      checkFallocate(inode, mode, offset, length);
      if (inode.hasFlag(EXT4_INLINE_DATA_FL)) yield* ext4ConvertInlineData(inode);
      const end = offset + length;
      if (end > inode.size) yield* zeroOldTail(inode, end);
      yield* fileModified(file);
      yield* ext4Fallocate(inode, mode, offset, length);
    } finally {
      rwsem.unlockExclusive();
    }
  },
};

/**
 * The file's data and what is needed to find it are on the medium on return.
 * @throws EIO, ENOSPC: once for each opener
 */
export function* ext4Fsync(file: File, start: number, end: number, datasync: boolean): Op<void> {
  trace('fs/ext4:ext4Fsync');
  const { inode } = file;
  const { sb } = of(file);
  yield* fileWriteAndWaitRange(file, start, end);
  if (sb.readOnly) {
    if (sb.journal.aborted) throw errno('EROFS', {}, 'the journal was aborted');
    return;
  }
  const needed = datasync ? I_DIRTY_DATASYNC : I_DIRTY_INODE;
  if (inode.state & needed) yield* syncInodeMetadata(inode, true);
  yield* sb.journal.commitTid(datasync ? of(file).datasyncTid : of(file).syncTid);
}

function* ext4Llseek(file: File, offset: number, whence: number): Op<number> {
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return genericLlseek(file, offset, whence);
  const { inode } = file;
  if (!inode.rwsem.tryShared()) yield* inode.rwsem.lockShared();
  try {
    return whence === SEEK_DATA
      ? yield* iomapSeekData(inode, offset, ext4IomapOps)
      : yield* iomapSeekHole(inode, offset, ext4IomapOps);
  } finally {
    inode.rwsem.unlockShared();
  }
}

/** InodeOperations.fiemap. @source fs/ext4/extents.c:ext4_fiemap() */
export function* ext4Fiemap(
  inode: Inode,
  start: number,
  length: number,
  visit: (e: FiemapExtent) => boolean,
): Op<void> {
  if (!inode.rwsem.tryShared()) yield* inode.rwsem.lockShared();
  try {
    yield* iomapFiemap(inode, start, length, ext4IomapOps, visit);
  } finally {
    inode.rwsem.unlockShared();
  }
}
