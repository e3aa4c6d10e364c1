/**
 * File data that must be on the device before a change of metadata may be durable. It is written
 * and waited for before the handle is started; the commit's own flush, which comes before its
 * commit block, makes it durable. Linux hands such ranges to the commit, which writes them itself:
 * here no commit touches a folio (docs/design/0003).
 * @source fs/ext4/ext4_jbd2.h:ext4_jbd2_inode_add_write(), Documentation/filesystems/ext4
 *   (data=ordered)
 */
import type { Op } from '../../sched/op.ts';
import { LogJournal } from '../../jbd2/journal.ts';
import { filemapWriteAndWaitRange } from '../../mm/filemap.ts';
import type { Ext4Inode } from './inode-info.ts';

/**
 * Bytes [start, end) of the cache are with the device on return. Without a log nothing is ordered
 * by this, and nothing is done.
 * @throws EIO, ENOSPC the write failed; nothing else has changed
 * @context May sleep. Holds no handle and no folio lock.
 */
export function* ext4DataFirst(inode: Ext4Inode, start: number, end: number): Op<void> {
  if (!(inode.sb.journal instanceof LogJournal) || end <= start) return;
  yield* dataFirst.write(inode.mapping, start, end - 1);
}

/** A table, so that a mistake can be put in its place. */
export const dataFirst = { write: filemapWriteAndWaitRange };
