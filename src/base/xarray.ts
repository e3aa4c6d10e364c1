/**
 * A sparse array with marks: a radix tree of 64-slot nodes, six bits of the index a level.
 *
 * Each node keeps, for every mark, 64 bits that say in which slots (or below which slots) an entry
 * has it. "Present" is kept the same way, so that looking for the next entry and looking for the
 * next marked one are the same search, and a node is empty when its present bits are zero.
 * A single entry at index 0 needs no node at all: most files are that small.
 *
 *  XA-1  A bit of a mark is set in a parent's slot exactly if some bit of it is set in the child.
 *  XA-2  A marked slot is a present slot.
 *  XA-3  No node is empty; the root holds something beyond its slot 0.
 * @source lib/xarray.c; Documentation/core-api/xarray.rst
 */
import { assert } from './assert.ts';

export const MARK_DIRTY = 0;
export const MARK_WRITEBACK = 1;
export const MARK_TOWRITE = 2;
export type XaMark = 0 | 1 | 2;

/** The hidden fourth mark of every entry. */
const PRESENT = 3;
const BITS = 6;
const SLOTS = 64;
/** Indices go from 0 to this, exclusive. */
export const XA_LIMIT = 2 ** 48;

type Slot<T> = Node<T> | T | undefined;

class Node<T> {
  readonly slots: Slot<T>[] = new Array<Slot<T>>(SLOTS).fill(undefined);
  /** Words 2m and 2m+1: slots 0..31 and 32..63 of mark m. */
  readonly bits = [0, 0, 0, 0, 0, 0, 0, 0];
  parent: Node<T> | null;
  /** Which of the parent's slots this is. */
  slot: number;

  constructor(parent: Node<T> | null, slot: number) {
    this.parent = parent;
    this.slot = slot;
  }
}

/** The slot of `index` in a node whose slots each span 2^shift indices. */
const slotOf = (index: number, shift: number): number =>
  shift < 30 ? (index >>> shift) & 63 : ((index / 2 ** 30) >>> (shift - 30)) & 63;

/** `index` with all bits below `shift` zero. */
const align = (index: number, shift: number): number =>
  index < 2 ** 31 && shift < 30 ? index & (-1 << shift) : index - (index % 2 ** shift);

const lowestBit = (x: number): number => 31 - Math.clz32(x & -x);

/** The first slot from `slot` on with mark `m`, or 64. */
function nextSlot(bits: readonly number[], m: number, slot: number): number {
  const w = m * 2;
  if (slot < 32) {
    const low = bits[w]! & (-1 << slot);
    if (low !== 0) return lowestBit(low);
    const high = bits[w + 1]!;
    return high !== 0 ? 32 + lowestBit(high) : SLOTS;
  }
  if (slot >= SLOTS) return SLOTS;
  const high = bits[w + 1]! & (-1 << (slot - 32));
  return high !== 0 ? 32 + lowestBit(high) : SLOTS;
}

/** The last present slot at or below `slot`, or -1. */
function prevSlot(bits: readonly number[], slot: number): number {
  const w = PRESENT * 2;
  if (slot >= 32) {
    const high = bits[w + 1]! & (-1 >>> (63 - slot));
    if (high !== 0) return 63 - Math.clz32(high);
    const low = bits[w]!;
    return low !== 0 ? 31 - Math.clz32(low) : -1;
  }
  const low = bits[w]! & (-1 >>> (31 - slot));
  return low !== 0 ? 31 - Math.clz32(low) : -1;
}

/** Set mark `m` of `slot` here and above, as far as it was not set. */
function raise<T>(from: Node<T>, at: number, m: number): void {
  let slot = at;
  for (let node: Node<T> | null = from; node !== null; node = node.parent) {
    const w = m * 2 + (slot >>> 5);
    const old = node.bits[w]!;
    node.bits[w] = old | (1 << (slot & 31));
    if (node.bits[w] === old) return;
    slot = node.slot;
  }
}

/** Clear mark `m` of `slot` here, and above as far as nothing else holds it up. */
function lower<T>(from: Node<T>, at: number, m: number): void {
  let slot = at;
  for (let node: Node<T> | null = from; node !== null; node = node.parent) {
    const w = m * 2 + (slot >>> 5);
    const old = node.bits[w]!;
    node.bits[w] = old & ~(1 << (slot & 31));
    if (node.bits[w] === old || (node.bits[m * 2]! | node.bits[m * 2 + 1]!) !== 0) return;
    slot = node.slot;
  }
}

export class XArray<T> {
  /** Entries held. */
  size = 0;
  /** Where `shift` is -1 the entry of index 0 itself (or nothing), else the root. */
  private head: Slot<T> = undefined;
  /** Of the root's slots; -1 without a root. */
  private shift = -1;
  /** Indices below this fit under the head. */
  private limit = 1;
  /** Marks of the entry of index 0 while it stands in the head: bit m. */
  private headMarks = 0;

  /** The entry at `index`, or undefined. */
  get(index: number): T | undefined {
    if (CHECKED) assert(index >= 0, 'index below 0');
    if (index >= this.limit) return undefined;
    let slot = this.head;
    let shift = this.shift;
    for (; shift >= 30; shift -= BITS) {
      if (slot === undefined) return undefined;
      slot = (slot as Node<T>).slots[slotOf(index, shift)];
    }
    // The same for what fits a shift: nearly every file has no level above.
    for (; shift >= 0; shift -= BITS) {
      if (slot === undefined) return undefined;
      slot = (slot as Node<T>).slots[(index >>> shift) & 63];
    }
    return slot as T | undefined;
  }

  /**
   * Put `value` at `index`. A value that replaces another keeps its marks.
   * @param index  0..2^48-1
   */
  set(index: number, value: T): void {
    assert(index >= 0 && index < XA_LIMIT && Number.isInteger(index), 'index out of range');
    assert(value !== undefined, 'undefined is no entry; use delete()');
    if (index === 0 && this.shift < 0) {
      if (this.head === undefined) this.size = 1;
      this.head = value;
      return;
    }
    while (index >= this.limit) this.grow();
    let node = this.head as Node<T>;
    for (let shift = this.shift; shift > 0; shift -= BITS) {
      const at = slotOf(index, shift);
      let child = node.slots[at] as Node<T> | undefined;
      if (child === undefined) node.slots[at] = child = new Node<T>(node, at);
      node = child;
    }
    const at = index & 63;
    if (node.slots[at] === undefined) {
      this.size++;
      raise(node, at, PRESENT);
    }
    node.slots[at] = value;
  }

  /** Remove the entry at `index` with its marks. @returns what it was, or undefined */
  delete(index: number): T | undefined {
    if (this.shift < 0) {
      if (index !== 0 || this.head === undefined) return undefined;
      const value = this.head as T;
      this.clear();
      return value;
    }
    let node = this.leaf(index);
    const value = node?.slots[index & 63] as T | undefined;
    if (!node || value === undefined) return undefined;
    for (let m = 0; m <= PRESENT; m++) lower(node, index & 63, m);
    node.slots[index & 63] = undefined;
    this.size--;
    while (node.parent !== null && (node.bits[6]! | node.bits[7]!) === 0) {
      node.parent.slots[node.slot] = undefined;
      node = node.parent;
    }
    this.shrink();
    return value;
  }

  /** Remove everything. */
  clear(): void {
    this.size = 0;
    this.head = undefined;
    this.shift = -1;
    this.limit = 1;
    this.headMarks = 0;
  }

  /** Mark the entry at `index`; without an entry nothing happens, as in xa_set_mark(). */
  setMark(index: number, m: XaMark): void {
    if (this.shift < 0) {
      if (index === 0 && this.head !== undefined) this.headMarks |= 1 << m;
      return;
    }
    const node = this.leaf(index);
    if (node && node.slots[index & 63] !== undefined) raise(node, index & 63, m);
  }

  clearMark(index: number, m: XaMark): void {
    if (this.shift < 0) {
      if (index === 0) this.headMarks &= ~(1 << m);
      return;
    }
    const node = this.leaf(index);
    if (node) lower(node, index & 63, m);
  }

  getMark(index: number, m: XaMark): boolean {
    if (this.shift < 0) return index === 0 && (this.headMarks & (1 << m)) !== 0;
    const node = this.leaf(index);
    return node !== null && (node.bits[m * 2 + ((index >>> 5) & 1)]! & (1 << (index & 31))) !== 0;
  }

  /** Does any entry have the mark? */
  marked(m: XaMark): boolean {
    if (this.shift < 0) return (this.headMarks & (1 << m)) !== 0;
    const bits = (this.head as Node<T>).bits;
    return (bits[m * 2]! | bits[m * 2 + 1]!) !== 0;
  }

  /** The first index in [from, end) that has an entry, or -1. */
  next(from: number, end = XA_LIMIT): number {
    if (this.shift >= 0) return this.search(from, PRESENT, end);
    return from <= 0 && end > 0 && this.head !== undefined ? 0 : -1;
  }

  /** The first index in [from, end) whose entry has the mark, or -1. */
  nextMarked(from: number, m: XaMark, end = XA_LIMIT): number {
    if (this.shift >= 0) return this.search(from, m, end);
    return from <= 0 && end > 0 && (this.headMarks & (1 << m)) !== 0 ? 0 : -1;
  }

  /** The last index at or below `from` that has an entry, or -1. */
  prev(from: number): number {
    if (from < 0) return -1;
    if (this.shift < 0) return this.head !== undefined ? 0 : -1;
    let index = Math.min(from, this.limit - 1);
    for (;;) {
      let node = this.head as Node<T>;
      let shift = this.shift;
      for (;;) {
        const at = slotOf(index, shift);
        const found = prevSlot(node.bits, at);
        if (found < 0) break;
        // In an earlier slot the last index counts, not the one that was asked for.
        if (found < at) index = align(index, shift) - (at - found - 1) * 2 ** shift - 1;
        if (shift === 0) return index;
        node = node.slots[found] as Node<T>;
        shift -= BITS;
      }
      // Nothing at or below in this node: go on before the first index it spans.
      index = align(index, shift + BITS) - 1;
      if (index < 0) return -1;
    }
  }

  /** The first index in [from, end) with mark `m`, or -1. There is a root. */
  private search(from: number, m: number, end: number): number {
    const limit = Math.min(end, this.limit);
    let index = Math.max(from, 0);
    while (index < limit) {
      let node = this.head as Node<T>;
      let shift = this.shift;
      for (;;) {
        const at = slotOf(index, shift);
        const found = nextSlot(node.bits, m, at);
        if (found === SLOTS) break;
        if (found > at) index = align(index, shift) + (found - at) * 2 ** shift;
        if (shift === 0) return index < limit ? index : -1;
        node = node.slots[found] as Node<T>;
        shift -= BITS;
      }
      // Nothing more in this node: go on behind the last index it spans.
      index = align(index, shift + BITS) + 2 ** (shift + BITS);
    }
    return -1;
  }

  /** The lowest node of `index`, or null. There is a root. */
  private leaf(index: number): Node<T> | null {
    if (CHECKED) assert(index >= 0, 'index below 0');
    if (index >= this.limit) return null;
    let node = this.head as Node<T>;
    for (let shift = this.shift; shift > 0; shift -= BITS) {
      const child = node.slots[slotOf(index, shift)];
      if (child === undefined) return null;
      node = child as Node<T>;
    }
    return node;
  }

  /** Put a level above the head. */
  private grow(): void {
    const root = new Node<T>(null, 0);
    const old = this.head;
    if (this.size > 0) {
      root.slots[0] = old;
      if (this.shift < 0) {
        for (let m = 0; m < PRESENT; m++) root.bits[m * 2] = (this.headMarks >>> m) & 1;
        root.bits[PRESENT * 2] = 1;
      } else {
        const child = old as Node<T>;
        child.parent = root;
        for (let m = 0; m <= PRESENT; m++) {
          root.bits[m * 2] = (child.bits[m * 2]! | child.bits[m * 2 + 1]!) === 0 ? 0 : 1;
        }
      }
    }
    this.head = root;
    this.headMarks = 0;
    this.shift = this.shift < 0 ? 0 : this.shift + BITS;
    this.limit *= SLOTS;
  }

  /** Drop roots that hold nothing, or nothing but their slot 0. */
  private shrink(): void {
    while (this.shift >= 0) {
      const root = this.head as Node<T>;
      if (root.bits[PRESENT * 2]! >>> 1 !== 0 || root.bits[PRESENT * 2 + 1] !== 0) return;
      if (this.size === 0) {
        this.clear();
        return;
      }
      const child = root.slots[0];
      if (this.shift === 0) {
        for (let m = 0; m < PRESENT; m++) this.headMarks |= (root.bits[m * 2]! & 1) << m;
      } else {
        (child as Node<T>).parent = null;
      }
      this.head = child;
      this.shift = this.shift === 0 ? -1 : this.shift - BITS;
      this.limit /= SLOTS;
    }
  }
}
