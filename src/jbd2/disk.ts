/**
 * Records of the journal. All but the fast-commit ones are big-endian.
 * @source filesystems/ext4/journal.rst, "Journal (jbd2)"; include/linux/jbd2.h
 */
import { BE, LE, join64, raw, struct, u16, u32, u64, u8 } from '../base/struct.ts';

export const JBD2_MAGIC_NUMBER = 0xc03b_3998;
/** Blocks that a journal has at least. */
export const JBD2_MIN_JOURNAL_BLOCKS = 1024;
export const JBD2_DEFAULT_FAST_COMMIT_BLOCKS = 256;

/** h_blocktype. */
export const JBD2_DESCRIPTOR_BLOCK = 1;
export const JBD2_COMMIT_BLOCK = 2;
export const JBD2_SUPERBLOCK_V1 = 3;
export const JBD2_SUPERBLOCK_V2 = 4;
export const JBD2_REVOKE_BLOCK = 5;

/** Head of every block that is not a copy of somebody else's. */
export const JournalHeader = struct('journal_header_s', BE, 12, {
  h_magic: u32(0x0), // 0xC03B3998
  h_blocktype: u32(0x4), // JBD2_*_BLOCK
  h_sequence: u32(0x8), // transaction
});

/** Block 0 of the journal. Version 1 ends after s_errno. */
export const JournalSuperblock = struct('journal_superblock_s', BE, 1024, {
  h_magic: u32(0x000), // 0xC03B3998
  h_blocktype: u32(0x004), // JBD2_SUPERBLOCK_V1 or _V2
  h_sequence: u32(0x008), // 0
  s_blocksize: u32(0x00c), // block size of the journal's device, that of the file system
  s_maxlen: u32(0x010), // blocks of the journal, the fast-commit area included
  s_first: u32(0x014), // first block of the log
  s_sequence: u32(0x018), // first transaction that is expected in the log
  s_start: u32(0x01c), // block where it starts; 0: the log is empty
  s_errno: u32(0x020), // error with which the journal was aborted, negated
  s_feature_compat: u32(0x024), // JBD2_FEATURE_COMPAT_*
  s_feature_incompat: u32(0x028), // JBD2_FEATURE_INCOMPAT_*
  s_feature_ro_compat: u32(0x02c), // none exists
  s_uuid: raw(0x030, 16), // identity; seeds the checksums
  s_nr_users: u32(0x040), // file systems that use it
  s_dynsuper: u32(0x044), // not used
  s_max_transaction: u32(0x048), // not used
  s_max_trans_data: u32(0x04c), // not used
  s_checksum_type: u8(0x050), // JBD2_*_CHKSUM
  s_padding2: raw(0x051, 3), // 0
  s_num_fc_blks: u32(0x054), // blocks of the fast-commit area at the end
  s_head: u32(0x058), // head of the log, valid while it is empty
  s_padding: raw(0x05c, 160), // 0
  s_checksum: u32(0x0fc), // crc32c of the superblock with 0 here
  s_users: raw(0x100, 768), // uuids of the file systems that use it
});

/** s_checksum_type, h_chksum_type. */
export const JBD2_CRC32_CHKSUM = 1;
export const JBD2_MD5_CHKSUM = 2;
export const JBD2_SHA1_CHKSUM = 3;
export const JBD2_CRC32C_CHKSUM = 4;

/** Feature bits, by the names of e2fsprogs. */
export const JBD2_COMPAT = { journal_checksum: 0x1 } as const;
export const JBD2_INCOMPAT = {
  journal_incompat_revoke: 0x1,
  journal_64bit: 0x2,
  journal_async_commit: 0x4,
  journal_checksum_v2: 0x8,
  journal_checksum_v3: 0x10,
  fast_commit: 0x20,
} as const;
/** Every incompatible bit there is; others forbid to touch the journal. */
export const JBD2_KNOWN_INCOMPAT = 0x3f;

/** Tag of a descriptor block with journal_checksum_v3: 16 bytes always. */
export const BlockTag3 = struct('journal_block_tag3_s', BE, 16, {
  t_blocknr: u32(0x0), // block of the file system, low
  t_flags: u32(0x4), // JBD2_FLAG_*
  t_blocknr_high: u32(0x8), // block of the file system, high, with journal_64bit
  t_checksum: u32(0xc), // crc32c of uuid, transaction and block
});

/** Tag otherwise: 8 bytes without journal_64bit, else 12; 2 more with journal_checksum_v2. */
export const BlockTag = struct('journal_block_tag_s', BE, 12, {
  t_blocknr: u32(0x0), // block of the file system, low
  t_checksum: u16(0x4), // low half of the crc32c, with journal_checksum_v2
  t_flags: u16(0x6), // JBD2_FLAG_*
  t_blocknr_high: u32(0x8), // block of the file system, high, with journal_64bit
});

/** t_flags. */
export const JBD2_FLAG_ESCAPE = 1; // the copy began with the magic number, 0 stands in its place
export const JBD2_FLAG_SAME_UUID = 2; // no uuid follows this tag; else 16 bytes do
export const JBD2_FLAG_DELETED = 4; // deleted by this transaction (not used)
export const JBD2_FLAG_LAST_TAG = 8; // the last tag of the block

/** Last 4 bytes of a descriptor or revoke block, with journal_checksum_v2 or _v3. */
export const JournalBlockTail = struct('jbd2_journal_block_tail', BE, 4, {
  t_checksum: u32(0x0), // crc32c of uuid and block with 0 here
});

/** Head of a revoke block; numbers of 4 bytes follow, with journal_64bit of 8. */
export const RevokeHeader = struct('jbd2_journal_revoke_header_s', BE, 16, {
  h_magic: u32(0x0), // 0xC03B3998
  h_blocktype: u32(0x4), // JBD2_REVOKE_BLOCK
  h_sequence: u32(0x8), // transaction
  r_count: u32(0xc), // bytes in use, this head included
});

/** Begin of a commit block: the transaction is whole. */
export const CommitHeader = struct('commit_header', BE, 60, {
  h_magic: u32(0x00), // 0xC03B3998
  h_blocktype: u32(0x04), // JBD2_COMMIT_BLOCK
  h_sequence: u32(0x08), // transaction
  h_chksum_type: u8(0x0c), // JBD2_CRC32_CHKSUM with journal_checksum (version 1), else 0
  h_chksum_size: u8(0x0d), // 4 then
  h_padding: raw(0x0e, 2), // 0
  h_chksum: raw(0x10, 32), // version 1: crc32 of all blocks; later: first word, crc32c of this
  h_commit_sec: u64(0x30), // when, seconds
  h_commit_nsec: u32(0x38), // when, nanoseconds
});
/** Byte of the first word of h_chksum, which is the one that is used. */
export const COMMIT_CHKSUM_OFFSET = 0x10;

/** What of a journal decides how its blocks are laid out. */
export interface JournalLayout {
  readonly wide: boolean; // journal_64bit
  readonly csumV2: boolean;
  readonly csumV3: boolean;
}

/** @param incompat  s_feature_incompat of the journal's superblock */
export const journalLayout = (incompat: number): JournalLayout => ({
  wide: (incompat & JBD2_INCOMPAT.journal_64bit) !== 0,
  csumV2: (incompat & JBD2_INCOMPAT.journal_checksum_v2) !== 0,
  csumV3: (incompat & JBD2_INCOMPAT.journal_checksum_v3) !== 0,
});

/** Bytes of a tag: 8, 10, 12, 14 or 16. @source fs/jbd2/journal.c:journal_tag_bytes() */
export function tagBytes({ wide, csumV2, csumV3 }: JournalLayout): number {
  if (csumV3) return BlockTag3.$size;
  return BlockTag.$size + (csumV2 ? 2 : 0) - (wide ? 0 : 4);
}

/** A tag, whatever its form. */
export interface Tag {
  readonly blocknr: number;
  readonly flags: number;
  /** crc32c: 32 bits with version 3, 16 with version 2, 0 without. */
  readonly checksum: number;
}

export function readTag(view: DataView, at: number, layout: JournalLayout): Tag {
  if (layout.csumV3) {
    const high = layout.wide ? BlockTag3.t_blocknr_high.get(view, at) : 0;
    return {
      blocknr: join64(BlockTag3.t_blocknr.get(view, at), high),
      flags: BlockTag3.t_flags.get(view, at),
      checksum: BlockTag3.t_checksum.get(view, at),
    };
  }
  const high = layout.wide ? BlockTag.t_blocknr_high.get(view, at) : 0;
  return {
    blocknr: join64(BlockTag.t_blocknr.get(view, at), high),
    flags: BlockTag.t_flags.get(view, at),
    checksum: layout.csumV2 ? BlockTag.t_checksum.get(view, at) : 0,
  };
}

export function writeTag(view: DataView, at: number, layout: JournalLayout, tag: Tag): void {
  const high = Math.floor(tag.blocknr / 2 ** 32);
  if (layout.csumV3) {
    BlockTag3.t_blocknr.set(view, at, tag.blocknr % 2 ** 32);
    BlockTag3.t_flags.set(view, at, tag.flags);
    BlockTag3.t_blocknr_high.set(view, at, layout.wide ? high : 0);
    BlockTag3.t_checksum.set(view, at, tag.checksum);
    return;
  }
  BlockTag.t_blocknr.set(view, at, tag.blocknr % 2 ** 32);
  BlockTag.t_checksum.set(view, at, layout.csumV2 ? tag.checksum & 0xffff : 0);
  BlockTag.t_flags.set(view, at, tag.flags);
  if (layout.wide) BlockTag.t_blocknr_high.set(view, at, high);
}

/**
 * Fast commits: a stream of tag, length, value in the blocks of their area, little-endian.
 * @source filesystems/ext4/journal.rst, "Fast commits"; fs/ext4/fast_commit.h
 */
export const FcTl = struct('ext4_fc_tl', LE, 4, {
  fc_tag: u16(0x0), // EXT4_FC_TAG_*
  fc_len: u16(0x2), // bytes of the value that follows
});

/**
 * Blocks of the journal that hold fast commits: from `first` up to, not with, `end`. The ordinary
 * log ends before `log`; the block between the two is never used.
 * @param maxlen  s_maxlen; @param numFcBlks  s_num_fc_blks, 0 meaning the default
 * @source fs/jbd2/journal.c:jbd2_journal_initialize_fast_commit()
 */
export function fastCommitArea(
  maxlen: number,
  numFcBlks: number,
): { readonly log: number; readonly first: number; readonly end: number } {
  const log = maxlen - (numFcBlks || JBD2_DEFAULT_FAST_COMMIT_BLOCKS);
  return { log, first: log + 1, end: maxlen };
}

/** fc_tag. */
export const EXT4_FC_TAG_ADD_RANGE = 0x0001;
export const EXT4_FC_TAG_DEL_RANGE = 0x0002;
export const EXT4_FC_TAG_CREAT = 0x0003;
export const EXT4_FC_TAG_LINK = 0x0004;
export const EXT4_FC_TAG_UNLINK = 0x0005;
export const EXT4_FC_TAG_INODE = 0x0006;
export const EXT4_FC_TAG_PAD = 0x0007;
export const EXT4_FC_TAG_TAIL = 0x0008;
export const EXT4_FC_TAG_HEAD = 0x0009;
/** fc_features that Linux 6.18 knows. */
export const EXT4_FC_SUPPORTED_FEATURES = 0x0;

export const FcHead = struct('ext4_fc_head', LE, 8, {
  fc_features: u32(0x0), // EXT4_FC_SUPPORTED_FEATURES
  fc_tid: u32(0x4), // transaction after which this is valid
});

export const FcAddRange = struct('ext4_fc_add_range', LE, 16, {
  fc_ino: u32(0x0), // inode
  fc_ex: raw(0x4, 12), // the ext4_extent that the range has now
});

export const FcDelRange = struct('ext4_fc_del_range', LE, 12, {
  fc_ino: u32(0x0), // inode
  fc_lblk: u32(0x4), // first logical block
  fc_len: u32(0x8), // blocks
});

/** Value of CREAT, LINK and UNLINK; the name follows and ends with the value. */
export const FcDentryInfo = struct('ext4_fc_dentry_info', LE, 8, {
  fc_parent_ino: u32(0x0), // directory
  fc_ino: u32(0x4), // inode that the name leads to
});

/** Value of INODE; the raw inode record follows and ends with the value. */
export const FcInode = struct('ext4_fc_inode', LE, 4, {
  fc_ino: u32(0x0), // inode
});

export const FcTail = struct('ext4_fc_tail', LE, 8, {
  fc_tid: u32(0x0), // transaction after which this is valid
  fc_crc: u32(0x4), // crc32c, from 0, of all tags since the last tail, up to this word
});
