/**
 * The arena: memory for all folios of one volume, and its frames. This file alone sees raw memory.
 *
 * Data is one WebAssembly.Memory: page-aligned for direct I/O, in reach of a WASM kernel, and
 * readable by other threads (where the host offers shared memory). Beside it lie four words a
 * frame, which a reader in another thread checks as a sequence lock:
 *
 *     word 0 flags   word 1 references   word 2 index in its mapping   word 3 sequence
 *
 * A frame is one folio. Its size is the page size, or the file system's block size if larger, so
 * that a block never straddles folios.
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { Folio } from './folio.ts';

export const PAGE_SIZE = 4096;
const WASM_PAGE = 65536;
const WORDS_PER_FRAME = 4;

export class PageMemory {
  readonly frameSize: number;
  readonly frames: number;
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
  private readonly folios: (Folio | undefined)[] = [];
  /** Frames given back, last one first: the memory that is warm. */
  private readonly free: number[] = [];
  /** Frames from here on were never used and cost the host nothing yet. */
  private untouched = 0;

  /**
   * @param size  bytes that file data and metadata may occupy; @param frameSize  bytes of a folio
   * @throws ENOMEM the host cannot reserve that much
   */
  constructor(size: number, frameSize = PAGE_SIZE) {
    assert(frameSize >= PAGE_SIZE && frameSize <= WASM_PAGE && size >= frameSize);
    const pages = Math.ceil(size / WASM_PAGE);
    this.frameSize = frameSize;
    this.frames = Math.floor((pages * WASM_PAGE) / frameSize);
    this.memory = reserve(pages);
    const words = this.frames * WORDS_PER_FRAME * 4;
    this.words = new Int32Array(
      typeof SharedArrayBuffer === 'undefined'
        ? new ArrayBuffer(words)
        : new SharedArrayBuffer(words),
    );
  }

  /** Frames that were ever used: what the arena costs the host. */
  get touchedFrames(): number {
    return this.untouched;
  }

  get freeFrames(): number {
    return this.free.length + (this.frames - this.untouched);
  }

  /** A folio with one reference and no flags, or null when all frames are taken. Not zeroed. */
  alloc(): Folio | null {
    const frame = this.free.pop() ?? (this.untouched < this.frames ? this.untouched++ : -1);
    if (frame < 0) return null;
    const at = frame * WORDS_PER_FRAME;
    const folio = (this.folios[frame] ??= this.makeFolio(frame, at));
    this.words[at] = 0;
    this.words[at + 1] = 1;
    return folio;
  }

  private makeFolio(frame: number, at: number): Folio {
    const data = new Uint8Array(this.memory.buffer, frame * this.frameSize, this.frameSize);
    return new Folio(this, this.words, at, data);
  }

  /** Take back a folio that nobody refers to. */
  release(folio: Folio): void {
    assert(folio.refcount === 0 && folio.mapping === null, 'freeing a folio in use');
    this.words[folio.at + 3]!++;
    this.free.push(folio.at / WORDS_PER_FRAME);
  }
}

/** Shared where the host allows it (a browser page must be cross-origin isolated). */
function reserve(pages: number): WebAssembly.Memory {
  try {
    if (typeof SharedArrayBuffer !== 'undefined') {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    }
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch {
    throw errno('ENOMEM', { cacheSize: pages * WASM_PAGE });
  }
}
