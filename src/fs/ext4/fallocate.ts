/**
 * fallocate: blocks that are there but read as zero, until something is written to them.
 * @source fs/ext4/extents.c:ext4_fallocate(), fallocate(2)
 */
import { errno } from '../../base/errno.ts';
import type { Op } from '../../sched/op.ts';
import { EXT4_EXTENTS_FL, EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { withHandle } from './ext4-jbd2.ts';
import { withAllocRetry } from './freed-clusters.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import {
  ext4MapBlocks,
  GET_BLOCKS_CREATE,
  GET_BLOCKS_UNWRITTEN,
  MapRequest,
} from './map-blocks.ts';

export const FALLOC_FL_KEEP_SIZE = 1;
const MODE_NAMES: readonly (readonly [number, string])[] = [
  [2, 'PUNCH_HOLE'],
  [8, 'COLLAPSE_RANGE'],
  [16, 'ZERO_RANGE'],
  [32, 'INSERT_RANGE'],
  [64, 'UNSHARE_RANGE'],
];

/** Blocks of one transaction. */
const MAX_STEP = 32_767;

/**
 * Before anything changes: can it be done?
 * @throws EINVAL, EISDIR, ENODEV, EFBIG; EOPNOTSUPP a mode that is not there yet, an indirect file
 */
export function checkFallocate(
  inode: Ext4Inode,
  mode: number,
  offset: number,
  length: number,
): void {
  if (offset < 0 || length <= 0) throw errno('EINVAL');
  const other = MODE_NAMES.filter(([bit]) => mode & bit).map(([, name]) => name);
  if (other.length > 0 || mode & ~FALLOC_FL_KEEP_SIZE) {
    throw errno('EOPNOTSUPP', { mode: other.join('|') || mode });
  }
  if (!inode.isReg) throw errno(inode.isDir ? 'EISDIR' : 'ENODEV');
  // Inline data becomes extents wherever the image knows them.
  if (!inode.hasFlag(EXT4_EXTENTS_FL) && !inode.hasFlag(EXT4_INLINE_DATA_FL)) {
    throw errno('EOPNOTSUPP', { why: 'no extents' });
  }
  if (offset + length > inode.sb.maxBytes) throw errno('EFBIG');
}

/**
 * Allocate unwritten blocks for every hole of [offset, offset + length).
 * @throws ENOSPC what was allocated so far stays; EOPNOTSUPP an indirect file
 * @context i_rwsem exclusive held. May sleep.
 */
export function* ext4Fallocate(
  inode: Ext4Inode,
  mode: number,
  offset: number,
  length: number,
): Op<void> {
  if (!inode.hasFlag(EXT4_EXTENTS_FL)) throw errno('EOPNOTSUPP', { why: 'no extents' });
  const { sb } = inode;
  const bs = sb.blockSize;
  const end = Math.ceil((offset + length) / bs);
  for (let at = Math.floor(offset / bs); at < end;) {
    const map = new MapRequest();
    const step = withHandle.bind(null, sb, 'write', function* (handle): Op<void> {
      map.ask(at, Math.min(MAX_STEP, end - at));
      yield* ext4MapBlocks(handle, inode, map, GET_BLOCKS_CREATE | GET_BLOCKS_UNWRITTEN);
      at += map.len;
      const reached = Math.min(at * bs, offset + length);
      if (!(mode & FALLOC_FL_KEEP_SIZE) && reached > inode.size) {
        inode.size = reached;
        inode.disksize = reached;
      }
      inode.mtime = inode.ctime = sb.now();
      yield* ext4MarkInodeDirty(handle, inode);
    });
    yield* withAllocRetry(sb, step);
  }
}
