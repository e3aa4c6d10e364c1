/** The content of a small file of the file system itself: quota, orphans, the journal's head. */
import type { Op } from '../../../sched/op.ts';
import { EXT4_EXTENTS_FL, Inode, iSize } from '../disk/inode.ts';
import { checkExtentRoot } from './extent-tree.ts';
import { FileMap } from './file-map.ts';
import { checkIndirectMap } from './indirect-map.ts';
import { readInodeRecord } from './inode-read.ts';
import { PagedBitmap } from './paged-bitmap.ts';
import type { Volume } from './volume.ts';

/** Longest such file: a quota file of a hundred thousand owners. */
const MOST = 16 << 20;

/** Its runs as [first logical, first physical, length]; empty where the map is damaged. */
export function* fileRuns(vol: Volume, ino: number): Op<[number, number, number][]> {
  const record = yield* readInodeRecord(vol, ino);
  if (!record) return [];
  const { view } = record;
  const runs: [number, number, number][] = [];
  // Claims of a map that is walked aside: its own nodes only, so that a loop ends.
  const own = new PagedBitmap(vol.geo.clustersPerGroup);
  const claims = { claim: (from: number, count: number) => !own.set(from, count) };
  const map = new FileMap(vol, claims);
  map.silent = true;
  map.begin(ino, false, false);
  map.onRun = (lblk, pblk, len, unwritten) => {
    if (!unwritten) runs.push([lblk, pblk, len]);
  };
  const extents = (Inode.i_flags.get(view, 0) & EXT4_EXTENTS_FL) !== 0;
  const more = extents
    ? checkExtentRoot(map, view, Inode.i_block.offset, Inode.i_generation.get(view, 0))
    : checkIndirectMap(map, view, Inode.i_block.offset);
  if (more) yield* more;
  return runs;
}

/** All of its content, or null where it has none or too much. */
export function* readFileBlocks(vol: Volume, ino: number, most = MOST): Op<Uint8Array | null> {
  const record = yield* readInodeRecord(vol, ino);
  if (!record) return null;
  const { blockSize } = vol.geo;
  const blocks = Math.min(
    Math.ceil(iSize(record.view, 0) / blockSize),
    Math.floor(most / blockSize),
  );
  if (!(blocks > 0)) return null;
  const bytes = new Uint8Array(blocks * blockSize);
  for (const [lblk, pblk, len] of yield* fileRuns(vol, ino)) {
    const count = Math.min(len, blocks - lblk);
    if (count > 0) yield* vol.readRun(pblk, count, bytes.subarray(lblk * blockSize));
  }
  return bytes;
}
