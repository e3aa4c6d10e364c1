/**
 * The data of a file without its holes. A tree that knows its holes says where they are; on the
 * host, where Node cannot ask, a file that takes less room than its size is searched for zeros.
 */
import { CliError } from './errors.ts';
import type { Reader, Stat } from './tree.ts';

export interface Run {
  readonly pos: number;
  /** Lies in the caller's buffer: valid until the next run is asked for. */
  readonly data: Uint8Array;
}

/** Pieces of a file's data, in order. */
export interface Runs {
  /** Null at the end. */
  next(): Run | null;
  close(): void;
}

/** A hole is at least this long and begins at a multiple of it. */
const GRAIN = 4096;

const zeros = Buffer.alloc(GRAIN);
const isZero = (data: Uint8Array, from: number, to: number): boolean =>
  zeros.compare(data, from, to, 0, to - from) === 0;

/** Cuts the zeros out of one piece of data after the other. */
class ZeroCutter {
  private data = new Uint8Array(0);
  private pos = 0;
  private at = 0;

  feed(data: Uint8Array<ArrayBuffer>, pos: number): void {
    this.data = data;
    this.pos = pos;
    this.at = 0;
  }

  /** The next run that holds something else than zeros; null: more must be fed. */
  next(): Run | null {
    const { data } = this;
    const end = (at: number): number => Math.min(at + GRAIN, data.length);
    let { at } = this;
    while (at < data.length && isZero(data, at, end(at))) at += GRAIN;
    const from = at;
    while (at < data.length && !isZero(data, at, end(at))) at += GRAIN;
    this.at = at;
    if (from >= data.length) return null;
    return { pos: this.pos + from, data: data.subarray(from, Math.min(at, data.length)) };
  }
}

/** All data of an open file, in pieces of at most the buffer's length. */
export class DataRuns implements Runs {
  private readonly reader: Reader;
  private readonly size: number;
  private readonly buffer: Uint8Array<ArrayBuffer>;
  /** Where holes are not known, but there must be some. */
  private readonly cutter: ZeroCutter | null;
  private pos = 0;
  /** End of the stretch of data that `pos` is in. */
  private end = 0;

  constructor(
    reader: Reader,
    { size, blocks }: Pick<Stat, 'size' | 'blocks'>,
    buffer: Uint8Array<ArrayBuffer>,
  ) {
    this.reader = reader;
    this.size = size;
    this.buffer = buffer;
    this.cutter = blocks * 512 < size ? new ZeroCutter() : null;
  }

  next(): Run | null {
    for (;;) {
      const cut = this.cutter?.next() ?? null;
      if (cut !== null) return cut;
      if (this.pos >= this.end && !this.seek()) return null;
      const { pos, end, buffer } = this;
      const n = this.reader.read(buffer.subarray(0, Math.min(buffer.length, end - pos)), pos);
      if (n === 0) throw new CliError('EIO', 'it became shorter while it was read');
      this.pos += n;
      const data = buffer.subarray(0, n);
      if (this.cutter === null) return { pos, data };
      this.cutter.feed(data, pos);
    }
  }

  /** To the next stretch of data. */
  private seek(): boolean {
    if (this.pos >= this.size) return false;
    const data = this.reader.nextData(this.pos);
    if (data === null || data.start >= this.size) return false;
    this.pos = data.start;
    this.end = Math.min(data.end, this.size);
    return true;
  }

  close(): void {
    this.reader.close();
  }
}
