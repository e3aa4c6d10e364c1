/**
 * read, write, their positioned and vectored forms, lseek, fallocate, ioctl.
 * @source read(2), pread(2), readv(2), lseek(2), fallocate(2)
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { IovIter } from '../mm/iov-iter.ts';
import { O_APPEND } from '../vfs/file.ts';
import { lockPosition, unlockPosition } from '../vfs/file-position.ts';
import {
  MAX_RW_COUNT,
  vfsFallocate,
  vfsIoctl,
  vfsLlseek,
  vfsRead,
  vfsReadNowait,
  vfsWrite,
} from '../vfs/read-write.ts';
import { type Process, withFile } from './process.ts';

type Buffers = readonly Uint8Array[];

/** At most IOV_MAX buffers, and what one call may transfer. */
function iterOf(buffers: Buffers): IovIter {
  if (buffers.length > 1024) throw errno('EINVAL', { buffers: buffers.length });
  const iter = new IovIter(buffers);
  iter.truncate(MAX_RW_COUNT);
  return iter;
}

/** Bytes read at `pos`, 0 at the end of the file. The position of the file stays. */
export const sysPread = (p: Process, fd: number, buffer: Uint8Array, pos: number): Op<number> =>
  sysPreadv(p, fd, [buffer], pos);

export const sysPreadv = (p: Process, fd: number, buffers: Buffers, pos: number): Op<number> =>
  withFile(p, fd, (file) => {
    trace('syscall:sysPreadv');
    return vfsRead(file, iterOf(buffers), pos);
  });

/**
 * sysPread() from the cache alone: bytes read, or -1 where sysPread() is needed (which begins
 * again). @context Does not sleep; needs no task.
 */
export function sysPreadNowait(p: Process, fd: number, buffer: Uint8Array, pos: number): number {
  trace('syscall:sysPreadNowait');
  return vfsReadNowait(p.files.get(fd), IovIter.of(buffer), pos);
}

/** Bytes read at the file's position, which moves on. */
export const sysRead = (p: Process, fd: number, buffer: Uint8Array): Op<number> =>
  sysReadv(p, fd, [buffer]);

export const sysReadv = (p: Process, fd: number, buffers: Buffers): Op<number> =>
  withFile(p, fd, function* (file) {
    yield* lockPosition(file);
    try {
      const n = yield* vfsRead(file, iterOf(buffers), file.pos);
      file.pos += n;
      return n;
    } finally {
      unlockPosition(file);
    }
  });

/** sysRead() from the cache alone: bytes read, or -1. @context Does not sleep. */
export function sysReadNowait(p: Process, fd: number, buffer: Uint8Array): number {
  const file = p.files.get(fd);
  if (file.posLock?.locked) return -1;
  const n = vfsReadNowait(file, IovIter.of(buffer), file.pos);
  if (n > 0) file.pos += n;
  return n;
}

/** Bytes written at `pos`; with O_APPEND at the end, as on Linux. */
export const sysPwrite = (p: Process, fd: number, buffer: Uint8Array, pos: number): Op<number> =>
  sysPwritev(p, fd, [buffer], pos);

export const sysPwritev = (p: Process, fd: number, buffers: Buffers, pos: number): Op<number> =>
  withFile(p, fd, (file) => {
    trace('syscall:sysPwritev');
    return vfsWrite(file, iterOf(buffers), pos);
  });

export const sysWrite = (p: Process, fd: number, buffer: Uint8Array): Op<number> =>
  sysWritev(p, fd, [buffer]);

export const sysWritev = (p: Process, fd: number, buffers: Buffers): Op<number> =>
  withFile(p, fd, function* (file) {
    yield* lockPosition(file);
    try {
      const n = yield* vfsWrite(file, iterOf(buffers), file.pos);
      file.pos = (file.flags & O_APPEND && n > 0 ? file.writtenAt : file.pos) + n;
      return n;
    } finally {
      unlockPosition(file);
    }
  });

export const sysLseek = (p: Process, fd: number, offset: number, whence: number): Op<number> =>
  withFile(p, fd, function* (file) {
    yield* lockPosition(file);
    try {
      return yield* vfsLlseek(file, offset, whence);
    } finally {
      unlockPosition(file);
    }
  });

export const sysFallocate = (
  p: Process,
  fd: number,
  mode: number,
  offset: number,
  length: number,
): Op<void> => withFile(p, fd, (file) => vfsFallocate(file, mode, offset, length));

export const sysIoctl = (p: Process, fd: number, command: number, argument: unknown): Op<unknown> =>
  withFile(p, fd, (file) => vfsIoctl(file, command, argument));
