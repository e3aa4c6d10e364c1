/**
 * Revoked blocks: copies of them up to a transaction are worthless, since the block was freed then
 * and may be a file's data by now.
 * @source fs/jbd2/revoke.c: jbd2_journal_set_revoke(), jbd2_journal_test_revoke()
 */
import { corrupted } from '../base/errno.ts';
import { join64 } from '../base/struct.ts';
import { type Tid } from '../base/units.ts';
import { JournalBlockTail, RevokeHeader } from './disk.ts';
import type { LoadedJournal } from './load.ts';
import { tidGt } from './tid.ts';

export class RevokeTable {
  /** By block: the last transaction that revoked it. */
  private readonly last = new Map<number, Tid>();

  /** Is a copy of `block` that `tid` logged worthless? */
  covers(block: number, tid: Tid): boolean {
    const revoked = this.last.get(block);
    return revoked !== undefined && !tidGt(tid, revoked);
  }

  set(block: number, tid: Tid): void {
    const before = this.last.get(block);
    if (before === undefined || tidGt(tid, before)) this.last.set(block, tid);
  }

  /**
   * Take in what a revoke block of transaction `tid` says.
   * @throws EUCLEAN it says that it has more than a block holds
   */
  read(journal: LoadedJournal, at: number, view: DataView, tid: Tid): void {
    const { layout, blockSize } = journal;
    const room = blockSize - (layout.csumV2 || layout.csumV3 ? JournalBlockTail.$size : 0);
    const used = RevokeHeader.r_count.get(view, 0);
    if (used > room) {
      const facts = { pblk: journal.map.pblkOf(at), got: used, want: `at most ${room}` };
      throw corrupted('jbd2_journal_revoke_header_s', 'r_count', facts);
    }
    const width = layout.wide ? 8 : 4;
    for (let pos = RevokeHeader.$size; pos + width <= used; pos += width) {
      const low = view.getUint32(pos + width - 4);
      this.set(layout.wide ? join64(low, view.getUint32(pos)) : low, tid);
    }
  }
}
