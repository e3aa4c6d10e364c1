/**
 * Reading directories: entries go from the file system's `iterate` into a batch of plain values.
 * @source fs/readdir.c:iterate_dir(), getdents(2)
 */
import { errno } from '../base/errno.ts';
import { S_IFMT } from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Ino } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { touchAtime } from './atime.ts';
import type { DirContext, File } from './file.ts';
import { O_NOATIME, O_PATH } from './file.ts';
import { isDeadDir } from './namei.ts';

/** d_type is the type part of the mode: DT_DIR is S_IFDIR >> 12. */
export const DT_UNKNOWN = 0;
export const DT_DIR = 4;
export const DT_REG = 8;
export const DT_LNK = 10;
export const typeToDt = (mode: number): number => (mode & S_IFMT) >> 12;

export interface Dirent {
  readonly name: Name;
  readonly ino: Ino;
  /** DT_* */
  readonly type: number;
  /** Position after this entry: where seeking goes on. */
  readonly cookie: number;
}

/**
 * Up to `max` entries from the file's position on; none at the end. `.` and `..` are among them.
 * @throws EBADF; ENOTDIR; ENOENT the directory is removed; EUCLEAN
 */
export function* vfsGetdents(file: File, max: number): Op<Dirent[]> {
  if (file.flags & O_PATH) throw errno('EBADF');
  const { inode } = file;
  const { iterate } = inode.fops;
  if (!iterate) throw errno('ENOTDIR', { ino: inode.ino });
  const found: Dirent[] = [];
  const ctx: DirContext = {
    pos: file.pos,
    emit(name, ino, type, cookie) {
      if (found.length >= max) return false;
      found.push({ name, ino, type, cookie });
      return true;
    },
  };
  if (!inode.rwsem.tryShared()) yield* inode.rwsem.lockShared();
  try {
    if (isDeadDir(inode)) throw errno('ENOENT', { ino: inode.ino });
    yield* iterate(file, ctx);
  } finally {
    inode.rwsem.unlockShared();
  }
  file.pos = ctx.pos;
  if (!(file.flags & O_NOATIME)) touchAtime(inode);
  return found;
}
