// @ts-check
/**
 * The block of multiple mount protection, written by hand: the tools put the host's name and the
 * true time into it, and debugfs, which can set its fields, takes the block for itself when it
 * closes the image.
 */
import { crc32c } from './crc32c.mjs';
import { FAKE_TIME } from './tools.mjs';

/** @source filesystems/ext4/mmp.rst (offsets), fs/ext4/ext4.h (numbers) */
export const MMP_CLEAN = 0xff4d4d50;
export const MMP_FSCK = 0xe24d4d50;
const CHECKSUM_AT = 0x3fc;

/**
 * Turn the protection on, and say who holds the image.
 * @param {import('./image.mjs').Image} image with blocks of 1 KiB and metadata_csum
 * @param {number} seq
 * @param {string} node
 */
export function protect(image, seq, node) {
  image.tune2fs('-O', 'mmp');
  const at = Number(/block_number: (\d+)/.exec(image.answer('dump_mmp'))?.[1]) * 1024;
  const block = image.read(at, 1024);
  block.writeUInt32LE(seq, 4);
  block.writeBigUInt64LE(BigInt(FAKE_TIME), 8);
  block.fill(0, 16, 112).write(node, 16);
  block.write('sdz1', 80);
  const uuid = image.read(1024 + 0x68, 16);
  block.writeUInt32LE(
    crc32c(crc32c(0xffffffff, uuid), block.subarray(0, CHECKSUM_AT)),
    CHECKSUM_AT,
  );
  image.patch(at, block, `mmp: sequence 0x${seq.toString(16)}, node ${node}`);
}
