/**
 * Write-back: from dirty folios to bios to completed I/O.
 *
 *   dirty folio -> locked, cleared -> mapped block by block -> ioend (one contiguous device range)
 *     -> submitted -> done -> [unwritten extents converted, i_disksize moved] -> writeback ends
 *
 * A folio under write-back stays in the cache until its conversion is done: a reader who missed
 * the cache before would see an unwritten extent, that is zeros (protocols C.5 step 8).
 * @source fs/iomap/ioend.c, fs/iomap/buffered-io.c:iomap_writepages()
 */
import { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { sector, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio } from '../block/bio.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { folioUnlock } from '../mm/filemap.ts';
import type { Folio } from '../mm/folio.ts';
import {
  folioCancelWriteback,
  folioEndWriteback,
  folioStartWriteback,
  filemapDirtyFolio,
  WritebackCursor,
  type WritebackControl,
} from '../mm/page-writeback.ts';
import { I_DIRTY_PAGES, type Inode } from '../vfs/inode.ts';
import { markInodeDirty } from '../vfs/fs-writeback.ts';
import { folioState } from './folio-state.ts';
import { Iomap, type IomapWritebackOps } from './iomap.ts';
import { inodeOf } from './iter.ts';

/** Bytes of one ioend: bounds a bio and a conversion transaction. */
const MAX_IOEND = 4 << 20;

/** AddressSpaceOperations.dirtyFolio for files. */
export function iomapDirtyFolio(mapping: AddressSpace, folio: Folio): boolean {
  const fresh = filemapDirtyFolio(mapping, folio);
  if (fresh) markInodeDirty(inodeOf(mapping), I_DIRTY_PAGES);
  return fresh;
}

/** Pieces of a folio still in some ioend; the folio's write-back ends with the last. */
interface FolioWrite {
  readonly folio: Folio;
  pending: number;
  error: FsError | null;
}

/** A contiguous run of blocks of one kind, written by one bio. */
class Ioend {
  readonly offset: number;
  readonly unwritten: boolean;
  readonly bio: Bio;
  readonly writes: FolioWrite[] = [];

  constructor(offset: number, addr: number, unwritten: boolean) {
    this.offset = offset;
    this.unwritten = unwritten;
    this.bio = new Bio('write', sector(addr / SECTOR_SIZE));
  }
  get length(): number {
    return this.bio.size;
  }
}

/** One pass over one inode. */
class WritebackPass {
  private readonly inode: Inode;
  private readonly wops: IomapWritebackOps;
  private readonly iomap = new Iomap();
  private ioend: Ioend | null = null;
  /** Device I/O done, file-system completion still to run. */
  private readonly completed: Ioend[] = [];
  /** While the pass runs it drains `completed` itself; afterwards a worker task does. */
  private draining = true;

  constructor(inode: Inode, wops: IomapWritebackOps) {
    this.inode = inode;
    this.wops = wops;
  }

  *run(mapping: AddressSpace, wbc: WritebackControl): Op<void> {
    const cursor = new WritebackCursor(mapping, wbc);
    try {
      for (let folio = yield* cursor.next(); folio; folio = yield* cursor.next()) {
        yield* this.writeFolio(folio);
      }
    } finally {
      this.submit();
      yield* this.drain();
      this.draining = false;
    }
  }

  /** Folio locked, referenced and cleared for I/O; both are given back here. */
  private *writeFolio(folio: Folio): Op<void> {
    const { inode } = this;
    const size = inode.size;
    const end = Math.min(folio.size, size - folio.pos);
    const write: FolioWrite = { folio, pending: 1, error: null };
    if (end <= 0) {
      // Wholly past the end: a truncate is on its way, or a store past EOF that is never kept.
      folioCancelWriteback(folio);
      folioUnlock(folio);
      folio.release();
      return;
    }
    // Stores past the end of the file must not reach the disk (INV-7).
    if (end < folio.size) folio.data.fill(0, end, folio.size);
    folioStartWriteback(folio, () => this.draining);
    try {
      yield* this.addDirtyRanges(folio, end, write);
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      write.error = e;
    } finally {
      folioUnlock(folio);
      this.pieceDone(write, null);
    }
  }

  private *addDirtyRanges(folio: Folio, end: number, write: FolioWrite): Op<void> {
    const bs = this.inode.sb.blockSize;
    const state = folioState(folio, bs);
    const dirty = state ? state.dirty : 1;
    if (state) state.dirty = 0;
    for (let from = 0; from < end;) {
      if (state && !(dirty & state.touched(from, from + bs))) {
        from += bs;
        continue;
      }
      let to = from + bs;
      while (state && to < end && dirty & state.touched(to, to + bs)) to += bs;
      from = yield* this.addRange(folio, from, state ? to : folio.size, write);
    }
  }

  private *addRange(folio: Folio, from: number, to: number, write: FolioWrite): Op<number> {
    const { iomap, inode, wops } = this;
    const pos = folio.pos + from;
    const cached = pos >= iomap.offset && pos < iomap.end;
    if (!cached || !(wops.valid?.(inode, iomap) ?? false)) {
      yield* wops.mapBlocks(inode, pos, to - from, iomap);
    }
    const stop = Math.min(to, from + iomap.end - pos);
    if (iomap.type === 'mapped' || iomap.type === 'unwritten') {
      this.addPiece(folio, from, stop, write);
    }
    return stop;
  }

  private addPiece(folio: Folio, from: number, to: number, write: FolioWrite): void {
    const { iomap } = this;
    const pos = folio.pos + from;
    const addr = iomap.addr + (pos - iomap.offset);
    const unwritten = iomap.type === 'unwritten';
    const now = this.ioend;
    const fits =
      now !== null &&
      now.unwritten === unwritten &&
      now.bio.end * SECTOR_SIZE === addr &&
      now.offset + now.length === pos &&
      now.length + to - from <= MAX_IOEND;
    if (!fits) this.submit();
    this.ioend ??= new Ioend(pos, addr, unwritten);
    this.ioend.bio.add(folio.data.subarray(from, to));
    this.ioend.writes.push(write);
    write.pending++;
  }

  private submit(): void {
    const { ioend } = this;
    if (!ioend) return;
    this.ioend = null;
    ioend.bio.endIo = () => {
      this.completed.push(ioend);
      if (!this.draining && this.completed.length === 1) {
        this.inode.sb.scheduler.spawn('ioend', this.drain());
      }
    };
    this.inode.sb.device.submit(ioend.bio);
  }

  /** Finish completed ioends; neighbours of one kind are converted in one go. */
  private *drain(): Op<void> {
    while (this.completed.length > 0) {
      const batch = this.completed.splice(0).sort((a, b) => a.offset - b.offset);
      for (let i = 0; i < batch.length;) {
        const group = neighbours(batch, i);
        i += group.length;
        yield* this.finish(group);
      }
    }
  }

  private *finish(group: readonly Ioend[]): Op<void> {
    const [first] = group;
    if (!first) return;
    let error = first.bio.error;
    if (!error) {
      const length = group.reduce((sum, io) => sum + io.length, 0);
      try {
        yield* this.wops.endIo(this.inode, first.offset, length, first.unwritten);
      } catch (e) {
        if (!(e instanceof FsError)) throw e;
        error = e;
      }
    }
    for (const io of group) for (const w of io.writes) this.pieceDone(w, error);
  }

  private pieceDone(write: FolioWrite, error: FsError | null): void {
    if (error) write.error = error;
    if (--write.pending > 0) return;
    folioEndWriteback(write.folio, write.error);
    write.folio.release();
  }
}

/** The ioends from `i` on that continue each other and succeeded alike. */
function neighbours(batch: readonly Ioend[], i: number): Ioend[] {
  const group: Ioend[] = [];
  for (; i < batch.length; i++) {
    const io = batch[i];
    const last = group.at(-1);
    if (!io) break;
    const joins =
      !last ||
      (last.unwritten === io.unwritten &&
        last.offset + last.length === io.offset &&
        last.bio.error === io.bio.error);
    if (!joins) break;
    group.push(io);
  }
  return group;
}

/** AddressSpaceOperations.writepages over iomap. @context May sleep. No handle, no folio lock. */
export function* iomapWritepages(
  mapping: AddressSpace,
  wbc: WritebackControl,
  wops: IomapWritebackOps,
): Op<void> {
  trace('iomap:iomapWritepages');
  yield* new WritebackPass(inodeOf(mapping), wops).run(mapping, wbc);
}
