/**
 * Tables of the cyclic codes, computed when first needed rather than written down: the
 * polynomial is the only fact.
 */

/**
 * Slicing tables of a reflected 32-bit code: entry `k * 256 + b` is the register after the byte
 * `b` and `k` zero bytes, so that `slices` bytes are taken in one step.
 * @param poly  bit-reversed polynomial, without its top term
 */
export function reflectedTable(poly: number, slices: number): Int32Array {
  const table = new Int32Array(256 * slices);
  for (let b = 0; b < 256; b++) {
    let r = b;
    for (let bit = 0; bit < 8; bit++) r = (r >>> 1) ^ (r & 1 ? poly : 0);
    table[b] = r;
  }
  for (let i = 256; i < table.length; i++) {
    const r = table[i - 256]!;
    table[i] = (r >>> 8) ^ table[r & 0xff]!;
  }
  return table;
}

/** The byte table of a 32-bit code that shifts towards its top bit. */
export function forwardTable(poly: number): Int32Array {
  const table = new Int32Array(256);
  for (let b = 0; b < 256; b++) {
    let r = b << 24;
    for (let bit = 0; bit < 8; bit++) r = (r << 1) ^ (r < 0 ? poly : 0);
    table[b] = r;
  }
  return table;
}

/** Castagnoli's code, sixteen bytes a step: shared by the two ways of computing it. */
export const CRC32C_SLICES = reflectedTable(0x82f6_3b78, 16);
