/**
 * Adding a name to a directory: inline, one block, many blocks, or a hash tree, growing from each
 * into the next when it is full.
 * @source fs/ext4/namei.c:ext4_add_entry(), ext4_init_new_dir(), ext4_empty_dir()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { ext4Append } from './bread.ts';
import { dirtyDirblock, leafAccess, readDirblockOrHole } from './dir-block.ts';
import {
  type DirArea,
  type DirShape,
  type NewEntry,
  checkedRecLen,
  findRoom,
  initDots,
  initLeaf,
  initLeafTail,
  insertEntry,
  isDotEntry,
  leafArea,
} from './dir-entry.ts';
import { ext4TryAddInlineEntry, ext4TryCreateInlineDir, inlineDirEmpty } from './dir-inline.ts';
import { hasInlineData, holeLength, linearArea } from './dir-search.ts';
import { DirEntry2, dirRecLen, fileTypeOfMode } from './disk/dirent.ts';
import { EXT4_INDEX_FL } from './disk/inode.ts';
import { type Ext4Filename, dirShape, isEncrypted, isIndexed, nameIsAllowed } from './filename.ts';
import { dxAddEntry, makeIndexedDir } from './htree-insert.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';

/**
 * May this name be made here?
 * @throws ENAMETOOLONG; ENOKEY in an encrypted directory; EINVAL no valid UTF-8 where only that
 *   is allowed
 */
export function checkNewName(dir: Ext4Inode, fname: Ext4Filename): void {
  if (fname.name.length > 255) throw errno('ENAMETOOLONG', { length: fname.name.length });
  if (isEncrypted(dir)) throw errno('ENOKEY', { ino: dir.ino });
  if (!nameIsAllowed(dir, fname.name)) throw errno('EINVAL', { ino: dir.ino }, 'name is not UTF-8');
}

/**
 * Add a name for an inode. The directory is marked dirty.
 * @throws ENOSPC, EEXIST, ENOKEY, EINVAL, ENAMETOOLONG, EUCLEAN
 * @context Inside `handle`. The directory's i_rwsem is held exclusive.
 */
export function* ext4AddEntry(
  handle: Handle,
  dir: Ext4Inode,
  fname: Ext4Filename,
  inode: { readonly ino: number; readonly mode: number },
): Op<void> {
  checkNewName(dir, fname);
  if (fname.disk === null || fname.disk.length === 0) throw errno('EINVAL', { ino: dir.ino });
  const entry = { ino: inode.ino, fileType: fileTypeOfMode(inode.mode), name: fname.disk };
  if (!(yield* addSomewhere(handle, dir, fname, entry))) throw errno('ENOSPC', { ino: dir.ino });
  dir.mtime = dir.ctime = dir.sb.now();
  dir.version++;
  updateDxFlag(dir);
  yield* ext4MarkInodeDirty(handle, dir);
}

/** A tree that nobody keeps up is no tree: writers without dir_index clear its flag. */
export function updateDxFlag(dir: Ext4Inode): void {
  if (!dir.sb.has.dirIndex && dir.hasFlag(EXT4_INDEX_FL)) dir.iFlags &= ~EXT4_INDEX_FL;
}

function* addSomewhere(
  handle: Handle,
  dir: Ext4Inode,
  fname: Ext4Filename,
  entry: NewEntry,
): Op<boolean> {
  if (hasInlineData(dir) && (yield* ext4TryAddInlineEntry(handle, dir, fname, entry))) return true;
  if (isIndexed(dir)) {
    yield* dxAddEntry(handle, dir, fname, entry);
    return true;
  }
  const shape = dirShape(dir);
  const blocks = Math.floor(dir.size / shape.blockSize);
  const need = dirRecLen(entry.name.length);
  for (let i = 0; i < blocks; i++) {
    const lblk = toLblk(i);
    const bh = yield* readDirblockOrHole(dir, lblk, 'any');
    // A directory with a hole has lost a block: nothing is added to what is damaged.
    if (!bh) throw corrupted('ext4_inode', 'i_block', { ino: dir.ino, lblk, hole: true });
    try {
      const area = leafArea(bh, shape, lblk);
      // An unused "." or ".." is no room for a name.
      if (i === 0) checkDots(area, shape, dir.ino);
      const at = findRoom(area, fname.matcher, need, shape);
      if (at >= 0) {
        yield* leafAccess(handle, dir, bh);
        insertEntry(area, at, entry, shape);
        dirtyDirblock(handle, dir, bh);
        return true;
      }
      if (blocks === 1 && dir.sb.has.dirIndex) {
        yield* makeIndexedDir(handle, dir, bh);
        yield* dxAddEntry(handle, dir, fname, entry);
        return true;
      }
    } finally {
      bh.put();
    }
  }
  return yield* addInNewBlock(handle, dir, entry, shape);
}

function* addInNewBlock(
  handle: Handle,
  dir: Ext4Inode,
  entry: NewEntry,
  shape: DirShape,
): Op<boolean> {
  const { bh, lblk } = yield* ext4Append(handle, dir);
  try {
    yield* leafAccess(handle, dir, bh);
    initLeaf(bh, shape);
    const area = leafArea(bh, shape, lblk);
    insertEntry(area, area.start, entry, shape);
    dirtyDirblock(handle, dir, bh);
    return true;
  } finally {
    bh.put();
  }
}

/**
 * Give a new directory its first content: "." and "..". Its link count becomes 2.
 * @throws ENOSPC, EUCLEAN
 */
export function* ext4InitNewDir(handle: Handle, dir: Ext4Inode, parent: number): Op<void> {
  dir.nlink = 2;
  const inline = dir.sb.has.inlineData && !isEncrypted(dir);
  if (inline && (yield* ext4TryCreateInlineDir(handle, dir, parent))) {
    yield* ext4MarkInodeDirty(handle, dir);
    return;
  }
  dir.size = dir.disksize = 0;
  const shape = dirShape(dir);
  const { bh } = yield* ext4Append(handle, dir);
  try {
    yield* leafAccess(handle, dir, bh);
    initDots(bh, dir.ino, parent, shape.blockSize - shape.tailSize, shape);
    initLeafTail(bh, shape);
    dirtyDirblock(handle, dir, bh);
  } finally {
    bh.put();
  }
  yield* ext4MarkInodeDirty(handle, dir);
}

/** Does an area hold a name other than "." and ".."? @throws EUCLEAN */
function holdsName(area: DirArea, shape: DirShape): boolean {
  for (let at = area.start; at < area.end; at += checkedRecLen(area, at, shape)) {
    const used = DirEntry2.inode.get(area.view, at) !== 0;
    if (used && !(area.lblk === 0 && isDotEntry(area, at))) return true;
  }
  return false;
}

/**
 * May this directory be removed?
 * @throws EUCLEAN "." and ".." are not where they belong
 */
export function* ext4EmptyDir(dir: Ext4Inode): Op<boolean> {
  if (hasInlineData(dir)) return yield* inlineDirEmpty(dir, holdsName);
  const shape = dirShape(dir);
  const blocks = Math.floor(dir.size / shape.blockSize);
  for (let i = 0; i < blocks; i++) {
    const lblk = toLblk(i);
    const bh = yield* readDirblockOrHole(dir, lblk, 'any');
    if (!bh) {
      if (i === 0) throw corrupted('ext4_inode', 'i_block', { ino: dir.ino, lblk, hole: true });
      i += (yield* holeLength(dir, lblk)) - 1;
      continue;
    }
    try {
      const area = linearArea(dir, bh, lblk, shape);
      if (i === 0) checkDots(area, shape, dir.ino);
      if (holdsName(area, shape)) return false;
    } finally {
      bh.put();
    }
  }
  return true;
}

/** Block 0 begins with "." of this directory and "..". @returns where ".." stands */
export function checkDots(area: DirArea, shape: DirShape, ino: number): number {
  const dotdot = checkedRecLen(area, 0, shape);
  const wrong = (at: number): Error =>
    corrupted('ext4_dir_entry_2', 'name', { ino, lblk: 0, at, want: at === 0 ? '.' : '..' });
  if (!isDotEntry(area, 0) || area.data[6] !== 1 || DirEntry2.inode.get(area.view, 0) !== ino) {
    throw wrong(0);
  }
  if (dotdot >= area.end) throw wrong(dotdot);
  checkedRecLen(area, dotdot, shape);
  const used = DirEntry2.inode.get(area.view, dotdot) !== 0;
  if (!isDotEntry(area, dotdot) || area.data[dotdot + 6] !== 2 || !used) throw wrong(dotdot);
  return dotdot;
}
