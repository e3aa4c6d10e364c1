/**
 * mount and umount of super blocks that somebody else has made (init.ts knows devices and types).
 * @source mount(2), umount(2)
 */
import { errno } from '../base/errno.ts';
import type { Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { CAP_SYS_ADMIN, capable } from '../vfs/cred.ts';
import { dput } from '../vfs/dcache.ts';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from '../vfs/namei.ts';
import { attach, setReadOnly, umount } from '../vfs/namespace.ts';
import type { SuperBlock } from '../vfs/super.ts';
import { AT_FDCWD, enter, lookup, type Process, withPath } from './process.ts';

const mayMount = (p: Process): void => {
  if (!capable(p.cred, CAP_SYS_ADMIN)) throw errno('EPERM');
};

/** Attach a mounted super block at a directory. @throws EPERM, EBUSY, ENOTDIR */
export function* sysMount(p: Process, sb: SuperBlock, path: Name): Op<void> {
  mayMount(p);
  yield* withPath(p, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, AT_FDCWD, function* (d) {
    attach(sb, d);
  });
}

/** @throws EPERM; EINVAL not the root of a mount; EBUSY it is in use, or the process's own root */
export function* sysUmount(p: Process, path: Name): Op<void> {
  mayMount(p);
  enter(p);
  const dentry = yield* lookup(p, path, LOOKUP_FOLLOW, AT_FDCWD);
  const { sb } = dentry;
  const isRoot = sb.root === dentry;
  // Our own reference would make it busy; the mount itself keeps its root.
  yield* dput(dentry);
  if (!isRoot) throw errno('EINVAL');
  if (dentry === p.root) throw errno('EBUSY');
  yield* umount(sb);
}

/** @throws EPERM; EINVAL; EBUSY files are open for writing */
export function* sysRemount(p: Process, path: Name, readOnly: boolean): Op<void> {
  mayMount(p);
  yield* withPath(p, path, LOOKUP_FOLLOW, AT_FDCWD, function* (d) {
    if (d.sb.root !== d) throw errno('EINVAL');
    yield* setReadOnly(d.sb, readOnly);
  });
}
