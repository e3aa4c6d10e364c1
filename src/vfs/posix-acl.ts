/**
 * POSIX ACLs as the system.posix_acl_* attributes carry them between user and kernel.
 *
 *     le32 version = 2, then per entry: le16 tag, le16 perm, le32 id (0xffffffff: no id)
 *
 * @source include/uapi/linux/posix_acl_xattr.h, include/uapi/linux/posix_acl.h, acl(5)
 */
import { errno, isErrno } from '../base/errno.ts';
import { asciiName } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import type { Acl, AclEntry, Inode } from './inode.ts';

export const ACL_USER_OBJ = 0x01;
export const ACL_USER = 0x02;
export const ACL_GROUP_OBJ = 0x04;
export const ACL_GROUP = 0x08;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;

export const XATTR_ACL_ACCESS = asciiName('system.posix_acl_access');
export const XATTR_ACL_DEFAULT = asciiName('system.posix_acl_default');

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;
const NO_ID = 0xffffffff;

/**
 * @returns null for an empty ACL
 * @throws EINVAL not an ACL; EOPNOTSUPP another version
 */
export function aclFromXattr(value: Uint8Array): Acl | null {
  if (value.length < HEADER || (value.length - HEADER) % ENTRY) throw errno('EINVAL');
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(0, true) !== VERSION) throw errno('EOPNOTSUPP');
  const acl: AclEntry[] = [];
  for (let at = HEADER; at < value.length; at += ENTRY) {
    const tag = view.getUint16(at, true);
    const named = tag === ACL_USER || tag === ACL_GROUP;
    const id = named ? view.getUint32(at + 4, true) : 0;
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
  }
  return acl.length === 0 ? null : checkAcl(acl);
}

export function aclToXattr(acl: Acl): Uint8Array {
  const value = new Uint8Array(HEADER + ENTRY * acl.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  acl.forEach((e, i) => {
    const at = HEADER + ENTRY * i;
    const named = e.tag === ACL_USER || e.tag === ACL_GROUP;
    view.setUint16(at, e.tag, true);
    view.setUint16(at + 2, e.perm, true);
    view.setUint32(at + 4, named ? e.id : NO_ID, true);
  });
  return value;
}

/**
 * Entries in the one order there is, each class there, a mask where it is needed. @throws EINVAL
 */
export function checkAcl(acl: Acl): Acl {
  let before = 0;
  let named = false;
  const seen = new Set<number>();
  for (const { tag, perm, id } of acl) {
    const known = (tag & (tag - 1)) === 0 && tag >= ACL_USER_OBJ && tag <= ACL_OTHER;
    if (!known || perm > 7 || tag < before || id === NO_ID) throw errno('EINVAL');
    const repeats = tag === ACL_USER || tag === ACL_GROUP;
    if (tag === before && !repeats) throw errno('EINVAL');
    named ||= repeats;
    before = tag;
    seen.add(tag);
  }
  const whole = seen.has(ACL_USER_OBJ) && seen.has(ACL_GROUP_OBJ) && seen.has(ACL_OTHER);
  if (!whole || (named && !seen.has(ACL_MASK))) throw errno('EINVAL');
  return acl;
}

/** The ACL of an inode, from memory or from its attribute. @context May sleep. */
export function* getAcl(inode: Inode, kind: 'access' | 'default'): Op<Acl | null> {
  const known = kind === 'access' ? inode.aclAccess : inode.aclDefault;
  if (known !== undefined) return known;
  const name = kind === 'access' ? XATTR_ACL_ACCESS : XATTR_ACL_DEFAULT;
  const value = inode.isLnk ? null : yield* aclValue(inode, name);
  const acl = value ? aclFromXattr(value) : null;
  if (kind === 'access') inode.aclAccess = acl;
  else inode.aclDefault = acl;
  return acl;
}

function* aclValue(inode: Inode, name: typeof XATTR_ACL_ACCESS): Op<Uint8Array | null> {
  if (!inode.iops.getxattr) return null;
  try {
    return yield* inode.iops.getxattr(inode, name);
  } catch (e) {
    if (isUnsupported(e)) return null;
    throw e;
  }
}

/** A file system without ACLs says so; that is an answer, not a failure. */
const isUnsupported = (e: unknown): boolean => isErrno(e, 'EOPNOTSUPP') || isErrno(e, 'ENODATA');
