/** What the journal's super block says. @source dumpe2fs(8) */
import { ino, lblk } from '../base/units.ts';
import { ext4Bread } from '../fs/ext4/bread.ts';
import { Superblock } from '../fs/ext4/disk/superblock.ts';
import { ext4Iget } from '../fs/ext4/inode.ts';
import type { Ext4SuperBlock } from '../fs/ext4/sb-info.ts';
import { JBD2_COMPAT, JBD2_INCOMPAT, JournalSuperblock as J } from '../jbd2/disk.ts';
import type { Op } from '../sched/op.ts';
import { iput } from '../vfs/inode-cache.ts';
import type { Fact } from './super-facts.ts';

/** @throws EUCLEAN the journal's inode is damaged */
export function* journalFacts(sb: Ext4SuperBlock): Op<Fact[]> {
  const nr = Superblock.s_journal_inum.get(sb.sbh.view, sb.sbAt);
  const inode = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    const bh = yield* ext4Bread(null, inode, lblk(0), false);
    if (bh === null) return [];
    try {
      return facts(bh.view);
    } finally {
      bh.put();
    }
  } finally {
    yield* iput(inode);
  }
}

function facts(v: DataView): Fact[] {
  const names = [
    ...namesOf(JBD2_COMPAT, J.s_feature_compat.get(v, 0)),
    ...namesOf(JBD2_INCOMPAT, J.s_feature_incompat.get(v, 0)),
  ];
  const blocks = J.s_maxlen.get(v, 0);
  const size = blocks * J.s_blocksize.get(v, 0);
  const start = J.s_start.get(v, 0);
  return [
    {
      key: 'journalFeatures',
      label: 'Journal features',
      value: names,
      text: names.join(' ') || '(none)',
    },
    { key: 'journalSize', label: 'Total journal size', value: size, text: `${size / 1024}k` },
    { key: 'journalBlocks', label: 'Total journal blocks', value: blocks },
    { key: 'journalSequence', label: 'Journal sequence', value: J.s_sequence.get(v, 0) },
    { key: 'journalStart', label: 'Journal start', value: start },
    { key: 'journalErrno', label: 'Journal errno', value: J.s_errno.get(v, 0) },
  ];
}

const namesOf = (table: Readonly<Record<string, number>>, word: number): string[] =>
  Object.entries(table)
    .filter(([, bit]) => word & bit)
    .map(([name]) => name);
