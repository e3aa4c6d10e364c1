/**
 * From logical to physical blocks, the one way to either kind of map (protocols E.3).
 *
 *   1. cached mapping?  yes: answer, cookie sampled in the same breath
 *   2. i_data_sem shared: ask the map, cache the answer, sample the cookie
 *   3. to be created:   i_data_sem exclusive, look again, allocate, insert, sample
 *
 * Nothing sleeps between looking at a mapping and sampling `seq`, so a cookie that still equals
 * `seq` vouches for the mapping it came with.
 * @source fs/ext4/inode.c:ext4_map_blocks()
 */
import { assert } from '../../base/assert.ts';
import { corrupted, errno } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import { type Pblk, pblk as toPblk } from '../../base/units.ts';
import { fallsShort, wentFast } from '../../sched/mishap.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { EXT_MAX_BLOCKS } from './disk/extent.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { ext4Report } from './error.ts';
import { ext4ConvertLocked, ext4ExtCreateBlocks } from './extents-change.ts';
import {
  ES_DELAYED,
  ES_HOLE,
  ES_UNWRITTEN,
  ES_WRITTEN,
  esMapped,
  type ExtentStatus,
} from './extents-status.ts';
import { ext4ExtLookup } from './extents.ts';
import { ext4IndCreateBlocks } from './indirect-change.ts';
import { indMapBlocks, maxIndirectBlocks } from './indirect.ts';
import type { Ext4Inode } from './inode-info.ts';
import type { MapHit } from './map-hit.ts';

/** What the caller wants of a hole: blocks, and whether they may be unwritten. */
export const GET_BLOCKS_CREATE = 1;
export const GET_BLOCKS_UNWRITTEN = 2;
/** Unwritten blocks become written (the data is about to be stored by the caller). */
export const GET_BLOCKS_CONVERT = 4;

/** What the answer is. */
export const MAP_MAPPED = 1;
export const MAP_UNWRITTEN = 2;
export const MAP_NEW = 4;
export const MAP_DELAYED = 8;

/** Question and answer of one mapping; reused from call to call. */
export class MapRequest {
  lblk = 0;
  /** Asked, then answered: blocks of one kind from `lblk` on, at least 1. */
  len = 0;
  pblk: Pblk = toPblk(0);
  /** MAP_*; 0: a hole. */
  flags = 0;
  /** The cookie: the mapping is true while it equals inode.es.seq. */
  seq = 0;

  ask(lblk: number, len: number): this {
    this.lblk = lblk;
    this.len = len;
    this.pblk = toPblk(0);
    this.flags = 0;
    return this;
  }
  get mapped(): boolean {
    return (this.flags & (MAP_MAPPED | MAP_UNWRITTEN)) !== 0;
  }
}

/** Blocks that the inode's kind of map can address. */
export const mapLimit = (inode: Ext4Inode): number =>
  inode.hasFlag(EXT4_EXTENTS_FL) ? EXT_MAX_BLOCKS : maxIndirectBlocks(inode.sb.geo.blockSize);

/** Fill the answer from a cached entry that covers the block. */
function fromStatus(inode: Ext4Inode, map: MapRequest, e: ExtentStatus): number {
  const skip = map.lblk - e.lblk;
  map.len = Math.min(map.len, e.len - skip);
  map.seq = inode.es.seq;
  if (!esMapped(e.type)) {
    map.pblk = toPblk(0);
    map.flags = e.type === ES_DELAYED ? MAP_DELAYED : 0;
    return 0;
  }
  map.pblk = toPblk(e.pblk + skip);
  map.flags = e.type === ES_WRITTEN ? MAP_MAPPED : MAP_UNWRITTEN;
  return map.len;
}

/** Does the answer leave something to create? */
const wantsMore = (map: MapRequest, flags: number): boolean =>
  (flags & GET_BLOCKS_CREATE) !== 0 &&
  (!map.mapped || ((map.flags & MAP_UNWRITTEN) !== 0 && (flags & GET_BLOCKS_CONVERT) !== 0));

/**
 * Answer from memory. @returns blocks mapped, 0 for a hole, -1 if the disk must be asked or
 * something must be created. @context Does not sleep.
 */
export function ext4MapBlocksNowait(inode: Ext4Inode, map: MapRequest, flags = 0): number {
  if (CHECKED && fallsShort('ext4.mapBlocksNowait')) return -1;
  if (map.lblk >= mapLimit(inode)) return -1;
  const e = inode.es.lookup(map.lblk);
  if (!e) return -1;
  const asked = map.len;
  const got = fromStatus(inode, map, e);
  if (!wantsMore(map, flags)) {
    if (CHECKED) wentFast('ext4.mapBlocksNowait');
    return got;
  }
  map.ask(map.lblk, asked);
  return -1;
}

/**
 * Map the run at `map.lblk`, of at most `map.len` blocks; create what is missing if asked to.
 * @returns blocks mapped (map.len), 0 for a hole of map.len blocks
 * @throws EFBIG past the end of the map; ENOSPC, EDQUOT, EIO, EUCLEAN
 * @context May sleep. Takes i_data_sem. GET_BLOCKS_CREATE: inside `handle`.
 */
export function* ext4MapBlocks(
  handle: Handle | null,
  inode: Ext4Inode,
  map: MapRequest,
  flags = 0,
): Op<number> {
  trace('fs/ext4:ext4MapBlocks');
  const asked = map.len;
  assert(asked > 0, 'mapping nothing');
  const limit = mapLimit(inode);
  if (map.lblk >= limit) {
    if (flags & GET_BLOCKS_CREATE) throw errno('EFBIG', { ino: inode.ino, lblk: map.lblk });
    return hole(inode, map);
  }
  map.len = Math.min(asked, limit - map.lblk);
  const quick = ext4MapBlocksNowait(inode, map, flags);
  if (quick >= 0) return quick;
  const sem = inode.dataSem;
  if (!sem.tryShared()) yield* sem.lockShared();
  let got: number;
  try {
    got = yield* lookup(inode, map);
  } catch (e) {
    ext4Report(inode.sb, e);
    throw e;
  } finally {
    sem.unlockShared();
  }
  if (!wantsMore(map, flags)) return got;
  assert(handle !== null, 'blocks are allocated inside a handle');
  map.ask(map.lblk, Math.min(asked, limit - map.lblk));
  if (!sem.tryExclusive()) yield* sem.lockExclusive();
  try {
    return yield* create(handle, inode, map, flags);
  } finally {
    sem.unlockExclusive();
  }
}

function hole(inode: Ext4Inode, map: MapRequest): number {
  map.flags = 0;
  map.pblk = toPblk(0);
  map.seq = inode.es.seq;
  return 0;
}

/** Ask the map on disk. i_data_sem held. */
function* lookup(inode: Ext4Inode, map: MapRequest): Op<number> {
  const cached = inode.es.lookup(map.lblk);
  if (cached) return fromStatus(inode, map, cached);
  if (inode.hasFlag(EXT4_INLINE_DATA_FL)) {
    throw corrupted('ext4_inode', 'i_flags', { ino: inode.ino, got: 'inline data has no blocks' });
  }
  const hit = inode.hasFlag(EXT4_EXTENTS_FL)
    ? yield* extentHit(inode, map.lblk)
    : yield* indMapBlocks(inode, map.lblk);
  checkHit(inode, map.lblk, hit);
  const skip = map.lblk - hit.lblk;
  map.len = Math.min(map.len, hit.len - skip);
  map.seq = inode.es.seq;
  if (hit.pblk === 0) return hole(inode, map);
  map.pblk = toPblk(hit.pblk + skip);
  map.flags = hit.unwritten ? MAP_UNWRITTEN : MAP_MAPPED;
  return map.len;
}

function* extentHit(inode: Ext4Inode, lblk: number): Op<MapHit> {
  const { extent, holeLen } = yield* ext4ExtLookup(inode, lblk);
  if (!extent) {
    inode.es.cacheExtent(lblk, holeLen, 0, ES_HOLE);
    return { lblk, len: holeLen, pblk: 0, unwritten: false };
  }
  const type = extent.unwritten ? ES_UNWRITTEN : ES_WRITTEN;
  inode.es.cacheExtent(extent.lblk, extent.len, extent.pblk, type);
  return extent;
}

/** The answer's blocks once more against what they may be, whoever answered. */
function checkHit(inode: Ext4Inode, lblk: number, hit: MapHit): void {
  assert(hit.lblk <= lblk && hit.lblk + hit.len > lblk, 'a map answers for another block');
  if (hit.pblk !== 0 && !inode.sb.zones.valid(hit.pblk, hit.len, inode.ino)) {
    throw corrupted('ext4_extent', 'ee_start_lo', { ino: inode.ino, lblk, got: hit.pblk });
  }
}

/** Allocate or convert. i_data_sem exclusive: nobody else changes the map meanwhile. */
function* create(handle: Handle, inode: Ext4Inode, map: MapRequest, flags: number): Op<number> {
  const asked = map.len;
  let got = yield* lookup(inode, map);
  if (!wantsMore(map, flags)) return got;
  inode.syncTid = inode.datasyncTid = handle.tid;
  if ((map.flags & MAP_UNWRITTEN) !== 0) {
    yield* ext4ConvertLocked(handle, inode, map.lblk, map.len);
    map.flags = MAP_MAPPED;
    map.seq = inode.es.seq;
    return map.len;
  }
  // A delayed run says nothing of how far the hole reaches on disk, but it lies within one.
  const want = Math.min(asked, map.len);
  const extents = inode.hasFlag(EXT4_EXTENTS_FL);
  const unwritten = extents && (flags & GET_BLOCKS_UNWRITTEN) !== 0;
  const made = extents
    ? yield* ext4ExtCreateBlocks(handle, inode, map.lblk, want, unwritten)
    : yield* ext4IndCreateBlocks(handle, inode, map.lblk, want);
  got = Math.min(made.len, want);
  inode.es.insert(map.lblk, got, made.pblk, unwritten ? ES_UNWRITTEN : ES_WRITTEN);
  // The block may have been metadata before: an old buffer must not be written over the data.
  inode.sb.buffers.cleanAliases(made.pblk, got);
  map.len = got;
  map.pblk = made.pblk;
  map.flags = MAP_NEW | (unwritten ? MAP_UNWRITTEN : MAP_MAPPED);
  map.seq = inode.es.seq;
  return got;
}
