/**
 * Checksums of the journal with journal_checksum_v2 and _v3: crc32c, big-endian where stored. The
 * superblock's starts anew; all others go on from the crc of its uuid.
 * @source filesystems/ext4/journal.rst; fs/jbd2/journal.c, commit.c:jbd2_block_tag_csum_set()
 */
import { crc32c } from '../base/checksum.ts';
import { COMMIT_CHKSUM_OFFSET, JournalBlockTail, JournalSuperblock } from './disk.ts';

/** Bytes and the view over the same bytes; a buffer head is one. */
interface RawBlock {
  readonly data: Uint8Array;
  readonly view: DataView;
}

/** A checksum has this in its own place while it is made. */
const ZEROS = new Uint8Array(4);
const word = new DataView(new ArrayBuffer(4));
const wordBytes = new Uint8Array(word.buffer);

/** crc32c of `data[start, end)` with 4 bytes of 0 at `hole`. */
function crcWithHole(seed: number, data: Uint8Array, hole: number, end: number): number {
  const crc = crc32c(crc32c(seed, data, 0, hole), ZEROS);
  return crc32c(crc, data, hole + 4, end);
}

/** Seed of all blocks but the superblock. @param uuid  s_uuid of the journal's superblock */
export const journalCsumSeed = (uuid: Uint8Array): number => crc32c(0xffff_ffff, uuid);

/** Of the 1024 bytes of the superblock, wherever its block ends. */
const superblockCsum = (data: Uint8Array): number =>
  crcWithHole(0xffff_ffff, data, JournalSuperblock.s_checksum.offset, JournalSuperblock.$size);

export const journalSuperblockCsumOk = (b: RawBlock): boolean =>
  superblockCsum(b.data) === JournalSuperblock.s_checksum.get(b.view, 0);

export function setJournalSuperblockCsum(b: RawBlock): void {
  JournalSuperblock.s_checksum.set(b.view, 0, superblockCsum(b.data));
}

/** Of a descriptor or revoke block, kept in its tail. */
const tailCsum = (seed: number, data: Uint8Array): number =>
  crcWithHole(seed, data, data.length - JournalBlockTail.$size, data.length);

export const journalTailCsumOk = (seed: number, b: RawBlock): boolean =>
  tailCsum(seed, b.data) ===
  JournalBlockTail.t_checksum.get(b.view, b.data.length - JournalBlockTail.$size);

export function setJournalTailCsum(seed: number, b: RawBlock): void {
  const at = b.data.length - JournalBlockTail.$size;
  JournalBlockTail.t_checksum.set(b.view, at, tailCsum(seed, b.data));
}

/** Of a commit block, kept in the first word of its h_chksum. */
const commitCsum = (seed: number, data: Uint8Array): number =>
  crcWithHole(seed, data, COMMIT_CHKSUM_OFFSET, data.length);

export const journalCommitCsumOk = (seed: number, b: RawBlock): boolean =>
  commitCsum(seed, b.data) === b.view.getUint32(COMMIT_CHKSUM_OFFSET);

export function setJournalCommitCsum(seed: number, b: RawBlock): void {
  b.view.setUint32(COMMIT_CHKSUM_OFFSET, commitCsum(seed, b.data));
}

/**
 * Of a block in the log, for its tag: all 32 bits with version 3, the low 16 with version 2.
 * @param data  the block as it stands in the log, its magic number replaced where JBD2_FLAG_ESCAPE
 */
export function journalTagCsum(seed: number, sequence: number, data: Uint8Array): number {
  word.setUint32(0, sequence);
  return crc32c(crc32c(seed, wordBytes), data);
}
