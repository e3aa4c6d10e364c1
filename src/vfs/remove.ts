/**
 * Names that go: unlink, rmdir, and the check that rename shares with them.
 * @source fs/namei.c:may_delete(), do_unlinkat(), do_rmdir()
 */
import { errno } from '../base/errno.ts';
import { S_ISVTX } from '../base/mode.ts';
import type { Op } from '../sched/op.ts';
import { CAP_FOWNER, capable, type Cred, currentCred } from './cred.ts';
import { inodeOf } from './create.ts';
import { dDelete, type Dentry, dput, shrinkChildren } from './dcache.ts';
import { type Inode, S_APPEND, S_IMMUTABLE } from './inode.ts';
import { ihold, iput } from './inode-cache.ts';
import {
  I_MUTEX_CHILD,
  I_MUTEX_NORMAL,
  I_MUTEX_PARENT,
  isDeadDir,
  LAST_DOT,
  LAST_DOTDOT,
  lastIsNormal,
  type LastComponent,
  lockInode,
  lookupLocked,
} from './namei.ts';
import { inodePermission, MAY_EXEC, MAY_WRITE } from './permission.ts';
import { endWrite, startWrite } from './writers.ts';

/** In a sticky directory only the file's or the directory's owner removes a name. */
function stickyForbids(cred: Cred, dir: Inode, inode: Inode): boolean {
  if (!(dir.mode & S_ISVTX)) return false;
  return cred.uid !== inode.uid && cred.uid !== dir.uid && !capable(cred, CAP_FOWNER);
}

/** @throws ENOENT, EACCES, EROFS, EPERM; ENOTDIR or EISDIR if `isDir` is not what it is; EBUSY */
export function* mayDelete(dir: Inode, victim: Dentry, isDir: boolean): Op<void> {
  const inode = inodeOf(victim);
  const cred = currentCred();
  yield* inodePermission(cred, dir, MAY_WRITE | MAY_EXEC);
  if (dir.flags & S_APPEND) throw errno('EPERM', { ino: dir.ino });
  if (stickyForbids(cred, dir, inode) || inode.flags & (S_APPEND | S_IMMUTABLE)) {
    throw errno('EPERM', { ino: inode.ino });
  }
  if (isDir && !inode.isDir) throw errno('ENOTDIR');
  if (isDir && victim.parent === null) throw errno('EBUSY');
  if (!isDir && inode.isDir) throw errno('EISDIR');
  if (isDeadDir(dir)) throw errno('ENOENT', { ino: dir.ino });
}

/**
 * Lock the directory, find the name, and let `remove` do the rest under the lock. The inode's last
 * reference is dropped after the lock: its blocks are freed outside.
 */
function* withVictim(
  at: LastComponent,
  subclass: number,
  remove: (dir: Inode, dentry: Dentry, inode: Inode) => Op<void>,
): Op<void> {
  const { parent } = at;
  const dir = inodeOf(parent);
  yield* startWrite(parent.sb);
  let dentry: Dentry | null = null;
  let victim: Inode | null = null;
  try {
    yield* lockInode(dir, I_MUTEX_PARENT);
    try {
      dentry = yield* lookupLocked(parent, at.name);
      const inode = inodeOf(dentry);
      if (at.slashes && subclass === I_MUTEX_NORMAL) {
        throw errno(inode.isDir ? 'EISDIR' : 'ENOTDIR');
      }
      ihold((victim = inode));
      yield* checkThenRemove(dir, dentry, inode, subclass, remove);
    } finally {
      dir.rwsem.unlockExclusive();
    }
  } finally {
    if (dentry) yield* dput(dentry);
    if (victim) yield* iput(victim);
    endWrite(parent.sb);
  }
}

function* checkThenRemove(
  dir: Inode,
  dentry: Dentry,
  inode: Inode,
  subclass: number,
  remove: (dir: Inode, dentry: Dentry, inode: Inode) => Op<void>,
): Op<void> {
  yield* mayDelete(dir, dentry, subclass === I_MUTEX_CHILD);
  yield* lockInode(inode, subclass);
  try {
    if (dentry.mounted) throw errno('EBUSY', { ino: inode.ino });
    yield* remove(dir, dentry, inode);
    dDelete(dentry);
  } finally {
    inode.rwsem.unlockExclusive();
  }
}

/** @throws EISDIR a directory, ENOTDIR a trailing slash after anything else, and mayDelete()'s */
export function* vfsUnlink(at: LastComponent): Op<void> {
  if (!lastIsNormal(at)) throw errno('EISDIR');
  yield* withVictim(at, I_MUTEX_NORMAL, function* (dir, dentry) {
    if (!dir.iops.unlink) throw errno('EPERM');
    yield* dir.iops.unlink(dir, dentry);
  });
}

/** @throws ENOTEMPTY it, or `..`; EINVAL `.`; EBUSY the root or a mount point; ENOTDIR */
export function* vfsRmdir(at: LastComponent): Op<void> {
  if (!lastIsNormal(at)) {
    throw errno(at.type === LAST_DOTDOT ? 'ENOTEMPTY' : at.type === LAST_DOT ? 'EINVAL' : 'EBUSY');
  }
  yield* withVictim(at, I_MUTEX_CHILD, function* (dir, dentry) {
    if (!dir.iops.rmdir) throw errno('EPERM');
    yield* dir.iops.rmdir(dir, dentry);
    shrinkChildren(dentry);
  });
}
