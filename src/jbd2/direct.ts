/**
 * The journal of an image that has none: changes go to the buffer cache, which writes them home
 * in the order of their waves (buffer/buffer-cache.ts). Nothing is atomic across a crash; the
 * super block says "not clean" for as long as the image is mounted for writing.
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type Pblk, type Tid, tid } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import type { BufferCache } from '../buffer/buffer-cache.ts';
import type { BufferHead } from '../buffer/buffer-head.ts';
import { type Handle, Journal } from './handle.ts';

export class DirectJournal extends Journal {
  private readonly buffers: BufferCache;

  constructor(buffers: BufferCache) {
    super();
    this.buffers = buffers;
  }

  // A log waits here; without one nothing does.
  protected override *begin(): Op<void> {
    if (this.aborted) throw errno('EROFS');
  }

  protected override *end(handle: Handle): Op<void> {
    if (handle.sync) yield* this.forceCommit();
  }

  override *getWriteAccess(): Op<void> {
    if (this.aborted) throw errno('EROFS');
  }

  override *getCreateAccess(): Op<void> {
    yield* this.getWriteAccess();
  }

  override dirtyMetadata(_handle: Handle, bh: BufferHead): void {
    this.buffers.markDirty(bh);
  }

  override *forget(_handle: Handle, bh: BufferHead): Op<void> {
    this.buffers.forget(bh);
  }

  override *revoke(_handle: Handle, nr: Pblk): Op<void> {
    this.buffers.cleanAliases(nr, 1);
  }

  override extend(handle: Handle, credits: number): boolean {
    handle.credits += credits;
    return true;
  }

  override *restart(handle: Handle, credits: number): Op<void> {
    handle.credits = credits;
  }

  override *forceCommit(): Op<void> {
    trace('jbd2:DirectJournal.forceCommit');
    yield* this.buffers.sync();
  }

  override get runningTid(): Tid {
    return tid(0);
  }

  override *commitTid(): Op<void> {
    yield* this.forceCommit();
  }

  override onCommit(_handle: Handle, then: () => void): void {
    then();
  }
}
