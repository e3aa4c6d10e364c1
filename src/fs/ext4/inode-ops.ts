/**
 * Which operations an inode has, by its type. This file alone imports all of them; inode.ts gets
 * them through a table of the super block, so that no import runs in a circle.
 * @source fs/ext4/inode.c:__ext4_iget(), its last part
 */
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../base/mode.ts';
import { inodeOf } from '../../iomap/iter.ts';
import type { AddressSpace } from '../../mm/address-space.ts';
import type { ReadaheadControl } from '../../mm/readahead.ts';
import type { File, FileOperations } from '../../vfs/file.ts';
import type { Inode, InodeOperations } from '../../vfs/inode.ts';
import type { SuperBlock } from '../../vfs/super.ts';
import { ext4Aops } from './aops.ts';
import { ext4DirOperations } from './dir.ts';
import { ext4Fiemap, ext4FileOperations } from './file.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4DirInodeOperations } from './namei.ts';
import { ext4Getattr, ext4GetattrNowait, ext4Setattr } from './setattr.ts';
import { reporting } from './reporting.ts';
import { ext4SymlinkInodeOperations } from './symlink.ts';
import { ext4XattrOperations } from './xattr-ops.ts';

/** What every type has. */
const COMMON: InodeOperations = {
  setattr: ext4Setattr,
  getattr: ext4Getattr,
  ...ext4XattrOperations,
};

const sbOf = (inode: Inode): SuperBlock => inode.sb;
const iops = (table: InodeOperations): InodeOperations => reporting(table, sbOf);
const fops = (table: FileOperations): FileOperations => {
  const watched = reporting(table, (file: File) => file.inode.sb);
  // These two are about the inode, which comes first.
  const { open, release } = reporting({ open: table.open, release: table.release }, sbOf);
  return { ...watched, ...(open ? { open } : {}), ...(release ? { release } : {}) };
};

/** Not so a symlink: the size of an encrypted one is told by its target, which has to be read. */
const AT_ONCE: InodeOperations = { ...COMMON, getattrNowait: ext4GetattrNowait };

const FILE = iops({ ...AT_ONCE, fiemap: ext4Fiemap });
const DIR = iops({ ...AT_ONCE, ...ext4DirInodeOperations, fiemap: ext4Fiemap });
const SYMLINK = iops({ ...COMMON, ...ext4SymlinkInodeOperations });
const SPECIAL = iops(AT_ONCE);
const FILE_FOPS = fops(ext4FileOperations);
const DIR_FOPS = fops(ext4DirOperations);
const AOPS = reporting(ext4Aops, (at: AddressSpace | ReadaheadControl) =>
  sbOf(inodeOf('mapping' in at ? at.mapping : at)),
);

export function setInodeOps(inode: Ext4Inode): void {
  inode.aops = AOPS;
  switch (inode.type) {
    case S_IFREG:
      inode.iops = FILE;
      inode.fops = FILE_FOPS;
      break;
    case S_IFDIR:
      inode.iops = DIR;
      inode.fops = DIR_FOPS;
      break;
    case S_IFLNK:
      inode.iops = SYMLINK;
      break;
    default:
      inode.iops = SPECIAL;
  }
}
