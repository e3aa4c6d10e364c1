/**
 * The medium after a crash, as a device: which version of a block it holds is asked for when the
 * block is read for the first time. What is written to it stays in memory, and is read back from
 * there: only what was read of the crashed medium makes a difference between two of them.
 */
import { type Bytes, SECTOR_SIZE } from '../base/units.ts';
import type { Bio } from '../block/bio.ts';
import type { BlockDriver } from '../block/block-device.ts';
import type { CrashContents } from './crash-contents.ts';
import type { CrashBase } from './crash-recorder.ts';

const NOTHING: ReadonlyMap<number, Uint8Array> = new Map();

export class CrashImage implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  readonly fua = true;
  private readonly contents: CrashContents;
  private readonly blockSize: number;
  private readonly ask: (nr: number) => number;
  private own: Map<number, Uint8Array> | null = null;

  /** @param ask  the content of a block (crash-contents.ts); the same whenever it is asked for */
  constructor(
    base: CrashBase,
    blockSize: number,
    contents: CrashContents,
    ask: (nr: number) => number,
  ) {
    this.size = base.size;
    this.logicalBlockSize = base.logicalBlockSize;
    this.blockSize = blockSize;
    this.contents = contents;
    this.ask = ask;
  }

  /** Blocks that were written, as they are now. */
  get written(): ReadonlyMap<number, Uint8Array> {
    return this.own ?? NOTHING;
  }

  start(bio: Bio): void {
    let at = bio.sector * SECTOR_SIZE;
    if (bio.op === 'read') {
      for (const v of bio.vecs) {
        this.each(at, v, this.copyOut);
        at += v.length;
      }
    } else if (bio.op === 'write') {
      for (const v of bio.vecs) {
        this.each(at, v, this.copyIn);
        at += v.length;
      }
    } else if (bio.op !== 'flush') this.zero(at, bio.size);
    bio.complete(null);
  }

  private each(
    at: number,
    segment: Uint8Array,
    visit: (nr: number, from: number, part: Uint8Array) => void,
  ): void {
    const { blockSize } = this;
    for (let done = 0; done < segment.length;) {
      const nr = Math.floor((at + done) / blockSize);
      const from = at + done - nr * blockSize;
      const length = Math.min(blockSize - from, segment.length - done);
      const all = length === segment.length;
      visit(nr, from, all ? segment : segment.subarray(done, done + length));
      done += length;
    }
  }

  private readonly copyOut = (nr: number, from: number, part: Uint8Array): void => {
    const own = this.own?.get(nr);
    if (own !== undefined) {
      part.set(own.subarray(from, from + part.length));
      return;
    }
    this.contents.copyOut(nr, this.ask(nr), from, part);
  };

  private readonly copyIn = (nr: number, from: number, part: Uint8Array): void => {
    this.own ??= new Map();
    let own = this.own.get(nr);
    if (own === undefined) {
      own = new Uint8Array(this.blockSize);
      // Part of a block: the rest of it is read, and so a branch.
      if (part.length < this.blockSize) this.copyOut(nr, 0, own);
      this.own.set(nr, own);
    }
    own.set(part, from);
  };

  private zero(at: number, size: number): void {
    const zeros = new Uint8Array(this.blockSize);
    for (let done = 0; done < size;) {
      const within = (at + done) % this.blockSize;
      const length = Math.min(this.blockSize - within, size - done);
      this.copyIn(Math.floor((at + done) / this.blockSize), within, zeros.subarray(0, length));
      done += length;
    }
  }
}
