/**
 * mkdir, rmdir, unlink, rename, link, symlink, mknod, getdents, chdir, getcwd.
 * @source the man pages of section 2 of these names
 */
import { errno } from '../base/errno.ts';
import { asciiName, type Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { CAP_DAC_READ_SEARCH, capable } from '../vfs/cred.ts';
import { inodeOf, vfsLink, vfsMkdir, vfsMknod, vfsSymlink } from '../vfs/create.ts';
import { type Dentry, dput } from '../vfs/dcache.ts';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from '../vfs/namei.ts';
import { inodePermission, MAY_EXEC } from '../vfs/permission.ts';
import { type Dirent, vfsGetdents } from '../vfs/readdir.ts';
import { vfsRmdir, vfsUnlink } from '../vfs/remove.ts';
import { vfsRename } from '../vfs/rename.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  enter,
  lookup,
  lookupParent,
  type Process,
  refuseUnknown,
  withFile,
  withParent,
} from './process.ts';

export const sysMkdir = (p: Process, path: Name, mode = 0o777, dirfd = AT_FDCWD): Op<void> =>
  withParent(p, path, dirfd, (at) => vfsMkdir(at, mode));

/** @param mode  with type: S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK */
export const sysMknod = (
  p: Process,
  path: Name,
  mode: number,
  rdev = 0,
  dirfd = AT_FDCWD,
): Op<void> => withParent(p, path, dirfd, (at) => vfsMknod(at, mode, rdev));

export const sysSymlink = (p: Process, target: Name, path: Name, dirfd = AT_FDCWD): Op<void> =>
  withParent(p, path, dirfd, (at) => vfsSymlink(at, target));

export const sysUnlink = (p: Process, path: Name, dirfd = AT_FDCWD): Op<void> =>
  withParent(p, path, dirfd, vfsUnlink);

export const sysRmdir = (p: Process, path: Name, dirfd = AT_FDCWD): Op<void> =>
  withParent(p, path, dirfd, vfsRmdir);

/** @param flags  RENAME_NOREPLACE, RENAME_EXCHANGE */
export function* sysRename(
  p: Process,
  from: Name,
  to: Name,
  flags = 0,
  fromFd = AT_FDCWD,
  toFd = AT_FDCWD,
): Op<void> {
  yield* withParent(p, from, fromFd, function* (old) {
    const at = yield* lookupParent(p, to, toFd);
    try {
      yield* vfsRename(old, at, flags);
    } finally {
      yield* dput(at.parent);
    }
  });
}

/** @param flags  AT_SYMLINK_FOLLOW, AT_EMPTY_PATH (with a descriptor of the file itself) */
export function* sysLink(
  p: Process,
  from: Name,
  to: Name,
  flags = 0,
  fromFd = AT_FDCWD,
  toFd = AT_FDCWD,
): Op<void> {
  refuseUnknown(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH);
  enter(p);
  const old = yield* linkSource(p, from, flags, fromFd);
  try {
    yield* withParent(p, to, toFd, (at) => vfsLink(old, at));
  } finally {
    yield* dput(old);
  }
}

function* linkSource(p: Process, path: Name, flags: number, dirfd: number): Op<Dentry> {
  if (path.length > 0 || !(flags & AT_EMPTY_PATH)) {
    return yield* lookup(p, path, flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0, dirfd);
  }
  // Who has a descriptor could otherwise link to what he was handed, around its directory's modes.
  if (!capable(p.cred, CAP_DAC_READ_SEARCH)) throw errno('ENOENT');
  return p.start(dirfd).hold();
}

/** Entries from the position of the open directory on; none at the end. */
export const sysGetdents = (p: Process, fd: number, max = 1024): Op<Dirent[]> =>
  withFile(p, fd, (file) => vfsGetdents(file, max));

export function* sysChdir(p: Process, path: Name): Op<void> {
  enter(p);
  const dentry = yield* lookup(p, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, AT_FDCWD);
  yield* setCwd(p, dentry);
}

export const sysFchdir = (p: Process, fd: number): Op<void> =>
  withFile(p, fd, (file) => setCwd(p, file.dentry.hold()));

/** Takes over the reference. */
function* setCwd(p: Process, dentry: Dentry): Op<void> {
  try {
    const inode = inodeOf(dentry);
    if (!inode.isDir) throw errno('ENOTDIR');
    yield* inodePermission(p.cred, inode, MAY_EXEC);
  } catch (e) {
    yield* dput(dentry);
    throw e;
  }
  const before = p.nd.cwd;
  p.nd.cwd = dentry;
  yield* dput(before);
}

/** The path of the working directory. @throws ENOENT it was removed */
export function sysGetcwd(p: Process): Name {
  return dPath(p.nd.root, p.nd.cwd);
}

/** The path of a dentry below `root`. @source fs/d_path.c */
export function dPath(root: Dentry, dentry: Dentry): Name {
  const parts: Name[] = [];
  for (let d: Dentry = dentry; d !== root;) {
    if (d.parent) {
      if (!d.hashed) throw errno('ENOENT');
      parts.push(d.name);
      d = d.parent;
    } else if (d.sb.mountpoint) {
      d = d.sb.mountpoint;
    } else {
      break;
    }
  }
  return asciiName(`/${parts.reverse().join('/')}`);
}

/** @returns the mask before */
export function sysUmask(p: Process, mask: number): number {
  const before = p.cred.umask;
  p.cred.umask = mask & 0o777;
  return before;
}
