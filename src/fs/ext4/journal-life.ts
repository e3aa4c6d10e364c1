/**
 * From a loaded journal to one that is written, and back: the log of a mount.
 *
 *   mounted for writing: features set, log open, "needs recovery" on the medium
 *     -> [freeze, remount, unmount] everything home, log empty, "needs recovery" gone
 *
 * @source fs/ext4/super.c: ext4_load_journal(), set_journal_csum_feature_set(), ext4_put_super()
 */
import type { FsError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import { JBD2_COMPAT, JBD2_INCOMPAT, journalLayout } from '../../jbd2/disk.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import { JournalSuper } from '../../jbd2/journal-super.ts';
import type { LoadedJournal } from '../../jbd2/load.ts';
import { ext4JournalAborted } from './error.ts';
import type { DataMode } from './options.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { storeCounts } from './super-write.ts';

const CHECKSUMS =
  JBD2_INCOMPAT.journal_checksum_v2 |
  JBD2_INCOMPAT.journal_checksum_v3 |
  JBD2_INCOMPAT.journal_async_commit;

/**
 * The features under which the log is written. A journal with a super block of version 1 has none.
 * @param old  what it was loaded with
 */
function writtenAs(sb: Ext4SuperBlock, old: LoadedJournal): LoadedJournal {
  if (!old.hasFeatures) return old;
  let incompat = (old.incompat & ~CHECKSUMS) | JBD2_INCOMPAT.journal_incompat_revoke;
  if (sb.has.metadataCsum) incompat |= JBD2_INCOMPAT.journal_checksum_v3;
  if (sb.has.is64bit) incompat |= JBD2_INCOMPAT.journal_64bit;
  return {
    ...old,
    compat: old.compat & ~JBD2_COMPAT.journal_checksum,
    incompat,
    layout: journalLayout(incompat),
    checksum: sb.has.metadataCsum ? 'v3' : 'none',
  };
}

/** Mount options that the log goes by. */
export interface LogOptions {
  readonly commitMs: number;
  readonly data: DataMode;
}

/**
 * Open the log, which is empty. Nothing is written yet.
 */
export function* ext4OpenLog(sb: Ext4SuperBlock, found: LoadedJournal, how: LogOptions): Op<void> {
  const loaded = writtenAs(sb, found);
  sb.zeroesNewBlocks = how.data === 'ordered';
  sb.journal = new LogJournal({
    buffers: sb.buffers,
    scheduler: sb.scheduler,
    loaded,
    superBlock: yield* JournalSuper.open(sb.device, loaded),
    commitMs: how.commitMs,
    summary: {
      bh: sb.sbh,
      store: () => {
        storeCounts(sb);
      },
    },
    onAbort: (error: FsError) => {
      ext4JournalAborted(sb, error);
    },
  });
}

/**
 * Everything home and the log empty. @returns false: the journal was aborted, and keeps what it has
 */
export function* ext4CloseLog(sb: Ext4SuperBlock): Op<boolean> {
  const { journal } = sb;
  if (!(journal instanceof LogJournal)) return true;
  if (!journal.aborted) yield* journal.flush();
  yield* journal.stopThread();
  return !journal.aborted;
}
