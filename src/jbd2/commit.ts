/**
 * Committing a transaction, one function a phase:
 *
 *   lock      no new handles; wait until the open ones have stopped
 *   switch    running becomes committing, the next one may begin; blocks change hands
 *   announce  the journal's super block stops saying that the log is empty
 *   write     revoke records, then descriptors each followed by the copies of its blocks
 *   record    flush what came before, then the commit block, durable
 *   finish    blocks wait for their checkpoint; freed blocks may be used again; sleepers wake
 *
 * A crash before `record` loses the whole transaction, a crash after it nothing.
 * File data needs no phase: it is flushed by `record`, and only then do its extents say "written".
 * @source fs/jbd2/commit.c:jbd2_journal_commit_transaction()
 */
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { type Bio, REQ_FUA, REQ_PREFLUSH } from '../block/bio.ts';
import { journalTagCsum, setJournalCommitCsum, setJournalTailCsum } from './checksum.ts';
import {
  CommitHeader,
  JBD2_COMMIT_BLOCK,
  JBD2_CRC32_CHKSUM,
  JBD2_DESCRIPTOR_BLOCK,
  JBD2_FLAG_ESCAPE,
  JBD2_FLAG_LAST_TAG,
  JBD2_FLAG_SAME_UUID,
  JBD2_MAGIC_NUMBER,
  JBD2_REVOKE_BLOCK,
  JournalBlockTail,
  JournalHeader,
  RevokeHeader,
  tagBytes,
  writeTag,
} from './disk.ts';
import type { LogJournal } from './journal.ts';
import { type LogBlock, LogWriter } from './log-writer.ts';
import type { JournalHead, Transaction } from './transaction.ts';

/** @context The commit thread; `t` is the running transaction. @throws EIO: the journal is dead */
export function* commitTransaction(j: LogJournal, t: Transaction): Op<void> {
  trace('jbd2:commitTransaction');
  yield* commitPhases.lock(j, t);
  const heads = commitPhases.switch(j, t);
  if (j.saysEmpty) yield* j.writeSuper(t.logStart, t.tid);
  const crc = yield* commitPhases.write(j, t, heads);
  yield* commitPhases.record(j, t, crc);
  commitPhases.finish(j, t, heads);
}

function* lockPhase(j: LogJournal, t: Transaction): Op<void> {
  t.state = 'locked';
  t.stopTimer?.();
  t.stopTimer = null;
  j.watched.wrote();
  yield* j.turned.waitFor(() => t.updates === 0, 'handles of the transaction');
  const { summary } = j.setup;
  if (!summary || t.empty) return;
  yield* j.access(t, summary.bh);
  summary.store();
  (summary.bh.jh as JournalHead).modified = true;
}

/** @returns the blocks that the log gets, in the order of their places */
function switchPhase(j: LogJournal, t: Transaction): JournalHead[] {
  j.watched.wrote();
  const heads: JournalHead[] = [];
  for (const jh of t.heads) {
    if (!jh.modified && !t.forgotten.has(jh)) {
      j.unfile(jh);
      continue;
    }
    if (jh.modified) heads.push(jh);
    jh.copied = !jh.modified; // Of a freed block there is nothing to be copied.
    jh.committing = t;
    jh.running = null;
    jh.modified = false;
    jh.wasDirty = false;
  }
  t.logStart = j.log.head;
  t.logNeed = j.logBlocks(heads.length, t.revoked.size);
  t.state = 'flush';
  j.running = null;
  j.committing = t;
  j.turned.wakeAll();
  return heads.sort((a, b) => a.bh.blocknr - b.bh.blocknr);
}

/** @returns version 1's checksum of what was written */
function* writePhase(j: LogJournal, t: Transaction, heads: readonly JournalHead[]): Op<number> {
  t.state = 'writing';
  const writer = new LogWriter(j, t);
  if (t.revoked.size > 0) yield* writeRevokes(j, t, writer);
  if (heads.length > 0) yield* writeBlocks(j, t, writer, heads);
  yield* writer.drain();
  return writer.crc;
}

function* recordPhase(j: LogJournal, t: Transaction, crc: number): Op<void> {
  t.state = 'record';
  const bio = commitRecord(j, t, crc, REQ_PREFLUSH | REQ_FUA);
  yield* j.buffers.device.submitWait(bio);
}

/** The write of the commit block. */
export function commitRecord(j: LogJournal, t: Transaction, crc: number, flags: number): Bio {
  const data = new Uint8Array(j.buffers.blockSize);
  const record = { at: j.log.take(), data, view: new DataView(data.buffer) };
  fillCommit(j, t, record, crc);
  return j.bio(record.at, record.data, flags);
}

function header(block: LogBlock, type: number, t: Transaction): void {
  JournalHeader.h_magic.set(block.view, 0, JBD2_MAGIC_NUMBER);
  JournalHeader.h_blocktype.set(block.view, 0, type);
  JournalHeader.h_sequence.set(block.view, 0, t.tid);
}

/** Bytes at the end of a descriptor or revoke block that are its checksum's. */
const tailBytes = ({ setup: { loaded } }: LogJournal): number =>
  loaded.layout.csumV2 || loaded.layout.csumV3 ? JournalBlockTail.$size : 0;

function* writeRevokes(j: LogJournal, t: Transaction, writer: LogWriter): Op<void> {
  const { layout, seed } = j.setup.loaded;
  const size = layout.wide ? 8 : 4;
  const end = j.buffers.blockSize - tailBytes(j);
  const left = [...t.revoked];
  while (left.length > 0) {
    const block = yield* writer.next();
    header(block, JBD2_REVOKE_BLOCK, t);
    let at: number = RevokeHeader.$size;
    for (const nr of left.splice(0, Math.floor((end - at) / size))) {
      if (layout.wide) block.view.setUint32(at, Math.floor(nr / 2 ** 32));
      block.view.setUint32(at + size - 4, nr % 2 ** 32);
      at += size;
    }
    RevokeHeader.r_count.set(block.view, 0, at);
    if (tailBytes(j) > 0) setJournalTailCsum(seed, block);
    writer.done(block, false);
  }
}

function* writeBlocks(
  j: LogJournal,
  t: Transaction,
  writer: LogWriter,
  heads: readonly JournalHead[],
): Op<void> {
  const { layout, seed } = j.setup.loaded;
  const { uuid } = j.setup.superBlock;
  const tag = tagBytes(layout);
  const end = j.buffers.blockSize - tailBytes(j);
  const most = Math.floor((end - JournalHeader.$size - uuid.length) / tag);
  for (let i = 0; i < heads.length; i += most) {
    const group = heads.slice(i, i + most);
    const descriptor = yield* writer.next();
    header(descriptor, JBD2_DESCRIPTOR_BLOCK, t);
    // The copies come after it in the log, and its tags need their checksums: the space for all of
    // a group is taken before the descriptor goes out.
    const copies: LogBlock[] = [];
    let at: number = JournalHeader.$size;
    for (const [n, jh] of group.entries()) {
      const copy = yield* writer.next();
      const escaped = copyOut(jh, copy);
      const flags =
        (escaped ? JBD2_FLAG_ESCAPE : 0) |
        (n > 0 ? JBD2_FLAG_SAME_UUID : 0) |
        (n === group.length - 1 ? JBD2_FLAG_LAST_TAG : 0);
      const checksum = tailBytes(j) > 0 ? journalTagCsum(seed, t.tid, copy.data) : 0;
      writeTag(descriptor.view, at, layout, { blocknr: jh.bh.blocknr, flags, checksum });
      at += tag;
      if (n === 0) {
        descriptor.data.set(uuid, at);
        at += uuid.length;
      }
      copies.push(copy);
    }
    if (tailBytes(j) > 0) setJournalTailCsum(seed, descriptor);
    writer.done(descriptor, true);
    for (const copy of copies) writer.done(copy, true);
  }
}

/** @returns true: the block begins with the journal's magic number, which was taken out */
function copyOut(jh: JournalHead, copy: LogBlock): boolean {
  if (jh.frozen) {
    copy.data.set(jh.frozen);
    jh.frozen = null;
  } else {
    jh.bh.trigger?.(jh.bh);
    copy.data.set(jh.bh.data);
  }
  jh.copied = true;
  if (copy.view.getUint32(0) !== JBD2_MAGIC_NUMBER) return false;
  copy.view.setUint32(0, 0);
  return true;
}

function fillCommit(j: LogJournal, t: Transaction, block: LogBlock, crc: number): void {
  const { loaded, scheduler } = j.setup;
  const now = scheduler.clock.realtime();
  header(block, JBD2_COMMIT_BLOCK, t);
  CommitHeader.h_commit_sec.set(block.view, 0, now.sec);
  CommitHeader.h_commit_nsec.set(block.view, 0, now.nsec);
  if (loaded.checksum === 'v2' || loaded.checksum === 'v3') {
    setJournalCommitCsum(loaded.seed, block);
  } else if (loaded.checksum === 'v1') {
    CommitHeader.h_chksum_type.set(block.view, 0, JBD2_CRC32_CHKSUM);
    CommitHeader.h_chksum_size.set(block.view, 0, 4);
    block.view.setUint32(CommitHeader.h_chksum.offset, crc);
  }
}

function finishPhase(j: LogJournal, t: Transaction, heads: readonly JournalHead[]): void {
  j.watched.wrote();
  t.state = 'finished';
  t.logNeed = 0;
  for (const jh of heads) {
    jh.checkpoint?.checkpoint.delete(jh);
    jh.checkpoint = t;
    t.checkpoint.add(jh);
    jh.committing = null;
    jh.copied = false;
    // Changed again already: what goes home is what the next commit makes of it.
    if (jh.running === null) j.buffers.markDirty(jh.bh);
    else jh.wasDirty = true;
    if (jh.running === null) jh.bh.put();
  }
  for (const jh of t.forgotten) {
    jh.checkpoint?.checkpoint.delete(jh);
    jh.checkpoint = null;
    jh.committing = null;
    jh.copied = false;
    if (jh.running === null) jh.bh.put();
  }
  t.heads.clear();
  t.forgotten.clear();
  j.committing = null;
  j.committedTid = t.tid;
  j.commits++;
  j.blocksLogged += heads.length;
  j.checkpoints.push(t);
  for (const then of t.callbacks.splice(0)) then();
  j.turned.wakeAll();
}

/** A table, so that a mistake can be put in the place of a phase. */
export const commitPhases = {
  lock: lockPhase,
  switch: switchPhase,
  write: writePhase,
  record: recordPhase,
  finish: finishPhase,
};
