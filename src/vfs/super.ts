/**
 * A mounted file system: the super block, its inodes, its dirty lists, its freeze levels.
 * @source include/linux/fs.h (struct super_block), fs/super.c
 */
import { List } from '../base/list.ts';
import type { Ino } from '../base/units.ts';
import type { Timespec } from '../sched/clock.ts';
import { watching } from '../sched/point.ts';
import { WatchedMap, WatchedSet } from '../sched/watch.ts';
import { FreezeLock } from '../sched/freeze-lock.ts';
import { lockClass } from '../sched/lock-class.ts';
import { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';
import { RwSemaphore } from '../sched/rw-semaphore.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import type { BlockDevice } from '../block/block-device.ts';
import { ErrSeq } from '../mm/errseq.ts';
import type { Memory } from '../mm/vmscan.ts';
import type { Dentry } from './dcache.ts';
import type { Flusher } from './fs-writeback.ts';
import type { Inode } from './inode.ts';
import type { Kstatfs } from './stat.ts';

/** mount, umount, remount and freeze exclusive; sync and flusher shared. */
export const S_UMOUNT = lockClass('s_umount', { after: ['sb_writers'] });
/** One rename between directories at a time: the tree does not change under its checks. */
export const S_VFS_RENAME_MUTEX = lockClass('s_vfs_rename_mutex', { after: ['sb_writers'] });

/** What a file system provides for the whole of itself (an ops table, invariant A3). */
export interface SuperOperations {
  /** Write the inode's fields to its place on disk. Not with I_FREEING. */
  writeInode(inode: Inode, wait: boolean): Op<void>;
  /** The last reference is gone: drop the cache and, if nlink is 0, the blocks and the inode,
   *  between startInternalWrite() and endInternalWrite(). */
  evictInode(inode: Inode): Op<void>;
  /** All metadata to the medium. `wait`: durable on return; without it no open handle is waited
   *  for, because its owner may be waiting for the flusher, who calls this. */
  syncFs(wait: boolean): Op<void>;
  /** Unmount, or failed mount: everything is synced already. */
  putSuper(): Op<void>;
  statfs(): Kstatfs;
  /** A clean, linked inode leaves memory to make room: drop what is kept with it, or say no (false)
   *  where that needs I/O. Its cache is gone already. @context Does not sleep. */
  evictCached?(inode: Inode): boolean;
  /** Become read-only (everything is synced) or writable. Sets nothing but its own state. */
  remount?(readOnly: boolean): Op<void>;
  /** Nobody writes and everything is synced: the image becomes complete by itself. */
  freezeFs?(): Op<void>;
  unfreezeFs?(): Op<void>;
}

/** What every mount needs from outside. */
export interface MountContext {
  readonly scheduler: Scheduler;
  readonly memory: Memory;
  readonly device: BlockDevice;
  readonly readOnly: boolean;
  /** File-system options in mount(8)'s words: `errors=remount-ro`, `noatime`. */
  readonly options: ReadonlyMap<string, string | true>;
  /** One sentence for the user: why read-only, what was found. */
  readonly warn: (sentence: string) => void;
}

/** The registry entry of a file system (an ops table, invariant A3). */
export interface FileSystemType {
  readonly name: string;
  mount(context: MountContext): Op<SuperBlock>;
}

/** Bytes of heap that a cached name with its inode takes (measured for ext4: 1.8 KiB). */
const CACHED_NAME_COST = 2048;

export abstract class SuperBlock {
  readonly scheduler: Scheduler;
  readonly memory: Memory;
  readonly device: BlockDevice;
  readonly dev: number;
  abstract readonly sops: SuperOperations;
  readOnly: boolean;
  noatime = false;
  relatime = true;
  root: Dentry | null = null;
  blockSize = 4096;
  maxBytes = Number.MAX_SAFE_INTEGER;
  timeGranularityNs = 1;
  /** First and last second that an inode can say. */
  timeMin = -Infinity;
  timeMax = Infinity;
  readonly umountLock = new RwSemaphore(S_UMOUNT);
  readonly renameMutex = new Mutex(S_VFS_RENAME_MUTEX);
  readonly writers = new FreezeLock();
  /** Set by freeze.ts. Guarded by s_umount. */
  frozen: 'no' | 'freezing' | 'frozen' = 'no';
  /** Live inodes by number. */
  readonly inodes: Map<Ino, Inode> =
    CHECKED && watching ? new WatchedMap<Ino, Inode>('inode cache') : new Map<Ino, Inode>();
  /** Failures of write-back that a sync of the whole has to tell, and up to where it has. */
  readonly wbErr = new ErrSeq();
  readonly told = { wbErr: 0 };
  /** Dirty inodes in the order of their first dirtying. */
  readonly dirtyInodes: Set<Inode> =
    CHECKED && watching ? new WatchedSet('dirty inodes') : new Set();
  /**
   * References that evictInode gave up (inodes that only the evicted one referred to). The inode
   * cache drops them when the eviction is over, since they may need one of their own.
   */
  readonly evictNext: Inode[] = [];
  /** Unreferenced inodes that stay cached, oldest first. */
  readonly inodeLru = new Set<Inode>();
  readonly epoch: Timespec = { sec: 0, nsec: 0 };
  /** Unreferenced dentries that stay cached, oldest first. */
  readonly dentryLru = new List<Dentry>();
  /** How many of each stay cached for certain; more while the arena is not used (see below). */
  dentryLimit = 16384;
  inodeLimit = 4096;
  /** In use: false from the start of umount on, when nothing unreferenced is kept any longer. */
  active = true;
  /** Where it is attached: the directory that its root covers. */
  mountpoint: Dentry | null = null;
  /** What is mounted on its directories. */
  readonly mounts = new Set<SuperBlock>();
  /** Its entry in memory.shrinkers. */
  shrinker: ((count: number) => number) | null = null;
  /** Its flusher, once something was dirty. */
  flusher: Flusher | null = null;
  readonly warn: (sentence: string) => void;

  constructor(context: MountContext, dev: number) {
    this.scheduler = context.scheduler;
    this.memory = context.memory;
    this.device = context.device;
    this.readOnly = context.readOnly;
    this.warn = context.warn;
    this.dev = dev;
  }

  /**
   * Unreferenced dentries that may stay. A dentry and its inode cost about 2 KiB: what the page
   * cache has never used of its memory is lent to them, and asked back as it grows.
   */
  get dentryRoom(): number {
    return this.dentryLimit + this.memory.untouchedBytes / CACHED_NAME_COST;
  }

  /** The present, cut to what the file system can store. */
  now(): Timespec {
    const t = this.scheduler.clock.realtime();
    const g = this.timeGranularityNs;
    return g === 1 ? t : { sec: t.sec, nsec: t.nsec - (t.nsec % g) };
  }
}
