/**
 * Extended attributes in one area, in an inode's record or in a block, as functions of bytes.
 *
 *   first -> entry entry entry 0000 ....free.... value value value <- end
 *
 * Entries grow upwards, values downwards; between them is the room. In a block entries are sorted
 * (by index, length, bytes) and hashed, so that equal blocks can be shared; in an inode they are
 * not.
 * @source filesystems/ext4/attributes.rst; fs/ext4/xattr.c:check_xattrs(), ext4_xattr_set_entry()
 */
import { corrupted } from '../../base/errno.ts';
import { nameFromBytes, type Name } from '../../base/name.ts';
import {
  EXT4_XATTR_SIZE_MAX,
  XattrEntry,
  XattrHeader,
  isLastXattrEntry,
  xattrBlockHash,
  xattrEntryHash,
  xattrEntryLen,
  xattrInodeEntryHash,
  xattrValueLen,
} from './disk/xattr.ts';

/** Bytes that hold attributes. All offsets are in `data`. */
export interface XattrArea {
  readonly data: Uint8Array;
  readonly view: DataView;
  /** The first entry. */
  readonly first: number;
  /** From where e_value_offs counts: the block's start, or `first` in an inode. */
  readonly base: number;
  readonly end: number;
  /** Sorted and hashed: a block. */
  readonly isBlock: boolean;
  /** For messages. */
  readonly ino: number;
}

/** Zero word after the last entry. */
const TERMINATOR = 4;

/** What a walk over an area found. */
export interface XattrScan {
  /** Where the terminator stands. */
  readonly last: number;
  /** Lowest byte that a value takes. */
  readonly lowest: number;
  readonly count: number;
}

/** An attribute as its entry tells it. */
export interface XattrFact {
  readonly at: number;
  readonly index: number;
  readonly name: Name;
  readonly size: number;
  /** Inode that holds the value, 0: the area does. */
  readonly inum: number;
}

/** What to store: bytes, zeros (`bytes` null), or the number of the inode that holds them. */
export interface XattrValue {
  readonly size: number;
  readonly bytes: Uint8Array | null;
  readonly inum: number;
  /** crc32c of the value that `inum` holds. */
  readonly valueHash: number;
}

const bad = (area: XattrArea, at: number, field: string, got?: number): Error =>
  corrupted('ext4_xattr_entry', field, { ino: area.ino, at, got, block: area.isBlock });

/**
 * Check every entry and value of an area.
 * @throws EUCLEAN
 */
export function scanXattrs(area: XattrArea): XattrScan {
  const { view, first, end } = area;
  let count = 0;
  let at = first;
  while (at + TERMINATOR <= end && !isLastXattrEntry(view, at)) {
    if (at + XattrEntry.$size + TERMINATOR > end) throw bad(area, at, 'e_name_len');
    const next = at + xattrEntryLen(XattrEntry.e_name_len.get(view, at));
    if (next + TERMINATOR > end) throw bad(area, at, 'e_name_len', area.data[at]);
    const nameAt = at + XattrEntry.$size;
    const nul = area.data.subarray(nameAt, nameAt + area.data[at]!).indexOf(0);
    if (nul >= 0) throw bad(area, at, 'e_name', nul);
    count++;
    at = next;
  }
  if (at + TERMINATOR > end) throw bad(area, at, 'e_name_len');
  const last = at;
  let lowest = end;
  for (at = first; at < last; at += xattrEntryLen(XattrEntry.e_name_len.get(view, at))) {
    lowest = Math.min(lowest, checkValue(area, at, last));
  }
  return { last, lowest, count };
}

/** Where the value of the entry at `at` begins; `end` if it is elsewhere or empty. */
function checkValue(area: XattrArea, at: number, last: number): number {
  const size = XattrEntry.e_value_size.get(area.view, at);
  if (size > EXT4_XATTR_SIZE_MAX) throw bad(area, at, 'e_value_size', size);
  if (size === 0 || XattrEntry.e_value_inum.get(area.view, at) !== 0) return area.end;
  const from = area.base + XattrEntry.e_value_offs.get(area.view, at);
  if (from < last + TERMINATOR) throw bad(area, at, 'e_value_offs', from - area.base);
  if (from + xattrValueLen(size) > area.end) throw bad(area, at, 'e_value_size', size);
  return from;
}

/** The attributes of an area that was scanned. */
export function listXattrs(area: XattrArea): XattrFact[] {
  const { last } = scanXattrs(area);
  const out: XattrFact[] = [];
  for (let at = area.first; at < last; at += xattrEntryLen(area.data[at]!)) {
    out.push(xattrFactAt(area, at));
  }
  return out;
}

export function xattrFactAt(area: XattrArea, at: number): XattrFact {
  const nameAt = at + XattrEntry.$size;
  return {
    at,
    index: XattrEntry.e_name_index.get(area.view, at),
    name: nameFromBytes(area.data, nameAt, nameAt + area.data[at]!),
    size: XattrEntry.e_value_size.get(area.view, at),
    inum: XattrEntry.e_value_inum.get(area.view, at),
  };
}

/** Order of entries in a block: index, length, bytes. */
function compare(area: XattrArea, at: number, index: number, name: Uint8Array): number {
  const byIndex = index - XattrEntry.e_name_index.get(area.view, at);
  if (byIndex !== 0) return byIndex;
  const length = area.data[at]!;
  if (name.length !== length) return name.length - length;
  for (let i = 0; i < length; i++) {
    const d = name[i]! - area.data[at + XattrEntry.$size + i]!;
    if (d !== 0) return d;
  }
  return 0;
}

/**
 * The entry of a name, or -1 - (where it would be inserted).
 * @throws EUCLEAN
 */
export function findXattr(area: XattrArea, index: number, name: Uint8Array): number {
  const { last } = scanXattrs(area);
  return findScanned(area, last, index, name);
}

function findScanned(area: XattrArea, last: number, index: number, name: Uint8Array): number {
  let place = last;
  for (let at = area.first; at < last; at += xattrEntryLen(area.data[at]!)) {
    const order = compare(area, at, index, name);
    if (order === 0) return at;
    if (area.isBlock && order < 0 && place === last) place = at;
  }
  return -1 - place;
}

/** The value of an entry whose value is in the area. A view. */
export function xattrValueAt(area: XattrArea, at: number): Uint8Array {
  const size = XattrEntry.e_value_size.get(area.view, at);
  const from = area.base + XattrEntry.e_value_offs.get(area.view, at);
  return size === 0 ? area.data.subarray(0, 0) : area.data.subarray(from, from + size);
}

/** Bytes that a value takes in an area. */
const inPlace = (value: XattrValue | null): number =>
  value && value.inum === 0 ? xattrValueLen(value.size) : 0;

/**
 * Set, replace or (null) remove an attribute.
 * @param reserve  bytes to be left free, for entries whose values are elsewhere
 * @returns false: there is no room, nothing was changed
 * @throws EUCLEAN
 */
export function storeXattr(
  area: XattrArea,
  index: number,
  name: Uint8Array,
  value: XattrValue | null,
  reserve = 0,
): boolean {
  const scan = scanXattrs(area);
  const found = findScanned(area, scan.last, index, name);
  if (found < 0 && !value) return true;
  const oldSize = found < 0 ? 0 : valueSpace(area, found);
  const entryLen = xattrEntryLen(name.length);
  const need = inPlace(value) + (found < 0 ? entryLen : 0);
  if (value) {
    const free = scan.lowest - scan.last - TERMINATOR + oldSize;
    if (need > free) return false;
    const lowest = scan.lowest + oldSize - inPlace(value);
    if (inPlace(value) > 0 && lowest - area.base < reserve) return false;
  }
  let { lowest } = scan;
  if (oldSize > 0) lowest = dropValue(area, found, scan, oldSize);
  if (!value) {
    removeEntry(area, found, scan.last);
  } else {
    const at = found < 0 ? insertName(area, -1 - found, scan.last, index, name) : found;
    putValue(area, at, lowest, value);
    XattrEntry.e_hash.set(area.view, at, hashOf(area, name, value));
  }
  if (area.isBlock) {
    XattrHeader.h_hash.set(area.view, 0, xattrBlockHash(area.view, area.first, area.end));
  }
  return true;
}

const valueSpace = (area: XattrArea, at: number): number =>
  XattrEntry.e_value_inum.get(area.view, at) === 0
    ? xattrValueLen(XattrEntry.e_value_size.get(area.view, at))
    : 0;

/** Close the gap that the value of `found` leaves. @returns the new lowest byte of a value */
function dropValue(area: XattrArea, found: number, scan: XattrScan, size: number): number {
  const { view, data, base, first } = area;
  const offs = XattrEntry.e_value_offs.get(view, found);
  data.copyWithin(scan.lowest + size, scan.lowest, base + offs);
  data.fill(0, scan.lowest, scan.lowest + size);
  XattrEntry.e_value_offs.set(view, found, 0);
  for (let at = first; at < scan.last; at += xattrEntryLen(data[at]!)) {
    const own = XattrEntry.e_value_offs.get(view, at);
    if (at !== found && valueSpace(area, at) > 0 && own < offs) {
      XattrEntry.e_value_offs.set(view, at, own + size);
    }
  }
  return scan.lowest + size;
}

function removeEntry(area: XattrArea, at: number, last: number): void {
  const length = xattrEntryLen(area.data[at]!);
  area.data.copyWithin(at, at + length, last);
  area.data.fill(0, last - length, last + TERMINATOR);
}

function insertName(
  area: XattrArea,
  at: number,
  last: number,
  index: number,
  name: Uint8Array,
): number {
  const length = xattrEntryLen(name.length);
  area.data.copyWithin(at + length, at, last + TERMINATOR);
  area.data.fill(0, at, at + length);
  XattrEntry.e_name_len.set(area.view, at, name.length);
  XattrEntry.e_name_index.set(area.view, at, index);
  area.data.set(name, at + XattrEntry.$size);
  return at;
}

function putValue(area: XattrArea, at: number, lowest: number, value: XattrValue): void {
  const { view, data } = area;
  const space = inPlace(value);
  const from = lowest - space;
  XattrEntry.e_value_offs.set(view, at, space > 0 ? from - area.base : 0);
  XattrEntry.e_value_inum.set(view, at, value.inum);
  XattrEntry.e_value_size.set(view, at, value.size);
  if (space === 0) return;
  data.fill(0, from, from + space);
  if (value.bytes) data.set(value.bytes, from);
}

function hashOf(area: XattrArea, name: Uint8Array, value: XattrValue): number {
  if (value.inum !== 0) return xattrInodeEntryHash(name, value.valueHash);
  if (!area.isBlock) return 0;
  return xattrEntryHash(name, value.bytes ?? new Uint8Array(value.size));
}

/** Largest value that `storeXattr` would take now for an attribute in place of its present one. */
export function roomForValue(area: XattrArea, index: number, name: Uint8Array): number {
  const scan = scanXattrs(area);
  const found = findScanned(area, scan.last, index, name);
  const free = scan.lowest - scan.last - TERMINATOR;
  if (found < 0) return Math.max(0, free - xattrEntryLen(name.length)) & ~3;
  return (free + valueSpace(area, found)) & ~3;
}
