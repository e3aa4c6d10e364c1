/**
 * Pass 0: the super block, its copies, and the group descriptors.
 *
 * A primary super block that cannot be believed is reported, and the check goes on with a copy, as
 * a person would do by hand with `e2fsck -b`.
 */
import { CorruptError, corrupted } from '../../../base/errno.ts';
import type { Field } from '../../../base/struct.ts';
import { pblk } from '../../../base/units.ts';
import type { BlockDevice } from '../../../block/block-device.ts';
import type { Memory } from '../../../mm/vmscan.ts';
import type { Op } from '../../../sched/op.ts';
import { groupDescCrc16, groupDescCsum, rawBlock, setSuperblockCsum } from '../checksum.ts';
import {
  type DescField,
  EXT4_BG_INODE_UNINIT,
  EXT4_BG_BLOCK_UNINIT,
  GroupDesc,
  bgBlockBitmap,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgInodeTable,
  bgItableUnused,
  bgUsedDirsCount,
} from '../disk/group-desc.ts';
import {
  DX_HASH_HALF_MD4,
  EXT4_ERRORS_DEFAULT,
  EXT4_ERROR_FS,
  EXT4_SUPER_MAGIC,
  EXT4_SUPER_SIZE,
  Superblock,
} from '../disk/superblock.ts';
import {
  COMPAT,
  type Features,
  INCOMPAT,
  RO_COMPAT,
  featureNames,
  readFeatures,
} from '../features.ts';
import { type SuperFacts, parseSuperBlock, readSuperBlock } from '../super-read.ts';
import type { Reporter } from './problem.ts';
import { Volume } from './volume.ts';

/** Blocks of the first copy for each block size, as mke2fs lays groups out. */
const BACKUPS: readonly [blockSize: number, block: number][] = [
  [1024, 8193],
  [2048, 16_384],
  [4096, 32_768],
  [1024, 24_577],
  [2048, 49_152],
  [4096, 98_304],
  [65_536, 524_288],
];

interface Believed {
  readonly bytes: Uint8Array;
  readonly facts: SuperFacts;
}

/**
 * Find a super block to believe and make the volume of it.
 * @throws EUCLEAN no super block at all; EINVAL an unsupported feature, named; EIO
 */
export function* openVolume(device: BlockDevice, memory: Memory, report: Reporter): Op<Volume> {
  const primary = yield* readSuperBlock(device);
  const { bytes, facts } = believePrimary(primary, device, report) ?? (yield* believeCopy(device));
  return new Volume(device, memory, report, facts, bytes);
}

/**
 * Fields that shape nothing, and a value that is always possible: a wrong one is reported and the
 * rest of the super block believed, since it knows more than its copies do.
 */
const MENDABLE: Readonly<Record<string, readonly [Field, number]>> = {
  s_checksum: [Superblock.s_checksum, 0],
  s_errors: [Superblock.s_errors, EXT4_ERRORS_DEFAULT],
  s_creator_os: [Superblock.s_creator_os, 0],
  s_def_hash_version: [Superblock.s_def_hash_version, DX_HASH_HALF_MD4],
  s_last_orphan: [Superblock.s_last_orphan, 0],
  s_free_inodes_count: [Superblock.s_free_inodes_count, 0],
  s_min_extra_isize: [Superblock.s_min_extra_isize, 0],
  s_want_extra_isize: [Superblock.s_want_extra_isize, 0],
  s_r_blocks_count_lo: [Superblock.s_r_blocks_count_lo, 0],
  s_free_blocks_count_lo: [Superblock.s_free_blocks_count_lo, 0],
};

function believePrimary(bytes: Uint8Array, device: BlockDevice, report: Reporter): Believed | null {
  const mended = bytes.slice();
  const { view } = rawBlock(mended);
  for (let tries = 0; tries <= Object.keys(MENDABLE).length; tries++) {
    const facts = tryParse(mended, device);
    if (!(facts instanceof CorruptError)) return { bytes, facts };
    const field = String(facts.facts['field']);
    const code = field === 's_checksum' ? 'superblock-checksum' : 'superblock-field';
    report.report(code, `The super block cannot be right: ${facts.message}.`, { field });
    const mend = MENDABLE[field];
    if (!mend) return null;
    mend[0].set(view, 0, mend[1]);
    if (field === 's_free_blocks_count_lo') Superblock.s_free_blocks_count_hi.set(view, 0, 0);
    if (field === 's_r_blocks_count_lo') Superblock.s_r_blocks_count_hi.set(view, 0, 0);
    setSuperblockCsum(rawBlock(mended), 0);
  }
  return null;
}

function tryParse(bytes: Uint8Array, device: BlockDevice): SuperFacts | CorruptError {
  try {
    return parseSuperBlock(bytes, device.size);
  } catch (e) {
    if (e instanceof CorruptError) return e;
    throw e;
  }
}

function* believeCopy(device: BlockDevice): Op<Believed> {
  let last: CorruptError | null = null;
  for (const [blockSize, block] of BACKUPS) {
    const at = block * blockSize;
    if (at + 4096 > device.size) continue;
    const bytes = new Uint8Array(4096);
    yield* device.transfer('read', at, bytes);
    const copy = bytes.subarray(0, EXT4_SUPER_SIZE);
    const facts = tryParse(copy, device);
    if (facts instanceof CorruptError) last = facts;
    else if (facts.geo.blockSize === blockSize) return { bytes: copy, facts };
  }
  throw last ?? noSuperBlock();
}

const noSuperBlock = (): CorruptError =>
  corrupted('ext4_super_block', 's_magic', { got: 'no copy that can be used' });

/** Check what parsing did not, read the descriptors, and check them. */
export function* checkSuper(vol: Volume): Op<void> {
  checkState(vol);
  yield* readDescriptors(vol);
  yield* checkCopies(vol);
  for (let g = 0; g < vol.geo.groupsCount; g++) checkDescriptor(vol, g);
}

function checkState(vol: Volume): void {
  const { view } = vol.super;
  const state = vol.sbField('s_state');
  const { report } = vol;
  if (vol.feature('needs_recovery')) {
    report.report(
      'journal-needs-recovery',
      'The journal holds changes that were not written home; what stands here is older.',
      { field: 's_feature_incompat' },
    );
  }
  if ((state & EXT4_ERROR_FS) !== 0) {
    report.report('state-error', 'The file system is marked as having errors.', {
      field: 's_state',
    });
  }
  const unknown = unknownFeatures(vol.facts.features);
  if (unknown.length > 0) {
    const text = `What the feature ${unknown.join(', ')} demands, nobody here knows.`;
    report.report('feature-unknown', text, { field: 's_feature_ro_compat' });
  }
  const journal = Superblock.s_journal_inum.get(view, 0) !== 0;
  if (
    !vol.has.journal &&
    (journal || Superblock.s_journal_uuid.get(view, 0).some((b) => b !== 0))
  ) {
    const text = 'The super block names a journal, but does not have the feature.';
    report.report('journal-without-feature', text, { field: 's_journal_inum' });
  }
  checkSizes(vol);
}

/** Sizes that are not used without their features must still be possible. */
function checkSizes(vol: Volume): void {
  const { view } = vol.super;
  const bad = (field: string, got: number): void => {
    const text = `The super block has the ${field} ${got}.`;
    vol.report.report('superblock-field', text, { field });
  };
  const descSize = Superblock.s_desc_size.get(view, 0);
  const power = (descSize & (descSize - 1)) === 0;
  if (descSize !== 0 && (!power || descSize < 32 || descSize > 1024)) bad('s_desc_size', descSize);
  const flex = Superblock.s_log_groups_per_flex.get(view, 0);
  if (flex > 31) bad('s_log_groups_per_flex', flex);
}

/** Bits of features that harm no reader, but that a checker would have to know. */
const unknownFeatures = (f: Features): string[] => {
  const known = [COMPAT, RO_COMPAT].map((t) => Object.values(t).reduce((a, b) => a | b, 0));
  const rest = { compat: f.compat & ~known[0]!, incompat: 0, roCompat: f.roCompat & ~known[1]! };
  return featureNames({ ...rest, compat: rest.compat >>> 0, roCompat: rest.roCompat >>> 0 });
};

function* readDescriptors(vol: Volume): Op<void> {
  const { blockSize } = vol.geo;
  for (let i = 0; i < vol.gdtBlocks;) {
    const start = vol.gdtBlockAt(i);
    let count = 1;
    while (
      i + count < vol.gdtBlocks &&
      count * blockSize < 1 << 20 &&
      vol.gdtBlockAt(i + count) === start + count
    ) {
      count++;
    }
    yield* vol.readRun(start, count, vol.gdt.data.subarray(i * blockSize));
    i += count;
  }
}

/** Feature bits that Linux sets in the primary super block alone, at run time. */
const PRIMARY_ONLY = {
  compat: COMPAT.fast_commit,
  incompat: INCOMPAT.needs_recovery,
  roCompat: RO_COMPAT.large_file | RO_COMPAT.dir_nlink | RO_COMPAT.orphan_present,
};

/** Numbers that are the same in every copy. */
const SHAPE = [
  's_inodes_count',
  's_blocks_count_lo',
  's_first_data_block',
  's_log_block_size',
  's_blocks_per_group',
  's_inodes_per_group',
  's_magic',
  's_rev_level',
  's_inode_size',
] as const;

/**
 * Groups whose copies are looked at: all there are of a sparse_super file system, and then some.
 * Of the group descriptors no copy is read, since Linux and e2fsck write them seldom (their numbers
 * are those of the last resize) and e2fsck compares none.
 */
const MOST_COPIES = 64;

function* checkCopies(vol: Volume): Op<void> {
  const { blockSize } = vol.geo;
  const buffer = new Uint8Array(Math.max(blockSize, 4096));
  let seen = 0;
  for (let g = 1; g < vol.geo.groupsCount && seen < MOST_COPIES; g++) {
    if (!vol.groupHasSuper(g)) continue;
    seen++;
    const at = vol.groupFirst(g);
    yield* vol.readRun(at, 1, buffer);
    compareCopy(vol, g, at, rawBlock(buffer.subarray(0, EXT4_SUPER_SIZE)).view);
  }
}

function compareCopy(vol: Volume, group: number, at: number, copy: DataView): void {
  const { view } = vol.super;
  const differ = (field: string): void => {
    const text = `The copy of the super block in group ${group} has another ${field}.`;
    vol.report.report('backup-superblock', text, { group, pblk: pblk(at), field });
  };
  if (Superblock.s_magic.get(copy, 0) !== EXT4_SUPER_MAGIC) {
    differ('s_magic');
    return;
  }
  for (const field of SHAPE) {
    if (Superblock[field].get(copy, 0) !== Superblock[field].get(view, 0)) differ(field);
  }
  if (Superblock.s_rev_level.get(view, 0) === 0) return;
  const ours = readFeatures(view, 0);
  const theirs = readFeatures(copy, 0);
  if (((ours.compat ^ theirs.compat) & ~PRIMARY_ONLY.compat) !== 0) differ('s_feature_compat');
  if (((ours.incompat ^ theirs.incompat) & ~PRIMARY_ONLY.incompat) !== 0) {
    differ('s_feature_incompat');
  }
  if (((ours.roCompat ^ theirs.roCompat) & ~PRIMARY_ONLY.roCompat) !== 0) {
    differ('s_feature_ro_compat');
  }
}

function checkDescriptor(vol: Volume, group: number): void {
  const { geo, report } = vol;
  const at = group * geo.descSize;
  const bad = (field: string, text: string): void => {
    report.report('group-desc-field', `Group ${group}: ${text}.`, { group, field });
  };
  if (vol.hasGroupCsum) {
    const want = vol.has.metadataCsum
      ? groupDescCsum(vol.facts.csumSeed, group, vol.gdt, at, geo.descSize)
      : groupDescCrc16(vol.facts.uuid, group, vol.gdt, at, geo.descSize);
    if (GroupDesc.bg_checksum.get(vol.gdt.view, at) !== want) {
      const text = `The checksum of the descriptor of group ${group} is wrong.`;
      report.report('group-desc-checksum', text, { group, field: 'bg_checksum' });
    }
  }
  const first = vol.has.flexBg ? geo.firstDataBlock : vol.groupFirst(group);
  const end = vol.has.flexBg ? geo.blocksCount : first + vol.groupBlocks(group);
  const place = (field: DescField, name: string, count: number): void => {
    const block = vol.desc(group, field);
    if (block >= first && block + count <= end) return;
    bad(name, `${name} points to block ${block}, outside of ${first}..${end - count}`);
  };
  place(bgBlockBitmap, 'bg_block_bitmap_lo', 1);
  place(bgInodeBitmap, 'bg_inode_bitmap_lo', 1);
  place(bgInodeTable, 'bg_inode_table_lo', geo.itbPerGroup);
  const limit = (field: DescField, name: string, most: number): void => {
    const got = vol.desc(group, field);
    if (got > most) bad(name, `${name} is ${got}, more than ${most}`);
  };
  limit(bgFreeBlocksCount, 'bg_free_blocks_count_lo', vol.groupClusters(group));
  limit(bgFreeInodesCount, 'bg_free_inodes_count_lo', geo.inodesPerGroup);
  limit(bgUsedDirsCount, 'bg_used_dirs_count_lo', geo.inodesPerGroup);
  if (vol.hasGroupCsum) {
    limit(bgItableUnused, 'bg_itable_unused_lo', geo.inodesPerGroup);
    return;
  }
  const uninit = EXT4_BG_BLOCK_UNINIT | EXT4_BG_INODE_UNINIT;
  if ((GroupDesc.bg_flags.get(vol.gdt.view, at) & uninit) !== 0) {
    bad('bg_flags', 'it is marked as not initialised, which needs checksums of descriptors');
  }
}
