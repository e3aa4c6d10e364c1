import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IovIter } from './iov-iter.ts';

test('copies through any segments equal one flat copy, with reverts in between', () => {
  const lengths = fc.array(fc.nat(9), { minLength: 1, maxLength: 6 });
  const moves = fc.array(fc.record({ n: fc.nat(12), back: fc.nat(12) }), { maxLength: 20 });
  fc.assert(
    fc.property(lengths, moves, (sizes, steps) => {
      const segments = sizes.map((n) => new Uint8Array(n));
      const total = sizes.reduce((a, b) => a + b, 0);
      const flat = new Uint8Array(total);
      const iter = new IovIter(segments);
      let at = 0;
      let next = 1;
      for (const { n, back } of steps) {
        const source = Uint8Array.from({ length: n + 3 }, () => next++);
        const done = iter.copyTo(source, 3, n);
        expect(done).toBe(Math.min(n, total - at));
        flat.set(source.subarray(3, 3 + done), at);
        at += done;
        const undo = Math.min(back, done);
        iter.revert(undo);
        at -= undo;
        expect(iter.count).toBe(total - at);
      }
      expect([...segments.flatMap((s) => [...s])]).toEqual([...flat]);
    }),
  );
});

test('draining gives back what was filled in', () => {
  const data = Uint8Array.from({ length: 10 }, (_, i) => i);
  const iter = new IovIter([data.subarray(0, 3), data.subarray(3, 3), data.subarray(3)]);
  const out = new Uint8Array(12);
  expect(iter.copyFrom(out, 1, 20)).toBe(10);
  expect([...out]).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
});
