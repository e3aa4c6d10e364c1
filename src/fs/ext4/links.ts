/**
 * Link counts of directories: two of its own and one for each subdirectory, until there are too
 * many to count.
 * @source fs/ext4/namei.c:ext4_inc_count(), ext4_dec_count(), EXT4_DIR_LINK_MAX()
 */
import { EXT4_LINK_MAX } from './disk/inode.ts';
import { isIndexed } from './filename.ts';
import type { Ext4Inode } from './inode-info.ts';

/** A directory with too many children to count shows 1. @source namei.c:ext4_inc_count() */
export function ext4IncCount(inode: Ext4Inode): void {
  inode.nlink++;
  if (inode.isDir && isIndexed(inode) && (inode.nlink > EXT4_LINK_MAX || inode.nlink === 2)) {
    inode.nlink = 1;
  }
}

/** A directory keeps its own two, and 1 stays 1. */
export function ext4DecCount(inode: Ext4Inode): void {
  if (!inode.isDir || inode.nlink > 2) inode.nlink--;
}

/** No further subdirectory can be counted. */
export const linksFull = (dir: Ext4Inode): boolean =>
  dir.nlink >= EXT4_LINK_MAX && !(dir.sb.has.dirNlink && isIndexed(dir));
