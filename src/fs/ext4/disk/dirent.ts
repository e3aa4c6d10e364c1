/**
 * Entries of a directory block: a list of records that tile the block, each as long as rec_len.
 * @source filesystems/ext4/directory.rst, "Linear (Classic) Directories"
 */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../../base/mode.ts';
import { LE, struct, u16, u32, u8 } from '../../../base/struct.ts';

/** Fixed part of an entry; the name follows, not terminated. */
export const DirEntry2 = struct('ext4_dir_entry_2', LE, 8, {
  inode: u32(0x0), // inode of the name; 0: the entry is free
  rec_len: u16(0x4), // distance to the next entry, see recLenFromDisk()
  name_len: u8(0x6), // bytes of the name
  file_type: u8(0x7), // EXT4_FT_*; without filetype the high byte of name_len, thus 0
});

/** Last entry of a leaf block with metadata_csum: looks free to a reader that does not know it. */
export const DirEntryTail = struct('ext4_dir_entry_tail', LE, 12, {
  det_reserved_zero1: u32(0x0), // 0, as the inode of a free entry
  det_rec_len: u16(0x4), // 12
  det_reserved_zero2: u8(0x6), // 0, as the length of its name
  det_reserved_ft: u8(0x7), // 0xDE
  det_checksum: u32(0x8), // crc32c of inode number, generation and the block up to this entry
});

/**
 * Follows the name, padded to 4 bytes, in directories that are encrypted and casefolded: their
 * hash cannot be found from the name on disk.
 */
export const DirEntryHash = struct('ext4_dir_entry_hash', LE, 8, {
  hash: u32(0x0), // siphash of the folded plain name
  minor_hash: u32(0x4), // its second half
});

export const EXT4_NAME_LEN = 255;
export const EXT4_DIR_PAD = 4;
/** det_reserved_ft. */
export const EXT4_FT_DIR_CSUM = 0xde;

/** file_type. */
export const EXT4_FT_UNKNOWN = 0;
export const EXT4_FT_REG_FILE = 1;
export const EXT4_FT_DIR = 2;
export const EXT4_FT_CHRDEV = 3;
export const EXT4_FT_BLKDEV = 4;
export const EXT4_FT_FIFO = 5;
export const EXT4_FT_SOCK = 6;
export const EXT4_FT_SYMLINK = 7;
export const EXT4_FT_MAX = 8;

/** EXT4_FT_* of an i_mode. */
export function fileTypeOfMode(mode: number): number {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EXT4_FT_REG_FILE;
    case S_IFDIR:
      return EXT4_FT_DIR;
    case S_IFCHR:
      return EXT4_FT_CHRDEV;
    case S_IFBLK:
      return EXT4_FT_BLKDEV;
    case S_IFIFO:
      return EXT4_FT_FIFO;
    case S_IFSOCK:
      return EXT4_FT_SOCK;
    case S_IFLNK:
      return EXT4_FT_SYMLINK;
    default:
      return EXT4_FT_UNKNOWN;
  }
}

/**
 * A rec_len as bytes. 16 bits cannot say 65536, and entries end at multiples of 4, so with blocks
 * of 64 KiB and more the two low bits carry bits 16 and 17, and 0 and 65535 both mean the block.
 * @source fs/ext4/ext4.h:ext4_rec_len_from_disk()
 */
export function recLenFromDisk(recLen: number, blockSize: number): number {
  if (blockSize < 65_536) return recLen;
  if (recLen === 0xffff || recLen === 0) return blockSize;
  return (recLen & 0xfffc) | ((recLen & 3) << 16);
}

/** @source fs/ext4/ext4.h:ext4_rec_len_to_disk() */
export function recLenToDisk(len: number, blockSize: number): number {
  if (len < 65_536) return len;
  if (len === blockSize) return blockSize === 65_536 ? 0xffff : 0;
  return (len & 0xfffc) | ((len >>> 16) & 3);
}

/** Least rec_len of an entry; `withHash` where DirEntryHash follows the name. */
export const dirRecLen = (nameLen: number, withHash = false): number =>
  (DirEntry2.$size + nameLen + (withHash ? DirEntryHash.$size : 0) + 3) & ~3;

/** Where DirEntryHash stands, counted from the start of the entry. */
export const dirEntryHashOffset = (nameLen: number): number => (DirEntry2.$size + nameLen + 3) & ~3;

/** Does a DirEntryTail stand at `at`? (Its checksum is another matter.) */
export const isDirEntryTail = (view: DataView, at: number): boolean =>
  DirEntryTail.det_reserved_zero1.get(view, at) === 0 &&
  DirEntryTail.det_rec_len.get(view, at) === DirEntryTail.$size &&
  DirEntryTail.det_reserved_zero2.get(view, at) === 0 &&
  DirEntryTail.det_reserved_ft.get(view, at) === EXT4_FT_DIR_CSUM;

/** Make the DirEntryTail at `at`, its checksum still 0. */
export function initDirEntryTail(view: DataView, at: number): void {
  DirEntryTail.det_reserved_zero1.set(view, at, 0);
  DirEntryTail.det_rec_len.set(view, at, DirEntryTail.$size);
  DirEntryTail.det_reserved_zero2.set(view, at, 0);
  DirEntryTail.det_reserved_ft.set(view, at, EXT4_FT_DIR_CSUM);
  DirEntryTail.det_checksum.set(view, at, 0);
}
