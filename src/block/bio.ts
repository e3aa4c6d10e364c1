/**
 * A bio: one contiguous piece of device I/O, gathered from or scattered over memory segments.
 *
 *     prepared --submitBio--> in flight --endBio--> done      (endIo runs once, at the last arrow)
 *
 * The completion may run inside submitBio (a synchronous driver) or at any later time (an
 * asynchronous one), outside of every task. It must therefore not sleep; what needs to sleep is
 * queued as work.
 * @source include/linux/blk_types.h (struct bio)
 */
import { assert } from '../base/assert.ts';
import type { FsError } from '../base/errno.ts';
import { type Sector, SECTOR_SIZE } from '../base/units.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import type { Op } from '../sched/op.ts';

export type BioOp = 'read' | 'write' | 'flush' | 'discard' | 'writeZeroes';

/** Earlier completed writes are durable before this bio starts. */
export const REQ_PREFLUSH = 1;
/** This bio's own data is durable when it completes. */
export const REQ_FUA = 2;
/** Metadata, for statistics and for the crash explorer. */
export const REQ_META = 4;

export class Bio {
  readonly op: BioOp;
  readonly sector: Sector;
  readonly flags: number;
  /** Memory segments in device order; each a multiple of 512 bytes. Empty for flush. */
  readonly vecs: Uint8Array[] = [];
  /** Bytes: the sum over vecs, or the length of a discard or writeZeroes. */
  size = 0;
  done = false;
  error: FsError | null = null;
  /** Runs once at completion, outside of tasks; must not sleep. */
  endIo: ((bio: Bio) => void) | null = null;
  private waiters: WaitQueue | null = null;

  constructor(op: BioOp, sector: Sector, flags = 0) {
    this.op = op;
    this.sector = sector;
    this.flags = flags;
  }

  add(segment: Uint8Array): this {
    assert(segment.length % SECTOR_SIZE === 0, 'bio segment is not whole sectors');
    this.vecs.push(segment);
    this.size += segment.length;
    return this;
  }

  /** Sector after the last one of this bio. */
  get end(): number {
    return this.sector + this.size / SECTOR_SIZE;
  }

  /** @context May sleep; returns when the bio is done. @throws its error */
  *wait(): Op<void> {
    if (!this.done) {
      this.waiters ??= new WaitQueue('bio');
      yield* this.waiters.waitFor(() => this.done);
    }
    if (this.error) throw this.error;
  }

  /** Called by the driver, exactly once. */
  complete(error: FsError | null): void {
    assert(!this.done, 'bio completed twice');
    this.done = true;
    this.error = error;
    this.endIo?.(this);
    this.waiters?.wakeAll();
  }
}
