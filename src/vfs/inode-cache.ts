/**
 * The inodes in memory: found by number, referenced, kept while unreferenced, evicted.
 *
 *   igetLocked --> I_NEW (the caller fills it) --unlockNewInode--> live
 *   iput: count 0, nlink > 0 --> LRU --> found again, or dropped when there are too many
 *   iput: count 0, nlink = 0 --> I_FREEING: sops.evictInode, gone
 *
 * Invariants
 *  IC-1  sb.inodes has every inode from I_NEW to the end of its eviction: a number is never in
 *        memory twice, and whoever meets I_FREEING waits until it is gone.
 *  IC-2  Only clean, idle, linked inodes leave by the LRU, and they leave without I/O, so that
 *        reclaim may ask for it anywhere.
 *  IC-3  Eviction waits for I_SYNC: the flusher holds no reference (protocols I-76).
 * @source fs/inode.c
 */
import { assert } from '../base/assert.ts';
import type { Ino } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { invalidateMappingPages } from '../mm/truncate.ts';
import { I_DIRTY, I_FREEING, I_NEW, I_SYNC, type Inode } from './inode.ts';
import type { SuperBlock } from './super.ts';

/** A live inode with a reference, or null if it is not in memory or on its way in or out. */
export function igetCached(sb: SuperBlock, ino: Ino): Inode | null {
  const inode = sb.inodes.get(ino);
  if (!inode || inode.state & (I_NEW | I_FREEING)) return null;
  ihold(inode);
  return inode;
}

/** One more reference. @context Does not sleep. Not with I_FREEING. */
export function ihold(inode: Inode): void {
  assert((inode.state & I_FREEING) === 0, 'reference to a dying inode');
  if (inode.count++ === 0) inode.sb.inodeLru.delete(inode);
}

/**
 * The inode of a number, with a reference. If `state` has I_NEW it was made by this call: the
 * caller fills it, then calls unlockNewInode() or igetFailed().
 * @context May sleep until somebody else has filled or evicted it.
 */
export function* igetLocked<T extends Inode>(sb: SuperBlock, ino: Ino, make: () => T): Op<T> {
  for (;;) {
    const inode = sb.inodes.get(ino) as T | undefined;
    if (!inode) {
      const fresh = make();
      assert(fresh.ino === ino && (fresh.state & I_NEW) !== 0 && fresh.count === 1);
      sb.inodes.set(ino, fresh);
      if (CHECKED) fresh.stateWait.begin('I_NEW');
      return fresh;
    }
    if ((inode.state & (I_NEW | I_FREEING)) === 0) {
      ihold(inode);
      return inode;
    }
    // It may have failed to fill, or be gone: look it up again.
    yield* inode.stateWait.waitFor(
      () => (inode.state & (I_NEW | I_FREEING)) === 0,
      inode.state & I_NEW ? 'I_NEW' : 'I_FREEING',
    );
  }
}

/** igetLocked() and filling in one: `fill` runs for a new inode only. @throws what `fill` throws */
export function* iget<T extends Inode>(
  sb: SuperBlock,
  ino: Ino,
  make: () => T,
  fill: (inode: T) => Op<void>,
): Op<T> {
  const inode = yield* igetLocked(sb, ino, make);
  if ((inode.state & I_NEW) === 0) return inode;
  try {
    yield* fill(inode);
  } catch (e) {
    igetFailed(inode);
    throw e;
  }
  unlockNewInode(inode);
  return inode;
}

/** Make a new inode known under a number that was free. It stays I_NEW; one reference. */
export function insertInodeLocked(inode: Inode): void {
  const { sb, ino } = inode;
  assert(!sb.inodes.has(ino), 'two inodes of one number');
  sb.inodes.set(ino, inode);
}

/** The inode is filled: everybody may use it. */
export function unlockNewInode(inode: Inode): void {
  assert((inode.state & I_NEW) !== 0);
  inode.state &= ~I_NEW;
  if (CHECKED) inode.stateWait.end('I_NEW');
  inode.wakeState();
}

/** Filling failed: the inode never was. Drops the only reference. */
export function igetFailed(inode: Inode): void {
  assert((inode.state & I_NEW) !== 0);
  discard(inode);
}

function discard(inode: Inode): void {
  const { sb } = inode;
  if (sb.inodes.get(inode.ino) === inode) sb.inodes.delete(inode.ino);
  sb.dirtyInodes.delete(inode);
  sb.inodeLru.delete(inode);
  inode.count = 0;
  inode.state = 0;
  if (CHECKED) for (const flag of ['I_NEW', 'I_FREEING']) inode.stateWait.end(flag);
  inode.wakeState();
}

/**
 * Drop a reference where that needs no sleep; false: nothing was done, use iput().
 * @context Does not sleep.
 */
export function iputNowait(inode: Inode): boolean {
  assert(inode.count > 0, 'inode reference dropped twice');
  const { sb } = inode;
  if (inode.count > 1) {
    inode.count--;
    return true;
  }
  if (inode.nlink === 0 || !sb.active) return false;
  inode.count = 0;
  sb.inodeLru.add(inode);
  if (sb.inodeLru.size > sb.inodeLimit) shrinkInodes(sb, sb.inodeLru.size - sb.inodeLimit);
  return true;
}

/**
 * Drop a reference. With the last one of an unlinked inode its blocks and its number go.
 * @context May sleep. Holds no handle and no lock that evictInode takes. Not for reclaim.
 */
export function* iput(inode: Inode): Op<void> {
  if (!iputNowait(inode)) yield* evict(inode);
}

/** The last reference goes and the inode with it. */
function* evict(inode: Inode): Op<void> {
  const { sb } = inode;
  assert(inode.count <= 1 && (inode.state & I_FREEING) === 0);
  inode.count = 0;
  inode.state |= I_FREEING;
  if (CHECKED) inode.stateWait.begin('I_FREEING');
  sb.inodeLru.delete(inode);
  if (inode.state & I_SYNC) {
    yield* inode.stateWait.waitFor(() => (inode.state & I_SYNC) === 0, 'I_SYNC');
  }
  sb.dirtyInodes.delete(inode);
  try {
    yield* sb.sops.evictInode(inode);
  } finally {
    discard(inode);
  }
  for (let next = sb.evictNext.pop(); next; next = sb.evictNext.pop()) yield* iput(next);
}

const evictable = (inode: Inode): boolean =>
  inode.count === 0 &&
  (inode.state & (I_DIRTY | I_SYNC | I_NEW | I_FREEING)) === 0 &&
  inode.dioCount === 0;

/**
 * Drop up to `count` unreferenced inodes, oldest first. Those that are dirty or busy go to the
 * young end. Returns how many were dropped. @context Does not sleep.
 */
export function shrinkInodes(sb: SuperBlock, count: number): number {
  let dropped = 0;
  // Twice the wish bounds the walk over inodes that cannot go; the rest waits for the next call.
  let scan = Math.min(sb.inodeLru.size, 2 * count);
  for (const inode of sb.inodeLru) {
    if (dropped >= count || scan-- <= 0) break;
    if (tryDrop(inode)) {
      dropped++;
    } else {
      sb.inodeLru.delete(inode);
      sb.inodeLru.add(inode);
    }
  }
  return dropped;
}

function tryDrop(inode: Inode): boolean {
  if (!evictable(inode)) return false;
  const { mappingIfAny: mapping, sb } = inode;
  if (mapping && mapping.nrpages > 0) invalidateMappingPages(mapping);
  if (mapping && mapping.nrpages > 0) return false;
  if (sb.sops.evictCached && !sb.sops.evictCached(inode)) return false;
  discard(inode);
  return true;
}

/**
 * Umount: every inode leaves. All are synced and unreferenced, but for those a defect holds.
 * @returns inodes that are still referenced
 */
export function* evictInodes(sb: SuperBlock): Op<number> {
  let busy = 0;
  for (const inode of [...sb.inodes.values()]) {
    if (inode.state & I_FREEING) {
      yield* inode.stateWait.waitFor(() => (inode.state & I_FREEING) === 0, 'I_FREEING');
    } else if (inode.count > 0) {
      busy++;
    } else {
      yield* evict(inode);
    }
  }
  return busy;
}
