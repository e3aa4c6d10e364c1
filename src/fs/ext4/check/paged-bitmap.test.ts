import { expect, test } from 'vitest';
import { findNextSet, findNextZero, setBits } from '../../../base/bitmap.ts';
import { Prng } from '../../../base/prng.ts';
import { PagedBitmap } from './paged-bitmap.ts';

const PAGE = 256;
const PAGES = 4;
const BITS = PAGE * PAGES;

/** The same answers as one plain bitmap gives, whatever is set in whatever order. */
function compare(seed: number, longest: number, rounds: number): void {
  const prng = new Prng(seed);
  const plain = new Uint8Array(BITS / 8);
  const paged = new PagedBitmap(PAGE);
  for (let i = 0; i < rounds; i++) {
    const from = prng.below(BITS);
    const count = Math.min(1 + prng.below(longest), BITS - from);
    const met = findNextSet(plain, from, from + count) < from + count;
    setBits(plain, from, count);
    expect(paged.set(from, count), `round ${i}`).toBe(met);
    const at = prng.below(BITS);
    expect(paged.nextSet(at, BITS)).toBe(findNextSet(plain, at, BITS));
    expect(paged.nextZero(at, BITS)).toBe(findNextZero(plain, at, BITS));
  }
  const pages = Array.from({ length: PAGES }, (_, i) => [...paged.page(i)]).flat();
  expect(pages).toEqual([...plain]);
}

test('runs, bitmaps and full pages answer as one plain bitmap does', () => {
  // Few long runs stay runs; many short ones become bitmaps; runs over pages fill some of them.
  for (let seed = 0; seed < 60; seed++) {
    compare(seed, 4, 20);
    compare(seed, 3, 400);
    compare(seed, 2 * PAGE, 12);
  }
});

test('runs that touch are one, so a table that is claimed block by block stays small', () => {
  const map = new PagedBitmap(PAGE);
  for (let bit = 0; bit < 200; bit += 2) map.set(bit, 1);
  for (let bit = 1; bit < 200; bit += 2) expect(map.set(bit, 1)).toBe(false);
  expect(map.nextZero(0, PAGE)).toBe(200);
  expect(map.set(199, 2)).toBe(true);
});

test('a page is full when its last bits come as one run, and stays so', () => {
  const map = new PagedBitmap(PAGE);
  expect(map.set(0, PAGE)).toBe(false);
  expect(map.set(3, 1)).toBe(true);
  expect(map.nextZero(0, 2 * PAGE)).toBe(PAGE);
});
