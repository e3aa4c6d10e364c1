/**
 * The super block on its way back to the disk: counts, times, state, checksum.
 * @source fs/ext4/super.c: ext4_update_super(), ext4_commit_super()
 */
import { FsError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import { Work } from '../../sched/workqueue.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Journal } from '../../jbd2/handle.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import { setSuperblockCsum } from './checksum.ts';
import {
  EXT4_ERROR_FS,
  EXT4_VALID_FS,
  sFreeBlocksCount,
  sMtime,
  Superblock,
  sWtime,
} from './disk/superblock.ts';
import { INCOMPAT, RO_COMPAT } from './features.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** The super block goes home last: what it vouches for is on the medium before it. */
export const SUPER_WAVE = 2;

/** Free counts and the time of writing. Clusters are counted in memory, blocks on disk. */
export function storeCounts(sb: Ext4SuperBlock): void {
  const { view } = sb.sbh;
  const at = sb.sbAt;
  const blocks = sb.freeClusters * 2 ** sb.geo.clusterBits;
  sFreeBlocksCount.set(view, at, sb.has.is64bit, blocks);
  Superblock.s_free_inodes_count.set(view, at, sb.freeInodes);
  sWtime.set(view, at, sb.scheduler.clock.realtime().sec);
}

/** Put the checksum in when the block is written, whoever writes it. */
export function armSuperBlock(sb: Ext4SuperBlock): void {
  sb.sbh.wave = SUPER_WAVE;
  const csum = sb.has.metadataCsum;
  sb.sbh.trigger = (bh: BufferHead): void => {
    if (!(sb.journal instanceof LogJournal)) storeCounts(sb);
    if (csum) setSuperblockCsum(bh, sb.sbAt);
  };
}

/**
 * The super block's buffer was changed outside of a handle. With a log it must go through that like
 * every other change of it (orphan list), which a work item sees to.
 * @context Does not sleep.
 */
export function ext4SuperDirty(sb: Ext4SuperBlock): void {
  const { journal } = sb;
  if (!(journal instanceof LogJournal) || journal.aborted) {
    sb.buffers.markDirty(sb.sbh);
    return;
  }
  sb.superWork ??= new Work('ext4 super block', () => logSuper(sb, journal));
  sb.superQueue.queue(sb.superWork);
}

function* logSuper(sb: Ext4SuperBlock, journal: Journal): Op<void> {
  try {
    const handle = yield* journal.start(1);
    try {
      yield* journal.getWriteAccess(handle, sb.sbh);
      journal.dirtyMetadata(handle, sb.sbh);
    } finally {
      yield* journal.stop(handle);
    }
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    sb.buffers.markDirty(sb.sbh); // The log is dead: unmount writes it as it is.
  }
}

/** "The log holds what is not home": for whoever opens the image next. */
function markNeedsRecovery({ sbh, sbAt }: Ext4SuperBlock, needs: boolean): void {
  const field = Superblock.s_feature_incompat;
  const others = field.get(sbh.view, sbAt) & ~INCOMPAT.needs_recovery;
  field.set(sbh.view, sbAt, (needs ? others | INCOMPAT.needs_recovery : others) >>> 0);
}

/**
 * "Orphan present": who does not know the orphan file must not write here. It goes when the file is
 * known to be empty; after an error it stays, for e2fsck looks at the file then.
 * @source fs/ext4/super.c:ext4_setup_super(), ext4_put_super()
 */
function markOrphans({ sbh, sbAt, orphanFile }: Ext4SuperBlock, present: boolean): void {
  if (!orphanFile) return;
  const field = Superblock.s_feature_ro_compat;
  const others = field.get(sbh.view, sbAt) & ~RO_COMPAT.orphan_present;
  field.set(sbh.view, sbAt, (present ? others | RO_COMPAT.orphan_present : others) >>> 0);
}

/**
 * Say on disk that the file system is mounted for writing, before anything else is written.
 * @throws EIO
 */
export function* markMounted(sb: Ext4SuperBlock): Op<void> {
  const { view } = sb.sbh;
  const at = sb.sbAt;
  const s = Superblock;
  const now = sb.scheduler.clock.realtime().sec;
  // With a log the image is in order at every moment, once that is recovered.
  if (sb.journal instanceof LogJournal) markNeedsRecovery(sb, true);
  else s.s_state.set(view, at, s.s_state.get(view, at) & ~EXT4_VALID_FS);
  s.s_mnt_count.set(view, at, (s.s_mnt_count.get(view, at) + 1) & 0xffff);
  sMtime.set(view, at, now);
  markOrphans(sb, true);
  yield* writeSuperNow(sb);
}

/** Past the log, which is empty, dead, or not there. @throws EIO */
function* writeSuperNow(sb: Ext4SuperBlock): Op<void> {
  storeCounts(sb);
  sb.buffers.markDirty(sb.sbh);
  yield* sb.buffers.syncBuffer(sb.sbh);
  yield* sb.device.flush();
}

/** The log is empty and stays so: a copy of the image needs no recovery. @throws EIO */
export function* markFrozen(sb: Ext4SuperBlock, frozen: boolean): Op<void> {
  markNeedsRecovery(sb, !frozen);
  yield* writeSuperNow(sb);
}

/**
 * Everything is home: say that the file system was left in order. An error that was found stays
 * on record, and e2fsck will look.
 * @param clean  what VALID_FS said when it was mounted
 * @param logEmpty  the log holds nothing that is wanted
 */
export function* markUnmounted(sb: Ext4SuperBlock, clean: boolean, logEmpty: boolean): Op<void> {
  const { view } = sb.sbh;
  const at = sb.sbAt;
  const s = Superblock;
  const state = s.s_state.get(view, at);
  const valid = clean && (state & EXT4_ERROR_FS) === 0;
  s.s_state.set(view, at, valid ? state | EXT4_VALID_FS : state & ~EXT4_VALID_FS);
  if (sb.orphanFile?.empty && !sb.readOnly) markOrphans(sb, false);
  if (sb.journal instanceof LogJournal && logEmpty) markNeedsRecovery(sb, false);
  yield* writeSuperNow(sb);
}
