/**
 * Recovery: what the log holds that may not be home yet.
 *
 *   1. scan     which transactions are whole               log-scan.ts
 *   2. revoke   which copies are worthless                 revoke-table.ts
 *   3. replay   the last copy of every other block         here
 *
 * All three only read. What comes out is a list of blocks and of where their copies are, so that a
 * damaged log is refused before a byte is written, and so that the same list may be written home
 * (replay.ts) or looked through (block/overlay-device.ts).
 * @source fs/jbd2/recovery.c:jbd2_journal_recover()
 */
import { corrupted } from '../base/errno.ts';
import { type Tid } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import type { BlockDevice } from '../block/block-device.ts';
import { journalTagCsum } from './checksum.ts';
import { BlockTag, BlockTag3, JBD2_FLAG_ESCAPE, type Tag } from './disk.ts';
import type { LoadedJournal } from './load.ts';
import { LogReader } from './log-reader.ts';
import { type LogTransaction, scanLog } from './log-scan.ts';
import { RevokeTable } from './revoke-table.ts';
import { readTags } from './tags.ts';
import { tidAfter } from './tid.ts';

/** Where the newest copy of a block of the file system is. */
export interface LogCopy {
  /** Block of the journal. */
  readonly block: number;
  /** It began with the magic number, for which 0 stands in the log. */
  readonly escaped: boolean;
}

export interface Recovery {
  /** By block of the file system. */
  readonly copies: ReadonlyMap<number, LogCopy>;
  readonly transactions: number;
  /** Copies that were revoked. */
  readonly revoked: number;
  /** First transaction that is not in the log: the one that fast commits are of. */
  readonly end: Tid;
  /** Block of the log where it would begin. */
  readonly head: number;
  /**
   * Id of the first transaction after the recovery: none that can be found in the log, whole or
   * not, so that what is left there is never taken for new.
   */
  readonly next: Tid;
}

class Replay {
  readonly copies = new Map<number, LogCopy>();
  revoked = 0;
  private readonly log: LogReader;
  private readonly revokes: RevokeTable;
  private readonly blocks: number;

  constructor(log: LogReader, revokes: RevokeTable, blocks: number) {
    this.log = log;
    this.revokes = revokes;
    this.blocks = blocks;
  }

  /** Take the copies behind one descriptor block. */
  *descriptor(tid: Tid, at: number): Op<void> {
    const { log } = this;
    const { view } = yield* log.read(at);
    const tags = readTags(log.journal, view);
    for (const [i, tag] of tags.entries()) {
      const block = log.after(at, i + 1);
      if (this.revokes.covers(tag.blocknr, tid)) {
        this.revoked++;
        continue;
      }
      this.checkPlace(tag, tid, at);
      if (log.journal.checksum === 'v2' || log.journal.checksum === 'v3') {
        yield* this.checkCopy(tag, tid, block, tags.length - i - 1);
      }
      this.copies.set(tag.blocknr, { block, escaped: (tag.flags & JBD2_FLAG_ESCAPE) !== 0 });
    }
  }

  /** @param ahead  how many copies follow: no more than those is read, for the log may end there */
  private *checkCopy(tag: Tag, tid: Tid, block: number, ahead: number): Op<void> {
    const { journal } = this.log;
    const { data } = yield* this.log.read(block, ahead);
    const csum = journalTagCsum(journal.seed, tid, data);
    if (tag.checksum === (journal.layout.csumV3 ? csum : csum & 0xffff)) return;
    throw corrupted(this.record(), 't_checksum', {
      pblk: journal.map.pblkOf(block),
      home: tag.blocknr,
      tid,
    });
  }

  private checkPlace({ blocknr }: Tag, tid: Tid, at: number): void {
    const { map } = this.log.journal;
    if (blocknr < this.blocks && !map.holds(blocknr)) return;
    throw corrupted(this.record(), 't_blocknr', {
      pblk: map.pblkOf(at),
      tid,
      got: blocknr,
      want: `below ${this.blocks}, not in the journal`,
    });
  }

  private record(): string {
    return (this.log.journal.layout.csumV3 ? BlockTag3 : BlockTag).$name;
  }
}

function* readRevokes(log: LogReader, transactions: readonly LogTransaction[]): Op<RevokeTable> {
  const table = new RevokeTable();
  for (const { tid, revokes } of transactions) {
    for (const at of revokes) table.read(log.journal, at, (yield* log.read(at)).view, tid);
  }
  return table;
}

/**
 * Read what must be recovered; nothing is written.
 * @param blocks  of the file system: no copy may be of one behind it
 * @throws EUCLEAN the log is damaged, with record, field and transaction; EIO
 * @context May sleep for I/O. Memory is bounded by the length of the journal.
 */
export function* readLog(
  device: BlockDevice,
  journal: LoadedJournal,
  blocks: number,
): Op<Recovery> {
  const { start, sequence, first } = journal;
  if (start === 0) {
    const next = tidAfter(sequence);
    return { copies: new Map(), transactions: 0, revoked: 0, end: sequence, head: first, next };
  }
  const log = new LogReader(device, journal);
  const { transactions, end, head } = yield* scanLog(log);
  const replay = new Replay(log, yield* readRevokes(log, transactions), blocks);
  for (const { tid, descriptors } of transactions) {
    for (const at of descriptors) yield* replay.descriptor(tid, at);
  }
  const { copies, revoked } = replay;
  return { copies, transactions: transactions.length, revoked, end, head, next: tidAfter(end) };
}
