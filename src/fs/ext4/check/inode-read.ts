/** Inode records: all of them in order, or one by number. */
import type { Op } from '../../../sched/op.ts';
import { type RawBlock, rawBlock } from '../checksum.ts';
import { EXT4_BG_INODE_UNINIT, bgInodeTable, bgItableUnused } from '../disk/group-desc.ts';
import type { Volume } from './volume.ts';

/** Looks at one record; returns what is left to do if that needs I/O. */
export type InodeVisitor = (ino: number, raw: RawBlock, at: number) => Op<void> | null;

/** How many records of the group's table were ever written. */
export function inodesToScan(vol: Volume, group: number): number {
  const { inodesPerGroup, itbPerGroup } = vol.geo;
  if (!vol.inRange(vol.desc(group, bgInodeTable), itbPerGroup)) return 0;
  if (!vol.hasGroupCsum) return inodesPerGroup;
  if ((vol.flags(group) & EXT4_BG_INODE_UNINIT) !== 0) return 0;
  return Math.max(0, inodesPerGroup - vol.desc(group, bgItableUnused));
}

/**
 * Every record of the tables, read in large pieces; what was never written is skipped.
 * @param groupDone  called after each group
 */
export function* scanInodes(
  vol: Volume,
  visit: InodeVisitor,
  groupDone: (group: number) => void,
): Op<void> {
  const { blockSize, inodeSize, inodesPerGroup, groupsCount } = vol.geo;
  const buffer = vol.scratch;
  const blocks = buffer.data.length / blockSize;
  const perBlock = blockSize / inodeSize;
  for (let group = 0; group < groupsCount; group++) {
    const count = inodesToScan(vol, group);
    const table = vol.desc(group, bgInodeTable);
    for (let first = 0; first < count; first += blocks * perBlock) {
      const part = Math.min(blocks * perBlock, count - first);
      yield* vol.readRun(table + first / perBlock, Math.ceil(part / perBlock), buffer.data);
      const base = group * inodesPerGroup + first + 1;
      for (let i = 0; i < part; i++) {
        const more = visit(base + i, buffer, i * inodeSize);
        if (more) yield* more;
      }
    }
    groupDone(group);
  }
}

/** A copy of one record, or null where there is none to read. */
export function* readInodeRecord(vol: Volume, ino: number): Op<RawBlock | null> {
  if (!vol.validIno(ino)) return null;
  const { blockSize, inodeSize, inodesPerGroup } = vol.geo;
  const group = Math.floor((ino - 1) / inodesPerGroup);
  const offset = ((ino - 1) % inodesPerGroup) * inodeSize;
  const bh = yield* vol.bread(vol.desc(group, bgInodeTable) + Math.floor(offset / blockSize));
  if (!bh) return null;
  const at = offset % blockSize;
  const copy = rawBlock(bh.data.slice(at, at + inodeSize));
  bh.put();
  return copy;
}
