/**
 * The one place where damage that an operation meets is noted: every table of operations that
 * ext4 hands to the VFS goes through reporting(), so that no operation can forget it.
 *
 * Linux calls ext4_error() at each place that finds something; here the error itself says where.
 * @source fs/ext4/super.c:__ext4_error()
 */
import { CorruptError } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import type { SuperBlock } from '../../vfs/super.ts';
import { ext4Error } from './error.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Errors that passed an inner operation of ours are noted already. */
const noted = new WeakSet<CorruptError>();

/** Act on the damage as `errors=` says; once for each error. */
export function noteDamage(sb: SuperBlock, e: unknown): void {
  if (!(e instanceof CorruptError) || noted.has(e)) return;
  noted.add(e);
  ext4Error(sb as Ext4SuperBlock, e);
}

type Operation<S> = (subject: S, ...rest: unknown[]) => Op<unknown>;

/** An operation is a generator function; what is plain does not sleep and reads no disk. */
const isOperation = (f: unknown): f is Operation<unknown> =>
  typeof f === 'function' && Object.prototype.toString.call(f) === '[object GeneratorFunction]';

/**
 * The table with every operation watched.
 * @param sbOf  the super block of an operation's first argument
 */
export function reporting<T extends object, S>(table: T, sbOf: (subject: S) => SuperBlock): T {
  const watched = Object.entries(table).map(([name, f]: [string, unknown]) =>
    isOperation(f) ? [name, watch(f as Operation<S>, sbOf)] : [name, f],
  );
  return Object.fromEntries(watched) as T;
}

function watch<S>(operation: Operation<S>, sbOf: (subject: S) => SuperBlock): Operation<S> {
  return function* watched(subject, ...rest): Op<unknown> {
    try {
      return yield* operation(subject, ...rest);
    } catch (e) {
      noteDamage(sbOf(subject), e);
      throw e;
    }
  };
}
