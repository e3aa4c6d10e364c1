/**
 * A handle: one task's part in a transaction. Every metadata change happens inside one.
 *
 *   journalStart --(getWriteAccess, modify, dirtyMetadata)*--> journalStop
 *
 * One handle a task: a nested start returns the outer handle with one more reference. Credits are
 * an upper bound on distinct blocks (ext4-jbd2.ts has the table). Starting may wait for a commit
 * and for log space, so in the lock order it is a semaphore (JBD2_HANDLE).
 *
 * Two implementations stand behind `Journal`: the log (journal.ts, commit.ts) and `DirectJournal`
 * (direct.ts) for images without one, which dirties buffers straight away.
 * @source fs/jbd2/transaction.c, Documentation/filesystems/journalling.rst
 */
import { assert } from '../base/assert.ts';
import type { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type Pblk, type Tid, tid as toTid } from '../base/units.ts';
import { lockClass, SHARED } from '../sched/lock-class.ts';
import { lockdepAcquire, lockdepRelease, lockdepWant } from '../sched/lockdep.ts';
import type { Op } from '../sched/op.ts';
import { currentTask } from '../sched/task.ts';
import type { BufferHead } from '../buffer/buffer-head.ts';

/** Transaction start, as lockdep sees it. Below the folio lock: design decision 3. */
export const JBD2_HANDLE = lockClass('jbd2_handle', {
  after: ['inode.i_rwsem', 'mapping.invalidate_lock', 'folio', 's_writepages_rwsem', 'sb_internal'],
  noUser: true,
});

export class Handle {
  readonly journal: Journal;
  /** Blocks that this handle may still dirty for the first time. */
  credits: number;
  refs = 1;
  /** stop waits for the commit. */
  sync = false;
  /**
   * What the file system puts off to the end of the handle, one entry an object: a record that is
   * changed five times is stored once. Runs before the handle ends or restarts, must not sleep.
   */
  private deferred: Map<object, () => void> | null = null;
  /** The journal's own: the transaction, and its number. */
  transaction: object | null = null;
  tid: Tid = toTid(0);

  constructor(journal: Journal, credits: number) {
    this.journal = journal;
    this.credits = credits;
  }

  isDeferred(object: object): boolean {
    return this.deferred?.has(object) ?? false;
  }
  defer(object: object, finish: () => void): void {
    (this.deferred ??= new Map()).set(object, finish);
  }
  /** Do now what was put off. */
  runDeferred(): void {
    if (!this.deferred) return;
    const all = this.deferred;
    this.deferred = null;
    for (const finish of all.values()) finish();
  }
}

export abstract class Journal {
  /** Set by abort: every later start fails with EROFS. */
  aborted = false;

  /** Every start fails from now on. @context Does not sleep. */
  abort(_why: FsError): void {
    this.aborted = true;
  }

  /** Join the running transaction. @context May sleep. @throws EROFS aborted */
  protected abstract begin(handle: Handle): Op<void>;
  /** Leave it. @context May sleep if handle.sync. */
  protected abstract end(handle: Handle): Op<void>;

  /** Before the first change of an existing block. @context May sleep. */
  abstract getWriteAccess(handle: Handle, bh: BufferHead): Op<void>;
  /** Before filling a block that was just allocated. */
  abstract getCreateAccess(handle: Handle, bh: BufferHead): Op<void>;
  /** The block was changed. @context Does not sleep. */
  abstract dirtyMetadata(handle: Handle, bh: BufferHead): void;
  /** The block is freed: its contents are worthless, and a logged copy must not be replayed. */
  abstract forget(handle: Handle, bh: BufferHead): Op<void>;
  /** As forget, for a block whose buffer is not at hand. */
  abstract revoke(handle: Handle, nr: Pblk): Op<void>;
  /** More credits in the same transaction, or false. @context Does not sleep. */
  abstract extend(handle: Handle, credits: number): boolean;
  /** End one transaction and go on in the next: nothing is atomic across this. */
  abstract restart(handle: Handle, credits: number): Op<void>;
  /** Everything finished so far becomes durable. @throws EIO, EROFS */
  abstract forceCommit(): Op<void>;
  /** Id of the transaction that runs now: what fsync waits for. */
  abstract get runningTid(): Tid;
  /** `tid` and all before it become durable. */
  abstract commitTid(tid: Tid): Op<void>;
  /** `then` runs when the running transaction is durable: freed blocks may be used again. */
  abstract onCommit(handle: Handle, then: () => void): void;

  /** @throws EROFS the journal is aborted */
  *start(credits: number): Op<Handle> {
    trace('jbd2:Journal.start');
    const task = currentTask();
    const outer = task.journalInfo;
    if (outer instanceof Handle) {
      assert(outer.journal === this, 'handle of another file system is open');
      outer.refs++;
      return outer;
    }
    const handle = new Handle(this, credits);
    if (CHECKED) lockdepWant(JBD2_HANDLE, 0, SHARED, handle);
    yield* this.begin(handle);
    if (CHECKED) lockdepAcquire(JBD2_HANDLE, 0, SHARED, handle);
    task.journalInfo = handle;
    return handle;
  }

  *stop(handle: Handle): Op<void> {
    if (--handle.refs > 0) return;
    try {
      handle.runDeferred();
    } finally {
      currentTask().journalInfo = null;
      if (CHECKED) lockdepRelease(JBD2_HANDLE, handle, SHARED);
      yield* this.end(handle);
    }
  }
}

/** The handle this task has open, or null. */
export function currentHandle(): Handle | null {
  const h = currentTask().journalInfo;
  return h instanceof Handle ? h : null;
}
