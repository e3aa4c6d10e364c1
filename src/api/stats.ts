/**
 * What stat, statfs and readdir return, as Node's classes of the same names.
 * @source Node's documentation, "Class: fs.Stats", "Class: fs.Dirent", "Class: fs.StatFs"
 */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../base/mode.ts';
import type { Timespec } from '../sched/clock.ts';
import type { Stat } from '../syscall/stat.ts';

const toMs = (t: Timespec): number => t.sec * 1000 + t.nsec / 1e6;
const toNs = (t: Timespec): bigint => BigInt(t.sec) * 1_000_000_000n + BigInt(t.nsec);

abstract class FileType {
  protected abstract format(): number;
  isFile(): boolean {
    return this.format() === S_IFREG;
  }
  isDirectory(): boolean {
    return this.format() === S_IFDIR;
  }
  isBlockDevice(): boolean {
    return this.format() === S_IFBLK;
  }
  isCharacterDevice(): boolean {
    return this.format() === S_IFCHR;
  }
  isSymbolicLink(): boolean {
    return this.format() === S_IFLNK;
  }
  isFIFO(): boolean {
    return this.format() === S_IFIFO;
  }
  isSocket(): boolean {
    return this.format() === S_IFSOCK;
  }
}

export class Stats extends FileType {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  constructor(s: Stat) {
    super();
    this.dev = s.dev;
    this.ino = s.ino;
    this.mode = s.mode;
    this.nlink = s.nlink;
    this.uid = s.uid;
    this.gid = s.gid;
    this.rdev = s.rdev;
    this.size = s.size;
    this.blksize = s.blksize;
    this.blocks = s.blocks;
    this.atimeMs = toMs(s.atime);
    this.mtimeMs = toMs(s.mtime);
    this.ctimeMs = toMs(s.ctime);
    this.birthtimeMs = toMs(s.btime ?? s.ctime);
  }
  protected override format(): number {
    return this.mode & S_IFMT;
  }
  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

/** The same in bigints, with times in nanoseconds. */
export class BigIntStats extends FileType {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly blksize: bigint;
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;

  constructor(s: Stat) {
    super();
    this.dev = BigInt(s.dev);
    this.ino = BigInt(s.ino);
    this.mode = BigInt(s.mode);
    this.nlink = BigInt(s.nlink);
    this.uid = BigInt(s.uid);
    this.gid = BigInt(s.gid);
    this.rdev = BigInt(s.rdev);
    this.size = BigInt(s.size);
    this.blksize = BigInt(s.blksize);
    this.blocks = BigInt(s.blocks);
    this.atimeNs = toNs(s.atime);
    this.mtimeNs = toNs(s.mtime);
    this.ctimeNs = toNs(s.ctime);
    this.birthtimeNs = toNs(s.btime ?? s.ctime);
  }
  protected override format(): number {
    return Number(this.mode) & S_IFMT;
  }
  get atimeMs(): bigint {
    return this.atimeNs / 1_000_000n;
  }
  get mtimeMs(): bigint {
    return this.mtimeNs / 1_000_000n;
  }
  get ctimeMs(): bigint {
    return this.ctimeNs / 1_000_000n;
  }
  get birthtimeMs(): bigint {
    return this.birthtimeNs / 1_000_000n;
  }
}

export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** An entry of a directory; its type costs no stat. */
export class Dirent<N = string> extends FileType {
  readonly name: N;
  readonly parentPath: string;
  private readonly type: number;

  /** @param type  DT_*: the format bits of a mode, shifted right by twelve; 0 unknown */
  constructor(name: N, parentPath: string, type: number) {
    super();
    this.name = name;
    this.parentPath = parentPath;
    this.type = type;
  }
  protected override format(): number {
    return this.type << 12;
  }
}
