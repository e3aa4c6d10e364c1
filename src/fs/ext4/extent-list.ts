/**
 * The mapping of one file as a list in memory, for who puts it together from pieces before any of
 * it goes into a tree.
 */
import { pblk } from '../../base/units.ts';
import { EXT_MAX_BLOCKS } from './disk/extent.ts';
import { ext4ExtNextMapped } from './extents-change.ts';
import { ext4ExtLookup, type ExtentEntry } from './extents.ts';
import type { Ext4Inode } from './inode-info.ts';
import type { Op } from '../../sched/op.ts';

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

  /** Take in what a tree says. @throws EUCLEAN, EIO */
  *read(inode: Ext4Inode): Op<void> {
    this.clear();
    for (let at = 0; at < EXT_MAX_BLOCKS;) {
      const next = yield* ext4ExtNextMapped(inode, at);
      if (next >= EXT_MAX_BLOCKS) return;
      const { extent } = yield* ext4ExtLookup(inode, next);
      if (!extent) return;
      this.entries.push(extent);
      at = extent.lblk + extent.len;
    }
  }
}
