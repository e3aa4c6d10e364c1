/**
 * read(2), write(2), lseek(2), fallocate(2) on an open file.
 *
 * Reading is tried plainly first: what is cached is copied without a generator. Writing starts the
 * write level, lets the file system do the rest under i_rwsem, and syncs after that lock is
 * dropped.
 * @source fs/read_write.c, mm/filemap.c:generic_write_checks()
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { fallsShort, wentFast } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import type { IovIter } from '../mm/iov-iter.ts';
import { touchAtime } from './atime.ts';
import { type File, O_APPEND, O_DSYNC, O_NOATIME, O_PATH, O_SYNC } from './file.ts';
import { S_APPEND, S_IMMUTABLE, S_SYNC } from './inode.ts';
import { vfsFsyncRange } from './sync.ts';
import { endWrite, startWrite } from './writers.ts';

/** Linux: MAX_RW_COUNT, what one call transfers at most. */
export const MAX_RW_COUNT = 0x7ffff000;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;
const FALLOC_KNOWN = 0x7f;

function checkRead(file: File, pos: number): void {
  if (!file.readable) throw errno('EBADF');
  if (!file.inode.fops.readIter) throw errno(file.inode.isDir ? 'EISDIR' : 'EINVAL');
  if (pos < 0 || !Number.isSafeInteger(pos)) throw errno('EINVAL', { pos });
}

const accessed = (file: File): void => {
  if (!(file.flags & O_NOATIME)) touchAtime(file.inode);
};

/**
 * What is cached, if that is all there is to it: bytes read (0 at the end), or -1 where vfsRead()
 * is needed; the user's buffer may have been written to then. @context Does not sleep.
 * @throws EBADF, EISDIR, EINVAL
 */
export function vfsReadNowait(file: File, iter: IovIter, pos: number): number {
  trace('vfs:vfsReadNowait');
  checkRead(file, pos);
  const { inode } = file;
  const want = iter.count;
  if (want === 0) return 0;
  if (CHECKED && fallsShort('vfs.readNowait')) return -1;
  const done = inode.fops.readNowait?.(file, iter, pos) ?? 0;
  if (done < want && pos + done < inode.size) return -1;
  // At the end: only a regular file's size is the end of what can be read.
  if (done < want && !(inode.isReg && inode.fops.readNowait)) return -1;
  accessed(file);
  if (CHECKED) wentFast('vfs.readNowait');
  return done;
}

/** @returns bytes read, 0 at the end of the file. @throws EBADF, EISDIR, EINVAL, EIO */
export function* vfsRead(file: File, iter: IovIter, pos: number): Op<number> {
  trace('vfs:vfsRead');
  checkRead(file, pos);
  const { readIter } = file.inode.fops;
  if (iter.count === 0 || !readIter) return 0;
  const done = yield* readIter(file, iter, pos);
  accessed(file);
  return done;
}

/**
 * @param pos  ignored with O_APPEND: file.writtenAt tells where the bytes went
 * @throws EBADF, EINVAL, EFBIG, EROFS, ENOSPC, EIO
 */
export function* vfsWrite(file: File, iter: IovIter, pos: number): Op<number> {
  trace('vfs:vfsWrite');
  const { inode } = file;
  const { writeIter } = inode.fops;
  if (!file.writable) throw errno('EBADF');
  if (!writeIter) throw errno('EINVAL');
  if (pos < 0 || !Number.isSafeInteger(pos)) throw errno('EINVAL', { pos });
  if (iter.count === 0) return 0;
  yield* startWrite(inode.sb);
  let done: number;
  try {
    file.writtenAt = pos;
    done = yield* writeIter(file, iter, pos);
  } finally {
    endWrite(inode.sb);
  }
  if (done > 0 && (file.flags & O_DSYNC || inode.flags & S_SYNC)) {
    const at = file.writtenAt;
    const datasync = (file.flags & O_SYNC) !== O_SYNC && !(inode.flags & S_SYNC);
    yield* vfsFsyncRange(file, at, at + done - 1, datasync);
  }
  return done;
}

/**
 * Where a write really starts, and whether it may: every writeIter begins with this, under i_rwsem.
 * Cuts `iter` to what fits; file.writtenAt is the returned position.
 * @throws EFBIG it starts at or past the file system's limit; EPERM
 */
export function genericWriteChecks(file: File, iter: IovIter, pos: number): number {
  const { inode } = file;
  if (inode.flags & S_IMMUTABLE) throw errno('EPERM', { ino: inode.ino });
  const at = file.flags & O_APPEND ? inode.size : pos;
  const { maxBytes } = inode.sb;
  if (at >= maxBytes && iter.count > 0) throw errno('EFBIG', { pos: at, maxBytes });
  iter.truncate(Math.min(MAX_RW_COUNT, maxBytes - at));
  file.writtenAt = at;
  return at;
}

/** @throws EINVAL a bad whence or a negative result; ENXIO past the end (DATA, HOLE); EBADF */
export function* vfsLlseek(file: File, offset: number, whence: number): Op<number> {
  if (file.flags & O_PATH) throw errno('EBADF');
  const { llseek } = file.inode.fops;
  if (llseek) return (file.pos = yield* llseek(file, offset, whence));
  return (file.pos = genericLlseek(file, offset, whence));
}

/** SEEK_SET, CUR, END; and the coarse DATA and HOLE: the whole file is data. */
export function genericLlseek(file: File, offset: number, whence: number): number {
  const { size, sb } = file.inode;
  if (whence === SEEK_DATA || whence === SEEK_HOLE) {
    if (offset < 0 || offset >= size) throw errno('ENXIO');
    return whence === SEEK_DATA ? offset : size;
  }
  const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.pos : size;
  const pos = base + offset;
  const known = whence === SEEK_SET || whence === SEEK_CUR || whence === SEEK_END;
  if (!known || pos < 0 || pos > sb.maxBytes || !Number.isSafeInteger(pos)) throw errno('EINVAL');
  return pos;
}

/** @throws EBADF, EINVAL, EFBIG, EISDIR, ENODEV, EOPNOTSUPP, EPERM, EROFS, ENOSPC */
export function* vfsFallocate(file: File, mode: number, offset: number, length: number): Op<void> {
  const { inode } = file;
  if (offset < 0 || length <= 0) throw errno('EINVAL', { offset, length });
  if (mode & ~FALLOC_KNOWN) throw errno('EOPNOTSUPP', { mode });
  const punches = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
  if (punches && !(mode & FALLOC_FL_KEEP_SIZE)) throw errno('EOPNOTSUPP', { mode });
  if (!file.writable) throw errno('EBADF');
  if (mode & ~FALLOC_FL_KEEP_SIZE && inode.flags & S_APPEND) throw errno('EPERM');
  if (inode.flags & S_IMMUTABLE) throw errno('EPERM');
  if (inode.isDir) throw errno('EISDIR');
  if (!inode.isReg) throw errno('ENODEV');
  if (offset + length > inode.sb.maxBytes) throw errno('EFBIG');
  if (!inode.fops.fallocate) throw errno('EOPNOTSUPP');
  yield* startWrite(inode.sb);
  try {
    yield* inode.fops.fallocate(file, mode, offset, length);
  } finally {
    endWrite(inode.sb);
  }
}

/** @throws ENOTTY the file system does not know the command; EBADF */
export function* vfsIoctl(file: File, command: number, argument: unknown): Op<unknown> {
  if (file.flags & O_PATH) throw errno('EBADF');
  if (!file.inode.fops.ioctl) throw errno('ENOTTY', { command });
  return yield* file.inode.fops.ioctl(file, command, argument);
}
