/**
 * A device over another one, of which some blocks are seen with other contents: those of another
 * block of it, or what was written here, which stays in memory. The other device is only read.
 *
 * What a recovered image looks like, without a byte of it changed: a block that the journal has a
 * newer copy of is read there.
 */
import { assert } from '../base/assert.ts';
import { errno, type FsError } from '../base/errno.ts';
import { type Bytes, sector, SECTOR_SIZE } from '../base/units.ts';
import { Bio } from './bio.ts';
import type { BlockDevice, BlockDriver } from './block-device.ts';

/** Bytes of a request that lie together on the device below, or in memory. */
interface Piece {
  /** Byte on the device below. */
  readonly from: number;
  readonly segments: Uint8Array[];
  /** Put the head in: the piece begins with a redirected block that lacks it. */
  readonly behead: boolean;
}

export class OverlayDevice implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly synchronous: boolean;
  readonly queueDepth: number;
  private readonly base: BlockDevice;
  private readonly blockSize: number;
  /** What stands in for the first bytes of redirected blocks that were marked so. */
  private readonly head: Uint8Array;
  /** By block: twice the block that is read instead, and 1 where the head goes in. */
  private readonly redirected = new Map<number, number>();
  /** By block: its contents. */
  private readonly kept = new Map<number, Uint8Array>();
  private sealed = false;

  constructor(base: BlockDevice, blockSize: number, head: Uint8Array) {
    this.size = base.size;
    this.logicalBlockSize = base.logicalBlockSize;
    this.synchronous = base.driver.synchronous;
    this.queueDepth = base.driver.queueDepth;
    this.base = base;
    this.blockSize = blockSize;
    this.head = head;
  }

  get readOnly(): boolean {
    return this.sealed;
  }

  /** From now on nothing is written, to memory neither. */
  seal(): void {
    this.sealed = true;
  }

  /** `block` is read at `to`. @param behead  its first bytes are the head, whatever stands there */
  redirect(block: number, to: number, behead: boolean): void {
    this.redirected.set(block, 2 * to + (behead ? 1 : 0));
  }

  /** What was written here, by block. */
  get written(): ReadonlyMap<number, Uint8Array> {
    return this.kept;
  }

  start(bio: Bio): void {
    switch (bio.op) {
      case 'read':
        this.read(bio);
        break;
      case 'write':
        bio.complete(this.write(bio));
        break;
      case 'flush':
        bio.complete(null);
        break;
      default:
        // Would fill memory with zeros, for nobody who recovers an image.
        bio.complete(errno('EOPNOTSUPP', { op: bio.op }, 'not on a device that stays in memory'));
    }
  }

  private write(bio: Bio): FsError | null {
    const { blockSize } = this;
    const from = bio.sector * SECTOR_SIZE;
    if (from % blockSize !== 0 || bio.size % blockSize !== 0) {
      return errno('EINVAL', { sector: bio.sector, size: bio.size }, 'not whole blocks');
    }
    for (let at = 0; at < bio.size; at += blockSize) {
      const nr = (from + at) / blockSize;
      let data = this.kept.get(nr);
      if (!data) this.kept.set(nr, (data = new Uint8Array(blockSize)));
      let to = 0;
      for (const part of cut(bio.vecs, at, blockSize)) {
        data.set(part, to);
        to += part.length;
      }
    }
    return null;
  }

  private read(bio: Bio): void {
    const pieces = this.piecesOf(bio);
    let left = 1;
    let error: FsError | null = null;
    const done = (e: FsError | null): void => {
      error ??= e;
      if (--left === 0) bio.complete(error);
    };
    for (const piece of pieces) {
      left++;
      const part = new Bio('read', sector(piece.from / SECTOR_SIZE), bio.flags);
      for (const s of piece.segments) part.add(s);
      part.endIo = (b) => {
        const [first] = piece.segments;
        if (!b.error && piece.behead && first) first.set(this.head);
        done(b.error);
      };
      this.base.submit(part);
    }
    done(null);
  }

  /** What must be read below; what is in memory is copied on the way. */
  private piecesOf(bio: Bio): Piece[] {
    const { blockSize } = this;
    const start = bio.sector * SECTOR_SIZE;
    const end = start + bio.size;
    const pieces: Piece[] = [];
    let plain = start;
    const below = (until: number): void => {
      if (plain >= until) return;
      const segments = cut(bio.vecs, plain - start, until - plain);
      pieces.push({ from: plain, segments, behead: false });
    };
    for (let nr = Math.floor(start / blockSize); nr * blockSize < end; nr++) {
      const kept = this.kept.get(nr);
      const other = kept ? undefined : this.redirected.get(nr);
      if (!kept && other === undefined) continue;
      const from = Math.max(start, nr * blockSize);
      const to = Math.min(end, (nr + 1) * blockSize);
      below(from);
      plain = to;
      const skip = from - nr * blockSize;
      const segments = cut(bio.vecs, from - start, to - from);
      if (kept) fill(segments, kept.subarray(skip));
      else if (other !== undefined) {
        const at = Math.floor(other / 2) * blockSize + skip;
        pieces.push({ from: at, segments, behead: other % 2 === 1 && skip === 0 });
      }
    }
    below(end);
    return pieces;
  }
}

/** Bytes [at, at + length) of the segments. */
function cut(vecs: readonly Uint8Array[], at: number, length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let skip = at;
  let left = length;
  for (const v of vecs) {
    if (left === 0) break;
    if (skip >= v.length) {
      skip -= v.length;
      continue;
    }
    const part = v.subarray(skip, Math.min(v.length, skip + left));
    out.push(part);
    skip = 0;
    left -= part.length;
  }
  assert(left === 0, 'a bio shorter than it says');
  return out;
}

function fill(segments: readonly Uint8Array[], data: Uint8Array): void {
  let at = 0;
  for (const s of segments) {
    s.set(data.subarray(at, at + s.length));
    at += s.length;
  }
}
