/**
 * Blocks of a directory, read and verified, and made ready for a change.
 *
 * A block is a leaf or a node of the hash tree, and only the reader's way to it tells which: an
 * empty leaf without checksum and a node look alike. A leaf is checked by its last entry, a node
 * by the tail behind its entries; both once, after the read (`bh.verified`).
 * @source fs/ext4/namei.c:__ext4_read_dirblock()
 */
import { corrupted } from '../../base/errno.ts';
import type { Lblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead, BufferTrigger } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { ext4Bread, ext4BreadNowait } from './bread.ts';
import { dirLeafCsumOk, dxCsumOk, setDirLeafCsum, setDxCsum } from './checksum.ts';
import { DirEntry2, DirEntryTail, isDirEntryTail, recLenFromDisk } from './disk/dirent.ts';
import { DX_NODE_ENTRIES_OFFSET, DX_ROOT_ENTRIES_OFFSET } from './disk/htree.ts';
import { isIndexed } from './filename.ts';
import type { Ext4Inode } from './inode-info.ts';

/** What the caller takes the block for. `any`: a walk over all blocks that skips nodes. */
export type DirBlockType = 'leaf' | 'node' | 'any';

/** Buffers of directories go home after what they point at (buffer-cache.ts). */
const DIR_WAVE = 1;

const leafTrigger: BufferTrigger = (bh) => {
  setDirLeafCsum(bh.seed, bh);
};
const rootTrigger: BufferTrigger = (bh) => {
  setDxCsum(bh.seed, bh, DX_ROOT_ENTRIES_OFFSET);
};
const nodeTrigger: BufferTrigger = (bh) => {
  setDxCsum(bh.seed, bh, DX_NODE_ENTRIES_OFFSET);
};

/** Does the block begin with a free entry that covers all of it, as nodes do? */
export const looksLikeNode = (bh: BufferHead): boolean =>
  DirEntry2.inode.get(bh.view, 0) === 0 &&
  recLenFromDisk(DirEntry2.rec_len.get(bh.view, 0), bh.data.length) === bh.data.length;

function verify(dir: Ext4Inode, bh: BufferHead, lblk: Lblk, type: DirBlockType): void {
  const node = isIndexed(dir) && (lblk === 0 || looksLikeNode(bh));
  if (type === 'node' && !node) {
    throw corrupted('dx_node', 'fake', { ino: dir.ino, lblk, want: 'a node of the hash tree' });
  }
  if (!dir.sb.has.metadataCsum || bh.verified) return;
  if (node) {
    if (type !== 'node') return; // A walk over everything: no certain knowledge, no judgement.
    const entriesAt = lblk === 0 ? DX_ROOT_ENTRIES_OFFSET : DX_NODE_ENTRIES_OFFSET;
    if (!dxCsumOk(dir.csumSeed, bh, entriesAt)) {
      throw corrupted('dx_tail', 'dt_checksum', { ino: dir.ino, lblk, pblk: bh.blocknr });
    }
  } else {
    const tailAt = bh.data.length - DirEntryTail.$size;
    if (!isDirEntryTail(bh.view, tailAt) || !dirLeafCsumOk(dir.csumSeed, bh)) {
      const facts = { ino: dir.ino, lblk, pblk: bh.blocknr };
      throw corrupted('ext4_dir_entry_tail', 'det_checksum', facts);
    }
  }
  bh.verified = true;
}

/**
 * The block if it is in memory, with a reference, verified; else null. For look-ups.
 * @throws EUCLEAN
 * @context Does not sleep.
 */
export function readDirblockNowait(
  dir: Ext4Inode,
  lblk: Lblk,
  type: DirBlockType,
): BufferHead | null {
  const bh = ext4BreadNowait(dir, lblk);
  return bh && verified(dir, bh, lblk, type);
}

/** The block itself, or it is put and the error thrown. */
function verified(dir: Ext4Inode, bh: BufferHead, lblk: Lblk, type: DirBlockType): BufferHead {
  try {
    verify(dir, bh, lblk, type);
  } catch (e) {
    bh.put();
    throw e;
  }
  return bh;
}

/**
 * A block of a directory with a reference, verified.
 * @throws EUCLEAN a hole, a wrong checksum, a leaf where a node belongs; EIO
 */
export function* ext4ReadDirblock(
  dir: Ext4Inode,
  lblk: Lblk,
  type: 'leaf' | 'node',
): Op<BufferHead> {
  const bh = yield* readDirblockOrHole(dir, lblk, type);
  if (!bh) throw corrupted('ext4_inode', 'i_block', { ino: dir.ino, lblk, hole: true });
  return bh;
}

/** The same, null for a hole: walks over all blocks step over holes. */
export function* readDirblockOrHole(
  dir: Ext4Inode,
  lblk: Lblk,
  type: DirBlockType,
): Op<BufferHead | null> {
  const bh = ext4BreadNowait(dir, lblk) ?? (yield* ext4Bread(null, dir, lblk, false));
  return bh && verified(dir, bh, lblk, type);
}

function* dirAccess(
  handle: Handle,
  dir: Ext4Inode,
  bh: BufferHead,
  trigger: BufferTrigger,
): Op<void> {
  yield* dir.sb.journal.getWriteAccess(handle, bh);
  bh.trigger = dir.sb.has.metadataCsum ? trigger : null;
  bh.seed = dir.csumSeed;
  bh.wave = DIR_WAVE;
  bh.verified = true;
}

/** Before a leaf is changed. */
export const leafAccess = (handle: Handle, dir: Ext4Inode, bh: BufferHead): Op<void> =>
  dirAccess(handle, dir, bh, leafTrigger);

/** Before a node of the hash tree is changed. */
export const nodeAccess = (
  handle: Handle,
  dir: Ext4Inode,
  bh: BufferHead,
  isRoot: boolean,
): Op<void> => dirAccess(handle, dir, bh, isRoot ? rootTrigger : nodeTrigger);

/** After any of them was changed. @context Does not sleep. */
export function dirtyDirblock(handle: Handle, dir: Ext4Inode, bh: BufferHead): void {
  dir.sb.journal.dirtyMetadata(handle, bh);
}
