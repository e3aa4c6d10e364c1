/**
 * Finishing what a crash interrupted: inodes without links are deleted, others are cut to their
 * size. They are named by the list in the super block and by the orphan file.
 * @source fs/ext4/orphan.c:ext4_orphan_cleanup(); filesystems/ext4/orphan.rst
 */
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { withHandle } from './ext4-jbd2.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget, ext4MarkInodeDirty } from './inode.ts';
import { ext4OrphanDel, ext4OrphanList } from './orphan.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { ext4Truncate } from './truncate.ts';

/**
 * Process every leftover. @context Mounting for writing; the journal is clean.
 * @throws EUCLEAN the list or the file is damaged; EIO
 */
export function* ext4OrphanCleanup(sb: Ext4SuperBlock): Op<void> {
  const open = (nr: ReturnType<typeof ino>): Op<Ext4Inode> => ext4Iget(sb, nr, { special: true });
  const listed = yield* ext4OrphanList(sb, open);
  for (const inode of listed) sb.orphans.push(inode);
  let done = listed.length;
  for (const inode of [...listed]) yield* finish(inode);
  if (sb.orphanFile) {
    for (const [slot, nr] of yield* sb.orphanFile.read()) {
      const inode = yield* open(ino(nr));
      inode.orphan = true;
      inode.orphanSlot = slot;
      yield* finish(inode);
      done++;
    }
  }
  if (done > 0) sb.warn(`${done} inode(s) that a crash left half deleted were finished`);
}

/** Delete or cut one inode, and let it go. */
function* finish(inode: Ext4Inode): Op<void> {
  if (inode.nlink > 0) yield* ext4Truncate(inode);
  // What has no blocks has nothing to cut, and is done all the same.
  if (inode.nlink > 0 && inode.orphan) {
    yield* withHandle(inode.sb, 'orphan', function* (handle): Op<void> {
      yield* ext4OrphanDel(handle, inode);
      yield* ext4MarkInodeDirty(handle, inode);
    });
  }
  // The last reference of an inode without links deletes it.
  yield* iput(inode);
}
