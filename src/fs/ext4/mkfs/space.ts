/**
 * Space of the new file system: what is used, kept as runs, so that a device of any size costs
 * memory for what is used only.
 */
import { assert } from '../../../base/assert.ts';
import { errno } from '../../../base/errno.ts';
import { setBits } from '../../../base/bitmap.ts';
import { baseMeta, groupEnd, groupStart, type Plan } from './plan.ts';

export interface Run {
  readonly start: number;
  readonly len: number;
}

export class Space {
  private readonly plan: Plan;
  /** Used runs in ascending order, neither touching nor overlapping, counted in blocks. */
  private readonly used: { start: number; end: number }[] = [];

  constructor(plan: Plan) {
    this.plan = plan;
    for (let g = 0; g < plan.groupsCount; g++) {
      const meta = baseMeta(plan, g);
      if (meta > 0) this.take({ start: groupStart(plan, g), len: meta });
    }
  }

  /** Index of the first run that ends after `block`. */
  private after(block: number): number {
    let low = 0;
    let high = this.used.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.used[mid]!.end > block) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  take(run: Run): void {
    const { start } = run;
    const end = start + run.len;
    const i = this.after(start);
    const next = this.used[i];
    assert(!next || next.start >= end, 'blocks are used already');
    const before = this.used[i - 1];
    if (before?.end === start) {
      before.end = end;
      if (next?.start === end) {
        before.end = next.end;
        this.used.splice(i, 1);
      }
    } else if (next?.start === end) {
      next.start = start;
    } else {
      this.used.splice(i, 0, { start, end });
    }
  }

  /**
   * First free run of up to `len` blocks at or after `goal`, whole only if `whole`.
   * @param align  blocks: a cluster for what files have, 1 for metadata, which may share clusters
   */
  find(goal: number, len: number, whole = true, align = this.plan.ratio): Run | null {
    const { blocksCount } = this.plan;
    let at = Math.ceil(Math.max(goal, this.plan.firstDataBlock) / align) * align;
    for (let i = this.after(at); at < blocksCount; i++) {
      const next = this.used[i];
      const stop = next ? next.start - (next.start % align) : blocksCount;
      if (stop > at) {
        const room = Math.min(len, stop - at);
        if (room === len || !whole) return { start: at, len: room };
      }
      if (!next) return null;
      at = Math.max(at, Math.ceil(next.end / align) * align);
    }
    return null;
  }

  /** Take `len` blocks in one run at or after `goal`. @throws ENOSPC */
  allocate(goal: number, len: number, align = this.plan.ratio): number {
    const run =
      this.find(goal, len, true, align) ?? this.find(this.plan.firstDataBlock, len, true, align);
    if (!run) throw errno('ENOSPC', { blocks: len }, 'the device is too small for its metadata');
    this.take(run);
    return run.start;
  }

  /** Take `len` blocks in as few runs as it goes, from `goal` on. @throws ENOSPC */
  allocateRuns(goal: number, len: number): Run[] {
    const runs: Run[] = [];
    for (let left = len, at = goal; left > 0;) {
      const run = this.find(at, left, false) ?? this.find(this.plan.firstDataBlock, left, false);
      if (!run)
        throw errno('ENOSPC', { blocks: left }, 'the device is too small for its own files');
      this.take(run);
      runs.push(run);
      left -= run.len;
      at = run.start + run.len;
    }
    return runs;
  }

  /** Free clusters of a group. */
  freeClusters(group: number): number {
    const { ratio } = this.plan;
    const clusters = Math.ceil((groupEnd(this.plan, group) - groupStart(this.plan, group)) / ratio);
    return clusters - this.usedClusters(group);
  }

  /** Clusters in use in a group, wholly or in part. */
  usedClusters(group: number): number {
    let count = 0;
    let last = -1;
    for (const { from, to } of this.clusterRuns(group)) {
      count += to - Math.max(from, last + 1) + 1;
      last = to;
    }
    return count;
  }

  /** Used clusters of a group as inclusive ranges, ascending; ends may coincide. */
  private clusterRuns(group: number): { from: number; to: number }[] {
    const first = groupStart(this.plan, group);
    const end = groupEnd(this.plan, group);
    const { ratio } = this.plan;
    const runs: { from: number; to: number }[] = [];
    for (let i = this.after(first); i < this.used.length; i++) {
      const run = this.used[i]!;
      if (run.start >= end) break;
      const from = Math.floor((Math.max(run.start, first) - first) / ratio);
      runs.push({ from, to: Math.floor((Math.min(run.end, end) - 1 - first) / ratio) });
    }
    return runs;
  }

  /** The block bitmap of a group, bits past its end set. */
  bitmap(group: number): Uint8Array {
    const { blockSize, ratio } = this.plan;
    const map = new Uint8Array(blockSize);
    for (const { from, to } of this.clusterRuns(group)) setBits(map, from, to - from + 1);
    const clusters = Math.ceil((groupEnd(this.plan, group) - groupStart(this.plan, group)) / ratio);
    if (clusters < blockSize * 8) setBits(map, clusters, blockSize * 8 - clusters);
    return map;
  }

  /** Blocks in use in a group. */
  usedBlocks(group: number): number {
    const first = groupStart(this.plan, group);
    const end = groupEnd(this.plan, group);
    let used = 0;
    for (let i = this.after(first); i < this.used.length; i++) {
      const run = this.used[i]!;
      if (run.start >= end) break;
      used += Math.min(run.end, end) - Math.max(run.start, first);
    }
    return used;
  }
}
