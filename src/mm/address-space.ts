/**
 * A mapping: the cached folios of one inode, or of the block device.
 *
 * Invariants
 *  AS-1  A folio in `pages` has `mapping` set to this and its index as key; it holds a reference.
 *  AS-2  Adding a folio needs invalidate_lock shared (or the inode's i_rwsem exclusive); removing
 *        one because the blocks beneath it change needs invalidate_lock exclusive.
 *  AS-3  The marks DIRTY and WRITEBACK of an index equal the flags of its folio at every sleep.
 * @source include/linux/fs.h (struct address_space), Documentation/filesystems/locking.rst
 */
import { assert } from '../base/assert.ts';
import { MARK_DIRTY, MARK_TOWRITE, MARK_WRITEBACK, XArray } from '../base/xarray.ts';
import { log2, type PageIndex, pageIndex, shiftDown } from '../base/units.ts';
import { type LockClass, lockClass, OR_GIVE_UP } from '../sched/lock-class.ts';
import { tryLockBit } from '../sched/bit-lock.ts';
import type { Op } from '../sched/op.ts';
import { watching } from '../sched/point.ts';
import { RwSemaphore } from '../sched/rw-semaphore.ts';
import { ErrSeq } from './errseq.ts';
import { type Folio, FOLIO_LOCK } from './folio.ts';
import type { ReadaheadControl } from './readahead.ts';
import type { Memory } from './vmscan.ts';
import { WatchedPages } from './watched-pages.ts';
import type { WritebackControl } from './page-writeback.ts';

/** Shared to add folios, exclusive to remove them. Two at once: lower ino first. */
export const INVALIDATE_LOCK = lockClass('mapping.invalidate_lock', {
  after: ['inode.i_rwsem', 'mmap_lock', 'sb_pagefault'],
  nest: 'ino',
  noUser: true,
});

/** What the mapping needs to know of the file it caches. */
export interface MappingHost {
  readonly ino: number;
  /** i_size, bytes. */
  size: number;
}

/** What a file system provides for its mappings (an ops table, invariant A3). */
export interface AddressSpaceOperations {
  /**
   * Fill a folio. It comes locked and referenced; it is unlocked when its read has ended, uptodate
   * unless that failed. @context May sleep. Holds the folio lock.
   */
  readFolio(mapping: AddressSpace, folio: Folio): Op<void>;
  /** Fill the folios of `rac`, all locked; each is unlocked when its read has ended. */
  readahead?(rac: ReadaheadControl): Op<void>;
  /** Write dirty folios in the range of `wbc`. @context May sleep. No folio lock held. */
  writepages(mapping: AddressSpace, wbc: WritebackControl): Op<void>;
  /** Mark dirty: true if it was clean. @context Does not sleep. Folio locked. */
  dirtyFolio(mapping: AddressSpace, folio: Folio): boolean;
  /** Bytes [from, to) of the folio go away (truncate, punch). Folio locked. */
  invalidateFolio?(folio: Folio, from: number, to: number): void;
  /** The folio is to be reclaimed: let go of `private`, or say no. Folio locked, clean. */
  releaseFolio?(folio: Folio): boolean;
}

export class AddressSpace {
  readonly host: MappingHost;
  readonly memory: Memory;
  aops: AddressSpaceOperations;
  /** Guarded by: no sleep between look-up and reference. */
  readonly pages: XArray<Folio>;
  readonly invalidateLock: RwSemaphore;
  readonly wbErr: ErrSeq;
  readonly folioSize: number;
  readonly folioShift: number;
  /** Where a limited write-back goes on. */
  writebackIndex: PageIndex = pageIndex(0);

  /** Class of the locks of its folios. */
  readonly folioClass: LockClass;

  constructor(
    host: MappingHost,
    memory: Memory,
    aops: AddressSpaceOperations,
    folioClass: LockClass = FOLIO_LOCK,
  ) {
    this.host = host;
    this.pages = CHECKED && watching ? new WatchedPages(host.ino) : new XArray<Folio>();
    this.folioClass = folioClass;
    this.invalidateLock = new RwSemaphore(INVALIDATE_LOCK, host);
    this.memory = memory;
    this.wbErr = new ErrSeq(host.ino);
    this.aops = aops;
    this.folioSize = memory.frameSize;
    this.folioShift = log2(memory.frameSize);
  }

  get nrpages(): number {
    return this.pages.size;
  }

  /** Index of the folio that holds the byte. */
  indexOf(pos: number): PageIndex {
    return pageIndex(shiftDown(pos, this.folioShift));
  }

  /** The folio with a reference taken, or null. Does not look at its state. */
  lookup(index: PageIndex): Folio | null {
    const folio = this.pages.get(index);
    if (!folio) return null;
    folio.hold();
    return folio;
  }

  /** A new folio of this mapping: locked, referenced, not yet in it; null if that needs a sleep. */
  tryNewFolio(): Folio | null {
    const folio = this.memory.tryAlloc();
    if (!folio) return null;
    folio.lockClass = this.folioClass;
    const locked = tryLockBit(folio, folio.lockClass, OR_GIVE_UP);
    assert(locked, 'nobody else knows a new folio');
    return folio;
  }

  /** Put a locked folio in; the mapping takes a reference of its own. */
  insert(folio: Folio, index: PageIndex): void {
    assert(folio.locked && folio.mapping === null && this.pages.get(index) === undefined);
    folio.mapping = this;
    folio.settle(this.host.ino, index);
    folio.bumpSequence();
    folio.hold();
    this.pages.set(index, folio);
    this.memory.lruAdd(folio);
  }

  /** Take a locked, clean folio out and drop the mapping's reference. */
  remove(folio: Folio): void {
    assert(folio.locked && folio.mapping === this);
    assert(!folio.writeback, 'a folio under write-back leaves its mapping');
    if (folio.dirty) this.memory.accountCleaned();
    folio.dirty = false;
    this.pages.delete(folio.index);
    this.memory.lruRemove(folio);
    folio.mapping = null;
    folio.private = null;
    folio.bumpSequence();
    folio.release();
  }

  hasDirty(): boolean {
    return this.pages.marked(MARK_DIRTY);
  }
  hasWriteback(): boolean {
    return this.pages.marked(MARK_WRITEBACK);
  }

  /** Copy the DIRTY marks of a range to TOWRITE, so that a sync does not chase new dirt. */
  tagForWriteback(start: PageIndex, end: PageIndex): void {
    for (
      let i = this.pages.nextMarked(start, MARK_DIRTY, end);
      i >= 0 && i < end;
      i = this.pages.nextMarked(i + 1, MARK_DIRTY, end)
    ) {
      this.pages.setMark(i, MARK_TOWRITE);
    }
  }
}
