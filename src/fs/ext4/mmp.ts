/**
 * Multi-mount protection: one block says who has the file system, and keeps changing while it does.
 *
 *   clean --mount rw--> our number, new every few seconds --unmount--> clean
 *
 * A mount that finds another number refuses: whoever wrote it may be alive. Linux waits and looks
 * whether the number moves; we do not wait, because a caller without an event loop cannot, and say
 * instead who holds it and how the mark is cleared.
 * @source filesystems/ext4/mmp.rst; fs/ext4/mmp.c
 */
import { corrupted, errno, FsError } from '../../base/errno.ts';
import { pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { Bio, REQ_FUA, REQ_META } from '../../block/bio.ts';
import { sector, SECTOR_SIZE } from '../../base/units.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { mmpCsumOk, setMmpCsum } from './checksum.ts';
import {
  EXT4_MMP_MAGIC,
  EXT4_MMP_MAX_CHECK_INTERVAL,
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
  private readonly sb: Ext4SuperBlock;
  private readonly bh: BufferHead;
  private cancel: (() => void) | null = null;
  private busy = false;

  constructor(sb: Ext4SuperBlock, bh: BufferHead) {
    this.sb = sb;
    this.bh = bh;
  }

  /** Take the file system and go on saying so. @throws EIO */
  *take(): Op<void> {
    yield* this.write(this.sb.scheduler.chance.below(EXT4_MMP_SEQ_MAX) + 1);
    this.arm();
  }

  /** Give it back. */
  *release(): Op<void> {
    this.cancel?.();
    this.cancel = null;
    if (!this.sb.device.readOnly) yield* this.write(EXT4_MMP_SEQ_CLEAN);
    this.bh.put();
  }

  /** Nothing was taken: a mount that failed, or one for reading. */
  drop(): void {
    this.cancel?.();
    this.bh.put();
  }

  private arm(): void {
    const { scheduler } = this.sb;
    this.cancel = scheduler.clock.after(EXT4_MMP_UPDATE_INTERVAL * 1000, () => {
      if (!this.busy) scheduler.spawn('kmmpd', this.beat());
      this.arm();
    });
  }

  private *beat(): Op<void> {
    this.busy = true;
    try {
      const seq = Mmp.mmp_seq.get(this.bh.view, 0);
      yield* this.write(seq >= EXT4_MMP_SEQ_MAX ? 1 : seq + 1);
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      this.sb.warn(`multi-mount protection cannot be kept up: ${e.message}`);
    } finally {
      this.busy = false;
    }
  }

  private *write(seq: number): Op<void> {
    const { sb, bh } = this;
    const v = bh.view;
    Mmp.mmp_seq.set(v, 0, seq);
    Mmp.mmp_time.set(v, 0, sb.scheduler.clock.realtime().sec);
    Mmp.mmp_check_interval.set(v, 0, EXT4_MMP_UPDATE_INTERVAL);
    Mmp.mmp_nodename.set(v, 0, mmpNodeName());
    if (sb.has.metadataCsum) setMmpCsum(sb.csumSeed, bh);
    const bio = new Bio(
      'write',
      sector((bh.blocknr * sb.blockSize) / SECTOR_SIZE),
      REQ_META | REQ_FUA,
    );
    yield* sb.device.submitWait(bio.add(bh.data));
  }
}

/**
 * Look whether somebody else has the file system.
 * @throws EBUSY another node has it, or e2fsck runs; EUCLEAN the record is damaged
 */
export function* checkMmp(sb: Ext4SuperBlock): Op<MmpGuard> {
  const nr = Superblock.s_mmp_block.get(sb.sbh.view, sb.sbAt);
  const bh = yield* sb.buffers.bread(pblk(nr));
  try {
    const v = bh.view;
    const magic = Mmp.mmp_magic.get(v, 0);
    if (magic !== EXT4_MMP_MAGIC)
      throw corrupted('mmp_struct', 'mmp_magic', { pblk: nr, got: magic });
    if (sb.has.metadataCsum && !mmpCsumOk(sb.csumSeed, bh)) {
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
      const node = text(Mmp.mmp_nodename.get(v, 0)).replace(/[^\x20-\x7e]/g, '?');
      const why = `multi-mount protection: node "${node}" has this image mounted, or crashed with it`;
      throw errno('EBUSY', { mmp_seq: seq }, `${why} (tune2fs -f -E clear_mmp clears the mark)`);
    }
    return new MmpGuard(sb, bh);
  } catch (e) {
    bh.put();
    throw e;
  }
}
