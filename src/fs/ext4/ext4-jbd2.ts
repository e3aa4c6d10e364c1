/**
 * Handles as ext4 uses them: credits per operation, access to a block with its checksum trigger.
 *
 * A credit is a distinct metadata block that the operation may dirty. Each row is an upper bound
 * for one step; operations that walk (truncate) ask again per step with `ext4EnsureCredits`.
 * @source fs/ext4/ext4_jbd2.h (credit constants and their reasons)
 */
import { errno } from '../../base/errno.ts';
import { mark } from '../../base/trace.ts';
import type { Op } from '../../sched/op.ts';
import type { RwSemaphore } from '../../sched/rw-semaphore.ts';
import type { BufferHead, BufferTrigger } from '../../buffer/buffer-head.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import { currentHandle, type Handle } from '../../jbd2/handle.ts';
import { ext4Report } from './error.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Inode, both bitmaps, group descriptor, super block. */
const ALLOC_ONE = 5;
/** A root and five levels, each of which may split, each split allocating a block. */
const EXTENT_CHAIN = 6 + 5 * ALLOC_ONE;
/** Index root, two nodes and leaf of a directory, each of which may split. */
const DX_CHAIN = 8 + 3 * ALLOC_ONE;
/** Inode body, xattr block old and new, value inode with its blocks. */
const XATTR = 12 + EXTENT_CHAIN;

export const EXT4_CREDITS = {
  /** Change of inode fields only. */
  inode: 2,
  /** Map or convert one run of blocks. */
  write: EXTENT_CHAIN + ALLOC_ONE + 3,
  /** One step of truncate, after which the handle may restart. */
  truncate: EXTENT_CHAIN + 2 * ALLOC_ONE,
  create: 2 * ALLOC_ONE + DX_CHAIN + 2 * XATTR,
  mkdir: 3 * ALLOC_ONE + DX_CHAIN + 2 * XATTR,
  link: DX_CHAIN + 2,
  unlink: DX_CHAIN + 3,
  rename: 2 * DX_CHAIN + 6,
  /** With the inode, and the super block for the first attribute of all. */
  xattr: XATTR + 3,
  /** Inode, its bitmap, descriptor, super block, orphan neighbour. */
  freeInode: ALLOC_ONE + 2,
  orphan: 3,
} as const;

export type CreditKind = keyof typeof EXT4_CREDITS;

/**
 * Start (or nest in) a transaction.
 * @throws EROFS the mount is read-only, or the journal was aborted
 * @context May sleep for a commit and for log space. Holds no i_data_sem, no xattr_sem.
 */
export function* ext4JournalStart(sb: Ext4SuperBlock, kind: CreditKind, extra = 0): Op<Handle> {
  if (sb.readOnly) throw errno('EROFS');
  return yield* sb.journal.start(EXT4_CREDITS[kind] + extra);
}

export const ext4JournalStop = (handle: Handle): Op<void> => handle.journal.stop(handle);

/** Run `body` inside a handle, stopped whatever happens. */
export function* withHandle<T>(
  sb: Ext4SuperBlock,
  kind: CreditKind,
  body: (handle: Handle) => Op<T>,
): Op<T> {
  const handle = yield* ext4JournalStart(sb, kind);
  try {
    return yield* body(handle);
  } catch (e) {
    ext4Report(sb, e);
    throw e;
  } finally {
    yield* ext4JournalStop(handle);
  }
}

/** Before changing an existing block; `trigger` puts its checksum in before it is written. */
export function* ext4GetWriteAccess(
  handle: Handle,
  bh: BufferHead,
  trigger: BufferTrigger | null = null,
  seed = 0,
): Op<void> {
  yield* handle.journal.getWriteAccess(handle, bh);
  if (trigger) {
    bh.trigger = trigger;
    bh.seed = seed;
  }
}

/** Before filling a block that was just allocated. */
export function* ext4GetCreateAccess(
  handle: Handle,
  bh: BufferHead,
  trigger: BufferTrigger | null = null,
  seed = 0,
): Op<void> {
  yield* handle.journal.getCreateAccess(handle, bh);
  bh.trigger = trigger;
  bh.seed = seed;
}

export function ext4DirtyMetadata(handle: Handle, bh: BufferHead): void {
  handle.journal.dirtyMetadata(handle, bh);
}

/**
 * Make sure of `need` more credits, restarting the transaction if this one has no room.
 * @param dataSem  i_data_sem, held exclusive: dropped while it restarts, since a handle that the
 *   commit waits for may want it
 * @returns true if it was restarted: nothing read before is to be trusted.
 * @context The state on disk is consistent and resumable. May sleep for a commit.
 * @source fs/ext4/inode.c:ext4_truncate_restart_trans()
 */
export function* ext4EnsureCredits(
  handle: Handle,
  need: number,
  dataSem: RwSemaphore | null = null,
): Op<boolean> {
  if (handle.credits >= need || handle.journal.extend(handle, need - handle.credits)) return false;
  mark('ext4: transaction restarted');
  handle.runDeferred();
  dataSem?.unlockExclusive();
  try {
    yield* handle.journal.restart(handle, need);
  } finally {
    if (dataSem && !dataSem.tryExclusive()) yield* dataSem.lockExclusive();
  }
  return true;
}

/** Are changes of this mount logged? */
export const journaled = (sb: Ext4SuperBlock): boolean => sb.journal instanceof LogJournal;

export const ext4CurrentHandle = currentHandle;
