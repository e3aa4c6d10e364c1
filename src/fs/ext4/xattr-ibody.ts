/**
 * The attributes in an inode's own record: from its fields to its end. They are there only if the
 * magic is; a record without it has the room, with whatever bytes in it.
 *
 * All of these work on the record's buffer. Whoever changes it has write access, holds xattr_sem
 * exclusive, and marks the inode dirty afterwards, which also makes the checksum.
 * @source fs/ext4/xattr.c:ext4_xattr_ibody_find(), ext4_xattr_ibody_set()
 */
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { EXT4_GOOD_OLD_INODE_SIZE, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { EXT4_XATTR_MAGIC, XattrIbodyHeader, isLastXattrEntry } from './disk/xattr.ts';
import { findInlineData } from './inline-data.ts';
import type { Ext4Inode } from './inode-info.ts';
import { type XattrArea, type XattrValue, storeXattr } from './xattr-layout.ts';

const TERMINATOR = 4;

const headerAt = (inode: Ext4Inode, at: number): number =>
  at + EXT4_GOOD_OLD_INODE_SIZE + inode.extraIsize;

function areaOf(inode: Ext4Inode, bh: BufferHead, at: number): XattrArea | null {
  const { inodeSize } = inode.sb.geo;
  const first = headerAt(inode, at) + XattrIbodyHeader.$size;
  const end = at + inodeSize;
  if (inode.extraIsize === 0 || first + TERMINATOR > end) return null;
  return { data: bh.data, view: bh.view, first, base: first, end, isBlock: false, ino: inode.ino };
}

/** The attributes of the record at `at`; null: none. */
export function ibodyArea(inode: Ext4Inode, bh: BufferHead, at: number): XattrArea | null {
  if (!inode.hasIbodyXattr) return null;
  const area = areaOf(inode, bh, at);
  if (!area) return null;
  return XattrIbodyHeader.h_magic.get(bh.view, headerAt(inode, at)) === EXT4_XATTR_MAGIC
    ? area
    : null;
}

/** The same, made empty if there are none yet; null: the record has no room for attributes. */
export function ibodyAreaForChange(inode: Ext4Inode, bh: BufferHead, at: number): XattrArea | null {
  const present = ibodyArea(inode, bh, at);
  if (present) return present;
  const area = areaOf(inode, bh, at);
  if (area) bh.data.fill(0, headerAt(inode, at), area.end);
  return area;
}

/**
 * Set, replace or (null) remove an attribute of the record; keeps what the inode in memory knows
 * of its inline data true.
 * @returns false: no room
 * @throws EUCLEAN
 */
export function ibodyStore(
  inode: Ext4Inode,
  bh: BufferHead,
  at: number,
  index: number,
  name: Uint8Array,
  value: XattrValue | null,
): boolean {
  const area = ibodyAreaForChange(inode, bh, at);
  if (!area) return value === null;
  const stored = storeXattr(area, index, name, value);
  const some = !isLastXattrEntry(area.view, area.first);
  XattrIbodyHeader.h_magic.set(bh.view, headerAt(inode, at), some ? EXT4_XATTR_MAGIC : 0);
  inode.hasIbodyXattr = some;
  refreshInline(inode, bh, at);
  return stored;
}

/** Entries and values move when others come and go. */
function refreshInline(inode: Ext4Inode, bh: BufferHead, at: number): void {
  inode.inlineOff = inode.inlineSize = 0;
  if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) return;
  const { inodeSize } = inode.sb.geo;
  const found = findInlineData(bh.view, at, inodeSize, inode.extraIsize, inode.ino);
  if (found.entryAt === 0) return;
  inode.inlineOff = found.entryAt;
  inode.inlineSize = inode.iData.length + found.valueSize;
}
