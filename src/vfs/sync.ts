/**
 * fsync, fdatasync, syncfs: from "in the cache" to "on the medium", and the errors on the way.
 * @source fs/sync.c, mm/filemap.c:file_write_and_wait_range(), fsync(2)
 */
import { errno, FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { filemapFdatawaitRange, filemapFdatawriteRange } from '../mm/filemap.ts';
import { type File, O_PATH } from './file.ts';
import { syncInodeMetadata, syncInodesSb } from './fs-writeback.ts';
import { I_DIRTY_DATASYNC, I_DIRTY_INODE } from './inode.ts';
import type { SuperBlock } from './super.ts';

/** @param end  last byte, inclusive. @throws EBADF; EINVAL cannot be synced; EIO, ENOSPC, EROFS */
export function* vfsFsyncRange(
  file: File,
  start: number,
  end: number,
  datasync: boolean,
): Op<void> {
  trace('vfs:vfsFsyncRange');
  if (file.flags & O_PATH) throw errno('EBADF');
  const { fsync } = file.inode.fops;
  if (!fsync) throw errno('EINVAL', { ino: file.inode.ino });
  yield* fsync(file, start, end, datasync);
}

/**
 * Write the file's dirty pages and wait. An error of write-back, whoever's it was, is told to each
 * opener once: later calls through the same file succeed (fsync(2), "EIO").
 * @throws EIO, ENOSPC, EDQUOT
 */
export function* fileWriteAndWaitRange(file: File, start: number, end: number): Op<void> {
  trace('vfs:fileWriteAndWaitRange');
  const { mapping } = file.inode;
  try {
    yield* filemapFdatawriteRange(mapping, start, end);
    yield* filemapFdatawaitRange(mapping, start, end);
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    mapping.wbErr.set(e);
  }
  const error = mapping.wbErr.checkAndAdvance(file);
  if (error) throw error;
}

/** fsync for a file system without a journal: pages, then the inode, then the device's cache. */
export function* genericFsync(file: File, start: number, end: number, datasync: boolean): Op<void> {
  const { inode } = file;
  yield* fileWriteAndWaitRange(file, start, end);
  const needed = datasync ? I_DIRTY_DATASYNC : I_DIRTY_INODE;
  if (inode.state & needed) yield* syncInodeMetadata(inode, true);
  yield* inode.sb.device.flush();
}

/**
 * s_umount held, shared or exclusive. One failure stops nothing: the metadata goes all the same.
 */
export function* syncFilesystemLocked(sb: SuperBlock): Op<void> {
  if (sb.readOnly) return;
  let first: unknown = null;
  try {
    yield* syncInodesSb(sb);
  } catch (e) {
    first = e;
  }
  try {
    yield* sb.sops.syncFs(true);
  } catch (e) {
    first ??= e;
  }
  // What the flusher failed to write since the last sync: nobody else may have been told.
  first ??= sb.wbErr.checkAndAdvance(sb.told);
  sb.wbErr.checkAndAdvance(sb.told);
  if (first !== null) throw first as Error;
}

/** Everything of one file system: data, then inodes, then the file system's own. */
export function* syncFilesystem(sb: SuperBlock): Op<void> {
  const { umountLock } = sb;
  if (!umountLock.tryShared()) yield* umountLock.lockShared();
  try {
    yield* syncFilesystemLocked(sb);
  } finally {
    umountLock.unlockShared();
  }
}
