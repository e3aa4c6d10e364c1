/**
 * The attribute `system.data`: it marks an inode whose content is inline, and its value is what
 * does not fit into the 60 bytes of i_block.
 *
 * The caller holds xattr_sem exclusive, or the inode is new and nobody else's yet. Each function
 * leaves the inode marked dirty in the handle.
 * @source filesystems/ext4/inlinedata.rst; fs/ext4/inline.c:ext4_create_inline_data(),
 *   ext4_update_inline_data(), ext4_destroy_inline_data_nolock()
 */
import { assert } from '../../base/assert.ts';
import { corrupted } from '../../base/errno.ts';
import { asciiName, nameToBytes } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { EXT4_XATTR_INDEX_SYSTEM, EXT4_XATTR_SYSTEM_DATA } from './disk/xattr.ts';
import { ext4ExtTreeInit } from './extents-change.ts';
import { findInlineData } from './inline-data.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4GetInodeLoc, ext4MarkInodeDirty, ext4ReserveInodeWrite } from './inode.ts';
import { ibodyArea, ibodyAreaForChange, ibodyStore } from './xattr-ibody.ts';
import { findXattr, roomForValue, xattrValueAt } from './xattr-layout.ts';

const NAME = nameToBytes(asciiName(EXT4_XATTR_SYSTEM_DATA));

/** Where the value stands in the record's buffer. @throws EUCLEAN the inode is inline without it */
export function ext4InlineValue(
  inode: Ext4Inode,
  bh: BufferHead,
  at: number,
): { at: number; size: number } {
  const found = findInlineData(bh.view, at, inode.sb.geo.inodeSize, inode.extraIsize, inode.ino);
  if (found.entryAt === 0) {
    throw corrupted('ext4_xattr_entry', 'e_name', { ino: inode.ino, want: 'system.data' });
  }
  return { at: at + found.valueAt, size: found.valueSize };
}

/** Largest value that `system.data` could have now. @throws EUCLEAN */
export function* ext4MaxInlineValue(inode: Ext4Inode): Op<number> {
  const { bh, at } = yield* ext4GetInodeLoc(inode);
  try {
    const area = inode.hasIbodyXattr ? ibodyArea(inode, bh, at) : null;
    if (area) return roomForValue(area, EXT4_XATTR_INDEX_SYSTEM, NAME);
    const { inodeSize } = inode.sb.geo;
    // Header and terminator of the attributes, and the entry with its name of four bytes.
    const room = inode.extraIsize === 0 ? 0 : inodeSize - 128 - inode.extraIsize - 4 - 4 - 20;
    return Math.max(0, room) & ~3;
  } finally {
    bh.put();
  }
}

/** Bytes of content that the inode could hold inline. */
export function* ext4MaxInlineSize(inode: Ext4Inode): Op<number> {
  return inode.iData.length + (yield* ext4MaxInlineValue(inode));
}

/**
 * Make an inode without content inline: empty, with 60 zero bytes in i_block.
 * @returns false: its record has no room for the attribute
 */
export function* ext4CreateInlineData(handle: Handle, inode: Ext4Inode): Op<boolean> {
  assert(!inode.hasFlag(EXT4_INLINE_DATA_FL), 'inline twice');
  const { bh, at } = yield* ext4ReserveInodeWrite(handle, inode);
  try {
    const empty = { size: 0, bytes: null, inum: 0, valueHash: 0 };
    if (!ibodyAreaForChange(inode, bh, at)) return false;
    inode.iFlags |= EXT4_INLINE_DATA_FL;
    if (!ibodyStore(inode, bh, at, EXT4_XATTR_INDEX_SYSTEM, NAME, empty)) {
      inode.iFlags &= ~EXT4_INLINE_DATA_FL;
      return false;
    }
    inode.iFlags &= ~EXT4_EXTENTS_FL;
    inode.iData.fill(0);
  } finally {
    bh.put();
  }
  yield* ext4MarkInodeDirty(handle, inode);
  return true;
}

/**
 * Give `system.data` a value of `size` bytes: what it has is kept, cut, or followed by zeros.
 * @returns false: no room, nothing changed
 */
export function* ext4ResizeInlineData(handle: Handle, inode: Ext4Inode, size: number): Op<boolean> {
  const { bh, at } = yield* ext4ReserveInodeWrite(handle, inode);
  try {
    const area = ibodyArea(inode, bh, at);
    const entry = area ? findXattr(area, EXT4_XATTR_INDEX_SYSTEM, NAME) : -1;
    if (!area || entry < 0) {
      throw corrupted('ext4_xattr_entry', 'e_name', { ino: inode.ino, want: 'system.data' });
    }
    const bytes = new Uint8Array(size);
    bytes.set(xattrValueAt(area, entry).subarray(0, size));
    const value = { size, bytes, inum: 0, valueHash: 0 };
    if (!ibodyStore(inode, bh, at, EXT4_XATTR_INDEX_SYSTEM, NAME, value)) return false;
  } finally {
    bh.put();
  }
  yield* ext4MarkInodeDirty(handle, inode);
  return true;
}

/**
 * The inode is not inline any more: i_block is an empty map. What was in it is gone.
 * @context i_data_sem is not held; it is taken around the change of the map's kind.
 */
export function* ext4DestroyInlineData(handle: Handle, inode: Ext4Inode): Op<void> {
  const { bh, at } = yield* ext4ReserveInodeWrite(handle, inode);
  try {
    if (!inode.dataSem.tryExclusive()) yield* inode.dataSem.lockExclusive();
    try {
      ibodyStore(inode, bh, at, EXT4_XATTR_INDEX_SYSTEM, NAME, null);
      inode.iFlags &= ~EXT4_INLINE_DATA_FL;
      inode.inlineOff = inode.inlineSize = 0;
      inode.iData.fill(0);
      if (inode.sb.has.extents) {
        inode.iFlags |= EXT4_EXTENTS_FL;
        ext4ExtTreeInit(inode);
      }
    } finally {
      inode.dataSem.unlockExclusive();
    }
  } finally {
    bh.put();
  }
  yield* ext4MarkInodeDirty(handle, inode);
}
