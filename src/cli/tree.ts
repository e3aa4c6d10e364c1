/**
 * What the host's files and those of an image have in common, so that one copier serves all ways
 * between them. Paths and names are byte strings; numbers are Linux's.
 */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';

export interface Stat {
  /** Identifies the inode together with `ino`. */
  readonly dev: number;
  readonly ino: number;
  /** With type. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  /** 512-byte units. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  readonly btime: Timespec | null;
}

export const isDir = (s: Stat): boolean => (s.mode & S_IFMT) === S_IFDIR;
export const isReg = (s: Stat): boolean => (s.mode & S_IFMT) === S_IFREG;
export const isLink = (s: Stat): boolean => (s.mode & S_IFMT) === S_IFLNK;

/** An open file to read from. */
export interface Reader {
  /** Bytes read at `pos`, as many as fit; 0 at the end. */
  read(into: Uint8Array, pos: number): number;
  /** Next stretch of data at or after `pos`, null: only holes follow. */
  nextData(pos: number): { readonly start: number; readonly end: number } | null;
  close(): void;
}

/** A file being written. */
export interface Writer {
  write(data: Uint8Array, pos: number): void;
  /** Fix the size: what was not written is a hole. */
  truncate(size: number): void;
  close(): void;
}

export interface Xattr {
  readonly name: Name;
  readonly value: Uint8Array;
}

export interface Tree {
  /** Path as the user writes it. */
  show(path: Name): string;
  lstat(path: Name): Stat;
  /** Follows symlinks. */
  stat(path: Name): Stat;
  /** Names without `.` and `..`, in byte order. */
  list(path: Name): Name[];
  readlink(path: Name): Name;
  open(path: Name): Reader;
  xattrs(path: Name): readonly Xattr[];

  /** A new file, or an old one cut to nothing. */
  create(path: Name, mode: number): Writer;
  mkdir(path: Name, mode: number): void;
  mknod(path: Name, mode: number, rdev: number): void;
  symlink(target: Name, path: Name): void;
  link(from: Name, to: Name): void;
  unlink(path: Name): void;
  rmdir(path: Name): void;
  chmod(path: Name, mode: number): void;
  /** Of the path itself, be it a symlink. */
  lchown(path: Name, uid: number, gid: number): void;
  utimes(path: Name, atime: Timespec, mtime: Timespec): void;
  /** Soon or at once; those that are there already and not named stay. */
  setXattrs(path: Name, xattrs: readonly Xattr[]): void;
}

/** The path's own stat, or null where there is nothing. */
export function lstatOrNull(tree: Tree, path: Name): Stat | null {
  try {
    return tree.lstat(path);
  } catch (e) {
    if ((e as { code?: string }).code === 'ENOENT') return null;
    throw e;
  }
}

export function statOrNull(tree: Tree, path: Name): Stat | null {
  try {
    return tree.stat(path);
  } catch (e) {
    if ((e as { code?: string }).code === 'ENOENT') return null;
    throw e;
  }
}

/** `(major << 8) | minor`, the large numbers around it. @source include/linux/kdev_t.h */
export const makeDev = (major: number, minor: number): number =>
  ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
export const devMajor = (dev: number): number => (dev >>> 8) & 0xfff;
export const devMinor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00);
