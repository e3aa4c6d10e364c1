/**
 * Indirect block maps, read: 12 direct blocks in i_block, then trees of one, two and three levels
 * whose nodes are blocks of 32-bit block numbers. 0 is a hole, at any level.
 * @source filesystems/ext4/blockmap.rst; fs/ext4/indirect.c: ext4_block_to_path(),
 *   ext4_get_branch(), ext4_ind_check_inode()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import {
  EXT4_DIND_BLOCK,
  EXT4_IND_BLOCK,
  EXT4_N_BLOCKS,
  EXT4_NDIR_BLOCKS,
  EXT4_TIND_BLOCK,
} from './disk/inode.ts';
import type { MapHit } from './map-hit.ts';
import { ES_HOLE, ES_WRITTEN } from './extents-status.ts';
import type { Ext4Inode } from './inode-info.ts';

/** Pointers in one indirect block. */
export const indirectPerBlock = (blockSize: number): number => blockSize / 4;

/** Blocks that an indirect map can address; logical blocks are 32 bits wide besides. */
export const maxIndirectBlocks = (blockSize: number): number => {
  const n = indirectPerBlock(blockSize);
  return Math.min(EXT4_NDIR_BLOCKS + n + n * n + n * n * n, 2 ** 32);
};

/**
 * Where to turn at each level: first a slot of i_block, then slots of indirect blocks.
 * @throws EFBIG past the end of what the map addresses
 */
export function blockToPath(blockSize: number, lblk: number): number[] {
  const n = indirectPerBlock(blockSize);
  let rest = lblk;
  if (rest < EXT4_NDIR_BLOCKS) return [rest];
  rest -= EXT4_NDIR_BLOCKS;
  if (rest < n) return [EXT4_IND_BLOCK, rest];
  rest -= n;
  if (rest < n * n) return [EXT4_DIND_BLOCK, Math.floor(rest / n), rest % n];
  rest -= n * n;
  if (rest < n * n * n) {
    return [EXT4_TIND_BLOCK, Math.floor(rest / (n * n)), Math.floor(rest / n) % n, rest % n];
  }
  throw errno('EFBIG', { lblk });
}

/** A pointer of the map, checked. @throws EUCLEAN */
function checked(inode: Ext4Inode, holder: number, slot: number, block: number): number {
  if (block !== 0 && !inode.sb.zones.valid(block, 1, inode.ino)) {
    const record = holder === 0 ? 'ext4_inode' : 'indirect block';
    const field = holder === 0 ? `i_block[${slot}]` : `pointer ${slot}`;
    throw corrupted(record, field, { ino: inode.ino, pblk: holder, got: block });
  }
  return block;
}

/** Check the pointers of i_block when the inode is read. @throws EUCLEAN */
export function checkIndirectRoot(inode: Ext4Inode): void {
  for (let i = 0; i < EXT4_N_BLOCKS; i++) {
    checked(inode, 0, i, inode.iDataView.getUint32(4 * i, true));
  }
}

/** Equal or consecutive pointers from `slot` on: a run of blocks, or of holes. */
function runLength(view: DataView, slot: number, end: number, first: number): number {
  let len = 1;
  while (slot + len < end) {
    const next = view.getUint32(4 * (slot + len), true);
    if (next !== (first === 0 ? 0 : first + len)) break;
    len++;
  }
  return len;
}

/**
 * What the map has at `lblk`: a run within one indirect block, or a hole as large as the missing
 * subtree. The answer is cached.
 * @context May sleep for I/O. Holds i_data_sem (either way). @throws EIO, EUCLEAN
 */
export function* indMapBlocks(inode: Ext4Inode, lblk: number): Op<MapHit> {
  const { sb } = inode;
  const { blockSize } = sb.geo;
  const path = blockToPath(blockSize, lblk);
  let view: DataView = inode.iDataView;
  let holder = 0;
  for (let depth = 0; depth < path.length; depth++) {
    const slot = path[depth]!;
    const block = checked(inode, holder, slot, view.getUint32(4 * slot, true));
    const last = depth === path.length - 1;
    if (block === 0 || last) {
      return answer(inode, lblk, path, depth, holder, view, block);
    }
    const bh = sb.buffers.tryBread(pblk(block)) ?? (yield* sb.buffers.bread(pblk(block)));
    // The view stays true while i_data_sem is held: nobody frees the block meanwhile.
    view = bh.view;
    holder = block;
    bh.put();
  }
  throw errno('EFBIG', { lblk });
}

function answer(
  inode: Ext4Inode,
  lblk: number,
  path: readonly number[],
  depth: number,
  holder: number,
  view: DataView,
  block: number,
): MapHit {
  const n = indirectPerBlock(inode.sb.geo.blockSize);
  const slot = path[depth]!;
  const below = path.length - 1 - depth;
  let len: number;
  if (below > 0) {
    // The subtree is missing: the hole goes on to its end.
    const span = n ** below;
    const inside = path.slice(depth + 1).reduce((sum, s) => sum * n + s, 0);
    len = span - inside;
  } else {
    len = runLength(view, slot, depth === 0 ? EXT4_NDIR_BLOCKS : n, block);
    if (block !== 0 && !inode.sb.zones.valid(block, len, inode.ino)) {
      const field = holder === 0 ? `i_block[${slot}]` : `pointer ${slot}`;
      throw corrupted(holder === 0 ? 'ext4_inode' : 'indirect block', field, {
        ino: inode.ino,
        pblk: holder,
        got: block,
        run: len,
      });
    }
  }
  inode.es.cacheExtent(lblk, len, block, block === 0 ? ES_HOLE : ES_WRITTEN);
  return { lblk, len, pblk: block, unwritten: false };
}
