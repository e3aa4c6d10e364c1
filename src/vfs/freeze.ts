/**
 * Freezing: the file system stands still and its image is complete, until it is thawed. For copies
 * and snapshots of a device that is in use.
 *
 *   writers stopped -> faults stopped -> data written -> internal writers stopped -> log emptied
 *
 * Whoever wants to change something meanwhile sleeps until the thaw; readers go on.
 * @source fs/super.c: freeze_super(), thaw_super(); fsfreeze(8)
 */
import { errno } from '../base/errno.ts';
import type { Op } from '../sched/op.ts';
import { FREEZE_FS, FREEZE_PAGEFAULT, FREEZE_WRITE } from '../sched/freeze-lock.ts';
import type { SuperBlock } from './super.ts';
import { syncFilesystemLocked } from './sync.ts';

/**
 * @context May sleep. Takes s_umount; the caller is inside no freeze level.
 * @throws EBUSY it is frozen; EIO: it is not frozen then
 */
export function* freezeSuper(sb: SuperBlock): Op<void> {
  const { umountLock } = sb;
  if (!umountLock.tryExclusive()) yield* umountLock.lockExclusive();
  try {
    if (sb.frozen) throw errno('EBUSY', {}, 'it is frozen');
    if (!sb.readOnly) yield* stopWriters(sb);
    sb.frozen = true;
  } finally {
    umountLock.unlockExclusive();
  }
}

/** The three gates, and what has to be on the medium behind each. */
function* stopWriters(sb: SuperBlock): Op<void> {
  const { sops, writers } = sb;
  yield* writers.freeze(FREEZE_WRITE);
  try {
    yield* writers.freeze(FREEZE_PAGEFAULT);
    yield* syncFilesystemLocked(sb);
    yield* writers.freeze(FREEZE_FS);
    // Evictions went on until now.
    yield* syncFilesystemLocked(sb);
    if (sops.freezeFs) yield* sops.freezeFs();
  } catch (e) {
    writers.thaw(FREEZE_WRITE);
    throw e;
  }
}

/** @throws EINVAL it is not frozen; EIO */
export function* thawSuper(sb: SuperBlock): Op<void> {
  const { umountLock, writers } = sb;
  if (!umountLock.tryExclusive()) yield* umountLock.lockExclusive();
  try {
    if (!sb.frozen) throw errno('EINVAL', {}, 'it is not frozen');
    if (!sb.readOnly && sb.sops.unfreezeFs) yield* sb.sops.unfreezeFs();
    sb.frozen = false;
    if (!sb.readOnly) writers.thaw(FREEZE_WRITE);
  } finally {
    umountLock.unlockExclusive();
  }
}
