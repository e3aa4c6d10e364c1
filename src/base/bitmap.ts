/**
 * Bitmaps as ext4 keeps them: bit `i` is bit `i % 8` of byte `i / 8`. Searches go by 32-bit words
 * where the bytes are aligned for it, since a block bitmap is mostly runs.
 * @source lib/find_bit.c, lib/bitmap.c; fs/ext4/mballoc.c:mb_find_next_zero_bit()
 */
import { assert } from './assert.ts';

/** Bytes looked at singly before a search pays for a view of words. */
const NEAR = 16;
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Number of zeros below the lowest set bit. @param x  not 0 */
const lowestBit = (x: number): number => 31 - Math.clz32(x & -x);

export const testBit = (map: Uint8Array, i: number): boolean =>
  (map[i >>> 3]! & (1 << (i & 7))) !== 0;

/** Set `count` bits starting at `from`. */
export function setBits(map: Uint8Array, from: number, count: number): void {
  const end = from + count;
  assert(from >= 0 && count >= 0 && end <= map.length * 8, 'bits outside of the bitmap');
  const a = from >>> 3;
  const b = end >>> 3;
  const head = 0xff << (from & 7);
  const tail = (1 << (end & 7)) - 1;
  if (a === b) {
    if (tail) map[a]! |= head & tail;
    return;
  }
  map[a]! |= head;
  map.fill(0xff, a + 1, b);
  if (tail) map[b]! |= tail;
}

/** Clear `count` bits starting at `from`. */
export function clearBits(map: Uint8Array, from: number, count: number): void {
  const end = from + count;
  assert(from >= 0 && count >= 0 && end <= map.length * 8, 'bits outside of the bitmap');
  const a = from >>> 3;
  const b = end >>> 3;
  const head = 0xff << (from & 7);
  const tail = (1 << (end & 7)) - 1;
  if (a === b) {
    if (tail) map[a]! &= ~(head & tail);
    return;
  }
  map[a]! &= ~head;
  map.fill(0, a + 1, b);
  if (tail) map[b]! &= ~tail;
}

/** The first clear bit in [from, end), or `end`. */
export const findNextZero = (map: Uint8Array, from: number, end: number): number =>
  findNext(map, from, end, -1);

/** The first set bit in [from, end), or `end`. */
export const findNextSet = (map: Uint8Array, from: number, end: number): number =>
  findNext(map, from, end, 0);

/** @param flip  0 looks for ones; -1, which inverts what is read, for zeros */
function findNext(map: Uint8Array, from: number, end: number, flip: number): number {
  assert(from >= 0 && end <= map.length * 8, 'bits outside of the bitmap');
  if (from >= end) return end;
  const last = (end + 7) >>> 3;
  let i = from >>> 3;
  const first = (map[i]! ^ flip) & 0xff & (0xff << (from & 7));
  if (first) return Math.min(end, i * 8 + lowestBit(first));
  const near = Math.min(last, i + NEAR);
  for (i++; i < near || (i < last && ((map.byteOffset + i) & 3) !== 0); i++) {
    const byte = (map[i]! ^ flip) & 0xff;
    if (byte) return Math.min(end, i * 8 + lowestBit(byte));
  }
  if (LITTLE_ENDIAN && last - i >= NEAR) i += 4 * sameWords(map, i, last, flip);
  for (; i < last; i++) {
    const byte = (map[i]! ^ flip) & 0xff;
    if (byte) return Math.min(end, i * 8 + lowestBit(byte));
  }
  return end;
}

/** How many whole words of [at, last) hold nothing that is looked for. `at` is aligned. */
function sameWords(map: Uint8Array, at: number, last: number, flip: number): number {
  const words = new Int32Array(map.buffer, map.byteOffset + at, (last - at) >>> 2);
  let w = 0;
  // Four at a time: the differences are ORed, so that there is one branch.
  for (const last4 = words.length - 3; w < last4; w += 4) {
    const a = (words[w]! ^ flip) | (words[w + 1]! ^ flip);
    if ((a | (words[w + 2]! ^ flip) | (words[w + 3]! ^ flip)) !== 0) break;
  }
  while (w < words.length && words[w] === flip) w++;
  return w;
}

/** How many bits of [from, end) are set. */
export function countSet(map: Uint8Array, from: number, end: number): number {
  assert(from >= 0 && end <= map.length * 8, 'bits outside of the bitmap');
  if (from >= end) return 0;
  const last = end >>> 3;
  const tail = (1 << (end & 7)) - 1;
  let i = from >>> 3;
  const head = 0xff << (from & 7);
  if (i === last) return ones(map[i]! & head & tail);
  let sum = ones(map[i]! & head & 0xff);
  for (i++; i < last && ((map.byteOffset + i) & 3) !== 0; i++) sum += ones(map[i]!);
  if (last - i >= NEAR) {
    const words = new Int32Array(map.buffer, map.byteOffset + i, (last - i) >>> 2);
    for (let w = 0; w < words.length; w++) sum += ones(words[w]!);
    i += words.length * 4;
  }
  for (; i < last; i++) sum += ones(map[i]!);
  if (tail) sum += ones(map[last]! & tail);
  return sum;
}

/** Set bits of 32: sums of pairs, of nibbles, of bytes, and the bytes added by a multiplication. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const nibbles = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
