/**
 * Windows: free runs that growing files have laid claim to, in memory only.
 *
 * One window an inode. A window's clusters are free in the bitmap; other files pass over them
 * until it is dropped. The first block of a window is where the file's next block goes.
 */
import type { Ext4Inode } from './inode-info.ts';
import type { ClusterRun } from './mballoc.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

/** A claim: clusters [start, start + len) of a group, for the file's block `lblk` on. */
export interface Window {
  group: number;
  start: number;
  len: number;
  lblk: number;
}

/** Claim what a run has beyond the `used` clusters that are taken now. */
export function takeWindow(inode: Ext4Inode, lblk: number, run: ClusterRun, used: number): void {
  dropWindow(inode);
  const ratio = 2 ** inode.sb.geo.clusterBits;
  inode.window = {
    group: run.group,
    start: run.start + used,
    len: run.len - used,
    lblk: lblk - (lblk % ratio) + used * ratio,
  };
  inode.sb.windows.add(inode);
}

/** Clusters from the inode's window for its block `lblk`, if that is what the window is for. */
export function useWindow(inode: Ext4Inode, lblk: number, clusters: number): ClusterRun | null {
  const w = inode.window;
  const ratio = 2 ** inode.sb.geo.clusterBits;
  if (!w) return null;
  if (lblk - (lblk % ratio) !== w.lblk) return null;
  const len = Math.min(clusters, w.len);
  const run = { group: w.group, start: w.start, len };
  w.start += len;
  w.len -= len;
  w.lblk += len * ratio;
  if (w.len === 0) dropWindow(inode);
  return run;
}

/** The file takes clusters for something else: what lies in its window is not in it any more. */
export function cutWindow(inode: Ext4Inode, run: ClusterRun): void {
  const w = inode.window;
  const end = run.start + run.len;
  if (!w || w.group !== run.group || run.start >= w.start + w.len || end <= w.start) return;
  if (run.start <= w.start) {
    w.len -= end - w.start;
    w.start = end;
  } else {
    w.len = run.start - w.start;
  }
  if (w.len <= 0) dropWindow(inode);
}

export function dropWindow(inode: Ext4Inode): void {
  inode.window = null;
  inode.sb.windows.delete(inode);
}

export function dropAllWindows(sb: Ext4SuperBlock): void {
  for (const inode of sb.windows) inode.window = null;
  sb.windows.clear();
}

/** The longest part of a free run that no other file's window claims; null if all is claimed. */
export function freeRunOutsideWindows(
  sb: Ext4SuperBlock,
  inode: Ext4Inode | null,
  run: ClusterRun,
): ClusterRun | null {
  let { start } = run;
  const end = run.start + run.len;
  const claims: Window[] = [];
  for (const other of sb.windows) {
    const w = other.window;
    if (!w || other === inode || w.group !== run.group) continue;
    if (w.start < end && w.start + w.len > start) claims.push(w);
  }
  if (claims.length === 0) return run;
  claims.sort((a, b) => a.start - b.start);
  let best: ClusterRun | null = null;
  for (const w of [...claims, { start: end, len: 0 }]) {
    if (w.start - start > (best?.len ?? 0)) best = { ...run, start, len: w.start - start };
    start = Math.max(start, w.start + w.len);
  }
  return best;
}
