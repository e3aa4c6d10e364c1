/**
 * Which operations an inode has, by its type. This file alone imports all of them; inode.ts gets
 * them through a table of the super block, so that no import runs in a circle.
 * @source fs/ext4/inode.c:__ext4_iget(), its last part
 */
import type { InodeOperations } from '../../vfs/inode.ts';
import { ext4Aops } from './aops.ts';
import { ext4DirOperations } from './dir.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from './disk/inode.ts';
import { ext4Fiemap, ext4FileOperations } from './file.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4DirInodeOperations } from './namei.ts';
import { ext4Getattr, ext4GetattrNowait, ext4Setattr } from './setattr.ts';
import { ext4SymlinkInodeOperations } from './symlink.ts';
import { ext4XattrOperations } from './xattr-ops.ts';

/** What every type has. */
const COMMON: InodeOperations = {
  setattr: ext4Setattr,
  getattr: ext4Getattr,
  ...ext4XattrOperations,
};

/** Not so a symlink: the size of an encrypted one is told by its target, which has to be read. */
const AT_ONCE: InodeOperations = { ...COMMON, getattrNowait: ext4GetattrNowait };

const FILE: InodeOperations = { ...AT_ONCE, fiemap: ext4Fiemap };
const DIR: InodeOperations = { ...AT_ONCE, ...ext4DirInodeOperations, fiemap: ext4Fiemap };
const SYMLINK: InodeOperations = { ...COMMON, ...ext4SymlinkInodeOperations };
const SPECIAL: InodeOperations = AT_ONCE;

export function setInodeOps(inode: Ext4Inode): void {
  inode.aops = ext4Aops;
  switch (inode.type) {
    case S_IFREG:
      inode.iops = FILE;
      inode.fops = ext4FileOperations;
      break;
    case S_IFDIR:
      inode.iops = DIR;
      inode.fops = ext4DirOperations;
      break;
    case S_IFLNK:
      inode.iops = SYMLINK;
      break;
    default:
      inode.iops = SPECIAL;
  }
}
