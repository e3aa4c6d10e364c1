/**
 * A transaction: the changes of many handles that become durable together; and the journal's side
 * of a buffer that takes part in some.
 *
 *   running --commit asked for--> locked --last handle stopped--> flush --> writing --> record
 *     --commit block durable--> finished: on the checkpoint list until every block is home
 *
 * There is at most one running and one that commits. A block may be in both, and wait for its
 * checkpoint besides:
 *
 *   [nothing] --access--> running --dirtyMetadata--> modified --switch--> committing
 *      ^                                                                    |
 *      +--written home-- checkpoint (dirty in the buffer cache) <--durable--+
 *
 * While it commits, its contents belong to the log until they are copied: whoever wants to change
 * them first takes the copy (`frozen`). While it runs it must not go home: the buffer cache does
 * not count it as dirty.
 * @source include/linux/jbd2.h (struct transaction_s), include/linux/journal-head.h
 */
import type { Tid } from '../base/units.ts';
import type { BufferHead, JournalHold } from '../buffer/buffer-head.ts';

export type TransactionState = 'running' | 'locked' | 'flush' | 'writing' | 'record' | 'finished';

export class Transaction {
  readonly tid: Tid;
  state: TransactionState = 'running';
  /** Open handles. */
  updates = 0;
  /** Log blocks spoken for: credits of open handles, and blocks changed by those that stopped. */
  outstanding = 0;
  /** Blocks with write access in this transaction. */
  readonly heads = new Set<JournalHead>();
  /** Those of them that were freed and wait for this commit to be let go. */
  readonly forgotten = new Set<JournalHead>();
  /** Blocks of which no older copy may be replayed. */
  readonly revoked = new Set<number>();
  /** What waits for this to be durable. */
  readonly callbacks: (() => void)[] = [];
  /** First block of it in the log; set when it begins to commit. */
  logStart = 0;
  /** Log blocks that its commit may still take. */
  logNeed = 0;
  /** Blocks that are in the log and not yet known to be at home. */
  readonly checkpoint = new Set<JournalHead>();
  /** Stops the timer that commits it by age. */
  stopTimer: (() => void) | null = null;

  constructor(tid: Tid) {
    this.tid = tid;
  }

  /** Nothing would be in the log but the commit block. */
  get empty(): boolean {
    if (this.revoked.size > 0 || this.callbacks.length > 0) return false;
    for (const jh of this.heads) if (jh.modified) return false;
    return true;
  }
}

/** @source include/linux/journal-head.h */
export class JournalHead implements JournalHold {
  readonly bh: BufferHead;
  /** The running transaction, if a handle of it has access. */
  running: Transaction | null = null;
  /** Changed in the running transaction. */
  modified = false;
  /** An older change was on its way home when the running transaction took the block over. */
  wasDirty = false;
  /** The transaction whose copy the log is to get, or has got and not committed. */
  committing: Transaction | null = null;
  /** The contents as of `committing`, if they were changed before the log had them. */
  frozen: Uint8Array | null = null;
  /** The log has them. */
  copied = false;
  /** The last transaction in the log with this block. */
  checkpoint: Transaction | null = null;

  constructor(bh: BufferHead) {
    this.bh = bh;
  }

  get busy(): boolean {
    return this.running !== null || this.committing !== null;
  }
}
