/**
 * Extended attributes: names spaces, limits and rights. The values are the file system's.
 *
 *   user.*      regular files and directories, by their mode; in sticky directories the owner's
 *   trusted.*   CAP_SYS_ADMIN's alone; nobody else sees that they are there
 *   security.*  read by everybody; written with CAP_SYS_ADMIN (security.capability: CAP_SETFCAP)
 *   system.posix_acl_*  the owner's; written through checks of posix-acl.ts
 * @source fs/xattr.c, xattr(7), include/uapi/linux/limits.h
 */
import { errno } from '../base/errno.ts';
import { S_ISVTX } from '../base/mode.ts';
import { asciiName, type Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import {
  CAP_SETFCAP,
  CAP_SYS_ADMIN,
  capable,
  type Cred,
  currentCred,
  ownerOrCapable,
} from './cred.ts';
import { type Inode, S_APPEND, S_IMMUTABLE } from './inode.ts';
import { lockInode } from './namei.ts';
import { inodePermission, MAY_READ, MAY_WRITE } from './permission.ts';
import { aclFromXattr, aclToXattr, XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT } from './posix-acl.ts';
import { endWrite, startWrite } from './writers.ts';

export const XATTR_NAME_MAX = 255;
export const XATTR_SIZE_MAX = 65536;
export const XATTR_LIST_MAX = 65536;

/** Must not exist; must exist. */
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

const isAcl = (name: Name): boolean => name === XATTR_ACL_ACCESS || name === XATTR_ACL_DEFAULT;

/** @throws ERANGE the name is empty or too long */
function checkName(name: Name): void {
  if (name.length === 0 || name.length > XATTR_NAME_MAX) throw errno('ERANGE');
}

/** @throws EPERM, EACCES, EROFS, ENODATA, EOPNOTSUPP. @source fs/xattr.c:xattr_permission() */
function* xattrPermission(cred: Cred, inode: Inode, name: Name, mask: number): Op<void> {
  const writes = (mask & MAY_WRITE) !== 0;
  if (writes && inode.flags & (S_IMMUTABLE | S_APPEND)) throw errno('EPERM', { ino: inode.ino });
  if (name.startsWith('security.')) {
    if (!writes) return;
    const cap = name === 'security.capability' ? CAP_SETFCAP : CAP_SYS_ADMIN;
    if (!capable(cred, cap)) throw errno('EPERM');
    return;
  }
  if (name.startsWith('system.')) return;
  if (name.startsWith('trusted.')) {
    if (!capable(cred, CAP_SYS_ADMIN)) throw errno(writes ? 'EPERM' : 'ENODATA');
    return;
  }
  if (!name.startsWith('user.')) throw errno('EOPNOTSUPP');
  if (!inode.isReg && !inode.isDir) throw errno(writes ? 'EPERM' : 'ENODATA');
  const sticky = inode.isDir && (inode.mode & S_ISVTX) !== 0;
  if (sticky && writes && !ownerOrCapable(cred, inode)) throw errno('EPERM');
  yield* inodePermission(cred, inode, mask);
}

/** @throws ENODATA no such attribute; EOPNOTSUPP; EACCES; ERANGE */
export function* vfsGetxattr(inode: Inode, name: Name): Op<Uint8Array> {
  checkName(name);
  const { getxattr } = inode.iops;
  if (isAcl(name) && inode.isLnk) throw errno('EOPNOTSUPP');
  yield* xattrPermission(currentCred(), inode, name, MAY_READ);
  if (!getxattr) throw errno('EOPNOTSUPP');
  const value = yield* getxattr(inode, name);
  if (!value) throw errno('ENODATA', { ino: inode.ino });
  return value;
}

/** The names this asker may know of. */
export function* vfsListxattr(inode: Inode): Op<Name[]> {
  const { listxattr } = inode.iops;
  if (!listxattr) return [];
  const names = yield* listxattr(inode);
  if (capable(currentCred(), CAP_SYS_ADMIN)) return names;
  return names.filter((n) => !n.startsWith('trusted.'));
}

/**
 * @param value  null removes
 * @throws EEXIST, ENODATA (flags); E2BIG, ERANGE; ENOSPC; EPERM, EACCES, EROFS, EOPNOTSUPP; EINVAL
 */
export function* vfsSetxattr(
  inode: Inode,
  name: Name,
  value: Uint8Array | null,
  flags = 0,
): Op<void> {
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) throw errno('EINVAL', { flags });
  checkName(name);
  if (value && value.length > XATTR_SIZE_MAX) throw errno('E2BIG', { size: value.length });
  yield* startWrite(inode.sb);
  try {
    yield* lockInode(inode);
    try {
      yield* setLocked(inode, name, value, flags);
    } finally {
      inode.rwsem.unlockExclusive();
    }
  } finally {
    endWrite(inode.sb);
  }
}

function* setLocked(inode: Inode, name: Name, value: Uint8Array | null, flags: number): Op<void> {
  const { setxattr } = inode.iops;
  if (isAcl(name)) {
    yield* setAcl(inode, name, value);
    return;
  }
  yield* xattrPermission(currentCred(), inode, name, MAY_WRITE);
  if (!setxattr) throw errno('EOPNOTSUPP');
  // What is removed has to be there: as on Linux, a removal is a replacement by nothing.
  yield* setxattr(inode, name, value, value ? flags : XATTR_REPLACE);
}

/** The file system keeps mode and ACL in step; removing what is not there is fine. */
function* setAcl(inode: Inode, name: Name, value: Uint8Array | null): Op<void> {
  const { setxattr } = inode.iops;
  if (inode.isLnk || !setxattr) throw errno('EOPNOTSUPP');
  const acl = value ? aclFromXattr(value) : null;
  if (inode.flags & (S_IMMUTABLE | S_APPEND)) throw errno('EPERM', { ino: inode.ino });
  if (!ownerOrCapable(currentCred(), inode)) throw errno('EPERM', { ino: inode.ino });
  if (name === XATTR_ACL_DEFAULT && !inode.isDir) {
    if (acl) throw errno('EACCES', { ino: inode.ino });
    return;
  }
  yield* setxattr(inode, name, acl ? aclToXattr(acl) : null, 0);
  if (name === XATTR_ACL_ACCESS) inode.aclAccess = undefined;
  else inode.aclDefault = undefined;
}

/** What listxattr(2) returns in bytes: names, each with a NUL. @throws E2BIG */
export function packNames(names: readonly Name[]): Name {
  const packed = names.map((n) => `${n}\0`).join('');
  if (packed.length > XATTR_LIST_MAX) throw errno('E2BIG');
  return asciiName(packed);
}
