/**
 * Entries inside one block (or one inline area) of a directory: checking, searching, adding and
 * removing, as functions of bytes. Nothing here sleeps or knows where the bytes come from.
 *
 * Entries tile an area [start, end): each reaches to the next, the last one to `end`. Room for a
 * new name is what an entry's rec_len has beyond what its own name needs. Removing a name gives its
 * room to the entry before it. So no entry ever moves until a leaf is split.
 * @source filesystems/ext4/directory.rst; fs/ext4/dir.c:__ext4_check_dir_entry(),
 *   fs/ext4/namei.c:ext4_search_dir(), ext4_find_dest_de(), ext4_generic_delete_entry()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { nameFromBytes, type Name } from '../../base/name.ts';
import type { RawBlock } from './checksum.ts';
import {
  DirEntry2,
  DirEntryTail,
  EXT4_FT_DIR,
  EXT4_FT_UNKNOWN,
  dirEntryHashOffset,
  dirRecLen,
  initDirEntryTail,
  recLenFromDisk,
  recLenToDisk,
} from './disk/dirent.ts';

/** What the entries of one directory must obey. */
export interface DirShape {
  /** The directory: for messages, and because no entry but "." may name it. */
  readonly ino: number;
  readonly blockSize: number;
  /** Bytes that the checksum's entry takes at the end of a block: 12 with metadata_csum, else 0. */
  readonly tailSize: number;
  readonly inodesCount: number;
  /** A hash follows each name: encrypted and casefolded. */
  readonly hashed: boolean;
  /** Entries say the type of their inode. */
  readonly filetype: boolean;
}

/** A part of a directory that entries tile. */
export interface DirArea extends RawBlock {
  readonly start: number;
  readonly end: number;
  /** Logical block, for messages; -1 for bytes inside the inode. */
  readonly lblk: number;
}

/** Decides whether the name at data[at, at + length) is the one that is looked for. */
export interface NameMatcher {
  /** Length of the name on disk where only that length can match; -1 where any may. */
  readonly diskLength: number;
  matches(data: Uint8Array, at: number, length: number, view: DataView, entry: number): boolean;
}

const MIN_ENTRY = dirRecLen(1);
const DOT = 0x2e;

/** The entries of a whole leaf block, the checksum's entry left out. */
export const leafArea = (b: RawBlock, shape: DirShape, lblk: number): DirArea => ({
  data: b.data,
  view: b.view,
  start: 0,
  end: shape.blockSize - shape.tailSize,
  lblk,
});

const isDots = (data: Uint8Array, at: number, length: number): boolean =>
  length <= 2 && length > 0 && data[at] === DOT && (length === 1 || data[at + 1] === DOT);

/** Is the entry at `at` "." or ".."? */
export const isDotEntry = (area: RawBlock, at: number): boolean =>
  isDots(area.data, at + DirEntry2.$size, area.data[at + 6]!);

/** rec_len as bytes. */
export const recLenAt = (area: RawBlock, at: number, shape: DirShape): number =>
  recLenFromDisk(area.view.getUint16(at + 4, true), shape.blockSize);

function setRecLen(area: RawBlock, at: number, length: number, shape: DirShape): void {
  DirEntry2.rec_len.set(area.view, at, recLenToDisk(length, shape.blockSize));
}

/**
 * Why the entry at `at` cannot be right, as the field to blame, or '' if it can.
 * @source fs/ext4/dir.c:__ext4_check_dir_entry()
 */
function wrongField(area: DirArea, at: number, shape: DirShape): string {
  if (at + MIN_ENTRY > area.end) return 'rec_len';
  const inode = DirEntry2.inode.get(area.view, at);
  const nameLen = area.data[at + 6]!;
  const recLen = recLenAt(area, at, shape);
  if (recLen < MIN_ENTRY || recLen % 4 !== 0) return 'rec_len';
  const next = at + recLen;
  if (next > area.end || (next !== area.end && next + MIN_ENTRY > area.end)) return 'rec_len';
  const withHash = shape.hashed && inode !== 0 && !isDotEntry(area, at);
  if (recLen < dirRecLen(nameLen, withHash)) return 'name_len';
  if (inode > shape.inodesCount) return 'inode';
  return '';
}

/**
 * The checked length of the entry at `at`: at least 12, and not past the area.
 * @throws EUCLEAN
 */
export function checkedRecLen(area: DirArea, at: number, shape: DirShape): number {
  const field = wrongField(area, at, shape);
  if (field !== '') {
    const got = at + DirEntry2.$size <= area.data.length ? describe(area, at, field) : undefined;
    throw corrupted('ext4_dir_entry_2', field, { ino: shape.ino, lblk: area.lblk, at, got });
  }
  return recLenAt(area, at, shape);
}

function describe(area: DirArea, at: number, field: string): number {
  if (field === 'inode') return DirEntry2.inode.get(area.view, at);
  return field === 'name_len' ? area.data[at + 6]! : DirEntry2.rec_len.get(area.view, at);
}

/** @throws EUCLEAN a name that is empty, or contains NUL or '/', in an entry in use */
export function checkedName(area: DirArea, at: number, shape: DirShape, opaque = false): Name {
  const length = area.data[at + 6]!;
  const from = at + DirEntry2.$size;
  const name = nameFromBytes(area.data, from, from + length);
  if (length === 0 || (!opaque && (name.includes('/') || name.includes('\0')))) {
    throw corrupted('ext4_dir_entry_2', 'name', { ino: shape.ino, lblk: area.lblk, at, length });
  }
  return name;
}

/**
 * Where a name stands, or -1. The loop reads the three fields by hand: it is the inner loop of
 * every look-up (one entry in about 4 ns), and hands anything odd to `checkedRecLen`.
 * @throws EUCLEAN
 */
export function searchArea(area: DirArea, name: NameMatcher, shape: DirShape): number {
  const { data, view, end } = area;
  const want = name.diskLength;
  const plain = shape.blockSize < 65_536 && !shape.hashed;
  let at = area.start;
  while (at < end) {
    let recLen = plain && at + MIN_ENTRY <= end ? view.getUint16(at + 4, true) : 0;
    const length = at + 6 < data.length ? data[at + 6]! : 0;
    const next = at + recLen;
    if (
      recLen < length + DirEntry2.$size ||
      recLen < MIN_ENTRY ||
      (recLen & 3) !== 0 ||
      next > end ||
      (next !== end && next + MIN_ENTRY > end)
    ) {
      recLen = checkedRecLen(area, at, shape);
    }
    if (
      (want === length || want < 0) &&
      view.getUint32(at, true) !== 0 &&
      name.matches(data, at + DirEntry2.$size, length, view, at)
    ) {
      checkedRecLen(area, at, shape);
      return at;
    }
    at += recLen;
  }
  return -1;
}

/**
 * The first entry after whose name `need` bytes are free (or which is free itself), or -1 if the
 * area is full. On the way the name itself is looked for, as a second line behind the look-up.
 * @throws EEXIST, EUCLEAN
 */
export function findRoom(area: DirArea, name: NameMatcher, need: number, shape: DirShape): number {
  for (let at = area.start; at < area.end;) {
    const recLen = checkedRecLen(area, at, shape);
    const length = area.data[at + 6]!;
    const used = DirEntry2.inode.get(area.view, at) !== 0;
    if (
      used &&
      (name.diskLength === length || name.diskLength < 0) &&
      name.matches(area.data, at + DirEntry2.$size, length, area.view, at)
    ) {
      throw errno('EEXIST');
    }
    if (recLen - (used ? usedLen(area, at, shape) : 0) >= need) return at;
    at += recLen;
  }
  return -1;
}

/** Bytes of an entry that its own name takes. */
function usedLen(area: RawBlock, at: number, shape: DirShape): number {
  return dirRecLen(area.data[at + 6]!, shape.hashed && !isDotEntry(area, at));
}

/** What an entry says. */
export interface NewEntry {
  readonly ino: number;
  /** EXT4_FT_*; stored only where the feature filetype is on. */
  readonly fileType: number;
  readonly name: Uint8Array;
}

/**
 * Write an entry into the room that `findRoom` found at `at`.
 * @returns where the new entry stands
 */
export function insertEntry(area: RawBlock, at: number, entry: NewEntry, shape: DirShape): number {
  let place = at;
  if (DirEntry2.inode.get(area.view, at) !== 0) {
    const own = usedLen(area, at, shape);
    place = at + own;
    setRecLen(area, place, recLenAt(area, at, shape) - own, shape);
    setRecLen(area, at, own, shape);
  }
  DirEntry2.inode.set(area.view, place, entry.ino);
  DirEntry2.name_len.set(area.view, place, entry.name.length);
  DirEntry2.file_type.set(area.view, place, shape.filetype ? entry.fileType : EXT4_FT_UNKNOWN);
  area.data.set(entry.name, place + DirEntry2.$size);
  return place;
}

/**
 * Take the entry at `at` out: the one before it gets its room, or it stays as a free entry if it
 * is the first. Its name is wiped.
 * @throws EUCLEAN the entries before it do not lead to it
 */
export function deleteEntry(area: DirArea, at: number, shape: DirShape): void {
  let previous = -1;
  let walk = area.start;
  while (walk < at) {
    previous = walk;
    walk += checkedRecLen(area, walk, shape);
  }
  const recLen = checkedRecLen(area, at, shape);
  if (walk !== at) {
    throw corrupted('ext4_dir_entry_2', 'rec_len', { ino: shape.ino, lblk: area.lblk, at });
  }
  if (previous < 0) {
    DirEntry2.inode.set(area.view, at, 0);
    area.data.fill(0, at + 6, at + recLen);
  } else {
    setRecLen(area, previous, recLenAt(area, previous, shape) + recLen, shape);
    area.data.fill(0, at, at + recLen);
  }
}

/** Make [at, end) of a block one free entry. */
export function initFreeEntry(b: RawBlock, at: number, end: number, shape: DirShape): void {
  DirEntry2.inode.set(b.view, at, 0);
  setRecLen(b, at, end - at, shape);
  DirEntry2.name_len.set(b.view, at, 0);
  DirEntry2.file_type.set(b.view, at, 0);
}

/** The entry that holds the block's checksum, where there is one. */
export function initLeafTail(b: RawBlock, shape: DirShape): void {
  if (shape.tailSize > 0) initDirEntryTail(b.view, shape.blockSize - DirEntryTail.$size);
}

/** An empty leaf; the block's bytes are zero or worthless. */
export function initLeaf(b: RawBlock, shape: DirShape): void {
  initFreeEntry(b, 0, shape.blockSize - shape.tailSize, shape);
  initLeafTail(b, shape);
}

/** "." and "..", the latter reaching to `end`. */
export function initDots(
  b: RawBlock,
  self: number,
  parent: number,
  end: number,
  shape: DirShape,
): void {
  const type = shape.filetype ? EXT4_FT_DIR : EXT4_FT_UNKNOWN;
  const dot = (at: number, ino: number, length: number, recLen: number): void => {
    DirEntry2.inode.set(b.view, at, ino);
    setRecLen(b, at, recLen, shape);
    DirEntry2.name_len.set(b.view, at, length);
    DirEntry2.file_type.set(b.view, at, type);
    b.data.fill(0, at + DirEntry2.$size, at + MIN_ENTRY);
    b.data.fill(DOT, at + DirEntry2.$size, at + DirEntry2.$size + length);
  };
  dot(0, self, 1, MIN_ENTRY);
  dot(MIN_ENTRY, parent, 2, end - MIN_ENTRY);
}

/** Let the last entry of [start, end) reach to `newEnd`. @throws EUCLEAN */
export function stretchLast(area: DirArea, newEnd: number, shape: DirShape): void {
  if (area.start === area.end) {
    initFreeEntry(area, area.start, newEnd, shape);
    return;
  }
  let last = area.start;
  for (let at = area.start; at < area.end; at += checkedRecLen(area, at, shape)) last = at;
  setRecLen(area, last, newEnd - last, shape);
}

/** The hash that stands after the name where names are encrypted and casefolded. */
export const storedHash = (view: DataView, at: number, nameLen: number): [number, number] => {
  const hashAt = at + dirEntryHashOffset(nameLen);
  return [view.getUint32(hashAt, true), view.getUint32(hashAt + 4, true)];
};
