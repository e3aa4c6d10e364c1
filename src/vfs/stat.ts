/**
 * What stat tells and what setattr changes.
 * @source include/linux/stat.h (struct kstat), include/linux/fs.h (struct iattr)
 */
import type { Ino } from '../base/units.ts';
import type { Timespec } from '../sched/clock.ts';

export interface Kstat {
  dev: number;
  ino: Ino;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Bytes. */
  size: number;
  blksize: number;
  /** 512-byte units. */
  blocks: number;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  btime: Timespec | null;
  /** STATX_ATTR_* bits. */
  attributes: number;
}

/** Only what is present changes. A time of 'now' needs less permission than a given one. */
export interface Iattr {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  atime?: Timespec;
  mtime?: Timespec;
  ctime?: Timespec;
}

export interface Kstatfs {
  /** Magic number: 0xEF53 for ext4. */
  type: number;
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  namelen: number;
  fsid: readonly [number, number];
}
