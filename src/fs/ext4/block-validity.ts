/**
 * Where file data may not lie: super blocks, descriptors, bitmaps, inode tables, the journal.
 *
 * Every block number found in an inode, an extent or an indirect block is looked up here before it
 * is used, so that a wrong pointer is an error and never a read or write of metadata as data.
 * @source fs/ext4/block_validity.c
 */
import { corrupted } from '../../base/errno.ts';

interface Zone {
  readonly start: number;
  readonly end: number;
  /** The inode whose blocks these are (the journal); 0: the file system's own. */
  readonly ino: number;
  /** The field of a group descriptor that says so, for the error. */
  readonly field: string;
}

export class SystemZone {
  private readonly first: number;
  private readonly blocks: number;
  /** Sorted, without overlap. */
  private zones: Zone[] = [];
  private readonly pending: Zone[] = [];

  constructor(firstDataBlock: number, blocksCount: number) {
    this.first = firstDataBlock;
    this.blocks = blocksCount;
  }

  add(start: number, count: number, field: string, ino = 0): void {
    if (count > 0) this.pending.push({ start, end: start + count, ino, field });
  }

  /**
   * Take the added zones in.
   * @throws EUCLEAN two of them overlap: some descriptor is wrong
   */
  build(): void {
    const all = [...this.zones, ...this.pending.splice(0)].sort((a, b) => a.start - b.start);
    const zones: Zone[] = [];
    for (const z of all) {
      const last = zones.at(-1);
      if (last && z.start < last.end) {
        const field = z.field || last.field;
        throw corrupted('ext4_group_desc', field, { pblk: z.start, overlaps: last.start });
      }
      if (last?.end === z.start && last.ino === z.ino)
        zones[zones.length - 1] = { ...last, end: z.end };
      else zones.push(z);
    }
    this.zones = zones;
  }

  /** Blocks that are nobody's file data. */
  get size(): number {
    return this.zones.reduce((sum, z) => sum + (z.end - z.start), 0);
  }

  /** May `count` blocks from `start` belong to inode `ino`? @context Does not sleep. */
  valid(start: number, count: number, ino: number): boolean {
    const stop = start + count;
    // `!(a >= b)` also refuses Infinity and NaN.
    if (!(start > this.first && count > 0 && stop <= this.blocks)) return false;
    const { zones } = this;
    let low = 0;
    let high = zones.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (zones[middle]!.end <= start) low = middle + 1;
      else high = middle;
    }
    for (; low < zones.length && zones[low]!.start < stop; low++) {
      if (ino === 0 || zones[low]!.ino !== ino) return false;
    }
    return true;
  }
}
