/**
 * Writing to inline data, cutting it, and the one way out of it.
 *
 *   empty --small write--> inline --write, growth past the room, fallocate--> blocks
 *
 * Locks, in order: i_rwsem, folio 0, handle, xattr_sem, i_data_sem (RI-2). The decision is taken
 * under folio 0's lock and acted on under the same hold (RI-3). The way out allocates the block and
 * puts the data on the device first, and publishes block and map in one handle: a failure leaves
 * everything as it was (RI-1, RI-6).
 * @source protocols A.1.7, D.3, D.7
 */
import type { Op } from '../../sched/op.ts';
import { pageIndex } from '../../base/units.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { filemapGrabFolio, folioUnlock } from '../../mm/filemap.ts';
import type { Folio } from '../../mm/folio.ts';
import { copyFromUser, type IovIter } from '../../mm/iov-iter.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { withHandle } from './ext4-jbd2.ts';
import { withAllocRetry } from './freed-clusters.ts';
import { ext4ExtInsert } from './extents-edit.ts';
import { inlineBytes } from './inline.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4GetInodeLoc, ext4MarkInodeDirty, ext4ReserveInodeWrite } from './inode.ts';
import { ext4FreeBlocks, ext4MbNewBlocks } from './mballoc.ts';
import {
  ext4CreateInlineData,
  ext4DestroyInlineData,
  ext4InlineValue,
  ext4MaxInlineSize,
  ext4ResizeInlineData,
} from './xattr-inline.ts';

/** Nothing was ever stored in the file: it may become inline. */
const untouched = (inode: Ext4Inode): boolean =>
  inode.size === 0 && inode.blocks === 0 && inode.mapping.nrpages === 0;

/** Is it worth trying to write inline? The room is looked at later, under the locks. */
export const mayWriteInline = (inode: Ext4Inode, pos: number, count: number): boolean =>
  inode.sb.has.inlineData &&
  pos + count <= inode.sb.geo.inodeSize &&
  (inode.hasFlag(EXT4_INLINE_DATA_FL) || untouched(inode));

/** Run `body` with folio 0 locked, a handle and xattr_sem exclusive. */
function* withInlineLocks<T>(
  inode: Ext4Inode,
  body: (handle: Handle, folio: Folio) => Op<T>,
): Op<T> {
  const folio = yield* filemapGrabFolio(inode.mapping, pageIndex(0));
  try {
    return yield* withAllocRetry(inode.sb, () =>
      withHandle(inode.sb, 'xattr', function* (handle): Op<T> {
        const sem = inode.xattrSem;
        if (!sem.tryExclusive()) yield* sem.lockExclusive();
        try {
          return yield* body(handle, folio);
        } finally {
          sem.unlockExclusive();
        }
      }),
    );
  } finally {
    folioUnlock(folio);
    folio.release();
  }
}

/**
 * Write inline if there is room. @returns bytes written; 0: it must be written to blocks
 * @context i_rwsem exclusive.
 */
export function* ext4InlineWrite(inode: Ext4Inode, iter: IovIter, pos: number): Op<number> {
  // Copied before any lock is held: the user's memory may fault (design decision 5).
  const bytes = new Uint8Array(iter.count);
  const count = bytes.length;
  yield* copyFromUser(iter, bytes);
  const written = yield* withInlineLocks(inode, function* (handle, folio): Op<boolean> {
    return yield* store(handle, inode, folio, pos, bytes);
  });
  if (written) return count;
  iter.revert(count);
  return 0;
}

function* store(
  handle: Handle,
  inode: Ext4Inode,
  folio: Folio,
  pos: number,
  bytes: Uint8Array,
): Op<boolean> {
  const end = pos + bytes.length;
  if (end > (yield* ext4MaxInlineSize(inode))) return false;
  if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) {
    if (inode.size > 0 || inode.blocks > 0) return false;
    if (!(yield* ext4CreateInlineData(handle, inode))) return false;
  }
  const inside = inode.iData.length;
  const size = Math.max(inode.size, end);
  if (size > inside && size - inside > inode.inlineSize - inside) {
    if (!(yield* ext4ResizeInlineData(handle, inode, size - inside))) return false;
  }
  const gap = Math.max(0, pos - inode.size);
  const whole = new Uint8Array(gap + bytes.length);
  whole.set(bytes, gap);
  yield* putBytes(handle, inode, pos - gap, whole);
  // The copy readers see; a folio that is not uptodate is filled from the inode when it is wanted.
  if (folio.uptodate) folio.data.set(whole, pos - gap);
  inode.size = inode.disksize = size;
  inode.datasyncTid = handle.tid;
  yield* ext4MarkInodeDirty(handle, inode);
  return true;
}

/** Store bytes in i_block and in the value. xattr_sem exclusive, inside `handle`. */
function* putBytes(handle: Handle, inode: Ext4Inode, pos: number, bytes: Uint8Array): Op<void> {
  const inside = inode.iData.length;
  const head = Math.max(0, Math.min(bytes.length, inside - pos));
  inode.iData.set(bytes.subarray(0, head), Math.min(pos, inside));
  if (head === bytes.length) return;
  const { bh, at } = yield* ext4ReserveInodeWrite(handle, inode);
  try {
    const value = ext4InlineValue(inode, bh, at);
    bh.data.set(bytes.subarray(head), value.at + pos + head - inside);
  } finally {
    bh.put();
  }
}

/**
 * Cut inline data to `size`, or stretch it with zeros.
 * @returns false: it does not fit, or is not inline any more
 * @context i_rwsem exclusive.
 */
export function* ext4InlineTruncate(inode: Ext4Inode, size: number): Op<boolean> {
  return yield* withInlineLocks(inode, function* (handle, folio): Op<boolean> {
    if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) return false;
    const inside = inode.iData.length;
    if (size > (yield* ext4MaxInlineSize(inode))) return false;
    const value = Math.max(0, size - inside);
    // A shorter value is refused nowhere; a longer one may find its room taken by attributes.
    if (!(yield* ext4ResizeInlineData(handle, inode, value))) return false;
    if (size < inside) inode.iData.fill(0, size);
    if (folio.uptodate) folio.data.fill(0, Math.min(size, inode.size));
    inode.size = inode.disksize = size;
    yield* ext4MarkInodeDirty(handle, inode);
    return true;
  });
}

/**
 * Move inline data to a block. @context i_rwsem exclusive. @throws ENOSPC: nothing changed; EIO
 */
export function* ext4ConvertInlineData(inode: Ext4Inode): Op<void> {
  yield* withInlineLocks(inode, function* (handle, folio): Op<void> {
    if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) return;
    const { size } = inode;
    if (size === 0) {
      yield* ext4DestroyInlineData(handle, inode);
      return;
    }
    const loc = yield* ext4GetInodeLoc(inode);
    let bytes: Uint8Array;
    try {
      bytes = inlineBytes(inode, loc, size);
    } finally {
      loc.bh.put();
    }
    yield* publish(handle, inode, folio, bytes);
  });
}

/** Allocate, fill, and only then let the map point there. */
function* publish(handle: Handle, inode: Ext4Inode, folio: Folio, bytes: Uint8Array): Op<void> {
  const { sb } = inode;
  const got = yield* ext4MbNewBlocks(handle, {
    inode,
    lblk: 0,
    len: 1,
    goal: null,
    metadata: false,
  });
  const block = new Uint8Array(sb.blockSize);
  block.set(bytes);
  try {
    yield* sb.device.transfer('write', got.pblk * sb.blockSize, block);
  } catch (e) {
    yield* ext4FreeBlocks(handle, inode, got.pblk, 1);
    throw e;
  }
  yield* ext4DestroyInlineData(handle, inode);
  const sem = inode.dataSem;
  if (!sem.tryExclusive()) yield* sem.lockExclusive();
  try {
    if (inode.hasFlag(EXT4_EXTENTS_FL)) {
      yield* ext4ExtInsert(handle, inode, { lblk: 0, len: 1, pblk: got.pblk, unwritten: false });
    } else {
      inode.iDataView.setUint32(0, got.pblk, true);
    }
    // What was cached of the map, and every cookie, is from before there was one.
    inode.es.clear();
  } finally {
    sem.unlockExclusive();
  }
  if (!folio.uptodate) {
    folio.data.fill(0);
    folio.data.set(bytes);
    folio.uptodate = true;
  }
  inode.datasyncTid = handle.tid;
  yield* ext4MarkInodeDirty(handle, inode);
}
