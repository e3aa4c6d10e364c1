/**
 * Operations on descriptors: each written once, for all three faces of the API.
 * @source Node's documentation, "File system"; the system calls of the same names
 */
import type { Op } from '../sched/op.ts';
import { sysFchmod, sysFchown, sysFtruncate, sysFutimens } from '../syscall/attr.ts';
import { sysClose } from '../syscall/open.ts';
import type { Process } from '../syscall/process.ts';
import {
  sysFallocate,
  sysPread,
  sysPreadv,
  sysPwrite,
  sysPwritev,
  sysRead,
  sysReadv,
  sysWrite,
  sysWritev,
} from '../syscall/read-write.ts';
import { sysFstat } from '../syscall/stat.ts';
import { sysFdatasync, sysFsync, sysSyncfs } from '../syscall/sync.ts';
import {
  type BytesLike,
  dataBytes,
  type EncodingOption,
  type ModeLike,
  type TimeLike,
  toBytes,
  toInteger,
  toMode,
  toTime,
} from './args.ts';
import type { Call } from './bridge.ts';
import { BigIntStats, Stats } from './stats.ts';

export interface BigIntOption {
  readonly bigint?: boolean;
}
export interface ReadOptions {
  readonly offset?: number;
  readonly length?: number;
  readonly position?: number | bigint | null;
}

const MAX = Number.MAX_SAFE_INTEGER;

/** A descriptor, checked. */
export const toFd = (fd: number): number => toInteger(fd, 'fd', 0, 0x7fff_ffff);

/** A position, or null for the file's own. */
export function toPosition(position: number | bigint | null | undefined): number | null {
  if (position === null || position === undefined || position === -1) return null;
  return toInteger(Number(position), 'position', 0, MAX);
}

/** The part of a buffer that read and write are about. */
export function slice(
  buffer: BytesLike,
  offset: number | ReadOptions | null | undefined,
  length: number | null | undefined,
  position: number | bigint | null | undefined,
): { part: Uint8Array; at: number | null } {
  if (typeof offset === 'object' && offset !== null) {
    return slice(buffer, offset.offset, offset.length, offset.position);
  }
  const bytes = toBytes(buffer);
  const from = toInteger(offset ?? 0, 'offset', 0, bytes.length);
  const n = toInteger(length ?? bytes.length - from, 'length', 0, bytes.length - from);
  const whole = from === 0 && n === bytes.length;
  return { part: whole ? bytes : bytes.subarray(from, from + n), at: toPosition(position) };
}

export const statsOf = (
  op: Op<ConstructorParameters<typeof Stats>[0]>,
  options: BigIntOption | undefined,
): Op<Stats | BigIntStats> =>
  mapOp(op, (s) => (options?.bigint ? new BigIntStats(s) : new Stats(s)));

/** The operation with its result changed. */
export function* mapOp<A, B>(op: Op<A>, change: (a: A) => B): Op<B> {
  return change(yield* op);
}

const on = <T>(syscall: string, op: Op<T>): Call<T> => ({ syscall, op });

export const fdOperations = {
  close: (p: Process, fd: number) => on('close', sysClose(p, toFd(fd))),
  fstat: (p: Process, fd: number, options?: BigIntOption) =>
    on('fstat', statsOf(sysFstat(p, toFd(fd)), options)),
  fsync: (p: Process, fd: number) => on('fsync', sysFsync(p, toFd(fd))),
  fdatasync: (p: Process, fd: number) => on('fdatasync', sysFdatasync(p, toFd(fd))),
  syncfs: (p: Process, fd: number) => on('syncfs', sysSyncfs(p, toFd(fd))),
  ftruncate: (p: Process, fd: number, length = 0) =>
    on('ftruncate', sysFtruncate(p, toFd(fd), toInteger(length, 'len', 0, MAX))),
  fchmod: (p: Process, fd: number, mode: ModeLike) =>
    on('fchmod', sysFchmod(p, toFd(fd), toMode(mode, 0))),
  fchown: (p: Process, fd: number, uid: number, gid: number) =>
    on('fchown', sysFchown(p, toFd(fd), uid, gid)),
  futimes: (p: Process, fd: number, atime: TimeLike, mtime: TimeLike) =>
    on('futimes', sysFutimens(p, toFd(fd), toTime(atime), toTime(mtime))),
  /** mode: FALLOC_FL_*; not in Node. */
  fallocate: (p: Process, fd: number, mode: number, offset: number, length: number) =>
    on('fallocate', sysFallocate(p, toFd(fd), mode, offset, length)),

  read: (
    p: Process,
    fd: number,
    buffer: BytesLike,
    offset?: number | ReadOptions | null,
    length?: number | null,
    position?: number | bigint | null,
  ) => {
    const { part, at } = slice(buffer, offset, length, position);
    return on('read', at === null ? sysRead(p, toFd(fd), part) : sysPread(p, toFd(fd), part, at));
  },
  readv: (p: Process, fd: number, buffers: readonly BytesLike[], position?: number | null) => {
    const parts = buffers.map(toBytes);
    const at = toPosition(position);
    return on(
      'read',
      at === null ? sysReadv(p, toFd(fd), parts) : sysPreadv(p, toFd(fd), parts, at),
    );
  },
  /** Bytes: (buffer, offset, length, position). Text: (string, position, encoding). */
  write: (
    p: Process,
    fd: number,
    data: BytesLike | string,
    offset?: number | ReadOptions | null,
    length?: number | EncodingOption,
    position?: number | bigint | null,
  ) => {
    if (typeof data === 'string') {
      const bytes = dataBytes(data, typeof length === 'number' ? 'utf8' : length);
      const at = toPosition(typeof offset === 'number' ? offset : null);
      return on('write', writeAll(p, toFd(fd), bytes, at));
    }
    const { part, at } = slice(data, offset, typeof length === 'number' ? length : null, position);
    return on(
      'write',
      at === null ? sysWrite(p, toFd(fd), part) : sysPwrite(p, toFd(fd), part, at),
    );
  },
  writev: (p: Process, fd: number, buffers: readonly BytesLike[], position?: number | null) => {
    const parts = buffers.map(toBytes);
    const at = toPosition(position);
    return on(
      'write',
      at === null ? sysWritev(p, toFd(fd), parts) : sysPwritev(p, toFd(fd), parts, at),
    );
  },
} as const;

/** Write everything, however the system call cuts it. */
export function* writeAll(
  p: Process,
  fd: number,
  bytes: Uint8Array,
  at: number | null,
): Op<number> {
  let done = 0;
  while (done < bytes.length) {
    const part = done === 0 ? bytes : bytes.subarray(done);
    const op = at === null ? sysWrite(p, fd, part) : sysPwrite(p, fd, part, at + done);
    done += yield* op;
  }
  return done;
}
