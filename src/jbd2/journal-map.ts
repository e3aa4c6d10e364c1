/**
 * Where the blocks of a journal lie on the device: runs, found once, when it is loaded. It is the
 * journal's own and not the inode's, since the log is read before the file system is to be trusted.
 */
import { assert } from '../base/assert.ts';
import { type Pblk, pblk } from '../base/units.ts';

/** Blocks of the journal that follow each other on the device. */
export interface JournalRun {
  /** First block, counted in the journal. */
  readonly block: number;
  readonly pblk: number;
  readonly len: number;
}

export class JournalMap {
  /** In order, without a gap, from block 0. */
  readonly runs: readonly JournalRun[];
  readonly blocks: number;

  constructor(runs: readonly JournalRun[]) {
    let next = 0;
    for (const run of runs) {
      assert(run.block === next && run.len > 0, 'a journal with a hole');
      next += run.len;
    }
    this.runs = runs;
    this.blocks = next;
  }

  /** The run of `block` from there on. */
  from(block: number): { readonly pblk: Pblk; readonly len: number } {
    assert(block >= 0 && block < this.blocks, 'no block of the journal');
    let low = 0;
    let high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.runs[middle]!.block <= block) low = middle;
      else high = middle - 1;
    }
    const run = this.runs[low]!;
    const skip = block - run.block;
    return { pblk: pblk(run.pblk + skip), len: run.len - skip };
  }

  pblkOf(block: number): Pblk {
    return this.from(block).pblk;
  }

  /** The device blocks of the journal, to see whether another block is one of them. */
  holds(nr: number): boolean {
    return this.runs.some((run) => nr >= run.pblk && nr < run.pblk + run.len);
  }
}
