/**
 * open(2): from flags and a dentry to an open file; and its end.
 * @source fs/open.c:build_open_flags(), do_dentry_open(); fs/namei.c:do_open(), may_open();
 *   fs/file_table.c:__fput()
 */
import { errno } from '../base/errno.ts';
import { S_IALLUGO, S_IFIFO, S_IFREG, S_IFSOCK } from '../base/mode.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { notifyChange } from './attr.ts';
import { currentCred, ownerOrCapable } from './cred.ts';
import { createInode, inodeOf, mayCreate, newFileMode, vfsTmpfile } from './create.ts';
import { type Dentry, dput } from './dcache.ts';
import {
  File,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from './file.ts';
import { type Inode, S_APPEND, S_IMMUTABLE } from './inode.ts';
import {
  I_MUTEX_PARENT,
  lastIsNormal,
  type LastComponent,
  lockInode,
  lookupLocked,
} from './namei.ts';
import { inodePermission, isDevice, MAY_READ, MAY_WRITE } from './permission.ts';
import { endWrite, startWrite } from './writers.ts';

/** O_TMPFILE without the O_DIRECTORY that it contains for old kernels' sake. */
const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;

export const wantsTmpfile = (flags: number): boolean => (flags & TMPFILE_BIT) !== 0;

/** Flags as the rest may rely on them. @throws EINVAL a combination that means nothing */
export function checkOpenFlags(flags: number): number {
  // A path-only descriptor reads and writes nothing: of the rest only these mean something.
  if (flags & O_PATH) return flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (flags & O_CREAT && flags & O_DIRECTORY) throw errno('EINVAL', { flags });
  if (wantsTmpfile(flags)) {
    const writes = (flags & O_ACCMODE) === O_WRONLY || (flags & O_ACCMODE) === O_RDWR;
    if ((flags & O_TMPFILE) !== O_TMPFILE || !writes) throw errno('EINVAL', { flags });
  }
  return flags;
}

const wantedAccess = (flags: number): number => {
  const mode = flags & O_ACCMODE;
  const read = mode === O_RDONLY || mode === O_RDWR ? MAY_READ : 0;
  // O_TRUNC writes, whatever the mode says.
  return read | (mode !== O_RDONLY || flags & O_TRUNC ? MAY_WRITE : 0);
};

/** @throws ELOOP, EISDIR, ENXIO, EACCES, EROFS, EPERM */
function* mayOpen(inode: Inode, flags: number): Op<void> {
  const access = wantedAccess(flags);
  if (inode.isLnk) throw errno('ELOOP');
  if (inode.isDir && access & MAY_WRITE) throw errno('EISDIR');
  // No driver and no peer stands behind a device node, a fifo or a socket here.
  if (isDevice(inode) || inode.type === S_IFIFO || inode.type === S_IFSOCK) {
    yield* inodePermission(currentCred(), inode, access);
    throw errno('ENXIO', { ino: inode.ino });
  }
  yield* inodePermission(currentCred(), inode, access);
  if (inode.flags & S_APPEND) {
    const plainWrite = (flags & O_ACCMODE) !== O_RDONLY && !(flags & O_APPEND);
    if (plainWrite || flags & O_TRUNC) throw errno('EPERM', { ino: inode.ino });
  }
  if (flags & O_NOATIME && !ownerOrCapable(currentCred(), inode)) throw errno('EPERM');
}

/**
 * Open what a dentry names; takes over the caller's reference of it, also on failure.
 * @param created  by this call: whoever makes a file may open it, whatever mode he gives it
 */
export function* vfsOpen(dentry: Dentry, flags: number, created = false): Op<File> {
  try {
    const inode = inodeOf(dentry);
    if (flags & O_DIRECTORY && !inode.isDir) throw errno('ENOTDIR');
    if (!(flags & O_PATH)) {
      if (!created) yield* mayOpen(inode, flags);
      if (flags & O_DIRECT) throw errno('EINVAL', {}, 'direct I/O is not supported yet');
    }
    const file = new File(dentry, inode, flags & ~(O_CREAT | O_EXCL | O_TRUNC));
    if (!(flags & O_PATH)) yield* finishOpen(file, flags, created);
    return file;
  } catch (e) {
    yield* dput(dentry);
    throw e;
  }
}

function* finishOpen(file: File, flags: number, created: boolean): Op<void> {
  const { inode } = file;
  if (file.writable) {
    if (inode.writeCount < 0) throw errno('ETXTBSY', { ino: inode.ino });
    inode.writeCount++;
  }
  try {
    if (inode.fops.open) yield* inode.fops.open(inode, file);
    if (flags & O_TRUNC && inode.isReg && !created) yield* vfsTruncate(inode, 0, true);
  } catch (e) {
    if (file.writable) inode.writeCount--;
    throw e;
  }
}

/** open() with O_CREAT: the last component may have to be made. Follows no symlink. */
export function* openCreate(at: LastComponent, flags: number, mode: number): Op<OpenCreated> {
  if (!lastIsNormal(at)) throw errno(flags & O_EXCL ? 'EEXIST' : 'EISDIR');
  if (at.slashes) throw errno('EISDIR');
  const dir = inodeOf(at.parent);
  const { sb } = at.parent;
  const writable = !sb.readOnly;
  if (writable) yield* startWrite(sb);
  try {
    yield* lockInode(dir, I_MUTEX_PARENT);
    let dentry: Dentry | null = null;
    try {
      dentry = yield* lookupLocked(at.parent, at.name);
      if (dentry.inode) {
        if (flags & O_EXCL) throw errno('EEXIST');
        return { dentry, created: false };
      }
      if (!writable) throw errno('EROFS');
      yield* mayCreate(dir);
      yield* createInode(dir, dentry, yield* newFileMode(dir, (mode & S_IALLUGO) | S_IFREG));
      return { dentry, created: true };
    } catch (e) {
      if (dentry) yield* dput(dentry);
      throw e;
    } finally {
      dir.rwsem.unlockExclusive();
    }
  } finally {
    if (writable) endWrite(sb);
  }
}

export interface OpenCreated {
  /** Referenced and positive. */
  readonly dentry: Dentry;
  readonly created: boolean;
}

/** O_TMPFILE in the directory `parent`. */
export function* openTmpfile(parent: Dentry, flags: number, mode: number): Op<File> {
  const inode = inodeOf(parent);
  if (!inode.isDir) throw errno('ENOTDIR');
  const dentry = yield* vfsTmpfile(parent, mode & 0o7777, !(flags & O_EXCL));
  return yield* vfsOpen(dentry, flags & ~(TMPFILE_BIT | O_DIRECTORY), true);
}

/** The last reference of an open file goes, and perhaps the unlinked inode with it. */
export function* fput(file: File): Op<void> {
  if (--file.count > 0) return;
  const { inode } = file;
  try {
    if (!(file.flags & O_PATH) && inode.fops.release) yield* inode.fops.release(inode, file);
  } finally {
    if (file.writable) inode.writeCount--;
    yield* dput(file.dentry);
  }
}

/**
 * Set the size. @context May sleep. Holds no lock. @throws EISDIR, EINVAL, EFBIG, EROFS, EPERM
 * @param stamp  times move on even if the size is the same: ftruncate(2) and O_TRUNC
 */
export function* vfsTruncate(inode: Inode, size: number, stamp: boolean): Op<void> {
  trace('vfs:vfsTruncate');
  if (inode.isDir) throw errno('EISDIR');
  if (!inode.isReg || size < 0 || !Number.isSafeInteger(size)) throw errno('EINVAL', { size });
  yield* startWrite(inode.sb);
  try {
    if (inode.flags & (S_APPEND | S_IMMUTABLE)) throw errno('EPERM', { ino: inode.ino });
    yield* lockInode(inode);
    try {
      yield* notifyChange(inode, { size, stamp, killPrivileges: 'write' });
    } finally {
      inode.rwsem.unlockExclusive();
    }
  } finally {
    endWrite(inode.sb);
  }
}
