/**
 * The journal as a mount without recovery sees it: is it empty, and which blocks are its own?
 * @source fs/ext4/super.c: ext4_load_journal(), ext4_get_journal_inode()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { ino } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { JournalMap, type JournalRun } from '../../jbd2/journal-map.ts';
import { type LoadedJournal, loadJournal } from '../../jbd2/load.ts';
import { Superblock } from './disk/superblock.ts';
import { hasFeature } from './features.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4Iget } from './inode.ts';
import { ext4MapBlocks, MapRequest } from './map-blocks.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

const NEEDS_RECOVERY =
  'the journal holds changes that were never written home, so what the image shows is old; ' +
  'recovery is not supported yet: run e2fsck, or mount the image once with Linux';

/**
 * Check the journal's inode and super block and shield its blocks from everybody else.
 * @param noload  the user wants the old contents, read-only
 * @throws EUCLEAN damaged, or recovery is needed
 */
export function* checkJournalInode(sb: Ext4SuperBlock, noload: boolean): Op<LoadedJournal> {
  const nr = Superblock.s_journal_inum.get(sb.sbh.view, sb.sbAt);
  const inode = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    if (!inode.isReg || inode.nlink === 0) {
      throw corrupted('ext4_super_block', 's_journal_inum', { ino: nr, got: 'not a file in use' });
    }
    const map = yield* addJournalZones(sb, inode);
    const loaded = yield* loadJournal(sb.device, map, sb.geo.blockSize);
    if (loaded.errno !== 0) sb.warn('the journal was aborted after an error: run e2fsck');
    if (hasFeature(sb.features, 'needs_recovery') || loaded.start !== 0) refuseOrWarn(sb, noload);
    return loaded;
  } finally {
    // Not a reference to keep: nothing is logged yet, and nobody reaches it by a name.
    yield* iput(inode);
  }
}

function refuseOrWarn(sb: Ext4SuperBlock, noload: boolean): void {
  if (!noload) throw errno('EUCLEAN', { feature: 'needs_recovery' }, NEEDS_RECOVERY);
  sb.readOnly = true;
  sb.warn('read-only and without recovery, as asked: what the image shows is old');
}

function* addJournalZones(sb: Ext4SuperBlock, inode: Ext4Inode): Op<JournalMap> {
  const runs: JournalRun[] = [];
  const blocks = inode.size / sb.geo.blockSize;
  const map = new MapRequest();
  for (let at = 0; at < blocks; at += map.len) {
    const got = yield* ext4MapBlocks(null, inode, map.ask(at, blocks - at));
    if (got === 0)
      throw corrupted('ext4_inode', 'i_block', {
        ino: inode.ino,
        lblk: at,
        got: 'hole in the journal',
      });
    runs.push({ block: at, pblk: map.pblk, len: map.len });
    sb.zones.add(map.pblk, map.len, '', inode.ino);
  }
  sb.zones.build();
  return new JournalMap(runs);
}
