/**
 * The journal at mount: found, judged, and, where it holds changes, recovered.
 *
 *     in memory              the copies over the device, fast commits replayed on top, all of it
 *                            read anew: who mounts for reading stays there
 *     mounted for writing    copies go home, are flushed, what fast commits changed likewise; only
 *                            then is the journal marked empty and "needs recovery" taken away
 * @source fs/ext4/super.c: ext4_load_journal(), ext4_mark_recovery_complete()
 */
import { CorruptError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import type { BlockDevice } from '../../block/block-device.ts';
import { JBD2_INCOMPAT } from '../../jbd2/disk.ts';
import { type LoadedJournal, loadJournal } from '../../jbd2/load.ts';
import { appendTransaction, logHolds } from '../../jbd2/log-append.ts';
import { readLog, type Recovery } from '../../jbd2/recovery.ts';
import { markJournalEmpty, writeBlocks, writeHome } from '../../jbd2/replay.ts';
import { tidAfter } from '../../jbd2/tid.ts';
import { EXT4_ERROR_FS, Superblock } from './disk/superblock.ts';
import { type FastCommitRecord, readFastCommits } from './fast-commit-read.ts';
import { replayFastCommits } from './fast-commit-replay.ts';
import { hasFeature, withFeature, writeFeatures } from './features.ts';
import { findJournal } from './journal-inode.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { armSuperBlock, ext4SuperDirty } from './super-write.ts';

/**
 * Find the journal of a mount and read its super block.
 * @throws EUCLEAN the journal is damaged (record and field are named); EINVAL it has a feature
 *   that nobody knows here; EIO
 */
export function* ext4LoadJournal(sb: Ext4SuperBlock): Op<LoadedJournal> {
  const { map, fromBackup } = yield* findJournal(sb);
  if (fromBackup && !sb.readOnly) {
    sb.readOnly = true;
    sb.warn('read-only because the inode of the journal is damaged: run e2fsck');
  }
  return yield* loadJournal(sb.device, map, sb.geo.blockSize);
}

/**
 * Does the image ask for a recovery? A log that holds something which the super block does not ask
 * for is no recovery: Linux passes over it too, since what it holds may be older than the image.
 */
export function needsRecovery(sb: Ext4SuperBlock, journal: LoadedJournal): boolean {
  if (hasFeature(sb.features, 'needs_recovery')) return true;
  if (journal.start !== 0) {
    sb.warn('the journal is not empty, but the super block asks for no recovery: passed over');
  }
  return false;
}

/** @throws EUCLEAN the log is damaged; EIO */
export const ext4ReadLog = (sb: Ext4SuperBlock, journal: LoadedJournal): Op<Recovery> =>
  readLog(sb.device, journal, sb.geo.blocksCount);

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** One sentence for the user, if there was something to recover. */
export function sayRecovered(sb: Ext4SuperBlock, recovery: Recovery, records: number): void {
  const { transactions, copies } = recovery;
  if (transactions + records === 0) return;
  const parts = [count(transactions, 'transaction'), count(copies.size, 'block')];
  if (records > 0) parts.push(count(records, 'fast commit record'));
  const where = sb.readOnly ? ' in memory, the image stays as it is' : '';
  sb.warn(`the journal was replayed${where}: ${parts.join(', ')}`);
}

/**
 * The fast commits that follow the log. @throws EINVAL, EUCLEAN they cannot be replayed; EIO
 */
export const ext4FastCommits = (
  sb: Ext4SuperBlock,
  journal: LoadedJournal,
  recovery: Recovery,
): Op<readonly FastCommitRecord[]> => readFastCommits(sb.device, journal, recovery.end, sb.geo);

/** Replay fast commits on a mount whose device keeps what is written in memory. */
export function* replayInMemory(
  sb: Ext4SuperBlock,
  records: readonly FastCommitRecord[],
): Op<void> {
  armSuperBlock(sb);
  const { readOnly } = sb;
  sb.readOnly = false;
  try {
    yield* replayFastCommits(sb, records);
    yield* sb.buffers.sync();
  } finally {
    sb.readOnly = readOnly;
  }
}

/**
 * Recover to the places themselves; the journal still says that it is to be recovered. The log's
 * copies go first. What the replay of fast commits has changed in memory then goes into the log as
 * one transaction, and home from there, so that a crash finds all of it or nothing.
 * @param changed  blocks that the replay of fast commits has changed
 * @returns the recovery as it is now. @throws EIO
 */
export const ext4RecoverHome = (
  ...args: Parameters<typeof recoverHome>
): ReturnType<typeof recoverHome> => recoverySteps.home(...args);

function* recoverHome(
  device: BlockDevice,
  journal: LoadedJournal,
  recovery: Recovery,
  changed: ReadonlyMap<number, Uint8Array>,
): Op<Recovery> {
  yield* writeHome(device, journal, recovery);
  if (changed.size === 0) return recovery;
  let { end, head } = recovery;
  // Records of a thousand files may change more blocks than a short log has. Then a crash in
  // between finds some of them at home, and the replay is done again on top of them.
  if (logHolds(journal, changed.size)) {
    head = yield* appendTransaction(device, journal, end, head, changed);
    end = tidAfter(end);
  }
  yield* writeBlocks(device, journal.blockSize, changed);
  return { ...recovery, end, head, next: tidAfter(end) };
}

/** A table, so that a mistake can be put in the place of a step. */
export const recoverySteps = { home: recoverHome };

/** What the super block says of errors: the log's copy of it may know less. */
export interface ErrorRecord {
  readonly state: number;
  readonly bytes: readonly Uint8Array[];
}

/** From s_error_count on, and the four bytes that came later. @source ext4.h:EXT4_S_ERR_START */
const ERROR_FIELDS = [
  [Superblock.s_error_count.offset, Superblock.s_mount_opts.offset],
  [
    Superblock.s_first_error_time_hi.offset,
    Superblock.s_last_error_errcode.offset + Superblock.s_last_error_errcode.size,
  ],
] as const;

export const errorRecordOf = ({ sbh, sbAt }: Ext4SuperBlock): ErrorRecord => ({
  state: Superblock.s_state.get(sbh.view, sbAt) & EXT4_ERROR_FS,
  bytes: ERROR_FIELDS.map(([from, to]) => sbh.data.slice(sbAt + from, sbAt + to)),
});

/** Put it into the recovered super block. */
export function keepErrorRecord({ sbh, sbAt }: Ext4SuperBlock, record: ErrorRecord): void {
  const { s_state } = Superblock;
  s_state.set(sbh.view, sbAt, s_state.get(sbh.view, sbAt) | record.state);
  if (record.bytes[0]?.every((b) => b === 0)) return;
  for (const [i, [from]] of ERROR_FIELDS.entries()) sbh.data.set(record.bytes[i]!, sbAt + from);
}

/**
 * The error with which somebody gave the journal up becomes the file system's.
 * @source fs/ext4/super.c:ext4_clear_journal_err()
 */
export function takeOverError(sb: Ext4SuperBlock, journal: LoadedJournal): void {
  if (journal.errno === 0) return;
  const { view } = sb.sbh;
  const { s_state } = Superblock;
  s_state.set(view, sb.sbAt, s_state.get(view, sb.sbAt) | EXT4_ERROR_FS);
  sb.warn(`the journal was aborted after error ${journal.errno}: run e2fsck`);
}

/** Id of the first transaction after what a log holds that is passed over. */
function* afterPassedOver(sb: Ext4SuperBlock, journal: LoadedJournal): Op<Recovery['next']> {
  try {
    return (yield* ext4ReadLog(sb, journal)).next;
  } catch (e) {
    if (!(e instanceof CorruptError)) throw e;
    return tidAfter(journal.sequence);
  }
}

/**
 * Everything is home: mark the journal empty, then say so in the super block. In this order a
 * crash in between finds an empty log, and nothing to recover.
 * @param recovery  null: the log was passed over
 * @returns the journal as it is now: where a log that is written goes on
 * @throws EIO
 */
export function* ext4RecoveryDone(
  sb: Ext4SuperBlock,
  journal: LoadedJournal,
  recovery: Recovery | null,
): Op<LoadedJournal> {
  const { features } = sb;
  const asked = hasFeature(features, 'needs_recovery');
  if (asked || journal.errno !== 0) {
    // The errors first: they must not be lost with the journal that told of them.
    ext4SuperDirty(sb);
    yield* sb.buffers.sync();
  }
  const next = recovery?.next ?? (yield* afterPassedOver(sb, journal));
  const head = recovery?.head ?? journal.first;
  if (journal.start !== 0 || journal.errno !== 0) {
    yield* markJournalEmpty(sb.device, journal, next, head);
  }
  if (asked) {
    sb.features = withFeature(features, 'needs_recovery', false);
    writeFeatures(sb.sbh.view, sb.sbAt, sb.features);
    ext4SuperDirty(sb);
    yield* sb.buffers.sync();
  }
  const incompat = journal.incompat & ~JBD2_INCOMPAT.fast_commit;
  return { ...journal, incompat, start: 0, sequence: next, errno: 0 };
}
