/**
 * Dirty inodes and the flusher that writes them.
 *
 *   clean --markInodeDirty--> on sb.dirtyInodes --5 s rounds, after 30 s--> I_SYNC: data, then the
 *   inode itself --> clean, or back on the list if it was dirtied meanwhile
 *
 * One flusher a super block: a work item, woken by a timer that runs only while something is dirty,
 * by a lack of clean memory, and by umount. A file system is written by its flusher, by fsync, or
 * by sync; I_SYNC makes them take turns on one inode and counts as a lock for whoever looks for
 * deadlocks. No i_rwsem is taken anywhere below here (protocols A.1.6).
 * @source fs/fs-writeback.c
 */
import { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { Work, Workqueue } from '../sched/workqueue.ts';
import { filemapFdatawaitRange } from '../mm/filemap.ts';
import type { WritebackControl } from '../mm/page-writeback.ts';
import { wbcAll } from '../mm/page-writeback.ts';
import { I_DIRTY, I_DIRTY_INODE, I_DIRTY_PAGES, I_FREEING, I_SYNC, type Inode } from './inode.ts';
import type { SuperBlock } from './super.ts';

/** Linux: vm.dirty_writeback_centisecs and vm.dirty_expire_centisecs. */
const WRITEBACK_INTERVAL_MS = 5_000;
const DIRTY_EXPIRE_MS = 30_000;

/**
 * The inode (flags I_DIRTY_SYNC, I_DIRTY_DATASYNC) or its pages (I_DIRTY_PAGES) must be written.
 * @context Does not sleep. Any locks.
 */
export function markInodeDirty(inode: Inode, flags: number): void {
  const { state } = inode;
  if ((state & flags) === flags) return;
  inode.state = state | flags;
  if (state & (I_DIRTY | I_FREEING)) return;
  const { sb } = inode;
  inode.dirtiedWhen = sb.scheduler.clock.monotonicMs();
  sb.dirtyInodes.add(inode);
  armFlusher(sb);
}

/** Something of the file system is dirty, be it only metadata. @context Does not sleep. */
export function armFlusher(sb: SuperBlock): void {
  (sb.flusher ??= new Flusher(sb)).arm();
}

/** Written, and nothing new: off the list. Still dirty: to its end, and 30 s more. */
function requeue(inode: Inode): void {
  const { sb } = inode;
  sb.dirtyInodes.delete(inode);
  if (inode.state & I_DIRTY && !(inode.state & I_FREEING)) {
    inode.dirtiedWhen = sb.scheduler.clock.monotonicMs();
    sb.dirtyInodes.add(inode);
  }
}

/**
 * Write one inode: its pages, then itself. syncMode 'all' waits for both, and for whoever writes
 * it now. Errors of pages are kept by the mapping for fsync; an error of the inode is thrown, and
 * kept there too.
 * @context May sleep. Holds a reference, or took the inode off a list without a sleep since.
 * @throws EIO, EROFS, ENOSPC what sops.writeInode throws
 */
export function* writebackSingleInode(inode: Inode, wbc: WritebackControl): Op<void> {
  trace('vfs:writebackSingleInode');
  const integrity = wbc.syncMode === 'all';
  if (inode.state & I_SYNC) {
    if (!integrity) return;
    yield* inode.stateWait.waitFor(() => (inode.state & I_SYNC) === 0, 'I_SYNC');
  }
  if (inode.state & I_FREEING) return;
  const { mapping, sb } = inode;
  if (!(inode.state & I_DIRTY) && !(integrity && mapping.hasWriteback())) return;
  inode.state |= I_SYNC;
  if (CHECKED) inode.stateWait.begin('I_SYNC');
  const { wbErr } = mapping;
  const before = wbErr.failures;
  try {
    if (mapping.hasDirty()) yield* mapping.aops.writepages(mapping, wbc);
    if (integrity) yield* filemapFdatawaitRange(mapping, wbc.rangeStart, wbc.rangeEnd);
    // Sampled after the pages: writing them may have changed the size or the block count.
    const dirty = inode.state & I_DIRTY;
    inode.state &= ~I_DIRTY;
    if (mapping.hasDirty()) inode.state |= I_DIRTY_PAGES;
    if (dirty & I_DIRTY_INODE) yield* sb.sops.writeInode(inode, integrity);
  } catch (e) {
    if (e instanceof FsError) mapping.wbErr.set(e);
    throw e;
  } finally {
    // The inode may leave memory, and its cursor with it, before somebody asks.
    if (wbErr.failures !== before && wbErr.error) sb.wbErr.set(wbErr.error);
    inode.state &= ~I_SYNC;
    if (CHECKED) inode.stateWait.end('I_SYNC');
    requeue(inode);
    inode.wakeState();
  }
}

/** Write the inode's fields if they are dirty, without its pages (fsync). @context May sleep. */
export function* syncInodeMetadata(inode: Inode, wait: boolean): Op<void> {
  if (!(inode.state & (I_DIRTY_INODE | I_SYNC))) return;
  yield* writebackSingleInode(inode, {
    syncMode: wait ? 'all' : 'none',
    rangeStart: 0,
    rangeEnd: Infinity,
    nrToWrite: 0,
  });
}

/** What a pass met: the first failure is the one that sync reports. */
class FirstError {
  error: FsError | null = null;
  note(e: unknown): void {
    if (!(e instanceof FsError)) throw e;
    this.error ??= e;
  }
}

/**
 * Start writing every inode that is dirty now, or was before `dirtiedBefore`. Does not wait.
 * @returns the first failure, which stops nothing
 */
export function* writebackInodesSb(sb: SuperBlock, dirtiedBefore = Infinity): Op<FsError | null> {
  const first = new FirstError();
  // A snapshot: what becomes dirty meanwhile goes to the end and must not keep the pass alive.
  for (const inode of [...sb.dirtyInodes]) {
    if (inode.dirtiedWhen > dirtiedBefore) continue;
    if (!sb.dirtyInodes.has(inode)) continue;
    try {
      yield* writebackSingleInode(inode, { ...wbcAll(), syncMode: 'none' });
    } catch (e) {
      first.note(e);
    }
  }
  return first.error;
}

/**
 * Write every dirty inode and wait for all write-back, whoever started it.
 * @throws the first failure, after everything was tried
 */
export function* syncInodesSb(sb: SuperBlock): Op<void> {
  const first = new FirstError();
  first.error = yield* writebackInodesSb(sb);
  // Inodes under write-back are on no list; the cache of inodes is bounded, so all are looked at.
  for (const inode of [...sb.inodes.values()]) {
    const mapping = inode.mappingIfAny;
    if (!(inode.state & (I_DIRTY | I_SYNC)) && !mapping?.hasWriteback()) continue;
    const since = mapping?.wbErr.sample() ?? 0;
    try {
      yield* writebackSingleInode(inode, wbcAll());
      const error = mapping?.wbErr.check(since);
      if (error) throw error;
    } catch (e) {
      first.note(e);
    }
  }
  if (first.error) throw first.error;
}

/** The kernel thread of one super block, as a work item. */
export class Flusher {
  private readonly sb: SuperBlock;
  private readonly queue: Workqueue;
  private readonly work: Work;
  private cancelTimer: (() => void) | null = null;
  private stopped = false;
  /** Memory is short: everything goes, whatever its age. */
  private urgent = false;

  constructor(sb: SuperBlock) {
    this.sb = sb;
    this.queue = new Workqueue(sb.scheduler, 'writeback');
    this.work = new Work('flusher', () => this.round());
    const others = sb.memory.wakeFlusher;
    sb.memory.wakeFlusher = () => {
      others();
      this.wake();
    };
  }

  /** Something is dirty: a round within 5 s. @context Does not sleep. */
  arm(): void {
    if (this.cancelTimer || this.stopped) return;
    this.cancelTimer = this.sb.scheduler.clock.after(WRITEBACK_INTERVAL_MS, () => {
      this.cancelTimer = null;
      if (!this.stopped) this.queue.queue(this.work);
    });
  }

  /** A round now, of everything. @context Does not sleep. */
  wake(): void {
    if (this.stopped) return;
    this.urgent = true;
    this.queue.queue(this.work);
  }

  /** Umount: no round begins from now on, and the last one has ended. */
  *stop(): Op<void> {
    this.stopped = true;
    this.cancelTimer?.();
    this.cancelTimer = null;
    yield* this.queue.drain();
  }

  private *round(): Op<void> {
    const { sb, urgent } = this;
    this.urgent = false;
    const now = sb.scheduler.clock.monotonicMs();
    // Failures are kept by the mappings, where fsync and sync find them.
    yield* writebackInodesSb(sb, urgent ? Infinity : now - DIRTY_EXPIRE_MS);
    try {
      if (!sb.readOnly) yield* sb.sops.syncFs(false);
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
    }
    if (sb.dirtyInodes.size > 0) this.arm();
  }
}
