/**
 * Extent trees: a header, then entries of 12 bytes; in i_block the root, in blocks of their own
 * the nodes below, each with a checksum after its last possible entry.
 * @source filesystems/ext4/ifork.rst, "Extent Tree"; fs/ext4/ext4_extents.h
 */
import { LE, struct, u16, u32 } from '../../../base/struct.ts';

export const EXT4_EXT_MAGIC = 0xf30a;
/** Levels under the root that a tree can have. */
export const EXT4_MAX_EXTENT_DEPTH = 5;

/** Head of every node. */
export const ExtentHeader = struct('ext4_extent_header', LE, 12, {
  eh_magic: u16(0x0), // 0xF30A
  eh_entries: u16(0x2), // valid entries that follow
  eh_max: u16(0x4), // room for entries
  eh_depth: u16(0x6), // 0: leaf; else distance to the leaves, at most 5
  eh_generation: u32(0x8), // not used by ext4
});

/** Entry of an inner node: the subtree that covers the file from ei_block on. */
export const ExtentIdx = struct('ext4_extent_idx', LE, 12, {
  ei_block: u32(0x0), // first logical block
  ei_leaf_lo: u32(0x4), // block of the node below, low
  ei_leaf_hi: u16(0x8), // block of the node below, high 16 bits
  ei_unused: u16(0xa), // not used
});

/** Entry of a leaf: a run of blocks. */
export const Extent = struct('ext4_extent', LE, 12, {
  ee_block: u32(0x0), // first logical block
  ee_len: u16(0x4), // length and the unwritten mark, see extentLength()
  ee_start_hi: u16(0x6), // first physical block, high 16 bits
  ee_start_lo: u32(0x8), // first physical block, low
});

/** After the last possible entry of a node in its own block, with metadata_csum. */
export const ExtentTail = struct('ext4_extent_tail', LE, 4, {
  et_checksum: u32(0x0), // crc32c of inode number, generation and the node up to here
});

/** Most blocks of one written extent; an ee_len above it is unwritten and this much too large. */
export const EXT_INIT_MAX_LEN = 32_768;
/** Most blocks of one unwritten extent: 65535 - 32768. */
export const EXT_UNWRITTEN_MAX_LEN = EXT_INIT_MAX_LEN - 1;
/** First logical block that no file can have. */
export const EXT_MAX_BLOCKS = 0xffff_ffff;

/** 32768 itself is a written extent of full length: the one value where the top bit is no mark. */
export const isUnwritten = (eeLen: number): boolean => eeLen > EXT_INIT_MAX_LEN;
export const extentLength = (eeLen: number): number =>
  eeLen > EXT_INIT_MAX_LEN ? eeLen - EXT_INIT_MAX_LEN : eeLen;
/** The ee_len of an extent of `blocks`, which the caller keeps within the two limits above. */
export const encodeExtentLength = (blocks: number, unwritten: boolean): number =>
  unwritten ? blocks + EXT_INIT_MAX_LEN : blocks;

export const extentStart = (view: DataView, at: number): number =>
  Extent.ee_start_hi.get(view, at) * 2 ** 32 + Extent.ee_start_lo.get(view, at);

export function setExtentStart(view: DataView, at: number, block: number): void {
  Extent.ee_start_lo.set(view, at, block % 2 ** 32);
  Extent.ee_start_hi.set(view, at, Math.floor(block / 2 ** 32));
}

export const idxLeaf = (view: DataView, at: number): number =>
  ExtentIdx.ei_leaf_hi.get(view, at) * 2 ** 32 + ExtentIdx.ei_leaf_lo.get(view, at);

export function setIdxLeaf(view: DataView, at: number, block: number): void {
  ExtentIdx.ei_leaf_lo.set(view, at, block % 2 ** 32);
  ExtentIdx.ei_leaf_hi.set(view, at, Math.floor(block / 2 ** 32));
}

/** Entries that a node of `bytes` has room for (60: the root in i_block). */
export const extentCapacity = (bytes: number): number =>
  Math.floor((bytes - ExtentHeader.$size) / Extent.$size);

/** Where the tail stands in a node's block: after eh_max entries, not at the block's end. */
export const extentTailOffset = (ehMax: number): number =>
  ExtentHeader.$size + ehMax * Extent.$size;
