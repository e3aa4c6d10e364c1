/**
 * An inode in memory, whatever file system it is of.
 *
 *   allocated --iget--> I_NEW --filled, unlockNewInode--> live --last iput--> cached
 *                                                           |  nlink 0          | reclaim
 *                                                           +----> I_FREEING <--+
 *                                                                  evictInode, gone
 *
 * References (`count`): one for each dentry, one for each user that works without a dentry.
 * Guards: size, mode, owner, times and names inside a directory change under i_rwsem exclusive;
 * `state` changes without a sleep between look and change; nlink under the directory's i_rwsem.
 * @source include/linux/fs.h (struct inode), fs/inode.c
 */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Ino } from '../base/units.ts';
import type { Timespec } from '../sched/clock.ts';
import { lockClass } from '../sched/lock-class.ts';
import type { Op } from '../sched/op.ts';
import { RwSemaphore } from '../sched/rw-semaphore.ts';
import { exploring, stableKey, watching } from '../sched/point.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { watchFields } from '../sched/watch.ts';
import { AddressSpace, type AddressSpaceOperations } from '../mm/address-space.ts';
import type { Dentry } from './dcache.ts';
import type { FileOperations } from './file.ts';
import type { SuperBlock } from './super.ts';
import type { Iattr, Kstat } from './stat.ts';

/** Several inodes: parent before child, then ascending ino (subclasses in vfs/namei.ts). */
export const I_RWSEM = lockClass('inode.i_rwsem', {
  after: ['sb_writers', 's_umount', 's_vfs_rename_mutex'],
  nest: 'ino',
});

/** Being filled by iget; look-ups wait. */
export const I_NEW = 1;
/** Times or other things that fdatasync may leave. */
export const I_DIRTY_SYNC = 2;
/** What is needed to read the data back: size, mapping. */
export const I_DIRTY_DATASYNC = 4;
/** Dirty folios. */
export const I_DIRTY_PAGES = 8;
/** Leaving memory; nobody takes a new reference. */
export const I_FREEING = 16;
/** The flusher writes it: a lock with an owner, for the deadlock detector too. */
export const I_SYNC = 32;
/** Without a name, and may still be given one (O_TMPFILE). */
export const I_LINKABLE = 64;
export const I_DIRTY_INODE = I_DIRTY_SYNC | I_DIRTY_DATASYNC;
export const I_DIRTY = I_DIRTY_INODE | I_DIRTY_PAGES;

/** i_flags: what the file system reports of an inode's attributes. */
export const S_SYNC = 1;
export const S_IMMUTABLE = 2;
export const S_APPEND = 4;
export const S_NOATIME = 8;
export const S_DIRSYNC = 16;
export const S_VERITY = 32;
export const S_ENCRYPTED = 64;
export const S_CASEFOLD = 128;

/**
 * What a file system does for its inodes (an ops table, invariant A3). Absent: EPERM or ENOTDIR.
 */
export interface InodeOperations {
  /**
   * The inode of a name, with a reference, or null. Directory i_rwsem held, shared or exclusive.
   */
  lookup?(dir: Inode, name: Name): Op<Inode | null>;
  /**
   * Make a regular file and instantiate the dentry. Directory i_rwsem exclusive, as for all below.
   */
  create?(dir: Inode, dentry: Dentry, mode: number): Op<void>;
  mkdir?(dir: Inode, dentry: Dentry, mode: number): Op<void>;
  mknod?(dir: Inode, dentry: Dentry, mode: number, rdev: number): Op<void>;
  symlink?(dir: Inode, dentry: Dentry, target: Name): Op<void>;
  link?(inode: Inode, dir: Inode, dentry: Dentry): Op<void>;
  /** nlink falls; the inode's blocks go with its last reference. */
  unlink?(dir: Inode, dentry: Dentry): Op<void>;
  rmdir?(dir: Inode, dentry: Dentry): Op<void>;
  /** `newDentry` may be negative. flags: RENAME_NOREPLACE, RENAME_EXCHANGE. Checks of types and
   *  permissions are done; the file system looks at emptiness, space and links. */
  rename?(
    oldDir: Inode,
    oldDentry: Dentry,
    newDir: Inode,
    newDentry: Dentry,
    flags: number,
  ): Op<void>;
  /** A nameless file that vanishes with its last reference unless it is linked (O_TMPFILE). */
  tmpfile?(dir: Inode, mode: number): Op<Inode>;
  /** Target of a symlink. */
  getLink?(inode: Inode): Op<Name>;
  /** The same from memory alone; null if that needs a sleep. */
  getLinkNowait?(inode: Inode): Name | null;
  /**
   * Names that mean the same in this directory have one key (casefold). Absent: a name is its key.
   */
  dentryKey?(dir: Inode, name: Name): Name;
  /** Add to what is in the inode, or correct it. */
  getattr?(inode: Inode, stat: Kstat): Op<void>;
  /** The same where it needs no sleep, ever. Present: stat of a cached inode stays plain. */
  getattrNowait?(inode: Inode, stat: Kstat): void;
  /** Checked and permitted changes; truncation included. i_rwsem exclusive. */
  setattr?(inode: Inode, attr: Iattr): Op<void>;
  /** Full name with prefix, e.g. user.x. null: no such attribute. */
  getxattr?(inode: Inode, name: Name): Op<Uint8Array | null>;
  /** value null removes. flags: XATTR_CREATE, XATTR_REPLACE. i_rwsem exclusive. */
  setxattr?(inode: Inode, name: Name, value: Uint8Array | null, flags: number): Op<void>;
  listxattr?(inode: Inode): Op<Name[]>;
  /** Extents of the file, in order, from `start` (bytes) on; `visit` returns false to stop. */
  fiemap?(
    inode: Inode,
    start: number,
    length: number,
    visit: (e: FiemapExtent) => boolean,
  ): Op<void>;
}

export interface FiemapExtent {
  /** Bytes. */
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  /** FIEMAP_EXTENT_* */
  readonly flags: number;
}

export class Inode {
  readonly sb: SuperBlock;
  readonly ino: Ino;
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 1;
  rdev = 0;
  generation = 0;
  flags = 0;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  /** Time of creation, where the file system keeps it. */
  btime: Timespec | null = null;
  /** 512-byte units in use, as stat reports them. */
  blocks = 0;

  /**
   * i_size. Guarded by i_rwsem exclusive; raised under the folio lock of the data that needs it.
   */
  size = 0;
  state = I_NEW;
  count = 1;
  iops: InodeOperations = {};
  fops: FileOperations = {};
  readonly rwsem: RwSemaphore;
  /** Direct I/O in flight (inode_dio_begin / inode_dio_wait). */
  dioCount = 0;
  /** Open for writing (>0) or writers denied (<0). */
  writeCount = 0;
  /** Of a directory: its one dentry (D-4), while that exists. */
  alias: Dentry | null = null;
  /** monotonic ms when it first became dirty. */
  dirtiedWhen = 0;
  /** Parsed ACLs: undefined not read yet, null none. */
  aclAccess: Acl | null | undefined = undefined;
  aclDefault: Acl | null | undefined = undefined;

  // Most inodes are only looked at: what serves data and sleepers is made when it is asked for.
  /** Of the mapping, once there is one. */
  aops: AddressSpaceOperations;
  private space: AddressSpace | null = null;
  private dioQueue: WaitQueue | null = null;
  private stateQueue: WaitQueue | null = null;

  constructor(sb: SuperBlock, ino: Ino, aops: AddressSpaceOperations) {
    this.sb = sb;
    this.ino = ino;
    this.aops = aops;
    this.atime = this.mtime = this.ctime = sb.epoch;
    this.rwsem = new RwSemaphore(I_RWSEM, this);
    if (CHECKED && watching) watchFields(this, 'inode', ['size', 'state', 'nlink'], ino);
  }

  get mapping(): AddressSpace {
    return (this.space ??= new AddressSpace(this, this.sb.memory, this.aops));
  }
  /** The mapping if there ever was one: an inode without has nothing cached and nothing dirty. */
  get mappingIfAny(): AddressSpace | null {
    return this.space;
  }
  get dioIdle(): WaitQueue {
    return (this.dioQueue ??= this.queue('inode_dio_wait'));
  }
  /** Sleepers for I_NEW, I_SYNC and I_FREEING to go. */
  get stateWait(): WaitQueue {
    return (this.stateQueue ??= this.queue('inode.state'));
  }
  /** `state` changed: wake whoever waits, without making a queue where nobody does. */
  wakeState(): void {
    if (CHECKED && exploring) this.stateWait.wakeAll();
    else this.stateQueue?.wakeAll();
  }
  private queue(name: string): WaitQueue {
    return new WaitQueue(
      name,
      undefined,
      CHECKED && watching ? stableKey(name, this.ino) : undefined,
    );
  }

  get type(): number {
    return this.mode & S_IFMT;
  }
  get isDir(): boolean {
    return this.type === S_IFDIR;
  }
  get isReg(): boolean {
    return this.type === S_IFREG;
  }
  get isLnk(): boolean {
    return this.type === S_IFLNK;
  }
}

/** A POSIX ACL in memory: entries in canonical order. @source acl(5) */
export interface AclEntry {
  /** ACL_USER_OBJ 1, ACL_USER 2, ACL_GROUP_OBJ 4, ACL_GROUP 8, ACL_MASK 0x10, ACL_OTHER 0x20. */
  readonly tag: number;
  /** rwx bits 0..7. */
  readonly perm: number;
  /** uid or gid for ACL_USER and ACL_GROUP, else 0. */
  readonly id: number;
}
export type Acl = readonly AclEntry[];
