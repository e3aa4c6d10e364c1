/**
 * POSIX ACLs: stored as attributes in a form of their own, kept true with the mode.
 *
 * The mode's group bits are the ACL's mask, so chmod changes the ACL, and an ACL that says no more
 * than a mode is stored as the mode alone. A directory's default ACL is what its new files get.
 * @source fs/ext4/acl.c, fs/posix_acl.c:posix_acl_create_masq(), __posix_acl_chmod_masq(); acl(5)
 */
import { errno } from '../../base/errno.ts';
import { S_ISGID } from '../../base/mode.ts';
import { asciiName } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { CAP_FSETID, capable, currentCred, inGroup } from '../../vfs/cred.ts';
import type { Acl, AclEntry } from '../../vfs/inode.ts';
import {
  EXT4_XATTR_INDEX_POSIX_ACL_ACCESS,
  EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT,
} from './disk/xattr.ts';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  type AclLine,
  aclFromDisk,
  aclIsValid,
  aclToDisk,
} from './disk/posix-acl.ts';
import { withHandle } from './ext4-jbd2.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { type DeadInodes, putDead } from './xattr-inode.ts';
import { ext4XattrGet, ext4XattrSet } from './xattr.ts';

export type AclKind = 'access' | 'default';

const NO_NAME = asciiName('');
const indexOf = (kind: AclKind): number =>
  kind === 'access' ? EXT4_XATTR_INDEX_POSIX_ACL_ACCESS : EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT;

/** ids of lines that have none are 0 in memory and ~0 in the attribute's form. */
const toEntry = (l: AclLine): AclEntry => ({ ...l, id: l.id === ACL_UNDEFINED_ID ? 0 : l.id });
const toLine = (e: AclEntry): AclLine => ({
  ...e,
  id: e.tag === ACL_USER || e.tag === ACL_GROUP ? e.id : ACL_UNDEFINED_ID,
});

/**
 * The ACL of an inode, from memory or from the disk; null: none.
 * @throws EUCLEAN, EIO
 */
export function* ext4GetAcl(inode: Ext4Inode, kind: AclKind): Op<Acl | null> {
  const known = kind === 'access' ? inode.aclAccess : inode.aclDefault;
  if (known !== undefined) return known;
  const value = yield* ext4XattrGet(inode, indexOf(kind), NO_NAME);
  const lines = value ? aclFromDisk(value, inode.ino) : [];
  const acl = lines.length > 0 ? lines.map(toEntry) : null;
  remember(inode, kind, acl);
  return acl;
}

function remember(inode: Ext4Inode, kind: AclKind, acl: Acl | null): void {
  if (kind === 'access') inode.aclAccess = acl;
  else inode.aclDefault = acl;
}

/** Store or (null) remove an ACL; the mode is the caller's. */
function* storeAcl(
  handle: Handle,
  inode: Ext4Inode,
  kind: AclKind,
  acl: Acl | null,
  dead: DeadInodes,
): Op<void> {
  const value = acl ? aclToDisk(acl.map(toLine)) : null;
  yield* ext4XattrSet(handle, inode, indexOf(kind), NO_NAME, value, 0, dead);
  remember(inode, kind, acl);
}

/** Permission bits that an ACL amounts to, and whether a mode says all of it. */
function modeOf(acl: Acl): { mode: number; minimal: boolean } {
  let mode = 0;
  let mask = -1;
  let named = false;
  for (const { tag, perm } of acl) {
    if (tag === ACL_USER_OBJ) mode |= perm << 6;
    else if (tag === ACL_GROUP_OBJ) mode |= perm << 3;
    else if (tag === ACL_OTHER) mode |= perm;
    else if (tag === ACL_MASK) mask = perm;
    else named = true;
  }
  const minimal = !named && mask < 0;
  return { mode: mask >= 0 ? (mode & ~0o070) | (mask << 3) : mode, minimal };
}

/**
 * Set or (null) remove an ACL, as setxattr(2) of system.posix_acl_* does.
 * @throws EACCES a default ACL of what is no directory; EINVAL no valid ACL; ENOSPC
 * @context Inside `handle` (credits: xattr). i_rwsem exclusive.
 */
export function* ext4SetAcl(
  handle: Handle,
  inode: Ext4Inode,
  kind: AclKind,
  acl: Acl | null,
  dead: DeadInodes,
): Op<void> {
  if (inode.isLnk) throw errno('EOPNOTSUPP', { ino: inode.ino });
  if (kind === 'default') {
    if (!inode.isDir && acl) throw errno('EACCES', { ino: inode.ino });
    if (!inode.isDir) return;
  }
  if (acl && !aclIsValid(acl.map(toLine))) throw errno('EINVAL', { ino: inode.ino });
  if (kind === 'default' || !acl) {
    yield* storeAcl(handle, inode, kind, acl, dead);
    return;
  }
  const { mode, minimal } = modeOf(acl);
  yield* storeAcl(handle, inode, kind, minimal ? null : acl, dead);
  inode.mode = (inode.mode & ~0o777) | mode;
  const cred = currentCred();
  if (!inGroup(cred, inode.gid) && !capable(cred, CAP_FSETID)) inode.mode &= ~S_ISGID;
  inode.ctime = inode.sb.now();
  yield* ext4MarkInodeDirty(handle, inode);
}

/** The default ACL as the access ACL of a file made with `mode`, and the mode that remains. */
function inherit(acl: Acl, mode: number): { acl: Acl; mode: number } {
  const hasMask = acl.some((e) => e.tag === ACL_MASK);
  let left = mode;
  const out = acl.map((e): AclEntry => {
    const shift = shiftOf(e.tag, hasMask);
    if (shift < 0) return e;
    const perm = e.perm & (mode >> shift) & 7;
    left &= ~((~perm & 7) << shift);
    return { ...e, perm };
  });
  return { acl: out, mode: left };
}

/** Where the mode has the bits of a line, -1 where it has none. */
function shiftOf(tag: number, hasMask: boolean): number {
  if (tag === ACL_USER_OBJ) return 6;
  if (tag === ACL_OTHER) return 0;
  return tag === (hasMask ? ACL_MASK : ACL_GROUP_OBJ) ? 3 : -1;
}

/**
 * ACLs of a new inode, and what they leave of its mode. (Where the directory has no default ACL,
 * the umask was taken off the mode by the VFS.)
 * @throws ENOSPC, EUCLEAN
 * @context Inside `handle`. `inode` is new.
 */
export function* ext4InitAcl(
  handle: Handle,
  inode: Ext4Inode,
  dir: Ext4Inode,
  dead: DeadInodes,
): Op<void> {
  if (inode.isLnk) {
    inode.aclAccess = inode.aclDefault = null;
    return;
  }
  const given = yield* ext4GetAcl(dir, 'default');
  if (!given) {
    inode.aclAccess = inode.aclDefault = null;
    return;
  }
  const { acl, mode } = inherit(given, inode.mode);
  inode.mode = mode;
  if (inode.isDir) yield* storeAcl(handle, inode, 'default', given, dead);
  else inode.aclDefault = null;
  if (modeOf(acl).minimal) inode.aclAccess = null;
  else yield* storeAcl(handle, inode, 'access', acl, dead);
}

/**
 * chmod: the ACL follows the mode that the inode has got.
 * @context May sleep; no handle is open. i_rwsem exclusive.
 */
export function* ext4AclChmod(inode: Ext4Inode): Op<void> {
  if (inode.isLnk) return;
  const acl = yield* ext4GetAcl(inode, 'access');
  if (!acl) return;
  const hasMask = acl.some((e) => e.tag === ACL_MASK);
  const next = acl.map((e): AclEntry => {
    const shift = shiftOf(e.tag, hasMask);
    return shift < 0 ? e : { ...e, perm: (inode.mode >> shift) & 7 };
  });
  const dead: DeadInodes = [];
  try {
    yield* withHandle(inode.sb, 'xattr', (h) => storeAcl(h, inode, 'access', next, dead));
  } finally {
    yield* putDead(dead);
  }
}
