/**
 * May somebody do something to an inode: mode bits, ACL, capabilities, flags.
 *
 * The plain form answers from memory; it says "unknown" only for an inode whose ACL was not read
 * yet, and only where the ACL could matter.
 * @source fs/namei.c:inode_permission(), fs/posix_acl.c:posix_acl_permission(), acl(5)
 */
import { errno } from '../base/errno.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from '../base/mode.ts';
import type { Op } from '../sched/op.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, capable, type Cred, inGroup } from './cred.ts';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_USER,
  ACL_USER_OBJ,
  getAcl,
} from './posix-acl.ts';
import { type Acl, type Inode, S_IMMUTABLE } from './inode.ts';

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Answers of the plain forms. */
export const DENIED = 0;
export const ALLOWED = 1;
export const UNKNOWN = -1;
export type Answer = typeof DENIED | typeof ALLOWED | typeof UNKNOWN;

/** What capabilities allow where mode bits do not. */
function overridden(cred: Cred, inode: Inode, mask: number): boolean {
  if (inode.isDir) {
    if (capable(cred, CAP_DAC_OVERRIDE)) return true;
    return (mask & MAY_WRITE) === 0 && capable(cred, CAP_DAC_READ_SEARCH);
  }
  if (mask === MAY_READ && capable(cred, CAP_DAC_READ_SEARCH)) return true;
  // Nobody executes what nobody may execute.
  return ((mask & MAY_EXEC) === 0 || (inode.mode & 0o111) !== 0) && capable(cred, CAP_DAC_OVERRIDE);
}

/** Could the inode have an ACL that nobody has read yet? Known to have none: aclAccess null. */
const aclUnknown = (inode: Inode): boolean =>
  inode.aclAccess === undefined && inode.iops.getxattr !== undefined;

/** The mode bits (and a known ACL) alone. @context Does not sleep. */
function modeAnswer(cred: Cred, inode: Inode, mask: number): Answer {
  const { mode } = inode;
  if (cred.uid === inode.uid) return ((mode >> 6) & mask) === mask ? ALLOWED : DENIED;
  // The group bits are the ACL's mask: where they are 0 an ACL grants nothing.
  if (mode & 0o070) {
    if (inode.aclAccess) return aclAnswer(cred, inode, inode.aclAccess, mask);
    if (aclUnknown(inode)) return UNKNOWN;
  }
  const shift = inGroup(cred, inode.gid) ? 3 : 0;
  return ((mode >> shift) & mask) === mask ? ALLOWED : DENIED;
}

/** The ACL check of acl(5), "ACCESS CHECK ALGORITHM". The owner was dealt with by the mode. */
function aclAnswer(cred: Cred, inode: Inode, acl: Acl, mask: number): Answer {
  const limit = acl.find((e) => e.tag === ACL_MASK)?.perm ?? 7;
  let groupMatched = false;
  for (const e of acl) {
    if (e.tag === ACL_USER_OBJ || e.tag === ACL_MASK) continue;
    if (e.tag === ACL_USER) {
      if (e.id !== cred.uid) continue;
      return (e.perm & limit & mask) === mask ? ALLOWED : DENIED;
    }
    if (e.tag === ACL_GROUP_OBJ || e.tag === ACL_GROUP) {
      if (!inGroup(cred, e.tag === ACL_GROUP ? e.id : inode.gid)) continue;
      groupMatched = true;
      if ((e.perm & limit & mask) === mask) return ALLOWED;
    } else if (e.tag === ACL_OTHER) {
      return !groupMatched && (e.perm & mask) === mask ? ALLOWED : DENIED;
    }
  }
  return DENIED;
}

/** @context Does not sleep. `mask`: MAY_* bits. Looks at modes, not at read-only mounts. */
export function permissionNowait(cred: Cred, inode: Inode, mask: number): Answer {
  // Granted to everybody by the mode, and no ACL could take it away: the usual directory.
  if (((inode.mode & (mask * 0o111)) ^ (mask * 0o111)) === 0 && inode.aclAccess === null) {
    return ALLOWED;
  }
  if (overridden(cred, inode, mask)) return ALLOWED;
  return modeAnswer(cred, inode, mask);
}

/**
 * @throws EACCES; EROFS, EPERM for writing to a read-only mount or an immutable inode
 * @context May sleep to read an ACL.
 */
export function* inodePermission(cred: Cred, inode: Inode, mask: number): Op<void> {
  if (mask & MAY_WRITE) {
    refuseReadOnly(inode);
    if (inode.flags & S_IMMUTABLE) throw errno('EPERM', { ino: inode.ino });
  }
  let answer = permissionNowait(cred, inode, mask);
  if (answer === UNKNOWN) {
    yield* getAcl(inode, 'access');
    answer = modeAnswer(cred, inode, mask);
  }
  if (answer === DENIED) throw errno('EACCES', { ino: inode.ino });
}

/** Data and names cannot be written on a read-only mount; device nodes are not the mount's. */
function refuseReadOnly(inode: Inode): void {
  if (!inode.sb.readOnly) return;
  const { type } = inode;
  if (type === S_IFREG || type === S_IFDIR || type === S_IFLNK) throw errno('EROFS');
}

export const isDevice = (inode: Inode): boolean => inode.type === S_IFCHR || inode.type === S_IFBLK;
