/** The fields of the super block that people ask for. @source dumpe2fs(8) */
import type { BytesField, Field } from '../base/struct.ts';
import {
  sBlocksCount,
  sFreeBlocksCount,
  sLastcheck,
  sMkfsTime,
  sMtime,
  sRBlocksCount,
  sWtime,
  Superblock as S,
} from '../fs/ext4/disk/superblock.ts';
import { featureNames, hasFeature, readFeatures } from '../fs/ext4/features.ts';
import { isoTime, longTime } from './format.ts';
import { uuidText } from './uuid.ts';

export interface Fact {
  /** In JSON. */
  readonly key: string;
  /** For people, in dumpe2fs's words. */
  readonly label: string;
  readonly value: unknown;
  /** Where it is not the value as it is. */
  readonly text?: string;
}

const STATES: readonly (readonly [number, string])[] = [
  [2, 'with errors'],
  [4, 'orphans being recovered'],
];
const ERRORS = ['', 'Continue', 'Remount read-only', 'Panic'];
const HASHES = ['legacy', 'half_md4', 'tea', '', '', '', 'siphash'];
const OSES = ['Linux', 'GNU/Hurd', 'Masix', 'FreeBSD', 'Lites'];

const cString = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
};

function stateText(state: number): string {
  const words = STATES.filter(([bit]) => state & bit).map(([, word]) => word);
  return [state & 1 ? 'clean' : 'not clean', ...words].join(' ');
}

/** @param v  the 1024 bytes of the super block */
export function superFacts(v: DataView): Fact[] {
  const bytes = (field: BytesField): Uint8Array => field.get(v, 0);
  const features = readFeatures(v, 0);
  const wide = hasFeature(features, '64bit');
  const blockSize = 2 ** (10 + S.s_log_block_size.get(v, 0));
  const label = cString(bytes(S.s_volume_name));
  const mounted = cString(bytes(S.s_last_mounted));
  const uuid = uuidText(bytes(S.s_uuid));
  const state = stateText(S.s_state.get(v, 0));
  const errors = ERRORS[S.s_errors.get(v, 0)] ?? 'unknown';
  const fact = (key: string, label: string, value: unknown, text?: string): Fact =>
    text === undefined ? { key, label, value } : { key, label, value, text };
  const names = featureNames(features);
  return [
    fact('label', 'Filesystem volume name', label, label === '' ? '<none>' : label),
    fact('lastMounted', 'Last mounted on', mounted, mounted === '' ? '<not available>' : mounted),
    fact('uuid', 'Filesystem UUID', uuid),
    fact('revision', 'Filesystem revision #', S.s_rev_level.get(v, 0)),
    fact('features', 'Filesystem features', names, names.join(' ')),
    fact('state', 'Filesystem state', state),
    fact('errors', 'Errors behavior', errors),
    fact('errorCount', 'Errors counted', S.s_error_count.get(v, 0)),
    fact('os', 'Filesystem OS type', OSES[S.s_creator_os.get(v, 0)] ?? 'unknown'),
    fact('inodes', 'Inode count', S.s_inodes_count.get(v, 0)),
    fact('blocks', 'Block count', sBlocksCount.get(v, 0, wide)),
    fact('reservedBlocks', 'Reserved block count', sRBlocksCount.get(v, 0, wide)),
    fact('freeBlocks', 'Free blocks', sFreeBlocksCount.get(v, 0, wide)),
    fact('freeInodes', 'Free inodes', S.s_free_inodes_count.get(v, 0)),
    fact('firstBlock', 'First block', S.s_first_data_block.get(v, 0)),
    fact('blockSize', 'Block size', blockSize),
    ...clusterFacts(v, hasFeature(features, 'bigalloc')),
    ...groupFields(v, wide),
    ...ownFileFacts(v, hasFeature(features, 'mmp')),
    ...timeFacts(v),
    fact('firstInode', 'First inode', S.s_first_ino.get(v, 0)),
    fact('inodeSize', 'Inode size', S.s_inode_size.get(v, 0)),
    fact('hash', 'Default directory hash', HASHES[S.s_def_hash_version.get(v, 0)] ?? 'unknown'),
    fact('hashSeed', 'Directory Hash Seed', uuidText(bytes(S.s_hash_seed))),
    fact('checksum', 'Checksum', S.s_checksum.get(v, 0), hex(S.s_checksum.get(v, 0))),
  ];
}

const hex = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;

function clusterFacts(v: DataView, bigalloc: boolean): Fact[] {
  if (!bigalloc) return [];
  const value = 2 ** (10 + S.s_log_cluster_size.get(v, 0));
  return [{ key: 'clusterSize', label: 'Cluster size', value }];
}

function groupFields(v: DataView, wide: boolean): Fact[] {
  const get = (key: string, label: string, field: Field): Fact => ({
    key,
    label,
    value: field.get(v, 0),
  });
  const flex = 2 ** S.s_log_groups_per_flex.get(v, 0);
  return [
    ...(wide ? [get('descriptorSize', 'Group descriptor size', S.s_desc_size)] : []),
    get('reservedGdtBlocks', 'Reserved GDT blocks', S.s_reserved_gdt_blocks),
    get('blocksPerGroup', 'Blocks per group', S.s_blocks_per_group),
    get('inodesPerGroup', 'Inodes per group', S.s_inodes_per_group),
    { key: 'flexGroups', label: 'Flex block group size', value: flex },
    get('mountCount', 'Mount count', S.s_mnt_count),
    get('reservedUid', 'Reserved blocks uid', S.s_def_resuid),
    get('reservedGid', 'Reserved blocks gid', S.s_def_resgid),
    get('journalInode', 'Journal inode', S.s_journal_inum),
    get('lastOrphan', 'First orphan inode', S.s_last_orphan),
  ];
}

/** Quota files, orphan file and multi-mount protection, where there are any. */
function ownFileFacts(v: DataView, mmp: boolean): Fact[] {
  const fields: readonly (readonly [string, string, Field])[] = [
    ['userQuotaInode', 'User quota inode', S.s_usr_quota_inum],
    ['groupQuotaInode', 'Group quota inode', S.s_grp_quota_inum],
    ['projectQuotaInode', 'Project quota inode', S.s_prj_quota_inum],
    ['orphanFileInode', 'Orphan file inode', S.s_orphan_file_inum],
  ];
  const facts = fields.map(([key, label, field]) => ({ key, label, value: field.get(v, 0) }));
  const protection = [
    { key: 'mmpBlock', label: 'MMP block number', value: S.s_mmp_block.get(v, 0) },
    { key: 'mmpUpdateInterval', label: 'MMP update interval', value: S.s_mmp_interval.get(v, 0) },
  ];
  return [...facts.filter(({ value }) => value !== 0), ...(mmp ? protection : [])];
}

function timeFacts(v: DataView): Fact[] {
  const time = (key: string, label: string, sec: number): Fact => {
    if (sec === 0) return { key, label, value: null, text: 'n/a' };
    const t = { sec, nsec: 0 };
    return { key, label, value: isoTime(t), text: longTime(t).replace(/\.0+/, '') };
  };
  return [
    time('created', 'Filesystem created', sMkfsTime.get(v, 0)),
    time('mounted', 'Last mount time', sMtime.get(v, 0)),
    time('written', 'Last write time', sWtime.get(v, 0)),
    time('checked', 'Last checked', sLastcheck.get(v, 0)),
  ];
}
