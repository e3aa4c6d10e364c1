/**
 * Checkpoint: blocks of committed transactions go home, and then the log may use their copies' place
 * again.
 *
 *   write home -> flush -> super block: the log begins later -> its blocks are free
 *
 * Each arrow is an order on the medium: were the super block to come first, a crash would leave
 * neither the copy nor the block. Blocks also go home by the flusher; a checkpoint finds those
 * clean. A block that a later transaction has changed goes home when that one is durable.
 * @source fs/jbd2/checkpoint.c: jbd2_log_do_checkpoint(), jbd2_cleanup_journal_tail()
 */
import { errno } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import type { BufferHead } from '../buffer/buffer-head.ts';
import type { LogJournal } from './journal.ts';
import type { Transaction } from './transaction.ts';

/**
 * Give back the log of one transaction at least, of as many as can be.
 * @context No handle is held. May sleep for a commit. @throws EIO
 */
export function* checkpointOnce(j: LogJournal): Op<void> {
  trace('jbd2:checkpointOnce');
  const before = j.log.free;
  const { checkpointMutex: mutex } = j;
  if (!mutex.tryLock()) yield* mutex.lock();
  try {
    while (j.log.free <= before && j.checkpoints.length > 0 && !j.aborted) yield* step(j);
  } finally {
    mutex.unlock();
  }
}

/** Until nothing is left. @context As above, and nobody starts a handle. @throws EIO */
export function* checkpointAll(j: LogJournal): Op<void> {
  const { checkpointMutex: mutex } = j;
  if (!mutex.tryLock()) yield* mutex.lock();
  try {
    while (j.checkpoints.length > 0 && !j.aborted) yield* step(j);
  } finally {
    mutex.unlock();
  }
}

function* step(j: LogJournal): Op<void> {
  dropWritten(j);
  const oldest = j.checkpoints[0];
  if (oldest && oldest.checkpoint.size > 0) {
    yield* releaseHeld(j, oldest);
    yield* checkpointSteps.home(j, dirtyHeads(j));
    if (j.buffers.lossy) throw errno('EIO', {}, 'a block of the journal did not get home');
    dropWritten(j);
  }
  yield* checkpointSteps.tail(j);
}

/** Blocks that are clean by now need no copy any more. */
function dropWritten(j: LogJournal): void {
  j.watched.wrote();
  if (j.buffers.lossy) throw errno('EIO', {}, 'a block of the journal did not get home');
  for (const t of j.checkpoints) {
    for (const jh of t.checkpoint) {
      if (jh.bh.dirty || jh.busy || j.buffers.isWriting(jh.bh)) continue;
      t.checkpoint.delete(jh);
      jh.checkpoint = null;
      if (jh.bh.jh === jh) jh.bh.jh = null;
    }
  }
}

/** Blocks of `t` that later transactions have changed: those must be durable first. */
function* releaseHeld(j: LogJournal, t: Transaction): Op<void> {
  for (const jh of t.checkpoint) {
    const by = jh.running ?? jh.committing;
    if (by) {
      yield* j.commitTid(by.tid);
      return; // Everything has to be looked at again.
    }
  }
}

function dirtyHeads(j: LogJournal): BufferHead[] {
  const heads: BufferHead[] = [];
  for (const t of j.checkpoints) {
    for (const jh of t.checkpoint) if (jh.bh.dirty) heads.push(jh.bh);
  }
  return heads;
}

/** The log begins with the oldest transaction that has something left. */
function* moveTail(j: LogJournal): Op<void> {
  const { checkpoints } = j;
  let done = 0;
  while (done < checkpoints.length && checkpoints[done]!.checkpoint.size === 0) done++;
  if (done === 0) return;
  const next = checkpoints[done] ?? j.committing;
  const start = next ? next.logStart : j.log.head;
  const sequence = next ? next.tid : (j.running?.tid ?? j.nextTid);
  yield* j.writeSuper(start, sequence);
  j.watched.wrote();
  checkpoints.splice(0, done);
  j.log.advance(start);
  j.turned.wakeAll();
}

/** A table, so that a mistake can be put in the place of a step. */
export const checkpointSteps = {
  home: (j: LogJournal, heads: BufferHead[]): Op<void> => j.buffers.writeHome(heads),
  tail: moveTail,
};
