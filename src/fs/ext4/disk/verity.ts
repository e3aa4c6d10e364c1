/**
 * fs-verity: after the content, from the next multiple of 64 KiB on, stand the Merkle tree, at
 * the next block the descriptor, and in the last 4 bytes of its last block the descriptor's size.
 * @source filesystems/fsverity.rst, "fs-verity descriptor", "ext4"; filesystems/ext4/verity.rst
 */
import { LE, raw, struct, u32, u64, u8 } from '../../../base/struct.ts';

export const FsverityDescriptor = struct('fsverity_descriptor', LE, 256, {
  version: u8(0x00), // 1
  hash_algorithm: u8(0x01), // FS_VERITY_HASH_ALG_*
  log_blocksize: u8(0x02), // log2 of the block size of the tree
  salt_size: u8(0x03), // bytes of the salt, 0..32
  sig_size: u32(0x04), // bytes of the signature; 0 when the file's digest is made
  data_size: u64(0x08), // size of the file
  root_hash: raw(0x10, 64), // hash of the top block of the tree, zero-padded
  salt: raw(0x50, 32), // goes before each hashed block, zero-padded to the hash's block
  __reserved: raw(0x70, 144), // 0; the signature follows
});

/** Last 4 bytes of the last block. */
export const VerityFooter = struct('fsverity_footer', LE, 4, {
  desc_size: u32(0x0), // bytes of descriptor and signature
});

export const FS_VERITY_HASH_ALG_SHA256 = 1;
export const FS_VERITY_HASH_ALG_SHA512 = 2;
/** Largest descriptor, signature included, that Linux reads. */
export const FS_VERITY_MAX_DESCRIPTOR_SIZE = 16_384;
export const FS_VERITY_MAX_LEVELS = 8;

/** Byte of the file's mapping at which its tree begins. */
export const verityMetadataPos = (size: number): number => Math.ceil(size / 65_536) * 65_536;
