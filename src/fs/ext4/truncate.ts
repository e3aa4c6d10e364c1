/**
 * Freeing the blocks behind the end of a file, in steps that a crash may separate.
 *
 * The size is durable first, then blocks are freed from the right; while that goes on the inode is
 * on the orphan list, so that recovery finishes the job (protocols C.6).
 * @source fs/ext4/inode.c:ext4_truncate()
 */
import { trace } from '../../base/trace.ts';
import type { Op } from '../../sched/op.ts';
import { EXT_MAX_BLOCKS } from './disk/extent.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { withHandle } from './ext4-jbd2.ts';
import { ext4ExtRemoveSpace } from './extents-change.ts';
import { ext4IndRemoveSpace } from './indirect-change.ts';
import { ext4InodeIsFastSymlink, ext4MarkInodeDirty } from './inode.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4DiscardPreallocations } from './mballoc.ts';
import { ext4OrphanAdd, ext4OrphanDel } from './orphan.ts';

/** Has the inode blocks that a truncate could free? Device nodes and fast symlinks do not. */
const canTruncate = (inode: Ext4Inode): boolean =>
  (inode.isReg || inode.isDir || inode.isLnk) &&
  !inode.hasFlag(EXT4_INLINE_DATA_FL) &&
  !ext4InodeIsFastSymlink(inode);

/**
 * Free the blocks that lie wholly behind i_size. The tail of the last block was zeroed and the
 * page cache cut by the caller.
 * @context i_rwsem and invalidate_lock exclusive, or nobody else has the inode (evict). May sleep.
 * @throws EIO, EUCLEAN; the inode then stays on the orphan list
 */
export function* ext4Truncate(inode: Ext4Inode): Op<void> {
  trace('fs/ext4:ext4Truncate');
  if (!canTruncate(inode)) return;
  ext4DiscardPreallocations(inode);
  const { sb } = inode;
  const from = Math.ceil(inode.size / sb.blockSize);
  yield* withHandle(sb, 'truncate', function* (handle): Op<void> {
    yield* ext4OrphanAdd(handle, inode);
    inode.disksize = inode.size;
    yield* ext4MarkInodeDirty(handle, inode);
    if (inode.hasFlag(EXT4_EXTENTS_FL)) {
      yield* ext4ExtRemoveSpace(handle, inode, from, EXT_MAX_BLOCKS);
    } else {
      yield* ext4IndRemoveSpace(handle, inode, from);
    }
    // An inode without links stays on the list: it is on its way out.
    if (inode.nlink > 0) yield* ext4OrphanDel(handle, inode);
    yield* ext4MarkInodeDirty(handle, inode);
  });
}
