/**
 * A mapping of a byte range of a file, as the file system gives it to the generic I/O paths.
 *
 * The file system holds no lock when it hands an iomap over. Whoever is going to act on one locks
 * the folio first and then compares `validityCookie` (IomapOps.valid); a stale one is asked for
 * again.
 * @source Documentation/filesystems/iomap/design.rst
 */
import type { Op } from '../sched/op.ts';
import type { Inode } from '../vfs/inode.ts';

export type IomapType = 'hole' | 'delalloc' | 'mapped' | 'unwritten' | 'inline';

/** Newly allocated by this call: what the write does not cover must be zeroed. */
export const IOMAP_F_NEW = 1;
/** Metadata that a datasync needs changed (extent allocated, size extended). */
export const IOMAP_F_DIRTY = 2;
export const IOMAP_F_SHARED = 4;
/** Set by valid(): the mapping changed since it was sampled. */
export const IOMAP_F_STALE = 8;

/** What the caller is going to do with the mapping. */
export const IOMAP_READ = 0;
export const IOMAP_WRITE = 1;
export const IOMAP_ZERO = 2;
export const IOMAP_REPORT = 4;
export const IOMAP_FAULT = 8;
export const IOMAP_DIRECT = 16;
export const IOMAP_NOWAIT = 32;

/** Reused from call to call: `begin` fills every field. */
export class Iomap {
  type: IomapType = 'hole';
  flags = 0;
  /** File range, bytes; offset is at most the asked position, and length is not 0. */
  offset = 0;
  length = 0;
  /** Device byte address of `offset`; meaningless for holes and delalloc. */
  addr = -1;
  /** type 'inline': the bytes, from `offset` on. */
  inlineData: Uint8Array | null = null;
  validityCookie = 0;

  get end(): number {
    return this.offset + this.length;
  }
}

/** What a file system provides to be read and written through iomap (ops table, invariant A3). */
export interface IomapOps {
  /**
   * Map the range from `pos` on; the answer may be shorter, never empty.
   * @context May sleep; takes and drops a handle if it must allocate. No folio lock held, except
   *   by write-back and page_mkwrite.
   */
  begin(inode: Inode, pos: number, length: number, flags: number, iomap: Iomap): Op<void>;
  /** The same from memory alone: false if that needs a sleep. */
  beginNowait?(inode: Inode, pos: number, length: number, flags: number, iomap: Iomap): boolean;
  /** `written` bytes of the mapping were used; undo what was reserved for the rest. */
  end?(
    inode: Inode,
    pos: number,
    length: number,
    written: number,
    flags: number,
    iomap: Iomap,
  ): Op<void>;
  /** Is the mapping still true? Folio locked. */
  valid?(inode: Inode, iomap: Iomap): boolean;
}

/** What write-back asks of a file system (ops table, invariant A3). */
export interface IomapWritebackOps {
  /** Map (allocate if delayed) the range of a locked, dirty folio. */
  mapBlocks(inode: Inode, pos: number, length: number, iomap: Iomap): Op<void>;
  /** Is the mapping still true? Folio locked. Absent: never assumed. */
  valid?(inode: Inode, iomap: Iomap): boolean;
  /** The I/O of an ioend is done: convert unwritten extents, move i_disksize. In a worker task. */
  endIo(inode: Inode, offset: number, length: number, unwritten: boolean): Op<void>;
}
