/**
 * Memory of one volume: frames, the two LRU lists, reclaim, and the account of dirty folios.
 *
 *          first use             second use
 *   free ------------> inactive ------------> active
 *     ^                 |  ^                    |
 *     +--- reclaimed ---+  +---- list too long -+
 *
 * Reclaim takes clean, unlocked, unreferenced folios from the cold end of the inactive list. It
 * runs inside whoever allocates, and so it never enters the file system, never sleeps and takes no
 * lock but a try-lock of the folio. Only when nothing clean is left does the allocator sleep until
 * the flusher has cleaned something (`waitForClean`), which is legal where FS recursion is not:
 * the flusher is another task.
 * @source mm/vmscan.c, mm/swap.c:folio_mark_accessed()
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { List } from '../base/list.ts';
import { tryLockBit, unlockBit } from '../sched/bit-lock.ts';
import { OR_GIVE_UP } from '../sched/lock-class.ts';
import { enterReclaim, leaveReclaim, mightReclaim } from '../sched/lockdep.ts';
import { mishap } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import { watching } from '../sched/point.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { Watched } from '../sched/watch.ts';
import type { Folio } from './folio.ts';
import { PAGE_SIZE, PageMemory } from './page-memory.ts';

/** Folios freed in one go: amortises the walk over those that cannot go. */
const RECLAIM_BATCH = 64;
/** Frames by which the arena grows between two looks at what is lent. */
const LENDING_STEP = 256;
/** Least frames: below that a single system call could starve itself. */
export const MIN_FRAMES = 128;

/** What reclaim may take: a table, so that a mistake can be put in its place. */
export const reclaimPolicy = {
  /** Nobody but the mapping refers to it, and what it holds is on the device. */
  isIdle: (folio: Folio): boolean => folio.refcount <= 1 && !folio.dirty && !folio.writeback,
};

export class Memory {
  private readonly arena: PageMemory;
  private readonly inactive = new List<Folio>();
  private readonly active = new List<Folio>();
  private activeCount = 0;
  private inactiveCount = 0;
  /** Folios with the dirty flag, and those under write-back. */
  nrDirty = 0;
  nrWriteback = 0;
  /** Folios cleaned so far, by write-back or by truncation. */
  private cleanings = 0;
  /**
   * Which folios can be taken. The kinds are turned round: they come and go in any order, a scan
   * finds those that are there. In which order it finds them is not looked at.
   */
  private readonly lru = CHECKED && watching ? new Watched('lru') : null;
  /** Sleepers for "fewer dirty folios" and for "something can be reclaimed". */
  readonly cleaned = new WaitQueue('balance_dirty_pages');
  /** Set by the flusher: start write-back now. */
  wakeFlusher: () => void = () => undefined;
  /** Touched frames at which the shrinkers are called next. */
  private lenderAsks = LENDING_STEP;
  /** Caches above the page cache (dentries, inodes) give up entries on demand: at least `count`, and
   *  whatever they have more of than `untouchedBytes` allows. */
  readonly shrinkers: ((count: number) => number)[] = [];

  constructor(cacheSize: number, frameSize = PAGE_SIZE) {
    if (cacheSize < MIN_FRAMES * frameSize) {
      throw errno('EINVAL', { cacheSize, least: MIN_FRAMES * frameSize });
    }
    this.arena = new PageMemory(cacheSize, frameSize);
  }

  get frameSize(): number {
    return this.arena.frameSize;
  }
  get frames(): number {
    return this.arena.frames;
  }
  get wasm(): WebAssembly.Memory {
    return this.arena.memory;
  }
  /** The whole arena: folios lie in it at their data's byteOffset. */
  get bytes(): Uint8Array {
    return this.arena.bytes;
  }

  /** Bytes of the arena that cost nothing yet: the caches of names and inodes may borrow them. */
  get untouchedBytes(): number {
    return (this.arena.frames - this.arena.touchedFrames) * this.arena.frameSize;
  }

  /** Above this many dirty folios the flusher starts; Linux: dirty_background_ratio 10. */
  get backgroundThreshold(): number {
    return Math.floor(this.frames / 10);
  }
  /** Above this many a writer waits; Linux: dirty_ratio 20. */
  get dirtyThreshold(): number {
    return Math.floor(this.frames / 5);
  }

  /** A folio, or null if that needs a sleep. @context Does not sleep. */
  tryAlloc(): Folio | null {
    if (CHECKED) {
      mightReclaim();
      if (mishap('memory short') !== 0) return null;
      if (mishap('reclaim') !== 0) this.reclaim(RECLAIM_BATCH);
    }
    const folio = this.arena.alloc();
    if (folio) {
      if (this.arena.touchedFrames >= this.lenderAsks) this.askBack();
      return folio;
    }
    return this.reclaim(RECLAIM_BATCH) > 0 ? this.arena.alloc() : null;
  }

  /** The arena grows: those who borrowed from it shrink in step. */
  private askBack(): void {
    this.lenderAsks = this.arena.touchedFrames + LENDING_STEP;
    for (const shrink of this.shrinkers) shrink(0);
  }

  /**
   * A folio with one reference, contents undefined.
   * @context May sleep until the flusher has cleaned something. Holds no folio that is dirty.
   * @throws ENOMEM everything is pinned
   */
  *alloc(): Op<Folio> {
    for (let tries = 0; tries < 1000; tries++) {
      if (CHECKED && mishap('no memory') !== 0) break;
      const folio = this.tryAlloc();
      if (folio) return folio;
      yield* this.waitForClean();
    }
    throw errno('ENOMEM', { frames: this.frames, dirty: this.nrDirty });
  }

  private *waitForClean(): Op<void> {
    const before = this.nrDirty + this.nrWriteback;
    if (before === 0)
      throw errno('ENOMEM', { frames: this.frames }, 'all cached folios are in use');
    this.wakeFlusher();
    const seen = this.cleanings;
    yield* this.cleaned.waitFor(() => this.cleanings !== seen, 'a clean folio');
  }

  lruAdd(folio: Folio): void {
    if (CHECKED) this.lru?.read();
    folio.active = false;
    folio.referenced = false;
    this.inactive.addTail(folio.lru);
    this.inactiveCount++;
  }

  lruRemove(folio: Folio): void {
    if (CHECKED) this.lru?.read();
    if (folio.active) {
      this.active.remove(folio.lru);
      this.activeCount--;
    } else {
      this.inactive.remove(folio.lru);
      this.inactiveCount--;
    }
  }

  /** The second use while on the inactive list makes a folio active. */
  markAccessed(folio: Folio): void {
    if (!folio.referenced) {
      folio.referenced = true;
    } else if (!folio.active && folio.mapping) {
      this.inactive.remove(folio.lru);
      this.inactiveCount--;
      folio.active = true;
      folio.referenced = false;
      this.active.addTail(folio.lru);
      this.activeCount++;
    }
  }

  /** Free about `want` folios. Returns how many. @context Does not sleep. */
  reclaim(want: number): number {
    if (CHECKED) enterReclaim();
    try {
      return this.reclaimFolios(want);
    } finally {
      if (CHECKED) leaveReclaim();
    }
  }

  private reclaimFolios(want: number): number {
    let freed = this.shrinkInactive(want);
    if (freed === 0) {
      // Inodes and dentries pin nothing in the arena themselves, but their buffers do.
      for (const shrink of this.shrinkers) shrink(want);
      this.deactivate(want);
      freed = this.shrinkInactive(want);
    }
    return freed;
  }

  private shrinkInactive(want: number): number {
    if (CHECKED) this.lru?.wrote();
    if (this.inactiveCount < this.activeCount) this.deactivate(want);
    let freed = 0;
    for (let scan = this.inactiveCount; scan > 0 && freed < want; scan--) {
      const folio = this.inactive.first();
      if (!folio) break;
      // One use does not keep a folio: the second would have made it active.
      if (this.tryFree(folio)) freed++;
      else this.inactive.moveTail(folio.lru);
    }
    return freed;
  }

  private deactivate(count: number): void {
    for (; count > 0; count--) {
      const folio = this.active.first();
      if (!folio) return;
      this.active.remove(folio.lru);
      this.activeCount--;
      folio.active = false;
      this.inactive.addTail(folio.lru);
      this.inactiveCount++;
    }
  }

  private tryFree(folio: Folio): boolean {
    const mapping = folio.mapping;
    assert(mapping !== null, 'folio on the LRU without a mapping');
    if (!reclaimPolicy.isIdle(folio)) return false;
    if (!tryLockBit(folio, folio.lockClass, OR_GIVE_UP)) return false;
    folio.hold();
    const release = mapping.aops.releaseFolio;
    const gone = folio.private === null || (release?.(folio) ?? false);
    if (gone) mapping.remove(folio);
    unlockBit(folio, folio.lockClass);
    folio.release();
    return gone;
  }

  accountDirtied(): void {
    this.nrDirty++;
  }
  accountCleaned(): void {
    this.cleanings++;
    this.nrDirty--;
    this.cleaned.wakeAll();
  }
  accountWriteback(delta: 1 | -1): void {
    this.nrWriteback += delta;
    if (delta > 0) return;
    this.cleanings++;
    this.cleaned.wakeAll();
  }
}
