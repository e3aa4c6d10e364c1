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
 * s_umount is not held while the gates are waited for: who is inside of one may want it.
 * @context May sleep. Takes s_umount; the caller is inside no freeze level.
 * @throws EBUSY it is frozen, or being frozen; EIO: it is not frozen then
 */
export function* freezeSuper(sb: SuperBlock): Op<void> {
  const { writers } = sb;
  yield* underUmountLock(sb, function* (): Op<void> {
    if (sb.frozen !== 'no') throw errno('EBUSY', {}, 'it is frozen');
    sb.frozen = 'freezing';
  });
  yield* writers.freeze(FREEZE_WRITE);
  yield* writers.freeze(FREEZE_PAGEFAULT);
  try {
    yield* underUmountLock(sb, () => standStill(sb));
  } catch (e) {
    writers.thaw(FREEZE_WRITE);
    sb.frozen = 'no';
    throw e;
  }
}

/** Nobody writes any more: everything to the medium. s_umount held. */
function* standStill(sb: SuperBlock): Op<void> {
  if (!sb.readOnly) {
    yield* syncFilesystemLocked(sb);
    yield* sb.writers.freeze(FREEZE_FS);
    // Evictions went on until now.
    yield* syncFilesystemLocked(sb);
    if (sb.sops.freezeFs) yield* sb.sops.freezeFs();
  }
  sb.frozen = 'frozen';
}

/** @throws EINVAL it is not frozen; EIO: it is frozen still */
export function* thawSuper(sb: SuperBlock): Op<void> {
  yield* underUmountLock(sb, function* (): Op<void> {
    if (sb.frozen !== 'frozen') throw errno('EINVAL', {}, 'it is not frozen');
    if (!sb.readOnly && sb.sops.unfreezeFs) yield* sb.sops.unfreezeFs();
    sb.writers.thaw(FREEZE_WRITE);
    sb.frozen = 'no';
  });
}

function* underUmountLock(sb: SuperBlock, body: () => Op<void>): Op<void> {
  const { umountLock } = sb;
  if (!umountLock.tryExclusive()) yield* umountLock.lockExclusive();
  try {
    yield* body();
  } finally {
    umountLock.unlockExclusive();
  }
}
