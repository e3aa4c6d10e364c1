/**
 * Times of an inode: a signed 32-bit second, and where the record is large enough an extra word
 * with 30 bits of nanoseconds and 2 bits that carry the second on to the year 2446.
 * @source filesystems/ext4/inodes.rst, "Inode Timestamps"
 */
import type { Field } from '../../../base/struct.ts';
import { Inode, fitsInInode } from './inode.ts';

/** Seconds and nanoseconds since 1970; `nsec` is 0..999999999 for every `sec`. */
export interface InodeTime {
  readonly sec: number;
  readonly nsec: number;
}

/** Which of the four times. */
export type TimeName = 'atime' | 'ctime' | 'mtime' | 'crtime';

const words: Readonly<Record<TimeName, readonly [Field, Field]>> = {
  atime: [Inode.i_atime, Inode.i_atime_extra],
  ctime: [Inode.i_ctime, Inode.i_ctime_extra],
  mtime: [Inode.i_mtime, Inode.i_mtime_extra],
  crtime: [Inode.i_crtime, Inode.i_crtime_extra],
};

/** 1901-12-13: what both forms can go back to. */
export const EXT4_TIMESTAMP_MIN = -(2 ** 31);
/** 2446-05-10 with the extra word, 2038-01-19 without it. */
export const EXT4_EXTRA_TIMESTAMP_MAX = 2 ** 34 - 2 ** 31 - 1;
export const EXT4_NON_EXTRA_TIMESTAMP_MAX = 2 ** 31 - 1;

/** Two bits of epoch and 30 of nanoseconds: the extra word of a time. */
export function encodeExtraTime(sec: number, nsec: number): number {
  const epoch = Math.floor((sec + 2 ** 31) / 2 ** 32) & 3;
  return ((nsec << 2) | epoch) >>> 0;
}

/** The time that a signed low word and its extra word stand for. */
export function decodeExtraTime(low: number, extra: number): InodeTime {
  return { sec: low + (extra & 3) * 2 ** 32, nsec: extra >>> 2 };
}

const ZERO: InodeTime = { sec: 0, nsec: 0 };

/**
 * @param extraIsize  the inode's i_extra_isize, 0 where records have 128 bytes
 * @returns the time; `crtime` is 1970 where the record has no room for it
 */
export function inodeTime(
  view: DataView,
  at: number,
  extraIsize: number,
  name: TimeName,
): InodeTime {
  const [low, extra] = words[name];
  if (!fitsInInode(low, extraIsize)) return ZERO;
  const sec = low.get(view, at);
  if (!fitsInInode(extra, extraIsize)) return { sec, nsec: 0 };
  return decodeExtraTime(sec, extra.get(view, at));
}

/**
 * Store a time, clamped to what this record can hold, nanoseconds dropped where there is no room.
 * @source fs/ext4/ext4.h:EXT4_INODE_SET_XTIME, timestamp_truncate()
 */
export function setInodeTime(
  view: DataView,
  at: number,
  extraIsize: number,
  name: TimeName,
  time: InodeTime,
): void {
  const [low, extra] = words[name];
  if (!fitsInInode(low, extraIsize)) return;
  const wide = fitsInInode(extra, extraIsize);
  const max = wide ? EXT4_EXTRA_TIMESTAMP_MAX : EXT4_NON_EXTRA_TIMESTAMP_MAX;
  const sec = Math.min(Math.max(time.sec, EXT4_TIMESTAMP_MIN), max);
  low.set(view, at, sec | 0);
  if (wide) extra.set(view, at, encodeExtraTime(sec, sec === time.sec ? time.nsec : 0));
}
