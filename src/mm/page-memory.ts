/**
 * The arena: memory for all folios of one volume, and its frames. This file alone sees raw memory.
 *
 * Data is one WebAssembly.Memory: page-aligned for direct I/O, in reach of a WASM kernel, and
 * readable by other threads if it was asked to be shared. Beside it lie four words a
 * frame, which a reader in another thread checks as a sequence lock:
 *
 *     word 0 flags   word 1 references   word 2 index in its mapping   word 3 sequence
 *
 * A frame is one folio. Its size is the page size, or the file system's block size if larger, so
 * that a block never straddles folios.
 */
import { assert } from '../base/assert.ts';
import { attachMemory } from '../base/crc32c-kernel.ts';
import { errno } from '../base/errno.ts';
import { Folio } from './folio.ts';

export const PAGE_SIZE = 4096;
const WASM_PAGE = 65536;
const WORDS_PER_FRAME = 4;

export class PageMemory {
  readonly frameSize: number;
  readonly frames: number;
  readonly memory: WebAssembly.Memory;
  /** All of it, as bytes. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  private readonly folios: (Folio | undefined)[] = [];
  /**
   * Frames given back, in a ring, first one first: what was read in order and reclaimed in order
   * is handed out in order, so that neighbours in a file stay neighbours in memory.
   */
  private readonly free: Int32Array;
  private freeHead = 0;
  private freeCount = 0;
  /** Frames from here on were never used and cost the host nothing yet. */
  private untouched = 0;

  /**
   * @param size  bytes that file data and metadata may occupy; @param frameSize  bytes of a folio
   * @param options  shared: other threads may read it, at five times the cost of a copy (note 0015)
   * @throws ENOMEM the host cannot reserve that much
   */
  constructor(size: number, frameSize = PAGE_SIZE, { shared = false } = {}) {
    assert(frameSize >= PAGE_SIZE && frameSize <= WASM_PAGE && size >= frameSize);
    const pages = Math.ceil(size / WASM_PAGE);
    this.frameSize = frameSize;
    this.frames = Math.floor((pages * WASM_PAGE) / frameSize);
    // One page more than the frames: the scratch memory of the checksum kernel.
    this.memory = reserve(pages + 1, shared);
    attachMemory(this.memory, pages * WASM_PAGE);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.free = new Int32Array(this.frames);
    const words = this.frames * WORDS_PER_FRAME * 4;
    this.words = new Int32Array(shared ? new SharedArrayBuffer(words) : new ArrayBuffer(words));
  }

  /** Frames that were ever used: what the arena costs the host. */
  get touchedFrames(): number {
    return this.untouched;
  }

  get freeFrames(): number {
    return this.freeCount + (this.frames - this.untouched);
  }

  /** A folio with one reference and no flags, or null when all frames are taken. Not zeroed. */
  alloc(): Folio | null {
    const frame = this.takeFrame();
    if (frame < 0) return null;
    const at = frame * WORDS_PER_FRAME;
    const folio = (this.folios[frame] ??= this.makeFolio(frame, at));
    this.words[at] = 0;
    this.words[at + 1] = 1;
    return folio;
  }

  private takeFrame(): number {
    // Memory that was used before is warm, and costs the host nothing more.
    if (this.freeCount === 0) return this.untouched < this.frames ? this.untouched++ : -1;
    const frame = this.free[this.freeHead]!;
    this.freeHead = (this.freeHead + 1) % this.frames;
    this.freeCount--;
    return frame;
  }

  private makeFolio(frame: number, at: number): Folio {
    const data = new Uint8Array(this.memory.buffer, frame * this.frameSize, this.frameSize);
    return new Folio(this, this.words, at, data);
  }

  /** Take back a folio that nobody refers to. */
  release(folio: Folio): void {
    assert(folio.refcount === 0 && folio.mapping === null, 'freeing a folio in use');
    this.words[folio.at + 3]!++;
    this.free[(this.freeHead + this.freeCount++) % this.frames] = folio.at / WORDS_PER_FRAME;
  }
}

/** A shared one needs a host that allows it: a browser page must be cross-origin isolated. */
function reserve(pages: number, shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch {
    throw errno('ENOMEM', { cacheSize: pages * WASM_PAGE, shared });
  }
}
