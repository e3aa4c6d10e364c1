/**
 * Per-block state of a folio whose file system has blocks smaller than the folio.
 *
 * Two masks, one bit a block: which blocks are uptodate, which are dirty. A folio of one block
 * needs none: the folio's own flags say it all. The counts of bytes in flight carry one extra
 * while I/O is still being built, so that an early completion does not end the folio.
 * @source fs/iomap/buffered-io.c (struct iomap_folio_state)
 */
import { assert } from '../base/assert.ts';
import type { Folio } from '../mm/folio.ts';

/** Blocks of a folio fit one mask: 4 KiB folio over 1 KiB blocks makes four. */
const MAX_BLOCKS = 31;

export class FolioState {
  readonly blockSize: number;
  uptodate = 0;
  dirty = 0;
  readPending = 0;
  readFailed = false;
  private readonly all: number;

  constructor(folio: Folio, blockSize: number) {
    const blocks = folio.size / blockSize;
    assert(blocks > 1 && blocks <= MAX_BLOCKS);
    this.blockSize = blockSize;
    this.all = 2 ** blocks - 1;
    if (folio.uptodate) this.uptodate = this.all;
    if (folio.dirty) this.dirty = this.all;
  }

  /** Bits of the blocks that [from, to) touches, bytes within the folio. */
  touched(from: number, to: number): number {
    const first = Math.floor(from / this.blockSize);
    const last = Math.ceil(to / this.blockSize);
    return (2 ** last - 1) & ~(2 ** first - 1);
  }

  /** Bits of the blocks that lie wholly in [from, to). */
  covered(from: number, to: number): number {
    const first = Math.ceil(from / this.blockSize);
    const last = Math.floor(to / this.blockSize);
    return last > first ? (2 ** last - 1) & ~(2 ** first - 1) : 0;
  }

  get allUptodate(): boolean {
    return this.uptodate === this.all;
  }
}

/** The state of a folio, made on first use; null where a folio is one block. */
export function folioState(folio: Folio, blockSize: number): FolioState | null {
  if (folio.private instanceof FolioState) return folio.private;
  if (folio.size === blockSize) return null;
  const state = new FolioState(folio, blockSize);
  folio.private = state;
  return state;
}

/** Bytes [from, to) of the folio are valid now. Folio locked. */
export function setRangeUptodate(folio: Folio, blockSize: number, from: number, to: number): void {
  const state = folioState(folio, blockSize);
  if (!state) {
    if (from === 0 && to === folio.size) folio.uptodate = true;
    return;
  }
  state.uptodate |= state.covered(from, to);
  if (state.allUptodate) folio.uptodate = true;
}

/** Is every block that [from, to) touches uptodate? */
export function rangeUptodate(folio: Folio, blockSize: number, from: number, to: number): boolean {
  if (folio.uptodate) return true;
  const state = folioState(folio, blockSize);
  if (!state) return false;
  const want = state.touched(from, to);
  return (state.uptodate & want) === want;
}
