/**
 * Which clusters (or inodes) are in use: a bitmap of any length, in pages of one group each, that
 * costs as much as what is set in it is scattered. An image of 16 TiB with nothing but its own
 * tables has some runs in each sixteenth group, and needs a few hundred bytes for each of them.
 *
 *     nothing set  ->  a few runs  ->  a bitmap
 *            \____________\______________\___  all set: one page that all share
 */
import { assert } from '../../../base/assert.ts';
import { findNextSet, findNextZero, setBits } from '../../../base/bitmap.ts';

/** Runs of set bits, each [start, end), in ascending order with room between them. */
type Runs = number[];

/** Numbers of a page of runs before it becomes a bitmap: about 1 KiB of either. */
const MOST_RUNS = 64;

/**
 * Add [start, end), joining what it meets or touches.
 * @returns whether one of the bits was set before
 */
function addRun(runs: Runs, start: number, end: number): boolean {
  let first = runs.length;
  while (first > 0 && runs[first - 1]! >= start) first -= 2;
  let met = false;
  let [from, to] = [start, end];
  let next = first;
  for (; next < runs.length && runs[next]! <= end; next += 2) {
    if (runs[next]! < end && runs[next + 1]! > start) met = true;
    from = Math.min(from, runs[next]!);
    to = Math.max(to, runs[next + 1]!);
  }
  if (next === first + 2) {
    runs[first] = from;
    runs[first + 1] = to;
  } else {
    runs.splice(first, next - first, from, to);
  }
  return met;
}

function draw(runs: Runs, map: Uint8Array): Uint8Array {
  map.fill(0);
  for (let i = 0; i < runs.length; i += 2) setBits(map, runs[i]!, runs[i + 1]! - runs[i]!);
  return map;
}

export class PagedBitmap {
  /** Bits of a page: a multiple of 8. */
  readonly pageBits: number;
  private readonly pages: (Runs | Uint8Array | undefined)[] = [];
  private readonly full: Uint8Array;
  private readonly empty: Uint8Array;
  /** A page of runs as a bitmap, for whoever asked last. */
  private readonly drawn: Uint8Array;

  constructor(pageBits: number) {
    assert(pageBits % 8 === 0, 'a page of bits is not whole bytes');
    this.pageBits = pageBits;
    this.full = new Uint8Array(pageBits / 8).fill(0xff);
    this.empty = new Uint8Array(pageBits / 8);
    this.drawn = new Uint8Array(pageBits / 8);
  }

  /** A page to be read, never written; it is good until the next call. */
  page(index: number): Uint8Array {
    const page = this.pages[index] ?? this.empty;
    return page instanceof Uint8Array ? page : draw(page, this.drawn);
  }

  /**
   * Set a run of bits.
   * @returns whether one of them was set before
   */
  set(from: number, count: number): boolean {
    let met = false;
    for (let at = from; at < from + count;) {
      const index = Math.floor(at / this.pageBits);
      const bit = at - index * this.pageBits;
      const part = Math.min(this.pageBits - bit, from + count - at);
      if (this.setIn(index, bit, part)) met = true;
      at += part;
    }
    return met;
  }

  private setIn(index: number, bit: number, part: number): boolean {
    const page = this.pages[index];
    if (page === this.full) return true;
    if (part === this.pageBits) {
      this.pages[index] = this.full;
      if (page instanceof Uint8Array) return findNextSet(page, 0, part) < part;
      return page !== undefined;
    }
    if (page instanceof Uint8Array) {
      const met = findNextSet(page, bit, bit + part) < bit + part;
      setBits(page, bit, part);
      return met;
    }
    const runs = page ?? [];
    const met = addRun(runs, bit, bit + part);
    this.pages[index] = runs.length > MOST_RUNS ? draw(runs, this.empty.slice()) : runs;
    return met;
  }

  /** First set bit in [from, end), or `end`. */
  nextSet(from: number, end: number): number {
    return this.next(from, end, findNextSet);
  }

  /** First clear bit in [from, end), or `end`. */
  nextZero(from: number, end: number): number {
    return this.next(from, end, findNextZero);
  }

  private next(from: number, end: number, find: typeof findNextSet): number {
    for (let at = from; at < end;) {
      const index = Math.floor(at / this.pageBits);
      const base = index * this.pageBits;
      const stop = Math.min(this.pageBits, end - base);
      const found = find(this.page(index), at - base, stop);
      if (found < stop) return base + found;
      at = base + stop;
    }
    return end;
  }
}
