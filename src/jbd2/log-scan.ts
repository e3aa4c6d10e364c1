/**
 * The first pass over the log: which transactions are whole, and where the log ends.
 *
 *   descriptor, copies, ..., revokes, ..., commit | descriptor, ..., commit | whatever is older
 *
 * The log ends at the first block that is not of the transaction that must come next: its place
 * was never written, or only half, or not since the last turn of the ring. A wrong checksum is
 * such an end too where the block turns out to be older than what stands before it; where it is
 * not, a transaction that was reported durable is damaged, and nobody may go on as if it had not
 * been.
 * @source fs/jbd2/recovery.c:do_one_pass(); filesystems/ext4/journal.rst
 */
import { crc32be } from '../base/checksum.ts';
import { corrupted } from '../base/errno.ts';
import { type Tid } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { journalCommitCsumOk, journalTailCsumOk } from './checksum.ts';
import {
  COMMIT_CHKSUM_OFFSET,
  CommitHeader,
  JBD2_COMMIT_BLOCK,
  JBD2_CRC32_CHKSUM,
  JBD2_DESCRIPTOR_BLOCK,
  JBD2_INCOMPAT,
  JBD2_MAGIC_NUMBER,
  JBD2_REVOKE_BLOCK,
  JournalHeader,
} from './disk.ts';
import type { LogBlock, LogReader } from './log-reader.ts';
import { readTags } from './tags.ts';
import { tidAfter } from './tid.ts';

/** A whole transaction: where its descriptor and revoke blocks are. */
export interface LogTransaction {
  readonly tid: Tid;
  readonly descriptors: number[];
  readonly revokes: number[];
}

export interface LogScan {
  readonly transactions: readonly LogTransaction[];
  /** The transaction that would have come next. */
  readonly end: Tid;
  /** Block where it would begin. */
  readonly head: number;
}

/** Bytes of the checksum in a commit block of version 1. */
const CRC32_SIZE = 4;
const ALL_ONES = 0xffff_ffff;

const fresh = (tid: Tid): LogTransaction => ({ tid, descriptors: [], revokes: [] });

class Scan {
  private readonly log: LogReader;
  private readonly guarded: boolean;
  private readonly v1: boolean;
  private readonly whole: LogTransaction[] = [];
  private current: LogTransaction;
  private block: number;
  private head: number;
  /** Blocks that may still be looked at: a log has no more of them than the ring. */
  private left: number;
  /** Version 1: over the blocks since the last commit. */
  private crc = ALL_ONES;
  /** A block of the current transaction has a wrong checksum: its commit block says what of it. */
  private doubtful = false;
  private lastCommit = 0;

  constructor(log: LogReader) {
    const { journal } = log;
    this.log = log;
    this.guarded = journal.checksum === 'v2' || journal.checksum === 'v3';
    this.v1 = journal.checksum === 'v1';
    this.current = fresh(journal.sequence);
    this.block = this.head = journal.start;
    this.left = journal.last - journal.first;
  }

  *run(): Op<LogScan> {
    while (this.left > 0 && (yield* this.step()));
    return { transactions: this.whole, end: this.current.tid, head: this.head };
  }

  private advance(by: number): void {
    this.block = this.log.after(this.block, by);
    this.left -= by;
  }

  /** One block of the log's own. False: the log ends here. */
  private *step(): Op<boolean> {
    const at = this.block;
    const b = yield* this.log.read(at);
    if (JournalHeader.h_magic.get(b.view, 0) !== JBD2_MAGIC_NUMBER) return false;
    if (JournalHeader.h_sequence.get(b.view, 0) !== this.current.tid) return false;
    this.advance(1);
    switch (JournalHeader.h_blocktype.get(b.view, 0)) {
      case JBD2_DESCRIPTOR_BLOCK:
        this.checkTail(b);
        this.current.descriptors.push(at);
        yield* this.passCopies(b);
        return true;
      case JBD2_REVOKE_BLOCK:
        this.checkTail(b);
        this.current.revokes.push(at);
        return true;
      case JBD2_COMMIT_BLOCK:
        return yield* this.commit(b, at);
      default:
        return false;
    }
  }

  private checkTail(b: LogBlock): void {
    if (this.guarded && !journalTailCsumOk(this.log.journal.seed, b)) this.doubtful = true;
  }

  /** Go past the copies that a descriptor names; version 1 looks at every byte of them. */
  private *passCopies(descriptor: LogBlock): Op<void> {
    const count = readTags(this.log.journal, descriptor.view).length;
    if (this.v1) {
      this.crc = crc32be(this.crc, descriptor.data);
      for (let i = 0; i < Math.min(count, this.left); i++) {
        const { data } = yield* this.log.read(this.log.after(this.block, i), count - i);
        this.crc = crc32be(this.crc, data);
      }
    }
    this.advance(count);
  }

  private *commit(b: LogBlock, at: number): Op<boolean> {
    const when = CommitHeader.h_commit_sec.get(b.view, 0);
    const stale = when < this.lastCommit;
    if (this.doubtful || !this.commitOk(b)) {
      // From an earlier turn of the ring, before the file system was made anew over it.
      if (stale) return false;
      const quiet = !this.doubtful && (yield* this.mayBeUnfinished());
      if (quiet) return false;
      throw corrupted('commit_header', 'h_chksum', {
        pblk: this.log.journal.map.pblkOf(at),
        tid: this.current.tid,
        why: 'a transaction of the journal is damaged',
      });
    }
    this.crc = ALL_ONES;
    this.lastCommit = when;
    this.whole.push(this.current);
    this.current = fresh(tidAfter(this.current.tid));
    this.head = this.block;
    return true;
  }

  private commitOk(b: LogBlock): boolean {
    if (this.v1) return v1Ok(b, this.crc);
    if (!this.guarded) return true;
    const { seed } = this.log.journal;
    return journalCommitCsumOk(seed, b) || headOnlyOk(seed, b);
  }

  /**
   * With journal_async_commit the commit block goes out together with what it vouches for, and a
   * crash may keep the one without the other: that is an end of the log, unless a later
   * transaction was finished after it.
   */
  private *mayBeUnfinished(): Op<boolean> {
    const { incompat } = this.log.journal;
    if ((incompat & JBD2_INCOMPAT.journal_async_commit) === 0) return false;
    if (!this.v1) return true;
    return !(yield* this.committedLater());
  }

  /** Is there a commit block of the next transaction? */
  private *committedLater(): Op<boolean> {
    const next = tidAfter(this.current.tid);
    while (this.left > 0) {
      const b = yield* this.log.read(this.block);
      if (JournalHeader.h_magic.get(b.view, 0) !== JBD2_MAGIC_NUMBER) return false;
      if (JournalHeader.h_sequence.get(b.view, 0) !== next) return false;
      this.advance(1);
      const type = JournalHeader.h_blocktype.get(b.view, 0);
      if (type === JBD2_COMMIT_BLOCK) return true;
      if (type === JBD2_DESCRIPTOR_BLOCK) {
        this.advance(readTags(this.log.journal, b.view).length);
      } else if (type !== JBD2_REVOKE_BLOCK) return false;
    }
    return false;
  }
}

/** Version 1: the commit block has the checksum of all that it ends, or says that it has none. */
function v1Ok(b: LogBlock, crc: number): boolean {
  const type = CommitHeader.h_chksum_type.get(b.view, 0);
  const size = CommitHeader.h_chksum_size.get(b.view, 0);
  const found = b.view.getUint32(COMMIT_CHKSUM_OFFSET);
  if (type === JBD2_CRC32_CHKSUM && size === CRC32_SIZE) return found === crc;
  return type === 0 && size === 0 && found === 0;
}

/**
 * A device may have kept only the first sector of a commit block, which says all there is to say;
 * the rest was zero when the checksum was made.
 * @source fs/jbd2/recovery.c:jbd2_commit_block_csum_verify_partial()
 */
function headOnlyOk(seed: number, b: LogBlock): boolean {
  const data = new Uint8Array(b.data.length);
  data.set(b.data.subarray(0, CommitHeader.$size));
  return journalCommitCsumOk(seed, { data, view: new DataView(data.buffer) });
}

/**
 * Find the whole transactions of a log that is not empty.
 * @throws EUCLEAN a transaction is damaged that must not be; EIO
 */
export const scanLog = (log: LogReader): Op<LogScan> => new Scan(log).run();
