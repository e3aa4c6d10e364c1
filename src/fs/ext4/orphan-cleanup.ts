/**
 * Finishing what a crash interrupted: inodes without links are deleted, others are cut to their
 * size. They are named by the list in the super block and by the orphan file.
 * @source fs/ext4/orphan.c:ext4_orphan_cleanup(); filesystems/ext4/orphan.rst
 */
import { corrupted } from '../../base/errno.ts';
import { ino, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { orphanBlockCsumOk, setOrphanBlockCsum } from './checksum.ts';
import {
  EXT4_MAX_ORPHAN_FILE_BLOCKS,
  EXT4_ORPHAN_BLOCK_MAGIC,
  OrphanBlockTail,
  orphanSlotsPerBlock,
  orphanTailOffset,
} from './disk/orphan.ts';
import { RO_COMPAT } from './features.ts';
import { Superblock } from './disk/superblock.ts';
import { ext4DirtyMetadata, ext4GetWriteAccess, withHandle } from './ext4-jbd2.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget } from './inode.ts';
import { ext4MapBlocks, MapRequest } from './map-blocks.ts';
import { ext4AccessSuper, ext4OrphanList } from './orphan.ts';
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
  if (sb.has.orphanFile) done += yield* cleanFile(sb);
  if (done > 0) sb.warn(`${done} inode(s) that a crash left half deleted were finished`);
}

/** Delete or cut one inode, and let it go. */
function* finish(inode: Ext4Inode): Op<void> {
  if (inode.nlink > 0) yield* ext4Truncate(inode);
  // The last reference of an inode without links deletes it.
  yield* iput(inode);
}

/** Blocks of the orphan file, each checked, with a reference. @throws EUCLEAN */
function* orphanBlocks(sb: Ext4SuperBlock): Op<BufferHead[]> {
  const nr = Superblock.s_orphan_file_inum.get(sb.sbh.view, sb.sbAt);
  const file = yield* ext4Iget(sb, ino(nr), { special: true });
  const blocks = file.size / sb.geo.blockSize;
  const found: BufferHead[] = [];
  const map = new MapRequest();
  try {
    if (!file.isReg || blocks > EXT4_MAX_ORPHAN_FILE_BLOCKS || blocks % 1 !== 0) {
      throw corrupted('ext4_super_block', 's_orphan_file_inum', { ino: nr, size: file.size });
    }
    for (let i = 0; i < blocks; i++) {
      const got = yield* ext4MapBlocks(null, file, map.ask(i, 1));
      if (got === 0) throw corrupted('orphan file', 'i_block', { ino: nr, lblk: i, got: 'hole' });
      const bh = yield* sb.buffers.bread(pblk(map.pblk));
      found.push(bh);
      checkBlock(sb, file, bh);
    }
    return found;
  } catch (e) {
    for (const bh of found) bh.put();
    throw e;
  } finally {
    yield* iput(file);
  }
}

function checkBlock(sb: Ext4SuperBlock, file: Ext4Inode, bh: BufferHead): void {
  const magic = OrphanBlockTail.ob_magic.get(bh.view, orphanTailOffset(sb.geo.blockSize));
  if (magic !== EXT4_ORPHAN_BLOCK_MAGIC) {
    throw corrupted('ext4_orphan_block_tail', 'ob_magic', { pblk: bh.blocknr, got: magic });
  }
  if (sb.has.metadataCsum && !orphanBlockCsumOk(file.csumSeed, bh.blocknr, bh)) {
    throw corrupted('ext4_orphan_block_tail', 'ob_checksum', { pblk: bh.blocknr });
  }
  bh.seed = file.csumSeed;
}

function* cleanFile(sb: Ext4SuperBlock): Op<number> {
  const blocks = yield* orphanBlocks(sb);
  let done = 0;
  try {
    for (const bh of blocks) done += yield* cleanBlock(sb, bh);
  } finally {
    for (const bh of blocks) bh.put();
  }
  yield* clearPresent(sb);
  return done;
}

function* cleanBlock(sb: Ext4SuperBlock, bh: BufferHead): Op<number> {
  let done = 0;
  for (let slot = 0; slot < orphanSlotsPerBlock(sb.geo.blockSize); slot++) {
    const nr = bh.view.getUint32(slot * 4, true);
    if (nr === 0) continue;
    if (nr < sb.geo.firstIno || nr > sb.geo.inodesCount) {
      throw corrupted('orphan file', `slot ${slot}`, { pblk: bh.blocknr, got: nr });
    }
    yield* finish(yield* ext4Iget(sb, ino(nr), { special: true }));
    yield* withHandle(sb, 'orphan', (handle) => clearSlot(sb, handle, bh, slot));
    done++;
  }
  return done;
}

function* clearSlot(
  sb: Ext4SuperBlock,
  handle: Parameters<typeof ext4DirtyMetadata>[0],
  bh: BufferHead,
  slot: number,
): Op<void> {
  yield* ext4GetWriteAccess(handle, bh);
  bh.view.setUint32(slot * 4, 0, true);
  if (sb.has.metadataCsum) setOrphanBlockCsum(bh.seed, bh.blocknr, bh);
  ext4DirtyMetadata(handle, bh);
}

/** The file is empty: the super block need not warn of it any more. */
function* clearPresent(sb: Ext4SuperBlock): Op<void> {
  const { view } = sb.sbh;
  const word = Superblock.s_feature_ro_compat.get(view, sb.sbAt);
  if ((word & RO_COMPAT.orphan_present) === 0) return;
  yield* withHandle(sb, 'orphan', function* (handle): Op<void> {
    yield* ext4AccessSuper(handle, sb);
    Superblock.s_feature_ro_compat.set(view, sb.sbAt, (word & ~RO_COMPAT.orphan_present) >>> 0);
    ext4DirtyMetadata(handle, sb.sbh);
  });
}
