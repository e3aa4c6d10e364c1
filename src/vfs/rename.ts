/**
 * rename(2): the operation with the most locks and the most ways to say no.
 *
 * Lock order: write level -> rename mutex (two directories only) -> the directories, ancestor
 * first, else by number (PARENT, PARENT2) -> a moved directory (CHILD) -> files, by number. The
 * rename mutex keeps the tree's shape while "is it its own ancestor" is asked (protocols B.1).
 * @source fs/namei.c:do_renameat2(), vfs_rename(), Documentation/filesystems/directory-locking.rst
 */
import { errno } from '../base/errno.ts';
import type { Op } from '../sched/op.ts';
import { currentCred } from './cred.ts';
import { inodeOf, mayCreate } from './create.ts';
import { type Dentry, dExchange, dMove, dput, shrinkChildren } from './dcache.ts';
import type { Inode } from './inode.ts';
import { ihold, iput } from './inode-cache.ts';
import {
  I_MUTEX_CHILD,
  I_MUTEX_NONDIR2,
  I_MUTEX_NORMAL,
  I_MUTEX_PARENT,
  I_MUTEX_PARENT2,
  lastIsNormal,
  type LastComponent,
  lockInode,
  lookupLocked,
} from './namei.ts';
import { inodePermission, MAY_WRITE } from './permission.ts';
import { mayDelete } from './remove.ts';
import { endWrite, startWrite } from './writers.ts';

/** Fail rather than replace. */
export const RENAME_NOREPLACE = 1;
/** The two names change places. */
export const RENAME_EXCHANGE = 2;
/** Leave a whiteout behind (overlayfs): refused. */
export const RENAME_WHITEOUT = 4;

/** Lock two directories. @returns the name in one that leads down to the other, if there is one */
function* lockRename(a: Dentry, b: Dentry): Op<Dentry | null> {
  if (a === b) {
    yield* lockInode(inodeOf(a), I_MUTEX_PARENT);
    return null;
  }
  if (!a.sb.renameMutex.tryLock()) yield* a.sb.renameMutex.lock();
  const trapInB = childTowards(b, a);
  const trap = trapInB ?? childTowards(a, b);
  const byNumber = inodeOf(a).ino < inodeOf(b).ino;
  const first = trapInB ? b : trap || byNumber ? a : b;
  yield* lockInode(inodeOf(first), I_MUTEX_PARENT);
  yield* lockInode(inodeOf(first === a ? b : a), I_MUTEX_PARENT2);
  return trap;
}

function unlockRename(a: Dentry, b: Dentry): void {
  a.inode?.rwsem.unlockExclusive();
  if (a === b) return;
  b.inode?.rwsem.unlockExclusive();
  a.sb.renameMutex.unlock();
}

/** How two directories are locked together: a table, so that a mistake can be put in its place. */
export const directoryLocking = { lock: lockRename, unlock: unlockRename };

/** The child of `above` on the way down to `below`; null if `below` is not under it. */
function childTowards(above: Dentry, below: Dentry): Dentry | null {
  for (let d: Dentry = below; d.parent; d = d.parent) if (d.parent === above) return d;
  return null;
}

/**
 * @throws EBUSY `.`, `..`, a root or a mount point; EXDEV; EINVAL a directory into itself; EEXIST
 *   (NOREPLACE); ENOTEMPTY; EISDIR, ENOTDIR; EACCES, EPERM, EROFS, ENOSPC, EMLINK
 * @context May sleep. Holds no lock.
 */
export function* vfsRename(from: LastComponent, to: LastComponent, flags: number): Op<void> {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const noreplace = (flags & RENAME_NOREPLACE) !== 0;
  const known = RENAME_NOREPLACE | RENAME_EXCHANGE;
  if (flags & ~known || (exchange && noreplace)) throw errno('EINVAL', { flags });
  const { sb } = from.parent;
  if (to.parent.sb !== sb) throw errno('EXDEV');
  if (!lastIsNormal(from)) throw errno('EBUSY');
  if (!lastIsNormal(to)) throw errno(noreplace ? 'EEXIST' : 'EBUSY');

  yield* startWrite(sb);
  const held = new Held();
  try {
    const trap = yield* directoryLocking.lock(from.parent, to.parent);
    try {
      const old = (held.old = yield* lookupLocked(from.parent, from.name));
      inodeOf(old);
      const target = (held.target = yield* lookupLocked(to.parent, to.name));
      checkNames(from, to, old, target, flags);
      if (old === trap) throw errno('EINVAL');
      if (target === trap) throw errno(exchange ? 'EINVAL' : 'ENOTEMPTY');
      held.keepInode(target.inode);
      yield* renameLocked(from.parent, old, to.parent, target, flags);
    } finally {
      directoryLocking.unlock(from.parent, to.parent);
    }
  } finally {
    yield* held.drop();
    endWrite(sb);
  }
}

/** References that outlive the locks, so that nothing is evicted beneath them. */
class Held {
  old: Dentry | null = null;
  target: Dentry | null = null;
  private inode: Inode | null = null;

  keepInode(inode: Inode | null): void {
    if (inode) ihold(inode);
    this.inode = inode;
  }
  *drop(): Op<void> {
    if (this.target) yield* dput(this.target);
    if (this.old) yield* dput(this.old);
    if (this.inode) yield* iput(this.inode);
  }
}

/** What flags and trailing slashes ask of the two names. */
function checkNames(
  from: LastComponent,
  to: LastComponent,
  old: Dentry,
  target: Dentry,
  flags: number,
): void {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (flags & RENAME_NOREPLACE && target.inode) throw errno('EEXIST');
  if (exchange) {
    if (!inodeOf(target).isDir && to.slashes) throw errno('ENOTDIR');
  }
  if (!old.inode?.isDir) {
    if (from.slashes) throw errno('ENOTDIR');
    if (!exchange && to.slashes) throw errno('ENOTDIR');
  }
}

/** Both directories are locked. @source fs/namei.c:vfs_rename() */
function* renameLocked(
  oldParent: Dentry,
  old: Dentry,
  newParent: Dentry,
  target: Dentry,
  flags: number,
): Op<void> {
  const source = inodeOf(old);
  if (source === target.inode) return;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  yield* checkMove(oldParent, old, newParent, target, exchange);
  const locks = new InodeLocks();
  try {
    yield* locks.take(source, target.inode, oldParent !== newParent);
    if (old.mounted || target.mounted) throw errno('EBUSY');
    const { rename } = inodeOf(oldParent).iops;
    if (!rename) throw errno('EPERM');
    yield* rename(inodeOf(oldParent), old, inodeOf(newParent), target, flags);
    if (exchange) {
      dExchange(old, target);
    } else {
      if (target.inode?.isDir) shrinkChildren(target);
      dMove(old, target);
    }
  } finally {
    locks.drop();
  }
}

/** Permissions and types of a move. */
function* checkMove(
  oldParent: Dentry,
  old: Dentry,
  newParent: Dentry,
  target: Dentry,
  exchange: boolean,
): Op<void> {
  const source = inodeOf(old);
  const replaced = target.inode;
  const newDir = inodeOf(newParent);
  yield* mayDelete(inodeOf(oldParent), old, source.isDir);
  if (!replaced) yield* mayCreate(newDir);
  else yield* mayDelete(newDir, target, exchange ? replaced.isDir : source.isDir);
  // A directory that moves gets a new `..`: it is written to.
  if (oldParent === newParent) return;
  const cred = currentCred();
  if (source.isDir) yield* inodePermission(cred, source, MAY_WRITE);
  if (exchange && replaced?.isDir) yield* inodePermission(cred, replaced, MAY_WRITE);
}

/** The locks of what is moved and of what is replaced. */
class InodeLocks {
  private readonly taken: Inode[] = [];

  *take(source: Inode, target: Inode | null, twoParents: boolean): Op<void> {
    // A directory needs its lock only if its parent changes or it is about to be removed.
    const dirs: Inode[] = [];
    const files: Inode[] = [];
    for (const inode of [source, target]) {
      if (!inode) continue;
      if (!inode.isDir) files.push(inode);
      else if (twoParents || inode === target) dirs.push(inode);
    }
    const byNumber = (a: Inode, b: Inode): number => a.ino - b.ino;
    dirs.sort(byNumber);
    files.sort(byNumber);
    for (const inode of dirs) yield* this.lock(inode, I_MUTEX_CHILD);
    for (const [i, inode] of files.entries()) {
      yield* this.lock(inode, i === 0 ? I_MUTEX_NORMAL : I_MUTEX_NONDIR2);
    }
  }

  private *lock(inode: Inode, subclass: number): Op<void> {
    yield* lockInode(inode, subclass);
    this.taken.push(inode);
  }

  drop(): void {
    for (const inode of this.taken.reverse()) inode.rwsem.unlockExclusive();
  }
}
