/**
 * The journal as a mount without recovery sees it: is it empty, and which blocks are its own?
 * @source fs/ext4/super.c: ext4_load_journal(), ext4_get_journal_inode()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { ino, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import { iput } from '../../vfs/inode-cache.ts';
import {
  JBD2_KNOWN_INCOMPAT,
  JBD2_MAGIC_NUMBER,
  JBD2_SUPERBLOCK_V1,
  JBD2_SUPERBLOCK_V2,
  JournalSuperblock,
} from '../../jbd2/disk.ts';
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
export function* checkJournalInode(sb: Ext4SuperBlock, noload: boolean): Op<void> {
  const nr = Superblock.s_journal_inum.get(sb.sbh.view, sb.sbAt);
  const inode = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    if (!inode.isReg || inode.nlink === 0) {
      throw corrupted('ext4_super_block', 's_journal_inum', { ino: nr, got: 'not a file in use' });
    }
    yield* addJournalZones(sb, inode);
    const empty = yield* journalEmpty(sb, inode);
    if (hasFeature(sb.features, 'needs_recovery') || !empty) refuseOrWarn(sb, noload);
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

function* addJournalZones(sb: Ext4SuperBlock, inode: Ext4Inode): Op<void> {
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
    sb.zones.add(map.pblk, map.len, '', inode.ino);
  }
  sb.zones.build();
}

/** @returns true if no transaction waits in it */
function* journalEmpty(sb: Ext4SuperBlock, inode: Ext4Inode): Op<boolean> {
  const map = new MapRequest();
  yield* ext4MapBlocks(null, inode, map.ask(0, 1));
  const bh = yield* sb.buffers.bread(pblk(map.pblk));
  const v = bh.view;
  const s = JournalSuperblock;
  const bad = (field: string, got: number, want?: string): never => {
    throw corrupted('journal_superblock_s', field, { pblk: bh.blocknr, got, want });
  };
  try {
    const magic = s.h_magic.get(v, 0);
    if (magic !== JBD2_MAGIC_NUMBER) bad('h_magic', magic);
    const type = s.h_blocktype.get(v, 0);
    if (type !== JBD2_SUPERBLOCK_V1 && type !== JBD2_SUPERBLOCK_V2)
      bad('h_blocktype', type, '3..4');
    const size = s.s_blocksize.get(v, 0);
    if (size !== sb.geo.blockSize) bad('s_blocksize', size, String(sb.geo.blockSize));
    const blocks = inode.size / sb.geo.blockSize;
    const maxlen = s.s_maxlen.get(v, 0);
    if (maxlen === 0 || maxlen > blocks) bad('s_maxlen', maxlen, `1..${blocks}`);
    const first = s.s_first.get(v, 0);
    if (first === 0 || first >= maxlen) bad('s_first', first, `1..${maxlen - 1}`);
    const start = s.s_start.get(v, 0);
    if (start !== 0 && (start < first || start >= maxlen)) bad('s_start', start, `0 or ${first}..`);
    if (type === JBD2_SUPERBLOCK_V2) {
      const incompat = s.s_feature_incompat.get(v, 0);
      if (incompat & ~JBD2_KNOWN_INCOMPAT) bad('s_feature_incompat', incompat);
    }
    if (s.s_errno.get(v, 0) !== 0) sb.warn('the journal was aborted after an error: run e2fsck');
    return start === 0;
  } finally {
    bh.put();
  }
}
