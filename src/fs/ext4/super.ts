/**
 * Mount, sync and unmount of ext4.
 *
 *   super block read and checked -> descriptors -> system zones -> multi-mount protection
 *     -> may it be written? (device, features) -> journal; what it holds is recovered, and all
 *     this read anew -> root -> [writing: marked mounted, leftovers of a crash finished]
 *
 * Whatever speaks against writing makes the mount read-only with a sentence; what speaks against
 * reading refuses it.
 * @source fs/ext4/super.c:__ext4_fill_super(), ext4_put_super()
 */
import { errno, FsError } from '../../base/errno.ts';
import { ino, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { BlockDevice } from '../../block/block-device.ts';
import type { OverlayDevice } from '../../block/overlay-device.ts';
import { BufferCache } from '../../buffer/buffer-cache.ts';
import { DirectJournal } from '../../jbd2/direct.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import { type LoadedJournal, loadJournal } from '../../jbd2/load.ts';
import type { Recovery } from '../../jbd2/recovery.ts';
import { overlayOf } from '../../jbd2/replay.ts';
import { truncateInodePagesFinal } from '../../mm/truncate.ts';
import { CAP_SYS_RESOURCE, capable, currentCred, inGroup } from '../../vfs/cred.ts';
import { dMakeRoot } from '../../vfs/dcache.ts';
import type { FileSystemType, MountContext, SuperOperations } from '../../vfs/super.ts';
import type { Kstatfs } from '../../vfs/stat.ts';
import {
  bgBlockBitmap,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgInodeTable,
  bgUsedDirsCount,
} from './disk/group-desc.ts';
import { EXT4_NAME_LEN } from './disk/dirent.ts';
import { EXT4_ROOT_INO } from './disk/inode.ts';
import {
  EXT4_ERROR_FS,
  EXT4_ERRORS_PANIC,
  EXT4_ERRORS_RO,
  EXT4_SUPER_MAGIC,
  EXT4_VALID_FS,
  sFreeBlocksCount,
  sRBlocksCount,
  Superblock,
} from './disk/superblock.ts';
import { hasFeature, whyReadOnly } from './features.ts';
import {
  checkGroupDesc,
  gdtBlockAt,
  groupBaseMeta,
  groupDescGet,
  groupFirstBlock,
} from './group-desc.ts';
import { ext4Iget, maxSize } from './inode.ts';
import { setInodeOps } from './inode-ops.ts';
import { ext4EvictCached, ext4EvictInode, ext4WriteInode } from './inode-life.ts';
import { journaled } from './ext4-jbd2.ts';
import { findJournal } from './journal-inode.ts';
import { ext4CloseLog, ext4OpenLog } from './journal-life.ts';
import { checkMmp, type MmpGuard } from './mmp.ts';
import { type DataMode, type Ext4Options, parseOptions } from './options.ts';
import { ext4OrphanCleanup } from './orphan-cleanup.ts';
import { ext4OpenOrphanFile } from './orphan-file.ts';
import {
  errorRecordOf,
  ext4FastCommits,
  ext4LoadJournal,
  ext4ReadLog,
  ext4RecoverHome,
  ext4RecoveryDone,
  keepErrorRecord,
  needsRecovery,
  replayInMemory,
  sayRecovered,
  takeOverError,
} from './recover.ts';
import { Ext4SuperBlock } from './sb-info.ts';
import { parseSuperBlock, readSuperBlock, superBlockAt } from './super-read.ts';
import {
  armSuperBlock,
  ext4SuperDirty,
  markFrozen,
  markMounted,
  markUnmounted,
} from './super-write.ts';

/** Clusters that no file may take, so that write-back never runs out. */
const RESERVED_CLUSTERS = 4096;

/** What a mount holds beside the super block object. */
interface MountState {
  mmp: MmpGuard | null;
  /** The disk says that it is mounted for writing, whatever sb.readOnly says by now. */
  writable: boolean;
  /** VALID_FS was set when it was mounted. */
  clean: boolean;
  /** The journal as it was when the log was opened; null: the image has none, or reads only. */
  journal: LoadedJournal | null;
  /** commit=, in ms. */
  readonly commitMs: number;
  readonly data: DataMode;
  /** Blocks that statfs does not count: metadata. */
  overhead: number;
  /** The journal was replayed in memory only, so this mount can never be written. */
  inMemory: boolean;
  /** The super block's buffer is held. */
  pinned: boolean;
}

/** A mount on its way. */
interface Opening {
  readonly sb: Ext4SuperBlock;
  readonly state: MountState;
  /** Null: there is none, or it is not to be looked at. */
  readonly journal: LoadedJournal | null;
}

export const ext4FsType: FileSystemType = { name: 'ext4', mount: ext4Mount };

/**
 * Mount the image on `context.device`.
 * @throws EUCLEAN a record is damaged, of the journal too; EINVAL an unsupported feature; EBUSY
 *   another node has it; EIO
 */
export function* ext4Mount(context: MountContext): Op<Ext4SuperBlock> {
  const options = parseOptions(context.options);
  const at = { opening: yield* open(context, options, null) };
  try {
    yield* recover(at, context, options);
    yield* finish(at.opening);
    return at.opening.sb;
  } catch (e) {
    yield* giveUp(at.opening);
    throw e;
  }
}

/** A mount has failed: nothing stays pinned. */
function* giveUp({ sb, state }: Opening): Op<void> {
  yield* giveBack(state);
  release(sb, state);
}

/** A mount that failed: others may have the image. Why it failed is what the caller hears. */
function* giveBack({ mmp }: MountState): Op<void> {
  try {
    if (mmp) yield* mmp.release();
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
  }
}

/** Everything up to the journal. @param held  multi-mount protection that is ours already */
function* open(context: MountContext, options: Ext4Options, held: MmpGuard | null): Op<Opening> {
  const { device, memory } = context;
  const facts = parseSuperBlock(yield* readSuperBlock(device), device.size);
  const { blockSize } = facts.geo;
  if (blockSize > memory.frameSize) {
    const need = { blockSize, frameSize: memory.frameSize };
    throw errno('EINVAL', need, 'the page cache must be made with frames of the block size');
  }
  const buffers = new BufferCache(device, memory, blockSize);
  const place = superBlockAt(blockSize);
  const sbh = yield* buffers.bread(place.nr);
  const state: MountState = {
    mmp: held,
    writable: false,
    clean: false,
    journal: null,
    commitMs: options.commitMs,
    data: options.data,
    overhead: 0,
    inMemory: false,
    pinned: true,
  };
  const dev = (facts.uuid[0]! << 8) | facts.uuid[1]!;
  const sb = new Ext4SuperBlock(context, dev, {
    ...facts,
    sops: (self) => superOperations(self, state),
    buffers,
    sbh,
    sbAt: place.at,
    journal: new DirectJournal(buffers),
    setInodeOps,
  });
  held?.moveTo(sb);
  const opening = { sb, state, journal: null };
  try {
    return { ...opening, journal: yield* openParts(opening, options) };
  } catch (e) {
    yield* giveUp(opening);
    throw e;
  }
}

function* openParts({ sb, state }: Opening, options: Ext4Options): Op<LoadedJournal | null> {
  applyOptions(sb, options);
  yield* loadDescriptors(sb);
  buildZones(sb);
  countFree(sb);
  if (hasFeature(sb.features, 'mmp')) state.mmp ??= yield* checkMmp(sb);
  decideReadOnly(sb);
  if (!sb.has.journal) return null;
  if (!options.noload) return yield* ext4LoadJournal(sb);
  yield* findJournal(sb);
  if (hasFeature(sb.features, 'needs_recovery')) {
    sb.readOnly = true;
    sb.warn('read-only and without recovery, as asked: what the image shows is old');
  }
  return null;
}

/** Recover what the journal holds. `at.opening` is then a mount that has read all this anew. */
function* recover(at: { opening: Opening }, context: MountContext, o: Ext4Options): Op<void> {
  const { sb, journal } = at.opening;
  if (!journal) return;
  if (!needsRecovery(sb, journal)) {
    yield* clearJournal(at.opening, null);
    return;
  }
  const recovery = yield* ext4ReadLog(sb, journal);
  const fast = yield* ext4FastCommits(sb, journal, recovery);
  const errors = errorRecordOf(sb);
  // In memory first: what cannot be mounted afterwards is refused before a byte of it is written.
  const overlay = overlayOf(sb.device, journal, recovery.copies);
  yield* reopen(at, onto(context, overlay, sb.readOnly), o);
  if (fast.length > 0) yield* replayInMemory(at.opening.sb, fast);
  sayRecovered(at.opening.sb, recovery, fast.length);
  let done = recovery;
  if (at.opening.sb.readOnly) {
    at.opening.state.inMemory = true;
    overlay.seal();
  } else {
    const { mmp } = at.opening.state;
    if (mmp) yield* mmp.take();
    done = yield* ext4RecoverHome(context.device, journal, recovery, overlay.written);
    yield* reopen(at, context, o);
  }
  keepErrorRecord(at.opening.sb, errors);
  yield* clearJournal(at.opening, done);
}

/** The same mount over a device that keeps what is written in memory. */
const onto = (c: MountContext, overlay: OverlayDevice, readOnly: boolean): MountContext => ({
  ...c,
  device: new BlockDevice(overlay),
  readOnly,
});

/** Let go of all that was read, and read it from the recovered image. */
function* reopen(at: { opening: Opening }, context: MountContext, o: Ext4Options): Op<void> {
  const { sb, state } = at.opening;
  const { mmp } = state;
  state.mmp = null;
  release(sb, state);
  yield* truncateInodePagesFinal(sb.buffers.mapping);
  at.opening = yield* open(context, o, mmp);
}

/** The journal's own error is taken over; mounted for writing, the journal is marked empty. */
function* clearJournal({ sb, state, journal }: Opening, recovery: Recovery | null): Op<void> {
  if (!journal) return;
  takeOverError(sb, journal);
  armSuperBlock(sb);
  if (sb.readOnly) return;
  state.journal = yield* ext4RecoveryDone(sb, journal, recovery);
}

function* finish({ sb, state }: Opening): Op<void> {
  const v = sb.sbh.view;
  const overhead = Superblock.s_overhead_clusters.get(v, sb.sbAt) * 2 ** sb.geo.clusterBits;
  const counted = sb.zones.size + sb.geo.firstDataBlock;
  state.overhead = overhead > 0 && overhead < sb.geo.blocksCount ? overhead : counted;
  const fsState = Superblock.s_state.get(v, sb.sbAt);
  state.clean = (fsState & EXT4_VALID_FS) !== 0;
  if (fsState & EXT4_ERROR_FS) sb.warn('errors were found in this image before: run e2fsck');
  else if (!state.clean) sb.warn('this image was not unmounted cleanly: run e2fsck');
  yield* makeRoot(sb);
  armSuperBlock(sb);
  if (sb.readOnly) return;
  if (state.mmp && !state.mmp.held) yield* state.mmp.take();
  if (state.journal) yield* ext4OpenLog(sb, state.journal, state);
  if (sb.has.orphanFile) sb.orphanFile = yield* ext4OpenOrphanFile(sb);
  yield* markMounted(sb);
  state.writable = true;
  yield* ext4OrphanCleanup(sb);
}

function applyOptions(sb: Ext4SuperBlock, options: Ext4Options): void {
  const errors = Superblock.s_errors.get(sb.sbh.view, sb.sbAt);
  const onDisk =
    errors === EXT4_ERRORS_PANIC ? 'panic' : errors === EXT4_ERRORS_RO ? 'remount-ro' : 'continue';
  sb.errorPolicy = options.errors ?? onDisk;
  sb.noatime = options.noatime;
  sb.relatime = options.relatime;
  sb.maxBytes = maxSize(sb, sb.has.extents);
  sb.timeGranularityNs = sb.geo.inodeSize > 128 ? 1 : 1_000_000_000;
  sb.timeMin = -(2 ** 31);
  sb.timeMax = (sb.geo.inodeSize > 128 ? 2 ** 34 : 2 ** 32) - 2 ** 31 - 1;
}

function* loadDescriptors(sb: Ext4SuperBlock): Op<void> {
  const { groupsCount, descPerBlock, blocksCount } = sb.geo;
  const count = Math.ceil(groupsCount / descPerBlock);
  if (!sb.has.metaBg) yield* sb.buffers.readahead(gdtBlockAt(sb, 0), Math.min(count, 256));
  for (let i = 0; i < count; i++) {
    const nr = gdtBlockAt(sb, i);
    if (nr >= blocksCount)
      throw errno('EUCLEAN', { gdtBlock: i, pblk: nr }, 'descriptors past the end');
    sb.gdtBlocks.push(yield* sb.buffers.bread(pblk(nr)));
  }
  for (let g = 0; g < groupsCount; g++) {
    checkGroupDesc(sb, g);
    sb.groups.push({
      freeClusters: -1,
      largestFree: Infinity,
      firstFree: 0,
      corrupt: false,
      held: null,
      heldCount: 0,
    });
  }
}

/** Everything that is not file data; that no two of it overlap is checked on the way. */
function buildZones(sb: Ext4SuperBlock): void {
  const { zones } = sb;
  for (let g = 0; g < sb.geo.groupsCount; g++) {
    zones.add(groupFirstBlock(sb, g), groupBaseMeta(sb, g), '');
    zones.add(groupDescGet(sb, g, bgBlockBitmap), 1, 'bg_block_bitmap_lo');
    zones.add(groupDescGet(sb, g, bgInodeBitmap), 1, 'bg_inode_bitmap_lo');
    zones.add(groupDescGet(sb, g, bgInodeTable), sb.geo.itbPerGroup, 'bg_inode_table_lo');
  }
  zones.build();
}

function countFree(sb: Ext4SuperBlock): void {
  for (let g = 0; g < sb.geo.groupsCount; g++) {
    sb.freeClusters += groupDescGet(sb, g, bgFreeBlocksCount);
    sb.freeInodes += groupDescGet(sb, g, bgFreeInodesCount);
    sb.usedDirs += groupDescGet(sb, g, bgUsedDirsCount);
  }
  const blocks = sRBlocksCount.get(sb.sbh.view, sb.sbAt, sb.has.is64bit);
  sb.mayUseReserve = () => mayUseReserve(sb);
  sb.reservedClusters = Math.floor(blocks / 2 ** sb.geo.clusterBits) + keptClusters(sb);
}

function decideReadOnly(sb: Ext4SuperBlock): void {
  if (sb.readOnly) return;
  const why = sb.device.readOnly ? 'read-only because the device is' : whyReadOnly(sb.features);
  if (why === null) return;
  sb.readOnly = true;
  sb.warn(why);
}

function* makeRoot(sb: Ext4SuperBlock): Op<void> {
  const inode = yield* ext4Iget(sb, ino(EXT4_ROOT_INO));
  sb.root = dMakeRoot(sb, inode);
}

/** Let go of the pinned buffers. */
function release(sb: Ext4SuperBlock, state: MountState): void {
  state.mmp?.drop();
  state.mmp = null;
  for (const bh of sb.gdtBlocks.splice(0)) bh.put();
  if (state.pinned) sb.sbh.put();
  state.pinned = false;
}

function superOperations(sb: Ext4SuperBlock, state: MountState): SuperOperations {
  return {
    writeInode: ext4WriteInode,
    evictInode: ext4EvictInode,
    evictCached: ext4EvictCached,
    remount: (readOnly) => (readOnly ? leaveWritable(sb, state) : toWritable(sb, state)),
    *syncFs(wait) {
      if (sb.readOnly) return;
      if (state.mmp) yield* state.mmp.keep();
      // Its counts go home with what they count, unless a log makes them right at each recovery.
      if (!journaled(sb) && sb.buffers.dirtyCount > 0) ext4SuperDirty(sb);
      // The flusher tells nobody of a failure: it is kept for who asks.
      if (wait) yield* sb.journal.forceCommit();
      else yield* sb.buffers.writeDirty();
    },
    *freezeFs() {
      if (!(sb.journal instanceof LogJournal)) return;
      yield* sb.journal.flush();
      yield* markFrozen(sb, true);
    },
    *unfreezeFs() {
      if (journaled(sb)) yield* markFrozen(sb, false);
    },
    *putSuper() {
      try {
        if (state.writable) yield* leaveWritable(sb, state);
      } finally {
        release(sb, state);
      }
    },
    statfs: () => statfs(sb, state),
  };
}

function* leaveWritable(sb: Ext4SuperBlock, state: MountState): Op<void> {
  state.writable = false;
  if (state.mmp) yield* state.mmp.keep(true);
  // Turned read-only by an error: nothing more is written but the record of the error.
  if (!sb.readOnly && !journaled(sb)) yield* sb.journal.forceCommit();
  const logEmpty = yield* ext4CloseLog(sb);
  yield* sb.superQueue.drain();
  const clean = state.clean && (journaled(sb) || !sb.readOnly) && !sb.buffers.lossy;
  yield* markUnmounted(sb, clean, logEmpty);
  if (!state.mmp) return;
  yield* state.mmp.release();
  state.mmp = null;
}

/** Who may take the last blocks: root, and the user and group that the super block names. */
function mayUseReserve(sb: Ext4SuperBlock): boolean {
  const { view } = sb.sbh;
  const cred = currentCred();
  const uid = Superblock.s_def_resuid.get(view, sb.sbAt);
  const gid = Superblock.s_def_resgid.get(view, sb.sbAt);
  if (capable(cred, CAP_SYS_RESOURCE) || cred.uid === uid) return true;
  return gid !== 0 && inGroup(cred, gid);
}

/** From reading to writing, if nothing speaks against it. @throws EROFS and the reason */
function* toWritable(sb: Ext4SuperBlock, state: MountState): Op<void> {
  if (state.inMemory) throw errno('EROFS', {}, 'its journal was replayed in memory: open it again');
  const why = sb.device.readOnly ? 'the device is read-only' : whyReadOnly(sb.features);
  if (why !== null) throw errno('EROFS', {}, why);
  const fsState = Superblock.s_state.get(sb.sbh.view, sb.sbAt);
  if (fsState & EXT4_ERROR_FS)
    throw errno('EROFS', {}, 'errors were found in this image: run e2fsck');
  if (hasFeature(sb.features, 'mmp')) {
    state.mmp?.drop();
    state.mmp = yield* checkMmp(sb);
  }
  try {
    if (state.mmp) yield* state.mmp.take();
    if (sb.has.journal) yield* reopenLog(sb, state);
    if (sb.has.orphanFile && !sb.orphanFile) {
      sb.orphanFile = yield* ext4OpenOrphanFile(sb);
      yield* sb.orphanFile.read();
    }
    yield* markMounted(sb);
  } catch (e) {
    yield* giveBack(state);
    throw e;
  }
  state.writable = true;
}

/** Its numbers have moved on since it was open the last time; a mount for reading never had it. */
function* reopenLog(sb: Ext4SuperBlock, state: MountState): Op<void> {
  const { map } = state.journal ?? (yield* ext4LoadJournal(sb));
  state.journal = yield* loadJournal(sb.device, map, sb.geo.blockSize);
  yield* ext4OpenLog(sb, state.journal, state);
}

/** @source fs/ext4/super.c:ext4_set_resv_clusters() */
function keptClusters(sb: Ext4SuperBlock): number {
  const clusters = Math.floor(sb.geo.blocksCount / 2 ** sb.geo.clusterBits);
  return sb.has.extents ? Math.min(Math.floor(clusters / 50), RESERVED_CLUSTERS) : 0;
}

function statfs(sb: Ext4SuperBlock, state: MountState): Kstatfs {
  const { blockSize, blocksCount, clusterBits, inodesCount } = sb.geo;
  const ratio = 2 ** clusterBits;
  const bfree = sb.freeClusters * ratio;
  const reserved =
    sRBlocksCount.get(sb.sbh.view, sb.sbAt, sb.has.is64bit) + keptClusters(sb) * ratio;
  const word = (at: number): number =>
    new DataView(sb.uuid.buffer, sb.uuid.byteOffset).getUint32(at, true);
  return {
    type: EXT4_SUPER_MAGIC,
    bsize: blockSize,
    blocks: blocksCount - state.overhead,
    bfree,
    bavail: Math.max(0, bfree - reserved),
    files: inodesCount,
    ffree: sb.freeInodes,
    namelen: EXT4_NAME_LEN,
    fsid: [(word(0) ^ word(8)) >>> 0, (word(4) ^ word(12)) >>> 0],
  };
}

/** Free blocks as the super block itself counts them; an estimate while mounted. */
export const superFreeBlocks = (sb: Ext4SuperBlock): number =>
  sFreeBlocksCount.get(sb.sbh.view, sb.sbAt, sb.has.is64bit);
