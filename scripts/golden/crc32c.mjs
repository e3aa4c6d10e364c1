// @ts-check
/**
 * CRC32C without inversions, as ext4 and jbd2 chain it; a bit at a time, for the few bytes that
 * recipes patch.
 * @param {number} crc
 * @param {Uint8Array} data
 */
export function crc32c(crc, data) {
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc >>> 0;
}
