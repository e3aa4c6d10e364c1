/**
 * A buffer head: one metadata block in the cache of the block device.
 *
 *     getblk -> (bread) uptodate -> [handle] modified -> dirty -> write: trigger, bio -> clean
 *
 * A holder counts in `count`; the first holder keeps the folio in memory. Contents may be changed
 * only between a handle's get_write_access and dirty_metadata, never across a write in flight that
 * somebody waits for.
 *
 * The trigger computes the block's checksum once, just before the block is copied to the journal
 * or written home, instead of at every change (jbd2 calls this a frozen-buffer trigger).
 * @source fs/buffer.c, include/linux/buffer_head.h
 */
import { assert } from '../base/assert.ts';
import type { Pblk } from '../base/units.ts';
import { lockClass } from '../sched/lock-class.ts';
import type { BitLockable } from '../sched/bit-lock.ts';
import { exploring, stableKey, watching } from '../sched/point.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import type { Folio } from '../mm/folio.ts';

/** Guards reading a block in, and changes of blocks that several handles share. */
export const BUFFER_LOCK = lockClass('buffer', { after: ['*'] });

/** What a journal keeps of a block (an ops table, invariant A3). */
export interface JournalHold {
  /** The block is part of a transaction that is not durable: it stays in memory. */
  readonly busy: boolean;
}

/** Puts the checksum into the block; `seed` is what the owner gave with it. */
export type BufferTrigger = (bh: BufferHead) => void;

export class BufferHead implements BitLockable {
  readonly blocknr: Pblk;
  readonly folio: Folio;
  readonly data: Uint8Array;
  readonly view: DataView;
  count = 0;
  uptodate = false;
  dirty = false;
  /** Checked against its checksum and its record's bounds since it was read. */
  verified = false;
  lockBit = false;
  trigger: BufferTrigger | null = null;
  seed = 0;
  /** Order of writing home on a sync without a journal: lower waves first. */
  wave = 0;
  /** The journal's state of this block (jbd2's journal_head). */
  jh: JournalHold | null = null;
  private waiters: WaitQueue | null = null;
  /** In checked builds it is known by its place. */
  declare sharedKey?: number;

  constructor(blocknr: Pblk, folio: Folio, offset: number, size: number) {
    this.blocknr = blocknr;
    if (CHECKED && watching) this.sharedKey = stableKey('buffer', blocknr);
    this.folio = folio;
    this.data = folio.data.subarray(offset, offset + size);
    this.view = new DataView(this.data.buffer, this.data.byteOffset, size);
  }

  get lockWait(): WaitQueue {
    const key = CHECKED && watching ? stableKey('buffer wait', this.blocknr) : undefined;
    return (this.waiters ??= new WaitQueue('buffer', undefined, key));
  }
  wake(): void {
    if (CHECKED && exploring) this.lockWait.wakeAll();
    else this.waiters?.wakeAll();
  }

  hold(): this {
    if (this.count++ === 0) this.folio.hold();
    return this;
  }

  /** Drop a reference. Linux: brelse(). */
  put(): void {
    assert(this.count > 0, 'buffer released twice');
    if (--this.count === 0) this.folio.release();
  }
}
