/**
 * The position of an open file is shared by all its descriptors: read(2), write(2) and lseek(2)
 * take turns on it (POSIX.1-2008, "2.9.7 Thread Interactions with Regular File Operations").
 * @source fs/file.c:fdget_pos()
 */
import { lockClass } from '../sched/lock-class.ts';
import { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';
import type { File } from './file.ts';

/** Taken first of all: a write holds it while it waits for a frozen file system. */
export const F_POS_LOCK = lockClass('file.f_pos_lock');

export function* lockPosition(file: File): Op<void> {
  const lock = (file.posLock ??= new Mutex(F_POS_LOCK));
  if (!lock.tryLock()) yield* lock.lock();
}

export function unlockPosition(file: File): void {
  file.posLock?.unlock();
}
