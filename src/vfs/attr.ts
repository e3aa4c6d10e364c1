/**
 * Changes of mode, owner, size and times, and what they drag along: setuid and setgid bits fall
 * when the owner or the contents change hands.
 *
 * notifyChange checks and completes the change, then the file system's setattr does it; one without
 * a setattr of its own gets setattrCopy.
 * @source fs/attr.c, chmod(2), chown(2), utimensat(2)
 */
import { errno } from '../base/errno.ts';
import { S_IALLUGO, S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from '../base/mode.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import type { SuperBlock } from './super.ts';
import type { Timespec } from '../sched/clock.ts';
import {
  CAP_CHOWN,
  CAP_FSETID,
  capable,
  type Cred,
  currentCred,
  inGroup,
  ownerOrCapable,
} from './cred.ts';
import type { File } from './file.ts';
import { markInodeDirty } from './fs-writeback.ts';
import { I_DIRTY_DATASYNC, I_DIRTY_SYNC, type Inode, S_APPEND, S_IMMUTABLE } from './inode.ts';
import { inodePermission, MAY_WRITE } from './permission.ts';
import type { Iattr } from './stat.ts';

/** A wish: an Iattr, and how it came about. */
export interface AttrChange extends Iattr {
  /** The times that are given mean "now": write permission is enough. */
  readonly touch?: boolean;
  /** With a size: mtime and ctime move on even if the size stays. */
  readonly stamp?: boolean;
  /** Contents or owner change: setuid and setgid fall. Asks for no permission of its own. */
  readonly killPrivileges?: 'write' | 'chown';
}

/** Mode without the bits that must fall, or -1 if none has to. */
function modeAfterKill(cred: Cred, inode: Inode, why: 'write' | 'chown'): number {
  const { mode } = inode;
  if (!inode.isReg && (why === 'write' || inode.isDir)) return -1;
  if (why === 'write' && capable(cred, CAP_FSETID)) return -1;
  let kill = mode & S_ISUID;
  if (mode & S_ISGID) {
    const foreign = !inGroup(cred, inode.gid) && !capable(cred, CAP_FSETID);
    if (mode & S_IXGRP || (why === 'chown' && foreign)) kill |= S_ISGID;
  }
  return kill ? mode & ~kill : -1;
}

/** @throws EPERM not the owner's or a privileged one's to change */
function checkRights(cred: Cred, inode: Inode, change: AttrChange): void {
  const { uid, gid } = change;
  const chown = capable(cred, CAP_CHOWN);
  const owner = cred.uid === inode.uid;
  if (uid !== undefined && !chown && !(owner && uid === inode.uid)) throw errno('EPERM');
  if (gid !== undefined && !chown && !(owner && (gid === inode.gid || inGroup(cred, gid)))) {
    throw errno('EPERM');
  }
  const times = (change.atime !== undefined || change.mtime !== undefined) && !change.touch;
  if ((change.mode !== undefined || times) && !ownerOrCapable(cred, inode)) throw errno('EPERM');
}

function checkFlags(inode: Inode, change: AttrChange): void {
  const { flags } = inode;
  const touched = change.atime !== undefined || change.mtime !== undefined;
  const strong =
    change.mode !== undefined ||
    change.uid !== undefined ||
    change.gid !== undefined ||
    (touched && !change.touch);
  if (strong && flags & (S_IMMUTABLE | S_APPEND)) throw errno('EPERM', { ino: inode.ino });
  if (touched && flags & S_IMMUTABLE) throw errno('EPERM', { ino: inode.ino });
}

/**
 * Check a change, complete it, do it. @context May sleep. i_rwsem exclusive, write level started.
 * @throws EPERM, EACCES, EFBIG, and what the file system's setattr throws
 */
export function* notifyChange(inode: Inode, change: AttrChange): Op<void> {
  trace('vfs:notifyChange');
  const cred = currentCred();
  const { sb } = inode;
  checkFlags(inode, change);
  if (change.touch && !ownerOrCapable(cred, inode)) {
    yield* inodePermission(cred, inode, MAY_WRITE);
  }
  checkRights(cred, inode, change);
  if (change.size !== undefined && change.size > sb.maxBytes) throw errno('EFBIG');

  const attr: Iattr = {};
  const now = sb.now();
  if (change.uid !== undefined) attr.uid = change.uid;
  if (change.gid !== undefined) attr.gid = change.gid;
  if (change.size !== undefined) attr.size = change.size;
  if (change.atime) attr.atime = change.touch ? now : truncated(sb, change.atime);
  if (change.mtime) attr.mtime = change.touch ? now : truncated(sb, change.mtime);
  const mode = newMode(cred, inode, change);
  if (mode !== undefined) attr.mode = mode;
  const resized = change.size !== undefined && (change.stamp || change.size !== inode.size);
  if (resized) attr.mtime = now;
  if (resized || change.size === undefined) attr.ctime = now;
  if (inode.iops.setattr) yield* inode.iops.setattr(inode, attr);
  else setattrCopy(inode, attr);
  // The mode is part of the ACL; the file system has changed it on disk.
  if (mode !== undefined && inode.aclAccess) inode.aclAccess = undefined;
}

function truncated(sb: SuperBlock, t: Timespec): Timespec {
  const { timeMin, timeMax, timeGranularityNs } = sb;
  // At either end only whole seconds are left.
  if (t.sec <= timeMin || t.sec >= timeMax) {
    return { sec: Math.min(Math.max(t.sec, timeMin), timeMax), nsec: 0 };
  }
  return timeGranularityNs === 1 ? t : { sec: t.sec, nsec: t.nsec - (t.nsec % timeGranularityNs) };
}

function newMode(cred: Cred, inode: Inode, change: AttrChange): number | undefined {
  if (change.mode !== undefined) {
    let mode = (change.mode & S_IALLUGO) | (inode.mode & S_IFMT);
    const gid = change.gid ?? inode.gid;
    if (!inGroup(cred, gid) && !capable(cred, CAP_FSETID)) mode &= ~S_ISGID;
    return mode;
  }
  if (!change.killPrivileges) return undefined;
  const mode = modeAfterKill(cred, inode, change.killPrivileges);
  return mode < 0 ? undefined : mode;
}

/** Put the fields into the inode and mark it dirty; size apart. @source fs/attr.c:setattr_copy() */
export function setattrCopy(inode: Inode, attr: Iattr): void {
  if (attr.uid !== undefined) inode.uid = attr.uid;
  if (attr.gid !== undefined) inode.gid = attr.gid;
  if (attr.mode !== undefined) inode.mode = attr.mode;
  if (attr.atime) inode.atime = attr.atime;
  if (attr.mtime) inode.mtime = attr.mtime;
  if (attr.ctime) inode.ctime = attr.ctime;
  markInodeDirty(inode, I_DIRTY_SYNC);
}

/** New mtime and ctime, if the clock has moved. @context Does not sleep. i_rwsem exclusive. */
export function fileUpdateTime(inode: Inode): void {
  const now = inode.sb.now();
  const { mtime, ctime } = inode;
  if (mtime.sec === now.sec && mtime.nsec === now.nsec) {
    if (ctime.sec === now.sec && ctime.nsec === now.nsec) return;
  }
  inode.mtime = inode.ctime = now;
  markInodeDirty(inode, I_DIRTY_SYNC);
}

/**
 * Contents are about to change through `file`: privileges fall, times move on. For every
 * writeIter and fallocate. @context May sleep if bits fall. i_rwsem exclusive.
 */
export function* fileModified(file: File): Op<void> {
  const { inode } = file;
  if (inode.mode & (S_ISUID | S_ISGID) && modeAfterKill(currentCred(), inode, 'write') >= 0) {
    yield* notifyChange(inode, { killPrivileges: 'write' });
  }
  fileUpdateTime(inode);
}

/** The size changed: a datasync must write the inode too. */
export function markSizeDirty(inode: Inode): void {
  markInodeDirty(inode, I_DIRTY_DATASYNC);
}
