/**
 * fsync, fdatasync, syncfs, sync.
 * @source fsync(2), sync(2)
 */
import { errno, FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import type { Op } from '../sched/op.ts';
import { O_PATH } from '../vfs/file.ts';
import type { SuperBlock } from '../vfs/super.ts';
import { syncFilesystem, vfsFsyncRange } from '../vfs/sync.ts';
import { enter, type Process, withFile } from './process.ts';

export const sysFsync = (p: Process, fd: number): Op<void> =>
  withFile(p, fd, (file) => {
    trace('syscall:sysFsync');
    return vfsFsyncRange(file, 0, Infinity, false);
  });

export const sysFdatasync = (p: Process, fd: number): Op<void> =>
  withFile(p, fd, (file) => vfsFsyncRange(file, 0, Infinity, true));

export const sysSyncfs = (p: Process, fd: number): Op<void> =>
  withFile(p, fd, function* (file) {
    if (file.flags & O_PATH) throw errno('EBADF');
    yield* syncFilesystem(file.inode.sb);
  });

/** All file systems from the process's root down. Reports nothing, as sync(2) does not. */
export function* sysSync(p: Process): Op<void> {
  yield* syncMounted(p);
}

/** The same for who wants to know. @throws EIO, ENOSPC the first failure, after all was tried */
export function* syncReporting(p: Process): Op<void> {
  const error = yield* syncMounted(p);
  if (error) throw error;
}

function* syncMounted(p: Process): Op<FsError | null> {
  enter(p);
  let first: FsError | null = null;
  for (const sb of mounted(p.root.sb)) {
    try {
      yield* syncFilesystem(sb);
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      first ??= e;
    }
  }
  return first;
}

/** A file system and those that are mounted on it. */
function mounted(top: SuperBlock): SuperBlock[] {
  const all = [top];
  for (let i = 0; i < all.length; i++) {
    for (const root of all[i]?.mounts ?? []) all.push(root);
  }
  return all;
}
