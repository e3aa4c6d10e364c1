/**
 * chmod, chown, utimens, truncate.
 * @source chmod(2), chown(2), utimensat(2), truncate(2)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { type AttrChange, notifyChange } from '../vfs/attr.ts';
import { inodeOf } from '../vfs/create.ts';
import { O_PATH, type File } from '../vfs/file.ts';
import { type Inode, S_APPEND, S_IMMUTABLE } from '../vfs/inode.ts';
import { LOOKUP_FOLLOW, lockInode } from '../vfs/namei.ts';
import { vfsTruncate } from '../vfs/open.ts';
import { inodePermission, MAY_WRITE } from '../vfs/permission.ts';
import { endWrite, startWrite } from '../vfs/writers.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  type Process,
  refuseUnknown,
  withFile,
  withPath,
} from './process.ts';

/** In place of a time: the present one; the one that is there. */
export const UTIME_NOW = 'now';
export const UTIME_OMIT = 'omit';
export type UTime = Timespec | typeof UTIME_NOW | typeof UTIME_OMIT;

function* change(inode: Inode, what: AttrChange): Op<void> {
  yield* startWrite(inode.sb);
  try {
    yield* lockInode(inode);
    try {
      yield* notifyChange(inode, what);
    } finally {
      inode.rwsem.unlockExclusive();
    }
  } finally {
    endWrite(inode.sb);
  }
}

/** A path-only descriptor is good for nothing here. */
const realFile = (file: File): Inode => {
  if (file.flags & O_PATH) throw errno('EBADF');
  return file.inode;
};

/** @param flags  AT_SYMLINK_NOFOLLOW: a symlink itself has no mode to change (EOPNOTSUPP) */
export const sysChmod = (
  p: Process,
  path: Name,
  mode: number,
  dirfd = AT_FDCWD,
  flags = 0,
): Op<void> => {
  refuseUnknown(flags, AT_SYMLINK_NOFOLLOW);
  const follow = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  return withPath(p, path, follow, dirfd, function* (d) {
    const inode = inodeOf(d);
    if (inode.isLnk) throw errno('EOPNOTSUPP', { ino: inode.ino });
    yield* change(inode, { mode });
  });
};

export const sysFchmod = (p: Process, fd: number, mode: number): Op<void> =>
  withFile(p, fd, (file) => change(realFile(file), { mode }));

/** -1 leaves an id as it is; setuid and setgid fall in any case. */
const ownerChange = (uid: number, gid: number): AttrChange => ({
  ...(uid === -1 ? {} : { uid }),
  ...(gid === -1 ? {} : { gid }),
  killPrivileges: 'chown',
});

/** @param flags  AT_SYMLINK_NOFOLLOW: lchown */
export const sysChown = (
  p: Process,
  path: Name,
  uid: number,
  gid: number,
  dirfd = AT_FDCWD,
  flags = 0,
): Op<void> => {
  refuseUnknown(flags, AT_SYMLINK_NOFOLLOW);
  const follow = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  return withPath(p, path, follow, dirfd, (d) => change(inodeOf(d), ownerChange(uid, gid)));
};

export const sysLchown = (p: Process, path: Name, uid: number, gid: number): Op<void> =>
  sysChown(p, path, uid, gid, AT_FDCWD, AT_SYMLINK_NOFOLLOW);

export const sysFchown = (p: Process, fd: number, uid: number, gid: number): Op<void> =>
  withFile(p, fd, (file) => change(realFile(file), ownerChange(uid, gid)));

const NSEC_PER_SEC = 1_000_000_000;

/**
 * Both "now" is a touch, for which write permission is enough; anything else is the owner's. With
 * one of them "now" the present is filled in here.
 */
function timesChange(inode: Inode, atime: UTime, mtime: UTime): AttrChange | null {
  if (atime === UTIME_OMIT && mtime === UTIME_OMIT) return null;
  const now = inode.sb.now();
  if (atime === UTIME_NOW && mtime === UTIME_NOW) return { atime: now, mtime: now, touch: true };
  const pick = (t: UTime): Timespec | null => {
    if (t === UTIME_OMIT) return null;
    if (t === UTIME_NOW) return now;
    if (t.nsec < 0 || t.nsec >= NSEC_PER_SEC) throw errno('EINVAL', { nsec: t.nsec });
    return t;
  };
  const a = pick(atime);
  const m = pick(mtime);
  return { ...(a ? { atime: a } : {}), ...(m ? { mtime: m } : {}) };
}

function* setTimes(inode: Inode, atime: UTime, mtime: UTime): Op<void> {
  const what = timesChange(inode, atime, mtime);
  if (what) yield* change(inode, what);
}

/** @param flags  AT_SYMLINK_NOFOLLOW: the symlink's own times */
export const sysUtimens = (
  p: Process,
  path: Name,
  atime: UTime,
  mtime: UTime,
  dirfd = AT_FDCWD,
  flags = 0,
): Op<void> => {
  refuseUnknown(flags, AT_SYMLINK_NOFOLLOW);
  const follow = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
  return withPath(p, path, follow, dirfd, (d) => setTimes(inodeOf(d), atime, mtime));
};

export const sysFutimens = (p: Process, fd: number, atime: UTime, mtime: UTime): Op<void> =>
  withFile(p, fd, (file) => setTimes(realFile(file), atime, mtime));

export const sysTruncate = (p: Process, path: Name, size: number, dirfd = AT_FDCWD): Op<void> =>
  withPath(p, path, LOOKUP_FOLLOW, dirfd, function* (d) {
    const inode = inodeOf(d);
    if (size < 0) throw errno('EINVAL', { size });
    if (inode.isDir) throw errno('EISDIR');
    if (!inode.isReg) throw errno('EINVAL', { ino: inode.ino });
    yield* inodePermission(p.cred, inode, MAY_WRITE);
    if (inode.flags & (S_APPEND | S_IMMUTABLE)) throw errno('EPERM', { ino: inode.ino });
    yield* vfsTruncate(inode, size, false);
  });

/** @throws EINVAL not open for writing, or not a regular file */
export const sysFtruncate = (p: Process, fd: number, size: number): Op<void> =>
  withFile(p, fd, function* (file) {
    trace('syscall:sysFtruncate');
    const inode = realFile(file);
    if (!inode.isReg || !file.writable) throw errno('EINVAL', { ino: inode.ino });
    yield* vfsTruncate(inode, size, true);
  });
