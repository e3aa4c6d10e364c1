/**
 * An open file: a position, flags, and the error cursor of its opener.
 * @source include/linux/fs.h (struct file, struct file_operations)
 */
import type { Name } from '../base/name.ts';
import type { Ino } from '../base/units.ts';
import type { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';
import type { IovIter } from '../mm/iov-iter.ts';
import { FileRaState } from '../mm/readahead.ts';
import type { Dentry } from './dcache.ts';
import type { Inode } from './inode.ts';

/** Linux's numbers on x86 and arm64 (asm-generic). */
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_SYNC = 0o4010000;
export const O_PATH = 0o10000000;
export const O_TMPFILE = 0o20200000;

/** Where readdir puts entries. `emit` returns false when the reader's buffer is full. */
export interface DirContext {
  /** Cookie of the next entry; the file system moves it on after each emitted entry. */
  pos: number;
  /** type: DT_* number, 0 unknown. `cookie` is the position after this entry. */
  emit(name: Name, ino: Ino, type: number, cookie: number): boolean;
}

/** What a file system does for its open files (an ops table, invariant A3). */
export interface FileOperations {
  open?(inode: Inode, file: File): Op<void>;
  /** The last reference to the open file is gone. */
  release?(inode: Inode, file: File): Op<void>;
  /** Bytes read; 0 at the end. */
  readIter?(file: File, iter: IovIter, pos: number): Op<number>;
  /** What can be read without sleeping; fewer bytes than asked means "ask readIter". */
  readNowait?(file: File, iter: IovIter, pos: number): number;
  /** Bytes written. Takes i_rwsem itself. O_APPEND: `pos` is ignored, file.writtenAt is set. */
  writeIter?(file: File, iter: IovIter, pos: number): Op<number>;
  /** Entries from ctx.pos on. i_rwsem shared held. */
  iterate?(file: File, ctx: DirContext): Op<void>;
  llseek?(file: File, offset: number, whence: number): Op<number>;
  fsync?(file: File, start: number, end: number, datasync: boolean): Op<void>;
  /** mode: FALLOC_FL_*. */
  fallocate?(file: File, mode: number, offset: number, length: number): Op<void>;
  ioctl?(file: File, command: number, argument: unknown): Op<unknown>;
}

export class File {
  readonly dentry: Dentry;
  readonly inode: Inode;
  flags: number;
  pos = 0;
  count = 1;
  /** Error cursor: what this opener has been told (errseq). */
  wbErr: number;
  readonly ra: FileRaState;
  /** Where the last write landed. */
  writtenAt = 0;
  /** Guards `pos`; made with the first call that moves it (file-position.ts). */
  posLock: Mutex | null = null;
  /** The file system's own, e.g. a readdir cursor. */
  fsPrivate: unknown = null;

  constructor(dentry: Dentry, inode: Inode, flags: number) {
    this.dentry = dentry;
    this.inode = inode;
    this.flags = flags;
    this.wbErr = inode.mapping.wbErr.sample();
    this.ra = new FileRaState(inode.mapping.folioSize);
  }

  get readable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY && !(this.flags & O_PATH);
  }
  get writable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY && !(this.flags & O_PATH);
  }
}
