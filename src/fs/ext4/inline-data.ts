/**
 * Where the inline data of an inode is: 60 bytes in i_block, the rest in the value of the
 * attribute `system.data` in the inode's own record.
 * @source filesystems/ext4/inlinedata.rst; protocols D.1, D.2
 */
import { corrupted } from '../../base/errno.ts';
import { EXT4_GOOD_OLD_INODE_SIZE } from './disk/inode.ts';
import {
  EXT4_XATTR_INDEX_SYSTEM,
  EXT4_XATTR_MAGIC,
  XattrEntry,
  XattrIbodyHeader,
  isLastXattrEntry,
  xattrEntryLen,
} from './disk/xattr.ts';

export interface InlineDataPlace {
  /** The record holds attributes. */
  readonly hasXattr: boolean;
  /** Byte of the entry from the record's start; 0: no such attribute. */
  readonly entryAt: number;
  /** Byte of the value from the record's start. */
  readonly valueAt: number;
  readonly valueSize: number;
}

const NONE: InlineDataPlace = { hasXattr: false, entryAt: 0, valueAt: 0, valueSize: 0 };
const NO_DATA: InlineDataPlace = { ...NONE, hasXattr: true };

const isSystemData = (v: DataView, at: number): boolean =>
  XattrEntry.e_name_index.get(v, at) === EXT4_XATTR_INDEX_SYSTEM &&
  XattrEntry.e_name_len.get(v, at) === 4 &&
  v.getUint32(at + XattrEntry.$size, false) === 0x6461_7461; // "data"

/**
 * Find `system.data` in the record at `at`.
 * @param extraIsize  the inode's i_extra_isize
 * @throws EUCLEAN the list of attributes leaves the record
 */
export function findInlineData(
  v: DataView,
  at: number,
  inodeSize: number,
  extraIsize: number,
  ino: number,
): InlineDataPlace {
  const header = at + EXT4_GOOD_OLD_INODE_SIZE + extraIsize;
  const end = at + inodeSize;
  if (extraIsize === 0 || header + XattrIbodyHeader.$size + 4 > end) return NONE;
  if (XattrIbodyHeader.h_magic.get(v, header) !== EXT4_XATTR_MAGIC) return NONE;
  const first = header + XattrIbodyHeader.$size;
  for (let e = first; ;) {
    if (e + 4 > end) throw corrupted('ext4_xattr_entry', 'e_name_len', { ino, at: e - at });
    if (isLastXattrEntry(v, e)) return NO_DATA;
    const next = e + xattrEntryLen(e < end ? XattrEntry.e_name_len.get(v, e) : 0);
    if (next + 4 > end) throw corrupted('ext4_xattr_entry', 'e_name_len', { ino, at: e - at });
    if (isSystemData(v, e)) return place(v, at, first, e, end, ino);
    e = next;
  }
}

function place(
  v: DataView,
  at: number,
  first: number,
  e: number,
  end: number,
  ino: number,
): InlineDataPlace {
  const valueSize = XattrEntry.e_value_size.get(v, e);
  const valueAt = first + XattrEntry.e_value_offs.get(v, e);
  if (XattrEntry.e_value_inum.get(v, e) !== 0) {
    throw corrupted('ext4_xattr_entry', 'e_value_inum', { ino, want: '0 for system.data' });
  }
  if (valueSize > 0 && valueAt + valueSize > end) {
    const field = valueAt >= end ? 'e_value_offs' : 'e_value_size';
    throw corrupted('ext4_xattr_entry', field, { ino, got: valueSize, name: 'system.data' });
  }
  return { hasXattr: true, entryAt: e - at, valueAt: valueAt - at, valueSize };
}
