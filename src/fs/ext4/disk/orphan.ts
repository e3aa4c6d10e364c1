/**
 * The orphan file: blocks of 32-bit inode numbers (0: free slot), each ending in a tail.
 * @source filesystems/ext4/orphan.rst, "Orphan file"
 */
import { LE, struct, u32 } from '../../../base/struct.ts';

export const EXT4_ORPHAN_BLOCK_MAGIC = 0x0b10_ca04;
/** Blocks that an orphan file may have at most. */
export const EXT4_MAX_ORPHAN_FILE_BLOCKS = 512;

export const OrphanBlockTail = struct('ext4_orphan_block_tail', LE, 8, {
  ob_magic: u32(0x0), // 0x0B10CA04
  ob_checksum: u32(0x4), // crc32c of inode number, generation, block number and the slots
});

/** Slots of one block of the orphan file. */
export const orphanSlotsPerBlock = (blockSize: number): number =>
  (blockSize - OrphanBlockTail.$size) / 4;
export const orphanTailOffset = (blockSize: number): number => blockSize - OrphanBlockTail.$size;
