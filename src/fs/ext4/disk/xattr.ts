/**
 * Extended attributes: after the inode's fields, and in one block that inodes may share. Entries
 * run upwards from a header to a zero word, values downwards from the end.
 * @source filesystems/ext4/attributes.rst, "Extended Attributes"; fs/ext4/xattr.h
 */
import { LE, raw, struct, u16, u32, u8 } from '../../../base/struct.ts';
import { corrupted } from '../../../base/errno.ts';
import { Inode } from './inode.ts';

export const EXT4_XATTR_MAGIC = 0xea02_0000;

/** Head of an attribute block. */
export const XattrHeader = struct('ext4_xattr_header', LE, 32, {
  h_magic: u32(0x00), // 0xEA020000
  h_refcount: u32(0x04), // inodes that share the block
  h_blocks: u32(0x08), // 1
  h_hash: u32(0x0c), // xattrBlockHash(); 0: the block is never shared
  h_checksum: u32(0x10), // crc32c of block number and block, with metadata_csum
  h_reserved: raw(0x14, 12), // 0
});

/** Head of the attributes in an inode record, right after its i_extra_isize bytes. */
export const XattrIbodyHeader = struct('ext4_xattr_ibody_header', LE, 4, {
  h_magic: u32(0x0), // 0xEA020000
});

/** An entry; the name follows, padded to 4 bytes. */
export const XattrEntry = struct('ext4_xattr_entry', LE, 16, {
  e_name_len: u8(0x0), // bytes of the name after its prefix
  e_name_index: u8(0x1), // EXT4_XATTR_INDEX_*: the prefix
  e_value_offs: u16(0x2), // value: from the block's start, or from the first entry in an inode
  e_value_inum: u32(0x4), // inode that holds the value, with ea_inode; else 0
  e_value_size: u32(0x8), // bytes of the value
  e_hash: u32(0xc), // of name and value; 0 in an inode unless the value has its own inode
});

export const EXT4_XATTR_PAD = 4;
/** A block holds at most this many references before another copy is made. */
export const EXT4_XATTR_REFCOUNT_MAX = 1024;
/** Largest value with ea_inode. */
export const EXT4_XATTR_SIZE_MAX = 1 << 24;

/** e_name_index. */
export const EXT4_XATTR_INDEX_USER = 1;
export const EXT4_XATTR_INDEX_POSIX_ACL_ACCESS = 2;
export const EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT = 3;
export const EXT4_XATTR_INDEX_TRUSTED = 4;
export const EXT4_XATTR_INDEX_LUSTRE = 5;
export const EXT4_XATTR_INDEX_SECURITY = 6;
export const EXT4_XATTR_INDEX_SYSTEM = 7;
export const EXT4_XATTR_INDEX_RICHACL = 8;
export const EXT4_XATTR_INDEX_ENCRYPTION = 9;
export const EXT4_XATTR_INDEX_HURD = 10;
/** Name, under INDEX_SYSTEM, of the entry that makes an inode's data inline. */
export const EXT4_XATTR_SYSTEM_DATA = 'data';
/** Name, under INDEX_ENCRYPTION, of the encryption context. */
export const EXT4_XATTR_NAME_ENCRYPTION_CONTEXT = 'c';

interface XattrPrefix {
  readonly index: number;
  readonly prefix: string;
  /** The index stands for one whole name; nothing follows the prefix. */
  readonly whole: boolean;
  /** Linux has a handler: getxattr(2) and listxattr(2) can reach it. */
  readonly visible: boolean;
}
const row = (index: number, prefix: string, whole: boolean, visible: boolean): XattrPrefix => ({
  index,
  prefix,
  whole,
  visible,
});

/** Every known index. Longer prefixes stand before the ones they begin with. */
export const XATTR_PREFIXES: readonly XattrPrefix[] = [
  row(EXT4_XATTR_INDEX_USER, 'user.', false, true),
  row(EXT4_XATTR_INDEX_POSIX_ACL_ACCESS, 'system.posix_acl_access', true, true),
  row(EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT, 'system.posix_acl_default', true, true),
  row(EXT4_XATTR_INDEX_TRUSTED, 'trusted.', false, true),
  row(EXT4_XATTR_INDEX_LUSTRE, 'lustre.', false, false),
  row(EXT4_XATTR_INDEX_SECURITY, 'security.', false, true),
  row(EXT4_XATTR_INDEX_RICHACL, 'system.richacl', true, false),
  row(EXT4_XATTR_INDEX_SYSTEM, 'system.', false, false),
  row(EXT4_XATTR_INDEX_ENCRYPTION, 'encryption.', false, false),
  row(EXT4_XATTR_INDEX_HURD, 'gnu.', false, true),
];

const byIndex = new Map(XATTR_PREFIXES.map((p) => [p.index, p]));

/** The prefix of an index; null where the index is unknown (such entries stay, unseen). */
export const xattrPrefix = (index: number): XattrPrefix | null => byIndex.get(index) ?? null;

/** Index and rest of a full name; null where no prefix fits or nothing follows it. */
export function splitXattrName(name: string): { index: number; suffix: string } | null {
  for (const p of XATTR_PREFIXES) {
    if (p.whole ? name !== p.prefix : !name.startsWith(p.prefix)) continue;
    const suffix = name.slice(p.prefix.length);
    return p.whole || suffix !== '' ? { index: p.index, suffix } : null;
  }
  return null;
}

/** Bytes of an entry with its padded name. */
export const xattrEntryLen = (nameLen: number): number => (XattrEntry.$size + nameLen + 3) & ~3;
/** Bytes that a value takes. */
export const xattrValueLen = (size: number): number => (size + 3) & ~3;
/** Four zero bytes end the list of entries. */
export const isLastXattrEntry = (view: DataView, at: number): boolean =>
  view.getUint32(at, LE) === 0;

const NAME_HASH_SHIFT = 5;
const VALUE_HASH_SHIFT = 16;

/**
 * Hash of a name. Linux once took its bytes as the machine's `char`, signed on x86; new entries
 * are unsigned, and either is accepted when read.
 */
function nameHash(name: Uint8Array, signed: boolean): number {
  let hash = 0;
  for (const byte of name) {
    const c = signed ? (byte << 24) >> 24 : byte;
    hash = (hash << NAME_HASH_SHIFT) ^ (hash >>> (32 - NAME_HASH_SHIFT)) ^ c;
  }
  return hash;
}

const mixWord = (hash: number, word: number): number =>
  (hash << VALUE_HASH_SHIFT) ^ (hash >>> (32 - VALUE_HASH_SHIFT)) ^ word;

/**
 * e_hash of an entry whose value is in the same block.
 * @source fs/ext4/xattr.c:ext4_xattr_hash_entry(), ext4_xattr_hash_entry_signed()
 */
export function xattrEntryHash(name: Uint8Array, value: Uint8Array, signed = false): number {
  let hash = nameHash(name, signed);
  const byteAt = (i: number): number => value[i] ?? 0;
  for (let i = 0; i < value.length; i += 4) {
    const high = (byteAt(i + 2) << 16) | (byteAt(i + 3) << 24);
    hash = mixWord(hash, byteAt(i) | (byteAt(i + 1) << 8) | high);
  }
  return hash >>> 0;
}

/** e_hash of an entry whose value has its own inode: the value's crc32c stands for the value. */
export const xattrInodeEntryHash = (name: Uint8Array, valueHash: number, signed = false): number =>
  mixWord(nameHash(name, signed), valueHash) >>> 0;

/**
 * h_hash of a block: all e_hash in order; 0 as soon as one of them is 0.
 * @param from  the first entry; @param end  end of the block
 * @throws EUCLEAN  the list runs past `end`
 * @source fs/ext4/xattr.c:ext4_xattr_rehash()
 */
export function xattrBlockHash(view: DataView, from: number, end: number): number {
  let hash = 0;
  let at = from;
  while (at + 4 <= end && !isLastXattrEntry(view, at)) {
    if (at + XattrEntry.$size > end) throw corrupted('ext4_xattr_entry', 'e_name_len', { at, end });
    const entry = XattrEntry.e_hash.get(view, at);
    if (entry === 0) return 0;
    hash = mixWord(hash, entry);
    at += xattrEntryLen(XattrEntry.e_name_len.get(view, at));
  }
  if (at + 4 > end) throw corrupted('ext4_xattr_entry', 'e_name_len', { at, end });
  return hash >>> 0;
}

/**
 * An inode that holds one value (EXT4_EA_INODE_FL) keeps its count of references in i_ctime
 * (high) and l_i_version (low), and the crc32c of the value, seeded as the file system, in i_atime.
 * @source filesystems/ext4/attributes.rst; fs/ext4/xattr.c:ext4_xattr_inode_get_ref()
 */
export const eaInodeRef = (view: DataView, at: number): number =>
  (Inode.i_ctime.get(view, at) >>> 0) * 2 ** 32 + Inode.l_i_version.get(view, at);

export function setEaInodeRef(view: DataView, at: number, count: number): void {
  Inode.i_ctime.set(view, at, Math.floor(count / 2 ** 32));
  Inode.l_i_version.set(view, at, count % 2 ** 32);
}

export const eaInodeHash = (view: DataView, at: number): number =>
  Inode.i_atime.get(view, at) >>> 0;

export function setEaInodeHash(view: DataView, at: number, hash: number): void {
  Inode.i_atime.set(view, at, hash | 0);
}
