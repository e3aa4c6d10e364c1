/**
 * The page cache's own operations: find or make a folio, read through the cache, write and wait.
 *
 * Lock order here: invalidate_lock (shared) -> folio. i_rwsem is not taken for reading: a read is
 * atomic towards a write per folio at best, as on Linux.
 * @source mm/filemap.c
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type PageIndex, pageIndex } from '../base/units.ts';
import { MARK_WRITEBACK } from '../base/xarray.ts';
import { handOverBit, lockBit, tryLockBit, unlockBit } from '../sched/bit-lock.ts';
import { OR_GIVE_UP } from '../sched/lock-class.ts';
import { fallsShort, wentFast } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import type { AddressSpace } from './address-space.ts';
import type { Folio } from './folio.ts';
import { faultInIovIter, type IovIter } from './iov-iter.ts';
import { folioWaitWriteback, wbcAll } from './page-writeback.ts';
import { type FileRaState, pageCacheAsyncRa, pageCacheSyncRa } from './readahead.ts';

/** @context May sleep. The caller has a reference and looks at `mapping` again afterwards. */
export function* folioLock(folio: Folio): Op<void> {
  if (!tryLockBit(folio, folio.lockClass)) yield* lockBit(folio, folio.lockClass);
}
/** For who does without the folio if it is locked. */
export const folioTrylock = (folio: Folio): boolean =>
  tryLockBit(folio, folio.lockClass, OR_GIVE_UP);
export const folioUnlock = (folio: Folio): void => {
  unlockBit(folio, folio.lockClass);
};

/** The lock now belongs to a read in flight, whose completion unlocks. */
export const folioHandOver = (folio: Folio): void => {
  handOverBit(folio, folio.lockClass);
};

/** Read completion: publish the outcome and unlock. @context Outside of tasks too. */
export function folioEndRead(folio: Folio, ok: boolean): void {
  trace('mm:folioEndRead');
  if (ok) folio.uptodate = true;
  folioUnlock(folio);
}

/** filemapGrabFolio() where that needs no sleep, else null. @context Does not sleep. */
export function filemapTryGrabFolio(mapping: AddressSpace, index: PageIndex): Folio | null {
  if (CHECKED && fallsShort('mm.filemapTryGrabFolio')) return null;
  const found = mapping.pages.get(index);
  if (found) {
    if (!tryLockBit(found, found.lockClass)) return null;
    found.hold();
    if (CHECKED) wentFast('mm.filemapTryGrabFolio');
    return found;
  }
  const folio = mapping.tryNewFolio();
  if (folio) mapping.insert(folio, index);
  if (CHECKED && folio) wentFast('mm.filemapTryGrabFolio');
  return folio;
}

/**
 * The folio at `index`, locked and referenced; made (not uptodate) if it was not there.
 * @context May sleep for memory and for the lock. Caller holds i_rwsem or invalidate_lock.
 */
export function* filemapGrabFolio(mapping: AddressSpace, index: PageIndex): Op<Folio> {
  for (;;) {
    const found = mapping.lookup(index);
    if (found) {
      yield* folioLock(found);
      if (found.mapping === mapping) return found;
      folioUnlock(found);
      found.release();
      continue;
    }
    const made = filemapTryGrabFolio(mapping, index);
    if (made) return made;
    // Wait for memory, then look again: somebody else may have added the folio meanwhile.
    const spare = yield* mapping.memory.alloc();
    spare.release();
  }
}

/**
 * The folio at `index`, referenced and uptodate, not locked.
 * @context May sleep for I/O. @throws EIO and what else the read brings
 */
export function* readMappingFolio(mapping: AddressSpace, index: PageIndex): Op<Folio> {
  const cached = mapping.lookup(index);
  if (cached?.uptodate) return cached;
  cached?.release();
  const lock = mapping.invalidateLock;
  if (!lock.tryShared()) yield* lock.lockShared();
  try {
    const folio = yield* filemapGrabFolio(mapping, index);
    yield* fillLockedFolio(mapping, folio);
    return folio;
  } finally {
    lock.unlockShared();
  }
}

/** Read a locked folio unless it is uptodate by now; unlocks. Drops the reference on failure. */
function* fillLockedFolio(mapping: AddressSpace, folio: Folio): Op<void> {
  if (folio.uptodate) {
    folioUnlock(folio);
    return;
  }
  try {
    yield* mapping.aops.readFolio(mapping, folio);
    if (folio.locked) yield* folio.lockWait.waitFor(() => !folio.locked);
    if (!folio.uptodate) throw errno('EIO', { index: folio.index });
  } catch (e) {
    folio.release();
    throw e;
  }
}

/**
 * Copy what is cached and uptodate, from `pos` on, and stop at the first folio that would need a
 * sleep, or at a page of the user that is not there (`iter.stopped`). Returns the bytes copied;
 * fewer than asked also at the end of the file.
 * @context Does not sleep.
 */
export function filemapReadNowait(
  mapping: AddressSpace,
  ra: FileRaState,
  iter: IovIter,
  pos: number,
): number {
  trace('mm:filemapReadNowait');
  if (CHECKED && fallsShort('mm.filemapReadNowait')) return 0;
  const { folioSize, memory } = mapping;
  let done = 0;
  while (iter.count > 0) {
    const at = pos + done;
    const index = mapping.indexOf(at);
    const folio = mapping.pages.get(index);
    if (!folio?.uptodate || folio.readahead) break;
    // The size is read after uptodate was seen: a truncate between would show zeros, not garbage.
    const left = Math.min(mapping.host.size - at, iter.count);
    if (left <= 0) break;
    if (ra.prev !== index) memory.markAccessed(folio);
    const offset = at - index * folioSize;
    const { data } = folio;
    let length = folioSize - offset;
    ra.prev = index;
    if (length >= left) {
      const copied = iter.copyTo(data, offset, left);
      done += copied;
      if (copied < left) break;
      continue;
    }
    // Folios that follow each other in memory too are copied in one go.
    const start = data.byteOffset;
    let end = start + folioSize;
    while (length < left) {
      const next = mapping.pages.get(ra.prev + 1);
      if (!next?.uptodate || next.readahead || next.data.byteOffset !== end) break;
      memory.markAccessed(next);
      ra.prev++;
      end += folioSize;
      length += folioSize;
    }
    const run = Math.min(length, left);
    const copied = iter.copyTo(memory.bytes, start + offset, run);
    done += copied;
    if (copied < run) break;
  }
  if (CHECKED && done > 0) wentFast('mm.filemapReadNowait');
  return done;
}

/**
 * Read through the cache. Returns the bytes read, 0 at or past the end of the file.
 * @context May sleep. Takes invalidate_lock and folio locks; no user copy under either.
 * @throws EIO, EFAULT, ENOMEM if not a single byte could be read
 */
export function* filemapRead(
  mapping: AddressSpace,
  ra: FileRaState,
  iter: IovIter,
  pos: number,
): Op<number> {
  trace('mm:filemapRead');
  let done = 0;
  for (;;) {
    done += filemapReadNowait(mapping, ra, iter, pos + done);
    const at = pos + done;
    if (iter.count === 0 || at >= mapping.host.size) return done;
    try {
      if (iter.stopped) yield* faultInIovIter(iter);
      else yield* bringIn(mapping, ra, at, iter.count);
    } catch (e) {
      if (done > 0) return done;
      throw e;
    }
  }
}

/** Make the folio at `pos` uptodate, with readahead as the pattern deserves. */
function* bringIn(mapping: AddressSpace, ra: FileRaState, pos: number, want: number): Op<void> {
  const index = mapping.indexOf(pos);
  const folios = mapping.indexOf(pos + want - 1) - index + 1;
  const cached = mapping.lookup(index);
  if (!cached) {
    yield* pageCacheSyncRa(mapping, ra, index, folios);
  } else {
    try {
      if (cached.readahead) yield* pageCacheAsyncRa(mapping, ra, cached);
    } finally {
      cached.release();
    }
  }
  const folio = yield* readMappingFolio(mapping, index);
  folio.release();
}

/** Start writing the dirty folios of a byte range (`end` inclusive). @context May sleep. */
export function* filemapFdatawriteRange(
  mapping: AddressSpace,
  start: number,
  end: number,
): Op<void> {
  trace('mm:filemapFdatawriteRange');
  if (mapping.hasDirty()) yield* mapping.aops.writepages(mapping, wbcAll(start, end));
}

/** Wait for write-back in a byte range (`end` inclusive). Reports no error. */
export function* filemapFdatawaitRange(
  mapping: AddressSpace,
  start: number,
  end: number,
): Op<void> {
  trace('mm:filemapFdatawaitRange');
  const last = end === Infinity ? undefined : mapping.indexOf(end) + 1;
  let i = mapping.pages.nextMarked(mapping.indexOf(start), MARK_WRITEBACK, last);
  while (i >= 0 && (last === undefined || i < last)) {
    const folio = mapping.lookup(pageIndex(i));
    if (folio) {
      yield* folioWaitWriteback(folio);
      folio.release();
    }
    i = mapping.pages.nextMarked(i + 1, MARK_WRITEBACK, last);
  }
}

/**
 * Write and wait: afterwards everything that was dirty in the range is with the device.
 * @throws the first write error since the mapping's error was last looked at by this call
 */
export function* filemapWriteAndWaitRange(
  mapping: AddressSpace,
  start = 0,
  end = Infinity,
): Op<void> {
  const since = mapping.wbErr.sample();
  yield* filemapFdatawriteRange(mapping, start, end);
  yield* filemapFdatawaitRange(mapping, start, end);
  const error = mapping.wbErr.check(since);
  if (error) throw error;
}
