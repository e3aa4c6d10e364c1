/**
 * Group descriptors: 32 bytes each, or with the 64bit feature s_desc_size bytes (64 and more),
 * whose second half holds the high parts of the same numbers.
 * @source filesystems/ext4/group_descr.rst, "Block Group Descriptors"
 */
import { LE, join64, struct, u16, u32 } from '../../../base/struct.ts';
import type { Field } from '../../../base/struct.ts';

export const EXT4_MIN_DESC_SIZE = 32;
export const EXT4_MIN_DESC_SIZE_64BIT = 64;

/** Both halves. Read a field of the second half only where the descriptor size reaches it. */
export const GroupDesc = struct('ext4_group_desc', LE, 64, {
  bg_block_bitmap_lo: u32(0x00), // block of the block bitmap, low
  bg_inode_bitmap_lo: u32(0x04), // block of the inode bitmap, low
  bg_inode_table_lo: u32(0x08), // first block of the inode table, low
  bg_free_blocks_count_lo: u16(0x0c), // free blocks (with bigalloc: clusters), low
  bg_free_inodes_count_lo: u16(0x0e), // free inodes, low
  bg_used_dirs_count_lo: u16(0x10), // directories, low
  bg_flags: u16(0x12), // EXT4_BG_*
  bg_exclude_bitmap_lo: u32(0x14), // snapshot exclusion bitmap (never in Linux), low
  bg_block_bitmap_csum_lo: u16(0x18), // crc32c of the block bitmap, low half
  bg_inode_bitmap_csum_lo: u16(0x1a), // crc32c of the inode bitmap, low half
  bg_itable_unused_lo: u16(0x1c), // inodes at the end of the table that were never used, low
  bg_checksum: u16(0x1e), // crc32c & 0xffff of number and descriptor; with gdt_csum crc16
  bg_block_bitmap_hi: u32(0x20), // block of the block bitmap, high
  bg_inode_bitmap_hi: u32(0x24), // block of the inode bitmap, high
  bg_inode_table_hi: u32(0x28), // first block of the inode table, high
  bg_free_blocks_count_hi: u16(0x2c), // free blocks, high
  bg_free_inodes_count_hi: u16(0x2e), // free inodes, high
  bg_used_dirs_count_hi: u16(0x30), // directories, high
  bg_itable_unused_hi: u16(0x32), // never used inodes, high
  bg_exclude_bitmap_hi: u32(0x34), // snapshot exclusion bitmap, high
  bg_block_bitmap_csum_hi: u16(0x38), // crc32c of the block bitmap, high half
  bg_inode_bitmap_csum_hi: u16(0x3a), // crc32c of the inode bitmap, high half
  bg_reserved: u32(0x3c), // zero
});

/** bg_flags. */
export const EXT4_BG_INODE_UNINIT = 0x0001; // the inode table and bitmap were never written
export const EXT4_BG_BLOCK_UNINIT = 0x0002; // the block bitmap was never written
export const EXT4_BG_INODE_ZEROED = 0x0004; // the inode table was zeroed on disk

/** A number of the descriptor, joined from its halves as far as `descSize` has them. */
export interface DescField {
  get(view: DataView, at: number, descSize: number): number;
  /** Writes what fits: without a high half the value is cut to the low one, as Linux does. */
  set(view: DataView, at: number, descSize: number, value: number): void;
}

const joined = (lo: Field, hi: Field): DescField => {
  const need = hi.offset + hi.size;
  const base = 2 ** (8 * lo.size);
  return {
    get: (view, at, descSize) => {
      const low = lo.get(view, at);
      if (descSize < need) return low;
      const high = hi.get(view, at);
      return lo.size === 4 ? join64(low, high) : high * base + low;
    },
    set: (view, at, descSize, value) => {
      lo.set(view, at, value % base);
      if (descSize >= need) hi.set(view, at, Math.floor(value / base));
    },
  };
};

const d = GroupDesc;
export const bgBlockBitmap = joined(d.bg_block_bitmap_lo, d.bg_block_bitmap_hi);
export const bgInodeBitmap = joined(d.bg_inode_bitmap_lo, d.bg_inode_bitmap_hi);
export const bgInodeTable = joined(d.bg_inode_table_lo, d.bg_inode_table_hi);
export const bgFreeBlocksCount = joined(d.bg_free_blocks_count_lo, d.bg_free_blocks_count_hi);
export const bgFreeInodesCount = joined(d.bg_free_inodes_count_lo, d.bg_free_inodes_count_hi);
export const bgUsedDirsCount = joined(d.bg_used_dirs_count_lo, d.bg_used_dirs_count_hi);
export const bgItableUnused = joined(d.bg_itable_unused_lo, d.bg_itable_unused_hi);
/** Checksums of the bitmaps: 32 bits where there is a high half, else the low 16 of them. */
export const bgBlockBitmapCsum = joined(d.bg_block_bitmap_csum_lo, d.bg_block_bitmap_csum_hi);
export const bgInodeBitmapCsum = joined(d.bg_inode_bitmap_csum_lo, d.bg_inode_bitmap_csum_hi);

/** How many bits of a bitmap's crc32c a descriptor of this size can keep, as a mask. */
export const bitmapCsumMask = (field: DescField, descSize: number): number => {
  const hi = field === bgBlockBitmapCsum ? d.bg_block_bitmap_csum_hi : d.bg_inode_bitmap_csum_hi;
  return descSize >= hi.offset + hi.size ? 0xffff_ffff : 0xffff;
};
