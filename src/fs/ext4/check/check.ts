/**
 * The read-only checker: all metadata against itself, each problem reported with its place.
 *
 * To read the room: this file, then the passes in their order:
 *
 *     0  super-check.ts    super block, its copies, group descriptors
 *        own-files.ts      orphans, journal, multi-mount protection, room for descriptors
 *     1  inode-check.ts    inodes in use; extent-tree.ts, indirect-map.ts through file-map.ts,
 *                          xattr-check.ts, special-files.ts; owners.ts where blocks are claimed
 *     twice 2  dir-check.ts      entries; htree-check.ts
 *     3  connectivity.ts   every directory hangs below the root
 *     4  connectivity.ts   link counts, owners of attributes
 *     5  bitmap-check.ts   bitmaps and counts against use
 *     6  quota-check.ts    quota files against use
 *
 * volume.ts reads, state.ts, maps.ts and paged-bitmap.ts are what is remembered, problem.ts says
 * what was found.
 *
 * CK-1  A damaged record is a problem, never an exception; only the device's errors, and an image
 *       that is no ext4 or has features nobody knows here, are thrown.
 * CK-2  Every walk ends: a node of a map is followed once, lists are bounded by the records that
 *       exist.
 * CK-3  Memory grows with what is in use, not with the size of the image.
 */
import type { BlockDevice } from '../../../block/block-device.ts';
import type { Memory } from '../../../mm/vmscan.ts';
import type { Op } from '../../../sched/op.ts';
import { BitmapCheck } from './bitmap-check.ts';
import { checkConnectivity, checkLinks } from './connectivity.ts';
import { DirCheck } from './dir-check.ts';
import { InodeCheck } from './inode-check.ts';
import { scanInodes } from './inode-read.ts';
import { OwnerSearch } from './owners.ts';
import { checkJournal, checkMmpRecord, checkResizeInode, findOrphans } from './own-files.ts';
import { type CheckListener, Reporter } from './problem.ts';
import { QuotaUsage, checkQuota } from './quota-check.ts';
import { CheckState } from './state.ts';
import { checkSuper, openVolume } from './super-check.ts';

export interface CheckOptions extends CheckListener {
  /** Cache for single blocks; its frames must hold a block. */
  readonly memory: Memory;
}

export interface CheckSummary {
  /** 0: nothing is wrong. */
  readonly problems: number;
  readonly inodesUsed: number;
  readonly inodesTotal: number;
  readonly directories: number;
  readonly files: number;
  readonly blocksUsed: number;
  readonly blocksTotal: number;
  readonly blockSize: number;
}

/**
 * Check an image; nothing is written.
 * @throws EUCLEAN not ext4 at all; EINVAL an unsupported feature (named), or the cache's frames are
 *   smaller than a block; EIO
 * @context May sleep for I/O. The image must not be changed meanwhile.
 */
export function* checkFs(device: BlockDevice, options: CheckOptions): Op<CheckSummary> {
  const report = new Reporter(options);
  report.begin('superblock', 1);
  const vol = yield* openVolume(device, options.memory, report);
  const { geo } = vol;
  yield* checkSuper(vol);
  const state = new CheckState(vol);
  state.claimAllMetadata();
  yield* checkMmpRecord(state);
  yield* checkResizeInode(state);
  yield* checkJournal(state);
  yield* findOrphans(state);
  report.progress(1);

  const quota = vol.has.quota ? new QuotaUsage() : null;
  yield* checkInodes(state, quota);

  report.begin('directories', state.dirs.ino.length);
  yield* new DirCheck(state).check();

  report.begin('connectivity', 1);
  checkConnectivity(state);
  report.begin('links', geo.groupsCount);
  yield* checkLinks(state);

  report.begin('bitmaps', geo.groupsCount);
  const bitmaps = new BitmapCheck(state);
  yield* bitmaps.check();

  if (quota) {
    report.begin('quota', 1);
    yield* checkQuota(vol, quota);
  }
  return {
    problems: report.problems,
    inodesUsed: geo.inodesCount - bitmaps.freeInodes,
    inodesTotal: geo.inodesCount,
    directories: state.dirs.ino.length,
    files: state.files,
    blocksUsed: geo.blocksCount - geo.firstDataBlock - bitmaps.freeClusters * vol.clusterRatio,
    blocksTotal: geo.blocksCount,
    blockSize: geo.blockSize,
  };
}

function* checkInodes(state: CheckState, quota: QuotaUsage | null): Op<void> {
  const { vol } = state;
  const { report } = vol;
  report.begin('inodes', vol.geo.groupsCount);
  const inodes = new InodeCheck(state, quota);
  yield* scanInodes(
    vol,
    (ino, raw, at) => inodes.visit(ino, raw, at),
    (group) => {
      report.progress(group + 1);
    },
  );
  if (state.clashes.length > 0) yield* new OwnerSearch(state).report();
}
