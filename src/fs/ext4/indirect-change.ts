/**
 * Block maps of ext2 and ext3, the changing side: fill a hole, cut the end off.
 *
 *   i_block[0..11] data   [12] -> n data   [13] -> n -> n data   [14] -> n -> n -> n data
 *
 * Blocks are taken before a pointer changes and the topmost pointer is set last, so that ENOSPC
 * half way leaves the map as it was. Freed pointers are cleared before their blocks are freed.
 * @source filesystems/ext4/ifork.rst, "Direct/Indirect Block Addressing"; fs/ext4/indirect.c
 */
import { corrupted, errno } from '../../base/errno.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { EXT4_IND_BLOCK, EXT4_NDIR_BLOCKS } from './disk/inode.ts';
import {
  EXT4_CREDITS,
  ext4DirtyMetadata,
  ext4EnsureCredits,
  ext4GetCreateAccess,
  ext4GetWriteAccess,
} from './ext4-jbd2.ts';
import type { CreatedBlocks } from './extents-change.ts';
import { blockToPath, indirectPerBlock } from './indirect.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4FreeBlocks, ext4FreeMetaBlock, ext4MbNewBlocks, ext4NewMetaBlock } from './mballoc.ts';

/** A table of pointers: the inode's own, or an indirect block. */
interface PointerTable {
  readonly bh: BufferHead | null;
  readonly view: DataView;
}

const pointer = (t: PointerTable, slot: number): number => t.view.getUint32(4 * slot, true);
const setPointer = (t: PointerTable, slot: number, to: number): void => {
  t.view.setUint32(4 * slot, to, true);
};

function* openTable(inode: Ext4Inode, nr: number): Op<PointerTable> {
  if (!inode.sb.zones.valid(nr, 1, inode.ino)) {
    throw corrupted('indirect block', 'pointer', { ino: inode.ino, got: nr });
  }
  const bh = inode.sb.buffers.tryBread(pblk(nr)) ?? (yield* inode.sb.buffers.bread(pblk(nr)));
  return { bh, view: bh.view };
}

function* accessTable(handle: Handle, t: PointerTable): Op<void> {
  if (t.bh) yield* ext4GetWriteAccess(handle, t.bh);
}

function* dirtyTable(handle: Handle, inode: Ext4Inode, t: PointerTable): Op<void> {
  if (t.bh) ext4DirtyMetadata(handle, t.bh);
  else yield* ext4MarkInodeDirty(handle, inode);
}

/**
 * Allocate blocks for the hole at `lblk`, up to `len` in one run.
 * @param given  enter these blocks instead, which are taken already
 * @throws ENOSPC, EFBIG; nothing has changed then
 * @context i_data_sem exclusive, inside `handle`.
 */
export function* ext4IndCreateBlocks(
  handle: Handle,
  inode: Ext4Inode,
  lblk: number,
  len: number,
  given: Pblk | null = null,
): Op<CreatedBlocks> {
  const path = blockToPath(inode.sb.geo.blockSize, lblk);
  if (path.length === 0) throw errno('EFBIG', { lblk });
  let table: PointerTable = { bh: null, view: inode.iDataView };
  let depth = 0;
  try {
    for (; depth < path.length - 1; depth++) {
      const next = pointer(table, path[depth]!);
      if (next === 0) break;
      const below: PointerTable = yield* openTable(inode, next);
      table.bh?.put();
      table = below;
    }
    return yield* fillHole(handle, inode, { table, path, depth, lblk, len, given });
  } finally {
    table.bh?.put();
  }
}

/** Empty slots from `slot` on in the table that will hold the data pointers. */
function emptyRun(table: PointerTable, slot: number, end: number, len: number): number {
  let n = 0;
  while (n < len && slot + n < end && pointer(table, slot + n) === 0) n++;
  return n;
}

/** A hole that is to be filled: the lowest table there is, and the way from the root. */
interface Hole {
  readonly table: PointerTable;
  readonly path: readonly number[];
  /** Of the table. */
  readonly depth: number;
  readonly lblk: number;
  readonly len: number;
  readonly given: Pblk | null;
}

function* fillHole(handle: Handle, inode: Ext4Inode, hole: Hole): Op<CreatedBlocks> {
  const { table, path, depth, lblk, len, given } = hole;
  const n = indirectPerBlock(inode.sb.geo.blockSize);
  const missing = path.length - 1 - depth;
  const leafSlot = path.at(-1)!;
  const end = path.length === 1 ? EXT4_NDIR_BLOCKS : n;
  const room = missing > 0 ? Math.min(len, n - leafSlot) : emptyRun(table, leafSlot, end, len);
  const goal = findGoal(table, path[depth]!);
  const got =
    given === null
      ? yield* ext4MbNewBlocks(handle, { inode, lblk, len: room, goal, metadata: false })
      : { pblk: given, len: room };
  const nodes: BufferHead[] = [];
  try {
    if (got.pblk + got.len > 2 ** 32) throw errno('EFBIG', { pblk: got.pblk });
    if (inode.isReg && inode.sb.zeroesNewBlocks) yield* zeroBlocks(inode, got);
    for (let i = 0; i < missing; i++) {
      const nr = yield* ext4NewMetaBlock(handle, inode, pblk(got.pblk + got.len));
      const bh = yield* inode.sb.buffers.getNew(nr);
      nodes.push(bh);
      yield* ext4GetCreateAccess(handle, bh);
    }
    yield* accessTable(handle, table);
    link(table, nodes, path.slice(depth), got);
    for (const bh of nodes) ext4DirtyMetadata(handle, bh);
    yield* dirtyTable(handle, inode, table);
    return got;
  } catch (e) {
    for (const bh of nodes) yield* ext4FreeMetaBlock(handle, inode, bh.blocknr);
    if (given === null) yield* ext4FreeBlocks(handle, inode, got.pblk, got.len);
    throw e;
  } finally {
    for (const bh of nodes) bh.put();
  }
}

/**
 * This kind of map has no unwritten blocks: zeros, on the device before the transaction that maps
 * them commits, keep a crash from showing what the blocks held before (INV-5).
 */
function* zeroBlocks({ sb }: Ext4Inode, { pblk: nr, len }: CreatedBlocks): Op<void> {
  yield* sb.device.clear('writeZeroes', nr * sb.blockSize, len * sb.blockSize);
}

/** Set the pointers from the bottom up; `slots[0]` is the one in the table that exists. */
function link(
  table: PointerTable,
  nodes: readonly BufferHead[],
  slots: readonly number[],
  got: CreatedBlocks,
): void {
  const tables: PointerTable[] = [table, ...nodes.map((bh) => ({ bh, view: bh.view }))];
  const leaf = tables.at(-1)!;
  for (let i = 0; i < got.len; i++) setPointer(leaf, slots.at(-1)! + i, got.pblk + i);
  for (let i = nodes.length; i > 0; i--) {
    setPointer(tables[i - 1]!, slots[i - 1]!, nodes[i - 1]!.blocknr);
  }
}

/** Behind the nearest pointer before the slot, else beside the table itself. */
function findGoal(table: PointerTable, slot: number): Pblk | null {
  for (let i = slot - 1; i >= 0; i--) {
    const p = pointer(table, i);
    if (p !== 0) return pblk(p + (slot - i));
  }
  return table.bh ? table.bh.blocknr : null;
}

/**
 * Free every block from logical block `from` on, right to left. The handle may restart between
 * top-level pointers and between indirect blocks.
 * @context i_rwsem and invalidate_lock exclusive over the whole; i_data_sem not held.
 */
export function* ext4IndRemoveSpace(handle: Handle, inode: Ext4Inode, from: number): Op<void> {
  const n = indirectPerBlock(inode.sb.geo.blockSize);
  const root: PointerTable = { bh: null, view: inode.iDataView };
  if (!inode.dataSem.tryExclusive()) yield* inode.dataSem.lockExclusive();
  try {
    inode.es.remove(from, 2 ** 32 - from);
    for (let level = 3; level >= 1; level--) {
      let base = EXT4_NDIR_BLOCKS;
      for (let l = 1; l < level; l++) base += n ** l;
      yield* cutSubtree(handle, inode, root, EXT4_IND_BLOCK + level - 1, level, base, from);
    }
    yield* freeSlots(handle, inode, root, Math.min(from, EXT4_NDIR_BLOCKS), EXT4_NDIR_BLOCKS);
  } finally {
    inode.dataSem.unlockExclusive();
  }
}

/** Cut what lies at or behind `from` off the subtree of `level` at a slot that begins at `base`. */
function* cutSubtree(
  handle: Handle,
  inode: Ext4Inode,
  table: PointerTable,
  slot: number,
  level: number,
  base: number,
  from: number,
): Op<void> {
  const n = indirectPerBlock(inode.sb.geo.blockSize);
  const nr = pointer(table, slot);
  if (nr === 0 || base + n ** level <= from) return;
  const node = yield* openTable(inode, nr);
  try {
    const span = n ** (level - 1);
    const first = Math.max(0, Math.floor((from - base) / span));
    if (level === 1) {
      yield* freeSlots(handle, inode, node, first, n);
    } else {
      for (let i = n - 1; i >= first; i--) {
        yield* cutSubtree(handle, inode, node, i, level - 1, base + i * span, from);
      }
    }
  } finally {
    node.bh?.put();
  }
  if (base < from) return;
  yield* ext4EnsureCredits(handle, EXT4_CREDITS.truncate, inode.dataSem);
  yield* accessTable(handle, table);
  setPointer(table, slot, 0);
  yield* dirtyTable(handle, inode, table);
  yield* ext4FreeMetaBlock(handle, inode, pblk(nr));
}

/** Clear the data pointers [first, end) of a table and free their blocks, run by run. */
function* freeSlots(
  handle: Handle,
  inode: Ext4Inode,
  table: PointerTable,
  first: number,
  end: number,
): Op<void> {
  const runs = runsOf(inode, table, first, end);
  while (runs.length > 0) {
    const some = runs.splice(-RUNS_AT_ONCE);
    yield* ext4EnsureCredits(handle, EXT4_CREDITS.truncate + 2 * some.length, inode.dataSem);
    yield* accessTable(handle, table);
    for (const { slot, len } of some) for (let i = 0; i < len; i++) setPointer(table, slot + i, 0);
    yield* dirtyTable(handle, inode, table);
    for (const { start, len } of some) yield* ext4FreeBlocks(handle, inode, pblk(start), len);
  }
}

/** Runs that one step frees: each may lie in a group of its own, with a bitmap and a descriptor. */
const RUNS_AT_ONCE = 16;

/** Pointers that follow each other, to blocks that do. */
interface PointerRun {
  readonly slot: number;
  readonly start: number;
  len: number;
}

/** The runs of [first, end), by slot. @throws EUCLEAN a pointer leads nowhere */
function runsOf(inode: Ext4Inode, table: PointerTable, first: number, end: number): PointerRun[] {
  const runs: PointerRun[] = [];
  for (let slot = first; slot < end; slot++) {
    const start = pointer(table, slot);
    if (start === 0) continue;
    if (!inode.sb.zones.valid(start, 1, inode.ino)) {
      throw corrupted('indirect block', 'pointer', { ino: inode.ino, slot, got: start });
    }
    const last = runs.at(-1);
    if (last && last.start + last.len === start && last.slot + last.len === slot) last.len++;
    else runs.push({ slot, start, len: 1 });
  }
  return runs;
}
