/**
 * Extent trees, node by node: heads, order, bounds, checksums.
 * @source fs/ext4/extents.c:__ext4_ext_check(); e2fsck(8)
 */
import type { Op } from '../../../sched/op.ts';
import { extentBlockCsumOk, inodeCsumSeed } from '../checksum.ts';
import {
  EXT4_EXT_MAGIC,
  EXT4_MAX_EXTENT_DEPTH,
  Extent,
  ExtentHeader,
  ExtentIdx,
  EXT_MAX_BLOCKS,
  extentCapacity,
  extentLength,
  extentStart,
  idxLeaf,
  isUnwritten,
} from '../disk/extent.ts';
import type { FileMap } from './file-map.ts';

/** Where a node stands, for its problems. */
interface NodeAt {
  readonly pblk?: number;
  /** Logical blocks it may speak of: from `low` up to, not with, `high`. */
  readonly low: number;
  readonly high: number;
  /** An inner entry said where the node begins; the root's beginning is free. */
  readonly exact: boolean;
}

const ROOT: NodeAt = { low: 0, high: EXT_MAX_BLOCKS + 1, exact: false };
const ENTRY = Extent.$size;

/** @returns -1 */
function badHead(map: FileMap, node: NodeAt, field: string, got: number): number {
  const where = node.pblk === undefined ? 'the root' : `block ${node.pblk}`;
  const text = `the extent node in ${where} has ${field} ${got}`;
  map.problem('extent-header', text, { ...place(node), field });
  return -1;
}

/** @returns the depth of the node, or -1 if its head is wrong */
function checkHead(
  map: FileMap,
  view: DataView,
  at: number,
  size: number,
  want: number,
  node: NodeAt,
): number {
  const magic = ExtentHeader.eh_magic.get(view, at);
  if (magic !== EXT4_EXT_MAGIC) return badHead(map, node, 'eh_magic', magic);
  const depth = ExtentHeader.eh_depth.get(view, at);
  if (want >= 0 ? depth !== want : depth > EXT4_MAX_EXTENT_DEPTH) {
    return badHead(map, node, 'eh_depth', depth);
  }
  const max = ExtentHeader.eh_max.get(view, at);
  if (max === 0 || max > extentCapacity(size)) return badHead(map, node, 'eh_max', max);
  const entries = ExtentHeader.eh_entries.get(view, at);
  if (entries > max || (entries === 0 && depth > 0)) {
    return badHead(map, node, 'eh_entries', entries);
  }
  return depth;
}

const place = (node: NodeAt): { pblk?: number } =>
  node.pblk === undefined ? {} : { pblk: node.pblk };

/** All extents of a leaf. */
function checkLeaf(map: FileMap, view: DataView, at: number, node: NodeAt): void {
  const { vol } = map;
  const count = ExtentHeader.eh_entries.get(view, at);
  let next = node.low;
  for (let i = 0; i < count; i++) {
    const e = at + ExtentHeader.$size + i * ENTRY;
    const lblk = Extent.ee_block.get(view, e);
    const raw = Extent.ee_len.get(view, e);
    const len = extentLength(raw);
    const start = extentStart(view, e);
    if (len === 0) {
      map.problem('extent-empty', `the extent at logical block ${lblk} has no blocks`, {
        ...place(node),
        lblk,
      });
      continue;
    }
    const outOfOrder = lblk < next || lblk + len > node.high;
    if (outOfOrder || (i === 0 && node.exact && lblk !== node.low)) {
      const text = `the extent of logical blocks ${lblk}..${lblk + len - 1} is not in its place`;
      map.problem('extent-order', text, { ...place(node), lblk });
      if (outOfOrder) continue;
    }
    next = lblk + len;
    if (!vol.inRange(start, len)) {
      const text = `logical blocks ${lblk}..${lblk + len - 1} are said to be at ${start}, outside`;
      map.problem('extent-range', text, { lblk, pblk: start });
      continue;
    }
    if (map.isDir && isUnwritten(raw)) {
      const text = 'blocks of the directory were never written';
      map.problem('extent-unwritten-dir', text, { lblk, pblk: start });
    }
    map.run(lblk, start, len, isUnwritten(raw));
  }
}

/**
 * The root in an inode's i_block.
 * @param at  byte of i_block in the view
 * @returns what is left to do in blocks of their own, or null
 */
export function checkExtentRoot(
  map: FileMap,
  view: DataView,
  at: number,
  generation: number,
): Op<void> | null {
  const depth = checkHead(map, view, at, 60, -1, ROOT);
  if (depth < 0) return null;
  if (depth === 0) {
    checkLeaf(map, view, at, ROOT);
    return null;
  }
  const seed = map.vol.has.metadataCsum
    ? inodeCsumSeed(map.vol.facts.csumSeed, map.ino, generation)
    : 0;
  return checkInner(map, view, at, depth, ROOT, seed);
}

function* checkInner(
  map: FileMap,
  view: DataView,
  at: number,
  depth: number,
  node: NodeAt,
  seed: number,
): Op<void> {
  const count = ExtentHeader.eh_entries.get(view, at);
  let next = node.low;
  for (let i = 0; i < count; i++) {
    const e = at + ExtentHeader.$size + i * ENTRY;
    const low = ExtentIdx.ei_block.get(view, e);
    const leaf = idxLeaf(view, e);
    const high = i + 1 < count ? ExtentIdx.ei_block.get(view, e + ENTRY) : node.high;
    const wrong = low < next || low >= node.high || (i === 0 && node.exact && low !== node.low);
    if (wrong || high <= low) {
      const text = `an inner extent entry begins at logical block ${low}, out of order`;
      map.problem('extent-index-order', text, { ...place(node), lblk: low });
      if (high <= low || low < next) continue;
    }
    next = low + 1;
    if (!map.node(leaf, 'an extent node')) continue;
    yield* checkChild(map, depth - 1, { pblk: leaf, low, high, exact: true }, seed);
  }
}

function* checkChild(map: FileMap, depth: number, node: NodeAt, seed: number): Op<void> {
  const { vol } = map;
  const bh = yield* vol.bread(node.pblk ?? -1);
  if (!bh) return;
  try {
    const size = vol.geo.blockSize;
    const tail = vol.has.metadataCsum ? 4 : 0;
    if (checkHead(map, bh.view, 0, size - tail, depth, node) < 0) return;
    if (vol.has.metadataCsum && !extentBlockCsumOk(seed, bh)) {
      const text = `the checksum of the extent node in block ${node.pblk ?? -1} is wrong`;
      map.problem('extent-checksum', text, { ...place(node), field: 'et_checksum' });
    }
    if (depth === 0) checkLeaf(map, bh.view, 0, node);
    else yield* checkInner(map, bh.view, 0, depth, node, seed);
  } finally {
    bh.put();
  }
}
