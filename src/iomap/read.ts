/**
 * Reading folios through a file system's mappings.
 *
 * One bio spans as many folios as one extent covers. What has no blocks is zeroed; inline data is
 * copied. A folio is unlocked when its last piece has arrived, which may be inside submit().
 * @source fs/iomap/buffered-io.c:iomap_read_folio(), iomap_readahead()
 */
import { assert } from '../base/assert.ts';
import { corrupted, type FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { sector, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio } from '../block/bio.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { folioEndRead, folioHandOver } from '../mm/filemap.ts';
import type { Folio } from '../mm/folio.ts';
import type { ReadaheadControl } from '../mm/readahead.ts';
import type { Inode } from '../vfs/inode.ts';
import { FolioState, folioState, setRangeUptodate } from './folio-state.ts';
import { Iomap, IOMAP_READ, type IomapOps } from './iomap.ts';
import { inodeOf, iomapBegin } from './iter.ts';

/** A piece of a folio that a bio fills. */
interface Piece {
  readonly folio: Folio;
  readonly from: number;
  readonly to: number;
}

/** One read: the inode, the mapping in use, and the bio under construction. */
class ReadContext {
  readonly inode: Inode;
  readonly ops: IomapOps;
  readonly iomap = new Iomap();
  private bio: Bio | null = null;
  private pieces: Piece[] = [];

  constructor(inode: Inode, ops: IomapOps) {
    this.inode = inode;
    this.ops = ops;
  }

  /** Make `iomap` cover `pos`. */
  *map(pos: number, length: number): Op<void> {
    const { iomap } = this;
    if (pos >= iomap.offset && pos < iomap.end) return;
    yield* iomapBegin(this.inode, pos, length, IOMAP_READ, iomap, this.ops);
  }

  add(folio: Folio, from: number, to: number): void {
    const at = this.iomap.addr + (folio.pos + from - this.iomap.offset);
    if (this.bio && this.bio.end !== at / SECTOR_SIZE) this.submit();
    this.bio ??= new Bio('read', sector(at / SECTOR_SIZE));
    this.bio.add(folio.data.subarray(from, to));
    this.pieces.push({ folio, from, to });
    folioHandOver(folio);
  }

  submit(): void {
    const { bio, pieces } = this;
    if (!bio) return;
    this.bio = null;
    this.pieces = [];
    const { blockSize } = this.inode.sb;
    bio.endIo = (b) => {
      for (const p of pieces) endPiece(p, blockSize, b.error);
    };
    this.inode.sb.device.submit(bio);
  }
}

function endPiece(p: Piece, blockSize: number, error: FsError | null): void {
  if (!error) setRangeUptodate(p.folio, blockSize, p.from, p.to);
  const state = p.folio.private instanceof FolioState ? p.folio.private : null;
  if (state) {
    if (error) state.readFailed = true;
    state.readPending -= p.to - p.from;
    if (state.readPending > 0) return;
  }
  folioEndRead(p.folio, p.folio.uptodate);
}

/**
 * Build the reads of one locked folio. On return the folio's lock belongs to the I/O, or the folio
 * is unlocked already because nothing had to be read.
 */
function* readOneFolio(ctx: ReadContext, folio: Folio, ahead: number): Op<void> {
  const { blockSize } = ctx.inode.sb;
  const state = folioState(folio, blockSize);
  if (state) {
    state.readPending = 1;
    state.readFailed = false;
  }
  let mustRead = false;
  try {
    for (let from = 0; from < folio.size;) {
      const pos = folio.pos + from;
      const to = yield* readRange(ctx, folio, from, pos, ahead);
      if (to < 0) {
        mustRead = true;
        from = -to;
      } else {
        from = to;
      }
    }
  } catch (e) {
    // What is in flight for this folio still completes; the last one of us unlocks.
    ctx.submit();
    if (!state || --state.readPending === 0) folioEndRead(folio, false);
    throw e;
  }
  if (state) {
    if (--state.readPending === 0) folioEndRead(folio, state.allUptodate);
  } else if (!mustRead) {
    folioEndRead(folio, true);
  }
}

/**
 * Deal with the folio's bytes from `from` on, as far as one mapping or state goes. Returns the
 * byte where it stopped; negative if those bytes come from the device.
 */
function* readRange(
  ctx: ReadContext,
  folio: Folio,
  from: number,
  pos: number,
  ahead: number,
): Op<number> {
  const { inode, iomap } = ctx;
  const { blockSize } = inode.sb;
  const state = folioState(folio, blockSize);
  if (pos >= inode.size) {
    zeroRange(folio, blockSize, from, folio.size);
    return folio.size;
  }
  if (state && state.uptodate & state.touched(from, from + blockSize)) return from + blockSize;
  yield* ctx.map(pos, Math.max(folio.size - from, ahead - pos));
  let to = Math.min(folio.size, from + iomap.end - pos);
  // Blocks that are uptodate already hold newer data than the device, or than the zeros of an
  // unwritten extent: one block at a time.
  if (state && iomap.type !== 'inline') to = Math.min(to, from + blockSize);
  if (iomap.type === 'mapped') {
    if (state) state.readPending += to - from;
    ctx.add(folio, from, to);
    return -to;
  }
  if (iomap.type === 'inline') copyInline(iomap, folio, from, blockSize);
  else zeroRange(folio, blockSize, from, to);
  return iomap.type === 'inline' ? folio.size : to;
}

function zeroRange(folio: Folio, blockSize: number, from: number, to: number): void {
  folio.data.fill(0, from, to);
  setRangeUptodate(folio, blockSize, from, to);
}

function copyInline(iomap: Iomap, folio: Folio, from: number, blockSize: number): void {
  const data = iomap.inlineData;
  if (!data || folio.pos + from !== iomap.offset || data.length > folio.size - from) {
    throw corrupted('ext4_inode', 'i_inline_data', { length: data?.length });
  }
  folio.data.set(data, from);
  folio.data.fill(0, from + data.length);
  setRangeUptodate(folio, blockSize, from, folio.size);
}

/** AddressSpaceOperations.readFolio over iomap. Unlocks when the read has ended, or on a throw. */
export function* iomapReadFolio(mapping: AddressSpace, folio: Folio, ops: IomapOps): Op<void> {
  trace('iomap:iomapReadFolio');
  const ctx = new ReadContext(inodeOf(mapping), ops);
  yield* readOneFolio(ctx, folio, 0);
  ctx.submit();
}

/** AddressSpaceOperations.readahead over iomap. */
export function* iomapReadahead(rac: ReadaheadControl, ops: IomapOps): Op<void> {
  trace('iomap:iomapReadahead');
  const ctx = new ReadContext(inodeOf(rac.mapping), ops);
  const end = rac.start + rac.length;
  let next = 0;
  try {
    for (; next < rac.folios.length;) {
      const folio = rac.folios[next++];
      assert(folio !== undefined);
      yield* readOneFolio(ctx, folio, end);
    }
  } finally {
    ctx.submit();
    for (const left of rac.folios.slice(next)) folioEndRead(left, false);
  }
}
