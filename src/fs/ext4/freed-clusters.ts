/**
 * Clusters that were freed by a transaction which is not durable yet. Their bits are clear, but
 * whoever took them now might write data into them that a crash would show to their old owner: they
 * are held back until the commit.
 * @source fs/ext4/mballoc.c: ext4_mb_free_metadata(), ext4_process_freed_data()
 */
import { clearBits, findNextSet, findNextZero, setBits } from '../../base/bitmap.ts';
import { FsError } from '../../base/errno.ts';
import { mark } from '../../base/trace.ts';
import type { Op } from '../../sched/op.ts';
import { currentHandle, type Handle } from '../../jbd2/handle.ts';
import type { ClusterRun } from './mballoc.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Hold a freed run back until the transaction of `handle` is durable. @context Does not sleep. */
export function holdFreed(handle: Handle, sb: Ext4SuperBlock, run: ClusterRun): void {
  const { group, start, len } = run;
  const info = sb.groups[group]!;
  info.held ??= new Uint8Array(sb.geo.blockSize);
  setBits(info.held, start, len);
  info.heldCount += len;
  sb.heldClusters += len;
  handle.journal.onCommit(handle, () => {
    sb.heldClusters -= len;
    info.heldCount -= len;
    if (info.heldCount === 0) info.held = null;
    else clearBits(info.held!, start, len);
    info.firstFree = Math.min(info.firstFree, start);
    info.largestFree = Infinity;
  });
}

/** The first cluster from `from` on that is free and may be used; `end` if there is none. */
export function nextUsable(
  bits: Uint8Array,
  held: Uint8Array | null,
  from: number,
  end: number,
): number {
  let at = findNextZero(bits, from, end);
  while (held && at < end) {
    const open = findNextZero(held, at, end);
    if (open === at) break;
    at = findNextZero(bits, open, end);
  }
  return at;
}

/** Where the usable run that begins at `at` ends. */
export function usableEnd(
  bits: Uint8Array,
  held: Uint8Array | null,
  at: number,
  end: number,
): number {
  const stop = findNextSet(bits, at, end);
  return held ? findNextSet(held, at, stop) : stop;
}

/** Commits that one operation waits for in the hope of space. */
const MAX_RETRIES = 3;

/**
 * Run `body`; where it finds no space while freed clusters are held back, have them given free by
 * a commit and run it again.
 * @param body  leaves everything as it was when it throws ENOSPC
 * @context May sleep for a commit: no handle is open, and no folio locked.
 * @source fs/ext4/balloc.c:ext4_should_retry_alloc()
 */
export function* withAllocRetry<T>(sb: Ext4SuperBlock, body: () => Op<T>): Op<T> {
  for (let tries = 0; ; tries++) {
    try {
      return yield* body();
    } catch (e) {
      const full = e instanceof FsError && e.code === 'ENOSPC';
      if (!full || tries === MAX_RETRIES || sb.heldClusters === 0 || currentHandle()) throw e;
      mark('ext4: retry after a commit');
      yield* sb.journal.forceCommit();
    }
  }
}
