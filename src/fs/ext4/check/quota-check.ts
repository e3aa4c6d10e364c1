/**
 * Quota: what users, groups and projects own is counted in pass 1 and compared with the files
 * that keep the same numbers.
 */
import { ino as inoUnit } from '../../../base/units.ts';
import { iGid, iUid, Inode, fitsInInode } from '../disk/inode.ts';
import type { EaValue } from './xattr-check.ts';
import { Superblock } from '../disk/superblock.ts';
import {
  DqBlk,
  DqHeader,
  QT_REFS_PER_BLOCK,
  QT_TREEDEPTH,
  QT_TREEOFF,
  QUOTA_BLOCK_SIZE,
  V2_INITQMAGICS,
  V2_INITQVERSION_R1,
  quotaRecordOffset,
  quotaRecordsPerBlock,
} from '../disk/quota.ts';
import { LE } from '../../../base/struct.ts';
import type { Op } from '../../../sched/op.ts';
import { readFileBlocks } from './file-read.ts';
import type { Volume } from './volume.ts';

interface Owned {
  inodes: number;
  space: number;
}

const KINDS = [
  ['user', 's_usr_quota_inum'],
  ['group', 's_grp_quota_inum'],
  ['project', 's_prj_quota_inum'],
] as const;

export class QuotaUsage {
  readonly byKind: readonly [Map<number, Owned>, Map<number, Owned>, Map<number, Owned>];

  constructor() {
    this.byKind = [new Map(), new Map(), new Map()];
  }

  /** One inode in use. @param values  inodes that hold values of its attributes are its own */
  add(view: DataView, at: number, inodeSize: number, space: number, values: EaValue[]): void {
    const extra = inodeSize > 128 ? Inode.i_extra_isize.get(view, at) : 0;
    const project = fitsInInode(Inode.i_projid, extra) ? Inode.i_projid.get(view, at) : 0;
    [iUid(view, at), iGid(view, at), project].forEach((id, kind) => {
      const map = this.byKind[kind]!;
      let owned = map.get(id);
      if (!owned) map.set(id, (owned = { inodes: 0, space: 0 }));
      owned.inodes += 1 + values.length;
      owned.space += space;
    });
  }
}

/** Compare every quota file with what was counted. */
export function* checkQuota(vol: Volume, usage: QuotaUsage): Op<void> {
  for (const [kind, [name, field]] of KINDS.entries()) {
    const ino = Superblock[field].get(vol.super.view, 0);
    if (ino === 0) continue;
    yield* new QuotaFile(vol, ino, kind, name).check(usage.byKind[kind]!);
  }
}

class QuotaFile {
  private readonly vol: Volume;
  private readonly ino: number;
  private readonly kind: number;
  private readonly name: string;
  private blocks: DataView = new DataView(new ArrayBuffer(0));
  private readonly seen = new Set<number>();
  private readonly records = new Map<number, Owned>();

  constructor(vol: Volume, ino: number, kind: number, name: string) {
    this.vol = vol;
    this.ino = ino;
    this.kind = kind;
    this.name = name;
  }

  private problem(code: string, text: string, field?: string): void {
    const place = { ino: inoUnit(this.ino), ...(field !== undefined && { field }) };
    this.vol.report.report(code, `The ${this.name} quota file: ${text}.`, place);
  }

  *check(counted: Map<number, Owned>): Op<void> {
    const bytes = yield* readFileBlocks(this.vol, this.ino);
    if (!bytes || bytes.length < QUOTA_BLOCK_SIZE * (QT_TREEOFF + 1)) {
      this.problem('quota-file', 'it is too short or cannot be read');
      return;
    }
    this.blocks = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const magic = DqHeader.dqh_magic.get(this.blocks, 0);
    const version = DqHeader.dqh_version.get(this.blocks, 0);
    if (magic !== V2_INITQMAGICS[this.kind] || version !== V2_INITQVERSION_R1) {
      this.problem('quota-file', 'its head is not that of such a file', 'dqh_magic');
      return;
    }
    this.walk(QT_TREEOFF, 0);
    this.compare(counted);
  }

  /** A node of the tree over the ids; no block is entered twice. */
  private walk(block: number, depth: number): void {
    if ((block + 1) * QUOTA_BLOCK_SIZE > this.blocks.byteLength) {
      this.problem('quota-file', `its tree points to block ${block}, behind its end`);
      return;
    }
    if (depth === QT_TREEDEPTH) {
      if (!this.seen.has(block)) this.leaf(block);
      this.seen.add(block);
      return;
    }
    if (this.seen.has(block)) {
      this.problem('quota-file', `its tree comes to block ${block} twice`);
      return;
    }
    this.seen.add(block);
    for (let i = 0; i < QT_REFS_PER_BLOCK; i++) {
      const next = this.blocks.getUint32(block * QUOTA_BLOCK_SIZE + 4 * i, LE);
      if (next !== 0) this.walk(next, depth + 1);
    }
  }

  private leaf(block: number): void {
    for (let i = 0; i < quotaRecordsPerBlock; i++) {
      const at = block * QUOTA_BLOCK_SIZE + quotaRecordOffset(i);
      let any = 0;
      for (let b = 0; b < DqBlk.$size; b += 4) any |= this.blocks.getUint32(at + b);
      if (any === 0) continue;
      this.records.set(DqBlk.dqb_id.get(this.blocks, at), {
        inodes: DqBlk.dqb_curinodes.get(this.blocks, at),
        space: DqBlk.dqb_curspace.get(this.blocks, at),
      });
    }
  }

  private compare(counted: Map<number, Owned>): void {
    for (const [id, own] of counted) {
      const kept = this.records.get(id) ?? { inodes: 0, space: 0 };
      if (kept.inodes === own.inodes && kept.space === own.space) continue;
      const has = `${own.space} bytes in ${own.inodes} inodes`;
      const text = `${this.name} ${id} has ${has}, kept are ${kept.space} in ${kept.inodes}`;
      this.problem('quota-usage', text, 'dqb_curspace');
    }
    for (const [id, kept] of this.records) {
      if (counted.has(id) || (kept.inodes === 0 && kept.space === 0)) continue;
      const text = `${this.name} ${id} has nothing, kept are ${kept.space} in ${kept.inodes}`;
      this.problem('quota-usage', text, 'dqb_curspace');
    }
  }
}
