/**
 * The log: handles join the running transaction, a commit makes it durable, a checkpoint brings its
 * blocks home and gives the log back.
 *
 *   start: wait while the transaction is locked, and for log space -> access, change, dirty -> stop
 *   commit.ts:     running -> log -> commit block        by time, by fsync, by size
 *   checkpoint.ts: log -> home, then the tail moves on   when a start finds no room; at the end
 *
 * Nobody who holds a handle waits for log space or for a commit, and a commit takes no lock of the
 * file system and waits for no folio: new file blocks are unwritten until their data is on the
 * device (docs/design/0003). So a start may always wait, also in the completion of write-back,
 * and there are no reserved handles.
 *
 * Limits: a transaction has at most a quarter of the log, and of the page cache an eighth.
 * @source fs/jbd2/transaction.c, fs/jbd2/journal.c
 */
import { assert } from '../base/assert.ts';
import { errno, FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type Pblk, sector, SECTOR_SIZE, type Tid } from '../base/units.ts';
import { lockBit, tryLockBit, unlockBit } from '../sched/bit-lock.ts';
import { lockClass, SHARED } from '../sched/lock-class.ts';
import { lockdepAcquire, lockdepRelease, lockdepWant } from '../sched/lockdep.ts';
import { Mutex } from '../sched/mutex.ts';
import type { Op } from '../sched/op.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import { Watched } from '../sched/watch.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { Work, Workqueue } from '../sched/workqueue.ts';
import { Bio, REQ_META } from '../block/bio.ts';
import { BUFFER_LOCK, type BufferHead } from '../buffer/buffer-head.ts';
import type { BufferCache } from '../buffer/buffer-cache.ts';
import { checkpointOnce, checkpointAll } from './checkpoint.ts';
import { commitTransaction } from './commit.ts';
import { tagBytes } from './disk.ts';
import { type Handle, JBD2_HANDLE, Journal } from './handle.ts';
import { LogRing } from './log-ring.ts';
import type { JournalSuper } from './journal-super.ts';
import type { LoadedJournal } from './load.ts';
import { tidAfter, tidGeq, tidGt } from './tid.ts';
import { JournalHead, Transaction } from './transaction.ts';

/** One checkpoint at a time. It may wait for a commit: it comes before all that a commit takes. */
const CHECKPOINT_MUTEX = lockClass('j_checkpoint_mutex', {
  after: ['inode.i_rwsem', 'mapping.invalidate_lock', 'folio', 's_umount', 'sb_internal'],
});
/** What a log is made from. */
export interface JournalSetup {
  readonly buffers: BufferCache;
  readonly scheduler: Scheduler;
  /** What loading found, the log being empty by now; its layout is what is written from now on. */
  readonly loaded: LoadedJournal;
  /** The journal's super block, which is ours from now on. */
  readonly superBlock: JournalSuper;
  /** A transaction is committed at this age at the latest. */
  readonly commitMs: number;
  /**
   * A block that goes into every transaction, and what is put into it when its last handle has
   * stopped: sums over everything, which no handle keeps.
   */
  readonly summary: { readonly bh: BufferHead; readonly store: () => void } | null;
  /** The log cannot be written any more. @context Does not sleep. */
  readonly onAbort: (error: FsError) => void;
}

export class LogJournal extends Journal {
  readonly setup: JournalSetup;
  readonly log: LogRing;
  readonly buffers: BufferCache;
  running: Transaction | null = null;
  committing: Transaction | null = null;
  /** Committed, not all at home; oldest first. */
  readonly checkpoints: Transaction[] = [];
  readonly checkpointMutex = new Mutex(CHECKPOINT_MUTEX);
  /** Blocks that one transaction may change. */
  readonly maxTransaction: number;
  /** Blocks in memory from which on nobody joins a transaction any more. */
  private readonly maxPinned: number;
  /** The number of the next transaction, and of the last that is durable. */
  nextTid: Tid;
  committedTid: Tid;
  /** The super block says that the log is empty: the next commit must say otherwise first. */
  saysEmpty = true;
  /** Commits written, and the blocks in them; for statistics. */
  commits = 0;
  blocksLogged = 0;
  /** Starts are held off: the file system is frozen or closed. */
  private barriers = 0;
  /** Up to which transaction a commit is wanted. */
  private wanted: Tid;
  private readonly queue: Workqueue;
  private readonly work: Work;
  /** A transaction was locked, switched, drained or finished; or the journal was aborted. */
  readonly turned = new WaitQueue('jbd2 transaction');
  /** The fields above, for the explorer: whoever looks at them depends on whoever changes them. */
  readonly watched = new Watched('journal');

  constructor(setup: JournalSetup) {
    super();
    this.setup = setup;
    this.buffers = setup.buffers;
    const { first, last, sequence } = setup.loaded;
    this.log = new LogRing(first, last);
    const { frames, frameSize } = setup.buffers.mapping.memory;
    const cacheBlocks = Math.floor((frames * frameSize) / setup.buffers.blockSize / 8);
    this.maxTransaction = Math.floor((last - first) / 4);
    this.maxPinned = cacheBlocks;
    this.nextTid = sequence;
    this.committedTid = tidAfter(sequence, -1);
    this.wanted = this.committedTid;
    this.queue = new Workqueue(setup.scheduler, 'jbd2');
    this.work = new Work('commit', () => this.commitWanted());
  }

  // ---- handles

  protected override *begin(handle: Handle): Op<void> {
    const need = handle.credits;
    if (need > this.maxTransaction) {
      const facts = { credits: need, most: this.maxTransaction };
      throw errno('ENOSPC', facts, 'the journal is too small for this operation');
    }
    for (;;) {
      if (this.aborted) throw errno('EROFS', {}, 'the journal was aborted');
      if (this.barriers > 0) {
        yield* this.turned.waitFor(() => this.barriers === 0 || this.aborted, 'journal barrier');
        continue;
      }
      this.watched.wrote();
      const t = this.running;
      if (t && this.isFull(t, need)) {
        this.requestCommit(t.tid);
        yield* this.turned.waitFor(() => this.running !== t || this.aborted, 'transaction switch');
        continue;
      }
      if (!this.hasRoom(need)) {
        yield* this.makeRoom();
        continue;
      }
      this.join(handle, t ?? this.newTransaction(), need);
      return;
    }
  }

  /** Nobody joins a transaction that is about to commit, or too large for the log or for memory. */
  private isFull(t: Transaction, need: number): boolean {
    if (t.state === 'locked') return true;
    return t.outstanding + need > this.maxTransaction || t.heads.size >= this.maxPinned;
  }

  private join(handle: Handle, t: Transaction, credits: number): void {
    t.updates++;
    t.outstanding += credits;
    handle.transaction = t;
    handle.tid = t.tid;
  }

  private newTransaction(): Transaction {
    const t = new Transaction(this.nextTid);
    this.nextTid = tidAfter(t.tid);
    this.running = t;
    const { scheduler, commitMs } = this.setup;
    t.stopTimer = scheduler.clock.after(commitMs, () => {
      t.stopTimer = null;
      this.requestCommit(t.tid);
    });
    return t;
  }

  /** Leave the transaction; what was not used is for others. */
  private leave(handle: Handle): Transaction | null {
    const t = handle.transaction as Transaction | null;
    if (!t) return null; // A restart that failed has left already.
    this.watched.wrote();
    handle.transaction = null;
    t.outstanding -= handle.credits;
    if (--t.updates === 0) this.turned.wakeAll();
    return t;
  }

  protected override *end(handle: Handle): Op<void> {
    const t = this.leave(handle);
    if (t && handle.sync) yield* this.commitTid(t.tid);
  }

  override extend(handle: Handle, credits: number): boolean {
    const t = handle.transaction as Transaction | null;
    if (!t || t.state !== 'running' || this.aborted) return false;
    this.watched.wrote();
    if (t.outstanding + credits > this.maxTransaction || !this.hasRoom(credits)) return false;
    t.outstanding += credits;
    handle.credits += credits;
    return true;
  }

  override *restart(handle: Handle, credits: number): Op<void> {
    trace('jbd2:LogJournal.restart');
    this.leave(handle);
    if (CHECKED) lockdepRelease(JBD2_HANDLE, handle, SHARED);
    handle.credits = credits;
    if (CHECKED) lockdepWant(JBD2_HANDLE, 0, SHARED, handle);
    try {
      yield* this.begin(handle);
    } finally {
      // Also after a failure: the caller's stop() lets go of it.
      if (CHECKED) lockdepAcquire(JBD2_HANDLE, 0, SHARED, handle);
    }
  }

  // ---- buffers

  override *getWriteAccess(handle: Handle, bh: BufferHead): Op<void> {
    yield* this.access(transactionOf(handle), bh);
  }

  /** Write access for a transaction that is not finished. @throws EROFS */
  *access(t: Transaction, bh: BufferHead): Op<void> {
    if (this.aborted) throw errno('EROFS', {}, 'the journal was aborted');
    // On its way home the device reads it: not to be changed under its eyes.
    if (!tryLockBit(bh, BUFFER_LOCK)) yield* lockBit(bh, BUFFER_LOCK);
    try {
      this.file(t, bh);
    } finally {
      unlockBit(bh, BUFFER_LOCK);
    }
  }

  override *getCreateAccess(handle: Handle, bh: BufferHead): Op<void> {
    yield* this.getWriteAccess(handle, bh);
    // In the present transaction it is alive again; older copies are dead all the same, for this
    // one is newer than they are.
    transactionOf(handle).revoked.delete(bh.blocknr);
  }

  private file(t: Transaction, bh: BufferHead): void {
    this.watched.wrote();
    const jh = (bh.jh ??= new JournalHead(bh)) as JournalHead;
    if (jh.running === t) return;
    assert(jh.running === null, 'a block in two running transactions');
    if (jh.committing === null) bh.hold();
    this.freeze(jh);
    jh.wasDirty = this.buffers.takeOver(bh);
    jh.running = t;
    jh.modified = false;
    t.heads.add(jh);
  }

  /** The log gets what the block holds now, whatever becomes of it. */
  private freeze(jh: JournalHead): void {
    if (jh.committing === null || jh.copied || jh.frozen !== null) return;
    trace('jbd2:LogJournal.freeze');
    jh.bh.trigger?.(jh.bh);
    jh.frozen = jh.bh.data.slice();
  }

  override dirtyMetadata(handle: Handle, bh: BufferHead): void {
    const jh = bh.jh as JournalHead | null;
    const t = handle.transaction as Transaction | null;
    if (this.aborted || !t) return; // It will never be written; stop() has told or will tell.
    assert(jh?.running === t, 'a block was changed without write access');
    this.watched.wrote();
    if (jh.modified) return;
    jh.modified = true;
    t.forgotten.delete(jh);
    if (handle.credits > 0) {
      handle.credits--;
    } else {
      assert(!CHECKED, 'a handle dirties more blocks than it has credits');
      t.outstanding++;
    }
  }

  override *forget(handle: Handle, bh: BufferHead): Op<void> {
    yield* this.revoke(handle, bh.blocknr);
  }

  override *revoke(handle: Handle, nr: Pblk): Op<void> {
    if (this.aborted) throw errno('EROFS', {}, 'the journal was aborted');
    const t = transactionOf(handle);
    this.watched.wrote();
    t.revoked.add(nr);
    const bh = this.buffers.peek(nr);
    if (!bh) return;
    const jh = bh.jh as JournalHead | null;
    if (jh) this.letGo(t, jh);
    this.buffers.forget(bh);
  }

  /** A freed block: it stays known for as long as an older transaction counts on this commit. */
  private letGo(t: Transaction, jh: JournalHead): void {
    const needed = jh.committing !== null || jh.checkpoint !== null;
    if (needed) this.file(t, jh.bh);
    if (jh.running !== t) return;
    if (jh.modified) t.outstanding--;
    jh.modified = false;
    jh.wasDirty = false;
    if (needed) t.forgotten.add(jh);
    else this.unfile(jh);
  }

  /** Out of the transaction that has it in `running`. */
  unfile(jh: JournalHead): void {
    jh.running?.heads.delete(jh);
    jh.running = null;
    jh.modified = false;
    if (jh.wasDirty) this.buffers.markDirty(jh.bh);
    jh.wasDirty = false;
    if (jh.committing === null) jh.bh.put();
  }

  override onCommit(handle: Handle, then: () => void): void {
    transactionOf(handle).callbacks.push(then);
  }

  // ---- commits

  override get runningTid(): Tid {
    return this.running?.tid ?? this.committing?.tid ?? this.committedTid;
  }

  /** Have the commit thread write `tid`, if it runs. @context Does not sleep. */
  requestCommit(tid: Tid): void {
    this.watched.wrote();
    if (this.running?.tid !== tid || this.aborted) return;
    this.wanted = tid;
    this.queue.queue(this.work);
  }

  /** The commit thread. */
  private *commitWanted(): Op<void> {
    for (;;) {
      const t = this.running;
      this.watched.read();
      if (!t || this.aborted || tidGt(t.tid, this.wanted)) return;
      yield* this.guarded(() => commitTransaction(this, t));
    }
  }

  override *commitTid(tid: Tid): Op<void> {
    trace('jbd2:LogJournal.commitTid');
    if (this.aborted) throw errno('EROFS', {}, 'the journal was aborted');
    this.watched.read();
    // A commit whose flush is over says nothing of data that was written since.
    const now = this.committing;
    const late = now?.tid === tid && now.state === 'record';
    if (tidGeq(this.committedTid, tid) || late) yield* this.buffers.device.flush();
    this.requestCommit(tid);
    yield* this.turned.waitFor(
      () => tidGeq(this.committedTid, tid) || this.aborted,
      'transaction commit',
    );
    if (tidGt(tid, this.committedTid)) throw errno('EIO', {}, 'the journal was aborted');
  }

  override *forceCommit(): Op<void> {
    trace('jbd2:LogJournal.forceCommit');
    const { running, committing } = this;
    if (running && (running.updates > 0 || !running.empty)) yield* this.commitTid(running.tid);
    else if (committing) yield* this.commitTid(committing.tid);
    else if (this.aborted) throw errno('EROFS', {}, 'the journal was aborted');
    else yield* this.buffers.device.flush();
  }

  // ---- log space

  /** Log blocks of a transaction that changes `blocks` blocks, the summary and commit blocks too. */
  logBlocks(blocks: number, revoked: number): number {
    const { layout } = this.setup.loaded;
    const room = this.buffers.blockSize - 64;
    const descriptors = Math.ceil(blocks / Math.floor(room / tagBytes(layout)));
    return blocks + descriptors + Math.ceil((revoked * 8) / room) + 3;
  }

  /** Could the running transaction change `more` blocks? */
  private hasRoom(more: number): boolean {
    const blocks = (this.running?.outstanding ?? 0) + more;
    // A credit may bring a revoke record with it.
    const need = this.logBlocks(blocks, (this.running?.revoked.size ?? 0) + blocks);
    return this.log.free - (this.committing?.logNeed ?? 0) >= need;
  }

  /** @context Holds no handle. */
  private *makeRoom(): Op<void> {
    trace('jbd2:LogJournal.makeRoom');
    const { running, committing } = this;
    if (this.checkpoints.length > 0) {
      yield* this.guarded(() => checkpointOnce(this));
    } else if (committing) {
      yield* this.turned.waitFor(() => this.committing !== committing || this.aborted, 'log space');
    } else if (running) {
      this.requestCommit(running.tid);
      yield* this.turned.waitFor(() => this.running !== running || this.aborted, 'log space');
    } else {
      throw errno('ENOSPC', { logBlocks: this.log.free }, 'the journal is too small');
    }
  }

  // ---- the journal's super block

  /**
   * Tell where the log begins. What it leaves out must be at home and flushed.
   * @param start  0: it is empty
   */
  *writeSuper(start: number, sequence: Tid): Op<void> {
    yield* this.setup.superBlock.write(start, sequence);
    this.saysEmpty = start === 0;
  }

  /** A write of one block of the journal. */
  bio(block: number, data: Uint8Array, flags = 0): Bio {
    const at = this.setup.loaded.map.pblkOf(block) * this.buffers.blockSize;
    return new Bio('write', sector(at / SECTOR_SIZE), REQ_META | flags).add(data);
  }

  // ---- the end

  /** Everything into the log and home, and the log empty; nobody starts meanwhile. */
  *flush(): Op<void> {
    trace('jbd2:LogJournal.flush');
    this.lockUpdates();
    try {
      yield* this.flushLocked();
    } finally {
      this.unlockUpdates();
    }
  }

  /** Hold off whoever wants to start a handle. @context Does not sleep. */
  lockUpdates(): void {
    this.watched.wrote();
    this.barriers++;
  }
  unlockUpdates(): void {
    this.watched.wrote();
    this.barriers--;
    this.turned.wakeAll();
  }

  /** Between lockUpdates() and unlockUpdates(). */
  *flushLocked(): Op<void> {
    yield* this.forceCommit();
    yield* this.guarded(() => checkpointAll(this));
    if (this.aborted) throw errno('EIO', {}, 'the journal was aborted');
    if (!this.saysEmpty) yield* this.writeSuper(0, this.nextTid);
  }

  /** The last commit has ended, and no timer is left. Buffers of a dead journal are let go. */
  *stopThread(): Op<void> {
    this.running?.stopTimer?.();
    yield* this.queue.drain();
    for (const t of [this.running, this.committing]) {
      for (const jh of t?.heads ?? []) {
        jh.wasDirty = false;
        if (jh.running === t) this.unfile(jh);
      }
    }
  }

  /** A failure of the log or of a write home ends the journal. */
  private *guarded(body: () => Op<void>): Op<void> {
    try {
      yield* body();
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      this.abort(e);
    }
  }

  /**
   * The log cannot be trusted to take any more: every start fails from now on, and the journal's
   * super block keeps the reason for whoever recovers. @context Does not sleep.
   */
  override abort(error: FsError): void {
    if (this.aborted) return;
    trace('jbd2:LogJournal.abort');
    this.aborted = true;
    this.watched.wrote();
    this.turned.wakeAll();
    this.setup.onAbort(error);
    this.setup.scheduler.spawn('jbd2 abort', this.setup.superBlock.recordAbort());
  }
}

function transactionOf(handle: Handle): Transaction {
  const t = handle.transaction as Transaction | null;
  if (!t) throw errno('EROFS', {}, 'the handle has lost its transaction');
  return t;
}
