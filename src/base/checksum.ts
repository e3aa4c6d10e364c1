/**
 * The checksums of ext4 and jbd2: raw updates, with no inversion on the way in or out. ext4 seeds
 * crc32c with 0xffffffff and keeps the bare register, so results may be chained and stored as is.
 * @source lib/crc/ (crc32c, crc16, crc32_be); filesystems/ext4/checksums.rst
 */
import { CRC32C_SLICES, forwardTable, reflectedTable } from './crc-table.ts';
import { crc32cBulk, LEAST_BULK } from './crc32c-kernel.ts';

const C = CRC32C_SLICES;
const T16 = reflectedTable(0xa001, 1);
const BE = forwardTable(0x04c1_1db7);

/**
 * Castagnoli's CRC of `data[start, end)`, continuing from `crc`.
 * @param data  may lie in shared memory; the caller keeps it still meanwhile
 * @returns the register, 0..2^32-1
 */
export function crc32c(crc: number, data: Uint8Array, start = 0, end = data.length): number {
  if (end - start >= LEAST_BULK) {
    const bulk = crc32cBulk(crc, data, start, end);
    if (bulk >= 0) return bulk;
  }
  return crc32cSlices(crc, data, start, end);
}

/** The same without vectors: what short data takes, and hosts that have none. */
export function crc32cSlices(crc: number, data: Uint8Array, start: number, end: number): number {
  let r = crc | 0;
  let i = start;
  // Sixteen bytes a step; table 15 belongs to the byte with most bytes after it.
  for (const last = end - 15; i < last; i += 16) {
    r =
      C[0xf00 + ((r ^ data[i]!) & 0xff)]! ^
      C[0xe00 + (((r >>> 8) ^ data[i + 1]!) & 0xff)]! ^
      C[0xd00 + (((r >>> 16) ^ data[i + 2]!) & 0xff)]! ^
      C[0xc00 + ((r >>> 24) ^ data[i + 3]!)]! ^
      C[0xb00 + data[i + 4]!]! ^
      C[0xa00 + data[i + 5]!]! ^
      C[0x900 + data[i + 6]!]! ^
      C[0x800 + data[i + 7]!]! ^
      C[0x700 + data[i + 8]!]! ^
      C[0x600 + data[i + 9]!]! ^
      C[0x500 + data[i + 10]!]! ^
      C[0x400 + data[i + 11]!]! ^
      C[0x300 + data[i + 12]!]! ^
      C[0x200 + data[i + 13]!]! ^
      C[0x100 + data[i + 14]!]! ^
      C[data[i + 15]!]!;
  }
  for (; i < end; i++) r = (r >>> 8) ^ C[(r ^ data[i]!) & 0xff]!;
  return r >>> 0;
}

/**
 * CRC-16 with polynomial 0x8005, reflected: group descriptors under `gdt_csum`.
 * @returns the register, 0..65535
 */
export function crc16(crc: number, data: Uint8Array, start = 0, end = data.length): number {
  let r = crc & 0xffff;
  for (let i = start; i < end; i++) r = (r >>> 8) ^ T16[(r ^ data[i]!) & 0xff]!;
  return r;
}

/**
 * The CRC of IEEE 802.3, top bit first: commit blocks of jbd2's first checksum format.
 * @returns the register, 0..2^32-1
 */
export function crc32be(crc: number, data: Uint8Array, start = 0, end = data.length): number {
  let r = crc | 0;
  for (let i = start; i < end; i++) r = (r << 8) ^ BE[(r >>> 24) ^ data[i]!]!;
  return r >>> 0;
}
