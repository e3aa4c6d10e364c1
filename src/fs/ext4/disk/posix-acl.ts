/**
 * POSIX access control lists in their two forms: on disk, where entries that need no id are
 * short, and as the value of system.posix_acl_*, where all entries are long.
 * @source fs/ext4/acl.h; include/uapi/linux/posix_acl_xattr.h; acl(5)
 */
import { LE, struct, u16, u32 } from '../../../base/struct.ts';
import { corrupted, errno } from '../../../base/errno.ts';

/** Head of the form on disk. */
export const AclHeader = struct('ext4_acl_header', LE, 4, {
  a_version: u32(0x0), // 1
});

/** Entry of a named user or group. */
export const AclEntry = struct('ext4_acl_entry', LE, 8, {
  e_tag: u16(0x0), // ACL_USER or ACL_GROUP
  e_perm: u16(0x2), // rwx as 4 | 2 | 1
  e_id: u32(0x4), // whose
});

/** Entry of any other kind. */
export const AclEntryShort = struct('ext4_acl_entry_short', LE, 4, {
  e_tag: u16(0x0), // ACL_*
  e_perm: u16(0x2), // rwx
});

/** Head of the form of the attribute. */
export const AclXattrHeader = struct('posix_acl_xattr_header', LE, 4, {
  a_version: u32(0x0), // 2
});

/** Entry of the form of the attribute. */
export const AclXattrEntry = struct('posix_acl_xattr_entry', LE, 8, {
  e_tag: u16(0x0), // ACL_*
  e_perm: u16(0x2), // rwx
  e_id: u32(0x4), // whose; ~0 where the tag needs none
});

export const EXT4_ACL_VERSION = 1;
export const POSIX_ACL_XATTR_VERSION = 2;
export const ACL_UNDEFINED_ID = 0xffff_ffff;

/** e_tag. */
export const ACL_USER_OBJ = 0x01;
export const ACL_USER = 0x02;
export const ACL_GROUP_OBJ = 0x04;
export const ACL_GROUP = 0x08;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;

/** One line of a list. `id` is ACL_UNDEFINED_ID unless the tag is ACL_USER or ACL_GROUP. */
export interface AclLine {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

const needsId = (tag: number): boolean => tag === ACL_USER || tag === ACL_GROUP;
const knownTag = (tag: number): boolean =>
  needsId(tag) ||
  tag === ACL_USER_OBJ ||
  tag === ACL_GROUP_OBJ ||
  tag === ACL_MASK ||
  tag === ACL_OTHER;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/**
 * Read the form on disk.
 * @throws EUCLEAN  unknown version or tag, or an entry that is cut off
 */
export function aclFromDisk(value: Uint8Array, ino: number): AclLine[] {
  const view = viewOf(value);
  const size = value.length;
  if (size < AclHeader.$size || AclHeader.a_version.get(view, 0) !== EXT4_ACL_VERSION) {
    throw corrupted('ext4_acl_header', 'a_version', { ino, size });
  }
  const lines: AclLine[] = [];
  let at = AclHeader.$size;
  while (at < size) {
    if (at + AclEntryShort.$size > size) {
      throw corrupted('ext4_acl_entry_short', 'e_tag', { ino, at, size });
    }
    const tag = AclEntry.e_tag.get(view, at);
    const perm = AclEntry.e_perm.get(view, at);
    if (!knownTag(tag)) throw corrupted('ext4_acl_entry', 'e_tag', { ino, at, got: tag });
    const long = needsId(tag);
    if (long && at + AclEntry.$size > size) {
      throw corrupted('ext4_acl_entry', 'e_id', { ino, at, size });
    }
    lines.push({ tag, perm, id: long ? AclEntry.e_id.get(view, at) : ACL_UNDEFINED_ID });
    at += long ? AclEntry.$size : AclEntryShort.$size;
  }
  return lines;
}

/** The form on disk. */
export function aclToDisk(lines: readonly AclLine[]): Uint8Array {
  const long = lines.filter((l) => needsId(l.tag)).length;
  const out = new Uint8Array(
    AclHeader.$size + long * AclEntry.$size + (lines.length - long) * AclEntryShort.$size,
  );
  const view = viewOf(out);
  AclHeader.a_version.set(view, 0, EXT4_ACL_VERSION);
  let at = AclHeader.$size;
  for (const { tag, perm, id } of lines) {
    AclEntry.e_tag.set(view, at, tag);
    AclEntry.e_perm.set(view, at, perm);
    if (needsId(tag)) AclEntry.e_id.set(view, at, id);
    at += needsId(tag) ? AclEntry.$size : AclEntryShort.$size;
  }
  return out;
}

/**
 * Read the value that setxattr(2) was given.
 * @throws EINVAL  length or tag make no sense; EOPNOTSUPP  another version
 * @source fs/posix_acl.c:posix_acl_from_xattr()
 */
export function aclFromXattr(value: Uint8Array): AclLine[] {
  const size = value.length - AclXattrHeader.$size;
  if (size < 0 || size % AclXattrEntry.$size !== 0) throw errno('EINVAL', { size: value.length });
  const view = viewOf(value);
  const version = AclXattrHeader.a_version.get(view, 0);
  if (version !== POSIX_ACL_XATTR_VERSION) throw errno('EOPNOTSUPP', { version });
  const lines: AclLine[] = [];
  for (let at = AclXattrHeader.$size; at < value.length; at += AclXattrEntry.$size) {
    const tag = AclXattrEntry.e_tag.get(view, at);
    if (!knownTag(tag)) throw errno('EINVAL', { tag });
    const id = needsId(tag) ? AclXattrEntry.e_id.get(view, at) : ACL_UNDEFINED_ID;
    lines.push({ tag, perm: AclXattrEntry.e_perm.get(view, at), id });
  }
  return lines;
}

/** The value that getxattr(2) gives. */
export function aclToXattr(lines: readonly AclLine[]): Uint8Array {
  const out = new Uint8Array(AclXattrHeader.$size + lines.length * AclXattrEntry.$size);
  const view = viewOf(out);
  AclXattrHeader.a_version.set(view, 0, POSIX_ACL_XATTR_VERSION);
  let at = AclXattrHeader.$size;
  for (const { tag, perm, id } of lines) {
    AclXattrEntry.e_tag.set(view, at, tag);
    AclXattrEntry.e_perm.set(view, at, perm);
    AclXattrEntry.e_id.set(view, at, needsId(tag) ? id : ACL_UNDEFINED_ID);
    at += AclXattrEntry.$size;
  }
  return out;
}

/**
 * Is this a list that the rules of acl(5) allow: the three owners' lines once each, in order, and
 * a mask where there are named users or groups? An empty list is not.
 * @source fs/posix_acl.c:posix_acl_valid()
 */
export function aclIsValid(lines: readonly AclLine[]): boolean {
  let last = 0;
  let named = false;
  let seen = 0;
  for (const { tag, perm } of lines) {
    const repeats = tag === last && needsId(tag);
    if ((perm & ~7) !== 0 || !knownTag(tag) || (tag <= last && !repeats)) return false;
    if (needsId(tag)) named = true;
    seen |= tag;
    last = tag;
  }
  const owners = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;
  return (seen & owners) === owners && (!named || (seen & ACL_MASK) !== 0);
}
