/**
 * A quota file of a new file system: a head, a tree over the ids, records of what is in use.
 *
 * Blocks are numbered in the order in which they come to be needed, so that the bytes are those of
 * mke2fs: the root, then from there down to the first id's records, then what later ids add.
 * @source fs/quota/quota_tree.h; bytes compared with mke2fs 1.47
 */
import { assert } from '../../../base/assert.ts';
import { LE } from '../../../base/struct.ts';
import {
  DqBlk,
  DqDbHeader,
  DqHeader,
  DqInfo,
  MAX_DQ_TIME,
  MAX_IQ_TIME,
  QT_TREEDEPTH,
  QT_TREEOFF,
  QUOTA_BLOCK_SIZE,
  quotaRecordOffset,
  quotaRecordsPerBlock,
  quotaTreeIndex,
  type QuotaType,
  V2_INITQMAGICS,
  V2_INITQVERSION_R1,
} from '../disk/quota.ts';
import type { Plan } from './plan.ts';

/** What an id has; space in bytes. */
export interface QuotaUse {
  readonly inodes: number;
  readonly space: number;
}

/** The whole file. @param usage  by id; fewer ids than a block has records */
export function quotaFile(type: QuotaType, usage: ReadonlyMap<number, QuotaUse>): Uint8Array {
  assert(usage.size > 0 && usage.size < quotaRecordsPerBlock, 'one block holds every record');
  const view = (): DataView => new DataView(new ArrayBuffer(QUOTA_BLOCK_SIZE));
  const blocks = [view(), view()];
  const add = (): number => blocks.push(view()) - 1;
  let records = 0;
  [...usage.entries()]
    .sort(([a], [b]) => a - b)
    .forEach(([id, use], n) => {
      let node = QT_TREEOFF;
      for (let depth = 0; depth < QT_TREEDEPTH; depth++) {
        const v = blocks[node]!;
        const at = quotaTreeIndex(id, depth) * 4;
        const leaf = depth === QT_TREEDEPTH - 1;
        if (v.getUint32(at, LE) === 0) v.setUint32(at, leaf ? records || add() : add(), LE);
        node = v.getUint32(at, LE);
      }
      records = node;
      setRecord(blocks[records]!, quotaRecordOffset(n), id, use);
    });
  DqDbHeader.dqdh_entries.set(blocks[records]!, 0, usage.size);
  setHead(blocks[0]!, type, blocks.length, records);
  const file = new Uint8Array(blocks.length * QUOTA_BLOCK_SIZE);
  blocks.forEach((v, i) => {
    file.set(new Uint8Array(v.buffer), i * QUOTA_BLOCK_SIZE);
  });
  return file;
}

function setHead(v: DataView, type: QuotaType, blocks: number, records: number): void {
  DqHeader.dqh_magic.set(v, 0, V2_INITQMAGICS[type]);
  DqHeader.dqh_version.set(v, 0, V2_INITQVERSION_R1);
  DqInfo.dqi_bgrace.set(v, DqHeader.$size, MAX_DQ_TIME);
  DqInfo.dqi_igrace.set(v, DqHeader.$size, MAX_IQ_TIME);
  DqInfo.dqi_blocks.set(v, DqHeader.$size, blocks);
  DqInfo.dqi_free_entry.set(v, DqHeader.$size, records);
}

function setRecord(v: DataView, at: number, id: number, use: QuotaUse): void {
  DqBlk.dqb_id.set(v, at, id);
  DqBlk.dqb_curinodes.set(v, at, use.inodes);
  DqBlk.dqb_curspace.set(v, at, use.space);
}

/**
 * In which order the blocks of the file get a place: as mke2fs writes them. Where a block of the
 * file system is one of the file's, the root comes after the first path below it.
 */
export function quotaOrder(plan: Plan, bytes: number): number[] {
  const order = Array.from({ length: Math.ceil(bytes / plan.blockSize) }, (_, i) => i);
  if (plan.blockSize !== QUOTA_BLOCK_SIZE || plan.ratio > 1) return order;
  const [root = QT_TREEOFF] = order.splice(QT_TREEOFF, 1);
  order.splice(1 + QT_TREEDEPTH, 0, root);
  return order;
}
