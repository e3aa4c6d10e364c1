import { expect, test } from 'vitest';
import { Prng } from '../../base/prng.ts';
import {
  ES_DELAYED,
  ES_HOLE,
  ES_UNWRITTEN,
  ES_WRITTEN,
  EsCache,
  esMapped,
  ExtentStatusTree,
  type EsType,
} from './extents-status.ts';

const SPAN = 200;
const TYPES: readonly EsType[] = [ES_WRITTEN, ES_UNWRITTEN, ES_DELAYED, ES_HOLE];

/** What is known of each block: kind and place, or nothing. */
type Model = ({ type: EsType; pblk: number } | null)[];

function agree(tree: ExtentStatusTree, model: Model): void {
  for (let b = 0; b < SPAN; b++) {
    const e = tree.lookup(b);
    const want = model[b];
    if (!want) {
      expect(e).toBeNull();
      continue;
    }
    expect(e?.type).toBe(want.type);
    if (esMapped(want.type)) expect(e!.pblk + b - e!.lblk).toBe(want.pblk);
  }
}

test('random inserts, removals and fills are what an array of blocks says', () => {
  const prng = new Prng(5);
  const tree = new ExtentStatusTree(new EsCache());
  const model: Model = new Array<null>(SPAN).fill(null);
  for (let step = 0; step < 3000; step++) {
    const lblk = prng.below(SPAN - 1);
    const len = 1 + prng.below(Math.min(20, SPAN - lblk));
    const type = TYPES[prng.below(4)]!;
    const pblk = 1000 + prng.below(50);
    const seq = tree.seq;
    const action = prng.below(3);
    if (action === 0) tree.remove(lblk, len);
    else if (action === 1) tree.insert(lblk, len, pblk, type);
    else tree.cacheExtent(lblk, len, pblk, type);
    expect(tree.seq).toBe(action === 2 ? seq : seq + 1);
    for (let b = lblk; b < lblk + len; b++) {
      if (action === 0) model[b] = null;
      else if (action === 1 || !model[b]) model[b] = { type, pblk: pblk + b - lblk };
    }
    if (step % 50 === 0) agree(tree, model);
  }
  agree(tree, model);
});

test('neighbours of one kind are one entry; others are not', () => {
  const tree = new ExtentStatusTree(new EsCache());
  tree.insert(0, 5, 100, ES_WRITTEN);
  tree.insert(10, 5, 110, ES_WRITTEN);
  tree.insert(5, 5, 105, ES_WRITTEN);
  expect(tree.size).toBe(1);
  expect(tree.lookup(14)).toMatchObject({ lblk: 0, len: 15, pblk: 100 });
  tree.insert(15, 5, 115, ES_UNWRITTEN);
  tree.insert(20, 5, 500, ES_UNWRITTEN);
  expect(tree.size).toBe(3);
});

test('the cache of all inodes is bounded, and delayed entries stay', () => {
  const cache = new EsCache();
  const trees = [0, 1, 2].map(() => new ExtentStatusTree(cache));
  trees[0]!.insert(2 ** 30, 1, 0, ES_DELAYED);
  for (let i = 0; i < 100_000; i++) {
    trees[i % 3]!.cacheExtent(i * 2, 1, i * 7 + 1, ES_WRITTEN);
  }
  expect(cache.entries).toBeLessThanOrEqual(1 << 16);
  expect(cache.entries).toBe(trees.reduce((sum, t) => sum + t.size, 0));
  expect(trees[0]!.findDelayed(0)).toMatchObject({ lblk: 2 ** 30 });
  for (const t of trees) t.clear();
  expect(cache.entries).toBe(0);
});
