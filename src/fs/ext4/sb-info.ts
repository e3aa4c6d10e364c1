/**
 * The mounted ext4: what the disk's super block says, in the form the code asks for it.
 *
 * Facts that never change while mounted are plain fields, set once by super.ts. What changes
 * (free counts, state, orphan head) lives in the super block's buffer and in the group
 * descriptors' buffers, and is written through a handle.
 * @source fs/ext4/ext4.h (struct ext4_sb_info)
 */
import type { Pblk } from '../../base/units.ts';
import { lockClass } from '../../sched/lock-class.ts';
import { Mutex } from '../../sched/mutex.ts';
import { type Work, Workqueue } from '../../sched/workqueue.ts';
import type { BufferCache } from '../../buffer/buffer-cache.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Journal } from '../../jbd2/handle.ts';
import { type MountContext, SuperBlock, type SuperOperations } from '../../vfs/super.ts';
import { SystemZone } from './block-validity.ts';
import { EsCache } from './extents-status.ts';
import type { Features } from './features.ts';
import type { Ext4Inode } from './inode-info.ts';
import type { OrphanFile } from './orphan-file.ts';

/** The list of inodes that recovery must finish. */
export const S_ORPHAN_LOCK = lockClass('ext4.s_orphan_lock', {
  after: ['jbd2_handle', 'inode.i_data_sem'],
});

/** Offsets and sizes of the image, computed once from the super block. */
export interface Ext4Geometry {
  readonly blockSize: number;
  readonly blockBits: number;
  /** log2 of blocks per cluster; 0 without bigalloc. */
  readonly clusterBits: number;
  readonly blocksCount: number;
  readonly firstDataBlock: number;
  readonly groupsCount: number;
  readonly blocksPerGroup: number;
  readonly clustersPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodesCount: number;
  readonly inodeSize: number;
  readonly firstIno: number;
  /** Bytes of a group descriptor: 32, or 64 and more with 64bit. */
  readonly descSize: number;
  readonly descPerBlock: number;
  /** Inode table blocks of a group. */
  readonly itbPerGroup: number;
  /** log2 of groups in a flex group. */
  readonly flexBits: number;
}

/** The features that code asks for again and again. */
export interface Ext4Has {
  readonly extents: boolean;
  readonly is64bit: boolean;
  readonly flexBg: boolean;
  readonly metaBg: boolean;
  readonly metadataCsum: boolean;
  readonly gdtCsum: boolean;
  readonly bigalloc: boolean;
  readonly hugeFile: boolean;
  readonly dirNlink: boolean;
  readonly dirIndex: boolean;
  readonly largeDir: boolean;
  readonly casefold: boolean;
  readonly inlineData: boolean;
  readonly eaInode: boolean;
  readonly quota: boolean;
  readonly project: boolean;
  readonly orphanFile: boolean;
  readonly filetype: boolean;
  readonly journal: boolean;
  readonly encrypt: boolean;
  readonly verity: boolean;
  readonly sharedBlocks: boolean;
}

/** What a group remembers in memory beside its descriptor. */
export interface Ext4GroupInfo {
  /** Clusters free, as the loaded bitmap has them; -1 before it was loaded and compared. */
  freeClusters: number;
  /** Longest free run at or below this many clusters; Infinity when unknown. */
  largestFree: number;
  /** Lowest cluster that may be free. */
  firstFree: number;
  /** Its bitmap contradicts its descriptor or its checksum: nothing is allocated here. */
  corrupt: boolean;
  /** Clusters freed by a transaction that is not durable (freed-clusters.ts); null: none. */
  held: Uint8Array | null;
  heldCount: number;
}

export class Ext4SuperBlock extends SuperBlock {
  override readonly sops: SuperOperations;
  readonly geo: Ext4Geometry;
  readonly has: Ext4Has;
  features: Features;
  readonly buffers: BufferCache;
  /** The block that holds the primary super block, pinned while mounted. */
  readonly sbh: BufferHead;
  /** Where in that block the record starts: 1024 with block 0, else 0. */
  readonly sbAt: number;
  /** Group descriptor blocks in group order, pinned while mounted. */
  readonly gdtBlocks: BufferHead[] = [];
  readonly groups: Ext4GroupInfo[] = [];
  journal: Journal;
  /** Seed of every metadata_csum checksum. */
  readonly csumSeed: number;
  /** Four words of the directory hash, and the hash version for new directories (signedness in). */
  readonly hashSeed: Uint32Array;
  readonly defHashVersion: number;
  readonly uuid: Uint8Array;
  /** Gives a fresh inode the operations of its type: a table from super.ts, so that inode.ts need
   *  not import what imports it. */
  readonly setInodeOps: (inode: Ext4Inode) => void;
  /** Where no file's data may lie. */
  readonly zones: SystemZone;
  /** Bounds the cached mappings of all inodes together. */
  readonly esCache = new EsCache();
  /**
   * Inodes with work left after a crash: in-memory list, newest first, as s_last_orphan chains
   * them.
   */
  readonly orphans: Ext4Inode[] = [];
  /** Where new orphans go, if the image has such a file and is mounted for writing. */
  orphanFile: OrphanFile | null = null;
  readonly orphanLock = new Mutex(S_ORPHAN_LOCK);
  /** Free clusters and inodes: the sum over groups, kept here and written at sync. */
  freeClusters = 0;
  freeInodes = 0;
  usedDirs = 0;
  /** Clusters that only root (or s_def_resuid) may take. */
  reservedClusters = 0;
  /** Clusters counted as free that wait for a commit. */
  heldClusters = 0;
  /** errors=: what an inconsistency found at run time does. */
  errorPolicy: 'continue' | 'remount-ro' | 'panic' = 'continue';
  /** The super block on its way into the log, where that is not part of an operation. */
  superWork: Work | null = null;
  readonly superQueue: Workqueue;
  /** data=ordered with a log: new blocks of indirect maps are zeroed before they are mapped. */
  zeroesNewBlocks = false;
  /** Inodes that have a window (windows.ts). */
  readonly windows = new Set<Ext4Inode>();
  /** May the present task take reserved blocks? Set by super.ts from s_def_resuid. */
  mayUseReserve: () => boolean = () => true;
  /** Where the next stream (large file) allocation goes on. */
  streamGoal: Pblk | null = null;

  constructor(context: MountContext, dev: number, parts: Ext4SbParts) {
    super(context, dev);
    this.superQueue = new Workqueue(context.scheduler, 'ext4 super block');
    this.sops = parts.sops(this);
    this.geo = parts.geo;
    this.has = parts.has;
    this.features = parts.features;
    this.buffers = parts.buffers;
    this.sbh = parts.sbh;
    this.sbAt = parts.sbAt;
    this.journal = parts.journal;
    this.csumSeed = parts.csumSeed;
    this.hashSeed = parts.hashSeed;
    this.defHashVersion = parts.defHashVersion;
    this.uuid = parts.uuid;
    this.setInodeOps = parts.setInodeOps;
    this.zones = new SystemZone(parts.geo.firstDataBlock, parts.geo.blocksCount);
    this.blockSize = parts.geo.blockSize;
  }
}

/** What super.ts has found out before the object exists. */
export interface Ext4SbParts {
  readonly sops: (sb: Ext4SuperBlock) => SuperOperations;
  readonly geo: Ext4Geometry;
  readonly has: Ext4Has;
  readonly features: Features;
  readonly buffers: BufferCache;
  readonly sbh: BufferHead;
  readonly sbAt: number;
  readonly journal: Journal;
  readonly csumSeed: number;
  readonly hashSeed: Uint32Array;
  readonly defHashVersion: number;
  readonly uuid: Uint8Array;
  readonly setInodeOps: (inode: Ext4Inode) => void;
}
