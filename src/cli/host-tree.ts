/**
 * The host's files as a tree. Node has no call for extended attributes and none for SEEK_DATA: the
 * first are read before a copy and set after it, by tools; holes are found by their zeros.
 */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
  type BigIntStats,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { assert } from '../base/assert.ts';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT } from '../base/mode.ts';
import { type Name, nameToText } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';
import { CliError } from './errors.ts';
import {
  devMajor,
  devMinor,
  type Reader,
  type Stat,
  type Tree,
  type Writer,
  type Xattr,
} from './tree.ts';
import type { XattrRestore } from './xattr-restore.ts';

/** A byte string as the host takes it: text where that is the same, which is faster. */
export const hostPath = (path: Name): string | Buffer => {
  for (let i = 0; i < path.length; i++) {
    if (path.charCodeAt(i) > 127) return Buffer.from(path, 'latin1');
  }
  return path;
};

const SECOND = 1_000_000_000n;
function timespec(ns: bigint): Timespec {
  let nsec = ns % SECOND;
  if (nsec < 0n) nsec += SECOND;
  return { sec: Number((ns - nsec) / SECOND), nsec: Number(nsec) };
}

const toStat = (s: BigIntStats): Stat => ({
  dev: Number(s.dev),
  ino: Number(s.ino),
  mode: Number(s.mode),
  nlink: Number(s.nlink),
  uid: Number(s.uid),
  gid: Number(s.gid),
  rdev: Number(s.rdev),
  size: Number(s.size),
  blocks: Number(s.blocks),
  atime: timespec(s.atimeNs),
  mtime: timespec(s.mtimeNs),
  ctime: timespec(s.ctimeNs),
  btime: timespec(s.birthtimeNs),
});

export class HostTree implements Tree {
  /** Extended attributes that were read beforehand. */
  readonly known = new Map<Name, readonly Xattr[]>();
  /** Collects those that are to be set at the end; null: no copy wants them. */
  restore: XattrRestore | null = null;

  show(path: Name): string {
    return nameToText(path);
  }
  lstat(path: Name): Stat {
    return toStat(lstatSync(hostPath(path), { bigint: true }));
  }
  stat(path: Name): Stat {
    return toStat(statSync(hostPath(path), { bigint: true }));
  }
  list(path: Name): Name[] {
    // One char a byte, which is what a Name is.
    return readdirSync(hostPath(path), { encoding: 'latin1' }).sort() as Name[];
  }
  readlink(path: Name): Name {
    return readlinkSync(hostPath(path), { encoding: 'latin1' }) as Name;
  }

  open(path: Name): Reader {
    const fd = openSync(hostPath(path), 'r');
    return {
      read: (into, pos) => readSync(fd, into, 0, into.length, pos),
      nextData: (pos) => ({ start: pos, end: Infinity }),
      close: () => {
        closeSync(fd);
      },
    };
  }
  xattrs(path: Name): readonly Xattr[] {
    return this.known.get(path) ?? [];
  }

  create(path: Name, mode: number): Writer {
    const fd = openSync(hostPath(path), 'w', mode);
    return {
      write: (data, pos) => {
        for (let done = 0; done < data.length;) {
          done += writeSync(fd, data, done, data.length - done, pos + done);
        }
      },
      truncate: (size) => {
        ftruncateSync(fd, size);
      },
      close: () => {
        closeSync(fd);
      },
    };
  }
  mkdir(path: Name, mode: number): void {
    mkdirSync(hostPath(path), { mode });
  }
  mknod(path: Name, mode: number, rdev: number): void {
    mknodOnHost(path, mode, rdev);
  }
  symlink(target: Name, path: Name): void {
    symlinkSync(hostPath(target), hostPath(path));
  }
  link(from: Name, to: Name): void {
    linkSync(hostPath(from), hostPath(to));
  }
  unlink(path: Name): void {
    unlinkSync(hostPath(path));
  }
  rmdir(path: Name): void {
    rmdirSync(hostPath(path));
  }
  chmod(path: Name, mode: number): void {
    chmodSync(hostPath(path), mode);
  }
  lchown(path: Name, uid: number, gid: number): void {
    lchownSync(hostPath(path), uid, gid);
  }
  utimes(path: Name, atime: Timespec, mtime: Timespec): void {
    lutimesSync(hostPath(path), hostTime(atime), hostTime(mtime));
  }
  setXattrs(path: Name, xattrs: readonly Xattr[]): void {
    assert(this.restore !== null);
    this.restore.add(path, xattrs);
  }
}

/** Seconds as Node takes them: a double, which is right to about 100 ns in this century. */
const hostTime = ({ sec, nsec }: Timespec): number => sec + nsec / 1e9;

/** Node cannot make device nodes; mknod(1) can. @throws EPERM not root */
function mknodOnHost(path: Name, mode: number, rdev: number): void {
  const type = mode & S_IFMT;
  const letter = type === S_IFBLK ? 'b' : type === S_IFCHR ? 'c' : type === S_IFIFO ? 'p' : '';
  if (letter === '') throw new CliError('EOPNOTSUPP', 'a socket cannot be made on the host');
  const numbers = letter === 'p' ? [] : [String(devMajor(rdev)), String(devMinor(rdev))];
  const args = ['-m', (mode & 0o7777).toString(8), '--', nameToText(path), letter, ...numbers];
  const { status, error, stderr } = spawnSync('mknod', args, { encoding: 'utf8' });
  if (status === 0) return;
  const why = error ? 'mknod(1) is not there' : stderr.trim();
  throw new CliError('EPERM', `cannot make a special file on the host: ${why}`);
}
