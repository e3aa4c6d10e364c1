import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MARK_DIRTY, MARK_TOWRITE, MARK_WRITEBACK, XArray, type XaMark } from './xarray.ts';

const MARKS: readonly XaMark[] = [MARK_DIRTY, MARK_WRITEBACK, MARK_TOWRITE];

/** Indices that meet: dense small ones, the edges of every level, and the far end. */
const index = fc.oneof(
  fc.nat(200),
  fc
    .tuple(fc.nat(7), fc.integer({ min: -2, max: 2 }))
    .map(([level, d]) => Math.max(0, 64 ** level + d)),
  fc
    .tuple(fc.integer({ min: 28, max: 47 }), fc.nat(70))
    .map(([bit, d]) => 2 ** bit + d * 2 ** (bit - 10)),
  fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1),
);
/** A run uses few indices, so that its steps meet at them. */
const steps = fc.array(index, { minLength: 1, maxLength: 20, size: 'max' }).chain((pool) => {
  const i = fc.constantFrom(...pool);
  const step = fc.oneof(
    fc.record({ op: fc.constantFrom('set', 'set', 'delete'), i, m: fc.constant(0) }),
    fc.record({ op: fc.constantFrom('mark', 'mark', 'unmark'), i, m: fc.nat(2) }),
  );
  return fc.array(step, { maxLength: 150, size: 'max' });
});

interface Entry {
  value: object;
  marks: Set<number>;
}

class Model {
  readonly entries = new Map<number, Entry>();
  keys(): number[] {
    return [...this.entries.keys()].sort((a, b) => a - b);
  }
  next(from: number, m = -1): number {
    return this.keys().find((k) => k >= from && (m < 0 || this.entries.get(k)!.marks.has(m))) ?? -1;
  }
  prev(from: number): number {
    return this.keys().findLast((k) => k <= from) ?? -1;
  }
}

function compare(xa: XArray<object>, model: Model, at: number): void {
  expect(xa.size).toBe(model.entries.size);
  expect(xa.get(at)).toBe(model.entries.get(at)?.value);
  expect(xa.next(at)).toBe(model.next(at));
  expect(xa.prev(at)).toBe(model.prev(at));
  const end = model.next(at + 1);
  if (end > 0) expect(xa.next(at + 1, end)).toBe(-1);
  for (const m of MARKS) {
    expect(xa.nextMarked(at, m)).toBe(model.next(at, m));
    expect(xa.getMark(at, m)).toBe(model.entries.get(at)?.marks.has(m) ?? false);
    expect(xa.marked(m)).toBe(model.next(0, m) >= 0);
  }
}

test('any sequence of operations agrees with a plain map', () => {
  fc.assert(
    fc.property(steps, fc.array(index), (run, probes) => {
      const xa = new XArray<object>();
      const model = new Model();
      for (const s of run) {
        const entry = model.entries.get(s.i);
        if (s.op === 'set') {
          const value = {};
          xa.set(s.i, value);
          model.entries.set(s.i, { value, marks: entry?.marks ?? new Set() });
        } else if (s.op === 'delete') {
          expect(xa.delete(s.i)).toBe(entry?.value);
          model.entries.delete(s.i);
        } else if (s.op === 'mark') {
          xa.setMark(s.i, s.m as XaMark);
          entry?.marks.add(s.m);
        } else {
          xa.clearMark(s.i, s.m as XaMark);
          entry?.marks.delete(s.m);
        }
        compare(xa, model, s.i);
      }
      for (const p of probes) compare(xa, model, p);
      for (const k of model.keys()) xa.delete(k);
      expect(nodesOf(xa)).toBe(0);
    }),
    { numRuns: 300 },
  );
});

/** How many nodes an array holds, by walking its insides. */
function nodesOf(xa: XArray<object>): number {
  const inside = xa as unknown as { head: unknown; shift: number };
  const count = (node: unknown, shift: number): number =>
    node === undefined || shift < 0
      ? 0
      : (node as { slots: unknown[] }).slots.reduce<number>((n, s) => n + count(s, shift - 6), 1);
  return count(inside.head, inside.shift);
}

test('a single entry at index 0 needs no node, and a far one is freed with its path', () => {
  const xa = new XArray<object>();
  xa.set(0, {});
  expect(nodesOf(xa)).toBe(0);
  xa.set(2 ** 48 - 1, {});
  expect(nodesOf(xa)).toBe(15);
  xa.delete(2 ** 48 - 1);
  expect(nodesOf(xa)).toBe(0);
  expect(xa.get(0)).toBeDefined();
});

test('marks of the entry at index 0 survive growing and shrinking', () => {
  const xa = new XArray<string>();
  xa.set(0, 'a');
  xa.setMark(0, MARK_DIRTY);
  xa.set(5000, 'b');
  expect(xa.nextMarked(0, MARK_DIRTY)).toBe(0);
  expect(xa.nextMarked(0, MARK_WRITEBACK)).toBe(-1);
  xa.delete(5000);
  expect(xa.getMark(0, MARK_DIRTY)).toBe(true);
  xa.set(5000, 'b');
  xa.clearMark(0, MARK_DIRTY);
  xa.delete(5000);
  expect(xa.marked(MARK_DIRTY)).toBe(false);
  xa.setMark(0, MARK_DIRTY);
  xa.clear();
  xa.set(0, 'c');
  expect(xa.marked(MARK_DIRTY)).toBe(false);
});

test('an index outside of 48 bits is refused', () => {
  const xa = new XArray<string>();
  for (const bad of [-1, 2 ** 48, 0.5, NaN]) {
    expect(() => {
      xa.set(bad, 'x');
    }).toThrow('out of range');
  }
});
