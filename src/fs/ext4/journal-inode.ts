/**
 * Where the journal is: the blocks of its inode, shielded from everybody else. An inode that is
 * damaged has a copy of its map in the super block, good for a recovery that is only looked at.
 * @source fs/ext4/super.c: ext4_get_journal_inode(), ext4_init_journal_params(); e2fsck(8)
 */
import { corrupted, CorruptError } from '../../base/errno.ts';
import { S_IFREG } from '../../base/mode.ts';
import { LE } from '../../base/struct.ts';
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { JournalMap, type JournalRun } from '../../jbd2/journal-map.ts';
import { inodeCsumSeed } from './checksum.ts';
import { EXT4_EXT_MAGIC } from './disk/extent.ts';
import { EXT4_EXTENTS_FL } from './disk/inode.ts';
import { EXT3_JNL_BACKUP_BLOCKS, Superblock } from './disk/superblock.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4AllocInode, ext4Iget } from './inode.ts';
import { ext4MapBlocks, MAP_MAPPED, MapRequest } from './map-blocks.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

export interface FoundJournal {
  readonly map: JournalMap;
  /** The inode is damaged; the map is the copy in the super block. */
  readonly fromBackup: boolean;
}

/**
 * Find the journal's blocks, and make them nobody's data.
 * @throws EUCLEAN neither the inode nor the copy of its map can be used; EIO
 */
export function* findJournal(sb: Ext4SuperBlock): Op<FoundJournal> {
  try {
    return { map: yield* mapOfInode(sb), fromBackup: false };
  } catch (e) {
    if (!(e instanceof CorruptError)) throw e;
    const copy = backupInode(sb);
    if (!copy) throw e;
    const map = yield* mapOf(sb, copy);
    sb.warn(`${e.message}: the journal was found by the copy of its map in the super block`);
    return { map, fromBackup: true };
  }
}

const journalIno = (sb: Ext4SuperBlock): number =>
  Superblock.s_journal_inum.get(sb.sbh.view, sb.sbAt);

function* mapOfInode(sb: Ext4SuperBlock): Op<JournalMap> {
  const nr = journalIno(sb);
  const inode = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    if (!inode.isReg || inode.nlink === 0) {
      throw corrupted('ext4_super_block', 's_journal_inum', { ino: nr, got: 'not a file in use' });
    }
    return yield* mapOf(sb, inode);
  } finally {
    // Not a reference to keep: the map is all that is wanted, and nobody reaches it by a name.
    yield* iput(inode);
  }
}

/** An inode that nobody else sees, made of the copy; null where there is none. */
function backupInode(sb: Ext4SuperBlock): Ext4Inode | null {
  const { view } = sb.sbh;
  if (Superblock.s_jnl_backup_type.get(view, sb.sbAt) !== EXT3_JNL_BACKUP_BLOCKS) return null;
  const copy = Superblock.s_jnl_blocks.get(view, sb.sbAt);
  const nr = journalIno(sb);
  const inode = ext4AllocInode(sb, ino(nr));
  const map = inode.iData.length;
  inode.iData.set(copy.subarray(0, map));
  const words = new DataView(copy.buffer, copy.byteOffset, copy.length);
  inode.mode = S_IFREG;
  inode.size = words.getUint32(map, LE) * 2 ** 32 + words.getUint32(map + 4, LE);
  if (inode.iDataView.getUint16(0, LE) === EXT4_EXT_MAGIC) inode.iFlags = EXT4_EXTENTS_FL;
  inode.csumSeed = inodeCsumSeed(sb.csumSeed, nr, 0);
  return inode;
}

/** @throws EUCLEAN a hole, or more blocks than there are */
function* mapOf(sb: Ext4SuperBlock, inode: Ext4Inode): Op<JournalMap> {
  const facts = { ino: inode.ino };
  const blocks = Math.floor(inode.size / sb.geo.blockSize);
  if (blocks === 0 || blocks > sb.geo.blocksCount) {
    throw corrupted('ext4_inode', 'i_size_lo', { ...facts, got: inode.size });
  }
  const runs: JournalRun[] = [];
  const map = new MapRequest();
  for (let at = 0; at < blocks; at += map.len) {
    yield* ext4MapBlocks(null, inode, map.ask(at, blocks - at));
    if ((map.flags & MAP_MAPPED) === 0) {
      throw corrupted('ext4_inode', 'i_block', { ...facts, lblk: at, got: 'hole in the journal' });
    }
    runs.push({ block: at, pblk: map.pblk, len: map.len });
  }
  for (const run of runs) sb.zones.add(run.pblk, run.len, '', inode.ino);
  sb.zones.build();
  return new JournalMap(runs);
}
