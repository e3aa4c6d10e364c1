/**
 * getxattr(2), setxattr(2) and listxattr(2) of every kind of ext4 inode.
 *
 * What has no handler in Linux is not to be seen: `system.data`, the encryption context, Lustre's.
 * ACLs have another form here than on the disk, and change the mode.
 * @source fs/ext4/xattr.c:ext4_xattr_handlers, ext4_listxattr(); fs/xattr.c
 */
import { errno } from '../../base/errno.ts';
import { asciiName, type Name } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { Acl, Inode, InodeOperations } from '../../vfs/inode.ts';
import { type AclKind, ext4GetAcl, ext4SetAcl } from './acl.ts';
import {
  ACL_GROUP,
  ACL_UNDEFINED_ID,
  ACL_USER,
  aclFromXattr,
  aclToXattr,
} from './disk/posix-acl.ts';
import {
  EXT4_XATTR_INDEX_HURD,
  EXT4_XATTR_INDEX_POSIX_ACL_ACCESS,
  EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT,
  splitXattrName,
  xattrPrefix,
} from './disk/xattr.ts';
import { ext4JournalStart, ext4JournalStop } from './ext4-jbd2.ts';
import { withAllocRetry } from './freed-clusters.ts';
import type { Ext4Inode } from './inode-info.ts';
import { type DeadInodes, putDead } from './xattr-inode.ts';
import { ext4XattrGet, ext4XattrList, ext4XattrSet, XATTR_CREATE, XATTR_REPLACE } from './xattr.ts';

const ext4 = (inode: Inode): Ext4Inode => inode as Ext4Inode;

function aclKind(index: number): AclKind | null {
  if (index === EXT4_XATTR_INDEX_POSIX_ACL_ACCESS) return 'access';
  return index === EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT ? 'default' : null;
}

/** @throws EOPNOTSUPP no handler has this name */
function handlerOf(name: Name): { index: number; suffix: Name } {
  const parts = splitXattrName(name);
  if (!parts || !(xattrPrefix(parts.index)?.visible ?? false)) {
    throw errno('EOPNOTSUPP', {}, 'attributes with this prefix are not supported');
  }
  return { index: parts.index, suffix: asciiName(parts.suffix) };
}

function* getxattr(inode: Inode, name: Name): Op<Uint8Array | null> {
  const { index, suffix } = handlerOf(name);
  const kind = aclKind(index);
  if (kind === null) return yield* ext4XattrGet(ext4(inode), index, suffix);
  const acl = inode.isLnk ? null : yield* ext4GetAcl(ext4(inode), kind);
  return acl && aclToXattr(acl);
}

function* setxattr(inode: Inode, name: Name, value: Uint8Array | null, flags: number): Op<void> {
  const { index, suffix } = handlerOf(name);
  const kind = aclKind(index);
  const dead: DeadInodes = [];
  const { sb } = ext4(inode);
  const blocks = value && sb.has.eaInode ? Math.ceil(value.length / sb.geo.blockSize) : 0;
  yield* withAllocRetry(sb, function* (): Op<void> {
    try {
      const handle = yield* ext4JournalStart(sb, 'xattr', blocks);
      try {
        if (kind) yield* setAclValue(handle, ext4(inode), kind, value, flags, dead);
        else yield* ext4XattrSet(handle, ext4(inode), index, suffix, value, flags, dead);
      } finally {
        yield* ext4JournalStop(handle);
      }
    } finally {
      yield* putDead(dead.splice(0));
    }
  });
}

function* setAclValue(
  handle: Handle,
  inode: Ext4Inode,
  kind: AclKind,
  value: Uint8Array | null,
  flags: number,
  dead: DeadInodes,
): Op<void> {
  const present = (yield* ext4GetAcl(inode, kind)) !== null;
  if (!present && (flags & XATTR_REPLACE) !== 0) throw errno('ENODATA');
  if (present && (flags & XATTR_CREATE) !== 0) throw errno('EEXIST');
  const lines = value ? aclFromXattr(value) : [];
  const named = (tag: number): boolean => tag === ACL_USER || tag === ACL_GROUP;
  const acl: Acl = lines.map((l) => ({ ...l, id: l.id === ACL_UNDEFINED_ID ? 0 : l.id }));
  if (lines.some((l) => named(l.tag) && l.id === ACL_UNDEFINED_ID)) throw errno('EINVAL');
  yield* ext4SetAcl(handle, inode, kind, acl.length > 0 ? acl : null, dead);
}

function* listxattr(inode: Inode): Op<Name[]> {
  const names: Name[] = [];
  for (const { index, name } of yield* ext4XattrList(ext4(inode))) {
    const prefix = xattrPrefix(index);
    if (!prefix?.visible || index === EXT4_XATTR_INDEX_HURD) continue;
    names.push(asciiName(prefix.prefix + name));
  }
  return names;
}

/** The attribute operations of every inode. */
export const ext4XattrOperations = { getxattr, setxattr, listxattr } satisfies InodeOperations;
