/**
 * Access times: relatime keeps them true enough ("read since it was changed, and about when")
 * without a write for every read.
 * @source fs/inode.c:relatime_need_update(), mount(8) "relatime"
 */
import { FREEZE_WRITE } from '../sched/freeze-lock.ts';
import { OR_GIVE_UP } from '../sched/lock-class.ts';
import type { Timespec } from '../sched/clock.ts';
import { markInodeDirty } from './fs-writeback.ts';
import { I_DIRTY_SYNC, type Inode, S_NOATIME } from './inode.ts';

const DAY = 24 * 60 * 60;

/** Is `a` not later than `b`? */
const notLater = (a: Timespec, b: Timespec): boolean =>
  a.sec !== b.sec ? a.sec < b.sec : a.nsec <= b.nsec;

/** The file was read. @context Does not sleep. */
export function touchAtime(inode: Inode): void {
  const { sb } = inode;
  if (sb.noatime || sb.readOnly || inode.flags & S_NOATIME) return;
  const { atime } = inode;
  const stale = notLater(atime, inode.mtime) || notLater(atime, inode.ctime);
  if (sb.relatime && !stale && sb.scheduler.clock.coarseSec() - atime.sec < DAY) return;
  const now = sb.now();
  if (now.sec === atime.sec && now.nsec === atime.nsec) return;
  // A frozen file system keeps its old time: nobody should wait for a read's sake.
  if (!sb.writers.tryStart(FREEZE_WRITE, OR_GIVE_UP)) return;
  inode.atime = now;
  markInodeDirty(inode, I_DIRTY_SYNC);
  sb.writers.end(FREEZE_WRITE);
}
