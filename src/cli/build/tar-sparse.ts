/**
 * The maps of sparse files in tar archives: old GNU headers, and PAX 0.0, 0.1 and 1.0.
 * @source GNU tar manual, appendix "Sparse Formats"
 */
import type { Archive } from './spool.ts';
import { BLOCK, damaged, tarNumber } from './tar-header.ts';
import { readExactly } from './tar-io.ts';

/** A stretch of data of a sparse file, and where in the archive it is. */
export interface Piece {
  readonly pos: number;
  readonly length: number;
  readonly at: number;
}

export interface SparseMap {
  readonly size: number;
  readonly pieces: readonly Piece[];
  /** Where the data of the archive member begins, the map itself left out. */
  readonly dataAt: number;
}

const MAX_PIECES = 1 << 24;

/** Offsets and lengths as pieces that follow each other in the archive. */
function piecesOf(pairs: readonly number[], size: number, dataAt: number, stored: number): Piece[] {
  const pieces: Piece[] = [];
  let at = dataAt;
  let end = 0;
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const pos = pairs[i] ?? 0;
    const length = pairs[i + 1] ?? 0;
    if (pos < end || pos + length > size) throw damaged('a sparse map is out of order');
    if (length > 0) pieces.push({ pos, length, at });
    at += length;
    end = pos + length;
  }
  if (at - dataAt > stored) throw damaged('a sparse map names more data than there is');
  return pieces;
}

/** Old GNU: four entries in the header, more in the blocks that follow it. */
export function oldGnuSparse(
  a: Archive,
  header: Uint8Array,
  after: number,
  stored: number,
): SparseMap {
  const pairs: number[] = [];
  const take = (block: Uint8Array, at: number, entries: number): void => {
    for (let i = 0; i < entries; i++) {
      const where = at + i * 24;
      if (block[where] === 0) return;
      pairs.push(tarNumber(block, where, 12), tarNumber(block, where + 12, 12));
    }
  };
  take(header, 386, 4);
  let dataAt = after;
  for (let more = header[482] !== 0; more; dataAt += BLOCK) {
    const block = readExactly(a, dataAt, BLOCK);
    take(block, 0, 21);
    more = block[504] !== 0;
    if (pairs.length > 2 * MAX_PIECES) throw damaged('a sparse map without end');
  }
  const size = tarNumber(header, 483, 12);
  return { size, dataAt, pieces: piecesOf(pairs, size, dataAt, stored) };
}

const decimal = (text: string | undefined): number => {
  if (text === undefined || !/^\d{1,16}$/.test(text)) throw damaged('a sparse map has no number');
  return Number(text);
};

/** What the records of a PAX header say about holes, or null. */
export function paxSparse(
  a: Archive,
  records: readonly (readonly [string, string])[],
  dataAt: number,
  stored: number,
): SparseMap | null {
  const last = (key: string): string | undefined => records.findLast(([k]) => k === key)?.[1];
  if (last('GNU.sparse.major') === '1') {
    return sparse10(a, decimal(last('GNU.sparse.realsize')), dataAt, stored);
  }
  const realSize = last('GNU.sparse.size') ?? last('GNU.sparse.realsize');
  if (realSize === undefined) return null;
  const size = decimal(realSize);
  const map = last('GNU.sparse.map');
  const numbers =
    map === undefined
      ? records.filter(([k]) => /^GNU\.sparse\.(offset|numbytes)$/.test(k)).map(([, v]) => v)
      : map.split(',').filter((part) => part !== '');
  return { size, dataAt, pieces: piecesOf(numbers.map(decimal), size, dataAt, stored) };
}

/** The map stands before the data: how many, then offset and length of each, a line each. */
function sparse10(a: Archive, size: number, at: number, stored: number): SparseMap {
  const numbers: number[] = [];
  let text = '';
  let dataAt = at;
  for (let want = 1; numbers.length < want;) {
    const line = text.indexOf('\n');
    if (line < 0) {
      if (dataAt - at >= stored) throw damaged('a sparse map without end');
      text += Buffer.from(readExactly(a, dataAt, BLOCK)).toString('latin1');
      dataAt += BLOCK;
      continue;
    }
    numbers.push(decimal(text.slice(0, line)));
    text = text.slice(line + 1);
    if (numbers.length === 1) {
      want = 1 + 2 * (numbers[0] ?? 0);
      if (want > MAX_PIECES) throw damaged('a sparse map is too long');
    }
  }
  const rest = stored - (dataAt - at);
  return { size, dataAt, pieces: piecesOf(numbers.slice(1), size, dataAt, rest) };
}
