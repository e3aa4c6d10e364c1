/**
 * A process as the system calls see it: root, working directory, rights, descriptors.
 *
 * Every sysX(p, ...) is one system call: arguments as Linux has them, errors as errno. A path comes
 * with the descriptor of the directory that it is relative to, AT_FDCWD for the working directory.
 * @source fs/fs_struct.c, fs/file.c, path_resolution(7)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { actFor, type Cred, ROOT_CRED } from '../vfs/cred.ts';
import { type Dentry, dput } from '../vfs/dcache.ts';
import type { File } from '../vfs/file.ts';
import { fput } from '../vfs/open.ts';
import { FileTable } from '../vfs/file-table.ts';
import { type LastComponent, Namei, pathLookup, pathParent } from '../vfs/namei.ts';

/** In place of a descriptor: relative to the working directory. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EACCESS = 0x200;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

export class Process {
  readonly cred: Cred;
  readonly files = new FileTable();
  readonly nd: Namei;

  /** @param root  of a mounted file system; held until exit(), as is the working directory */
  constructor(root: Dentry, cred: Cred = { ...ROOT_CRED, umask: 0o022 }) {
    this.cred = cred;
    this.nd = new Namei(root.hold(), root.hold(), cred);
  }

  get root(): Dentry {
    return this.nd.root;
  }
  get cwd(): Dentry {
    return this.nd.cwd;
  }

  /** Where a relative path starts. @throws EBADF */
  start(dirfd: number): Dentry {
    return dirfd === AT_FDCWD ? this.nd.cwd : this.files.get(dirfd).dentry;
  }

  file(fd: number): File {
    return this.files.get(fd);
  }
}

/** The system call begins: file systems see its rights. */
export function enter(p: Process): void {
  actFor(p.cred);
}

/** What a path means, with a reference. `flags`: LOOKUP_* */
export function* lookup(p: Process, path: Name, flags: number, dirfd: number): Op<Dentry> {
  return yield* pathLookup(p.nd, startOf(p, path, dirfd), path, flags);
}

/** The directory and the last name of a path; the directory is held. */
export function* lookupParent(p: Process, path: Name, dirfd: number): Op<LastComponent> {
  return yield* pathParent(p.nd, startOf(p, path, dirfd), path);
}

/** An absolute path does not look at its descriptor. */
export const startOf = (p: Process, path: Name, dirfd: number): Dentry =>
  path.charCodeAt(0) === 47 ? p.nd.root : p.start(dirfd);

/** Do something with what a path means; its reference is dropped afterwards. */
export function* withPath<T>(
  p: Process,
  path: Name,
  flags: number,
  dirfd: number,
  act: (dentry: Dentry) => Op<T>,
): Op<T> {
  enter(p);
  const dentry = yield* lookup(p, path, flags, dirfd);
  try {
    return yield* act(dentry);
  } finally {
    yield* dput(dentry);
  }
}

/** Do something with the last name of a path. */
export function* withParent<T>(
  p: Process,
  path: Name,
  dirfd: number,
  act: (at: LastComponent) => Op<T>,
): Op<T> {
  enter(p);
  const at = yield* lookupParent(p, path, dirfd);
  try {
    return yield* act(at);
  } finally {
    yield* dput(at.parent);
  }
}

/** Do something with an open file, which stays open meanwhile. */
export function* withFile<T>(p: Process, fd: number, act: (file: File) => Op<T>): Op<T> {
  enter(p);
  const file = p.files.get(fd);
  file.count++;
  try {
    return yield* act(file);
  } finally {
    yield* fputLast(file);
  }
}

function* fputLast(file: File): Op<void> {
  if (file.count > 1) file.count--;
  else yield* fput(file);
}

/** A number that no flag of `known` explains. @throws EINVAL */
export function refuseUnknown(flags: number, known: number): void {
  if (flags & ~known) throw errno('EINVAL', { flags });
}
