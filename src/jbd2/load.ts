/**
 * The super block of a journal, read and judged: what of it the reader and the writer of the log
 * need, as plain numbers. Whatever cannot be is an error that names the field, so that nobody
 * behind this file checks again.
 * @source fs/jbd2/journal.c: journal_load_superblock(), jbd2_journal_load()
 */
import { corrupted, errno } from '../base/errno.ts';
import { type Tid, tid } from '../base/units.ts';
import type { BlockDevice } from '../block/block-device.ts';
import type { Op } from '../sched/op.ts';
import { journalCsumSeed, journalSuperblockCsumOk } from './checksum.ts';
import {
  fastCommitArea,
  JBD2_COMPAT,
  JBD2_CRC32C_CHKSUM,
  JBD2_DEFAULT_FAST_COMMIT_BLOCKS,
  JBD2_INCOMPAT,
  JBD2_KNOWN_INCOMPAT,
  JBD2_MAGIC_NUMBER,
  JBD2_MIN_JOURNAL_BLOCKS,
  JBD2_SUPERBLOCK_V1,
  JBD2_SUPERBLOCK_V2,
  type JournalLayout,
  journalLayout,
  JournalSuperblock,
} from './disk.ts';
import type { JournalMap } from './journal-map.ts';

/** How the log is guarded: not at all, per transaction, or per block. */
export type JournalChecksum = 'none' | 'v1' | 'v2' | 'v3';

export interface LoadedJournal {
  readonly map: JournalMap;
  readonly blockSize: number;
  /** Words of features; 0 with a super block of version 1, which has none. */
  readonly compat: number;
  readonly incompat: number;
  /** The super block is of version 2, which has words of features. */
  readonly hasFeatures: boolean;
  readonly layout: JournalLayout;
  readonly checksum: JournalChecksum;
  /** Seed of the checksums of versions 2 and 3. */
  readonly seed: number;
  /** Blocks of the journal in use, the super block among them. */
  readonly maxlen: number;
  /** The log is a ring of the blocks [first, last). */
  readonly first: number;
  readonly last: number;
  /** Behind it, with the feature, the fast commits: [first, end). */
  readonly fastCommit: { readonly first: number; readonly end: number } | null;
  /** Where the oldest transaction begins; 0: the log is empty. */
  readonly start: number;
  /** Id of that transaction. */
  readonly sequence: Tid;
  /** Why the journal was given up by who wrote it: a positive errno, 0 if it was not. */
  readonly errno: number;
}

const s = JournalSuperblock;

/** Least length: Linux makes none shorter than 1024 blocks, but replays what others made. */
const LEAST_BLOCKS = 2;

/**
 * @param map  where its blocks are; the first holds the super block
 * @throws EUCLEAN a field is wrong (named); EINVAL a feature nobody knows here; EIO
 */
export function* loadJournal(
  device: BlockDevice,
  map: JournalMap,
  blockSize: number,
): Op<LoadedJournal> {
  const block = yield* readSuper(device, map, blockSize);
  const { view } = block;
  const where = map.pblkOf(0);
  const bad = (field: string, got: number, want?: string): Error =>
    corrupted('journal_superblock_s', field, { pblk: where, got, want });
  const magic = s.h_magic.get(view, 0);
  if (magic !== JBD2_MAGIC_NUMBER) throw bad('h_magic', magic, String(JBD2_MAGIC_NUMBER));
  const type = s.h_blocktype.get(view, 0);
  if (type !== JBD2_SUPERBLOCK_V1 && type !== JBD2_SUPERBLOCK_V2)
    throw bad('h_blocktype', type, '3..4');
  const size = s.s_blocksize.get(view, 0);
  if (size !== blockSize) throw bad('s_blocksize', size, String(blockSize));
  const v2 = type === JBD2_SUPERBLOCK_V2;
  const compat = v2 ? s.s_feature_compat.get(view, 0) : 0;
  const incompat = v2 ? s.s_feature_incompat.get(view, 0) : 0;
  if (v2) checkFeatures(view, bad);
  const layout = journalLayout(incompat);
  const checksum = checksumOf(compat, layout, bad);
  if (checksum === 'v2' || checksum === 'v3') {
    const kind = s.s_checksum_type.get(view, 0);
    if (kind !== JBD2_CRC32C_CHKSUM) throw bad('s_checksum_type', kind, '4');
    if (!journalSuperblockCsumOk(block)) throw bad('s_checksum', s.s_checksum.get(view, 0));
  }
  return {
    map,
    blockSize,
    compat,
    incompat,
    hasFeatures: v2,
    layout,
    checksum,
    seed: journalCsumSeed(s.s_uuid.get(view, 0)),
    ...ring(view, map, incompat, bad),
    sequence: tid(s.s_sequence.get(view, 0)),
    errno: Math.abs(s.s_errno.get(view, 0) | 0),
  };
}

type Bad = (field: string, got: number, want?: string) => Error;

function* readSuper(
  device: BlockDevice,
  map: JournalMap,
  blockSize: number,
): Op<{ data: Uint8Array; view: DataView }> {
  const data = new Uint8Array(blockSize);
  yield* device.transfer('read', map.pblkOf(0) * blockSize, data);
  return { data, view: new DataView(data.buffer) };
}

/** A feature from the future says that the log means something else. */
function checkFeatures(view: DataView, bad: Bad): void {
  const incompat = s.s_feature_incompat.get(view, 0);
  const unknown = incompat & ~JBD2_KNOWN_INCOMPAT;
  if (unknown !== 0) {
    const facts = { record: s.$name, field: 's_feature_incompat', got: unknown >>> 0 };
    throw errno('EINVAL', facts, 'the journal has a feature that nobody knows here');
  }
  const readOnly = s.s_feature_ro_compat.get(view, 0);
  if (readOnly !== 0) throw bad('s_feature_ro_compat', readOnly, '0');
}

function checksumOf(compat: number, layout: JournalLayout, bad: Bad): JournalChecksum {
  const v1 = (compat & JBD2_COMPAT.journal_checksum) !== 0;
  const count = Number(v1) + Number(layout.csumV2) + Number(layout.csumV3);
  if (count > 1) throw bad('s_feature_incompat', count, 'one kind of checksums');
  if (layout.csumV3) return 'v3';
  if (layout.csumV2) return 'v2';
  return v1 ? 'v1' : 'none';
}

/** The log and the area behind it. */
function ring(
  view: DataView,
  map: JournalMap,
  incompat: number,
  bad: Bad,
): Pick<LoadedJournal, 'maxlen' | 'first' | 'last' | 'fastCommit' | 'start'> {
  const maxlen = s.s_maxlen.get(view, 0);
  if (maxlen < LEAST_BLOCKS || maxlen > map.blocks) {
    throw bad('s_maxlen', maxlen, `${LEAST_BLOCKS}..${map.blocks}`);
  }
  let last = maxlen;
  let fastCommit: LoadedJournal['fastCommit'] = null;
  if ((incompat & JBD2_INCOMPAT.fast_commit) !== 0) {
    const blocks = s.s_num_fc_blks.get(view, 0) || JBD2_DEFAULT_FAST_COMMIT_BLOCKS;
    // Linux keeps no area that would leave too short a log, whatever the feature says.
    if (maxlen - blocks >= JBD2_MIN_JOURNAL_BLOCKS) {
      const area = fastCommitArea(maxlen, blocks);
      last = area.log;
      fastCommit = { first: area.first, end: area.end };
    }
  }
  const first = s.s_first.get(view, 0);
  if (first === 0 || first >= last) throw bad('s_first', first, `1..${last - 1}`);
  const start = s.s_start.get(view, 0);
  if (start !== 0 && (start < first || start >= last)) {
    throw bad('s_start', start, `0 or ${first}..${last - 1}`);
  }
  return { maxlen, first, last, fastCommit, start };
}
