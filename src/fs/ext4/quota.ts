/**
 * Quota files, read: what each user, group or project has and may have.
 *
 * Nothing is accounted for yet, so an image with the feature is mounted read-only
 * (features.ts:whyReadOnly()). The tree of four levels is walked with every reference checked; a
 * block is visited once, so that references in a circle end.
 * @source fs/quota/quota_tree.c, fs/quota/quotaio_v2.h
 */
import { corrupted } from '../../base/errno.ts';
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import {
  DqBlk,
  DqDbHeader,
  DqHeader,
  DqInfo,
  QT_REFS_PER_BLOCK,
  QT_TREEDEPTH,
  QT_TREEOFF,
  QUOTA_BLOCK_SIZE,
  quotaRecordOffset,
  quotaRecordsPerBlock,
  type QuotaType,
  V2_INITQMAGICS,
  V2_INITQVERSION_R1,
} from './disk/quota.ts';
import { Superblock } from './disk/superblock.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget } from './inode.ts';
import { ext4ReadRaw } from './raw-read.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Limits and use of one id. Space in bytes, limits in KiB as on disk; 0: no limit. */
export interface QuotaRecord {
  readonly id: number;
  readonly inodes: number;
  readonly inodeSoft: number;
  readonly inodeHard: number;
  readonly space: number;
  readonly spaceSoft: number;
  readonly spaceHard: number;
}

/** Fields of the super block that name the files, by kind. */
const INUM = [
  Superblock.s_usr_quota_inum,
  Superblock.s_grp_quota_inum,
  Superblock.s_prj_quota_inum,
] as const;

/** One walk through one file. */
class QuotaReader {
  readonly file: Ext4Inode;
  readonly blocks: number;
  readonly records: QuotaRecord[] = [];
  private readonly visited = new Set<number>();

  constructor(file: Ext4Inode) {
    this.file = file;
    this.blocks = Math.floor(file.size / QUOTA_BLOCK_SIZE);
  }

  *view(block: number): Op<DataView> {
    const bytes = yield* ext4ReadRaw(this.file, block * QUOTA_BLOCK_SIZE, QUOTA_BLOCK_SIZE);
    return new DataView(bytes.buffer);
  }

  fail(record: string, field: string, block: number, got: number, want?: string): never {
    throw corrupted(record, field, { ino: this.file.ino, block, got, want });
  }

  *header(type: QuotaType): Op<void> {
    const v = yield* this.view(0);
    const magic = DqHeader.dqh_magic.get(v, 0);
    if (magic !== V2_INITQMAGICS[type]) this.fail('v2_disk_dqheader', 'dqh_magic', 0, magic);
    const version = DqHeader.dqh_version.get(v, 0);
    if (version !== V2_INITQVERSION_R1)
      this.fail('v2_disk_dqheader', 'dqh_version', 0, version, '1');
    const blocks = DqInfo.dqi_blocks.get(v, DqHeader.$size);
    if (blocks > this.blocks) {
      this.fail('v2_disk_dqinfo', 'dqi_blocks', 0, blocks, `at most ${this.blocks}`);
    }
  }

  *tree(block: number, depth: number): Op<void> {
    const v = yield* this.view(block);
    for (let i = 0; i < QT_REFS_PER_BLOCK; i++) {
      const next = v.getUint32(4 * i, true);
      if (next === 0) continue;
      if (next <= QT_TREEOFF || next >= this.blocks) {
        this.fail(
          'quota tree',
          `reference ${i}`,
          block,
          next,
          `${QT_TREEOFF + 1}..${this.blocks - 1}`,
        );
      }
      // Several references of the last level share a block of records.
      if (this.visited.has(next)) {
        if (depth === QT_TREEDEPTH - 1) continue;
        this.fail('quota tree', `reference ${i}`, block, next, 'a block of its own');
      }
      this.visited.add(next);
      if (depth === QT_TREEDEPTH - 1) yield* this.data(next);
      else yield* this.tree(next, depth + 1);
    }
  }

  private *data(block: number): Op<void> {
    const v = yield* this.view(block);
    const used = DqDbHeader.dqdh_entries.get(v, 0);
    if (used > quotaRecordsPerBlock) {
      this.fail(
        'qt_disk_dqdbheader',
        'dqdh_entries',
        block,
        used,
        `at most ${quotaRecordsPerBlock}`,
      );
    }
    for (let n = 0; n < quotaRecordsPerBlock; n++) {
      const at = quotaRecordOffset(n);
      if (new Uint8Array(v.buffer, at, DqBlk.$size).some((byte) => byte !== 0)) {
        this.records.push(recordAt(v, at));
      }
    }
  }
}

const recordAt = (v: DataView, at: number): QuotaRecord => ({
  id: DqBlk.dqb_id.get(v, at),
  inodes: DqBlk.dqb_curinodes.get(v, at),
  inodeSoft: DqBlk.dqb_isoftlimit.get(v, at),
  inodeHard: DqBlk.dqb_ihardlimit.get(v, at),
  space: DqBlk.dqb_curspace.get(v, at),
  spaceSoft: DqBlk.dqb_bsoftlimit.get(v, at),
  spaceHard: DqBlk.dqb_bhardlimit.get(v, at),
});

/**
 * All records of one kind, by id; null if the image keeps none of that kind.
 * @context May sleep for I/O. @throws EUCLEAN names record, field and block of the file; EIO
 */
export function* ext4ReadQuota(sb: Ext4SuperBlock, type: QuotaType): Op<QuotaRecord[] | null> {
  const nr = INUM[type].get(sb.sbh.view, sb.sbAt);
  if (!sb.has.quota || nr === 0) return null;
  const file = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    if (!file.isReg)
      throw corrupted('ext4_super_block', INUM[type].name, { ino: nr, got: 'no file' });
    const reader = new QuotaReader(file);
    yield* reader.header(type);
    yield* reader.tree(QT_TREEOFF, 0);
    return reader.records.sort((a, b) => a.id - b.id);
  } finally {
    yield* iput(file);
  }
}
