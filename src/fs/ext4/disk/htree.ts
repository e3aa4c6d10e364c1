/**
 * Hash trees of directories. Block 0 holds "." and ".." as ordinary entries, the second one
 * covering the rest of the block, in which the root of the tree hides; every other node hides
 * in one free entry that covers its block. Leaves are plain directory blocks.
 * @source filesystems/ext4/directory.rst, "Hash Tree Directories"; fs/ext4/namei.c
 */
import { LE, struct, u16, u32, u8 } from '../../../base/struct.ts';

/** In block 0, after the entries "." and "..". */
export const DxRootInfo = struct('dx_root_info', LE, 8, {
  reserved_zero: u32(0x0), // 0
  hash_version: u8(0x4), // DX_HASH_*, never one of the unsigned forms
  info_length: u8(0x5), // 8: the entries begin here plus this many bytes
  indirect_levels: u8(0x6), // inner levels between root and leaves: 0..1, with large_dir 0..2
  unused_flags: u8(0x7), // bit 0 must be 0
});

/** All names in `block` hash to `hash` or above, and below the hash of the next entry. */
export const DxEntry = struct('dx_entry', LE, 8, {
  hash: u32(0x0), // lowest hash; bit 0: names of this hash began in the block before
  block: u32(0x4), // logical block of the directory, low 28 bits
});

/** Lies over the hash of the first entry, which needs none: it is always 0. */
export const DxCountlimit = struct('dx_countlimit', LE, 4, {
  limit: u16(0x0), // entries that fit, this one included
  count: u16(0x2), // entries in use, this one included
});

/** After the last possible entry, with metadata_csum. */
export const DxTail = struct('dx_tail', LE, 8, {
  dt_reserved: u32(0x0), // 0
  dt_checksum: u32(0x4), // crc32c, see checksum.ts
});

/** Where DxRootInfo stands in block 0: after two entries of 12 bytes. */
export const DX_ROOT_INFO_OFFSET = 24;
/** Where the entries stand in block 0. */
export const DX_ROOT_ENTRIES_OFFSET = DX_ROOT_INFO_OFFSET + DxRootInfo.$size;
/** Where the entries stand in any other node: after the head of its one free entry. */
export const DX_NODE_ENTRIES_OFFSET = 8;
export const DX_BLOCK_MASK = 0x0fff_ffff;
/** Levels of nodes, the root counted, without and with large_dir. */
export const EXT4_HTREE_LEVEL_COMPAT = 2;
export const EXT4_HTREE_LEVEL = 3;
/** Hash that no name has: the end of a directory stream. */
export const EXT4_HTREE_EOF_32BIT = 0x7fff_ffff;

/** Entries that fit into the root: the `limit` that Linux demands to find there. */
export const dxRootLimit = (blockSize: number, metadataCsum: boolean): number =>
  (blockSize - DX_ROOT_ENTRIES_OFFSET - (metadataCsum ? DxTail.$size : 0)) / DxEntry.$size;

/** Entries that fit into any other node. */
export const dxNodeLimit = (blockSize: number, metadataCsum: boolean): number =>
  (blockSize - DX_NODE_ENTRIES_OFFSET - (metadataCsum ? DxTail.$size : 0)) / DxEntry.$size;

export const dxBlock = (view: DataView, at: number): number =>
  DxEntry.block.get(view, at) & DX_BLOCK_MASK;
