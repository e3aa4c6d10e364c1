/**
 * Contents of blocks, each kept once: a number stands for it, so that images are compared without
 * looking at a byte. 0 is what the medium held before the recording, whatever that was.
 */
import { crc32c } from '../base/checksum.ts';
import type { CrashBase } from './crash-recorder.ts';

export const BASE = 0;

/** Bytes of the medium that are kept, to be copied and not read each time. */
const MOST_BASE = 64 << 20;

export class CrashContents {
  private readonly base: CrashBase;
  private readonly blockSize: number;
  private readonly all: Uint8Array[] = [new Uint8Array()];
  private readonly byCrc = new Map<number, number[]>();
  /** A write's block is asked for again at each level and in each run. */
  private readonly known = new WeakMap<Uint8Array, number>();

  private readonly before: Uint8Array;
  /** What the medium held before, as far as somebody wanted it. */
  private readonly bases = new Map<number, Uint8Array>();

  constructor(base: CrashBase, blockSize: number) {
    this.before = new Uint8Array(blockSize);
    this.base = base;
    this.blockSize = blockSize;
  }

  /** The number of what block `nr` holds with `data`, which nobody changes from now on. */
  id(nr: number, data: Uint8Array): number {
    let id = this.known.get(data);
    if (id === undefined) this.known.set(data, (id = this.find(nr, data)));
    return id;
  }

  /** The same of data that may change afterwards. */
  idOfCopy(nr: number, data: Uint8Array): number {
    return this.find(nr, data, true);
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return (this.all.length - 1) * this.blockSize;
  }

  private find(nr: number, data: Uint8Array, copy = false): number {
    this.base.read(nr * this.blockSize, this.before);
    return equal(this.before, data) ? BASE : this.idOf(data, copy);
  }

  private idOf(data: Uint8Array, copy: boolean): number {
    const crc = crc32c(0, data);
    const alike = this.byCrc.get(crc);
    const same = alike?.find((id) => equal(this.all[id]!, data));
    if (same !== undefined) return same;
    const id = this.all.push(copy ? data.slice() : data) - 1;
    if (alike === undefined) this.byCrc.set(crc, [id]);
    else alike.push(id);
    return id;
  }

  /** Copy a part of block `nr` with number `id` out, from byte `from` of it. */
  copyOut(nr: number, id: number, from: number, into: Uint8Array): void {
    const data = id === BASE ? this.baseOf(nr) : this.all[id]!;
    if (data === null) this.base.read(nr * this.blockSize + from, into);
    else into.set(into.length === data.length ? data : data.subarray(from, from + into.length));
  }

  /** null: enough of them are kept, or the block is beyond the last whole one. */
  private baseOf(nr: number): Uint8Array | null {
    const known = this.bases.get(nr);
    if (known !== undefined) return known;
    const { blockSize } = this;
    if ((this.bases.size + 1) * blockSize > MOST_BASE) return null;
    if ((nr + 1) * blockSize > this.base.size) return null;
    const data = new Uint8Array(blockSize);
    this.base.read(nr * blockSize, data);
    this.bases.set(nr, data);
    return data;
  }

  /** The bytes of block `nr` with number `id`. */
  bytesOf(nr: number, id: number): Uint8Array {
    if (id !== BASE) return this.all[id]!;
    const data = new Uint8Array(this.blockSize);
    this.base.read(nr * this.blockSize, data);
    return data;
  }
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
