/** The inside of an image as a tree: system calls, run to their ends. */
import type { Name } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';
import type { Op } from '../sched/op.ts';
import { sysChmod, sysFtruncate, sysLchown, sysUtimens } from '../syscall/attr.ts';
import {
  sysGetdents,
  sysLink,
  sysMkdir,
  sysMknod,
  sysRename,
  sysRmdir,
  sysSymlink,
  sysUnlink,
} from '../syscall/dir.ts';
import { sysClose, sysOpen } from '../syscall/open.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../syscall/process.ts';
import { sysLseek, sysPread, sysPwrite } from '../syscall/read-write.ts';
import { sysLstat, sysReadlink, sysStat } from '../syscall/stat.ts';
import { sysGetxattr, sysListxattr, sysSetxattr } from '../syscall/xattr.ts';
import { O_CREAT, O_DIRECTORY, O_NOATIME, O_RDONLY, O_TRUNC, O_WRONLY } from '../vfs/file.ts';
import type { Dirent } from '../vfs/readdir.ts';
import { CliError, hasCode } from './errors.ts';
import { showLocation } from './location.ts';
import type { Reader, Stat, Tree, Writer, Xattr } from './tree.ts';
import type { Volume } from './volume.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Entries of one getdents. */
const BATCH = 4096;

const byBytes = (a: Name, b: Name): number => (a < b ? -1 : a > b ? 1 : 0);
export const sortNames = (names: Name[]): Name[] => names.sort(byBytes);

export class ImageTree implements Tree {
  readonly volume: Volume;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  show(path: Name): string {
    return showLocation(this.volume.image, path);
  }
  lstat(path: Name): Stat {
    return this.ask(sysLstat(this.volume.process, path));
  }
  stat(path: Name): Stat {
    return this.ask(sysStat(this.volume.process, path));
  }
  list(path: Name): Name[] {
    const names = sortNames(this.entries(path).map((e) => e.name));
    // Such a name could lead a copy out of its folder.
    if (names.some((n) => n.includes('/'))) {
      throw new CliError('EUCLEAN', 'the directory is damaged: a name holds a slash');
    }
    return names.filter((n) => n !== '.' && n !== '..');
  }
  readlink(path: Name): Name {
    return this.ask(sysReadlink(this.volume.process, path));
  }

  /** All entries, `.` and `..` too, in the order of the directory. */
  entries(path: Name): Dirent[] {
    const { process } = this.volume;
    const fd = this.ask(sysOpen(process, path, O_RDONLY | O_DIRECTORY | O_NOATIME));
    try {
      const all: Dirent[] = [];
      for (;;) {
        const some = this.ask(sysGetdents(process, fd, BATCH));
        if (some.length === 0) return all;
        for (const entry of some) all.push(entry);
      }
    } finally {
      this.ask(sysClose(process, fd));
    }
  }

  open(path: Name): Reader {
    const { process } = this.volume;
    const fd = this.ask(sysOpen(process, path, O_RDONLY | O_NOATIME));
    return {
      read: (into, pos) => this.ask(sysPread(process, fd, into, pos)),
      nextData: (pos) => {
        try {
          const start = this.ask(sysLseek(process, fd, pos, SEEK_DATA));
          return { start, end: this.ask(sysLseek(process, fd, start, SEEK_HOLE)) };
        } catch (e) {
          if (hasCode(e, 'ENXIO')) return null;
          throw e;
        }
      },
      close: () => this.ask(sysClose(process, fd)),
    };
  }

  xattrs(path: Name): Xattr[] {
    const { process } = this.volume;
    const names = this.ask(sysListxattr(process, path, false));
    return sortNames(names).map((name) => ({
      name,
      value: this.ask(sysGetxattr(process, path, name, false)),
    }));
  }

  create(path: Name, mode: number): Writer {
    const flags = O_WRONLY | O_CREAT | O_TRUNC;
    return this.writer(this.change(sysOpen(this.volume.process, path, flags, mode)));
  }

  /** What writes through an open descriptor, and closes it. */
  writer(fd: number): Writer {
    const { process } = this.volume;
    return {
      write: (data, pos) => {
        for (let done = 0; done < data.length;) {
          done += this.change(sysPwrite(process, fd, data.subarray(done), pos + done));
        }
      },
      truncate: (size) => {
        this.change(sysFtruncate(process, fd, size));
      },
      close: () => {
        this.change(sysClose(process, fd));
      },
    };
  }

  mkdir(path: Name, mode: number): void {
    this.change(sysMkdir(this.volume.process, path, mode));
  }
  mknod(path: Name, mode: number, rdev: number): void {
    this.change(sysMknod(this.volume.process, path, mode, rdev));
  }
  symlink(target: Name, path: Name): void {
    this.change(sysSymlink(this.volume.process, target, path));
  }
  link(from: Name, to: Name): void {
    this.change(sysLink(this.volume.process, from, to));
  }
  unlink(path: Name): void {
    this.change(sysUnlink(this.volume.process, path));
  }
  rmdir(path: Name): void {
    this.change(sysRmdir(this.volume.process, path));
  }
  rename(from: Name, to: Name, flags = 0): void {
    this.change(sysRename(this.volume.process, from, to, flags));
  }
  chmod(path: Name, mode: number): void {
    this.change(sysChmod(this.volume.process, path, mode));
  }
  lchown(path: Name, uid: number, gid: number): void {
    this.change(sysLchown(this.volume.process, path, uid, gid));
  }
  utimes(path: Name, atime: Timespec, mtime: Timespec): void {
    const { process } = this.volume;
    this.change(sysUtimens(process, path, atime, mtime, AT_FDCWD, AT_SYMLINK_NOFOLLOW));
  }
  setXattrs(path: Name, xattrs: readonly Xattr[]): void {
    for (const { name, value } of xattrs) {
      this.change(sysSetxattr(this.volume.process, path, name, value, 0, false));
    }
  }

  /** Open for writing without cutting. */
  openWritable(path: Name, flags: number, mode = 0o666): number {
    return this.change(sysOpen(this.volume.process, path, flags, mode));
  }
  openReadable(path: Name): number {
    return this.ask(sysOpen(this.volume.process, path, O_RDONLY | O_NOATIME));
  }

  /** A system call that changes nothing. */
  ask<T>(op: Op<T>): T {
    return this.volume.run(op);
  }
  /** A system call that changed something, if it returns. */
  change<T>(op: Op<T>): T {
    const result = this.volume.run(op);
    this.volume.keep();
    return result;
  }
}
