/**
 * Readahead: which folios to read before somebody asks.
 *
 * The window of a file doubles while reads stay sequential, up to `MAX_WINDOW`. The folio in the
 * middle of what was read carries a mark; reaching it starts the next window, so that a reader
 * seldom waits. A read that is not sequential is served alone.
 *
 *        |<---- size ---->|
 *        | ... asyncSize->|      the mark stands where asyncSize begins
 *
 * @source mm/readahead.c
 */
import { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type PageIndex, pageIndex } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import type { AddressSpace } from './address-space.ts';
import type { Folio } from './folio.ts';

/** Largest window in bytes. Linux's default is 128 KiB; image files answer in larger pieces. */
const MAX_WINDOW = 1 << 20;
const FIRST_WINDOW = 64 << 10;

/** State of one open file. */
export class FileRaState {
  /** First index of the current window, its length, and how much of it is the asynchronous part. */
  start = 0;
  size = 0;
  asyncSize = 0;
  /** Index of the folio that was read last; -1 none yet. */
  prev = -1;
  /** Largest window in folios; 0 turns readahead off (POSIX_FADV_RANDOM). */
  limit: number;

  constructor(folioSize: number) {
    this.limit = Math.max(1, Math.floor(MAX_WINDOW / folioSize));
  }
}

/** The locked folios of one window, in ascending order without gaps. */
export class ReadaheadControl {
  readonly mapping: AddressSpace;
  readonly folios: Folio[] = [];

  constructor(mapping: AddressSpace) {
    this.mapping = mapping;
  }
  get start(): number {
    return this.folios[0]?.pos ?? 0;
  }
  get length(): number {
    return this.folios.length * this.mapping.folioSize;
  }
}

/** A window is locked as a whole while it is read: it may not be all the memory there is. */
const windowLimit = (mapping: AddressSpace, ra: FileRaState): number =>
  Math.min(ra.limit, mapping.memory.frames >> 4);

/** A folio that is needed now is missing. @context May sleep; takes invalidate_lock shared. */
export function* pageCacheSyncRa(
  mapping: AddressSpace,
  ra: FileRaState,
  index: PageIndex,
  want: number,
): Op<void> {
  trace('mm:pageCacheSyncRa');
  const step = index - ra.prev;
  const sequential = index === 0 || step === 0 || step === 1 || index === ra.start + ra.size;
  const limit = windowLimit(mapping, ra);
  if (!sequential || limit === 0) {
    ra.size = 0;
    yield* readWindow(mapping, index, Math.max(1, Math.min(want, limit || want)), -1);
    return;
  }
  const first = Math.ceil(FIRST_WINDOW / mapping.folioSize);
  ra.start = index;
  ra.size = Math.min(limit, Math.max(want, ra.size ? ra.size * 2 : first));
  ra.asyncSize = want >= ra.size ? 0 : ra.size - want;
  yield* readWindow(mapping, index, ra.size, ra.asyncSize ? index + ra.size - ra.asyncSize : -1);
}

/** The marked folio was reached: read the next window while the reader uses this one. */
export function* pageCacheAsyncRa(mapping: AddressSpace, ra: FileRaState, folio: Folio): Op<void> {
  trace('mm:pageCacheAsyncRa');
  folio.readahead = false;
  const limit = windowLimit(mapping, ra);
  if (limit === 0) return;
  ra.start += ra.size || 1;
  if (ra.start <= folio.index) ra.start = folio.index + 1;
  ra.size = Math.min(limit, Math.max(1, ra.size) * 2);
  ra.asyncSize = ra.size;
  yield* readWindow(mapping, pageIndex(ra.start), ra.size, ra.start);
}

/** Read `count` folios from `start` that are not cached yet, but none past the end of the file. */
function* readWindow(
  mapping: AddressSpace,
  start: PageIndex,
  count: number,
  markAt: number,
): Op<void> {
  const end = Math.min(start + count, Math.ceil(mapping.host.size / mapping.folioSize));
  const lock = mapping.invalidateLock;
  if (!lock.tryShared()) yield* lock.lockShared();
  try {
    for (let i: number = start; i < end;) {
      const rac = new ReadaheadControl(mapping);
      i = gather(rac, i, end, markAt);
      if (rac.folios.length > 0) yield* submit(rac);
      else i++;
    }
  } finally {
    lock.unlockShared();
  }
}

/** Add folios from `i` on until one is cached, memory is short, or the window is full. */
function gather(rac: ReadaheadControl, i: number, end: number, markAt: number): number {
  const { mapping } = rac;
  for (; i < end; i++) {
    if (mapping.pages.get(i)) break;
    const folio = mapping.tryNewFolio();
    if (!folio) return end;
    mapping.insert(folio, pageIndex(i));
    folio.readahead = i === markAt;
    rac.folios.push(folio);
  }
  return i;
}

/**
 * The file system unlocks every folio, whatever happens to its read. An error is not ours to
 * report: the folio stays not uptodate, and whoever needs it reads it alone and gets the error.
 */
function* submit(rac: ReadaheadControl): Op<void> {
  const { mapping } = rac;
  const { readahead } = mapping.aops;
  try {
    if (readahead) yield* readahead(rac);
    else for (const folio of rac.folios) yield* mapping.aops.readFolio(mapping, folio);
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
  } finally {
    for (const folio of rac.folios) folio.release();
  }
}
