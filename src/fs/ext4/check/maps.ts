/**
 * What the checker remembers between passes, in pages that exist only where something is in use:
 * an image of 16 TiB that holds little costs little.
 */
import { PagedBitmap } from './paged-bitmap.ts';

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

  /** The first inode of the group from `ino` on that has not all its names found, or 0. */
  nextUnequal(group: number, ino: number): number {
    const links = this.links[group];
    if (!links) return 0;
    for (let at = ino - 1 - group * this.perGroup; at < links.length; at++) {
      if (links[at] !== 0) return group * this.perGroup + at + 1;
    }
    return 0;
  }

  /** Names that were not found, less those that were found beyond the count, modulo 2^16. */
  missing(ino: number): number {
    const page = this.links[Math.floor((ino - 1) / this.perGroup)];
    return page?.[(ino - 1) % this.perGroup] ?? 0;
  }
}
