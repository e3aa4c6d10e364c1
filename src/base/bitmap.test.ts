import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clearBits, countSet, findNextSet, findNextZero, setBits, testBit } from './bitmap.ts';

/** Runs of equal bytes, as bitmaps have them, at any alignment of the underlying buffer. */
const bitmap = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(0, 0xff, 0x80, 1, 0x7e), fc.integer({ min: 1, max: 40 })), {
      minLength: 1,
      maxLength: 8,
    }),
    fc.nat(7),
  )
  .map(([runs, offset]) => {
    const bytes = runs.flatMap(([byte, n]) => new Array<number>(n).fill(byte));
    const map = new Uint8Array(new ArrayBuffer(offset + bytes.length), offset);
    map.set(bytes);
    return map;
  });
const inBitmap = bitmap.chain((map) =>
  fc
    .tuple(fc.nat(map.length * 8), fc.nat(map.length * 8))
    .map(([a, b]) => ({ map, from: Math.min(a, b), end: Math.max(a, b) })),
);
const bits = (map: Uint8Array): boolean[] =>
  Array.from({ length: map.length * 8 }, (_, i) => ((map[i >> 3]! >> (i & 7)) & 1) === 1);

test('finding and counting agree with looking at every bit', () => {
  fc.assert(
    fc.property(inBitmap, ({ map, from, end }) => {
      const all = bits(map);
      const find = (want: boolean) => {
        for (let i = from; i < end; i++) if (all[i] === want) return i;
        return end;
      };
      expect(findNextSet(map, from, end)).toBe(find(true));
      expect(findNextZero(map, from, end)).toBe(find(false));
      expect(countSet(map, from, end)).toBe(all.slice(from, end).filter(Boolean).length);
      for (let i = from; i < end; i++) expect(testBit(map, i)).toBe(all[i]);
    }),
    { numRuns: 500 },
  );
});

test('setting and clearing change the run and nothing else', () => {
  fc.assert(
    fc.property(inBitmap, ({ map, from, end }) => {
      const want = bits(map);
      setBits(map, from, end - from);
      want.fill(true, from, end);
      expect(bits(map)).toEqual(want);
      clearBits(map, from, end - from);
      want.fill(false, from, end);
      expect(bits(map)).toEqual(want);
    }),
  );
});

test('a run that leaves the bitmap is refused', () => {
  const map = new Uint8Array(4);
  expect(() => {
    setBits(map, 30, 3);
  }).toThrow('outside');
  expect(() => findNextZero(map, 0, 33)).toThrow('outside');
});

test('a search of shared memory finds the last bit of a block', () => {
  const map = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xff);
  expect(findNextZero(map, 0, 32768)).toBe(32768);
  clearBits(map, 32767, 1);
  expect(findNextZero(map, 0, 32768)).toBe(32767);
  expect(findNextZero(map, 0, 32767)).toBe(32767);
  expect(countSet(map, 0, 32768)).toBe(32767);
});
