/**
 * Orphans: inodes with work left that a crash must not lose - deleted but open, or half truncated.
 *
 *   s_last_orphan -> inode A -(i_dtime)-> inode B -(i_dtime)-> 0
 *
 * Where the image has an orphan file (orphan-file.ts) new entries go there; when that is full, to
 * the list.
 * @source filesystems/ext4/orphan.rst; fs/ext4/orphan.c
 */
import { corrupted } from '../../base/errno.ts';
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { Superblock } from './disk/superblock.ts';
import { ext4DirtyMetadata, ext4GetWriteAccess } from './ext4-jbd2.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** Before a field of the super block changes. Its trigger and wave were set at mount. */
export function* ext4AccessSuper(handle: Handle, sb: Ext4SuperBlock): Op<void> {
  yield* ext4GetWriteAccess(handle, sb.sbh);
}

/** Put an inode in the file or on the list, once. @context Inside `handle`. */
export function* ext4OrphanAdd(handle: Handle, inode: Ext4Inode): Op<void> {
  if (inode.orphan) return;
  const { sb } = inode;
  if (!sb.orphanLock.tryLock()) yield* sb.orphanLock.lock();
  try {
    if (inode.orphan) return;
    const slot = sb.orphanFile ? yield* sb.orphanFile.add(handle, inode.ino) : null;
    if (slot !== null) {
      inode.orphan = true;
      inode.orphanSlot = slot;
      return;
    }
    yield* ext4AccessSuper(handle, sb);
    inode.orphan = true;
    inode.nextOrphan = Superblock.s_last_orphan.get(sb.sbh.view, sb.sbAt);
    inode.dtime = inode.nextOrphan;
    yield* ext4MarkInodeDirty(handle, inode);
    Superblock.s_last_orphan.set(sb.sbh.view, sb.sbAt, inode.ino);
    ext4DirtyMetadata(handle, sb.sbh);
    sb.orphans.unshift(inode);
  } finally {
    sb.orphanLock.unlock();
  }
}

/**
 * Take an inode out again. The caller dirties the inode afterwards. @context Inside `handle`.
 */
export function* ext4OrphanDel(handle: Handle, inode: Ext4Inode): Op<void> {
  if (!inode.orphan) return;
  const { sb } = inode;
  if (!sb.orphanLock.tryLock()) yield* sb.orphanLock.lock();
  try {
    if (inode.orphanSlot >= 0) {
      yield* sb.orphanFile!.remove(handle, inode.orphanSlot, inode.ino);
      inode.orphanSlot = -1;
      inode.orphan = false;
      return;
    }
    const at = sb.orphans.indexOf(inode);
    if (at < 0) throw corrupted('ext4_super_block', 's_last_orphan', { ino: inode.ino });
    const before = sb.orphans[at - 1];
    if (before) {
      before.nextOrphan = inode.nextOrphan;
      before.dtime = inode.nextOrphan;
      yield* ext4MarkInodeDirty(handle, before);
    } else {
      yield* ext4AccessSuper(handle, sb);
      Superblock.s_last_orphan.set(sb.sbh.view, sb.sbAt, inode.nextOrphan);
      ext4DirtyMetadata(handle, sb.sbh);
    }
    sb.orphans.splice(at, 1);
    inode.orphan = false;
    inode.nextOrphan = 0;
    inode.dtime = 0;
  } finally {
    sb.orphanLock.unlock();
  }
}

/** The inodes that the list on disk names, bounded by the number of inodes. @throws EUCLEAN */
export function* ext4OrphanList(
  sb: Ext4SuperBlock,
  open: (nr: ReturnType<typeof ino>) => Op<Ext4Inode>,
): Op<Ext4Inode[]> {
  const found: Ext4Inode[] = [];
  const seen = new Set<number>();
  for (let nr = Superblock.s_last_orphan.get(sb.sbh.view, sb.sbAt); nr !== 0;) {
    if (nr < sb.geo.firstIno || nr > sb.geo.inodesCount || seen.has(nr)) {
      throw corrupted('ext4_super_block', 's_last_orphan', { got: nr });
    }
    seen.add(nr);
    const inode = yield* open(ino(nr));
    inode.orphan = true;
    inode.nextOrphan = inode.dtime;
    found.push(inode);
    nr = inode.dtime;
  }
  return found;
}
