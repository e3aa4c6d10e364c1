/**
 * CRC-32C by 128-bit vectors, where the host can: 4 GB/s against 1.5 in plain JavaScript. The code
 * is in crc32c-wasm.ts; here it is given a memory. It works in place on memory that was attached,
 * and on anything else by way of a small memory of its own.
 */
import { assert } from './assert.ts';
import { CRC32C_SLICES } from './crc-table.ts';
import {
  CRC32C_MODULE,
  MEMORY_FLAGS_AT,
  SCRATCH_SIZE,
  SLICES_AT,
  SWIZZLES_AT,
  SWIZZLE_TABLES,
} from './crc32c-wasm.ts';
import { roundUp } from './units.ts';

/** What `attachMemory()` needs at its `scratch`, in bytes: tables, and state while it runs. */
export const CRC_SCRATCH_SIZE = SCRATCH_SIZE;

/** Fewer bytes than this are not worth a call, even in place. */
export const LEAST_BULK = 128;
/** Fewer than this are not worth a copy. */
const LEAST_COPIED = 512;
/** The own memory: one page, the scratch in front, the rest for chunks. */
const OWN_SIZE = 65536;
const CHUNK_AT = 20480;
const CHUNK = 8192;

/** (register, address, length) to register; the result's sign bit is not yet taken off. */
type Run = (crc: number, at: number, length: number) => number;

/** By the buffer, weakly: a volume that is dropped takes its memory with it. */
const attached = new WeakMap<object, Run>();
/** Null where the host has no vectors; undefined until somebody asks. */
let own: { readonly run: Run; readonly chunk: Uint8Array } | null | undefined;

function unhex(text: string): Uint8Array {
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return out;
}

/** Compiled when first needed: for memory of one thread, and for shared memory. */
const modules: { plain?: WebAssembly.Module; shared?: WebAssembly.Module } = {};
let swizzles: Uint8Array | null = null;

function moduleFor(memory: WebAssembly.Memory): WebAssembly.Module {
  const kind = memory.buffer instanceof ArrayBuffer ? 'plain' : 'shared';
  let module = modules[kind];
  if (module === undefined) {
    const code = unhex(CRC32C_MODULE);
    if (kind === 'plain') code[MEMORY_FLAGS_AT] = 1;
    // Below 4 KiB every browser compiles in place, on its main thread too.
    modules[kind] = module = new WebAssembly.Module(code);
  }
  return module;
}

/** The kernel on `memory`, or null where the host has no WebAssembly or none with vectors. */
function instantiate(memory: WebAssembly.Memory, base: number): Run | null {
  try {
    const instance = new WebAssembly.Instance(moduleFor(memory), { host: { memory, base } });
    new Int32Array(memory.buffer, base + SLICES_AT, CRC32C_SLICES.length).set(CRC32C_SLICES);
    new Uint8Array(memory.buffer, base + SWIZZLES_AT).set((swizzles ??= unhex(SWIZZLE_TABLES)));
    return instance.exports['crc32c'] as Run;
  } catch {
    return null;
  }
}

function makeOwn(): typeof own {
  if (typeof WebAssembly === 'undefined') return null;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: OWN_SIZE / 65536 });
  const run = instantiate(memory, 0);
  return run && { run, chunk: new Uint8Array(memory.buffer, CHUNK_AT, CHUNK) };
}

/**
 * From now on, data within `memory` is checksummed where it lies.
 * @param memory   has a maximum size and does not grow
 * @param scratch  offset, a multiple of 16, of CRC_SCRATCH_SIZE bytes that nobody else touches
 * @returns whether the host can
 */
export function attachMemory(memory: WebAssembly.Memory, scratch: number): boolean {
  assert(scratch % 16 === 0 && scratch + SCRATCH_SIZE <= memory.buffer.byteLength, 'no scratch');
  const run = instantiate(memory, scratch);
  if (run !== null) attached.set(memory.buffer, run);
  return run !== null;
}

const WASM_PAGE = 65_536;

/** Memory of its own for `size` bytes, whose checksums are made where they lie. */
export function crcScratch(size: number): Uint8Array {
  if (typeof WebAssembly === 'undefined') return new Uint8Array(size);
  const front = roundUp(CRC_SCRATCH_SIZE, WASM_PAGE);
  const pages = Math.ceil((front + size) / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  attachMemory(memory, 0);
  return new Uint8Array(memory.buffer, front, size);
}

/**
 * The CRC of `data[start, end)`, or -1 if plain JavaScript is the better choice.
 * @context Called by crc32c() alone, with at least LEAST_BULK bytes.
 */
export function crc32cBulk(crc: number, data: Uint8Array, start: number, end: number): number {
  assert(start >= 0 && end <= data.length, 'range outside of the data');
  const run = attached.get(data.buffer);
  if (run !== undefined) return run(crc, data.byteOffset + start, end - start) >>> 0;
  if (end - start < LEAST_COPIED) return -1;
  own ??= makeOwn();
  if (own === null || own === undefined) return -1;
  let r = crc;
  for (let at = start; at < end; at += CHUNK) {
    const to = Math.min(end, at + CHUNK);
    own.chunk.set(at === 0 && to === data.length ? data : data.subarray(at, to));
    r = own.run(r, CHUNK_AT, to - at);
  }
  return r >>> 0;
}
