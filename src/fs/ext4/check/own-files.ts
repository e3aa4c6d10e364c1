/**
 * The file system's own records outside of groups: orphans, the journal's super block, multi-mount
 * protection, the inode that keeps room for descriptors.
 */
import { S_IFMT, S_IFREG } from '../../../base/mode.ts';
import { LE } from '../../../base/struct.ts';
import { ino as inoUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { journalSuperblockCsumOk } from '../../../jbd2/checksum.ts';
import {
  JBD2_CRC32C_CHKSUM,
  JBD2_INCOMPAT,
  JBD2_KNOWN_INCOMPAT,
  JBD2_MAGIC_NUMBER,
  JBD2_SUPERBLOCK_V1,
  JBD2_SUPERBLOCK_V2,
  JournalSuperblock,
} from '../../../jbd2/disk.ts';
import { inodeCsumSeed, mmpCsumOk, orphanBlockCsumOk } from '../checksum.ts';
import { EXT4_DIND_BLOCK, EXT4_JOURNAL_INO, EXT4_RESIZE_INO, Inode, iSize } from '../disk/inode.ts';
import { EXT4_MMP_MAGIC, EXT4_MMP_SEQ_CLEAN, Mmp } from '../disk/mmp.ts';
import {
  EXT4_ORPHAN_BLOCK_MAGIC,
  OrphanBlockTail,
  orphanSlotsPerBlock,
  orphanTailOffset,
} from '../disk/orphan.ts';
import { Superblock } from '../disk/superblock.ts';
import { fileRuns } from './file-read.ts';
import { readInodeRecord } from './inode-read.ts';
import type { CheckState } from './state.ts';
import type { Volume } from './volume.ts';

/** Inodes that wait for their end: in the list through i_dtime, and in the orphan file. */
export function* findOrphans(state: CheckState): Op<void> {
  const { vol, orphans } = state;
  const { report } = vol;
  let ino = vol.sbField('s_last_orphan');
  while (ino !== 0) {
    const place = { ino: inoUnit(ino), field: 's_last_orphan' };
    if (!vol.validIno(ino) || ino < vol.geo.firstIno || orphans.has(ino)) {
      report.report('orphan-list', `The list of orphans leads to inode ${ino}.`, place);
      return;
    }
    orphans.add(ino);
    report.report('orphan-inode', `Inode ${ino} waits for its end on the orphan list.`, place);
    const record = yield* readInodeRecord(vol, ino);
    ino = record ? Inode.i_dtime.get(record.view, 0) : 0;
  }
  if (vol.has.orphanFile) yield* readOrphanFile(state);
}

function* readOrphanFile(state: CheckState): Op<void> {
  const { vol, orphans } = state;
  const file = Superblock.s_orphan_file_inum.get(vol.super.view, 0);
  const record = yield* readInodeRecord(vol, file);
  if (!record) return;
  const seed = inodeCsumSeed(vol.facts.csumSeed, file, Inode.i_generation.get(record.view, 0));
  const slots = orphanSlotsPerBlock(vol.geo.blockSize);
  for (const [lblk, start, len] of yield* fileRuns(vol, file)) {
    for (let i = 0; i < len; i++) {
      const bh = yield* vol.bread(start + i);
      if (!bh) continue;
      const place = { ino: inoUnit(file), pblk: pblkUnit(start + i) };
      const fail = (field: string): void => {
        const text = `Block ${lblk + i} of the orphan file has a wrong ${field}.`;
        vol.report.report('orphan-file', text, { ...place, field });
      };
      const tail = orphanTailOffset(vol.geo.blockSize);
      if (OrphanBlockTail.ob_magic.get(bh.view, tail) !== EXT4_ORPHAN_BLOCK_MAGIC) fail('ob_magic');
      else if (vol.has.metadataCsum && !orphanBlockCsumOk(seed, start + i, bh)) fail('ob_checksum');
      for (let s = 0; s < slots; s++) {
        const ino = bh.view.getUint32(4 * s, LE);
        if (ino === 0) continue;
        if (!vol.validIno(ino) || ino < vol.geo.firstIno) {
          fail('slot');
          continue;
        }
        orphans.add(ino);
        const text = `Inode ${ino} waits for its end in the orphan file.`;
        vol.report.report('orphan-inode', text, { ino: inoUnit(ino) });
      }
      bh.put();
    }
  }
}

/** The journal as far as it can be checked without reading it: its super block. */
export function* checkJournal(state: CheckState): Op<void> {
  const { vol } = state;
  if (!vol.has.journal) {
    yield* checkNoJournal(state);
    return;
  }
  const ino = Superblock.s_journal_inum.get(vol.super.view, 0);
  const fail = (field: string, text: string): void => {
    vol.report.report('journal-superblock', `The journal: ${text}.`, { ino: inoUnit(ino), field });
  };
  if (Superblock.s_journal_uuid.get(vol.super.view, 0).some((b) => b !== 0)) {
    fail('s_journal_uuid', 'it is in the file system, yet the super block names a device');
  }
  const record = yield* readInodeRecord(vol, ino);
  const [first] = yield* fileRuns(vol, ino);
  if (!record || !first || first[0] !== 0 || Inode.i_links_count.get(record.view, 0) === 0) {
    fail('s_journal_inum', `inode ${ino} is no journal`);
    return;
  }
  const bh = yield* vol.bread(first[1]);
  if (!bh) return;
  try {
    const get = (
      name: 'h_magic' | 'h_blocktype' | 's_blocksize' | 's_maxlen' | 's_first',
    ): number => JournalSuperblock[name].get(bh.view, 0);
    const type = get('h_blocktype');
    if (get('h_magic') !== JBD2_MAGIC_NUMBER)
      fail('h_magic', 'its super block has no magic number');
    else if (type !== JBD2_SUPERBLOCK_V1 && type !== JBD2_SUPERBLOCK_V2) {
      fail('h_blocktype', `its super block says it is of type ${type}`);
    } else {
      const blocks = Math.floor(iSize(record.view, 0) / vol.geo.blockSize);
      if (get('s_blocksize') !== vol.geo.blockSize)
        fail('s_blocksize', 'it has another block size');
      if (get('s_maxlen') > blocks || get('s_maxlen') < 4) fail('s_maxlen', 'its length is wrong');
      if (get('s_first') === 0 || get('s_first') >= get('s_maxlen')) {
        fail('s_first', 'its log begins outside of it');
      }
      checkJournalState(state, bh, type, fail);
    }
  } finally {
    bh.put();
  }
}

/** Without the feature the reserved inode must be free. */
function* checkNoJournal({ vol }: CheckState): Op<void> {
  const record = yield* readInodeRecord(vol, EXT4_JOURNAL_INO);
  if (!record) return;
  const blocks = Inode.i_block.get(record.view, 0).some((b) => b !== 0);
  if (!blocks && Inode.i_links_count.get(record.view, 0) === 0) return;
  const place = { ino: inoUnit(EXT4_JOURNAL_INO) };
  const text = 'The inode of the journal is in use without the feature has_journal.';
  vol.report.report('journal-without-feature', text, place);
}

function checkJournalState(
  state: CheckState,
  b: { readonly data: Uint8Array; readonly view: DataView },
  type: number,
  fail: (field: string, text: string) => void,
): void {
  const { view } = b;
  const start = JournalSuperblock.s_start.get(view, 0);
  if (start !== 0 && !state.vol.feature('needs_recovery')) {
    fail('s_start', 'it holds changes, but the super block does not say so');
  }
  const aborted = JournalSuperblock.s_errno.get(view, 0);
  if (aborted !== 0) fail('s_errno', `it was given up with error ${aborted | 0}`);
  if (type === JBD2_SUPERBLOCK_V1) return;
  const incompat = JournalSuperblock.s_feature_incompat.get(view, 0);
  const readOnly = JournalSuperblock.s_feature_ro_compat.get(view, 0);
  if (readOnly !== 0 || JournalSuperblock.s_nr_users.get(view, 0) > 1) {
    fail('s_nr_users', 'it says that several file systems use it, or what nobody knows');
  }
  if ((incompat & ~JBD2_KNOWN_INCOMPAT) !== 0) {
    fail('s_feature_incompat', 'it has a feature that nobody knows');
    return;
  }
  const csum = JBD2_INCOMPAT.journal_checksum_v2 | JBD2_INCOMPAT.journal_checksum_v3;
  if ((incompat & csum) === 0) return;
  if (JournalSuperblock.s_checksum_type.get(view, 0) !== JBD2_CRC32C_CHKSUM) {
    fail('s_checksum_type', 'its checksums are of an unknown kind');
  } else if (!journalSuperblockCsumOk(b)) {
    fail('s_checksum', 'the checksum of its super block is wrong');
  }
}

/** Multi-mount protection: is the record whole, and does nobody hold the file system? */
export function* checkMmpRecord(state: CheckState): Op<void> {
  const { vol } = state;
  if (!vol.feature('mmp')) return;
  const block = Superblock.s_mmp_block.get(vol.super.view, 0);
  const place = { pblk: pblkUnit(block) };
  const bh = yield* vol.bread(block);
  if (!bh) return;
  state.claimMetadata(block, 1);
  const seq = Mmp.mmp_seq.get(bh.view, 0);
  if (Mmp.mmp_magic.get(bh.view, 0) !== EXT4_MMP_MAGIC) {
    const text = 'The record of multi-mount protection has no magic number.';
    vol.report.report('mmp-record', text, { ...place, field: 'mmp_magic' });
  } else if (vol.has.metadataCsum && !mmpCsumOk(vol.facts.csumSeed, bh)) {
    const text = 'The checksum of the record of multi-mount protection is wrong.';
    vol.report.report('mmp-record', text, { ...place, field: 'mmp_checksum' });
  } else if (seq !== EXT4_MMP_SEQ_CLEAN) {
    const text = 'Somebody has the file system mounted, or crashed with it.';
    vol.report.report('mmp-in-use', text, { ...place, field: 'mmp_seq' });
  }
  bh.put();
}

/** The inode that keeps room for more descriptors is there exactly if the feature is. */
export function* checkResizeInode(state: CheckState): Op<void> {
  const { vol } = state;
  const place = { ino: inoUnit(EXT4_RESIZE_INO) };
  const reserved = vol.sbField('s_reserved_gdt_blocks');
  const record = yield* readInodeRecord(vol, EXT4_RESIZE_INO);
  if (!record) return;
  if (!vol.feature('resize_inode')) {
    if (reserved !== 0) {
      const text = 'Room is reserved for descriptors without the feature resize_inode.';
      vol.report.report('resize-inode', text, { field: 's_reserved_gdt_blocks' });
    }
    const used = Inode.i_block.get(record.view, 0).some((b) => b !== 0);
    if (used) {
      const text = 'The inode for resizing holds blocks without the feature resize_inode.';
      vol.report.report('resize-inode', text, place);
    }
    return;
  }
  yield* checkResizeMap(state, record.view, reserved);
}

/**
 * Its double indirect block names every reserved block, each of which names its copies in the
 * groups that keep some. @source Documentation/filesystems/ext4/group_descr.rst; resize2fs(8)
 */
function* checkResizeMap(state: CheckState, view: DataView, reserved: number): Op<void> {
  const { vol } = state;
  const at = Inode.i_block.offset;
  const words = Array.from({ length: 15 }, (_, i) => view.getUint32(at + 4 * i, LE));
  const bad = (field: string, text: string): void => {
    const place = { ino: inoUnit(EXT4_RESIZE_INO), field };
    vol.report.report('resize-inode', `The inode for resizing: ${text}.`, place);
  };
  const regular = (Inode.i_mode.get(view, 0) & S_IFMT) === S_IFREG;
  if (words.some((w, i) => i !== EXT4_DIND_BLOCK && w !== 0) || !regular) {
    bad('i_block', 'it holds more than a double indirect block');
    return;
  }
  if (Inode.i_links_count.get(view, 0) === 0) {
    bad('i_links_count', 'it has no link');
    return;
  }
  const block = words[EXT4_DIND_BLOCK]!;
  const dind = block === 0 ? null : yield* vol.bread(block);
  if (!dind) {
    bad('i_block', `its double indirect block is said to be ${block}`);
    return;
  }
  try {
    const wrong = yield* wrongReserved(state, dind.view, reserved);
    if (wrong !== null) bad('i_block', wrong);
  } finally {
    dind.put();
  }
}

/** What is wrong first with the reserved blocks and their copies, or null. */
function* wrongReserved({ vol }: CheckState, dind: DataView, reserved: number): Op<string | null> {
  const perBlock = vol.geo.blockSize / 4;
  const old = Math.min(vol.firstMetaBg, vol.gdtBlocks);
  const first = vol.gdtBlockAt(0) + old;
  const shifts = copyShifts(vol, perBlock);
  for (let i = 0; i < Math.min(reserved, perBlock); i++) {
    const want = first + i;
    const got = dind.getUint32(4 * ((old + i) % perBlock), LE);
    if (got !== want) return `reserved block ${want} is said to be ${got}`;
    const bh = yield* vol.bread(want);
    if (!bh) return `reserved block ${want} is outside of the image`;
    const wrong = shifts.findIndex((d, j) => bh.view.getUint32(4 * j, LE) !== want + d);
    const said = wrong < 0 ? 0 : bh.view.getUint32(4 * wrong, LE);
    bh.put();
    if (wrong >= 0) {
      return `the copy of reserved block ${want} at ${want + shifts[wrong]!} is said to be ${said}`;
    }
  }
  return null;
}

/** How far the copies of a block of group 0 are behind it, as many as one block can name. */
function copyShifts(vol: Volume, most: number): number[] {
  const shifts: number[] = [];
  for (let g = 1; g < vol.geo.groupsCount && shifts.length < most; g++) {
    if (vol.groupHasSuper(g)) shifts.push(g * vol.geo.blocksPerGroup);
  }
  return shifts;
}
