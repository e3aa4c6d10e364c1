/**
 * Contents of blocks, each kept once: a number stands for it, so that images are compared without
 * looking at a byte. 0 is what the medium held before the recording, whatever that was.
 */
import { crc32c } from '../base/checksum.ts';
import type { CrashBase } from './crash-recorder.ts';

export const BASE = 0;

export class CrashContents {
  private readonly base: CrashBase;
  private readonly blockSize: number;
  private readonly all: Uint8Array[] = [new Uint8Array()];
  private readonly byCrc = new Map<number, number[]>();
  /** A write's block is asked for again at each level and in each run. */
  private readonly known = new WeakMap<Uint8Array, number>();

  private readonly before: Uint8Array;

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

  /** The bytes of a number other than BASE. */
  of(id: number): Uint8Array {
    return this.all[id]!;
  }

  /** The bytes of block `nr` with number `id`. */
  bytesOf(nr: number, id: number): Uint8Array {
    if (id !== BASE) return this.of(id);
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
