/**
 * The data of a file without its holes. A tree that knows its holes says where they are; on the host,
 * where Node cannot ask, a file that takes less room than its size is searched for zeros.
 */
import type { Reader, Stat } from './tree.ts';

export interface Run {
  readonly pos: number;
  /** Lies in the caller's buffer: valid until the next run is asked for. */
  readonly data: Uint8Array;
}

/** A hole is at least this long and begins at a multiple of it. */
const GRAIN = 4096;

const zeros = Buffer.alloc(GRAIN);
const isZero = (data: Uint8Array, from: number, to: number): boolean =>
  zeros.compare(data, from, to, 0, to - from) === 0;

/** Pieces of `data` that hold something else than zeros. */
export function* nonZero(data: Uint8Array, pos: number): Generator<Run> {
  let from = -1;
  for (let at = 0; at < data.length; at += GRAIN) {
    const empty = isZero(data, at, Math.min(at + GRAIN, data.length));
    if (!empty && from < 0) from = at;
    if (empty && from >= 0) {
      yield { pos: pos + from, data: data.subarray(from, at) };
      from = -1;
    }
  }
  if (from >= 0) yield { pos: pos + from, data: data.subarray(from) };
}

/** All data of a file, in pieces of at most the buffer's length. */
export function* dataRuns(reader: Reader, stat: Stat, buffer: Uint8Array): Generator<Run> {
  const { size } = stat;
  const sparse = stat.blocks * 512 < size;
  for (let pos = 0; pos < size;) {
    const data = reader.nextData(pos);
    if (data === null) return;
    const end = Math.min(data.end, size);
    for (pos = data.start; pos < end;) {
      const n = reader.read(buffer.subarray(0, Math.min(buffer.length, end - pos)), pos);
      // The file is shorter than it was when it was asked.
      if (n === 0) return;
      const piece = buffer.subarray(0, n);
      if (sparse) yield* nonZero(piece, pos);
      else yield { pos, data: piece };
      pos += n;
    }
  }
}
