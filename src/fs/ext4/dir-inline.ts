/**
 * Directories inside their inode (feature inline_data).
 *
 *   i_block        4 bytes: inode of ".."; 56 bytes of entries
 *   system.data    more entries, once the first 56 bytes are full: all the room there is
 *
 * "." and ".." have no entries. Each of the two areas is tiled by itself, and put end to end they
 * are a valid list: so they move into a block as they are.
 *
 * The first area is worked on in the record's buffer as the second one is, and then copied to
 * `iData`, from which every later store of the inode takes it.
 * @source filesystems/ext4/inlinedata.rst, "Inline Directories"; fs/ext4/inline.c
 */
import { assert } from '../../base/assert.ts';
import { lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { rawBlock } from './checksum.ts';
import { ext4Bread } from './bread.ts';
import { dirtyDirblock, leafAccess } from './dir-block.ts';
import {
  type DirArea,
  type DirShape,
  type NewEntry,
  findRoom,
  initDots,
  initFreeEntry,
  initLeafTail,
  insertEntry,
  stretchLast,
} from './dir-entry.ts';
import { dirRecLen } from './disk/dirent.ts';
import { Inode as RawInode } from './disk/inode.ts';
import { type Ext4Filename, dirShape } from './filename.ts';
import { ext4GetInodeLoc, ext4MarkInodeDirty } from './inode.ts';
import type { Ext4Inode } from './inode-info.ts';
import {
  ext4CreateInlineData,
  ext4DestroyInlineData,
  ext4InlineValue,
  ext4MaxInlineValue,
  ext4ResizeInlineData,
} from './xattr-inline.ts';

/** Bytes of i_block, and of the parent's number before the entries in it. */
const I_BLOCK_SIZE = 60;
const PARENT_SIZE = 4;
/** `lblk` of the two areas. */
const IN_I_BLOCK = -1;
const IN_XATTR = -2;

/**
 * The areas of an inline directory, and the buffer (with a reference) that they lie in.
 * @throws EUCLEAN
 */
export function* inlineAreas(dir: Ext4Inode): Op<{ bh: BufferHead; areas: DirArea[] }> {
  const { bh, at } = yield* ext4GetInodeLoc(dir);
  try {
    const { data, view } = bh;
    const first = at + RawInode.i_block.offset;
    const areas: DirArea[] = [
      { data, view, start: first + PARENT_SIZE, end: first + I_BLOCK_SIZE, lblk: IN_I_BLOCK },
    ];
    const value = ext4InlineValue(dir, bh, at);
    if (value.size > 0) {
      areas.push({ data, view, start: value.at, end: value.at + value.size, lblk: IN_XATTR });
    }
    return { bh, areas };
  } catch (e) {
    bh.put();
    throw e;
  }
}

/** Inode of "..", as the first four bytes say. */
export const inlineParent = (dir: Ext4Inode): number => dir.iDataView.getUint32(0, true);

/** Before an area is changed. */
export const inlineAccess = (handle: Handle, dir: Ext4Inode, bh: BufferHead): Op<void> =>
  dir.sb.journal.getWriteAccess(handle, bh);

/** After an area was changed, before the inode is marked dirty: see the file's head. */
export function inlineChanged(dir: Ext4Inode, area: DirArea): void {
  if (area.lblk !== IN_I_BLOCK) return;
  dir.iData.set(area.data.subarray(area.start, area.end), PARENT_SIZE);
}

/** Point ".." elsewhere. */
export function* setInlineParent(handle: Handle, dir: Ext4Inode, parent: number): Op<void> {
  dir.iDataView.setUint32(0, parent, true);
  dir.version++;
  yield* ext4MarkInodeDirty(handle, dir);
}

/**
 * Make a new, empty directory inline.
 * @returns false: its inode has no room for the attribute that marks inline data
 */
export function* ext4TryCreateInlineDir(
  handle: Handle,
  dir: Ext4Inode,
  parent: number,
): Op<boolean> {
  if (!(yield* ext4CreateInlineData(handle, dir))) return false;
  const shape = dirShape(dir);
  const b = rawBlock(dir.iData);
  dir.iData.fill(0);
  dir.iDataView.setUint32(0, parent, true);
  initFreeEntry(b, PARENT_SIZE, I_BLOCK_SIZE, shape);
  dir.size = dir.disksize = I_BLOCK_SIZE;
  return true;
}

/**
 * Add a name to an inline directory.
 * @returns false: there was no room, the directory has a block now, and the name is not in it
 * @throws EEXIST, ENOSPC, EUCLEAN
 */
export function* ext4TryAddInlineEntry(
  handle: Handle,
  dir: Ext4Inode,
  name: Ext4Filename,
  entry: NewEntry,
): Op<boolean> {
  if (!dir.xattrSem.tryExclusive()) yield* dir.xattrSem.lockExclusive();
  try {
    const need = dirRecLen(entry.name.length);
    if (yield* addToAreas(handle, dir, name, entry, need)) return true;
    if (yield* growInto(handle, dir)) {
      if (yield* addToAreas(handle, dir, name, entry, need)) return true;
    }
    yield* convertInlineDir(handle, dir);
    return false;
  } finally {
    dir.xattrSem.unlockExclusive();
  }
}

function* addToAreas(
  handle: Handle,
  dir: Ext4Inode,
  name: Ext4Filename,
  entry: NewEntry,
  need: number,
): Op<boolean> {
  const shape = dirShape(dir);
  const { bh, areas } = yield* inlineAreas(dir);
  try {
    for (const area of areas) {
      const at = findRoom(area, name.matcher, need, shape);
      if (at < 0) continue;
      yield* inlineAccess(handle, dir, bh);
      insertEntry(area, at, entry, shape);
      inlineChanged(dir, area);
      yield* ext4MarkInodeDirty(handle, dir);
      return true;
    }
    return false;
  } finally {
    bh.put();
  }
}

/** Take what room the inode has left for the second area, if a name would fit into it. */
function* growInto(handle: Handle, dir: Ext4Inode): Op<boolean> {
  const oldSize = dir.inlineSize - I_BLOCK_SIZE;
  if (oldSize !== 0) return false; // It took all there was when it was made.
  const newSize = (yield* ext4MaxInlineValue(dir)) & ~3;
  if (newSize - oldSize <= dirRecLen(1)) return false;
  if (!(yield* ext4ResizeInlineData(handle, dir, newSize))) return false;
  const shape = dirShape(dir);
  const { bh, at } = yield* ext4GetInodeLoc(dir);
  try {
    yield* inlineAccess(handle, dir, bh);
    const value = ext4InlineValue(dir, bh, at);
    initFreeEntry(bh, value.at, value.at + value.size, shape);
    dir.size = dir.disksize = I_BLOCK_SIZE + newSize;
    yield* ext4MarkInodeDirty(handle, dir);
  } finally {
    bh.put();
  }
  return true;
}

/** A copy of all entries, without the parent. */
function* inlineEntries(dir: Ext4Inode): Op<Uint8Array> {
  const { bh, areas } = yield* inlineAreas(dir);
  try {
    const out = new Uint8Array(areas.reduce((n, a) => n + (a.end - a.start), 0));
    let at = 0;
    for (const { data, start, end } of areas) {
      out.set(data.subarray(start, end), at);
      at += end - start;
    }
    return out;
  } finally {
    bh.put();
  }
}

/**
 * Move an inline directory into a block. One-way. Where no block is to be had, everything is put
 * back inside the same handle. xattr_sem is held.
 * @throws ENOSPC, EUCLEAN
 */
function* convertInlineDir(handle: Handle, dir: Ext4Inode): Op<void> {
  const parent = inlineParent(dir);
  const entries = yield* inlineEntries(dir);
  const head = dir.iData.slice();
  yield* ext4DestroyInlineData(handle, dir);
  dir.size = dir.disksize = 0;
  let bh: BufferHead | null = null;
  try {
    bh = yield* ext4Bread(handle, dir, toLblk(0), true);
  } catch (e) {
    yield* restoreInlineDir(handle, dir, head, entries);
    throw e;
  }
  assert(bh !== null);
  try {
    yield* leafAccess(handle, dir, bh);
    fillFirstBlock(dir, bh, parent, entries, dirShape(dir));
    dirtyDirblock(handle, dir, bh);
    dir.size = dir.disksize = dir.sb.geo.blockSize;
    yield* ext4MarkInodeDirty(handle, dir);
  } finally {
    bh.put();
  }
}

function fillFirstBlock(
  dir: Ext4Inode,
  bh: BufferHead,
  parent: number,
  entries: Uint8Array,
  shape: DirShape,
): void {
  const dots = dirRecLen(1) + dirRecLen(2);
  const end = shape.blockSize - shape.tailSize;
  bh.data.fill(0);
  initDots(bh, dir.ino, parent, dots, shape);
  bh.data.set(entries, dots);
  stretchLast(
    { data: bh.data, view: bh.view, start: dots, end: dots + entries.length, lblk: 0 },
    end,
    shape,
  );
  initLeafTail(bh, shape);
}

function* restoreInlineDir(
  handle: Handle,
  dir: Ext4Inode,
  head: Uint8Array,
  entries: Uint8Array,
): Op<void> {
  yield* ext4CreateInlineData(handle, dir);
  const rest = entries.subarray(I_BLOCK_SIZE - PARENT_SIZE);
  dir.iData.set(head);
  if (rest.length > 0) {
    yield* ext4ResizeInlineData(handle, dir, rest.length);
    const { bh, at } = yield* ext4GetInodeLoc(dir);
    try {
      yield* inlineAccess(handle, dir, bh);
      bh.data.set(rest, ext4InlineValue(dir, bh, at).at);
    } finally {
      bh.put();
    }
  }
  dir.size = dir.disksize = I_BLOCK_SIZE + rest.length;
  yield* ext4MarkInodeDirty(handle, dir);
}

/** Has an inline directory no names? @throws EUCLEAN */
export function* inlineDirEmpty(
  dir: Ext4Inode,
  used: (area: DirArea, shape: DirShape) => boolean,
): Op<boolean> {
  const { bh, areas } = yield* inlineAreas(dir);
  try {
    const shape = dirShape(dir);
    return !areas.some((area) => used(area, shape));
  } finally {
    bh.put();
  }
}
