/**
 * A device in memory: the default in tests, and what `open(Uint8Array)` uses. Memory is taken in
 * chunks on the first write, so that a sparse image of many GiB costs what it holds.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, SECTOR_SIZE } from '../base/units.ts';
import type { Bio } from './bio.ts';
import type { BlockDriver } from './block-device.ts';

const CHUNK = 1 << 16;

export class RamDevice implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number = SECTOR_SIZE;
  readonly readOnly: boolean;
  readonly synchronous = true;
  readonly queueDepth = 1;
  private readonly chunks = new Map<number, Uint8Array>();

  constructor(size: Bytes, options: { readOnly?: boolean } = {}) {
    assert(size % SECTOR_SIZE === 0, 'device size is not whole sectors');
    this.size = size;
    this.readOnly = options.readOnly ?? false;
  }

  start(bio: Bio): void {
    let at = bio.sector * SECTOR_SIZE;
    if (bio.op === 'read' || bio.op === 'write') {
      for (const v of bio.vecs) {
        if (bio.op === 'read') this.peek(at, v);
        else this.poke(at, v);
        at += v.length;
      }
    } else if (bio.op !== 'flush') {
      this.zero(at, bio.size);
    }
    bio.complete(null);
  }

  /** Copy bytes out, without the block layer (tests, judges). */
  peek(offset: number, into: Uint8Array): void {
    this.each(offset, into.length, (chunk, from, length, done) => {
      const data = this.chunks.get(chunk);
      const part = into.subarray(done, done + length);
      if (data) part.set(data.subarray(from, from + length));
      else part.fill(0);
    });
  }

  /** Copy bytes in, without the block layer. */
  poke(offset: number, bytes: Uint8Array): void {
    this.each(offset, bytes.length, (chunk, from, length, done) => {
      let data = this.chunks.get(chunk);
      if (!data) this.chunks.set(chunk, (data = new Uint8Array(CHUNK)));
      data.set(bytes.subarray(done, done + length), from);
    });
  }

  private zero(offset: number, length: number): void {
    this.each(offset, length, (chunk, from, part) => {
      if (part === CHUNK) this.chunks.delete(chunk);
      else this.chunks.get(chunk)?.fill(0, from, from + part);
    });
  }

  private each(
    offset: number,
    length: number,
    visit: (chunk: number, from: number, length: number, done: number) => void,
  ): void {
    for (let done = 0; done < length;) {
      const from = (offset + done) % CHUNK;
      const part = Math.min(CHUNK - from, length - done);
      visit(Math.floor((offset + done) / CHUNK), from, part, done);
      done += part;
    }
  }
}
