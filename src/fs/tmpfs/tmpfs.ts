/**
 * tmpfs: a file system in memory, and the one to read first.
 *
 * A file system is what it puts into the ops tables. This one answers every question of the VFS in
 * the simplest true way; ext4 answers the same questions from a disk.
 *
 * Data lies in the page cache and nowhere else. A folio that was written is pinned by a reference
 * of ours (`private` says so), so that reclaim leaves it alone; one that was only read is a hole
 * full of zeros and may go. A directory is a Map of names; each name holds a reference of its
 * inode, because an inode that left memory would be lost.
 *
 * Locks: none of our own. Names, sizes and attributes change under i_rwsem, which the VFS holds
 * when it calls (writeIter takes it itself).
 * @source mm/shmem.c
 */
import { assert } from '../../base/assert.ts';
import { errno } from '../../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../base/mode.ts';
import { asciiName, type Name, NAME_MAX } from '../../base/name.ts';
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { AddressSpaceOperations } from '../../mm/address-space.ts';
import { filemapRead, filemapReadNowait } from '../../mm/filemap.ts';
import type { Folio } from '../../mm/folio.ts';
import { truncateInodePagesFinal, truncateInodePagesRange } from '../../mm/truncate.ts';
import { iomapFileBufferedWrite } from '../../iomap/buffered-write.ts';
import { IOMAP_WRITE, type IomapOps } from '../../iomap/iomap.ts';
import { inodeOf } from '../../iomap/iter.ts';
import { iomapReadFolio } from '../../iomap/read.ts';
import { fileModified, setattrCopy } from '../../vfs/attr.ts';
import { inodeInitOwner } from '../../vfs/cred.ts';
import { type Dentry, dInstantiate, dMakeRoot } from '../../vfs/dcache.ts';
import type { FileOperations } from '../../vfs/file.ts';
import { Inode, type InodeOperations } from '../../vfs/inode.ts';
import {
  ihold,
  insertInodeLocked,
  iput,
  iputNowait,
  unlockNewInode,
} from '../../vfs/inode-cache.ts';
import { dirModified, emitDots, inodeChanged, noopFsync } from '../../vfs/libfs.ts';
import { lockInode } from '../../vfs/namei.ts';
import { genericLlseek, genericWriteChecks } from '../../vfs/read-write.ts';
import { typeToDt } from '../../vfs/readdir.ts';
import { RENAME_EXCHANGE } from '../../vfs/rename.ts';
import {
  type FileSystemType,
  type MountContext,
  SuperBlock,
  type SuperOperations,
} from '../../vfs/super.ts';
import { XATTR_CREATE, XATTR_REPLACE } from '../../vfs/xattr.ts';

/** @source include/uapi/linux/magic.h */
const TMPFS_MAGIC = 0x01021994;
const SECTOR = 512;

interface Entry {
  readonly inode: TmpfsInode;
  /** Position of the entry; grows, so that a reader who comes back finds what he has not seen. */
  readonly cookie: number;
}

class TmpfsInode extends Inode {
  /** Of a directory. */
  readonly entries = new Map<Name, Entry>();
  nextCookie = 2;
  /** Of a symlink. */
  target = asciiName('');
  readonly xattrs = new Map<Name, Uint8Array>();
}

class TmpfsSuper extends SuperBlock {
  readonly sops: SuperOperations = superOps(this);
  private lastIno = 0;
  /** Folios that hold data, and how many may. */
  used = 0;
  readonly limit: number;

  constructor(context: MountContext) {
    super(context, 1);
    this.blockSize = context.memory.frameSize;
    // Half of the memory, as on Linux; the other half keeps everybody else going.
    this.limit = Math.floor(context.memory.frames / 2);
  }

  /** A new inode with one reference, the caller's. `dir` null: the root. */
  newInode(dir: Inode | null, mode: number): TmpfsInode {
    const inode = new TmpfsInode(this, ino(++this.lastIno), addressSpaceOps);
    inode.atime = inode.mtime = inode.ctime = inode.btime = this.now();
    if (dir) inodeInitOwner(inode, dir, mode);
    else inode.mode = mode;
    inode.iops = inode.isDir ? dirInodeOps : inode.isLnk ? linkInodeOps : fileInodeOps;
    inode.fops = inode.isDir ? dirOps : inode.isReg ? fileOps : {};
    inode.aclAccess = inode.aclDefault = null;
    insertInodeLocked(inode);
    unlockNewInode(inode);
    return inode;
  }
}

const tmpfsInode = (inode: Inode | null): TmpfsInode => {
  assert(inode instanceof TmpfsInode);
  return inode;
};
const tmpfsSuper = (inode: Inode): TmpfsSuper => {
  assert(inode.sb instanceof TmpfsSuper);
  return inode.sb;
};

// ---- Names ----------------------------------------------------------------------------------

/** The name takes over a reference of `inode`. */
function addName(dir: Inode, name: Name, inode: TmpfsInode): void {
  const d = tmpfsInode(dir);
  d.entries.set(name, { inode, cookie: d.nextCookie++ });
  if (inode.isDir) dir.nlink++;
}

/** Returns what the name meant; its reference goes to the caller. */
function removeName(dir: Inode, name: Name): TmpfsInode {
  const d = tmpfsInode(dir);
  const entry = d.entries.get(name);
  assert(entry !== undefined, 'a dentry without an entry');
  d.entries.delete(name);
  if (entry.inode.isDir) dir.nlink--;
  return entry.inode;
}

/** Take a name and its link from an inode. The VFS holds a reference: this is not the last. */
function unlinkName(dir: Inode, dentry: Dentry): void {
  const inode = removeName(dir, dentry.name);
  inode.nlink = inode.isDir ? 0 : inode.nlink - 1;
  inodeChanged(inode);
  dirModified(dir);
  const dropped = iputNowait(inode);
  assert(dropped);
}

function makeNode(dir: Inode, dentry: Dentry, mode: number): TmpfsInode {
  const inode = tmpfsSuper(dir).newInode(dir, mode);
  if (inode.isDir) inode.nlink = 2;
  addName(dir, dentry.name, inode);
  dirModified(dir);
  ihold(inode); // one for the name, one for the dentry
  dInstantiate(dentry, inode);
  return inode;
}

const isEmpty = (dir: Inode | null): boolean => tmpfsInode(dir).entries.size === 0;

const attributeOps: InodeOperations = {
  *getxattr(inode, name) {
    if (!isStored(name)) throw errno('EOPNOTSUPP');
    return tmpfsInode(inode).xattrs.get(name) ?? null;
  },
  *setxattr(inode, name, value, flags) {
    if (!isStored(name)) throw errno('EOPNOTSUPP');
    const { xattrs } = tmpfsInode(inode);
    const exists = xattrs.has(name);
    if (exists && flags & XATTR_CREATE) throw errno('EEXIST');
    if (!exists && (flags & XATTR_REPLACE || value === null)) throw errno('ENODATA');
    if (value) xattrs.set(name, value.slice());
    else xattrs.delete(name);
    inodeChanged(inode);
  },
  *listxattr(inode) {
    return [...tmpfsInode(inode).xattrs.keys()];
  },
};
const isStored = (name: Name): boolean => !name.startsWith('system.');

const dirInodeOps: InodeOperations = {
  ...attributeOps,
  *lookup(dir, name) {
    const inode = tmpfsInode(dir).entries.get(name)?.inode ?? null;
    if (inode) ihold(inode);
    return inode;
  },
  *create(dir, dentry, mode) {
    makeNode(dir, dentry, mode | S_IFREG);
  },
  *mkdir(dir, dentry, mode) {
    makeNode(dir, dentry, mode | S_IFDIR);
  },
  *mknod(dir, dentry, mode, rdev) {
    makeNode(dir, dentry, mode).rdev = rdev;
  },
  *symlink(dir, dentry, target) {
    const inode = makeNode(dir, dentry, S_IFLNK | 0o777);
    inode.target = target;
    inode.size = target.length;
  },
  *link(inode, dir, dentry) {
    inode.nlink++;
    inodeChanged(inode);
    ihold(inode);
    addName(dir, dentry.name, tmpfsInode(inode));
    dirModified(dir);
    ihold(inode);
    dInstantiate(dentry, inode);
  },
  *unlink(dir, dentry) {
    unlinkName(dir, dentry);
  },
  *rmdir(dir, dentry) {
    if (!isEmpty(dentry.inode)) throw errno('ENOTEMPTY');
    unlinkName(dir, dentry);
  },
  *rename(oldDir, oldDentry, newDir, newDentry, flags) {
    const target = newDentry.inode;
    if (flags & RENAME_EXCHANGE) {
      const a = removeName(oldDir, oldDentry.name);
      const b = removeName(newDir, newDentry.name);
      addName(oldDir, oldDentry.name, b);
      addName(newDir, newDentry.name, a);
      inodeChanged(b);
    } else {
      if (target?.isDir && !isEmpty(target)) throw errno('ENOTEMPTY');
      if (target) unlinkName(newDir, newDentry);
      addName(newDir, newDentry.name, removeName(oldDir, oldDentry.name));
    }
    inodeChanged(tmpfsInode(oldDentry.inode));
    dirModified(oldDir, newDir);
  },
  *tmpfile(dir, mode) {
    const inode = tmpfsSuper(dir).newInode(dir, mode | S_IFREG);
    inode.nlink = 0;
    return inode;
  },
};

const linkInodeOps: InodeOperations = {
  ...attributeOps,
  *getLink(inode) {
    return tmpfsInode(inode).target;
  },
  getLinkNowait: (inode) => tmpfsInode(inode).target,
};

const dirOps: FileOperations = {
  *iterate(file, ctx) {
    if (!emitDots(file, ctx)) return;
    for (const [name, { inode, cookie }] of tmpfsInode(file.inode).entries) {
      if (cookie < ctx.pos) continue;
      if (!ctx.emit(name, inode.ino, typeToDt(inode.mode), cookie + 1)) return;
      ctx.pos = cookie + 1;
    }
  },
  fsync: noopFsync,
};

// ---- Data -----------------------------------------------------------------------------------

/** `folio.private` of a folio that holds data. */
const PINNED = {};
const isPinned = (folio: Folio | undefined): boolean => folio?.private === PINNED;

/**
 * Every byte is a hole until it is written: the generic code zeroes what it does not cover.
 * Writing asks for room first.
 */
const tmpfsIomapOps: IomapOps = {
  beginNowait(inode, pos, length, flags, iomap) {
    iomap.type = 'hole';
    iomap.flags = 0;
    iomap.offset = pos;
    iomap.length = flags & IOMAP_WRITE ? roomFor(inode, pos, length) : length;
    return true;
  },
  *begin() {
    assert(false, 'beginNowait answers always');
  },
};

/** How many of the bytes can be written. @throws ENOSPC none */
function roomFor(inode: Inode, pos: number, length: number): number {
  const sb = tmpfsSuper(inode);
  const { mapping } = inode;
  let free = sb.limit - sb.used;
  const last = mapping.indexOf(pos + length - 1);
  for (let i: number = mapping.indexOf(pos); i <= last; i++) {
    if (isPinned(mapping.pages.get(i)) || free-- > 0) continue;
    const room = i * mapping.folioSize - pos;
    if (room <= 0) throw errno('ENOSPC', { ino: inode.ino });
    return room;
  }
  return length;
}

const addressSpaceOps: AddressSpaceOperations = {
  readFolio: (mapping, folio) => iomapReadFolio(mapping, folio, tmpfsIomapOps),
  *writepages() {
    // Nothing to write to. No folio is ever dirty: `dirtyFolio` pins instead.
  },
  dirtyFolio(mapping, folio) {
    if (isPinned(folio)) return false;
    folio.private = PINNED;
    folio.hold();
    account(inodeOf(mapping), 1);
    return true;
  },
  invalidateFolio(folio, from, to) {
    const { mapping } = folio;
    if (from > 0 || to < folio.size || !isPinned(folio) || !mapping) return;
    folio.private = null;
    folio.release();
    account(inodeOf(mapping), -1);
  },
  releaseFolio: () => false,
};

function account(inode: Inode, folios: number): void {
  const sb = tmpfsSuper(inode);
  sb.used += folios;
  inode.blocks += (folios * sb.blockSize) / SECTOR;
}

const fileInodeOps: InodeOperations = {
  ...attributeOps,
  *setattr(inode, attr) {
    const { size } = attr;
    if (size !== undefined && size !== inode.size) {
      const cut = size < inode.size;
      inode.size = size;
      // The rest of the last folio is zeroed too: a later extension must show zeros.
      if (cut) yield* truncateInodePagesRange(inode.mapping, size);
    }
    setattrCopy(inode, attr);
  },
};

const fileOps: FileOperations = {
  readNowait: (file, iter, pos) => filemapReadNowait(file.inode.mapping, file.ra, iter, pos),
  readIter: (file, iter, pos) => filemapRead(file.inode.mapping, file.ra, iter, pos),
  *writeIter(file, iter, pos) {
    const { inode } = file;
    yield* lockInode(inode);
    try {
      const at = genericWriteChecks(file, iter, pos);
      yield* fileModified(file);
      return yield* iomapFileBufferedWrite(file, iter, at, tmpfsIomapOps);
    } finally {
      inode.rwsem.unlockExclusive();
    }
  },
  *llseek(file, offset, whence) {
    return genericLlseek(file, offset, whence);
  },
  fsync: noopFsync,
};

// ---- The whole ------------------------------------------------------------------------------

const superOps = (sb: TmpfsSuper): SuperOperations => ({
  *writeInode() {
    // The inode in memory is the inode.
  },
  *evictInode(inode) {
    yield* truncateInodePagesFinal(inode.mapping);
    // Only umount evicts a directory with names in it.
    for (const { inode: child } of tmpfsInode(inode).entries.values()) yield* iput(child);
  },
  *syncFs() {
    // Nothing is behind the cache.
  },
  *putSuper() {
    assert(sb.used === 0, 'data without an inode');
  },
  statfs: () => ({
    type: TMPFS_MAGIC,
    bsize: sb.blockSize,
    blocks: sb.limit,
    bfree: sb.limit - sb.used,
    bavail: sb.limit - sb.used,
    files: sb.limit,
    ffree: Math.max(0, sb.limit - sb.inodes.size),
    namelen: NAME_MAX,
    fsid: [0, 0],
  }),
});

function* mount(context: MountContext): Op<SuperBlock> {
  const sb = new TmpfsSuper(context);
  const mode = context.options.get('mode');
  const root = sb.newInode(null, S_IFDIR | (typeof mode === 'string' ? parseInt(mode, 8) : 0o755));
  root.nlink = 2;
  sb.root = dMakeRoot(sb, root);
  return sb;
}

export const tmpfs: FileSystemType = { name: 'tmpfs', mount };
