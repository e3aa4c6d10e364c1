/**
 * mke2fs's words, shared by mkfs and build.
 * @source mke2fs(8)
 */
import { sha256 } from '../base/sha2.ts';
import { GRPQUOTA, PRJQUOTA, type QuotaType, USRQUOTA } from '../fs/ext4/disk/quota.ts';
import type { FsType } from '../fs/ext4/features.ts';
import type { MkfsOptions } from '../fs/ext4/mkfs/plan.ts';
import { UsageError } from './errors.ts';
import { parseNumber, parseSize } from './format.ts';
import { parseUuid, randomUuid } from './uuid.ts';

/** Options as commander gives them. */
export interface MkfsWords {
  readonly type?: string;
  readonly blockSize?: string;
  readonly clusterSize?: string;
  readonly features?: string;
  readonly label?: string;
  readonly uuid?: string;
  readonly inodes?: string;
  readonly bytesPerInode?: string;
  readonly inodeSize?: string;
  readonly reserved?: string;
  readonly journal?: string;
  readonly flexBg?: string;
  readonly lastMounted?: string;
  readonly extended?: string;
}

export interface Identity {
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  /** SOURCE_DATE_EPOCH, or null: the time is now. */
  readonly epoch: number | null;
  /** For what chance decides later. */
  readonly seed: number;
}

/**
 * A UUID that was asked for gives the hash seed and all chance too, so that bytes can be repeated.
 */
export function identityOf(o: MkfsWords, random: (n: number) => Uint8Array): Identity {
  const fixed = o.uuid !== undefined && o.uuid !== 'random' && o.uuid !== 'time';
  const uuid = fixed ? uuidOf(o.uuid) : randomUuid(random);
  const derived = fixed ? sha256(uuid) : new Uint8Array(random(32));
  const hashSeed = derived.slice(0, 16);
  hashSeed[6] = ((hashSeed[6] ?? 0) & 0x0f) | 0x40;
  hashSeed[8] = ((hashSeed[8] ?? 0) & 0x3f) | 0x80;
  const seed = new DataView(derived.buffer, derived.byteOffset).getUint32(16);
  const epoch = sourceDateEpoch();
  return { uuid, hashSeed, time: epoch ?? Math.floor(Date.now() / 1000), epoch, seed };
}

const uuidOf = (text: string): Uint8Array =>
  text === 'clear' ? new Uint8Array(16) : parseUuid(text);

/** @source reproducible-builds.org, SOURCE_DATE_EPOCH specification */
function sourceDateEpoch(): number | null {
  const text = process.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return null;
  return parseNumber(text, 'SOURCE_DATE_EPOCH');
}

const isType = (text: string): text is FsType => ['ext2', 'ext3', 'ext4'].includes(text);

/** @throws UsageError */
export function mkfsOptions(o: MkfsWords, { time }: Identity): MkfsOptions {
  if (o.type !== undefined && !isType(o.type))
    throw new UsageError(`${o.type}: ext2, ext3 or ext4`);
  const numbers = {
    blockSize: sizeOf(o.blockSize),
    clusterSize: sizeOf(o.clusterSize),
    inodes: o.inodes === undefined ? undefined : parseNumber(o.inodes, '-N'),
    inodeRatio: sizeOf(o.bytesPerInode),
    inodeSize: sizeOf(o.inodeSize),
    reservedPercent: percentOf(o.reserved),
    journalSize: journalSize(o.journal),
    flexBgSize: o.flexBg === undefined ? undefined : parseNumber(o.flexBg, '-G'),
  };
  return {
    time,
    ...(o.type === undefined ? {} : { type: o.type }),
    ...(o.features === undefined ? {} : { features: o.features }),
    ...(o.label === undefined ? {} : { label: o.label }),
    ...(o.lastMounted === undefined ? {} : { lastMounted: o.lastMounted }),
    ...extended(o.extended),
    ...given(numbers),
  };
}

/** Without what was not asked for. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const found = Object.entries(values).filter(([, v]) => v !== undefined);
  return Object.fromEntries(found) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

const sizeOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseSize(text);

function percentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text);
  if (text === '' || !(percent >= 0)) throw new UsageError(`${text}: -m is a percentage`);
  return percent;
}

/** -J size=MiB */
function journalSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const size = /^size=(\d+)M?$/.exec(text)?.[1];
  if (size === undefined) throw new UsageError(`${text}: -J size=MEGABYTES is all there is`);
  return Number(size);
}

type Extended = Pick<MkfsOptions, 'rootOwner' | 'quotaTypes' | 'orphanFile' | 'mmpUpdateInterval'>;

/** -E, items separated by commas. @throws UsageError */
function extended(text: string | undefined): Extended {
  let found: Extended = {};
  for (const item of (text ?? '').split(',').filter((part) => part !== '')) {
    if (/^(lazy_itable_init|lazy_journal_init|nodiscard|discard)(=\d)?$/.test(item)) continue;
    const [name = '', ...rest] = item.split('=');
    const parse = EXTENDED[name];
    if (!parse) throw new UsageError(`${item}: not an extended option that is known here`);
    found = { ...found, ...parse(rest.length > 0 ? rest.join('=') : undefined, item) };
  }
  return found;
}

const EXTENDED: Readonly<Record<string, (value: string | undefined, item: string) => Extended>> = {
  root_owner: rootOwner,
  quotatype: quotaTypes,
  orphan_file_size: orphanFile,
  mmp_update_interval: (value, item) => {
    if (!/^\d+$/.test(value ?? '')) throw new UsageError(`${item}: mmp_update_interval=SECONDS`);
    return { mmpUpdateInterval: Number(value) };
  },
};

/** UID:GID, or the caller's */
function rootOwner(value: string | undefined, item: string): Extended {
  if (value !== undefined && !/^\d+:\d+$/.test(value)) {
    throw new UsageError(`${item}: root_owner=UID:GID`);
  }
  const [uid, gid] = value?.split(':').map(Number) ?? [];
  return {
    rootOwner: { uid: uid ?? process.getuid?.() ?? 0, gid: gid ?? process.getgid?.() ?? 0 },
  };
}

const QUOTA_TYPES: Readonly<Record<string, QuotaType>> = {
  usr: USRQUOTA,
  grp: GRPQUOTA,
  prj: PRJQUOTA,
};

/** Names with colons between them: usrquota:grpquota:prjquota, or the same without "quota". */
function quotaTypes(value: string | undefined, item: string): Extended {
  const names = (value ?? '').split(':').filter((name) => name !== '');
  const types = names.map((name) => QUOTA_TYPES[name.replace(/^(...)quota$/, '$1')]);
  const known = types.filter((type) => type !== undefined);
  if (known.length === 0 || known.length < types.length) {
    throw new UsageError(`${item}: quotatype= takes usrquota, grpquota, prjquota, with colons`);
  }
  return { quotaTypes: known };
}

/** Bytes with a letter of size, or blocks. */
function orphanFile(value: string | undefined, item: string): Extended {
  const size = value ?? '';
  if (!/^\d+[kmgst]?$/i.test(size)) {
    throw new UsageError(`${item}: orphan_file_size=BLOCKS, or SIZE with a letter: 64k`);
  }
  const sectors = /^(\d+)s$/i.exec(size)?.[1];
  if (sectors !== undefined) return { orphanFile: { bytes: Number(sectors) * 512 } };
  const bytes = /[kmgt]$/i.test(size);
  return { orphanFile: bytes ? { bytes: parseSize(size) } : { blocks: Number(size) } };
}
