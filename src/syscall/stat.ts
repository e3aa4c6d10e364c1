/**
 * stat, statfs, access, readlink: questions about what a path means.
 * @source stat(2), access(2), readlink(2), statfs(2)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { filemapWriteAndWaitRange } from '../mm/filemap.ts';
import type { Cred } from '../vfs/cred.ts';
import { inodeOf } from '../vfs/create.ts';
import type { Dentry } from '../vfs/dcache.ts';
import type { FiemapExtent } from '../vfs/inode.ts';
import { vfsGetattr, vfsGetattrNowait, vfsStatfs } from '../vfs/getattr.ts';
import { DONE, LOOKUP_FOLLOW, readLink } from '../vfs/namei.ts';
import { inodePermission } from '../vfs/permission.ts';
import type { Kstat, Kstatfs } from '../vfs/stat.ts';
import { touchAtime } from '../vfs/atime.ts';
import { AT_FDCWD, type Process, startOf, withFile, withPath } from './process.ts';

export const sysStat = (p: Process, path: Name, dirfd = AT_FDCWD): Op<Kstat> =>
  withPath(p, path, LOOKUP_FOLLOW, dirfd, (d) => vfsGetattr(inodeOf(d)));

export const sysLstat = (p: Process, path: Name, dirfd = AT_FDCWD): Op<Kstat> =>
  withPath(p, path, 0, dirfd, (d) => vfsGetattr(inodeOf(d)));

export const sysFstat = (p: Process, fd: number): Op<Kstat> =>
  withFile(p, fd, (file) => vfsGetattr(file.inode));

/** What stat tells a program: all that the file system knows. @source stat(2), struct stat */
export type Stat = Kstat;

/** What a cached look-up found: an answer, or that there is no such file, or nothing known. */
export type StatNowait = Kstat | 'ENOENT' | null;

function statNowait(p: Process, path: Name, flags: number, dirfd: number): StatNowait {
  const { nd } = p;
  if (nd.walk(startOf(p, path, dirfd), path, flags) !== DONE) return null;
  const { inode } = nd.dentry;
  return inode === null ? 'ENOENT' : vfsGetattrNowait(inode);
}

/** sysStat() from the caches alone; null where sysStat() is needed. @context Does not sleep. */
export const sysStatNowait = (p: Process, path: Name, dirfd = AT_FDCWD): StatNowait =>
  statNowait(p, path, LOOKUP_FOLLOW, dirfd);

export const sysLstatNowait = (p: Process, path: Name, dirfd = AT_FDCWD): StatNowait =>
  statNowait(p, path, 0, dirfd);

/** @throws EBADF */
export const sysFstatNowait = (p: Process, fd: number): Kstat | null =>
  vfsGetattrNowait(p.files.get(fd).inode);

/**
 * @param mask  4 read, 2 write, 1 execute, 0 existence
 * @param cred  whose rights are asked for: the real user's; effective ones with AT_EACCESS
 */
export function* sysAccess(
  p: Process,
  path: Name,
  mask: number,
  dirfd = AT_FDCWD,
  flags = LOOKUP_FOLLOW,
  cred: Cred = p.cred,
): Op<void> {
  if (mask & ~7) throw errno('EINVAL', { mask });
  yield* withPath(p, path, flags, dirfd, function* (d) {
    if (mask !== 0) yield* inodePermission(cred, inodeOf(d), mask);
  });
}

/** @throws EINVAL not a symlink */
export const sysReadlink = (p: Process, path: Name, dirfd = AT_FDCWD): Op<Name> =>
  withPath(p, path, 0, dirfd, function* (d) {
    const target = yield* readLink(inodeOf(d));
    touchAtime(inodeOf(d));
    return target;
  });

export const sysStatfs = (p: Process, path: Name, dirfd = AT_FDCWD): Op<Kstatfs> =>
  withPath(p, path, LOOKUP_FOLLOW, dirfd, function* (d: Dentry) {
    return vfsStatfs(d);
  });

export const sysFstatfs = (p: Process, fd: number): Kstatfs => vfsStatfs(p.files.get(fd).dentry);

/**
 * The extents that hold the bytes from `start` on, in order. `sync` writes dirty data first, so
 * that it has a place.
 * @throws EOPNOTSUPP; EINVAL an empty range
 */
export const sysFiemap = (
  p: Process,
  fd: number,
  start: number,
  length: number,
  visit: (extent: FiemapExtent) => boolean,
  sync = false,
): Op<void> =>
  withFile(p, fd, function* ({ inode }) {
    if (!inode.iops.fiemap) throw errno('EOPNOTSUPP');
    if (length <= 0 || start < 0) throw errno('EINVAL', { start, length });
    if (sync) yield* filemapWriteAndWaitRange(inode.mapping);
    yield* inode.iops.fiemap(inode, start, length, visit);
  });
