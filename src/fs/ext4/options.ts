/**
 * Mount options in mount(8)'s words. An unknown one is refused by name; one that has no meaning
 * here, or is the only way we know, is taken in silence.
 * @source ext4(5), "Mount options for ext4"
 */
import { errno } from '../../base/errno.ts';

export interface Ext4Options {
  errors: 'continue' | 'remount-ro' | 'panic' | null;
  noatime: boolean;
  relatime: boolean;
  acl: boolean;
  userXattr: boolean;
  /** Read-only without looking at the journal: for forensics. */
  noload: boolean;
  /** A transaction is committed at this age, ms. */
  commitMs: number;
  data: DataMode;
}

/** data=: what a crash may show of file data. */
export type DataMode = 'ordered' | 'writeback';

/** What changes nothing here: our one way is at least as strict. */
const SILENT = new Set([
  'ro',
  'rw',
  'barrier',
  'nobarrier',
  'delalloc',
  'nodelalloc',
  'discard',
  'nodiscard',
  'block_validity',
  'noblock_validity',
  'user_xattr',
  'nouser_xattr',
  'acl',
  'noacl',
  'grpid',
  'nogrpid',
  'bsdgroups',
  'sysvgroups',
  'lazytime',
  'nolazytime',
  'defaults',
  'exec',
  'noexec',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'auto_da_alloc',
  'noauto_da_alloc',
  'stripe',
  'inode_readahead_blks',
  'init_itable',
  'noinit_itable',
  'journal_checksum',
  'strictatime',
  'nodiratime',
  'diratime',
  'i_version',
  'quota',
  'noquota',
  'usrquota',
  'grpquota',
  'prjquota',
  'dioread_nolock',
  'dioread_lock',
  'max_batch_time',
  'min_batch_time',
  'journal_ioprio',
]);

/** Linux: JBD2_DEFAULT_MAX_COMMIT_AGE. */
const DEFAULT_COMMIT_S = 5;

/** @source ext4(5), "commit": 0 is the default */
function commitSeconds(value: string | true): number {
  const seconds = value === true ? Number.NaN : Number(value);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > 2 ** 31 / 1000) {
    throw errno('EINVAL', { option: 'commit', value }, 'commit= is a number of seconds');
  }
  return seconds || DEFAULT_COMMIT_S;
}

/** @source ext4(5), "data" */
function dataMode(value: string | true): DataMode {
  if (value === 'ordered' || value === 'writeback') return value;
  const why =
    value === 'journal' ? 'data=journal is not there yet' : 'data= is ordered or writeback';
  throw errno('EINVAL', { option: 'data', value }, why);
}

/** @throws EINVAL an option that ext4 does not have */
export function parseOptions(given: ReadonlyMap<string, string | true>): Ext4Options {
  const options: Ext4Options = {
    errors: null,
    noatime: false,
    relatime: true,
    acl: true,
    userXattr: true,
    noload: false,
    data: 'ordered',
    commitMs: DEFAULT_COMMIT_S * 1000,
  };
  for (const [name, value] of given) applyOption(options, name, value);
  return options;
}

function applyOption(options: Ext4Options, name: string, value: string | true): void {
  switch (name) {
    case 'errors':
      if (value !== 'continue' && value !== 'remount-ro' && value !== 'panic') {
        throw errno('EINVAL', { option: name, value }, 'errors= is continue, remount-ro or panic');
      }
      options.errors = value;
      break;
    case 'commit':
      options.commitMs = commitSeconds(value) * 1000;
      break;
    case 'data':
      options.data = dataMode(value);
      break;
    case 'noatime':
      options.noatime = true;
      break;
    case 'atime':
      options.noatime = false;
      break;
    case 'relatime':
      options.relatime = true;
      break;
    case 'norelatime':
      options.relatime = false;
      break;
    case 'noload':
    case 'norecovery':
      options.noload = true;
      break;
    default:
      if (!SILENT.has(name)) throw errno('EINVAL', { option: name }, 'unknown mount option');
      if (name === 'strictatime') options.relatime = false;
      if (name === 'noacl') options.acl = false;
      if (name === 'nouser_xattr') options.userXattr = false;
  }
}
