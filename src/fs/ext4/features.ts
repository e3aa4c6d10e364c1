/**
 * Feature bits by the names that mke2fs gives them, and what FolioFS does about each of them.
 * @source filesystems/ext4/super.rst, "super_features_*"; mke2fs(8), ext4(5); names as tune2fs
 *   prints them
 */
import { errno } from '../../base/errno.ts';
import { Superblock } from './disk/superblock.ts';

/** s_feature_compat: harmless where unknown. */
export const COMPAT = {
  dir_prealloc: 0x1,
  imagic_inodes: 0x2,
  has_journal: 0x4,
  ext_attr: 0x8,
  resize_inode: 0x10,
  dir_index: 0x20,
  lazy_bg: 0x40,
  snapshot_bitmap: 0x100,
  sparse_super2: 0x200,
  fast_commit: 0x400,
  stable_inodes: 0x800,
  orphan_file: 0x1000,
} as const;

/** s_feature_incompat: refused where unknown. */
export const INCOMPAT = {
  compression: 0x1,
  filetype: 0x2,
  needs_recovery: 0x4,
  journal_dev: 0x8,
  meta_bg: 0x10,
  extent: 0x40,
  '64bit': 0x80,
  mmp: 0x100,
  flex_bg: 0x200,
  ea_inode: 0x400,
  dirdata: 0x1000,
  metadata_csum_seed: 0x2000,
  large_dir: 0x4000,
  inline_data: 0x8000,
  encrypt: 0x1_0000,
  casefold: 0x2_0000,
} as const;

/** s_feature_ro_compat: read-only where unknown. */
export const RO_COMPAT = {
  sparse_super: 0x1,
  large_file: 0x2,
  huge_file: 0x8,
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  quota: 0x100,
  bigalloc: 0x200,
  metadata_csum: 0x400,
  replica: 0x800,
  'read-only': 0x1000,
  project: 0x2000,
  shared_blocks: 0x4000,
  verity: 0x8000,
  orphan_present: 0x1_0000,
} as const;

export type FeatureName = keyof typeof COMPAT | keyof typeof INCOMPAT | keyof typeof RO_COMPAT;

/** The three words of a superblock. */
export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}
type Word = keyof Features;

export const NO_FEATURES: Features = { compat: 0, incompat: 0, roCompat: 0 };

/** @param at  byte of the superblock in the view */
export const readFeatures = (view: DataView, at: number): Features => ({
  compat: Superblock.s_feature_compat.get(view, at),
  incompat: Superblock.s_feature_incompat.get(view, at),
  roCompat: Superblock.s_feature_ro_compat.get(view, at),
});

export function writeFeatures(view: DataView, at: number, features: Features): void {
  Superblock.s_feature_compat.set(view, at, features.compat);
  Superblock.s_feature_incompat.set(view, at, features.incompat);
  Superblock.s_feature_ro_compat.set(view, at, features.roCompat);
}

const TABLES: readonly (readonly [Word, string, Readonly<Record<string, number>>])[] = [
  ['compat', 'C', COMPAT],
  ['incompat', 'I', INCOMPAT],
  ['roCompat', 'R', RO_COMPAT],
];

/** Second names that mke2fs takes for the same bit. */
const ALIASES: Readonly<Record<string, FeatureName>> = {
  extents: 'extent',
  uninit_groups: 'uninit_bg',
  fname_encoding: 'casefold',
};

interface Bit {
  readonly word: Word;
  readonly mask: number;
}
const bits = new Map<string, Bit>();
for (const [word, , table] of TABLES) {
  for (const [name, mask] of Object.entries(table)) bits.set(name, { word, mask });
}
const maskOf = (name: FeatureName): Bit => bits.get(name) ?? { word: 'compat', mask: 0 };

/** Is the feature on? For a hot path keep the answer, or test `features.incompat` by mask. */
export function hasFeature(features: Features, name: FeatureName): boolean {
  const { word, mask } = maskOf(name);
  return (features[word] & mask) !== 0;
}

/** The words with one feature switched. */
export function withFeature(features: Features, name: FeatureName, on: boolean): Features {
  return switched(features, maskOf(name), on);
}

function switched(features: Features, { word, mask }: Bit, on: boolean): Features {
  const next = on ? features[word] | mask : features[word] & ~mask;
  return { ...features, [word]: next >>> 0 };
}

/** Names of one word's bits, lowest first; a bit without one is FEATURE_C12, as e2fsprogs says. */
function wordNames(
  letter: string,
  table: Readonly<Record<string, number>>,
  word: number,
): string[] {
  const names = new Map(Object.entries(table).map(([name, mask]) => [mask, name]));
  const found: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const mask = 2 ** bit;
    if (((word >>> bit) & 1) !== 0) found.push(names.get(mask) ?? `FEATURE_${letter}${bit}`);
  }
  return found;
}

/** All names, in the order of dumpe2fs: compatible, incompatible, read-only compatible. */
export const featureNames = (features: Features): string[] =>
  TABLES.flatMap(([word, letter, table]) => wordNames(letter, table, features[word]));

/** The bit of a name, an alias or a FEATURE_C12, in any case; null where nobody knows it. */
function parseName(name: string): Bit | null {
  const lower = name.toLowerCase();
  const known = bits.get(ALIASES[lower] ?? lower);
  if (known) return known;
  const numbered = /^feature_([cir])([0-9]{1,2})$/.exec(lower);
  const row = TABLES.find(([, letter]) => letter.toLowerCase() === numbered?.[1]);
  const bit = Number(numbered?.[2]);
  return row && bit < 32 ? { word: row[0], mask: 2 ** bit } : null;
}

/** What `-t` chooses. */
export type FsType = 'ext2' | 'ext3' | 'ext4';

/** Default features by type. @source mke2fs.conf of e2fsprogs 1.47.0: base_features, [fs_types] */
const BASE = 'sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr';
const DEFAULTS: Readonly<Record<FsType, string>> = {
  ext2: BASE,
  ext3: `${BASE},has_journal`,
  ext4: `${BASE},has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize`,
};

export const defaultFeatures = (type: FsType): Features =>
  editFeatures(NO_FEATURES, DEFAULTS[type], type);

/**
 * Apply an `-O` list: names separated by commas or spaces, switched on, or off with `^` or `-`
 * before them; `none` clears everything so far, `default` goes back to the type's own set.
 * @throws EINVAL  a name that nobody knows
 * @source mke2fs(8), "-O"
 */
export function editFeatures(from: Features, list: string, type: FsType = 'ext4'): Features {
  let features = from;
  for (const item of list.split(/[\s,]+/)) {
    if (item === '' || item === '+') continue;
    const off = item.startsWith('^') || item.startsWith('-');
    const name = off || item.startsWith('+') ? item.slice(1) : item;
    const lower = name.toLowerCase();
    if (lower === 'none' || lower === 'clear') features = NO_FEATURES;
    else if (lower === 'default') features = defaultFeatures(type);
    else {
      const bit = parseName(name);
      if (!bit) throw errno('EINVAL', { feature: name }, 'no file system feature has this name');
      features = switched(features, bit, !off);
    }
  }
  return features;
}

/** Incompatible features whose images can be read. */
const READABLE =
  INCOMPAT.filetype |
  INCOMPAT.needs_recovery |
  INCOMPAT.meta_bg |
  INCOMPAT.extent |
  INCOMPAT['64bit'] |
  INCOMPAT.mmp |
  INCOMPAT.flex_bg |
  INCOMPAT.ea_inode |
  INCOMPAT.metadata_csum_seed |
  INCOMPAT.large_dir |
  INCOMPAT.inline_data |
  INCOMPAT.encrypt |
  INCOMPAT.casefold;

/** Read-only compatible features that writing knows how to keep right. */
const WRITABLE =
  RO_COMPAT.sparse_super |
  RO_COMPAT.large_file |
  RO_COMPAT.huge_file |
  RO_COMPAT.uninit_bg |
  RO_COMPAT.dir_nlink |
  RO_COMPAT.extra_isize |
  RO_COMPAT.bigalloc |
  RO_COMPAT.metadata_csum |
  RO_COMPAT.project |
  RO_COMPAT.verity |
  RO_COMPAT.orphan_present;

/** Why an incompatible feature is refused, where there is more to say than its name. */
const WHY_UNREADABLE: Readonly<Record<string, string>> = {
  compression: 'files may be compressed in a way that no released Linux reads',
  journal_dev: 'this is an external journal, not a file system',
  dirdata: 'directory entries carry data that only Lustre understands',
};

/** Why a feature that can be read makes the mount read-only. */
const WHY_READ_ONLY: Readonly<Record<string, string>> = {
  quota: 'quota accounting is not kept up yet',
  'read-only': 'the image asks never to be written',
  shared_blocks: 'files share blocks, and freeing them would need the number of owners',
  replica: 'replicas are not kept up',
};

/**
 * Names of the features because of which the image cannot be read at all; empty if it can.
 * (Whether its journal needs recovery is decided at mount.)
 */
export const unreadableFeatures = (f: Features): string[] =>
  wordNames('I', INCOMPAT, (f.incompat & ~READABLE) >>> 0);

/** A sentence for `unreadableFeatures()`, or null if the image can be read. */
export function whyUnreadable(features: Features): string | null {
  const names = unreadableFeatures(features);
  if (names.length === 0) return null;
  const reason = names.map((n) => WHY_UNREADABLE[n]).find((r) => r !== undefined);
  return `unsupported feature ${names.join(', ')}${reason ? `: ${reason}` : ''}`;
}

/** Names of the features because of which the image is only read. */
export const readOnlyFeatures = (f: Features): string[] =>
  wordNames('R', RO_COMPAT, (f.roCompat & ~WRITABLE) >>> 0);

/** A sentence for `readOnlyFeatures()`, or null if the image can be written. */
export function whyReadOnly(features: Features): string | null {
  const names = readOnlyFeatures(features);
  if (names.length === 0) return null;
  const reason = names.map((n) => WHY_READ_ONLY[n]).find((r) => r !== undefined);
  const why = reason ?? 'FolioFS does not know how to keep it right';
  return `read-only because of the feature ${names.join(', ')}: ${why}`;
}
