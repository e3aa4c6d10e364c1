/**
 * Clusters that two inodes claim: the inodes are walked once more to find whose they are. This
 * costs a second pass, and only a damaged image pays it.
 */
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../base/mode.ts';
import { ino as inoUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { bgBlockBitmap, bgInodeBitmap, bgInodeTable } from '../disk/group-desc.ts';
import {
  EXT4_EXTENTS_FL,
  EXT4_INLINE_DATA_FL,
  EXT4_RESIZE_INO,
  Inode,
  iFileAcl,
  iSize,
} from '../disk/inode.ts';
import type { RawBlock } from '../checksum.ts';
import { checkExtentRoot } from './extent-tree.ts';
import { type Claims, FileMap } from './file-map.ts';
import { checkIndirectMap } from './indirect-map.ts';
import { scanInodes } from './inode-read.ts';
import { PagedBitmap } from './paged-bitmap.ts';
import type { CheckState } from './state.ts';

/** Owners named for one run of clusters. */
const MOST_OWNERS = 4;
/** Runs remembered with their owners. */
const MOST_RUNS = 10_000;

interface Contested {
  readonly count: number;
  readonly owners: Set<number>;
}

export class OwnerSearch implements Claims {
  private readonly state: CheckState;
  /** Every cluster that was claimed twice. */
  private readonly contested: PagedBitmap;
  /** Nodes of maps that were followed: a loop ends. */
  private readonly nodes: PagedBitmap;
  private readonly runs = new Map<number, Contested>();
  private readonly map: FileMap;

  constructor(state: CheckState) {
    const { clustersPerGroup } = state.vol.geo;
    this.state = state;
    this.contested = new PagedBitmap(clustersPerGroup);
    this.nodes = new PagedBitmap(clustersPerGroup);
    this.map = new FileMap(state.vol, this);
    this.map.silent = true;
  }

  *report(): Op<void> {
    const { state } = this;
    const { vol } = state;
    for (const { cluster, count } of state.clashes) this.contested.set(cluster, count);
    yield* scanInodes(
      vol,
      (ino, raw, at) => this.visit(ino, raw, at),
      () => undefined,
    );
    for (const [cluster, { count, owners }] of this.runs) this.say(cluster, count, owners);
  }

  private visit(ino: number, raw: RawBlock, at: number): Op<void> | null {
    const { view } = raw;
    if (this.state.inodes.type(ino) === 0) return null;
    const flags = Inode.i_flags.get(view, at);
    const acl = iFileAcl(view, at, this.state.vol.has.is64bit);
    if (acl !== 0 && this.state.vol.inRange(acl)) this.claim(this.state.vol.clusterOf(acl), 1, ino);
    if ((flags & EXT4_INLINE_DATA_FL) !== 0) return null;
    const type = Inode.i_mode.get(view, at) & S_IFMT;
    const extents = (flags & EXT4_EXTENTS_FL) !== 0;
    const slow = type === S_IFLNK && (extents || iSize(view, at) >= 60);
    if (type !== S_IFREG && type !== S_IFDIR && !slow) return null;
    this.map.begin(ino, type === S_IFDIR, ino === EXT4_RESIZE_INO);
    const i = at + Inode.i_block.offset;
    return extents
      ? checkExtentRoot(this.map, view, i, Inode.i_generation.get(view, at))
      : checkIndirectMap(this.map, view, i);
  }

  /** Remember the owner of what is contested. @returns false for a node that was followed */
  claim(cluster: number, count: number, ino: number): boolean {
    const end = cluster + count;
    for (let at = this.contested.nextSet(cluster, end); at < end;) {
      const stop = this.contested.nextZero(at, end);
      this.remember(at, stop - at, ino);
      at = this.contested.nextSet(stop, end);
    }
    return count > 1 || !this.nodes.set(cluster, 1);
  }

  private remember(cluster: number, count: number, ino: number): void {
    let run = this.runs.get(cluster);
    if (!run) {
      if (this.runs.size >= MOST_RUNS) return;
      this.runs.set(cluster, (run = { count, owners: new Set() }));
    }
    if (run.owners.size < MOST_OWNERS) run.owners.add(ino);
  }

  private say(cluster: number, count: number, owners: Set<number>): void {
    const { vol } = this.state;
    const first = vol.geo.firstDataBlock + cluster * vol.clusterRatio;
    const last = first + count * vol.clusterRatio - 1;
    const names = [...owners].map((ino) => `inode ${ino}`);
    const system = this.metadataAt(first, last);
    if (system !== null) names.push(system);
    else if (names.length === 1) names[0] = `${names[0]!} twice`;
    const [ino] = owners;
    vol.report.report(
      'blocks-claimed-twice',
      `Blocks ${first}..${last} belong to ${names.join(' and ')}.`,
      { pblk: pblkUnit(first), ...(ino !== undefined && { ino: inoUnit(ino) }) },
    );
  }

  /** Which record of the file system itself lies in [first, last], if any. */
  private metadataAt(first: number, last: number): string | null {
    const { vol } = this.state;
    const overlaps = (at: number, count: number): boolean => at <= last && at + count > first;
    for (let g = 0; g < vol.geo.groupsCount; g++) {
      if (overlaps(vol.groupFirst(g), vol.groupBaseMeta(g))) {
        return `the super block or descriptors of group ${g}`;
      }
      if (overlaps(vol.desc(g, bgBlockBitmap), 1)) return `the block bitmap of group ${g}`;
      if (overlaps(vol.desc(g, bgInodeBitmap), 1)) return `the inode bitmap of group ${g}`;
      const table = vol.desc(g, bgInodeTable);
      if (overlaps(table, vol.geo.itbPerGroup)) return `the inode table of group ${g}`;
    }
    return null;
  }
}
