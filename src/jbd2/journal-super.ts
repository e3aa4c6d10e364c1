/**
 * The journal's super block while the log is written: where the log begins, and why it ended.
 * @source fs/jbd2/journal.c: jbd2_journal_update_sb_log_tail(), jbd2_journal_update_sb_errno()
 */
import { FsError } from '../base/errno.ts';
import { sector, SECTOR_SIZE, type Tid } from '../base/units.ts';
import { lockClass } from '../sched/lock-class.ts';
import { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';
import { Bio, REQ_FUA, REQ_META, REQ_PREFLUSH } from '../block/bio.ts';
import type { BlockDevice } from '../block/block-device.ts';
import { setJournalSuperblockCsum } from './checksum.ts';
import { JBD2_CRC32C_CHKSUM, JournalSuperblock } from './disk.ts';
import type { LoadedJournal } from './load.ts';

/** One write of it at a time. */
const J_SUPERBLOCK = lockClass('j_superblock', { after: ['j_checkpoint_mutex'] });

/** What s_errno says of a log that could not be written: EIO. */
const EIO = 5;

export class JournalSuper {
  readonly uuid: Uint8Array;
  private readonly device: BlockDevice;
  private readonly loaded: LoadedJournal;
  private readonly data: Uint8Array;
  private readonly view: DataView;
  private readonly mutex = new Mutex(J_SUPERBLOCK);

  private constructor(device: BlockDevice, loaded: LoadedJournal, data: Uint8Array) {
    this.device = device;
    this.loaded = loaded;
    this.data = data;
    this.view = new DataView(data.buffer);
    this.uuid = JournalSuperblock.s_uuid.get(this.view, 0).slice();
  }

  /** @throws EIO */
  static *open(device: BlockDevice, loaded: LoadedJournal): Op<JournalSuper> {
    const data = new Uint8Array(loaded.blockSize);
    yield* device.transfer('read', loaded.map.pblkOf(0) * loaded.blockSize, data);
    return new JournalSuper(device, loaded, data);
  }

  /**
   * Tell where the log begins. What it leaves out is at home; it is flushed before this is written.
   * @param start  block of the journal; 0: it is empty
   * @param sequence  transaction there, or the next one
   * @throws EIO
   */
  *write(start: number, sequence: Tid): Op<void> {
    const { view, loaded } = this;
    const s = JournalSuperblock;
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    try {
      s.s_start.set(view, 0, start);
      s.s_sequence.set(view, 0, sequence);
      s.s_feature_compat.set(view, 0, loaded.compat >>> 0);
      s.s_feature_incompat.set(view, 0, loaded.incompat >>> 0);
      yield* this.submit();
    } finally {
      this.mutex.unlock();
    }
  }

  /** The log was given up. A device that does not take even this has nobody to tell. */
  *recordAbort(): Op<void> {
    try {
      if (!this.mutex.tryLock()) yield* this.mutex.lock();
      try {
        JournalSuperblock.s_errno.set(this.view, 0, -EIO >>> 0);
        yield* this.submit();
      } finally {
        this.mutex.unlock();
      }
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
    }
  }

  private *submit(): Op<void> {
    const { loaded, data, view } = this;
    if (loaded.checksum === 'v2' || loaded.checksum === 'v3') {
      JournalSuperblock.s_checksum_type.set(view, 0, JBD2_CRC32C_CHKSUM);
      setJournalSuperblockCsum({ data, view });
    }
    const at = (loaded.map.pblkOf(0) * loaded.blockSize) / SECTOR_SIZE;
    const bio = new Bio('write', sector(at), REQ_META | REQ_PREFLUSH | REQ_FUA).add(data);
    yield* this.device.submitWait(bio);
  }
}
