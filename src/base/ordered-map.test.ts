import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderedMap } from './ordered-map.ts';
import { Prng } from './prng.ts';

function compare(map: OrderedMap<number>, model: Map<number, number>, key: number): void {
  const keys = [...model.keys()].sort((a, b) => a - b);
  expect(map.size).toBe(model.size);
  expect(map.get(key)).toBe(model.get(key));
  expect(map.has(key)).toBe(model.has(key));
  expect(map.floor(key)).toBe(keys.findLast((k) => k <= key) ?? -1);
  expect(map.lower(key)).toBe(keys.findLast((k) => k < key) ?? -1);
  expect(map.ceil(key)).toBe(keys.find((k) => k >= key) ?? -1);
  expect(map.higher(key)).toBe(keys.find((k) => k > key) ?? -1);
}

/** OM-1 to OM-3, looked at from the inside. */
function checkTree(map: OrderedMap<number>): void {
  interface Inside {
    keys: number[];
    children?: Inside[];
    values?: number[];
    next?: Inside | null;
    prev?: Inside | null;
  }
  const { root } = map as unknown as { root: Inside };
  const leaves: Inside[] = [];
  const depths = new Set<number>();
  const walk = (node: Inside, depth: number, above: number, upTo: number): void => {
    for (const [i, k] of node.keys.entries()) {
      expect(k).toBeGreaterThan(i > 0 ? node.keys[i - 1]! : above);
      expect(k).toBeLessThanOrEqual(upTo);
    }
    const fill = node.children?.length ?? node.keys.length;
    expect(fill).toBeLessThanOrEqual(32);
    if (node !== root) expect(fill).toBeGreaterThanOrEqual(16);
    if (!node.children) {
      expect(node.values).toHaveLength(node.keys.length);
      depths.add(depth);
      leaves.push(node);
      return;
    }
    expect(node.keys).toHaveLength(fill - 1);
    for (const [i, child] of node.children.entries()) {
      walk(child, depth + 1, node.keys[i - 1] ?? above, node.keys[i] ?? upTo);
    }
  };
  walk(root, 0, -1, Infinity);
  expect(depths.size).toBe(1);
  for (const [i, leaf] of leaves.entries()) {
    expect(leaf.next === (leaves[i + 1] ?? null) && leaf.prev === (leaves[i - 1] ?? null)).toBe(
      true,
    );
  }
}

test('any sequence of operations, growing and shrinking by turns, agrees with a plain map', () => {
  const phase = fc.record({
    grow: fc.boolean(),
    keys: fc.array(fc.nat(400), { minLength: 50, maxLength: 400, size: 'max' }),
  });
  fc.assert(
    fc.property(fc.array(phase, { minLength: 1, maxLength: 6, size: 'max' }), (phases) => {
      const map = new OrderedMap<number>();
      const model = new Map<number, number>();
      let steps = 0;
      for (const { grow, keys } of phases) {
        for (const key of keys) {
          if (grow === steps % 4 > 0) {
            map.set(key, steps);
            model.set(key, steps);
          } else {
            expect(map.delete(key)).toBe(model.delete(key));
          }
          // Right behind the change, where a stale leaf would still be remembered.
          expect(map.get(key + 1)).toBe(model.get(key + 1));
          expect(map.get(key - 1)).toBe(model.get(key - 1));
          if (steps++ % 16 === 0) compare(map, model, key);
        }
        checkTree(map);
        const seen: number[] = [];
        for (let k = map.ceil(0); k >= 0; k = map.higher(k)) seen.push(k);
        expect(seen).toEqual([...model.keys()].sort((a, b) => a - b));
      }
    }),
    { numRuns: 30 },
  );
});

test('a tree of three levels keeps its shape while it grows and shrinks', () => {
  const chance = new Prng(7);
  for (const order of ['up', 'down', 'any'] as const) {
    const map = new OrderedMap<number>();
    const keys = Array.from({ length: 3000 }, (_, i) => i * 3);
    if (order === 'down') keys.reverse();
    if (order === 'any') keys.sort(() => chance.below(3) - 1);
    for (const k of keys) map.set(k, k + 1);
    checkTree(map);
    let seen = 0;
    for (let k = map.ceil(0); k >= 0; k = map.higher(k)) expect(k).toBe(3 * seen++);
    expect(seen).toBe(3000);
    for (const [i, k] of keys.entries()) {
      expect(map.delete(k)).toBe(true);
      if (i % 500 === 0) checkTree(map);
    }
    expect(map.size).toBe(0);
    expect(map.ceil(0)).toBe(-1);
  }
});

test('a walk stays right while entries behind and before it go', () => {
  const map = new OrderedMap<number>();
  for (let k = 0; k < 500; k++) map.set(k, k);
  const seen: number[] = [];
  for (let k = map.ceil(0); k >= 0; k = map.higher(k)) {
    seen.push(k);
    map.delete(k);
    map.delete(k + 1);
    map.set(k + 0.5, 0);
    map.delete(k + 0.5);
  }
  expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => i * 2));
  expect(map.size).toBe(0);
});

test('a leaf that was merged away is not remembered', () => {
  const map = new OrderedMap<number>();
  for (let k = 0; k < 33; k++) map.set(k, k);
  // Two leaves of 16 and 17; the right one falls below half and goes into the left one.
  map.delete(32);
  map.delete(31);
  map.set(20.5, 1);
  expect(map.get(0)).toBe(0);
  expect(map.get(20.5)).toBe(1);
  checkTree(map);
});

test('the ends are found by searching from beyond them', () => {
  const map = new OrderedMap<string>();
  expect(map.floor(Infinity)).toBe(-1);
  map.set(2 ** 52, 'far');
  map.set(0, 'near');
  expect([map.ceil(0), map.floor(Infinity), map.lower(0), map.higher(2 ** 52)]).toEqual([
    0,
    2 ** 52,
    -1,
    -1,
  ]);
});
