import { expect, test } from 'vitest';
import { Prng } from './prng.ts';

test('the step is that of xoshiro128**', () => {
  // @source the reference implementation's first outputs from the state 1, 2, 3, 4
  const p = new Prng(0);
  Object.assign(p, { a: 1, b: 2, c: 3, d: 4 });
  expect(Array.from({ length: 6 }, () => p.u32())).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492,
  ]);
});

test('a seed gives the same sequence again, and its neighbour another', () => {
  const first = (seed: number) => Buffer.from(new Prng(seed).bytes(64)).toString('hex');
  expect(first(42)).toBe(first(42));
  const all = [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map(first);
  expect(new Set(all).size).toBe(all.length);
});

test('below(n) gives every value about equally often', () => {
  const p = new Prng(1);
  const hits = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) hits[p.below(7)]!++;
  for (const h of hits) expect(Math.abs(h - 10_000)).toBeLessThan(500);
});

test('below(n) reaches beyond 32 bits and never n itself', () => {
  const p = new Prng(2);
  let most = 0;
  for (let i = 0; i < 1000; i++) {
    const x = p.below(2 ** 50);
    expect(Number.isInteger(x) && x < 2 ** 50).toBe(true);
    most = Math.max(most, x);
  }
  expect(most).toBeGreaterThan(2 ** 49);
  expect(p.below(1)).toBe(0);
  expect(() => p.below(0)).toThrow();
});

test('chance(p) is true in about p of the cases, never for 0, always for 1', () => {
  const p = new Prng(3);
  let hits = 0;
  for (let i = 0; i < 10_000; i++) {
    if (p.chance(0.25)) hits++;
    expect(p.chance(0)).toBe(false);
    expect(p.chance(1)).toBe(true);
  }
  expect(Math.abs(hits - 2500)).toBeLessThan(200);
});

test('each bit of the output is set about half of the time', () => {
  const p = new Prng(4);
  const ones = new Array<number>(32).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const x = p.u32();
    for (let b = 0; b < 32; b++) ones[b]! += (x >>> b) & 1;
  }
  for (const n of ones) expect(Math.abs(n - 5000)).toBeLessThan(300);
});
