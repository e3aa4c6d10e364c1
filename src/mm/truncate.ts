/**
 * Taking folios out of a mapping because the data beneath them goes away or has changed.
 *
 * Truncation is forced: it waits for write-back and throws dirty data away. Invalidation is
 * polite: a folio that is dirty, locked or in use stays.
 * @context The caller holds invalidate_lock exclusive, so that no reader fills a folio again from
 *   blocks that are being freed (protocols I-59).
 * @source mm/truncate.c
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { pageIndex } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import type { AddressSpace } from './address-space.ts';
import type { Folio } from './folio.ts';
import { filemapWriteAndWaitRange, folioLock, folioTrylock, folioUnlock } from './filemap.ts';
import { folioClearDirtyForIo, folioWaitWriteback } from './page-writeback.ts';

/** What a truncation waits for: a table, so that a mistake can be put in its place. */
export const truncationWaits = { forWriteback: folioWaitWriteback };

/**
 * Remove the bytes [start, end) from the cache: whole folios leave, edge folios are zeroed there.
 * @context May sleep for folio locks and write-back.
 */
export function* truncateInodePagesRange(
  mapping: AddressSpace,
  start: number,
  end = Infinity,
): Op<void> {
  trace('mm:truncateInodePagesRange');
  const last = end === Infinity ? undefined : Math.ceil(end / mapping.folioSize);
  let i = mapping.pages.next(mapping.indexOf(start), last);
  while (i >= 0 && (last === undefined || i < last)) {
    const folio = mapping.lookup(pageIndex(i));
    if (folio) {
      yield* folioLock(folio);
      yield* truncationWaits.forWriteback(folio);
      if (folio.mapping === mapping) truncateFolio(mapping, folio, start, end);
      folioUnlock(folio);
      folio.release();
    }
    i = mapping.pages.next(i + 1, last);
  }
}

function truncateFolio(mapping: AddressSpace, folio: Folio, start: number, end: number): void {
  const from = Math.max(0, start - folio.pos);
  const to = Math.min(folio.size, end - folio.pos);
  mapping.aops.invalidateFolio?.(folio, from, to);
  if (from === 0 && to === folio.size) {
    folioClearDirtyForIo(folio);
    mapping.remove(folio);
  } else {
    folio.data.fill(0, from, to);
  }
}

/** The whole cache of a dying inode. */
export function* truncateInodePagesFinal(mapping: AddressSpace): Op<void> {
  if (mapping.nrpages > 0) yield* truncateInodePagesRange(mapping, 0);
}

/** Drop what is clean and idle (drop_caches, POSIX_FADV_DONTNEED). Returns folios dropped. */
export function invalidateMappingPages(mapping: AddressSpace): number {
  let dropped = 0;
  for (let i = mapping.pages.next(0); i >= 0; i = mapping.pages.next(i + 1)) {
    const folio = mapping.lookup(pageIndex(i));
    if (!folio) continue;
    const idle = folio.refcount === 2 && !folio.dirty && !folio.writeback;
    if (idle && folioTrylock(folio)) {
      if (releaseable(mapping, folio)) {
        mapping.remove(folio);
        dropped++;
      }
      folioUnlock(folio);
    }
    folio.release();
  }
  return dropped;
}

/**
 * Drop the range although somebody may want it: direct I/O is about to change, or has changed,
 * the blocks. Dirty folios are written first. @throws EBUSY one could not be dropped
 */
export function* invalidateInodePages2Range(
  mapping: AddressSpace,
  start: number,
  end: number,
): Op<void> {
  yield* filemapWriteAndWaitRange(mapping, start, end);
  const last = mapping.indexOf(end) + 1;
  let i = mapping.pages.next(mapping.indexOf(start), last);
  while (i >= 0 && i < last) {
    const folio = mapping.lookup(pageIndex(i));
    if (folio) {
      yield* folioLock(folio);
      yield* folioWaitWriteback(folio);
      const ours = folio.mapping === mapping;
      const gone = ours && !folio.dirty && releaseable(mapping, folio);
      if (gone) mapping.remove(folio);
      folioUnlock(folio);
      folio.release();
      if (ours && !gone) throw errno('EBUSY', { index: i });
    }
    i = mapping.pages.next(i + 1, last);
  }
}

const releaseable = (mapping: AddressSpace, folio: Folio): boolean =>
  folio.private === null || (mapping.aops.releaseFolio?.(folio) ?? false);
