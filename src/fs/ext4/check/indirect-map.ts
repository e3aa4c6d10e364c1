/**
 * Indirect maps: 12 blocks in the inode, then blocks of block numbers up to three deep.
 */
import { LE } from '../../../base/struct.ts';
import type { Op } from '../../../sched/op.ts';
import { EXT4_DIND_BLOCK, EXT4_N_BLOCKS, EXT4_NDIR_BLOCKS } from '../disk/inode.ts';
import type { FileMap } from './file-map.ts';

/** Logical blocks end here: block numbers of files have 32 bits. */
const LBLK_END = 2 ** 32;

/** A list of block numbers, `count` of them, the first of which maps `lblk`. */
function checkLeafBlocks(
  map: FileMap,
  view: DataView,
  at: number,
  count: number,
  lblk: number,
): void {
  const { vol } = map;
  let start = 0;
  let len = 0;
  let first = 0;
  for (let i = 0; i <= count; i++) {
    const block = i < count ? view.getUint32(at + 4 * i, LE) : 0;
    if (len > 0 && block === start + len) {
      if (vol.inRange(block)) {
        len++;
        continue;
      }
    }
    if (len > 0) map.run(first, start, len, false);
    len = 0;
    if (block === 0) continue;
    if (!vol.inRange(block)) {
      const text = `logical block ${lblk + i} is said to be block ${block}, outside`;
      map.problem('map-range', text, { lblk: lblk + i, pblk: block });
      continue;
    }
    start = block;
    first = lblk + i;
    len = 1;
  }
}

/** @returns what is left to do in blocks of their own, or null. @param at  byte of i_block */
export function checkIndirectMap(map: FileMap, view: DataView, at: number): Op<void> | null {
  checkLeafBlocks(map, view, at, EXT4_NDIR_BLOCKS, 0);
  for (let i = EXT4_NDIR_BLOCKS; i < EXT4_N_BLOCKS; i++) {
    if (view.getUint32(at + 4 * i, LE) !== 0) return checkIndirectBlocks(map, view, at);
  }
  return null;
}

function* checkIndirectBlocks(map: FileMap, view: DataView, at: number): Op<void> {
  const perBlock = map.vol.geo.blockSize / 4;
  let lblk = EXT4_NDIR_BLOCKS;
  for (let depth = 1; depth <= 3; depth++) {
    const slot = EXT4_NDIR_BLOCKS + depth - 1;
    const block = view.getUint32(at + 4 * slot, LE);
    // Of the resize inode only the double indirect block is its own; the rest is reserved.
    const countOnly = map.isResize && slot !== EXT4_DIND_BLOCK;
    if (block !== 0) yield* checkBranch(map, block, depth, lblk, countOnly);
    lblk += perBlock ** depth;
  }
}

function* checkBranch(
  map: FileMap,
  block: number,
  depth: number,
  lblk: number,
  countOnly: boolean,
): Op<void> {
  const { vol } = map;
  if (!map.node(block, `the map block of logical block ${lblk}`, countOnly)) return;
  const bh = yield* vol.bread(block);
  if (!bh) return;
  try {
    const perBlock = vol.geo.blockSize / 4;
    if (depth === 1) {
      checkLeafBlocks(map, bh.view, 0, perBlock, lblk);
      return;
    }
    const span = perBlock ** (depth - 1);
    for (let i = 0; i < perBlock; i++) {
      const child = bh.view.getUint32(4 * i, LE);
      const from = lblk + i * span;
      if (child === 0) continue;
      if (from >= LBLK_END) {
        map.problem('map-too-long', `it maps past logical block 2^32`, { pblk: block });
        return;
      }
      yield* checkBranch(map, child, depth - 1, from, map.isResize);
    }
  } finally {
    bh.put();
  }
}
