/**
 * Buffered writes over a file system's mappings.
 *
 * Order of one step: throttle (no lock but i_rwsem) -> mapping (handle taken and dropped inside)
 * -> folio lock -> is the mapping still valid? -> prepare, copy, dirty, size -> unlock.
 * The mapping is sampled before the folio is locked, so it is compared after (protocols A.2.1): a
 * stale one would zero or skip what write-back has put on the device in between.
 * @source fs/iomap/buffered-io.c:iomap_file_buffered_write()
 */
import { errno, FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { sector, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio } from '../block/bio.ts';
import { filemapGrabFolio, filemapTryGrabFolio, folioUnlock } from '../mm/filemap.ts';
import type { Folio } from '../mm/folio.ts';
import type { IovIter } from '../mm/iov-iter.ts';
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
 * @throws ENOSPC, EIO, EDQUOT if nothing was written
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
  let done = 0;
  try {
    while (iter.count > 0) {
      const { memory } = inode.mapping;
      if (memory.nrDirty > memory.backgroundThreshold) yield* balanceDirtyPages(inode.mapping);
      const length = Math.min(iter.count, MAX_MAP);
      yield* iomapBegin(inode, pos + done, length, IOMAP_WRITE, iomap, ops);
      let written = 0;
      try {
        written = yield* writeMapped(inode, iter, pos + done, length, iomap, ops);
      } finally {
        if (ops.end) yield* ops.end(inode, pos + done, length, written, IOMAP_WRITE, iomap);
      }
      done += written;
    }
  } catch (e) {
    if (done === 0 || !(e instanceof FsError)) throw e;
  }
  return done;
}

/** Copy into the folios that one mapping covers, until it ends or turns stale. */
function* writeMapped(
  inode: Inode,
  iter: IovIter,
  pos: number,
  length: number,
  iomap: Iomap,
  ops: IomapOps,
): Op<number> {
  const { mapping } = inode;
  const end = Math.min(pos + length, iomap.end);
  let at = pos;
  while (at < end) {
    const index = mapping.indexOf(at);
    const folio = filemapTryGrabFolio(mapping, index) ?? (yield* filemapGrabFolio(mapping, index));
    try {
      if (ops.valid && !ops.valid(inode, iomap)) {
        iomap.flags |= IOMAP_F_STALE;
        break;
      }
      const from = at - folio.pos;
      const to = Math.min(folio.size, end - folio.pos);
      if (!rangeReady(inode, folio, from, to, iomap)) {
        yield* prepare(inode, folio, from, to, iomap);
      }
      const copied = iter.copyFrom(folio.data, from, to - from);
      at += written(inode, folio, from, copied);
    } finally {
      folioUnlock(folio);
      folio.release();
    }
  }
  return at - pos;
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
  if (n === 0) throw errno('EFAULT');
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
