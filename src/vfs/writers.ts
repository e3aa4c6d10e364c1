/**
 * Every change of a file system is made between startWrite and endWrite: not on a read-only mount,
 * and not while the file system is frozen. Outermost of all locks.
 * @source fs/namespace.c:mnt_want_write(), include/linux/fs.h:sb_start_write()
 */
import { errno } from '../base/errno.ts';
import { FREEZE_FS, FREEZE_WRITE } from '../sched/freeze-lock.ts';
import type { Op } from '../sched/op.ts';
import { armFlusher } from './fs-writeback.ts';
import type { SuperBlock } from './super.ts';

/** @context May sleep until the file system is thawed. @throws EROFS */
export function* startWrite(sb: SuperBlock): Op<void> {
  if (sb.readOnly) throw errno('EROFS');
  if (!sb.writers.tryStart(FREEZE_WRITE)) yield* sb.writers.start(FREEZE_WRITE);
  if (!sb.readOnly) return;
  // It turned read-only while we slept.
  sb.writers.end(FREEZE_WRITE);
  throw errno('EROFS');
}

export function endWrite(sb: SuperBlock): void {
  sb.writers.end(FREEZE_WRITE);
  armFlusher(sb);
}

/**
 * A change that no system call asked for (eviction): the innermost gate, which freezing closes
 * last. A file system's evictInode passes it around its handle, and leaves it before it drops other
 * inodes.
 * @context May sleep. @source include/linux/fs.h:sb_start_intwrite()
 */
export function* startInternalWrite(sb: SuperBlock): Op<void> {
  if (!sb.writers.tryStart(FREEZE_FS)) yield* sb.writers.start(FREEZE_FS);
}

export const endInternalWrite = (sb: SuperBlock): void => {
  sb.writers.end(FREEZE_FS);
};
