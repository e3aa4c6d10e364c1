/**
 * Error cursors: every opener of a file learns of a write-back error exactly once.
 *
 * The sequence moves on only when somebody has seen the present value; an opener keeps the value
 * it saw last. An error that nobody has seen yet is reported to files opened after it, too.
 * @source lib/errseq.c, fsync(2) "EIO"
 */
import type { FsError } from '../base/errno.ts';
import { watching } from '../sched/point.ts';
import { watchFields } from '../sched/watch.ts';

export class ErrSeq {
  private sequence = 0;
  private seen = true;
  /** The last failure, and how many there were. */
  error: FsError | null = null;
  failures = 0;

  /** @param ino  whose mapping's it is */
  constructor(ino = 0) {
    if (CHECKED && watching) watchFields(this, 'wb_err', ['sequence', 'seen'], ino);
  }

  /** Record a failure of write-back. */
  set(error: FsError): void {
    this.error = error;
    this.failures++;
    if (this.seen) this.sequence++;
    this.seen = false;
  }

  /** The cursor for a new opener: before an error that nobody has seen, else after it. */
  sample(): number {
    return this.seen ? this.sequence : this.sequence - 1;
  }

  /** The error that came after `since`, or null. Does not count as seen. */
  check(since: number): FsError | null {
    return this.sequence === since ? null : this.error;
  }

  /** The error that came after the cursor of `owner`, which is moved on: reported once. */
  checkAndAdvance(owner: { wbErr: number }): FsError | null {
    if (this.sequence === owner.wbErr) return null;
    this.seen = true;
    owner.wbErr = this.sequence;
    return this.error;
  }
}
