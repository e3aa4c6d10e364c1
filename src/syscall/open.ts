/**
 * open, close, dup, exit.
 * @source open(2), close(2), dup(2)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { type Dentry, dput } from '../vfs/dcache.ts';
import { type File, O_CREAT, O_EXCL, O_NOFOLLOW } from '../vfs/file.ts';
import {
  DONE,
  LOOKUP_DIRECTORY,
  LOOKUP_FOLLOW,
  type LastComponent,
  pathParent,
  readLink,
} from '../vfs/namei.ts';
import {
  checkOpenFlags,
  fput,
  openCreate,
  openTmpfile,
  vfsOpen,
  wantsTmpfile,
} from '../vfs/open.ts';
import { AT_FDCWD, enter, lookup, type Process, startOf } from './process.ts';

const MAXSYMLINKS = 40;

/** @returns a descriptor. @throws what open(2) lists */
export function* sysOpen(
  p: Process,
  path: Name,
  flags: number,
  mode = 0o666,
  dirfd = AT_FDCWD,
): Op<number> {
  enter(p);
  const file = yield* doOpen(p, path, checkOpenFlags(flags), mode, dirfd);
  try {
    return p.files.install(file);
  } catch (e) {
    yield* fput(file);
    throw e;
  }
}

function* doOpen(p: Process, path: Name, flags: number, mode: number, dirfd: number): Op<File> {
  const follow = flags & (O_NOFOLLOW | (flags & O_CREAT ? O_EXCL : 0)) ? 0 : LOOKUP_FOLLOW;
  if (wantsTmpfile(flags)) {
    const parent = yield* lookup(p, path, follow | LOOKUP_DIRECTORY, dirfd);
    try {
      return yield* openTmpfile(parent, flags, mode);
    } finally {
      yield* dput(parent);
    }
  }
  if (flags & O_CREAT) return yield* doCreate(p, path, flags, mode, dirfd);
  const dentry = yield* lookup(p, path, follow, dirfd);
  return yield* vfsOpen(dentry, flags);
}

/**
 * O_CREAT: a last component that is a symlink is followed by hand, because the directory of its
 * target must be known and locked.
 */
function* doCreate(p: Process, path: Name, flags: number, mode: number, dirfd: number): Op<File> {
  const existing = p.nd.walk(startOf(p, path, dirfd), path, LOOKUP_FOLLOW);
  const { dentry: known } = p.nd;
  if (existing === DONE && known.inode?.isReg && !(flags & (O_EXCL | O_NOFOLLOW))) {
    return yield* vfsOpen(known.hold(), flags);
  }
  let at = yield* pathParent(p.nd, startOf(p, path, dirfd), path);
  for (let followed = 0; ; followed++) {
    const here = at;
    try {
      if (followed > MAXSYMLINKS) throw errno('ELOOP');
      const { dentry, created } = yield* openCreate(here, flags, mode);
      if (!dentry.inode?.isLnk || flags & (O_EXCL | O_NOFOLLOW)) {
        return yield* openFound(dentry, flags, created);
      }
      at = yield* followLast(p, here, dentry);
    } finally {
      yield* dput(here.parent);
    }
  }
}

/** Takes over the reference. With O_CREAT a directory is refused, whatever the access mode. */
function* openFound(dentry: Dentry, flags: number, created: boolean): Op<File> {
  if (dentry.inode?.isDir) {
    yield* dput(dentry);
    throw errno('EISDIR');
  }
  return yield* vfsOpen(dentry, flags, created);
}

/** Where the symlink `link` in `at` leads to. Drops the reference of `link`. */
function* followLast(p: Process, at: LastComponent, link: Dentry): Op<LastComponent> {
  try {
    if (!link.inode) throw errno('ENOENT');
    const target = yield* readLink(link.inode);
    return yield* pathParent(p.nd, at.parent, target);
  } finally {
    yield* dput(link);
  }
}

/** @throws EBADF; EIO what a file system's release meets: the descriptor is gone all the same */
export function* sysClose(p: Process, fd: number): Op<void> {
  enter(p);
  yield* fput(p.files.remove(fd));
}

/** A second descriptor of the same open file: one position, one set of flags. */
export function sysDup(p: Process, fd: number): number {
  const file = p.files.get(fd);
  const copy = p.files.install(file);
  file.count++;
  return copy;
}

/** The process ends: everything it had open is closed. */
export function* sysExit(p: Process): Op<void> {
  enter(p);
  for (const fd of p.files.open()) yield* fput(p.files.remove(fd));
  yield* dput(p.nd.cwd);
  yield* dput(p.nd.root);
}
