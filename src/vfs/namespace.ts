/**
 * Mounting: a super block is attached at one directory at most (no bind mounts), so that a dentry
 * alone says where one is.
 *
 *   type.mount() --attach--> active --umount: nothing in use--> synced, evicted, putSuper, gone
 *
 * @source fs/namespace.c, fs/super.c:generic_shutdown_super()
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import type { Op } from '../sched/op.ts';
import { type Dentry, dput, shrinkDentries, shrinkForUmount, trimDentries } from './dcache.ts';
import { evictInodes, iput, shrinkInodes } from './inode-cache.ts';
import type { FileSystemType, MountContext, SuperBlock } from './super.ts';
import { syncFilesystemLocked } from './sync.ts';

/** A super block that nobody sees yet: its root is the way in. */
export function* mountFileSystem(type: FileSystemType, context: MountContext): Op<SuperBlock> {
  const sb = yield* type.mount(context);
  assert(sb.root !== null, 'a mount without a root');
  sb.shrinker = (count) => trimDentries(sb) + shrinkDentries(sb, count) + shrinkInodes(sb, count);
  sb.memory.shrinkers.push(sb.shrinker);
  return sb;
}

/** Cover a directory with the root of `sb`. @throws ENOTDIR, EBUSY something is mounted there */
export function attach(sb: SuperBlock, at: Dentry): void {
  if (!at.inode?.isDir) throw errno('ENOTDIR');
  if (at.mounted || sb.mountpoint) throw errno('EBUSY');
  at.mounted = sb.root;
  sb.mountpoint = at.hold();
  at.sb.mounts.add(sb);
}

/**
 * Write everything, let go of everything. @context May sleep. Takes s_umount exclusive.
 * @throws EBUSY a file is open, or somebody is inside; EIO: it is unmounted all the same
 */
export function* umount(sb: SuperBlock): Op<void> {
  const { umountLock } = sb;
  if (!umountLock.tryExclusive()) yield* umountLock.lockExclusive();
  try {
    if (!(yield* shrinkForUmount(sb))) throw errno('EBUSY');
    yield* shutdown(sb);
  } finally {
    umountLock.unlockExclusive();
  }
}

function* shutdown(sb: SuperBlock): Op<void> {
  const { mountpoint } = sb;
  if (mountpoint) {
    mountpoint.mounted = null;
    mountpoint.sb.mounts.delete(sb);
    sb.mountpoint = null;
    yield* dput(mountpoint);
  }
  try {
    yield* syncFilesystemLocked(sb);
  } finally {
    // What could not be written is lost, as it is on Linux; the device is free again.
    yield* release(sb);
  }
}

/** Nothing of the file system stays in memory. */
function* release(sb: SuperBlock): Op<void> {
  const { root, shrinker } = sb;
  assert(root !== null);
  sb.active = false;
  if (sb.flusher) yield* sb.flusher.stop();
  sb.root = null;
  const { inode } = root;
  root.inode = null;
  root.hashed = false;
  if (inode) yield* iput(inode);
  const busy = yield* evictInodes(sb);
  assert(busy === 0, 'busy inodes after umount');
  yield* sb.sops.putSuper();
  const { shrinkers } = sb.memory;
  if (shrinker) shrinkers.splice(shrinkers.indexOf(shrinker), 1);
}

/** Remount read-only or read-write. @throws EBUSY files are open for writing */
export function* setReadOnly(sb: SuperBlock, readOnly: boolean): Op<void> {
  if (sb.readOnly === readOnly) return;
  const { umountLock } = sb;
  if (!umountLock.tryExclusive()) yield* umountLock.lockExclusive();
  try {
    for (const inode of sb.inodes.values()) if (inode.writeCount > 0) throw errno('EBUSY');
    yield* syncFilesystemLocked(sb);
    if (!sb.sops.remount) throw errno('EOPNOTSUPP');
    yield* sb.sops.remount(readOnly);
    sb.readOnly = readOnly;
  } finally {
    umountLock.unlockExclusive();
  }
}
