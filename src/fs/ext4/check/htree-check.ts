/**
 * The hash tree of one directory: its nodes as they come, its whole when all blocks were seen.
 *
 * Nodes and leaves are met in the order of the file, not of the tree, so that of each block the
 * outline is kept: of a node its entries, of a leaf its lowest and highest hash.
 */
import { LE } from '../../../base/struct.ts';
import { ino as inoUnit, lblk as lblkUnit, pblk as pblkUnit } from '../../../base/units.ts';
import { type RawBlock, dxCsumOk } from '../checksum.ts';
import { recLenFromDisk } from '../disk/dirent.ts';
import {
  DX_NODE_ENTRIES_OFFSET,
  DX_ROOT_ENTRIES_OFFSET,
  DX_ROOT_INFO_OFFSET,
  DxCountlimit,
  DxEntry,
  DxRootInfo,
  EXT4_HTREE_LEVEL,
  EXT4_HTREE_LEVEL_COMPAT,
  dxBlock,
  dxNodeLimit,
  dxRootLimit,
} from '../disk/htree.ts';
import { DX_HASH_SIPHASH, DX_HASH_TEA, Superblock } from '../disk/superblock.ts';
import { hashVersionInUse } from '../hash.ts';
import type { Volume } from './volume.ts';

/** Entries of a node: hash and block, in turn. */
type Node = Uint32Array;

export class HtreeCheck {
  /** DX_HASH_* as the names are hashed with; -1 where the root says nothing sensible. */
  hashVersion = -1;
  private readonly vol: Volume;
  private ino = 0;
  private blocks = 0;
  private seed = 0;
  private hashed = false;
  private levels = 0;
  private readonly nodes = new Map<number, Node>();
  /** Of each leaf: lowest and highest hash. */
  private readonly leaves = new Map<number, readonly [number, number]>();
  private readonly pblks = new Map<number, number>();
  /** Blocks that the tree came to. */
  private readonly reached = new Set<number>();
  private failed = false;

  constructor(vol: Volume) {
    this.vol = vol;
  }

  begin(ino: number, blocks: number, seed: number, hashed: boolean): void {
    this.ino = ino;
    this.blocks = blocks;
    this.seed = seed;
    this.hashed = hashed;
    this.hashVersion = -1;
    this.levels = 0;
    this.failed = false;
    this.nodes.clear();
    this.leaves.clear();
    this.pblks.clear();
    this.reached.clear();
  }

  private problem(code: string, text: string, lblk: number, field?: string): void {
    const pblk = this.pblks.get(lblk);
    this.vol.report.report(code, `Directory ${this.ino}: ${text}.`, {
      ino: inoUnit(this.ino),
      lblk: lblkUnit(lblk),
      ...(pblk !== undefined && { pblk: pblkUnit(pblk) }),
      ...(field !== undefined && { field }),
    });
  }

  /**
   * Is the block a node? Block 0 is; others if one free entry covers them and their limit is that
   * of a node: an empty leaf has zeroes there, or names that were deleted.
   */
  isNode({ view }: RawBlock, lblk: number): boolean {
    if (lblk === 0) return true;
    const { blockSize } = this.vol.geo;
    return (
      view.getUint32(0, LE) === 0 &&
      recLenFromDisk(view.getUint16(4, LE), blockSize) === blockSize &&
      view.getUint8(6) === 0 &&
      DxCountlimit.limit.get(view, DX_NODE_ENTRIES_OFFSET) ===
        Math.floor(dxNodeLimit(blockSize, this.vol.has.metadataCsum))
    );
  }

  node(block: RawBlock, lblk: number, pblk: number): void {
    const { view } = block;
    const csum = this.vol.has.metadataCsum;
    this.pblks.set(lblk, pblk);
    if (lblk === 0 && !this.checkRoot(view)) return;
    const at = lblk === 0 ? DX_ROOT_ENTRIES_OFFSET : DX_NODE_ENTRIES_OFFSET;
    if (csum && !dxCsumOk(this.seed, block, at)) {
      this.problem('htree-checksum', 'the checksum of a tree node is wrong', lblk, 'dt_checksum');
    }
    const { blockSize } = this.vol.geo;
    const want = Math.floor(
      lblk === 0 ? dxRootLimit(blockSize, csum) : dxNodeLimit(blockSize, csum),
    );
    const limit = DxCountlimit.limit.get(view, at);
    const count = DxCountlimit.count.get(view, at);
    if (limit !== want || count > limit || count === 0) {
      const text = `a tree node has ${count} of ${limit} entries, not of ${want}`;
      this.problem('htree-limit', text, lblk, limit !== want ? 'limit' : 'count');
      this.failed = true;
      return;
    }
    const node = new Uint32Array(count * 2);
    for (let i = 0; i < count; i++) {
      node[2 * i] = i === 0 ? 0 : DxEntry.hash.get(view, at + i * DxEntry.$size);
      node[2 * i + 1] = dxBlock(view, at + i * DxEntry.$size);
    }
    this.nodes.set(lblk, node);
  }

  private checkRoot(view: DataView): boolean {
    const at = DX_ROOT_INFO_OFFSET;
    const bad = (field: string, got: number): boolean => {
      this.problem('htree-root', `the root of its tree has ${field} ${got}`, 0, field);
      this.failed = true;
      return false;
    };
    const zero = DxRootInfo.reserved_zero.get(view, at);
    if (zero !== 0) return bad('reserved_zero', zero);
    const length = DxRootInfo.info_length.get(view, at);
    if (length !== DxRootInfo.$size) return bad('info_length', length);
    const version = DxRootInfo.hash_version.get(view, at);
    if (this.hashed ? version !== DX_HASH_SIPHASH : version > DX_HASH_TEA) {
      return bad('hash_version', version);
    }
    const flags = DxRootInfo.unused_flags.get(view, at);
    if ((flags & 1) !== 0) return bad('unused_flags', flags);
    const levels = DxRootInfo.indirect_levels.get(view, at);
    const most = this.vol.has.largeDir ? EXT4_HTREE_LEVEL : EXT4_HTREE_LEVEL_COMPAT;
    if (levels >= most) return bad('indirect_levels', levels);
    this.levels = levels;
    this.hashVersion = hashVersionInUse(version, Superblock.s_flags.get(this.vol.super.view, 0));
    return true;
  }

  /** @param low, high  of its names' hashes; high is -1 if there are none */
  leaf(lblk: number, pblk: number, low: number, high: number): void {
    this.pblks.set(lblk, pblk);
    this.leaves.set(lblk, [low, high]);
  }

  /** All blocks were seen. */
  finish(): void {
    if (this.failed || !this.nodes.has(0)) return;
    this.reached.add(0);
    this.walk(0, this.levels, 0, 2 ** 32);
    for (const lblk of [...this.nodes.keys(), ...this.leaves.keys()]) {
      if (this.reached.has(lblk)) continue;
      this.problem('htree-unreached', `its tree does not come to block ${lblk}`, lblk);
    }
  }

  /** @param low, high  hashes below the node are in [low, high) */
  private walk(lblk: number, levels: number, low: number, high: number): void {
    const node = this.nodes.get(lblk);
    if (!node) {
      this.problem('htree-depth', `block ${lblk} is no node of its tree`, lblk);
      return;
    }
    const count = node.length / 2;
    let last = low;
    for (let i = 0; i < count; i++) {
      const hash = i === 0 ? low : node[2 * i]!;
      const child = node[2 * i + 1]!;
      const end = i + 1 < count ? node[2 * i + 2]! : high;
      if (hash < last || hash > high) {
        this.problem('htree-order', `hash ${hash} is not in its place`, lblk, 'hash');
      }
      last = hash;
      if (child === 0 || child >= this.blocks) {
        this.problem('htree-block', `its tree points to block ${child}`, lblk, 'block');
      } else if (this.reached.has(child)) {
        this.problem('htree-twice', `its tree comes to block ${child} twice`, child, 'block');
      } else {
        this.reached.add(child);
        if (levels > 0) this.walk(child, levels - 1, hash, end);
        else this.checkLeaf(child, hash, end);
      }
    }
  }

  /** A bound with bit 0 set lets names of the same hash stand on its both sides. */
  private checkLeaf(lblk: number, low: number, high: number): void {
    const leaf = this.leaves.get(lblk);
    if (!leaf) {
      if (this.nodes.has(lblk)) {
        this.problem('htree-depth', `block ${lblk} is a node, not a leaf`, lblk);
      }
      return;
    }
    const [least, most] = leaf;
    if (most < 0) return;
    if (least < low - (low % 2)) {
      const text = `block ${lblk} has the hash ${least}, below ${low}`;
      this.problem('htree-min-hash', text, lblk);
    }
    const past = high % 2 === 1 ? most > high - 1 : most >= high;
    if (past) this.problem('htree-max-hash', `block ${lblk} has the hash ${most}`, lblk);
  }
}
