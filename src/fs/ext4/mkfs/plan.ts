/**
 * The plan of a new file system: every number of the super block, and where each group's metadata
 * goes. Pure arithmetic: nothing is read or written.
 *
 * The numbers are mke2fs's for the same arguments, so that an image of ours is what a user of
 * mke2fs expects, down to the block.
 * @source mke2fs(8), mke2fs.conf(5); filesystems/ext4/blockgroup.rst
 */
import { errno } from '../../../base/errno.ts';
import { EXT4_MMP_MAX_CHECK_INTERVAL, EXT4_MMP_UPDATE_INTERVAL } from '../disk/mmp.ts';
import { EXT4_MAX_ORPHAN_FILE_BLOCKS } from '../disk/orphan.ts';
import { GRPQUOTA, PRJQUOTA, type QuotaType, USRQUOTA } from '../disk/quota.ts';
import {
  defaultFeatures,
  editFeatures,
  type Features,
  type FsType,
  hasFeature,
  withFeature,
} from '../features.ts';

/** What a caller may ask for; the rest is chosen as mke2fs does. */
export interface MkfsOptions {
  readonly type?: FsType;
  /** Bytes: 1024, 2048, 4096 ... 65536. */
  readonly blockSize?: number;
  /** Bytes of a cluster, with bigalloc. */
  readonly clusterSize?: number;
  /** mke2fs's -O list. */
  readonly features?: string;
  readonly label?: string;
  readonly uuid?: Uint8Array;
  readonly hashSeed?: Uint8Array;
  /** Inodes in all; or bytes of device per inode. */
  readonly inodes?: number;
  readonly inodeRatio?: number;
  readonly inodeSize?: number;
  /** Percent of the blocks that only root may use. */
  readonly reservedPercent?: number;
  /** MiB. */
  readonly journalSize?: number;
  /** Groups of a flex group, a power of two. */
  readonly flexBgSize?: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly lastMounted?: string;
  /** Kinds of quota to keep, with the feature quota; project switches that feature on. */
  readonly quotaTypes?: readonly QuotaType[];
  /** Room of the orphan file, with the feature orphan_file. */
  readonly orphanFile?: { readonly blocks: number } | { readonly bytes: number };
  /** Seconds between two signs of life, with the feature mmp; 0: the default. */
  readonly mmpUpdateInterval?: number;
  readonly rootOwner?: { readonly uid: number; readonly gid: number };
  /** Mode bits of the root directory. */
  readonly rootMode?: number;
}

export interface Plan {
  readonly features: Features;
  readonly blockSize: number;
  /** Blocks of a cluster. */
  readonly ratio: number;
  readonly blocksCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groupsCount: number;
  readonly inodeSize: number;
  readonly inodesPerGroup: number;
  /** Blocks of a group's inode table. */
  readonly itable: number;
  readonly descSize: number;
  /** Blocks of all descriptors; blocks kept behind them for growth. */
  readonly gdtBlocks: number;
  readonly reservedGdt: number;
  readonly reservedBlocks: number;
  /** Groups of a flex group; 1 without flex_bg. */
  readonly flex: number;
  /** Blocks of the journal; 0 none. */
  readonly journalBlocks: number;
  /** Blocks of the orphan file; 0 none. */
  readonly orphanBlocks: number;
  /** Kinds of quota that have a file, ascending. */
  readonly quotas: readonly QuotaType[];
  /** Seconds, with mmp; else 0. */
  readonly mmpInterval: number;
}

const KIB = 1024;
const MIB = KIB * KIB;
const GIB = MIB * KIB;
const TIB = GIB * KIB;

/** Groups that sparse_super2 keeps copies in. */
export const backupGroups = (groupsCount: number): readonly [number, number] => [
  groupsCount > 1 ? 1 : 0,
  groupsCount > 2 ? groupsCount - 1 : 0,
];

const isPowerOf = (n: number, base: number): boolean => {
  let p = base;
  while (p < n) p *= base;
  return p === n;
};

/** Does a group hold copies of the super block (and of the descriptors)? */
export function hasSuper(p: Pick<Plan, 'features' | 'groupsCount'>, group: number): boolean {
  if (group === 0) return true;
  if (hasFeature(p.features, 'sparse_super2')) return backupGroups(p.groupsCount).includes(group);
  if (group === 1 || !hasFeature(p.features, 'sparse_super')) return true;
  return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
}

interface Usage {
  readonly blockSize: number;
  readonly inodeRatio: number;
}

/** Defaults by size of the device: mke2fs.conf's floppy, small, default, big, huge. */
function usageFor(size: number): Usage {
  if (size < 3 * MIB) return { blockSize: 1024, inodeRatio: 8192 };
  if (size < 512 * MIB) return { blockSize: 1024, inodeRatio: 4096 };
  if (size < 4 * TIB) return { blockSize: 4096, inodeRatio: 16384 };
  return { blockSize: 4096, inodeRatio: size < 16 * TIB ? 32768 : 65536 };
}

/** Blocks of the journal for a file system of so many blocks. @source mke2fs(8), "-J size=" */
function defaultJournalBlocks(blocks: number): number {
  const steps: readonly (readonly [number, number])[] = [
    [2048, 0],
    [32768, 1024],
    [256 * KIB, 4096],
    [512 * KIB, 8192],
    [4096 * KIB, 16384],
    [8192 * KIB, 32768],
    [16384 * KIB, 65536],
    [32768 * KIB, 131072],
  ];
  return steps.find(([limit]) => blocks < limit)?.[1] ?? 262144;
}

/** Features that need what mkfs does not make are refused by name. */
const NOT_MADE = ['journal_dev', 'replica'] as const;

function chooseFeatures(o: MkfsOptions): Features {
  const type = o.type ?? 'ext4';
  let f = editFeatures(defaultFeatures(type), o.features ?? '', type);
  const refused = NOT_MADE.filter((name) => hasFeature(f, name));
  if (refused.length > 0) {
    throw errno('EOPNOTSUPP', { features: refused.join(',') }, 'mkfs does not make these yet');
  }
  if (o.quotaTypes?.includes(PRJQUOTA)) f = withFeature(f, 'project', true);
  if (hasFeature(f, 'metadata_csum')) f = withFeature(f, 'uninit_bg', false);
  if (hasFeature(f, 'metadata_csum_seed') && !hasFeature(f, 'metadata_csum')) {
    throw errno('EINVAL', { feature: 'metadata_csum_seed' }, 'it needs metadata_csum');
  }
  if (hasFeature(f, 'meta_bg') && hasFeature(f, 'resize_inode')) {
    throw errno('EINVAL', {}, 'meta_bg and resize_inode do not go together: add ^resize_inode');
  }
  if (hasFeature(f, 'bigalloc') && !hasFeature(f, 'extent')) {
    throw errno('EINVAL', { feature: 'bigalloc' }, 'it needs extent');
  }
  return f;
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));

function checkSizes(o: MkfsOptions, blockSize: number, inodeSize: number): void {
  if (!isPowerOfTwo(blockSize) || blockSize < KIB || blockSize > 64 * KIB) {
    throw errno('EINVAL', { blockSize }, 'block size must be a power of two, 1024 to 65536');
  }
  if (!isPowerOfTwo(inodeSize) || inodeSize < 128 || inodeSize > blockSize) {
    throw errno('EINVAL', { inodeSize }, 'inode size must be a power of two, 128 to a block');
  }
  const percent = o.reservedPercent ?? 5;
  if (!(percent >= 0 && percent <= 50)) {
    throw errno('EINVAL', { percent }, 'reserved blocks must be 0 to 50 percent');
  }
  const label = new TextEncoder().encode(o.label ?? '');
  if (label.length > 16) throw errno('EINVAL', { label: o.label }, 'a label has at most 16 bytes');
}

/**
 * Make the plan for a device of `size` bytes.
 * @throws EINVAL an argument makes no sense; EOPNOTSUPP a feature; ENOSPC the device is too small
 */
export function planFs(size: number, o: MkfsOptions): Plan {
  const usage = usageFor(size);
  const blockSize = o.blockSize ?? usage.blockSize;
  const inodeSize = o.inodeSize ?? 256;
  checkSizes(o, blockSize, inodeSize);
  const features = chooseFeatures(o);
  if (hasFeature(features, 'project') && inodeSize < 256) {
    throw errno('EINVAL', { inodeSize }, 'project quota needs inodes of 256 bytes or more');
  }
  const bigalloc = hasFeature(features, 'bigalloc');
  const ratio = bigalloc ? (o.clusterSize ?? 16 * blockSize) / blockSize : 1;
  if (
    !isPowerOfTwo(ratio) ||
    (o.clusterSize !== undefined && !bigalloc) ||
    (bigalloc && ratio < 2)
  ) {
    throw errno(
      'EINVAL',
      { clusterSize: o.clusterSize },
      'cluster size needs bigalloc, a power of two of blocks',
    );
  }
  const firstDataBlock = blockSize === KIB && !bigalloc ? 1 : 0;
  const blocksPerGroup = Math.min(blockSize * 8, 65528) * ratio;
  let blocksCount = Math.floor(size / blockSize);
  blocksCount -= blocksCount % ratio;
  if (blocksCount >= 2 ** 32 && !hasFeature(features, '64bit')) {
    throw errno('EFBIG', { blocks: blocksCount }, 'so many blocks need the 64bit feature');
  }
  const wide = hasFeature(features, '64bit');
  const inodeRatio = Math.max(o.inodeRatio ?? usage.inodeRatio, blockSize * ratio);
  const wanted = o.inodes ?? Math.floor((blocksCount * blockSize) / inodeRatio);
  const flex = hasFeature(features, 'flex_bg') ? (o.flexBgSize ?? 16) : 1;
  for (let tries = 0; tries < 4; tries++) {
    const fixed = { features, blockSize, ratio, blocksCount, firstDataBlock, blocksPerGroup };
    const plan = fitGroups({ ...fixed, inodeSize, descSize: wide ? 64 : 32, flex }, wanted, o);
    const rest = (blocksCount - firstDataBlock) % blocksPerGroup;
    const last = plan.groupsCount - 1;
    const base = hasSuper(plan, last) ? 1 + plan.gdtBlocks + plan.reservedGdt : 0;
    const overhead = 2 + plan.itable + base;
    if (plan.groupsCount === 1 && rest !== 0 && rest < overhead) break;
    // A last group that could hardly hold its own metadata is cut off.
    if (plan.groupsCount > 1 && rest !== 0 && rest < overhead + 50) {
      blocksCount -= rest;
      continue;
    }
    return plan;
  }
  throw errno('ENOSPC', { size }, 'the device is too small for a file system');
}

type Fixed = Pick<
  Plan,
  | 'features'
  | 'blockSize'
  | 'ratio'
  | 'blocksCount'
  | 'firstDataBlock'
  | 'blocksPerGroup'
  | 'inodeSize'
  | 'descSize'
  | 'flex'
>;

function fitGroups(f: Fixed, wantedInodes: number, o: MkfsOptions): Plan {
  const { blockSize, inodeSize } = f;
  const groupsCount = Math.ceil((f.blocksCount - f.firstDataBlock) / f.blocksPerGroup);
  if (groupsCount < 1) throw errno('ENOSPC', {}, 'the device is too small for a file system');
  const descPerBlock = blockSize / f.descSize;
  const gdtBlocks = Math.ceil(groupsCount / descPerBlock);
  const inodes = Math.max(wantedInodes, 12);
  let perGroup = Math.ceil(inodes / groupsCount);
  if (perGroup > blockSize * 8) {
    throw errno('EINVAL', { inodes }, 'too many inodes for the number of groups');
  }
  perGroup = Math.max(perGroup, groupsCount === 1 ? 12 : 1);
  const table = Math.ceil((perGroup * inodeSize) / blockSize);
  perGroup = Math.min(Math.floor((table * blockSize) / inodeSize), blockSize * 8);
  perGroup = Math.max(8, perGroup - (perGroup % 8));
  const itable = Math.ceil((perGroup * inodeSize) / blockSize);
  const journal = hasFeature(f.features, 'has_journal');
  const journalBlocks = !journal
    ? 0
    : o.journalSize !== undefined
      ? Math.floor((o.journalSize * MIB) / blockSize)
      : defaultJournalBlocks(f.blocksCount);
  if (journal && o.journalSize !== undefined && journalBlocks < 1024) {
    throw errno('EINVAL', { journalSize: o.journalSize }, 'a journal has at least 1024 blocks');
  }
  return {
    ...f,
    orphanBlocks: orphanBlocks(f, o, journalBlocks > 0),
    quotas: quotaTypes(f.features, o),
    mmpInterval: mmpInterval(f.features, o),
    features: withFeature(f.features, 'has_journal', journalBlocks > 0),
    groupsCount,
    gdtBlocks,
    inodesPerGroup: perGroup,
    itable,
    journalBlocks,
    reservedGdt: hasFeature(f.features, 'resize_inode') ? reservedGdt(f, gdtBlocks) : 0,
    reservedBlocks: Math.floor((f.blocksCount * (o.reservedPercent ?? 5)) / 100),
  };
}

/**
 * Blocks of the orphan file: one for 4096 of the device unless told, within bounds.
 * @source mke2fs(8), "-E orphan_file_size="; the rule as mke2fs 1.47 shows it for many sizes
 */
function orphanBlocks(f: Fixed, o: MkfsOptions, journal: boolean): number {
  if (!hasFeature(f.features, 'orphan_file')) return 0;
  if (!journal) throw errno('EINVAL', { feature: 'orphan_file' }, 'it needs a journal');
  const most = EXT4_MAX_ORPHAN_FILE_BLOCKS;
  if (o.orphanFile === undefined) {
    const blocks = Math.min(Math.max(Math.floor(f.blocksCount / 4096), 32), most);
    return Math.ceil(blocks / f.ratio) * f.ratio;
  }
  const asked = o.orphanFile;
  const blocks = 'blocks' in asked ? asked.blocks : Math.floor(asked.bytes / f.blockSize);
  // mke2fs makes larger ones, which Linux then refuses to mount.
  if (!(blocks >= 1 && blocks <= most)) {
    throw errno('EINVAL', { blocks }, `an orphan file has 1 to ${most} blocks`);
  }
  return blocks;
}

/** Users and groups unless told; projects always, where the feature is. */
function quotaTypes(f: Features, o: MkfsOptions): readonly QuotaType[] {
  if (!hasFeature(f, 'quota')) return [];
  const asked = o.quotaTypes ?? [USRQUOTA, GRPQUOTA];
  return ([USRQUOTA, GRPQUOTA, PRJQUOTA] as const).filter(
    (type) => asked.includes(type) || (type === PRJQUOTA && hasFeature(f, 'project')),
  );
}

function mmpInterval(f: Features, o: MkfsOptions): number {
  if (!hasFeature(f, 'mmp')) return 0;
  const seconds = o.mmpUpdateInterval ?? 0;
  if (!(seconds >= 0 && seconds <= EXT4_MMP_MAX_CHECK_INTERVAL)) {
    const most = EXT4_MMP_MAX_CHECK_INTERVAL;
    throw errno('EINVAL', { seconds }, `mmp_update_interval must be 0 to ${most} seconds`);
  }
  return seconds === 0 ? EXT4_MMP_UPDATE_INTERVAL : seconds;
}

/** Descriptor blocks kept for growing to 1024 times the size, as far as one block can name them. */
function reservedGdt(f: Fixed, gdtBlocks: number): number {
  const most = f.blocksCount < 0xffff_ffff / 1024 ? f.blocksCount * 1024 : 0xffff_ffff;
  const groups = Math.ceil((most - f.firstDataBlock) / f.blocksPerGroup);
  const blocks = Math.ceil(groups / (f.blockSize / f.descSize)) - gdtBlocks;
  return Math.max(0, Math.min(blocks, f.blockSize / 4));
}

/** Descriptor blocks at the front of a group, the reserve not counted. */
export function groupGdt(p: Plan, group: number): number {
  if (!hasFeature(p.features, 'meta_bg')) return hasSuper(p, group) ? p.gdtBlocks : 0;
  const perBlock = p.blockSize / p.descSize;
  const inMeta = group % perBlock;
  return inMeta === 0 || inMeta === 1 || inMeta === perBlock - 1 ? 1 : 0;
}

export const groupStart = (p: Plan, group: number): number =>
  p.firstDataBlock + group * p.blocksPerGroup;
export const groupEnd = (p: Plan, group: number): number =>
  Math.min(groupStart(p, group) + p.blocksPerGroup, p.blocksCount);

/**
 * Blocks before the super block of a group: block 0 with 1 KiB blocks and bigalloc, where group 0
 * begins at 0 although the super block stands in block 1.
 * @source libext2fs: ext2fs_super_and_bgd_loc2()
 */
export const bootBlocks = (p: Plan, group: number): number =>
  group === 0 && p.blockSize === KIB && p.firstDataBlock === 0 ? 1 : 0;

/** Where the super block of a group stands, or would stand. */
export const superAt = (p: Plan, group: number): number =>
  groupStart(p, group) + bootBlocks(p, group);

/** Blocks at the front of a group: super block, descriptors and their reserve. */
export function baseMeta(p: Plan, group: number): number {
  const copy = hasSuper(p, group);
  const reserve = copy && !hasFeature(p.features, 'meta_bg') ? p.reservedGdt : 0;
  return bootBlocks(p, group) + (copy ? 1 : 0) + groupGdt(p, group) + reserve;
}
