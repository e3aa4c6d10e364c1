/**
 * Dirty and write-back state of folios, the order of a write-back pass, and throttling.
 *
 *   clean --folioMarkDirty--> dirty --folioClearDirtyForIo--> (locked) --folioStartWriteback-->
 *   writeback --folioEndWriteback--> clean, or dirty again if it was written meanwhile
 *
 * @source mm/page-writeback.c; protocols: INV-3 "no dirty data is lost"
 */
import { assert } from '../base/assert.ts';
import type { FsError } from '../base/errno.ts';
import { type PageIndex, pageIndex } from '../base/units.ts';
import { MARK_DIRTY, MARK_TOWRITE, MARK_WRITEBACK, type XaMark } from '../base/xarray.ts';
import { lockBit, tryLockBit, unlockBit } from '../sched/bit-lock.ts';
import type { Op } from '../sched/op.ts';
import type { AddressSpace } from './address-space.ts';
import type { Folio } from './folio.ts';

export interface WritebackControl {
  /** 'all': everything dirty now is written and waited for (integrity); 'none': what is easy. */
  readonly syncMode: 'none' | 'all';
  /** First and last byte, inclusive. */
  readonly rangeStart: number;
  readonly rangeEnd: number;
  /** Folios still to be written; counts down. */
  nrToWrite: number;
}

export const wbcAll = (start = 0, end = Infinity): WritebackControl => ({
  syncMode: 'all',
  rangeStart: start,
  rangeEnd: end,
  nrToWrite: Infinity,
});

/** The plain way to dirty a folio: flag, mark, account. True if it was clean. */
export function filemapDirtyFolio(mapping: AddressSpace, folio: Folio): boolean {
  assert(folio.mapping === mapping, 'dirtying a folio of another mapping');
  if (folio.dirty) return false;
  folio.dirty = true;
  mapping.pages.setMark(folio.index, MARK_DIRTY);
  mapping.memory.accountDirtied();
  return true;
}

/** Through the file system, which also marks the inode dirty. Folio locked. */
export function folioMarkDirty(folio: Folio): boolean {
  assert(folio.locked && folio.mapping !== null);
  return folio.mapping.aops.dirtyFolio(folio.mapping, folio);
}

/**
 * Take the dirty flag away because the folio is about to be written, or is cut off. True if it
 * was set. The DIRTY mark stays until write-back starts, so that a sync still finds the folio.
 */
export function folioClearDirtyForIo(folio: Folio): boolean {
  assert(folio.locked);
  if (!folio.dirty) return false;
  folio.dirty = false;
  folio.mapping?.memory.accountCleaned();
  return true;
}

/**
 * The folio has nothing left to write: flag and marks go, without I/O.
 * @context Does not sleep. For folios whose dirt is kept elsewhere (buffer heads) or thrown away.
 */
export function filemapCleanFolio(mapping: AddressSpace, folio: Folio): void {
  if (!folio.dirty) return;
  folio.dirty = false;
  mapping.pages.clearMark(folio.index, MARK_DIRTY);
  mapping.pages.clearMark(folio.index, MARK_TOWRITE);
  mapping.memory.accountCleaned();
}

/**
 * @param still  does the end of it still depend on the running task? For deadlock reports.
 * @context Folio locked, cleared for I/O.
 */
export function folioStartWriteback(folio: Folio, still?: () => boolean): void {
  const mapping = folio.mapping;
  assert(folio.locked && !folio.writeback && mapping !== null);
  folio.writeback = true;
  if (CHECKED) folio.lockWait.begin('PG_writeback', still);
  mapping.pages.setMark(folio.index, MARK_WRITEBACK);
  if (!folio.dirty) mapping.pages.clearMark(folio.index, MARK_DIRTY);
  mapping.pages.clearMark(folio.index, MARK_TOWRITE);
  mapping.memory.accountWriteback(1);
}

/** I/O completion. @context Outside of tasks; does not sleep. */
export function folioEndWriteback(folio: Folio, error: FsError | null): void {
  const mapping = folio.mapping;
  assert(folio.writeback && mapping !== null);
  if (error) mapping.wbErr.set(error);
  folio.writeback = false;
  if (CHECKED) folio.lockWait.end('PG_writeback');
  mapping.pages.clearMark(folio.index, MARK_WRITEBACK);
  mapping.memory.accountWriteback(-1);
  folio.wake();
}

/** Nothing was left to write in a folio that was cleared for I/O: its marks go too. */
export function folioCancelWriteback(folio: Folio): void {
  folioStartWriteback(folio);
  folioEndWriteback(folio, null);
}

/** @context May sleep. A reference or the lock keeps the folio. */
export function* folioWaitWriteback(folio: Folio): Op<void> {
  if (folio.writeback) yield* folio.lockWait.waitFor(() => !folio.writeback, 'PG_writeback');
}

/**
 * The dirty folios of a pass in ascending order, one at a time, locked and cleared for I/O.
 * The cursor form keeps the file system's loop in the file system.
 */
export class WritebackCursor {
  private readonly mapping: AddressSpace;
  private readonly wbc: WritebackControl;
  private readonly end: number;
  private readonly mark: XaMark;
  private at: PageIndex;

  constructor(mapping: AddressSpace, wbc: WritebackControl) {
    this.mapping = mapping;
    this.wbc = wbc;
    this.at = mapping.indexOf(wbc.rangeStart);
    this.end = wbc.rangeEnd === Infinity ? Infinity : mapping.indexOf(wbc.rangeEnd) + 1;
    this.mark = wbc.syncMode === 'all' ? MARK_TOWRITE : MARK_DIRTY;
    if (wbc.syncMode === 'all') mapping.tagForWriteback(this.at, pageIndex(this.end));
  }

  /**
   * The next folio to write, locked, referenced, its dirty flag cleared; null at the end.
   * The caller starts write-back (or cancels), unlocks and releases it.
   * @context May sleep for folio locks, and for old write-back in an integrity pass.
   */
  *next(): Op<Folio | null> {
    const pages = this.mapping.pages;
    while (this.wbc.nrToWrite > 0) {
      const i = pages.nextMarked(this.at, this.mark, this.end === Infinity ? undefined : this.end);
      if (i < 0 || i >= this.end) return null;
      this.at = pageIndex(i + 1);
      const folio = this.mapping.lookup(pageIndex(i));
      if (!folio) continue;
      if (!tryLockBit(folio, folio.lockClass)) yield* lockBit(folio, folio.lockClass);
      if (yield* this.prepare(folio)) {
        this.wbc.nrToWrite--;
        return folio;
      }
      unlockBit(folio, folio.lockClass);
      folio.release();
    }
    return null;
  }

  /** After the sleep for the lock everything is looked at again. */
  private *prepare(folio: Folio): Op<boolean> {
    if (folio.mapping !== this.mapping) return false;
    if (folio.writeback) {
      if (this.wbc.syncMode === 'none') return false;
      yield* folioWaitWriteback(folio);
      // Still locked by us: nobody can have taken it out of the mapping.
    }
    if (!folioClearDirtyForIo(folio)) {
      // Cleaned by somebody else meanwhile: marks without a flag would be found for ever.
      this.mapping.pages.clearMark(folio.index, MARK_DIRTY);
      this.mapping.pages.clearMark(folio.index, MARK_TOWRITE);
      return false;
    }
    return true;
  }
}

/**
 * A writer that dirties faster than the device writes waits here.
 * @context May sleep. Holds no folio lock and no handle; i_rwsem is allowed.
 */
export function* balanceDirtyPages(mapping: AddressSpace): Op<void> {
  const memory = mapping.memory;
  if (memory.nrDirty <= memory.backgroundThreshold) return;
  memory.wakeFlusher();
  // Others may have dirtied as much again since the flusher's round ended: who goes on waiting
  // asks for the next round.
  yield* memory.cleaned.waitFor(() => {
    if (memory.nrDirty + memory.nrWriteback <= memory.dirtyThreshold) return true;
    memory.wakeFlusher();
    return false;
  }, 'balance_dirty_pages');
}
