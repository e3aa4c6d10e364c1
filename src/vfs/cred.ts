/**
 * Who asks: user, groups, umask, capabilities; and what a new inode inherits from them.
 *
 * The task carries it, as on Linux, because a file system needs it in the middle of an operation
 * (the owner of a new inode) and the ops tables do not hand it down.
 * @source include/linux/cred.h, capabilities(7)
 */
import { S_IFDIR, S_IFMT, S_ISGID, S_IXGRP } from '../base/mode.ts';
import { currentOrNull, currentTask } from '../sched/task.ts';
import type { Inode } from './inode.ts';

/** Bits of `Cred.caps`: 1 << Linux's number. */
export const CAP_CHOWN = 1 << 0;
export const CAP_DAC_OVERRIDE = 1 << 1;
export const CAP_DAC_READ_SEARCH = 1 << 2;
export const CAP_FOWNER = 1 << 3;
export const CAP_FSETID = 1 << 4;
export const CAP_LINUX_IMMUTABLE = 1 << 9;
export const CAP_SYS_ADMIN = 1 << 21;
export const CAP_SYS_RESOURCE = 1 << 24;
export const CAP_MKNOD = 1 << 27;
export const CAP_SETFCAP = 1 << 31;
/** What uid 0 has. */
export const CAP_ALL = -1;

export interface Cred {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Permission bits that new files do not get. Changed by umask(2). */
  umask: number;
  readonly caps: number;
}

/** The rights of kernel tasks: everything. */
export const ROOT_CRED: Cred = { uid: 0, gid: 0, groups: [], umask: 0, caps: CAP_ALL };

/** The rights that the running task acts with; a kernel task, or none, has all. */
export function currentCred(): Cred {
  return (currentOrNull()?.cred as Cred | null | undefined) ?? ROOT_CRED;
}

/** A system call begins: its task acts for `cred` from now on. */
export function actFor(cred: Cred): void {
  currentTask().cred = cred;
}

export const capable = (cred: Cred, cap: number): boolean => (cred.caps & cap) !== 0;

export const inGroup = (cred: Cred, gid: number): boolean =>
  cred.gid === gid || cred.groups.includes(gid);

/** The owner, or somebody who may act like one. */
export const ownerOrCapable = (cred: Cred, inode: Inode): boolean =>
  cred.uid === inode.uid || capable(cred, CAP_FOWNER);

/**
 * Mode of a file about to be made in `dir`. In a setgid directory a setgid, group-executable file
 * would hand the directory's group to a maker who is not of that group.
 * @source fs/inode.c:mode_strip_sgid()
 */
export function modeStripSgid(cred: Cred, dir: Inode, mode: number): number {
  if ((mode & (S_ISGID | S_IXGRP)) !== (S_ISGID | S_IXGRP)) return mode;
  if ((mode & S_IFMT) === S_IFDIR || !(dir.mode & S_ISGID)) return mode;
  if (inGroup(cred, dir.gid) || capable(cred, CAP_FSETID)) return mode;
  return mode & ~S_ISGID;
}

/**
 * Owner, group and mode of a new inode: the group comes from a setgid directory, which also
 * makes its new directories setgid. @param mode  with type
 * @source fs/inode.c:inode_init_owner()
 */
export function inodeInitOwner(inode: Inode, dir: Inode, mode: number): void {
  const cred = currentCred();
  const inherits = (dir.mode & S_ISGID) !== 0;
  inode.uid = cred.uid;
  inode.gid = inherits ? dir.gid : cred.gid;
  inode.mode = inherits && (mode & S_IFMT) === S_IFDIR ? mode | S_ISGID : mode;
}
