/**
 * stat(2), statfs(2): what is known of an inode, and of its file system.
 * @source fs/stat.c:generic_fillattr(), statx(2)
 */
import { fallsShort, wentFast } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import type { Dentry } from './dcache.ts';
import { type Inode, S_APPEND, S_ENCRYPTED, S_IMMUTABLE, S_VERITY } from './inode.ts';
import type { Kstat, Kstatfs } from './stat.ts';

export const STATX_ATTR_IMMUTABLE = 0x10;
export const STATX_ATTR_APPEND = 0x20;
export const STATX_ATTR_ENCRYPTED = 0x800;
export const STATX_ATTR_VERITY = 0x100000;

function attributes(flags: number): number {
  if (flags === 0) return 0;
  return (
    (flags & S_IMMUTABLE ? STATX_ATTR_IMMUTABLE : 0) |
    (flags & S_APPEND ? STATX_ATTR_APPEND : 0) |
    (flags & S_ENCRYPTED ? STATX_ATTR_ENCRYPTED : 0) |
    (flags & S_VERITY ? STATX_ATTR_VERITY : 0)
  );
}

/** From memory alone; a file system adds to it in getattr. @context Does not sleep. */
export function genericFillattr(inode: Inode): Kstat {
  const { sb } = inode;
  return {
    dev: sb.dev,
    ino: inode.ino,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: inode.size,
    blksize: sb.blockSize,
    blocks: inode.blocks,
    atime: inode.atime,
    mtime: inode.mtime,
    ctime: inode.ctime,
    btime: inode.btime,
    attributes: attributes(inode.flags),
  };
}

/** vfsGetattr() where the file system has nothing to add that needs a sleep; else null. */
export function vfsGetattrNowait(inode: Inode): Kstat | null {
  if (CHECKED && fallsShort('vfs.getattrNowait')) return null;
  const { getattr, getattrNowait } = inode.iops;
  if (getattr && !getattrNowait) return null;
  if (CHECKED) wentFast('vfs.getattrNowait');
  const stat = genericFillattr(inode);
  getattrNowait?.(inode, stat);
  return stat;
}

export function* vfsGetattr(inode: Inode): Op<Kstat> {
  const stat = genericFillattr(inode);
  if (inode.iops.getattr) yield* inode.iops.getattr(inode, stat);
  return stat;
}

export const vfsStatfs = (dentry: Dentry): Kstatfs => dentry.sb.sops.statfs();
