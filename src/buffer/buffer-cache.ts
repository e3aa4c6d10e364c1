/**
 * The block device as a mapping of metadata blocks.
 *
 * Order of writing home, where no journal gives one: buffers carry a wave, and a sync writes wave
 * 0 (bitmaps, inode tables, extent and indirect blocks), flushes, then wave 1 (directory blocks),
 * flushes, then wave 2 (superblock). What is pointed at is on the medium before what points.
 * @source fs/buffer.c, block/bdev.c
 */
import { assert } from '../base/assert.ts';
import { errno, FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type Pblk, pageIndex, pblk, sector, SECTOR_SIZE } from '../base/units.ts';
import { handOverBit, lockBit, tryLockBit, unlockBit } from '../sched/bit-lock.ts';
import { OR_GIVE_UP } from '../sched/lock-class.ts';
import { fallsShort, type FastPath, wentFast } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { Bio, REQ_META } from '../block/bio.ts';
import type { BlockDevice } from '../block/block-device.ts';
import { AddressSpace, type AddressSpaceOperations } from '../mm/address-space.ts';
import { filemapGrabFolio, folioUnlock } from '../mm/filemap.ts';
import { BDEV_FOLIO_LOCK, type Folio } from '../mm/folio.ts';
import { filemapCleanFolio, filemapDirtyFolio } from '../mm/page-writeback.ts';
import type { Memory } from '../mm/vmscan.ts';
import { BUFFER_LOCK, BufferHead } from './buffer-head.ts';

/** The buffers of one folio, in order; what `folio.private` holds in this mapping. */
class FolioBuffers {
  readonly heads: BufferHead[] = [];
}

/** Dirty buffers, each wave in one list, the lowest wave first. */
function byWave(dirty: Iterable<BufferHead>): BufferHead[][] {
  const waves = new Map<number, BufferHead[]>();
  for (const bh of dirty) {
    const list = waves.get(bh.wave);
    if (list) list.push(bh);
    else waves.set(bh.wave, [bh]);
  }
  return [...waves].sort(([a], [b]) => a - b).map(([, heads]) => heads);
}

export class BufferCache {
  readonly device: BlockDevice;
  readonly blockSize: number;
  readonly mapping: AddressSpace;
  private readonly perFolio: number;
  private readonly dirtySet = new Set<BufferHead>();
  private readonly writing = new Set<BufferHead>();
  /** Writes and flushes that failed, and up to which of them sync() has told. */
  private failures = 0;
  private readonly told = { wbErr: 0 };
  private readonly idle = new WaitQueue('buffer writes');

  constructor(device: BlockDevice, memory: Memory, blockSize: number) {
    assert(blockSize <= memory.frameSize, 'a block does not fit a folio');
    this.device = device;
    this.blockSize = blockSize;
    this.perFolio = memory.frameSize / blockSize;
    const host = { ino: 0, size: device.size };
    this.mapping = new AddressSpace(host, memory, this.aops(), BDEV_FOLIO_LOCK);
  }

  /** The block's head with a reference if it is cached and uptodate. @context Does not sleep. */
  tryBread(nr: Pblk): BufferHead | null {
    return CHECKED && fallsShort('buffer.tryBread') ? null : this.cached(nr, 'buffer.tryBread');
  }
  private cached(nr: Pblk, path: FastPath): BufferHead | null {
    const folio = this.mapping.pages.get(pageIndex(Math.floor(nr / this.perFolio)));
    const bh = folio && this.heads(folio)[nr % this.perFolio];
    if (!bh?.uptodate) return null;
    if (CHECKED) wentFast(path);
    return bh.hold();
  }

  /**
   * The block's head with a reference; contents undefined unless it was cached.
   * @throws EIO past the end of the device
   */
  *getblk(nr: Pblk): Op<BufferHead> {
    if (!(nr >= 0 && (nr + 1) * this.blockSize <= this.device.size)) {
      throw errno('EIO', { pblk: nr }, 'block beyond the end of the device');
    }
    const folio = yield* filemapGrabFolio(this.mapping, pageIndex(Math.floor(nr / this.perFolio)));
    folio.uptodate = true; // A device folio is a container: each block has its own state.
    const bh = this.heads(folio)[nr % this.perFolio];
    assert(bh !== undefined);
    bh.hold();
    folioUnlock(folio);
    folio.release();
    return bh;
  }

  /** The block, read. @context May sleep for I/O. @throws EIO */
  *bread(nr: Pblk): Op<BufferHead> {
    const cached = CHECKED && fallsShort('buffer.bread') ? null : this.cached(nr, 'buffer.bread');
    if (cached) return cached;
    trace('buffer:BufferCache.bread');
    const bh = yield* this.getblk(nr);
    try {
      if (!tryLockBit(bh, BUFFER_LOCK)) yield* lockBit(bh, BUFFER_LOCK);
      try {
        if (!bh.uptodate) {
          yield* this.device.submitWait(this.bioFor('read', bh));
          bh.uptodate = true;
        }
      } finally {
        unlockBit(bh, BUFFER_LOCK);
      }
    } catch (e) {
      bh.put();
      throw e;
    }
    return bh;
  }

  /** A block that is to be written wholly: zeroed, uptodate, not read. */
  *getNew(nr: Pblk): Op<BufferHead> {
    const bh = yield* this.getblk(nr);
    bh.data.fill(0);
    bh.uptodate = true;
    bh.verified = true;
    bh.trigger = null;
    bh.wave = 0;
    return bh;
  }

  /** Read a run of blocks that will be wanted soon; errors are left to who wants them. */
  *readahead(start: Pblk, count: number): Op<void> {
    const heads: BufferHead[] = [];
    this.device.queue.plug();
    try {
      for (let i = 0; i < count; i++) {
        const nr = pblk(start + i);
        if ((nr + 1) * this.blockSize > this.device.size) break;
        const bh = yield* this.getblk(nr);
        if (bh.uptodate || !tryLockBit(bh, BUFFER_LOCK, OR_GIVE_UP)) {
          bh.put();
          continue;
        }
        heads.push(bh);
        handOverBit(bh, BUFFER_LOCK);
        const bio = this.bioFor('read', bh);
        bio.endIo = (b) => {
          if (!b.error) bh.uptodate = true;
          unlockBit(bh, BUFFER_LOCK);
        };
        this.device.submit(bio);
      }
    } finally {
      this.device.queue.unplug();
      for (const bh of heads) bh.put();
    }
  }

  /** @context Does not sleep. The caller holds a reference. */
  markDirty(bh: BufferHead): void {
    assert(bh.count > 0 && bh.uptodate, 'dirtying a buffer without contents');
    if (bh.dirty) return;
    bh.dirty = true;
    this.dirtySet.add(bh);
    filemapDirtyFolio(this.mapping, bh.folio);
  }

  /**
   * A journal takes the block over: it is not to go home until it is marked dirty again.
   * @returns whether it was dirty. @context Does not sleep. The block is locked: no write home is
   *   under way.
   */
  takeOver(bh: BufferHead): boolean {
    if (!bh.dirty) return false;
    this.clean(bh);
    return true;
  }

  /** The block's head if it is cached, whatever its state; no reference. */
  peek(nr: Pblk): BufferHead | null {
    const folio = this.mapping.pages.get(pageIndex(Math.floor(nr / this.perFolio)));
    if (!(folio?.private instanceof FolioBuffers)) return null;
    return folio.private.heads[nr % this.perFolio] ?? null;
  }

  /** Is a write of the block under way? */
  isWriting(bh: BufferHead): boolean {
    return this.writing.has(bh);
  }

  /** The block was freed: its contents must never be written. */
  forget(bh: BufferHead): void {
    if (bh.dirty) this.clean(bh);
    bh.uptodate = false;
    bh.verified = false;
    bh.trigger = null;
  }

  /** Blocks become file data: buffers of their former life must not be written over them. */
  cleanAliases(start: Pblk, count: number): void {
    const first = Math.floor(start / this.perFolio);
    const end = Math.floor((start + count - 1) / this.perFolio) + 1;
    for (
      let i = this.mapping.pages.next(first, end);
      i >= 0 && i < end;
      i = this.mapping.pages.next(i + 1, end)
    ) {
      const buffers = this.mapping.pages.get(i)?.private;
      if (!(buffers instanceof FolioBuffers)) continue;
      for (const bh of buffers.heads) {
        if (bh.blocknr >= start && bh.blocknr < start + count) this.forget(bh);
      }
    }
  }

  /** A write or a flush has failed: what is on the device is not what it should be. */
  get lossy(): boolean {
    return this.failures > 0;
  }

  get dirtyCount(): number {
    return this.dirtySet.size;
  }

  /**
   * Write every dirty buffer home in the order of the waves, and wait. The device's cache is
   * flushed between waves, not after the last one. A failure ends it: what would point at blocks
   * that did not get home stays dirty. It is kept, and the next sync() tells it.
   */
  *writeDirty(): Op<void> {
    trace('buffer:BufferCache.writeDirty');
    const before = this.failures;
    // A snapshot: what becomes dirty meanwhile is for the next sync, and must not prolong this one.
    const waves = byWave(this.dirtySet);
    for (const [i, heads] of waves.entries()) {
      if (i > 0) yield* this.flush();
      if (this.failures !== before) return;
      yield* this.writeHome(heads);
    }
    if (this.writing.size > 0) yield* this.idle.waitFor(() => this.writing.size === 0);
  }

  /** Write those of the blocks home that are dirty, and wait; not flushed. */
  *writeHome(heads: readonly BufferHead[]): Op<void> {
    trace('buffer:BufferCache.writeHome');
    for (let left = heads; left.length > 0;) {
      left = this.writeOut(left.filter((bh) => bh.dirty));
      if (this.writing.size > 0) yield* this.idle.waitFor(() => this.writing.size === 0);
    }
  }

  /**
   * writeDirty(), and everything written so far is durable.
   * @throws EIO a write or a flush has failed since the last time that one was told, also one that
   *   nobody waited for; each is told once
   */
  *sync(): Op<void> {
    yield* this.writeDirty();
    yield* this.flush();
    const error = this.mapping.wbErr.checkAndAdvance(this.told);
    if (error) throw error;
  }

  /** Flush the device; a failure is kept like that of a write. */
  private *flush(): Op<void> {
    try {
      yield* this.device.flush();
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      this.failed(e);
    }
  }

  private failed(error: FsError): void {
    this.failures++;
    this.mapping.wbErr.set(error);
  }

  /** Write one buffer now and wait. @throws EIO */
  *syncBuffer(bh: BufferHead): Op<void> {
    if (!bh.dirty) return;
    bh.trigger?.(bh);
    this.clean(bh);
    yield* this.device.submitWait(this.bioFor('write', bh));
  }

  /**
   * Start writing these buffers, in device order so that the queue can merge them.
   * @returns those that are on their way already, as they were before their last change
   */
  private writeOut(heads: BufferHead[]): BufferHead[] {
    const late: BufferHead[] = [];
    heads.sort((a, b) => a.blocknr - b.blocknr);
    this.device.queue.plug();
    for (const bh of heads) {
      // Locked while the device reads it.
      if (!tryLockBit(bh, BUFFER_LOCK, OR_GIVE_UP)) {
        late.push(bh);
        continue;
      }
      handOverBit(bh, BUFFER_LOCK);
      bh.hold();
      bh.trigger?.(bh);
      this.clean(bh);
      this.writing.add(bh);
      const bio = this.bioFor('write', bh);
      bio.endIo = (b) => {
        this.endWrite(bh, b.error);
      };
      this.device.submit(bio);
    }
    this.device.queue.unplug();
    return late;
  }

  private endWrite(bh: BufferHead, error: FsError | null): void {
    if (error) this.failed(error);
    this.writing.delete(bh);
    unlockBit(bh, BUFFER_LOCK);
    bh.put();
    if (this.writing.size === 0) this.idle.wakeAll();
  }

  private clean(bh: BufferHead): void {
    bh.dirty = false;
    this.dirtySet.delete(bh);
    const { folio } = bh;
    if (this.heads(folio).some((other) => other.dirty)) return;
    filemapCleanFolio(this.mapping, folio);
  }

  private bioFor(op: 'read' | 'write', bh: BufferHead): Bio {
    const at = sector((bh.blocknr * this.blockSize) / SECTOR_SIZE);
    return new Bio(op, at, REQ_META).add(bh.data);
  }

  private heads(folio: Folio): readonly BufferHead[] {
    if (folio.private instanceof FolioBuffers) return folio.private.heads;
    const buffers = new FolioBuffers();
    const first = folio.index * this.perFolio;
    for (let i = 0; i < this.perFolio; i++) {
      const head = new BufferHead(pblk(first + i), folio, i * this.blockSize, this.blockSize);
      buffers.heads.push(head);
    }
    folio.private = buffers;
    return buffers.heads;
  }

  private aops(): AddressSpaceOperations {
    const cache = this;
    return {
      *readFolio(_mapping, folio) {
        folio.uptodate = true;
        folioUnlock(folio);
      },
      *writepages(_mapping, wbc) {
        if (wbc.syncMode === 'all') {
          yield* cache.sync();
        } else {
          cache.writeOut([...cache.dirtySet].slice(0, Math.min(wbc.nrToWrite, 4096)));
          yield* cache.idle.waitFor(() => cache.writing.size === 0);
        }
      },
      dirtyFolio: filemapDirtyFolio,
      releaseFolio(folio) {
        const buffers = folio.private;
        if (!(buffers instanceof FolioBuffers)) return true;
        if (buffers.heads.some((bh) => bh.count > 0 || bh.dirty || (bh.jh?.busy ?? false)))
          return false;
        for (const bh of buffers.heads) bh.jh = null; // What waits for its checkpoint is home.
        folio.private = null;
        return true;
      },
    };
  }
}
