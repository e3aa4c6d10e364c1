/**
 * Multi-mount protection: one block says who has the file system, and keeps changing while it does.
 *
 *   clean --mount rw--> our number, new every few seconds --unmount--> clean
 *
 * A mount that finds another number refuses: whoever wrote it may be alive. Linux waits and looks
 * whether the number moves; we do not wait, because a caller without an event loop cannot, and say
 * instead who holds it and how the mark is cleared.
 *
 * Before each change the block is read again. A number that is not ours means that somebody took
 * us for dead: a program that made no call for long gave no sign of life either. Then nothing more
 * is changed.
 * @source filesystems/ext4/mmp.rst; fs/ext4/mmp.c
 */
import { corrupted, errno, FsError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import { REQ_FUA, REQ_META } from '../../block/bio.ts';
import type { BlockDevice } from '../../block/block-device.ts';
import { mmpCsumOk, type RawBlock, rawBlock, setMmpCsum } from './checksum.ts';
import {
  EXT4_MMP_MAGIC,
  EXT4_MMP_MAX_CHECK_INTERVAL,
  EXT4_MMP_MIN_CHECK_INTERVAL,
  EXT4_MMP_SEQ_CLEAN,
  EXT4_MMP_SEQ_FSCK,
  EXT4_MMP_SEQ_MAX,
  EXT4_MMP_UPDATE_INTERVAL,
  Mmp,
} from './disk/mmp.ts';
import { Superblock } from './disk/superblock.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
};

/** What we call ourselves in the record: no rank below the platform knows the host's name. */
export function mmpNodeName(): Uint8Array {
  const name = new Uint8Array(Mmp.mmp_nodename.size);
  name.set([...'foliofs'].map((c) => c.charCodeAt(0)));
  return name;
}

/** The protection of one mounted file system. */
export class MmpGuard {
  private sb: Ext4SuperBlock;
  /** The device of the first mount: what is recovered in memory between is nobody else's to see. */
  private readonly device: BlockDevice;
  /** Byte of the record on it. */
  private readonly place: number;
  /** The record as we last read or wrote it; not in the buffer cache, for others change it. */
  private readonly block: RawBlock;
  /** Seconds between two signs of life, as the super block asks for. */
  private readonly interval: number;
  private cancel: (() => void) | null = null;
  private busy = false;
  private taken = false;
  /** When the last sign of life was given, ms. */
  private last = 0;

  constructor(sb: Ext4SuperBlock, block: RawBlock) {
    this.sb = sb;
    this.device = sb.device;
    this.place = placeOf(sb);
    this.block = block;
    const asked = Superblock.s_mmp_interval.get(sb.sbh.view, sb.sbAt) || EXT4_MMP_UPDATE_INTERVAL;
    this.interval = Math.min(asked, EXT4_MMP_MAX_CHECK_INTERVAL);
  }

  /** The image was recovered and is read anew: what is held is held for `sb`. */
  moveTo(sb: Ext4SuperBlock): this {
    this.sb = sb;
    return this;
  }

  get held(): boolean {
    return this.taken;
  }

  /**
   * Take the file system and go on saying so.
   * @throws EBUSY somebody else took it at the same time; EIO
   */
  *take(): Op<void> {
    yield* this.write(this.sb.scheduler.chance.below(EXT4_MMP_SEQ_MAX) + 1);
    yield* this.verify();
    this.taken = true;
    this.arm();
  }

  /**
   * Nobody has the file system any more: unmounted, or a mount that failed. Without a mark of ours
   * nothing is written. @throws EBUSY it is no longer ours to give back; EIO
   */
  *release(): Op<void> {
    this.cancel?.();
    this.cancel = null;
    if (!this.taken) return;
    yield* this.verify();
    this.taken = false;
    yield* this.write(EXT4_MMP_SEQ_CLEAN);
  }

  /** Let go without a word: what could be written was, or it is too late for that. */
  drop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  /**
   * A sign of life, if one is due.
   * @param now  in any case: something is about to be written that must not go to another's image
   * @throws EBUSY somebody else has the file system; EIO
   */
  *keep(now = false): Op<void> {
    if (!this.taken || this.busy) return;
    const since = this.sb.scheduler.clock.monotonicMs() - this.last;
    if (now || since >= this.interval * 1000) yield* this.beat();
  }

  private arm(): void {
    const { scheduler } = this.sb;
    this.cancel = scheduler.clock.after(this.interval * 1000, () => {
      if (!this.busy) scheduler.spawn('kmmpd', this.beatOrWarn());
      this.arm();
    });
  }

  private *beatOrWarn(): Op<void> {
    try {
      yield* this.beat();
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      this.sb.warn(`multi-mount protection cannot be kept up: ${e.message}`);
    }
  }

  private *beat(): Op<void> {
    this.busy = true;
    try {
      yield* this.verify();
      const seq = Mmp.mmp_seq.get(this.block.view, 0);
      yield* this.write(seq >= EXT4_MMP_SEQ_MAX ? 1 : seq + 1);
    } finally {
      this.busy = false;
    }
  }

  /** Is what stands there what we wrote? If not, not a byte more may change. */
  private *verify(): Op<void> {
    const { sb, block } = this;
    const now = yield* readBlock(this.device, this.place, sb.geo.blockSize);
    const mine = Mmp.mmp_seq.get(block.view, 0);
    const got = Mmp.mmp_seq.get(now.view, 0);
    if (got === mine && nodeOf(now) === nodeOf(block)) return;
    this.taken = false;
    this.drop();
    sb.readOnly = true;
    sb.journal.aborted = true;
    const why = `node "${nodeOf(now)}" took this image while it was mounted`;
    throw errno('EBUSY', { mmp_seq: got }, `multi-mount protection: ${why}: run e2fsck`);
  }

  private *write(seq: number): Op<void> {
    const { sb, block } = this;
    const v = block.view;
    this.last = sb.scheduler.clock.monotonicMs();
    Mmp.mmp_seq.set(v, 0, seq);
    Mmp.mmp_time.set(v, 0, sb.scheduler.clock.realtime().sec);
    const patience = Math.max(2 * this.interval, EXT4_MMP_MIN_CHECK_INTERVAL);
    Mmp.mmp_check_interval.set(v, 0, Math.min(patience, EXT4_MMP_MAX_CHECK_INTERVAL));
    Mmp.mmp_nodename.set(v, 0, mmpNodeName());
    if (sb.has.metadataCsum) setMmpCsum(sb.csumSeed, block);
    yield* this.device.transfer('write', this.place, block.data, REQ_META | REQ_FUA);
  }
}

const nodeOf = (block: RawBlock): string =>
  text(Mmp.mmp_nodename.get(block.view, 0)).replace(/[^\x20-\x7e]/g, '?');

const placeOf = (sb: Ext4SuperBlock): number =>
  Superblock.s_mmp_block.get(sb.sbh.view, sb.sbAt) * sb.geo.blockSize;

function* readBlock(device: BlockDevice, place: number, blockSize: number): Op<RawBlock> {
  const data = new Uint8Array(blockSize);
  yield* device.transfer('read', place, data);
  return rawBlock(data);
}

/**
 * Look whether somebody else has the file system.
 * @throws EBUSY another node has it, or e2fsck runs; EUCLEAN the record is damaged
 */
export function* checkMmp(sb: Ext4SuperBlock): Op<MmpGuard> {
  const nr = Superblock.s_mmp_block.get(sb.sbh.view, sb.sbAt);
  const block = yield* readBlock(sb.device, placeOf(sb), sb.geo.blockSize);
  const v = block.view;
  const magic = Mmp.mmp_magic.get(v, 0);
  if (magic !== EXT4_MMP_MAGIC)
    throw corrupted('mmp_struct', 'mmp_magic', { pblk: nr, got: magic });
  if (sb.has.metadataCsum && !mmpCsumOk(sb.csumSeed, block)) {
    throw corrupted('mmp_struct', 'mmp_checksum', { pblk: nr });
  }
  const interval = Mmp.mmp_check_interval.get(v, 0);
  if (interval > EXT4_MMP_MAX_CHECK_INTERVAL) {
    throw corrupted('mmp_struct', 'mmp_check_interval', { pblk: nr, got: interval });
  }
  const seq = Mmp.mmp_seq.get(v, 0);
  if (seq === EXT4_MMP_SEQ_FSCK)
    throw errno('EBUSY', { mmp_seq: seq }, 'e2fsck is running on this image');
  if (seq !== EXT4_MMP_SEQ_CLEAN) {
    const who = `node "${nodeOf(block)}" has this image mounted, or crashed with it`;
    const how = 'tune2fs -f -E clear_mmp clears the mark';
    throw errno('EBUSY', { mmp_seq: seq }, `multi-mount protection: ${who} (${how})`);
  }
  return new MmpGuard(sb, block);
}
