/**
 * A folio: one frame of cached file (or device) data and its state.
 *
 * References: the mapping holds one while the folio is in its index, every user one more. A folio
 * with a reference keeps its `index`; its `mapping` may still become null (truncate, invalidation),
 * so whoever slept for the lock compares `mapping` again.
 *
 *     free -> locked, in mapping, not uptodate -> uptodate -> dirty -> writeback -> clean -> free
 *                         \__ I/O error: unlocked, still not uptodate, read again by the next user
 *
 * Guards: `uptodate` is set under the lock (or by read completion, which owns it); `dirty` is set
 * under the lock; `writeback` is set under the lock and cleared by I/O completion.
 * @source include/linux/page-flags.h; mm/filemap.c
 */
import { assert } from '../base/assert.ts';
import { ListNode } from '../base/list.ts';
import { type PageIndex, pageIndex } from '../base/units.ts';
import type { BitLockable } from '../sched/bit-lock.ts';
import { type LockClass, lockClass } from '../sched/lock-class.ts';
import { exploring, stableKey, watching } from '../sched/point.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { Watched } from '../sched/watch.ts';
import type { AddressSpace } from './address-space.ts';
import type { PageMemory } from './page-memory.ts';

const PG_LOCKED = 1;
const PG_UPTODATE = 2;
const PG_DIRTY = 4;
const PG_WRITEBACK = 8;
const PG_REFERENCED = 16;
const PG_ACTIVE = 32;
const PG_READAHEAD = 64;
const PG_VERITY_CHECKED = 128;

/**
 * Several folios of one mapping are locked in ascending index; folios of two mappings only under
 * both i_rwsem. The transaction starts below it (design decision 3).
 */
export const FOLIO_LOCK = lockClass('folio', {
  after: ['inode.i_rwsem', 'mapping.invalidate_lock', 's_writepages_rwsem', 'sb_internal'],
  nest: 'index',
  noUser: true,
});

/** Folios of the block device: containers of metadata blocks, locked under anything, briefly. */
export const BDEV_FOLIO_LOCK = lockClass('bdev_folio', { after: ['*'], nest: 'index' });

/** Flags that tell somebody something; the others are hints. */
const MARKED: readonly (readonly [number, string])[] = [
  [PG_UPTODATE, 'uptodate'],
  [PG_DIRTY, 'dirty'],
  [PG_WRITEBACK, 'writeback'],
];

export class Folio implements BitLockable {
  /** Offset of this folio's words; also its stable identity. */
  readonly at: number;
  readonly data: Uint8Array;
  mapping: AddressSpace | null = null;
  /** Which of the two classes its lock is of: that of the mapping it is, or was, in. */
  lockClass: LockClass = FOLIO_LOCK;
  /** Per-block state of iomap, or the buffer heads of the device's mapping. */
  private: object | null = null;
  readonly lru = new ListNode<Folio>(this);
  private readonly owner: PageMemory;
  private readonly words: Int32Array;
  private waiters: WaitQueue | null = null;
  /** Bits 32 and up of the index: beyond 16 TiB, which only the device's mapping reaches. */
  private indexHigh = 0;

  constructor(owner: PageMemory, words: Int32Array, at: number, data: Uint8Array) {
    this.owner = owner;
    this.words = words;
    this.at = at;
    this.data = data;
    if (CHECKED && watching) this.identify('frame', at);
  }

  get size(): number {
    return this.data.length;
  }

  /** What other folios may not be taken for: the place in a file that it holds, or held last. */
  declare sharedKey?: number;
  declare private flagMarks?: Record<number, Watched>;
  /** The kinds are turned round: references come and go in any order, a count of them does not. */
  declare private refMark?: Watched;

  /** Whoever made it, in a checked build it is known by its place. */
  private identify(name: string, ...of: readonly number[]): void {
    if (CHECKED) {
      this.sharedKey = stableKey(name, ...of);
      this.flagMarks = {};
      this.refMark = new Watched(`${name}.references`, ...of);
      for (const [flag, what] of MARKED)
        this.flagMarks[flag] = new Watched(`${name}.${what}`, ...of);
      this.waiters = null;
    }
  }
  /** It becomes folio `index` of inode `ino`. */
  settle(ino: number, index: PageIndex): void {
    this.index = index;
    if (CHECKED && watching) this.identify('folio', ino, index);
  }

  private has(flag: number): boolean {
    if (CHECKED && exploring) this.flagMarks?.[flag]?.read();
    return (this.words[this.at]! & flag) !== 0;
  }
  private put(flag: number, on: boolean): void {
    if (CHECKED && exploring) this.flagMarks?.[flag]?.wrote();
    if (on) this.words[this.at]! |= flag;
    else this.words[this.at]! &= ~flag;
  }

  get lockBit(): boolean {
    return this.has(PG_LOCKED);
  }
  set lockBit(on: boolean) {
    this.put(PG_LOCKED, on);
  }
  /** Sleepers for the lock bit and for the writeback bit. */
  get lockWait(): WaitQueue {
    const of = CHECKED ? this.sharedKey : undefined;
    const key = of === undefined ? undefined : stableKey('wait', of);
    return (this.waiters ??= new WaitQueue('folio', undefined, key));
  }
  /** Wake whoever waits, without making a queue where nobody does. */
  wake(): void {
    if (CHECKED && exploring) this.lockWait.wakeAll();
    else this.waiters?.wakeAll();
  }

  get locked(): boolean {
    return this.has(PG_LOCKED);
  }
  get uptodate(): boolean {
    return this.has(PG_UPTODATE);
  }
  set uptodate(on: boolean) {
    this.put(PG_UPTODATE, on);
  }
  get dirty(): boolean {
    return this.has(PG_DIRTY);
  }
  set dirty(on: boolean) {
    this.put(PG_DIRTY, on);
  }
  get writeback(): boolean {
    return this.has(PG_WRITEBACK);
  }
  set writeback(on: boolean) {
    this.put(PG_WRITEBACK, on);
  }
  get referenced(): boolean {
    return this.has(PG_REFERENCED);
  }
  set referenced(on: boolean) {
    this.put(PG_REFERENCED, on);
  }
  /** On the active list: used more than once, reclaimed last. */
  get active(): boolean {
    return this.has(PG_ACTIVE);
  }
  set active(on: boolean) {
    this.put(PG_ACTIVE, on);
  }
  /** Reaching this folio starts the next readahead window. */
  get readahead(): boolean {
    return this.has(PG_READAHEAD);
  }
  set readahead(on: boolean) {
    this.put(PG_READAHEAD, on);
  }
  /** Its contents were compared with the Merkle tree (verity files). */
  get verityChecked(): boolean {
    return this.has(PG_VERITY_CHECKED);
  }
  set verityChecked(on: boolean) {
    this.put(PG_VERITY_CHECKED, on);
  }

  get index(): PageIndex {
    return pageIndex(this.indexHigh * 2 ** 32 + (this.words[this.at + 2]! >>> 0));
  }
  set index(i: PageIndex) {
    this.indexHigh = Math.floor(i / 2 ** 32);
    this.words[this.at + 2] = (i % 2 ** 32) | 0;
  }

  /** Byte offset of this folio in its mapping. */
  get pos(): number {
    return this.index * this.data.length;
  }

  get refcount(): number {
    if (CHECKED && exploring) this.refMark?.wrote();
    return this.words[this.at + 1]!;
  }
  hold(): void {
    if (CHECKED && exploring) this.refMark?.read();
    this.words[this.at + 1]!++;
  }
  /** Drop a reference. With the last one the frame goes back to its memory. */
  release(): void {
    if (CHECKED && exploring) this.refMark?.read();
    const left = --this.words[this.at + 1]!;
    assert(left >= 0, 'folio reference dropped twice');
    if (left === 0) this.owner.release(this);
  }
  /** The frame changes its contents or its owner: readers of other threads look again. */
  bumpSequence(): void {
    this.words[this.at + 3]!++;
  }
}
