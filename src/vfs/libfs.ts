/**
 * What simple file systems share.
 * @source fs/libfs.c
 */
import { asciiName } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import type { DirContext, File } from './file.ts';
import { fileUpdateTime } from './attr.ts';
import type { Inode } from './inode.ts';
import { DT_DIR } from './readdir.ts';

/**
 * `.` and `..` at positions 0 and 1, for a file system that does not store them.
 * @returns false when the reader has enough
 */
export function emitDots(file: File, ctx: DirContext): boolean {
  const { dentry, inode } = file;
  const up = dentry.parent?.inode ?? inode;
  if (ctx.pos === 0) {
    if (!ctx.emit(asciiName('.'), inode.ino, DT_DIR, 1)) return false;
    ctx.pos = 1;
  }
  if (ctx.pos === 1) {
    if (!ctx.emit(asciiName('..'), up.ino, DT_DIR, 2)) return false;
    ctx.pos = 2;
  }
  return true;
}

/** fsync of a file system that has nowhere to write to. */
export function* noopFsync(): Op<void> {
  // Nothing is ever behind the cache.
}

/** Names in a directory changed. Its i_rwsem is held. */
export function dirModified(...dirs: readonly Inode[]): void {
  for (const dir of dirs) fileUpdateTime(dir);
}

/** An inode's names or attributes changed. */
export function inodeChanged(inode: Inode): void {
  inode.ctime = inode.sb.now();
}
