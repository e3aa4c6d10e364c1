/**
 * The blocks of one file, run by run, in whichever of the two forms its map has: what is counted,
 * what is claimed, where it ends.
 */
import { ino as inoUnit, lblk as lblkUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Volume } from './volume.ts';

/** Told of every run of blocks that is in range. */
export type RunListener = (lblk: number, pblk: number, len: number, unwritten: boolean) => void;

/** Who is told of clusters; the second walk, that looks for owners, puts its own here. */
export interface Claims {
  /** @returns whether the clusters were nobody's before */
  claim(cluster: number, count: number, ino: number): boolean;
}

export class FileMap {
  readonly vol: Volume;
  ino = 0;
  isDir = false;
  onRun: RunListener | null = null;
  /** The resize inode: its blocks are the reserved descriptors, claimed already. */
  isResize = false;
  /** Clusters in use, those of the map itself included. */
  clusters = 0;
  /** Last logical block that is mapped, and last one that was written; -1: none. */
  lastBlock = -1;
  lastInit = -1;
  /** Something in the map was wrong: what was counted says nothing. */
  broken = false;
  /** Problems were heard before: say nothing. */
  silent = false;
  private readonly claims: Claims;
  private lastCluster = -1;
  private lastLogical = -1;

  constructor(vol: Volume, claims: Claims) {
    this.vol = vol;
    this.claims = claims;
  }

  begin(ino: number, isDir: boolean, isResize: boolean): void {
    this.ino = ino;
    this.isDir = isDir;
    this.isResize = isResize;
    this.clusters = 0;
    this.lastBlock = this.lastInit = -1;
    this.lastCluster = this.lastLogical = -1;
    this.broken = false;
  }

  problem(code: string, text: string, at: { pblk?: number; lblk?: number; field?: string }): void {
    this.broken = true;
    if (this.silent) return;
    const { pblk, lblk, field } = at;
    this.vol.report.report(code, `Inode ${this.ino}: ${text}.`, {
      ino: inoUnit(this.ino),
      ...(pblk !== undefined && { pblk: pblkUnit(pblk) }),
      ...(lblk !== undefined && { lblk: lblkUnit(lblk) }),
      ...(field !== undefined && { field }),
    });
  }

  /** A run of blocks, in range. */
  run(lblk: number, pblk: number, len: number, unwritten: boolean): void {
    const { vol } = this;
    this.lastBlock = Math.max(this.lastBlock, lblk + len - 1);
    if (!unwritten) this.lastInit = Math.max(this.lastInit, lblk + len - 1);
    this.onRun?.(lblk, pblk, len, unwritten);
    // Reserved descriptors lie side by side, several to a cluster; each counts for a whole one.
    if (vol.clusterRatio === 1 || this.isResize) {
      this.clusters += len;
      if (!this.isResize) this.claims.claim(pblk - vol.geo.firstDataBlock, len, this.ino);
      return;
    }
    this.clusterRun(lblk, pblk, len);
  }

  /** With bigalloc a run may begin in the cluster in which the last one ended. */
  private clusterRun(lblk: number, pblk: number, len: number): void {
    const { vol } = this;
    const ratio = vol.clusterRatio;
    if ((pblk - vol.geo.firstDataBlock) % ratio !== lblk % ratio) {
      const text = `logical block ${lblk} stands elsewhere in its cluster than block ${pblk}`;
      this.problem('cluster-misaligned', text, { lblk, pblk });
    }
    const first = vol.clusterOf(pblk);
    const last = vol.clusterOf(pblk + len - 1);
    const again = first === this.lastCluster && Math.floor(lblk / ratio) === this.lastLogical;
    const from = again ? first + 1 : first;
    this.lastCluster = last;
    this.lastLogical = Math.floor((lblk + len - 1) / ratio);
    if (from > last) return;
    this.clusters += last - from + 1;
    this.claims.claim(from, last - from + 1, this.ino);
  }

  /**
   * A block of the map itself.
   * @returns false if it must not be followed: out of range, or followed before (a map that leads
   *   into itself would have no end)
   */
  node(pblk: number, what: string, countOnly = false): boolean {
    const { vol } = this;
    if (!vol.inRange(pblk)) {
      this.problem('map-block-range', `${what} is said to be block ${pblk}, outside`, { pblk });
      return false;
    }
    this.clusters++;
    if (countOnly) return true;
    if (this.claims.claim(vol.clusterOf(pblk), 1, this.ino)) return true;
    this.broken = true;
    return false;
  }
}
