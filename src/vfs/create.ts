/**
 * New names: files, directories, device nodes, symlinks, hard links.
 *
 * Order: write level -> i_rwsem of the directory (subclass PARENT) -> look-up -> checks -> the file
 * system, which instantiates the dentry. "Exists" is told before "read-only", as on Linux.
 * @source fs/namei.c:filename_create(), vfs_mkdir() and its kin
 */
import { errno } from '../base/errno.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_IXGRP,
} from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import {
  CAP_DAC_OVERRIDE,
  CAP_FOWNER,
  CAP_MKNOD,
  capable,
  currentCred,
  modeStripSgid,
} from './cred.ts';
import { type Dentry, dMakeNameless, dput } from './dcache.ts';
import {
  isDeadDir,
  I_MUTEX_NORMAL,
  I_MUTEX_PARENT,
  lastIsNormal,
  type LastComponent,
  lockInode,
  lookupLocked,
} from './namei.ts';
import { I_LINKABLE, type Inode, S_APPEND, S_IMMUTABLE } from './inode.ts';
import { inodePermission, MAY_EXEC, MAY_READ, MAY_WRITE } from './permission.ts';
import { getAcl } from './posix-acl.ts';
import { endWrite, startWrite } from './writers.ts';

/** `inode` of a dentry that is known to be positive. */
export function inodeOf(dentry: Dentry): Inode {
  if (dentry.inode === null) throw errno('ENOENT');
  return dentry.inode;
}

/** @throws EACCES, EROFS, EPERM; ENOENT the directory is removed */
export function* mayCreate(dir: Inode): Op<void> {
  if (isDeadDir(dir)) throw errno('ENOENT', { ino: dir.ino });
  yield* inodePermission(currentCred(), dir, MAY_WRITE | MAY_EXEC);
}

/** Mode of a new file: umask (which a default ACL replaces) and setgid rules applied. */
export function* newFileMode(dir: Inode, mode: number): Op<number> {
  const cred = currentCred();
  const inherits =
    dir.aclDefault !== null && dir.iops.getxattr && (yield* getAcl(dir, 'default')) !== null;
  const stripped = modeStripSgid(cred, dir, mode);
  return inherits ? stripped : stripped & ~cred.umask;
}

/**
 * Lock the directory and hold a negative dentry for the new name; `make` does the rest.
 * @param wantDir  a trailing slash is welcome
 */
function* withNewName<T>(
  at: LastComponent,
  wantDir: boolean,
  make: (dir: Inode, dentry: Dentry) => Op<T>,
): Op<T> {
  const { parent } = at;
  if (!lastIsNormal(at)) throw errno('EEXIST');
  const dir = inodeOf(parent);
  const { sb } = parent;
  const refused = sb.readOnly;
  if (!refused) yield* startWrite(sb);
  try {
    yield* lockInode(dir, I_MUTEX_PARENT);
    let dentry: Dentry | null = null;
    try {
      dentry = yield* lookupLocked(parent, at.name);
      if (dentry.inode) throw errno('EEXIST');
      if (at.slashes && !wantDir) throw errno('ENOENT');
      if (refused) throw errno('EROFS');
      return yield* make(dir, dentry);
    } finally {
      dir.rwsem.unlockExclusive();
      if (dentry) yield* dput(dentry);
    }
  } finally {
    if (!refused) endWrite(sb);
  }
}

export const vfsMkdir = (at: LastComponent, mode: number): Op<void> =>
  withNewName(at, true, function* (dir, dentry) {
    yield* mayCreate(dir);
    if (!dir.iops.mkdir) throw errno('EPERM');
    const bits = yield* newFileMode(dir, (mode & 0o1777) | S_IFDIR);
    yield* dir.iops.mkdir(dir, dentry, bits & ~S_IFMT);
  });

/** @throws EPERM a directory, or a device without CAP_MKNOD; EINVAL an unknown type */
export function* vfsMknod(at: LastComponent, mode: number, rdev: number): Op<void> {
  const type = mode & S_IFMT || S_IFREG;
  if (type === S_IFDIR) throw errno('EPERM');
  if (![S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(type)) throw errno('EINVAL');
  const device = type === S_IFCHR || type === S_IFBLK;
  yield* withNewName(at, false, function* (dir, dentry) {
    yield* mayCreate(dir);
    if (device && !capable(currentCred(), CAP_MKNOD)) throw errno('EPERM');
    const bits = yield* newFileMode(dir, type | (mode & ~S_IFMT));
    if (type === S_IFREG) {
      yield* createInode(dir, dentry, bits);
    } else {
      if (!dir.iops.mknod) throw errno('EPERM');
      yield* dir.iops.mknod(dir, dentry, bits, device ? rdev : 0);
    }
  });
}

/** A regular file under a negative dentry. Directory locked, checks done. */
export function* createInode(dir: Inode, dentry: Dentry, mode: number): Op<void> {
  if (!dir.iops.create) throw errno('EACCES');
  yield* dir.iops.create(dir, dentry, S_IFREG | (mode & ~S_IFMT));
}

export function* vfsSymlink(at: LastComponent, target: Name): Op<void> {
  if (target.length === 0) throw errno('ENOENT');
  yield* withNewName(at, false, function* (dir, dentry) {
    yield* mayCreate(dir);
    if (!dir.iops.symlink) throw errno('EPERM');
    yield* dir.iops.symlink(dir, dentry, target);
  });
}

/**
 * Is `source` safe to be linked to by somebody else? Not where a link could keep, or smuggle in,
 * what its owner thinks replaced. @source fs/namei.c:may_linkat(), proc(5) "protected_hardlinks"
 */
function* mayLinkat(source: Inode): Op<void> {
  const cred = currentCred();
  if (cred.uid === source.uid || capable(cred, CAP_FOWNER)) return;
  const setgid = S_ISGID | S_IXGRP;
  const special = !source.isReg || source.mode & S_ISUID || (source.mode & setgid) === setgid;
  if (special) throw errno('EPERM', { ino: source.ino });
  if (capable(cred, CAP_DAC_OVERRIDE)) return;
  try {
    yield* inodePermission(cred, source, MAY_READ | MAY_WRITE);
  } catch {
    throw errno('EPERM', { ino: source.ino });
  }
}

/** One more name for `old`. @throws EXDEV, EPERM a directory, EMLINK, ENOENT it was unlinked */
export function* vfsLink(old: Dentry, at: LastComponent): Op<void> {
  const source = inodeOf(old);
  yield* withNewName(at, false, function* (dir, dentry) {
    if (old.sb !== dentry.sb) throw errno('EXDEV');
    yield* mayLinkat(source);
    yield* mayCreate(dir);
    if (source.flags & (S_APPEND | S_IMMUTABLE)) throw errno('EPERM');
    if (!dir.iops.link || source.isDir) throw errno('EPERM');
    yield* lockInode(source, I_MUTEX_NORMAL);
    try {
      // Only an O_TMPFILE has no name and may still get one.
      if (source.nlink === 0 && !(source.state & I_LINKABLE)) throw errno('ENOENT');
      yield* dir.iops.link(source, dir, dentry);
      source.state &= ~I_LINKABLE;
    } finally {
      source.rwsem.unlockExclusive();
    }
  });
}

/** A file without a name in the file system of `parent` (O_TMPFILE): its dentry, referenced. */
export function* vfsTmpfile(parent: Dentry, mode: number, linkable: boolean): Op<Dentry> {
  const dir = inodeOf(parent);
  yield* startWrite(parent.sb);
  try {
    yield* inodePermission(currentCred(), dir, MAY_WRITE | MAY_EXEC);
    if (!dir.iops.tmpfile) throw errno('EOPNOTSUPP');
    const bits = yield* newFileMode(dir, S_IFREG | (mode & ~S_IFMT));
    const inode = yield* dir.iops.tmpfile(dir, bits);
    if (linkable) inode.state |= I_LINKABLE;
    return dMakeNameless(parent, inode);
  } finally {
    endWrite(parent.sb);
  }
}
