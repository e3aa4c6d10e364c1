/**
 * Changes of mode, owner, times and size, and what stat says.
 * @source fs/ext4/inode.c: ext4_setattr(), ext4_getattr(); protocols C.6
 */
import { errno } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import type { Op } from '../../sched/op.ts';
import { iomapTruncatePage } from '../../iomap/buffered-write.ts';
import { truncateInodePagesRange } from '../../mm/truncate.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Iattr, Kstat } from '../../vfs/stat.ts';
import { ext4AclChmod } from './acl.ts';
import {
  EXT4_APPEND_FL,
  EXT4_COMPR_FL,
  EXT4_ENCRYPT_FL,
  EXT4_EXTENTS_FL,
  EXT4_IMMUTABLE_FL,
  EXT4_INLINE_DATA_FL,
  EXT4_NODUMP_FL,
  EXT4_VERITY_FL,
} from './disk/inode.ts';
import { ext4DataFirst } from './data-first.ts';
import { withHandle } from './ext4-jbd2.ts';
import { zeroOldTail } from './file.ts';
import { ext4ConvertInlineData, ext4InlineTruncate } from './inline-write.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty, maxSize } from './inode.ts';
import { ext4IomapOps } from './iomap.ts';
import { ext4OrphanAdd } from './orphan.ts';
import { ext4Truncate } from './truncate.ts';

/**
 * InodeOperations.setattr: checked and permitted changes. @context i_rwsem exclusive.
 * @throws EROFS, EFBIG, ENOKEY, EPERM, ENOSPC, EIO
 */
export function* ext4Setattr(inode: Inode, attr: Iattr): Op<void> {
  trace('fs/ext4:ext4Setattr');
  const ei = inode as Ext4Inode;
  const { sb } = ei;
  if (sb.readOnly) throw errno('EROFS');
  if (attr.size !== undefined) yield* setSize(ei, attr.size);
  const modeChanges = attr.mode !== undefined && attr.mode !== ei.mode;
  yield* withHandle(sb, 'inode', function* (handle): Op<void> {
    if (attr.mode !== undefined) ei.mode = (ei.mode & ~0o7777) | (attr.mode & 0o7777);
    if (attr.uid !== undefined) ei.uid = attr.uid;
    if (attr.gid !== undefined) ei.gid = attr.gid;
    if (attr.atime) ei.atime = attr.atime;
    if (attr.mtime) ei.mtime = attr.mtime;
    if (attr.ctime) ei.ctime = attr.ctime;
    ei.version++;
    yield* ext4MarkInodeDirty(handle, ei);
  });
  if (modeChanges) yield* ext4AclChmod(ei);
}

function* setSize(inode: Ext4Inode, size: number): Op<void> {
  const { sb } = inode;
  if (inode.hasFlag(EXT4_ENCRYPT_FL)) throw errno('ENOKEY', { ino: inode.ino });
  if (inode.hasFlag(EXT4_VERITY_FL)) throw errno('EPERM', { ino: inode.ino });
  if (size > maxSize(sb, inode.hasFlag(EXT4_EXTENTS_FL))) throw errno('EFBIG', { size });
  if (inode.hasFlag(EXT4_INLINE_DATA_FL)) {
    if (yield* ext4InlineTruncate(inode, size)) return;
    yield* ext4ConvertInlineData(inode);
  }
  if (inode.dioCount > 0) yield* inode.dioIdle.waitFor(() => inode.dioCount === 0);
  const lock = inode.mapping.invalidateLock;
  if (!lock.tryExclusive()) yield* lock.lockExclusive();
  try {
    if (size > inode.size) yield* grow(inode, size);
    else yield* shrink(inode, size);
  } finally {
    lock.unlockExclusive();
  }
}

function* grow(inode: Ext4Inode, size: number): Op<void> {
  yield* zeroOldTail(inode, size);
  yield* withHandle(inode.sb, 'inode', function* (handle): Op<void> {
    yield* sizeTogether(inode, size);
    yield* ext4MarkInodeDirty(handle, inode);
  });
}

/** i_size and i_disksize move together, towards write-back too (protocols C.5 step 6). */
function* sizeTogether(inode: Ext4Inode, size: number): Op<void> {
  const sem = inode.dataSem;
  if (!sem.tryExclusive()) yield* sem.lockExclusive();
  inode.size = size;
  inode.disksize = size;
  sem.unlockExclusive();
}

/** Size first, then cache, then blocks: a crash in between leaves a valid, shorter file. */
function* shrink(inode: Ext4Inode, size: number): Op<void> {
  if (size < inode.size) {
    // The new last block keeps its tail in the cache until it is written: zero before the cut.
    yield* iomapTruncatePage(inode, size, ext4IomapOps);
    // On the device too, or a later size that is durable before the block shows the old tail.
    const bs = inode.sb.blockSize;
    yield* ext4DataFirst(inode, size, Math.ceil(size / bs) * bs);
    yield* withHandle(inode.sb, 'truncate', function* (handle): Op<void> {
      yield* ext4OrphanAdd(handle, inode);
      yield* sizeTogether(inode, size);
      yield* ext4MarkInodeDirty(handle, inode);
    });
  }
  yield* truncateInodePagesRange(inode.mapping, size);
  yield* ext4Truncate(inode);
}

/** STATX_ATTR_* that ext4 reports. @source include/uapi/linux/stat.h */
const ATTRIBUTES: readonly (readonly [number, number])[] = [
  [EXT4_COMPR_FL, 0x4],
  [EXT4_IMMUTABLE_FL, 0x10],
  [EXT4_APPEND_FL, 0x20],
  [EXT4_NODUMP_FL, 0x40],
  [EXT4_ENCRYPT_FL, 0x800],
  [EXT4_VERITY_FL, 0x10_0000],
];

const ANY_ATTRIBUTE = ATTRIBUTES.reduce((all, [flag]) => all | flag, 0);

/**
 * InodeOperations.getattrNowait: what the generic part does not know. All of it is in memory.
 * @context Does not sleep.
 */
export function ext4GetattrNowait(inode: Inode, stat: Kstat): void {
  const ei = inode as Ext4Inode;
  stat.btime = ei.btime;
  if (ei.hasFlag(ANY_ATTRIBUTE)) {
    for (const [flag, attribute] of ATTRIBUTES) if (ei.hasFlag(flag)) stat.attributes |= attribute;
  }
  // Inline data takes no blocks, but a size without space looks like a hole to archivers.
  if (ei.isReg && ei.hasFlag(EXT4_INLINE_DATA_FL)) stat.blocks = Math.ceil(ei.size / 512);
}

/** InodeOperations.getattr. */
export function* ext4Getattr(inode: Inode, stat: Kstat): Op<void> {
  ext4GetattrNowait(inode, stat);
}
