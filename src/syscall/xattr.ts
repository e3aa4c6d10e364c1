/**
 * getxattr, setxattr, listxattr, removexattr; `follow` false is the l form.
 * @source getxattr(2), setxattr(2), listxattr(2), removexattr(2)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { inodeOf } from '../vfs/create.ts';
import { type File, O_PATH } from '../vfs/file.ts';
import type { Inode } from '../vfs/inode.ts';
import { LOOKUP_FOLLOW } from '../vfs/namei.ts';
import { packNames, vfsGetxattr, vfsListxattr, vfsSetxattr } from '../vfs/xattr.ts';
import { AT_FDCWD, type Process, withFile, withPath } from './process.ts';

const lookupFlags = (follow: boolean): number => (follow ? LOOKUP_FOLLOW : 0);

const realFile = (file: File): Inode => {
  if (file.flags & O_PATH) throw errno('EBADF');
  return file.inode;
};

export const sysGetxattr = (p: Process, path: Name, name: Name, follow = true): Op<Uint8Array> =>
  withPath(p, path, lookupFlags(follow), AT_FDCWD, (d) => vfsGetxattr(inodeOf(d), name));

export const sysFgetxattr = (p: Process, fd: number, name: Name): Op<Uint8Array> =>
  withFile(p, fd, (file) => vfsGetxattr(realFile(file), name));

/** getxattr(2) into a buffer. @throws ERANGE it is too small; an empty one asks for the size */
export function copyValue(value: Uint8Array, into: Uint8Array): number {
  if (into.length === 0) return value.length;
  if (value.length > into.length) throw errno('ERANGE', { size: value.length });
  into.set(value);
  return value.length;
}

/** @param flags  XATTR_CREATE, XATTR_REPLACE */
export const sysSetxattr = (
  p: Process,
  path: Name,
  name: Name,
  value: Uint8Array,
  flags = 0,
  follow = true,
): Op<void> =>
  withPath(p, path, lookupFlags(follow), AT_FDCWD, (d) =>
    vfsSetxattr(inodeOf(d), name, value, flags),
  );

export const sysFsetxattr = (
  p: Process,
  fd: number,
  name: Name,
  value: Uint8Array,
  flags = 0,
): Op<void> => withFile(p, fd, (file) => vfsSetxattr(realFile(file), name, value, flags));

export const sysRemovexattr = (p: Process, path: Name, name: Name, follow = true): Op<void> =>
  withPath(p, path, lookupFlags(follow), AT_FDCWD, (d) => vfsSetxattr(inodeOf(d), name, null));

export const sysFremovexattr = (p: Process, fd: number, name: Name): Op<void> =>
  withFile(p, fd, (file) => vfsSetxattr(realFile(file), name, null));

function* list(inode: Inode): Op<Name[]> {
  const names = yield* vfsListxattr(inode);
  packNames(names);
  return names;
}

/** @throws E2BIG more than XATTR_LIST_MAX bytes of names */
export const sysListxattr = (p: Process, path: Name, follow = true): Op<Name[]> =>
  withPath(p, path, lookupFlags(follow), AT_FDCWD, (d) => list(inodeOf(d)));

export const sysFlistxattr = (p: Process, fd: number): Op<Name[]> =>
  withFile(p, fd, (file) => list(realFile(file)));
