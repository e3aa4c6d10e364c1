/** What the blocks of a small image are, so that a crash state can be read. */
import { nameFromText } from '../../base/name.ts';
import { bgBlockBitmap, bgInodeBitmap, bgInodeTable } from '../../fs/ext4/disk/group-desc.ts';
import { groupDescGet } from '../../fs/ext4/group-desc.ts';
import type { Ext4SuperBlock } from '../../fs/ext4/sb-info.ts';
import {
  JBD2_COMMIT_BLOCK,
  JBD2_DESCRIPTOR_BLOCK,
  JBD2_MAGIC_NUMBER,
  JBD2_REVOKE_BLOCK,
  JournalHeader,
} from '../../jbd2/disk.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import type { Op } from '../../sched/op.ts';
import { sysClose, sysOpen } from '../../syscall/open.ts';
import type { Process } from '../../syscall/process.ts';
import { sysFiemap } from '../../syscall/stat.ts';
import { O_RDONLY } from '../../vfs/file.ts';
import type { Mounted } from './mounted.ts';

/** By number of the block; blocks that are not in it belong to directories, or to nobody. */
export type BlockNames = Map<number, string>;

/** The fixed places, and the log. */
export function fixedBlocks(mounted: Mounted): BlockNames {
  const sb = mounted.sb as Ext4SuperBlock;
  const names: BlockNames = new Map();
  names.set(sb.sbh.blocknr, 'super block');
  for (const bh of sb.gdtBlocks) names.set(bh.blocknr, 'group descriptors');
  for (let group = 0; group < sb.geo.groupsCount; group++) {
    const of = ` of group ${group}`;
    names.set(groupDescGet(sb, group, bgBlockBitmap), `block bitmap${of}`);
    names.set(groupDescGet(sb, group, bgInodeBitmap), `inode bitmap${of}`);
    const table = groupDescGet(sb, group, bgInodeTable);
    for (let i = 0; i < sb.geo.itbPerGroup; i++) names.set(table + i, `inode table${of}`);
  }
  if (sb.journal instanceof LogJournal) {
    const { map, maxlen } = sb.journal.setup.loaded;
    for (let i = 0; i < maxlen; i++) names.set(map.pblkOf(i), `journal block ${i}`);
  }
  return names;
}

/** Add where the data of a file lies now; the first owner of a block keeps it. */
export function* addFile(p: Process, path: string, blockSize: number, names: BlockNames): Op<void> {
  const fd = yield* sysOpen(p, nameFromText(path), O_RDONLY);
  yield* sysFiemap(p, fd, 0, 2 ** 40, ({ physical, logical, length }) => {
    for (let at = 0; at < length; at += blockSize) {
      const nr = (physical + at) / blockSize;
      if (!names.has(nr)) names.set(nr, `${path}, block ${(logical + at) / blockSize}`);
    }
    return true;
  });
  yield* sysClose(p, fd);
}

const RECORDS: Readonly<Record<number, string>> = {
  [JBD2_DESCRIPTOR_BLOCK]: 'descriptor',
  [JBD2_COMMIT_BLOCK]: 'commit',
  [JBD2_REVOKE_BLOCK]: 'revokes',
};

/** `commit of 5`, if it is a record of the log. */
export function recordIn(data: Uint8Array): string | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (JournalHeader.h_magic.get(view, 0) !== JBD2_MAGIC_NUMBER) return null;
  const kind = RECORDS[JournalHeader.h_blocktype.get(view, 0)];
  return kind === undefined ? null : `${kind} of ${JournalHeader.h_sequence.get(view, 0)}`;
}
