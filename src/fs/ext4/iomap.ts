/**
 * ext4's mappings as iomap wants them: for reading, for reporting, for writing and write-back.
 *
 * A write maps new blocks unwritten (files with extents), so that a crash between the allocation
 * and the data shows zeros and never what the blocks held before (INV-5); the end of the I/O
 * converts them. Indirect maps know no unwritten blocks: their new blocks are written in the
 * cache, and go to the device before the inode that reaches them (wave order, or ordered data).
 * @source fs/ext4/inode.c: ext4_iomap_begin(), ext4_set_iomap()
 */
import { errno } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import { shiftDown } from '../../base/units.ts';
import { fallsShort, wentFast } from '../../sched/mishap.ts';
import type { Op } from '../../sched/op.ts';
import {
  type Iomap,
  IOMAP_F_NEW,
  IOMAP_WRITE,
  IOMAP_ZERO,
  type IomapOps,
  type IomapWritebackOps,
} from '../../iomap/iomap.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { Inode } from '../../vfs/inode.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { journaled, withHandle } from './ext4-jbd2.ts';
import { ext4ConvertUnwritten, ext4RaiseDisksize } from './extents-change.ts';
import { withAllocRetry } from './freed-clusters.ts';
import { inlineIomap } from './inline.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty, maxSize } from './inode.ts';
import {
  ext4MapBlocks,
  ext4MapBlocksNowait,
  GET_BLOCKS_CREATE,
  GET_BLOCKS_UNWRITTEN,
  MAP_MAPPED,
  MAP_NEW,
  MAP_UNWRITTEN,
  MapRequest,
  MAP_DELAYED,
} from './map-blocks.ts';
import { ext4OrphanAdd, ext4OrphanDel } from './orphan.ts';

/** Blocks that one mapping asks for at most: bounds a transaction. */
const MAX_BLOCKS = 2048;

const of = (inode: Inode): Ext4Inode => inode as Ext4Inode;

/** The range in blocks, at least one. */
function request(inode: Ext4Inode, pos: number, length: number): MapRequest {
  const { blockBits } = inode.sb.geo;
  const first = shiftDown(pos, blockBits);
  const last = shiftDown(pos + Math.max(length, 1) - 1, blockBits);
  return new MapRequest().ask(first, last - first + 1);
}

/** @source fs/ext4/inode.c:ext4_set_iomap() */
function setIomap(inode: Ext4Inode, iomap: Iomap, map: MapRequest): void {
  const { blockSize } = inode.sb.geo;
  iomap.offset = map.lblk * blockSize;
  iomap.length = map.len * blockSize;
  iomap.inlineData = null;
  iomap.validityCookie = map.seq;
  iomap.flags = map.flags & MAP_NEW ? IOMAP_F_NEW : 0;
  iomap.addr = map.flags & (MAP_MAPPED | MAP_UNWRITTEN) ? map.pblk * blockSize : -1;
  if (map.flags & MAP_MAPPED) iomap.type = 'mapped';
  else if (map.flags & MAP_UNWRITTEN) iomap.type = 'unwritten';
  else iomap.type = map.flags & MAP_DELAYED ? 'delalloc' : 'hole';
}

/** Map an existing range from memory, or not at all. */
function beginNowait(inode: Ext4Inode, pos: number, length: number, iomap: Iomap): boolean {
  if (CHECKED && fallsShort('ext4.beginNowait')) return false;
  if (inode.hasFlag(EXT4_INLINE_DATA_FL)) return false;
  const map = request(inode, pos, length);
  if (ext4MapBlocksNowait(inode, map) < 0) return false;
  setIomap(inode, iomap, map);
  if (CHECKED) wentFast('ext4.beginNowait');
  return true;
}

function* beginRead(inode: Ext4Inode, pos: number, length: number, iomap: Iomap): Op<void> {
  if (inode.hasFlag(EXT4_INLINE_DATA_FL) && (yield* inlineIomap(inode, pos, iomap))) return;
  const map = request(inode, pos, length);
  yield* ext4MapBlocks(null, inode, map);
  setIomap(inode, iomap, map);
}

/** Map for writing: holes get blocks. */
function* beginWrite(inode: Ext4Inode, pos: number, length: number, iomap: Iomap): Op<void> {
  const { sb } = inode;
  if (pos + length > maxSize(sb, inode.hasFlag(EXT4_EXTENTS_FL)))
    throw errno('EFBIG', { ino: inode.ino, pos });
  const map = request(inode, pos, length);
  map.len = Math.min(map.len, MAX_BLOCKS);
  const flags = GET_BLOCKS_CREATE | GET_BLOCKS_UNWRITTEN;
  if (ext4MapBlocksNowait(inode, map, flags) > 0) {
    setIomap(inode, iomap, map);
    return;
  }
  const { lblk, len } = map;
  const grows = !inode.hasFlag(EXT4_EXTENTS_FL) && pos + length > inode.disksize;
  yield* withAllocRetry(sb, () =>
    withHandle(sb, 'write', function* (handle): Op<void> {
      if (grows && journaled(sb)) yield* ext4OrphanAdd(handle, inode);
      yield* ext4MapBlocks(handle, inode, map.ask(lblk, len), flags);
    }),
  );
  setIomap(inode, iomap, map);
}

/** Reading, writing, zeroing and reporting. */
export const ext4IomapOps: IomapOps = {
  *begin(inode, pos, length, flags, iomap) {
    trace('fs/ext4:ext4IomapOps.begin');
    const ei = of(inode);
    if (flags & IOMAP_WRITE && !(flags & IOMAP_ZERO)) yield* beginWrite(ei, pos, length, iomap);
    else yield* beginRead(ei, pos, length, iomap);
  },
  beginNowait(inode, pos, length, flags, iomap) {
    return flags & IOMAP_WRITE ? false : beginNowait(of(inode), pos, length, iomap);
  },
  valid(inode, iomap) {
    return iomap.type === 'inline' || iomap.validityCookie === of(inode).es.seq;
  },
};

/** Write-back: every dirty block has blocks on the device already, from the write itself. */
export const ext4WritebackOps: IomapWritebackOps = {
  *mapBlocks(inode, pos, length, iomap) {
    trace('fs/ext4:ext4WritebackOps.mapBlocks');
    const ei = of(inode);
    if (!beginNowait(ei, pos, length, iomap)) yield* beginRead(ei, pos, length, iomap);
    if (iomap.type !== 'hole') return;
    // A store through a mapping, or a write whose blocks a failed step gave back.
    yield* beginWrite(ei, pos, length, iomap);
  },
  valid(inode, iomap) {
    return iomap.validityCookie === of(inode).es.seq;
  },
  *endIo(inode, offset, length, unwritten) {
    trace('fs/ext4:ext4WritebackOps.endIo');
    const ei = of(inode);
    const end = Math.min(offset + length, ei.size);
    if (unwritten) {
      const { blockBits, blockSize } = ei.sb.geo;
      const first = shiftDown(offset, blockBits);
      const blocks = Math.ceil((offset + length) / blockSize) - first;
      yield* ext4ConvertUnwritten(ei, first, blocks, end);
    }
    if (end > ei.disksize || isGrowing(ei)) yield* withHandle(ei.sb, 'orphan', grown(ei, end));
  },
};

/**
 * A file with an indirect map has blocks behind its size on disk while its data is on its way: it
 * is an orphan until then, so that a crash takes them off again.
 */
const isGrowing = (inode: Ext4Inode): boolean => inode.orphan && inode.nlink > 0;

/** The data up to `end` is on the device: the size on disk follows. */
const grown = (inode: Ext4Inode, end: number) =>
  function* (handle: Handle): Op<void> {
    const { dataSem } = inode;
    if (!dataSem.tryExclusive()) yield* dataSem.lockExclusive();
    try {
      ext4RaiseDisksize(inode, end);
    } finally {
      dataSem.unlockExclusive();
    }
    if (isGrowing(inode) && inode.disksize >= inode.size) yield* ext4OrphanDel(handle, inode);
    yield* ext4MarkInodeDirty(handle, inode);
  };
