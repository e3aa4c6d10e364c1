/**
 * Names of a directory: look-up, making, linking and removing.
 *
 * What is made exists (as an inode of one transaction) before it has a name; what is removed has
 * no name before it goes, and is on the orphan list in between. i_rwsem of the directory is held by
 * the VFS throughout.
 * @source fs/ext4/namei.c
 */
import { corrupted, errno } from '../../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../base/mode.ts';
import { type Name, NAME_MAX } from '../../base/name.ts';
import { ino as toIno } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { inodeInitOwner } from '../../vfs/cred.ts';
import { type Dentry, dInstantiate } from '../../vfs/dcache.ts';
import { type Inode, type InodeOperations, S_DIRSYNC, S_SYNC } from '../../vfs/inode.ts';
import { ihold } from '../../vfs/inode-cache.ts';
import { ext4InitAcl } from './acl.ts';
import { casefoldKey } from './casefold.ts';
import {
  checkNewName,
  ext4AddEntry,
  ext4EmptyDir,
  ext4InitNewDir,
  updateDxFlag,
} from './dir-add.ts';
import { ext4DeleteEntry, ext4FindEntry, type FoundEntry } from './dir-search.ts';
import { EXT4_LINK_MAX, EXT4_PROJINHERIT_FL } from './disk/inode.ts';
import { type CreditKind, ext4JournalStart, ext4JournalStop, withHandle } from './ext4-jbd2.ts';
import { Ext4Filename, isCasefolded, isEncrypted } from './filename.ts';
import { ext4NewInode } from './ialloc.ts';
import { withAllocRetry } from './freed-clusters.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget, ext4MarkInodeDirty, storeRdev } from './inode.ts';
import { ext4DecCount, ext4IncCount, linksFull } from './links.ts';
import { ext4OrphanAdd, ext4OrphanDel } from './orphan.ts';
import { ext4Rename } from './rename.ts';
import { ext4WriteSymlink } from './symlink.ts';
import { type DeadInodes, putDead } from './xattr-inode.ts';
import { ext4XattrOperations } from './xattr-ops.ts';

const ext4 = (inode: Inode): Ext4Inode => inode as Ext4Inode;

/** Must changes of this directory be on the medium when the call returns? */
export const isDirsync = (dir: Inode): boolean => (dir.flags & (S_DIRSYNC | S_SYNC)) !== 0;

/**
 * The inode of a name, with a reference, or null.
 * @throws ENAMETOOLONG; EUCLEAN the entry names an inode that cannot be, or that was deleted
 */
function* lookup(vfsDir: Inode, name: Name): Op<Inode | null> {
  const dir = ext4(vfsDir);
  if (name.length > NAME_MAX) throw errno('ENAMETOOLONG', { length: name.length });
  const found = yield* ext4FindEntry(dir, new Ext4Filename(dir, name));
  if (!found) return null;
  const { ino } = found;
  const facts = { dir: dir.ino, lblk: found.area.lblk, at: found.at, got: ino };
  found.put();
  const { firstIno, inodesCount } = dir.sb.geo;
  if (ino > inodesCount || (ino < firstIno && ino !== 2) || ino === dir.ino) {
    throw corrupted('ext4_dir_entry_2', 'inode', facts);
  }
  try {
    return yield* ext4Iget(dir.sb, toIno(ino));
  } catch (e) {
    if (isStale(e)) throw corrupted('ext4_dir_entry_2', 'inode', { ...facts, why: 'deleted' });
    throw e;
  }
}

const isStale = (e: unknown): boolean => e instanceof Error && 'code' in e && e.code === 'ESTALE';

/** An inode that was made but got no name: it goes with its reference, which `dead` takes over. */
function* discard(handle: Handle, inode: Ext4Inode, dead: DeadInodes): Op<void> {
  inode.nlink = 0;
  dead.push(inode);
  yield* ext4OrphanAdd(handle, inode);
  yield* ext4MarkInodeDirty(handle, inode);
}

/**
 * Make an inode in one handle: `fill` gives it content, and (unless `fname` is null) a name.
 * @returns the inode, with a reference
 */
function* makeInode(
  dir: Ext4Inode,
  fname: Ext4Filename | null,
  mode: number,
  kind: CreditKind,
  fill: (handle: Handle, inode: Ext4Inode) => Op<void>,
): Op<Ext4Inode> {
  return yield* withAllocRetry(dir.sb, () => tryMakeInode(dir, fname, mode, kind, fill));
}

function* tryMakeInode(
  dir: Ext4Inode,
  fname: Ext4Filename | null,
  mode: number,
  kind: CreditKind,
  fill: (handle: Handle, inode: Ext4Inode) => Op<void>,
): Op<Ext4Inode> {
  const dead: DeadInodes = [];
  try {
    const handle = yield* ext4JournalStart(dir.sb, kind);
    try {
      if (isDirsync(dir)) handle.sync = true;
      const inode = yield* ext4NewInode(handle, dir, mode);
      try {
        inodeInitOwner(inode, dir, mode);
        yield* ext4InitAcl(handle, inode, dir, dead);
        yield* fill(handle, inode);
        if (fname) yield* ext4AddEntry(handle, dir, fname, inode);
        yield* ext4MarkInodeDirty(handle, inode);
        return inode;
      } catch (e) {
        yield* discard(handle, inode, dead);
        throw e;
      }
    } finally {
      yield* ext4JournalStop(handle);
    }
  } finally {
    yield* putDead(dead);
  }
}

/** A name for something new; refused before anything is made. */
function newName(dir: Ext4Inode, dentry: Dentry): Ext4Filename {
  const fname = new Ext4Filename(dir, dentry.name);
  checkNewName(dir, fname);
  return fname;
}

// Nothing to fill.
function* nothing(): Op<void> {
  return;
}

function* create(vfsDir: Inode, dentry: Dentry, mode: number): Op<void> {
  const dir = ext4(vfsDir);
  const fname = newName(dir, dentry);
  const inode = yield* makeInode(dir, fname, S_IFREG | (mode & 0o7777), 'create', nothing);
  dInstantiate(dentry, inode);
}

function* mknod(vfsDir: Inode, dentry: Dentry, mode: number, rdev: number): Op<void> {
  const dir = ext4(vfsDir);
  const fname = newName(dir, dentry);
  const inode = yield* makeInode(dir, fname, mode, 'create', function* (_h, fresh): Op<void> {
    if (fresh.type !== S_IFREG) storeRdev(fresh, rdev);
  });
  dInstantiate(dentry, inode);
}

function* mkdir(vfsDir: Inode, dentry: Dentry, mode: number): Op<void> {
  const dir = ext4(vfsDir);
  if (linksFull(dir)) throw errno('EMLINK', { ino: dir.ino, nlink: dir.nlink });
  const fname = newName(dir, dentry);
  const bits = S_IFDIR | (mode & 0o7777);
  const inode = yield* makeInode(dir, null, bits, 'mkdir', function* (handle, fresh): Op<void> {
    yield* ext4InitNewDir(handle, fresh, dir.ino);
    // Counted before the name is added: both are in one transaction, and adding marks it dirty.
    const before = dir.nlink;
    ext4IncCount(dir);
    try {
      yield* ext4AddEntry(handle, dir, fname, fresh);
    } catch (e) {
      dir.nlink = before;
      throw e;
    }
  });
  dInstantiate(dentry, inode);
}

function* symlink(vfsDir: Inode, dentry: Dentry, target: Name): Op<void> {
  const dir = ext4(vfsDir);
  const fname = newName(dir, dentry);
  const mode = S_IFLNK | 0o777;
  const inode = yield* makeInode(dir, fname, mode, 'create', (handle, fresh) =>
    ext4WriteSymlink(handle, fresh, target),
  );
  dInstantiate(dentry, inode);
}

/** A file without a name: on the orphan list until it gets one. */
function* tmpfile(vfsDir: Inode, mode: number): Op<Inode> {
  const dir = ext4(vfsDir);
  if (isEncrypted(dir)) throw errno('ENOKEY', { ino: dir.ino });
  const bits = S_IFREG | (mode & 0o7777);
  return yield* makeInode(dir, null, bits, 'create', function* (handle, fresh): Op<void> {
    fresh.nlink = 0;
    yield* ext4OrphanAdd(handle, fresh);
  });
}

function* link(vfsInode: Inode, vfsDir: Inode, dentry: Dentry): Op<void> {
  const inode = ext4(vfsInode);
  const dir = ext4(vfsDir);
  if (inode.nlink >= EXT4_LINK_MAX) throw errno('EMLINK', { ino: inode.ino });
  if (dir.hasFlag(EXT4_PROJINHERIT_FL) && dir.projid !== inode.projid) throw errno('EXDEV');
  const fname = newName(dir, dentry);
  yield* withAllocRetry(dir.sb, () =>
    withHandle(dir.sb, 'link', function* (handle): Op<void> {
      if (isDirsync(dir)) handle.sync = true;
      yield* ext4AddEntry(handle, dir, fname, inode);
      inode.ctime = dir.sb.now();
      if (inode.nlink === 0) yield* ext4OrphanDel(handle, inode);
      ext4IncCount(inode);
      yield* ext4MarkInodeDirty(handle, inode);
    }),
  );
  ihold(inode);
  dInstantiate(dentry, inode);
}

/** The entry that is to be removed. @throws ENOENT; EUCLEAN it names another inode */
function* findVictim(dir: Ext4Inode, dentry: Dentry): Op<FoundEntry> {
  const found = yield* ext4FindEntry(dir, new Ext4Filename(dir, dentry.name));
  if (!found) throw errno('ENOENT');
  if (found.ino !== dentry.inode?.ino) {
    const facts = { dir: dir.ino, got: found.ino, want: dentry.inode?.ino };
    found.put();
    throw corrupted('ext4_dir_entry_2', 'inode', facts);
  }
  return found;
}

/** Remove a name in one handle; `then` does what is to be done to the inode. */
function* removeName(
  dir: Ext4Inode,
  dentry: Dentry,
  inode: Ext4Inode,
  then: (handle: Handle) => Op<void>,
): Op<void> {
  const handle = yield* ext4JournalStart(dir.sb, 'unlink');
  try {
    if (isDirsync(dir)) handle.sync = true;
    const found = yield* findVictim(dir, dentry);
    try {
      yield* ext4DeleteEntry(handle, found);
    } finally {
      found.put();
    }
    dir.mtime = dir.ctime = inode.ctime = dir.sb.now();
    updateDxFlag(dir);
    yield* then(handle);
    yield* ext4MarkInodeDirty(handle, dir);
    yield* ext4MarkInodeDirty(handle, inode);
  } finally {
    yield* ext4JournalStop(handle);
  }
}

function* unlink(vfsDir: Inode, dentry: Dentry): Op<void> {
  const inode = ext4(inodeOf(dentry));
  yield* removeName(ext4(vfsDir), dentry, inode, function* (handle): Op<void> {
    if (inode.nlink > 0) inode.nlink--;
    if (inode.nlink === 0) yield* ext4OrphanAdd(handle, inode);
  });
}

function* rmdir(vfsDir: Inode, dentry: Dentry): Op<void> {
  const dir = ext4(vfsDir);
  const inode = ext4(inodeOf(dentry));
  if (!(yield* ext4EmptyDir(inode))) throw errno('ENOTEMPTY', { ino: inode.ino });
  yield* removeName(dir, dentry, inode, function* (handle): Op<void> {
    inode.nlink = 0;
    inode.version++;
    yield* ext4OrphanAdd(handle, inode);
    ext4DecCount(dir);
  });
}

function inodeOf(dentry: Dentry): Inode {
  if (!dentry.inode) throw errno('ENOENT');
  return dentry.inode;
}

/** Names that fold to the same are one name of a casefolded directory. */
const dentryKey = (dir: Inode, name: Name): Name =>
  isCasefolded(ext4(dir)) && !isEncrypted(ext4(dir)) ? casefoldKey(name) : name;

/** What a directory can do. */
export const ext4DirInodeOperations = {
  ...ext4XattrOperations,
  lookup,
  create,
  mkdir,
  mknod,
  symlink,
  link,
  unlink,
  rmdir,
  rename: ext4Rename,
  tmpfile,
  dentryKey,
} satisfies InodeOperations;
