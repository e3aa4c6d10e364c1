/**
 * Blocks of an inode as buffers: directories, long symlinks and attribute values go through the
 * cache of the device and not through the page cache, because they are metadata to the journal.
 * @source fs/ext4/inode.c:ext4_getblk(), ext4_bread(); fs/ext4/namei.c:ext4_append()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { type Lblk, lblk as toLblk, pblk } from '../../base/units.ts';
import { fallsShort, wentFast } from '../../sched/mishap.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { DX_BLOCK_MASK } from './disk/htree.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import type { Ext4Inode } from './inode-info.ts';
import {
  GET_BLOCKS_CREATE,
  MAP_NEW,
  MAP_UNWRITTEN,
  MapRequest,
  ext4MapBlocks,
  ext4MapBlocksNowait,
} from './map-blocks.ts';

/** Without large_dir the size of a directory has 31 bits to itself. */
const DIR_SIZE_MAX = 0x7fff_ffff;

/** Used by who does not sleep, from question to answer. */
const scratch = new MapRequest();

/** The block if mapping and contents are in memory. @context Does not sleep. */
export function ext4BreadNowait(inode: Ext4Inode, lblk: Lblk): BufferHead | null {
  if (CHECKED && fallsShort('ext4.breadNowait')) return null;
  const map = scratch.ask(lblk, 1);
  if (ext4MapBlocksNowait(inode, map) <= 0 || (map.flags & MAP_UNWRITTEN) !== 0) return null;
  const bh = inode.sb.buffers.tryBread(pblk(map.pblk));
  if (CHECKED && bh) wentFast('ext4.breadNowait');
  return bh;
}

/**
 * A block of an inode, with a reference; null where there is a hole.
 * @param create  allocate it if it is a hole: it comes zeroed, and ready to be changed
 * @throws ENOSPC, EIO, EUCLEAN
 */
export function* ext4Bread(
  handle: Handle | null,
  inode: Ext4Inode,
  lblk: Lblk,
  create: boolean,
): Op<BufferHead | null> {
  const map = new MapRequest().ask(lblk, 1);
  const got = yield* ext4MapBlocks(handle, inode, map, create ? GET_BLOCKS_CREATE : 0);
  if (got <= 0) {
    if (create) throw errno('ENOSPC', { ino: inode.ino, lblk });
    return null;
  }
  const { buffers, journal } = inode.sb;
  if ((map.flags & MAP_NEW) !== 0 && handle) {
    const bh = yield* buffers.getNew(pblk(map.pblk));
    yield* journal.getCreateAccess(handle, bh);
    return bh;
  }
  if ((map.flags & MAP_UNWRITTEN) !== 0) return null;
  return buffers.tryBread(pblk(map.pblk)) ?? (yield* buffers.bread(pblk(map.pblk)));
}

/**
 * One more block at the end of a directory, zeroed, and the directory as much longer. The caller
 * fills it and calls dirtyMetadata.
 * @throws ENOSPC also where the format cannot address another block
 */
export function* ext4Append(handle: Handle, dir: Ext4Inode): Op<{ bh: BufferHead; lblk: Lblk }> {
  const { blockSize, blockBits } = dir.sb.geo;
  const lblk = toLblk(Math.floor(dir.size / 2 ** blockBits));
  const limit = dir.sb.has.largeDir ? Infinity : DIR_SIZE_MAX;
  if (lblk > DX_BLOCK_MASK || dir.size + blockSize > limit) {
    throw errno('ENOSPC', { ino: dir.ino, lblk }, 'the directory cannot grow any more');
  }
  const map = new MapRequest().ask(lblk, 1);
  if ((yield* ext4MapBlocks(handle, dir, map, 0)) > 0) {
    throw corrupted('ext4_inode', 'i_size', { ino: dir.ino, lblk, pblk: map.pblk });
  }
  const bh = yield* ext4Bread(handle, dir, lblk, true);
  if (!bh) throw errno('ENOSPC', { ino: dir.ino, lblk });
  try {
    dir.size += blockSize;
    dir.disksize = dir.size;
    yield* ext4MarkInodeDirty(handle, dir);
  } catch (e) {
    bh.put();
    throw e;
  }
  return { bh, lblk };
}

/** The first block after the hole at `lblk` that may be mapped. */
export function* ext4SkipHole(inode: Ext4Inode, lblk: Lblk): Op<Lblk> {
  const map = new MapRequest().ask(lblk, 0x7fff_ffff);
  const got = yield* ext4MapBlocks(null, inode, map, 0);
  return toLblk(lblk + (got > 0 ? 1 : Math.max(1, map.len)));
}
