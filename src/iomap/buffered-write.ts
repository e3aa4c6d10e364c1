/**
 * Buffered writes over a file system's mappings.
 *
 * Order of one step: throttle (no lock but i_rwsem) -> mapping (handle taken and dropped inside)
 * -> folio lock -> is the mapping still valid? -> prepare, copy, dirty, size -> unlock.
 * A copy never faults: where it stops short, what it brought is kept as far as whole blocks are
 * valid, and the rest is brought in without any lock but i_rwsem (design note 0005).
 * The mapping is sampled before the folio is locked, so it is compared after (protocols A.2.1): a
 * stale one would zero or skip what write-back has put on the device in between.
 * @source fs/iomap/buffered-io.c:iomap_file_buffered_write()
 */
import { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { sector, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio } from '../block/bio.ts';
import { filemapGrabFolio, filemapTryGrabFolio, folioUnlock } from '../mm/filemap.ts';
import type { Folio } from '../mm/folio.ts';
import { faultInIovIter, type IovIter } from '../mm/iov-iter.ts';
import { balanceDirtyPages, folioMarkDirty } from '../mm/page-writeback.ts';
import type { File } from '../vfs/file.ts';
import type { Inode } from '../vfs/inode.ts';
import { FolioState, folioState, rangeUptodate, setRangeUptodate } from './folio-state.ts';
import {
  Iomap,
  IOMAP_F_NEW,
  IOMAP_F_STALE,
  IOMAP_WRITE,
  IOMAP_ZERO,
  type IomapOps,
} from './iomap.ts';
import { iomapBegin } from './iter.ts';

/** Bytes mapped at once: bounds what one transaction allocates and how far a stale map reaches. */
const MAX_MAP = 4 << 20;

/**
 * Write `iter` at `pos`; returns the bytes written, fewer only after an error in the middle.
 * Raises i_size under the folio lock; dirtying the inode is the caller's.
 * @context i_rwsem exclusive held. May sleep.
 * @throws ENOSPC, EIO, EDQUOT, EFAULT if nothing was written
 */
export function* iomapFileBufferedWrite(
  file: File,
  iter: IovIter,
  pos: number,
  ops: IomapOps,
): Op<number> {
  trace('iomap:iomapFileBufferedWrite');
  const { inode } = file;
  const iomap = new Iomap();
  const asked = iter.count;
  let done = 0;
  try {
    while (iter.count > 0) {
      const { memory } = inode.mapping;
      if (memory.nrDirty > memory.backgroundThreshold) yield* balanceDirtyPages(inode.mapping);
      const length = Math.min(iter.count, MAX_MAP);
      yield* iomapBegin(inode, pos + done, length, IOMAP_WRITE, iomap, ops);
      const from = done;
      try {
        yield* writeMapped(inode, iter, pos + from, length, iomap, ops);
      } finally {
        // Also of a step that failed in its middle: what was copied is in the file.
        done = asked - iter.count;
        if (ops.end) yield* ops.end(inode, pos + from, length, done - from, IOMAP_WRITE, iomap);
      }
    }
  } catch (e) {
    if (done === 0 || !(e instanceof FsError)) throw e;
  }
  return done;
}

/**
 * What becomes of a copy that stopped short: a table, so that a mistake can be put in its place.
 */
export const shortCopies = {
  /** Of `copied` bytes at `from`, those that may stay. Folio locked. */
  keep(inode: Inode, folio: Folio, from: number, copied: number): number {
    const bs = inode.sb.blockSize;
    const end = from + copied;
    // The rest of its last block would pass for data, unless it is valid already.
    if (rangeUptodate(folio, bs, end - (end % bs), end)) return copied;
    return Math.max(0, end - (end % bs) - from);
  },
  faultIn: faultInIovIter,
};

/**
 * Copy into the folios that one mapping covers, until it ends or turns stale; `iter` tells how far.
 */
function* writeMapped(
  inode: Inode,
  iter: IovIter,
  pos: number,
  length: number,
  iomap: Iomap,
  ops: IomapOps,
): Op<void> {
  const { mapping } = inode;
  const end = Math.min(pos + length, iomap.end);
  let at = pos;
  // After a short copy: as much as was there, so that two pages need not be there at once.
  let most = Infinity;
  while (at < end) {
    let missing = false;
    const index = mapping.indexOf(at);
    const folio = filemapTryGrabFolio(mapping, index) ?? (yield* filemapGrabFolio(mapping, index));
    try {
      if (ops.valid && !ops.valid(inode, iomap)) {
        iomap.flags |= IOMAP_F_STALE;
        return;
      }
      const from = at - folio.pos;
      const to = Math.min(folio.size, end - folio.pos, from + most);
      if (!rangeReady(inode, folio, from, to, iomap)) {
        yield* prepare(inode, folio, from, to, iomap);
      }
      const copied = iter.copyFrom(folio.data, from, to - from);
      most = Infinity;
      if (copied === to - from) at += written(inode, folio, from, copied);
      else {
        const kept = shortCopies.keep(inode, folio, from, copied);
        iter.revert(copied - kept);
        if (kept > 0) at += written(inode, folio, from, kept);
        else if (copied > 0) most = copied;
        missing = most === Infinity;
      }
    } finally {
      folioUnlock(folio);
      folio.release();
    }
    if (missing) yield* shortCopies.faultIn(iter);
  }
}

/** Whole blocks are overwritten, or what is there is uptodate: nothing to prepare. */
function rangeReady(inode: Inode, folio: Folio, from: number, to: number, iomap: Iomap): boolean {
  const bs = inode.sb.blockSize;
  if (iomap.type === 'inline') return false;
  return (from % bs === 0 && to % bs === 0) || rangeUptodate(folio, bs, from, to);
}

/**
 * Make the blocks at the edges of [from, to) valid where the write leaves a part of them: read
 * what the device has, zero what never was written or lies past the end.
 */
function* prepare(inode: Inode, folio: Folio, from: number, to: number, iomap: Iomap): Op<void> {
  const bs = inode.sb.blockSize;
  if (iomap.type === 'inline') {
    if (!folio.uptodate) {
      folio.data.fill(0);
      if (iomap.inlineData) folio.data.set(iomap.inlineData);
      folio.uptodate = true;
    }
    return;
  }
  const first = from - (from % bs);
  const last = Math.min(folio.size, to + ((bs - (to % bs)) % bs));
  for (const edge of new Set([first, last - bs])) {
    if (rangeUptodate(folio, bs, edge, edge + bs)) continue;
    const partial = edge < from || edge + bs > to;
    if (!partial) continue;
    const fresh =
      iomap.type !== 'mapped' ||
      (iomap.flags & IOMAP_F_NEW) !== 0 ||
      folio.pos + edge >= inode.size;
    if (fresh) folio.data.fill(0, edge, edge + bs);
    else yield* readBlock(inode, folio, edge, iomap);
    setRangeUptodate(folio, bs, edge, edge + bs);
  }
}

/** Read one block of a locked folio and wait. @throws EIO */
function* readBlock(inode: Inode, folio: Folio, from: number, iomap: Iomap): Op<void> {
  const at = iomap.addr + (folio.pos + from - iomap.offset);
  const bio = new Bio('read', sector(at / SECTOR_SIZE));
  bio.add(folio.data.subarray(from, from + inode.sb.blockSize));
  yield* inode.sb.device.submitWait(bio);
}

/** Account `n` bytes copied in at `from`: state, dirt, size. Folio locked. */
function written(inode: Inode, folio: Folio, from: number, n: number): number {
  const bs = inode.sb.blockSize;
  setRangeUptodate(folio, bs, from - (from % bs), Math.ceil((from + n) / bs) * bs);
  const state = folioState(folio, bs);
  if (state) state.dirty |= state.touched(from, from + n);
  folioMarkDirty(folio);
  const end = folio.pos + from + n;
  // Raised while the folio is locked: write-back would otherwise zero the new tail (I-55).
  if (end > inode.size) inode.size = end;
  return n;
}

/**
 * Zero [pos, pos + length) as a write would, but leave holes and unwritten blocks unallocated.
 * @context i_rwsem and, if blocks are being removed, invalidate_lock exclusive. May sleep.
 */
export function* iomapZeroRange(
  inode: Inode,
  pos: number,
  length: number,
  ops: IomapOps,
): Op<void> {
  trace('iomap:iomapZeroRange');
  const iomap = new Iomap();
  const end = pos + length;
  for (let at = pos; at < end;) {
    yield* iomapBegin(inode, at, end - at, IOMAP_ZERO, iomap, ops);
    const stop = Math.min(end, iomap.end);
    at = yield* zeroMapped(inode, at, stop, iomap, ops);
  }
}

function* zeroMapped(
  inode: Inode,
  pos: number,
  end: number,
  iomap: Iomap,
  ops: IomapOps,
): Op<number> {
  const { mapping } = inode;
  const empty = iomap.type === 'hole' || iomap.type === 'unwritten';
  for (let at = pos; at < end;) {
    const index = mapping.indexOf(at);
    const next = Math.min(end, (index + 1) * mapping.folioSize);
    // Where no block holds data only what is cached and dirty can be anything but zero.
    if (empty && !mapping.pages.get(index)) {
      at = next;
      continue;
    }
    const folio = yield* filemapGrabFolio(mapping, index);
    try {
      if (ops.valid && !ops.valid(inode, iomap)) return at;
      const from = at - folio.pos;
      const to = next - folio.pos;
      yield* prepare(inode, folio, from, to, iomap);
      folio.data.fill(0, from, to);
      if (!empty || folio.dirty) {
        const size = inode.size;
        written(inode, folio, from, to - from);
        inode.size = size;
      }
    } finally {
      folioUnlock(folio);
      folio.release();
    }
    at = next;
  }
  return end;
}

/** Zero from `pos` to the end of its block: what a later extension would otherwise expose. */
export function* iomapTruncatePage(inode: Inode, pos: number, ops: IomapOps): Op<void> {
  const bs = inode.sb.blockSize;
  const rest = (bs - (pos % bs)) % bs;
  if (rest > 0) yield* iomapZeroRange(inode, pos, rest, ops);
}

/** AddressSpaceOperations.releaseFolio: per-block state goes if the folio is clean. */
export function iomapReleaseFolio(folio: Folio): boolean {
  if (folio.private instanceof FolioState && folio.private.dirty !== 0) return false;
  folio.private = null;
  return true;
}

/** AddressSpaceOperations.invalidateFolio: bytes [from, to) are cut off. Folio locked. */
export function iomapInvalidateFolio(folio: Folio, from: number, to: number): void {
  const state = folio.private;
  if (from === 0 && to === folio.size) folio.private = null;
  else if (state instanceof FolioState) state.dirty &= ~state.covered(from, to);
}
