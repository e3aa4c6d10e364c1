/**
 * Rename: one name more, then one name less, in one handle; or two entries that exchange their
 * inodes. A directory that moves gets another "..", and its two parents other link counts.
 * @source fs/ext4/namei.c:ext4_rename(), ext4_cross_rename()
 */
import { corrupted, errno, FsError } from '../../base/errno.ts';
import { lblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { Dentry } from '../../vfs/dcache.ts';
import { type Inode, S_DIRSYNC, S_SYNC } from '../../vfs/inode.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../vfs/rename.ts';
import { checkDots, checkNewName, ext4AddEntry, ext4EmptyDir, updateDxFlag } from './dir-add.ts';
import { dirtyDirblock, ext4ReadDirblock, leafAccess, nodeAccess } from './dir-block.ts';
import { inlineParent, setInlineParent } from './dir-inline.ts';
import {
  ext4DeleteEntry,
  ext4FindEntry,
  ext4SetEntry,
  type FoundEntry,
  hasInlineData,
  linearArea,
} from './dir-search.ts';
import { DirEntry2 } from './disk/dirent.ts';
import { EXT4_PROJINHERIT_FL } from './disk/inode.ts';
import { ext4DataFirst } from './data-first.ts';
import { withHandle } from './ext4-jbd2.ts';
import { withAllocRetry } from './freed-clusters.ts';
import { Ext4Filename, dirShape, isEncrypted, isIndexed } from './filename.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4DecCount, ext4IncCount, linksFull } from './links.ts';
import { ext4OrphanAdd } from './orphan.ts';

/** One side of a rename. */
interface Side {
  readonly dir: Ext4Inode;
  readonly name: Ext4Filename;
  readonly inode: Ext4Inode | null;
}

/**
 * @throws ENOENT; ENOTEMPTY; EMLINK; ENOSPC; EXDEV another project; ENOKEY; EUCLEAN
 * @context i_rwsem of both directories, and of what moves or goes, held exclusive by the VFS.
 */
export function* ext4Rename(
  oldDir: Inode,
  oldDentry: Dentry,
  newDir: Inode,
  newDentry: Dentry,
  flags: number,
): Op<void> {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) throw errno('EINVAL', { flags });
  const from = sideOf(oldDir as Ext4Inode, oldDentry);
  const to = sideOf(newDir as Ext4Inode, newDentry);
  if (!from.inode) throw errno('ENOENT');
  if (isEncrypted(from.dir) || isEncrypted(to.dir)) throw errno('ENOKEY', { ino: to.dir.ino });
  refuseOtherProject(from.inode, to.dir);
  const { sb } = from.dir;
  const { inode } = from;
  if (to.inode && (flags & RENAME_EXCHANGE) === 0) yield* replaceWithData(inode);
  yield* withAllocRetry(sb, () =>
    withHandle(sb, 'rename', function* (handle): Op<void> {
      if (((oldDir.flags | newDir.flags) & (S_DIRSYNC | S_SYNC)) !== 0) handle.sync = true;
      if ((flags & RENAME_EXCHANGE) !== 0) yield* exchange(handle, from, to);
      else yield* move(handle, from, inode, to);
    }),
  );
}

/**
 * The new file's data is with the device before its name: who replaces a file by a rename finds the
 * old one or the new one after a crash, and never an empty one.
 * @source ext4(5), "auto_da_alloc"; fs/ext4/inode.c:ext4_alloc_da_blocks()
 */
function* replaceWithData(inode: Ext4Inode): Op<void> {
  if (!inode.isReg) return;
  try {
    yield* ext4DataFirst(inode, 0, Infinity);
  } catch (e) {
    // The mapping keeps it for the next fsync; a rename does not fail for what a write did.
    if (!(e instanceof FsError)) throw e;
  }
}

const sideOf = (dir: Ext4Inode, dentry: Dentry): Side => ({
  dir,
  name: new Ext4Filename(dir, dentry.name),
  inode: dentry.inode as Ext4Inode | null,
});

function refuseOtherProject(inode: Ext4Inode, dir: Ext4Inode): void {
  if (dir.hasFlag(EXT4_PROJINHERIT_FL) && dir.projid !== inode.projid) throw errno('EXDEV');
}

/** The entry of a side. @throws ENOENT; EUCLEAN it names another inode */
function* entryOf(side: Side, inode: Ext4Inode): Op<FoundEntry> {
  const found = yield* ext4FindEntry(side.dir, side.name);
  if (!found) throw errno('ENOENT');
  if (found.ino === inode.ino) return found;
  const facts = { dir: side.dir.ino, got: found.ino, want: inode.ino };
  found.put();
  throw corrupted('ext4_dir_entry_2', 'inode', facts);
}

function* move(handle: Handle, from: Side, inode: Ext4Inode, to: Side): Op<void> {
  const replaced = to.inode;
  const newParent = from.dir !== to.dir;
  const fileType = yield* typeOfEntry(from, inode);
  if (inode.isDir) {
    if (replaced && !(yield* ext4EmptyDir(replaced))) throw errno('ENOTEMPTY');
    if (!replaced && newParent && linksFull(to.dir)) throw errno('EMLINK', { ino: to.dir.ino });
    if (newParent) yield* checkParent(inode, from.dir.ino);
  }
  checkNewName(to.dir, to.name);
  if (replaced) {
    const entry = yield* entryOf(to, replaced);
    try {
      yield* ext4SetEntry(handle, entry, inode.ino, fileType);
    } finally {
      entry.put();
    }
  } else {
    yield* ext4AddEntry(handle, to.dir, to.name, inode);
  }
  // Looked up again: adding may have moved it.
  const old = yield* entryOf(from, inode);
  try {
    yield* ext4DeleteEntry(handle, old);
  } finally {
    old.put();
  }
  if (inode.isDir && newParent) yield* setParent(handle, inode, to.dir.ino);
  yield* finishMove(handle, from, inode, to);
}

function* typeOfEntry(side: Side, inode: Ext4Inode): Op<number> {
  const entry = yield* entryOf(side, inode);
  const { fileType } = entry;
  entry.put();
  return fileType;
}

/** Link counts and times. */
function* finishMove(handle: Handle, from: Side, inode: Ext4Inode, to: Side): Op<void> {
  const replaced = to.inode;
  const now = from.dir.sb.now();
  inode.ctime = from.dir.ctime = from.dir.mtime = now;
  if (inode.isDir) {
    ext4DecCount(from.dir);
    if (replaced) {
      replaced.nlink = 0;
    } else {
      ext4IncCount(to.dir);
      yield* ext4MarkInodeDirty(handle, to.dir);
    }
  } else if (replaced && replaced.nlink > 0) {
    replaced.nlink--;
  }
  updateDxFlag(from.dir);
  yield* ext4MarkInodeDirty(handle, from.dir);
  yield* ext4MarkInodeDirty(handle, inode);
  if (!replaced) return;
  replaced.ctime = now;
  if (replaced.nlink === 0) yield* ext4OrphanAdd(handle, replaced);
  yield* ext4MarkInodeDirty(handle, replaced);
}

function* exchange(handle: Handle, from: Side, to: Side): Op<void> {
  const a = from.inode;
  const b = to.inode;
  if (!a || !b) throw errno('ENOENT');
  refuseOtherProject(b, from.dir);
  const newParents = from.dir !== to.dir;
  if (newParents && a.isDir !== b.isDir && linksFull(a.isDir ? to.dir : from.dir)) {
    throw errno('EMLINK');
  }
  if (newParents && a.isDir) yield* checkParent(a, from.dir.ino);
  if (newParents && b.isDir) yield* checkParent(b, to.dir.ino);
  const typeA = yield* typeOfEntry(from, a);
  const typeB = yield* typeOfEntry(to, b);
  yield* point(handle, from, a, b.ino, typeB);
  yield* point(handle, to, b, a.ino, typeA);
  a.ctime = b.ctime = from.dir.sb.now();
  if (newParents) {
    if (a.isDir) yield* setParent(handle, a, to.dir.ino);
    if (b.isDir) yield* setParent(handle, b, from.dir.ino);
    if (a.isDir !== b.isDir) {
      ext4DecCount(a.isDir ? from.dir : to.dir);
      ext4IncCount(a.isDir ? to.dir : from.dir);
      yield* ext4MarkInodeDirty(handle, from.dir);
      yield* ext4MarkInodeDirty(handle, to.dir);
    }
  }
  yield* ext4MarkInodeDirty(handle, a);
  yield* ext4MarkInodeDirty(handle, b);
}

/** Let the entry of a side, which names `inode`, name another. */
function* point(
  handle: Handle,
  side: Side,
  inode: Ext4Inode,
  ino: number,
  fileType: number,
): Op<void> {
  const entry = yield* entryOf(side, inode);
  try {
    yield* ext4SetEntry(handle, entry, ino, fileType);
  } finally {
    entry.put();
  }
}

/** The block with "." and "..": the root of a tree, or the first leaf. */
const firstBlock = (dir: Ext4Inode): Op<BufferHead> =>
  ext4ReadDirblock(dir, lblk(0), isIndexed(dir) ? 'node' : 'leaf');

/** Does ".." say what the tree says? @throws EUCLEAN */
function* checkParent(dir: Ext4Inode, parent: number): Op<void> {
  let got = 0;
  if (hasInlineData(dir)) {
    got = inlineParent(dir);
  } else {
    const shape = dirShape(dir);
    const bh = yield* firstBlock(dir);
    try {
      const area = linearArea(dir, bh, 0, shape);
      got = DirEntry2.inode.get(area.view, checkDots(area, shape, dir.ino));
    } finally {
      bh.put();
    }
  }
  if (got !== parent) {
    throw corrupted('ext4_dir_entry_2', 'inode', { ino: dir.ino, name: '..', got, want: parent });
  }
}

/** Point ".." at another directory. checkParent() has found it right. */
function* setParent(handle: Handle, dir: Ext4Inode, parent: number): Op<void> {
  if (hasInlineData(dir)) {
    yield* setInlineParent(handle, dir, parent);
    return;
  }
  const shape = dirShape(dir);
  const bh = yield* firstBlock(dir);
  try {
    const area = linearArea(dir, bh, 0, shape);
    const at = checkDots(area, shape, dir.ino);
    if (isIndexed(dir)) yield* nodeAccess(handle, dir, bh, true);
    else yield* leafAccess(handle, dir, bh);
    DirEntry2.inode.set(area.view, at, parent);
    dirtyDirblock(handle, dir, bh);
    dir.version++;
  } finally {
    bh.put();
  }
}
