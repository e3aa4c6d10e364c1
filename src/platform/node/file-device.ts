/**
 * A file or block device of the host as a block device, read and written synchronously.
 *
 * Vectored calls go straight into and out of the folios: no copy of ours. Synchronous calls are
 * faster than the thread pool as long as the host has the data cached, which is the usual case.
 * @source Node's fs.readvSync(), fs.writevSync(), fs.fdatasyncSync()
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  readvSync,
  writevSync,
} from 'node:fs';
import { errno, errnoText, type Errno, type FsError } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import { type Bytes, bytes, roundDown, SECTOR_SIZE } from '../../base/units.ts';
import type { Bio } from '../../block/bio.ts';
import type { BlockDriver } from '../../block/block-device.ts';

/** Segments one host call takes (IOV_MAX). */
const IOV_MAX = 1024;
const ZEROES = new Uint8Array(1 << 20);

export interface FileDeviceOptions {
  readonly readOnly?: boolean;
  /** Make the file if it is missing, or cut and grow it to `size`. */
  readonly create?: boolean;
  /** Bytes; with `create`. */
  readonly size?: number;
}

export class FileDevice implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number = SECTOR_SIZE;
  readonly readOnly: boolean;
  readonly synchronous = true;
  readonly queueDepth = 1;
  /** It was empty when it was opened: it reads as zero wherever nothing was written. */
  readonly fresh: boolean;
  private fd: number;

  /** @throws the host's error (ENOENT, EACCES, ...) as Node gives it */
  constructor(path: string, options: FileDeviceOptions = {}) {
    this.readOnly = options.readOnly ?? false;
    const create = options.create ? constants.O_CREAT : 0;
    const access = this.readOnly ? constants.O_RDONLY : constants.O_RDWR;
    this.fd = openSync(path, access | create, 0o666);
    try {
      this.fresh = fstatSync(this.fd).size === 0;
      if (options.create && options.size !== undefined) ftruncateSync(this.fd, options.size);
      this.size = bytes(roundDown(sizeOf(this.fd), SECTOR_SIZE));
    } catch (e) {
      closeSync(this.fd);
      throw e;
    }
  }

  start(bio: Bio): void {
    trace('platform/node:FileDevice.start');
    let error: FsError | null = null;
    try {
      this.perform(bio);
    } catch (e) {
      error = hostError(e, bio);
    }
    bio.complete(error);
  }

  private perform(bio: Bio): void {
    const at = bio.sector * SECTOR_SIZE;
    switch (bio.op) {
      case 'read':
        transfer(bio.vecs, at, (vecs, pos) => readvSync(this.fd, vecs, pos));
        break;
      case 'write':
        transfer(bio.vecs, at, (vecs, pos) => writevSync(this.fd, vecs, pos));
        break;
      case 'flush':
        if (!this.readOnly) fdatasyncSync(this.fd);
        break;
      case 'discard':
      case 'writeZeroes':
        this.zero(at, bio.size);
    }
  }

  /** Write zeroes where the file holds anything else; holes of a sparse file stay holes. */
  private zero(offset: number, length: number): void {
    const probe = new Uint8Array(ZEROES.length);
    for (let done = 0; done < length;) {
      const n = Math.min(length - done, ZEROES.length);
      const got = readSync(this.fd, probe, 0, n, offset + done);
      if (got < n || probe.some((byte, i) => i < n && byte !== 0)) {
        transfer([ZEROES.subarray(0, n)], offset + done, (v, p) => writevSync(this.fd, v, p));
      }
      done += n;
    }
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}

/** Move all bytes, in calls of at most IOV_MAX segments, going on after short ones. */
function transfer(
  vecs: readonly Uint8Array[],
  offset: number,
  call: (vecs: Uint8Array[], pos: number) => number,
): void {
  let pos = offset;
  for (let i = 0; i < vecs.length; i += IOV_MAX) {
    let part = vecs.slice(i, i + IOV_MAX);
    let left = part.reduce((sum, v) => sum + v.length, 0);
    while (left > 0) {
      const n = call(part, pos);
      if (n <= 0) throw errno('EIO', { offset: pos }, 'the image ends before its device does');
      pos += n;
      left -= n;
      if (left > 0) part = skip(part, n);
    }
  }
}

function skip(vecs: readonly Uint8Array[], n: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const v of vecs) {
    if (n >= v.length) n -= v.length;
    else {
      rest.push(v.subarray(n));
      n = 0;
    }
  }
  return rest;
}

/** Size of a regular file, or of a block device, which stat does not tell. */
function sizeOf(fd: number): number {
  const st = fstatSync(fd);
  if (st.isFile()) return st.size;
  if (!st.isBlockDevice()) throw errno('ENXIO', {}, 'neither a file nor a block device');
  // A read past the end of a device returns nothing: find the last readable sector.
  const one = new Uint8Array(SECTOR_SIZE);
  let low = 0;
  let high = 2 ** 44;
  while (low < high) {
    const mid = Math.floor((low + high) / 2);
    if (readSync(fd, one, 0, SECTOR_SIZE, mid * SECTOR_SIZE) === SECTOR_SIZE) low = mid + 1;
    else high = mid;
  }
  return low * SECTOR_SIZE;
}

/** Node's error as ours: the host's errno where we know it, EIO where not. */
function hostError(e: unknown, bio: Bio): FsError {
  const code = (e as { code?: string }).code ?? '';
  const known = ['ENOSPC', 'EDQUOT', 'EROFS', 'ENOMEM', 'EFBIG', 'EBADF'] as const;
  const same = known.find((k) => k === code);
  const as: Errno = same ?? 'EIO';
  return errno(as, { sector: bio.sector, size: bio.size, host: code }, errnoText(as));
}
