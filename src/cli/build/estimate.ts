/**
 * How large must an image be for what shall go into it? Counted, not guessed: data and directories
 * in blocks, then what the plan of mkfs needs beside them.
 */
import { S_IFLNK } from '../../base/mode.ts';
import { hasFeature } from '../../fs/ext4/features.ts';
import { baseMeta, type MkfsOptions, type Plan, planFs } from '../../fs/ext4/mkfs/plan.ts';
import type { Item } from './item.ts';

const MIB = 1 << 20;
/** Symlinks up to this many bytes live in the inode. */
const FAST_SYMLINK = 59;
/**
 * Bytes of a directory entry before its name; of the fullest index that splitting leaves behind.
 */
const DIRENT_HEAD = 8;
const SPLIT_FILL = 0.5;

export interface Need {
  inodes: number;
  blocks: number;
  /** Of file data, for the progress bar. */
  bytes: number;
}

const up = (n: number, unit: number): number => Math.ceil(n / unit);

/** Count what the items need. `cluster`: bytes that a file takes at least. */
export function needOf(root: Item, blockSize: number, cluster: number, o: MkfsOptions): Need {
  const need: Need = { inodes: 0, blocks: 0, bytes: 0 };
  const seen = new Set<Item>();
  const todo: Item[] = [root];
  const perCluster = cluster / blockSize;
  for (let item = todo.pop(); item !== undefined; item = todo.pop()) {
    if (seen.has(item)) continue;
    seen.add(item);
    need.inodes++;
    if (item.content) {
      need.bytes += item.content.dataBytes;
      const clusters = up(item.content.dataBytes, cluster);
      need.blocks += clusters * perCluster + mapBlocks(clusters * perCluster, blockSize, o);
    }
    if (item.type === S_IFLNK && (item.target?.length ?? 0) > FAST_SYMLINK)
      need.blocks += perCluster;
    need.blocks += xattrBlocks(item, blockSize, o) * perCluster;
    if (item.children) {
      need.blocks += up(directoryBlocks(item, blockSize), perCluster) * perCluster;
      for (const child of item.children.values()) todo.push(child);
    }
  }
  return need;
}

/**
 * Blocks that hold the map of a file: of pointers one for each 256 and more, of extents hardly any.
 */
const mapBlocks = (blocks: number, blockSize: number, o: MkfsOptions): number => {
  const pointers = o.type === 'ext2' || o.type === 'ext3';
  if (!pointers) return blocks > 8192 ? up(blocks, 8192) : 0;
  return blocks > 12 ? up(blocks, blockSize / 4) + 3 : 0;
};

function directoryBlocks(item: Item, blockSize: number): number {
  let bytes = 24;
  for (const name of item.children?.keys() ?? []) bytes += (DIRENT_HEAD + name.length + 3) & ~3;
  const room = blockSize - 12;
  if (bytes <= room) return 1;
  const leaves = up(bytes, room * SPLIT_FILL);
  return leaves + 1 + up(leaves, blockSize / 8 - 4);
}

function xattrBlocks(item: Item, blockSize: number, o: MkfsOptions): number {
  let bytes = 0;
  let large = 0;
  for (const { name, value } of item.xattrs) {
    bytes += 16 + ((name.length + 3) & ~3) + ((value.length + 3) & ~3);
    if (value.length > blockSize / 2) large += up(value.length, blockSize);
  }
  if (bytes === 0 || bytes + 4 <= (o.inodeSize ?? 256) - 128 - 32 - 4) return 0;
  return 1 + large;
}

/** Blocks of a plan that are not for files. */
function overhead(plan: Plan): number {
  let blocks = plan.journalBlocks + up(plan.journalBlocks, 32768) + plan.firstDataBlock;
  for (let g = 0; g < plan.groupsCount; g++) blocks += baseMeta(plan, g) + 2 + plan.itable;
  // Root, lost+found and what the resize inode points with.
  blocks += Math.max(16, 4 * plan.ratio);
  return blocks + (hasFeature(plan.features, 'resize_inode') ? 1 + plan.reservedGdt : 0);
}

/** An image that is changed later should not be full at once. */
const INODE_SLACK = 64;
const BLOCK_SLACK = 256;

/**
 * Size and number of inodes for `need`.
 * @param factor  how much more than that; grows with each try that was too small
 */
export function sizeFor(
  need: Need,
  o: MkfsOptions,
  blockSize: number,
  factor: number,
): { size: number; options: MkfsOptions } {
  const inodes = o.inodes ?? Math.ceil(need.inodes * Math.max(1.1, factor)) + 11 + INODE_SLACK;
  const wanted = Math.ceil(need.blocks * 1.02 * factor) + BLOCK_SLACK;
  const percent = o.reservedPercent ?? 0;
  const options: MkfsOptions = { ...o, blockSize, inodes, reservedPercent: percent };
  let size = Math.max(MIB, wanted * blockSize);
  for (let tries = 0; tries < 64; tries++) {
    size = Math.ceil(size / MIB) * MIB;
    const plan = tryPlan(size, options);
    const free = plan === null ? -1 : plan.blocksCount - overhead(plan) - plan.reservedBlocks;
    if (free >= wanted) break;
    size += plan === null ? MIB : Math.max(MIB, (wanted - free) * blockSize);
  }
  return { size, options };
}

/** Null where the device is too small for a plan at all. */
function tryPlan(size: number, o: MkfsOptions): Plan | null {
  try {
    return planFs(size, o);
  } catch (e) {
    const { code } = e as { code?: string };
    if (code === 'ENOSPC' || (code === 'EINVAL' && size < 64 * MIB)) return null;
    throw e;
  }
}
