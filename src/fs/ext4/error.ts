/**
 * What happens when the disk turns out to be wrong while it is mounted: the super block remembers
 * it, and the mount goes on, turns read-only, or refuses everything, as `errors=` says.
 * @source fs/ext4/super.c: __ext4_error(), ext4_handle_error(); ext4(5), "errors="
 */
import { CorruptError, type FsError } from '../../base/errno.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import {
  EXT4_ERR_EFSBADCRC,
  EXT4_ERR_EFSCORRUPTED,
  EXT4_ERR_EIO,
  EXT4_ERR_UNKNOWN,
  EXT4_ERROR_FS,
  sFirstErrorTime,
  sLastErrorTime,
  Superblock,
} from './disk/superblock.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { ext4SuperDirty } from './super-write.ts';

/** The number that the super block keeps of an error. */
function errorNumber(e: FsError): number {
  if (e.code === 'EIO') return EXT4_ERR_EIO;
  if (!(e instanceof CorruptError)) return EXT4_ERR_UNKNOWN;
  return String(e.facts['field']).includes('checksum') ? EXT4_ERR_EFSBADCRC : EXT4_ERR_EFSCORRUPTED;
}

/** Note the error in the super block's buffer. */
function record(sb: Ext4SuperBlock, e: FsError): void {
  const { view } = sb.sbh;
  const at = sb.sbAt;
  const s = Superblock;
  const number = (name: string): number => {
    const n = e.facts[name];
    return typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 ? n : 0;
  };
  const now = sb.scheduler.clock.realtime().sec;
  const code = errorNumber(e);
  s.s_state.set(view, at, s.s_state.get(view, at) | EXT4_ERROR_FS);
  s.s_last_error_errcode.set(view, at, code);
  s.s_last_error_ino.set(view, at, number('ino') % 2 ** 32);
  s.s_last_error_block.set(view, at, number('pblk'));
  sLastErrorTime.set(view, at, now);
  if (s.s_error_count.get(view, at) === 0) {
    s.s_first_error_errcode.set(view, at, code);
    s.s_first_error_ino.set(view, at, number('ino') % 2 ** 32);
    s.s_first_error_block.set(view, at, number('pblk'));
    sFirstErrorTime.set(view, at, now);
  }
  s.s_error_count.set(view, at, Math.min(s.s_error_count.get(view, at) + 1, 0xffff_ffff));
}

/** Errors that were acted on: one passes through several places that report it. */
const seen = new WeakSet<FsError>();

/**
 * Report what came out of a part of ext4, if it says that the disk is wrong; for catch clauses
 * that throw it on. @context Does not sleep.
 */
export function ext4Report(sb: Ext4SuperBlock, e: unknown): void {
  if (e instanceof CorruptError) ext4Error(sb, e);
}

/**
 * The log cannot be written: the mount is read-only from now on, whatever `errors=` says.
 * @context Does not sleep. @source fs/ext4/super.c:ext4_abort()
 */
export function ext4JournalAborted(sb: Ext4SuperBlock, e: FsError): void {
  if (sb.readOnly) return; // It was an error here that ended it.
  sb.warn(`${e.message}: the journal was aborted, nothing more is written`);
  record(sb, e);
  ext4SuperDirty(sb);
  sb.readOnly = true;
}

/**
 * The disk contradicts itself: act as `errors=` says. The caller throws the error besides.
 * @context Does not sleep.
 */
export function ext4Error(sb: Ext4SuperBlock, e: FsError): void {
  if (seen.has(e)) return;
  seen.add(e);
  sb.warn(e.message);
  if (sb.readOnly) return;
  record(sb, e);
  ext4SuperDirty(sb);
  if (sb.errorPolicy === 'continue') return;
  sb.readOnly = true;
  // Nothing that contradicts itself goes home: a log ends here. No panic in a library.
  if (sb.errorPolicy === 'panic' || sb.journal instanceof LogJournal) sb.journal.abort(e);
  sb.warn('remounted read-only because of the error before');
}
