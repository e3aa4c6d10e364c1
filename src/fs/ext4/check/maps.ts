/**
 * What the checker remembers between passes, in pages that exist only where something is in use:
 * an image of 16 TiB that holds little costs little.
 */
import { assert } from '../../../base/assert.ts';
import { findNextSet, findNextZero, setBits, testBit } from '../../../base/bitmap.ts';

/** Which clusters (or inodes) are in use: a bitmap a group; a full page is shared by all groups. */
export class PagedBitmap {
  /** Bits of a page: a multiple of 8. */
  readonly pageBits: number;
  private readonly pages: (Uint8Array | undefined)[] = [];
  private readonly full: Uint8Array;
  private readonly empty: Uint8Array;

  constructor(pageBits: number) {
    assert(pageBits % 8 === 0, 'a page of bits is not whole bytes');
    this.pageBits = pageBits;
    this.full = new Uint8Array(pageBits / 8).fill(0xff);
    this.empty = new Uint8Array(pageBits / 8);
  }

  /** A page to be read, never written. */
  page(index: number): Uint8Array {
    return this.pages[index] ?? this.empty;
  }

  test(bit: number): boolean {
    const page = this.pages[Math.floor(bit / this.pageBits)];
    return page !== undefined && testBit(page, bit % this.pageBits);
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
    let page = this.pages[index];
    if (page === this.full) return true;
    if (part === this.pageBits) {
      const met = page !== undefined && findNextSet(page, 0, part) < part;
      this.pages[index] = this.full;
      return met;
    }
    if (page === undefined) this.pages[index] = page = new Uint8Array(this.pageBits / 8);
    const met = findNextSet(page, bit, bit + part) < bit + part;
    setBits(page, bit, part);
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

/** Numbers that are pushed and then read by index. */
export class NumberList {
  private data: Uint32Array | Float64Array;
  length = 0;

  constructor(wide = false) {
    this.data = wide ? new Float64Array(64) : new Uint32Array(64);
  }

  push(n: number): void {
    if (this.length === this.data.length) {
      const wide = this.data instanceof Float64Array;
      const next = wide ? new Float64Array(this.length * 2) : new Uint32Array(this.length * 2);
      next.set(this.data);
      this.data = next;
    }
    this.data[this.length++] = n;
  }

  at(i: number): number {
    return this.data[i]!;
  }

  set(i: number, n: number): void {
    this.data[i] = n;
  }

  /** Index of `n` in a list that was pushed in ascending order, or -1. */
  find(n: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.data[mid]! < n) low = mid + 1;
      else high = mid;
    }
    return low < this.length && this.data[low] === n ? low : -1;
  }

  clear(): void {
    this.length = 0;
  }

  /** The numbers in ascending order, a copy. */
  sorted(): Uint32Array | Float64Array {
    return this.data.slice(0, this.length).sort();
  }
}

/** In InodeMap.types, beside EXT4_FT_* in the low bits. */
export const INODE_BAD = 0x10; // in use, but its mode or its map is nonsense
export const INODE_HIDDEN = 0x20; // has no name and needs none: ea_inode, reserved, orphan
export const INODE_TYPE = 0x0f;

/** Type, and names still to be found, of every inode in use; a page a group. */
export class InodeMap {
  readonly used: PagedBitmap;
  private readonly perGroup: number;
  private readonly types: (Uint8Array | undefined)[] = [];
  private readonly links: (Uint16Array | undefined)[] = [];

  constructor(inodesPerGroup: number) {
    this.perGroup = inodesPerGroup;
    this.used = new PagedBitmap(Math.ceil(inodesPerGroup / 8) * 8);
  }

  /** An inode in use. @param links  its i_links_count */
  add(ino: number, type: number, links: number): void {
    const group = Math.floor((ino - 1) / this.perGroup);
    const at = (ino - 1) % this.perGroup;
    (this.types[group] ??= new Uint8Array(this.perGroup))[at] = type;
    (this.links[group] ??= new Uint16Array(this.perGroup))[at] = links;
    this.used.set(group * this.used.pageBits + at, 1);
  }

  /** 0: not in use. */
  type(ino: number): number {
    const group = Math.floor((ino - 1) / this.perGroup);
    return this.types[group]?.[(ino - 1) % this.perGroup] ?? 0;
  }

  mark(ino: number, flag: number): void {
    const page = this.types[Math.floor((ino - 1) / this.perGroup)];
    if (page) page[(ino - 1) % this.perGroup]! |= flag;
  }

  /** A name of the inode was found. The difference wraps, and only 0 means that all agree. */
  found(ino: number): void {
    const page = this.links[Math.floor((ino - 1) / this.perGroup)];
    if (page) page[(ino - 1) % this.perGroup]!--;
  }

  /** Inodes of the group whose i_links_count is not the number of names found. */
  *unequal(group: number): Generator<{ ino: number; missing: number }> {
    const links = this.links[group];
    if (!links) return;
    for (let at = 0; at < links.length; at++) {
      const missing = links[at]!;
      if (missing !== 0) yield { ino: group * this.perGroup + at + 1, missing };
    }
  }
}
