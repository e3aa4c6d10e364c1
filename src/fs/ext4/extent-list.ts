/**
 * The mapping of one file as a list in memory, for who puts it together from pieces before any of
 * it goes into a tree.
 */
import { pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { ExtentEntry } from './extents.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MapBlocks, MAP_UNWRITTEN, mapLimit, MapRequest } from './map-blocks.ts';

/** The part [from, end) of an extent, both inside of it. */
const part = (e: ExtentEntry, from: number, end: number): ExtentEntry => ({
  ...e,
  lblk: from,
  len: end - from,
  pblk: pblk(e.pblk + (from - e.lblk)),
});

export class ExtentList {
  /** By logical block, without overlap. */
  private entries: ExtentEntry[] = [];

  get all(): readonly ExtentEntry[] {
    return this.entries;
  }

  clear(): void {
    this.entries = [];
  }

  /** Index of the first extent that ends behind `lblk`. */
  private search(lblk: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const e = this.entries[middle]!;
      if (e.lblk + e.len <= lblk) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Put `fresh` in the place of what is mapped in [from, end). */
  private splice(from: number, end: number, fresh: readonly ExtentEntry[]): void {
    const first = this.search(from);
    let last = first;
    const head: ExtentEntry[] = [];
    const tail: ExtentEntry[] = [];
    for (let e = this.entries[last]; e && e.lblk < end; e = this.entries[++last]) {
      if (e.lblk < from) head.push(part(e, e.lblk, from));
      if (e.lblk + e.len > end) tail.push(part(e, end, e.lblk + e.len));
    }
    this.entries.splice(first, last - first, ...head, ...fresh, ...tail);
  }

  /** [from, end) becomes a hole. */
  remove(from: number, end: number): void {
    this.splice(from, end, []);
  }

  /** `e` takes the place of whatever was mapped there. */
  put(e: ExtentEntry): void {
    this.splice(e.lblk, e.lblk + e.len, [e]);
  }

  /** Take in what a file's map says, of either kind. @throws EUCLEAN, EIO */
  *read(inode: Ext4Inode): Op<void> {
    this.clear();
    const map = new MapRequest();
    const limit = mapLimit(inode);
    for (let at = 0; at < limit; at += map.len) {
      const len = yield* ext4MapBlocks(null, inode, map.ask(at, limit - at));
      const unwritten = (map.flags & MAP_UNWRITTEN) !== 0;
      if (len > 0) this.entries.push({ lblk: at, len, pblk: map.pblk, unwritten });
    }
  }
}
