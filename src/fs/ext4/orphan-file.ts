/**
 * The orphan file: a hidden file of slots, each free or the number of an inode with work left. The
 * list of orphans has one head that all share; here an entry changes one block, and neither the
 * super block nor another inode.
 *
 *   block: | ino | 0 | ino | 0 | ... | magic, checksum |
 *
 * While mounted for writing the super block says "orphan present", so that nobody who does not know
 * the file goes by it.
 * @source filesystems/ext4/orphan.rst, "Orphan file"; fs/ext4/orphan.c
 */
import { corrupted } from '../../base/errno.ts';
import { LE } from '../../base/struct.ts';
import { ino, type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead, BufferTrigger } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { orphanBlockCsumOk, setOrphanBlockCsum } from './checksum.ts';
import {
  EXT4_MAX_ORPHAN_FILE_BLOCKS,
  EXT4_ORPHAN_BLOCK_MAGIC,
  OrphanBlockTail,
  orphanSlotsPerBlock,
  orphanTailOffset,
} from './disk/orphan.ts';
import { Superblock } from './disk/superblock.ts';
import { ext4DirtyMetadata, ext4GetWriteAccess } from './ext4-jbd2.ts';
import { ext4Iget } from './inode.ts';
import { ext4MapBlocks, MapRequest } from './map-blocks.ts';
import type { Ext4SuperBlock } from './sb-info.ts';

const setCsum: BufferTrigger = (bh) => {
  setOrphanBlockCsum(bh.seed, bh.blocknr, bh);
};

/** The orphan file of a mount for writing. Guarded by: `sb.orphanLock`. */
export class OrphanFile {
  private readonly sb: Ext4SuperBlock;
  private readonly blocks: readonly Pblk[];
  /** Seed of the blocks' checksums: the file's. */
  private readonly seed: number;
  private readonly perBlock: number;
  /** No block before this one has a free slot. */
  private from = 0;
  private used = 0;

  constructor(sb: Ext4SuperBlock, blocks: readonly Pblk[], seed: number) {
    this.sb = sb;
    this.blocks = blocks;
    this.seed = seed;
    this.perBlock = orphanSlotsPerBlock(sb.geo.blockSize);
  }

  get empty(): boolean {
    return this.used === 0;
  }

  /**
   * Read the whole file, as a crash or another mount left it: inode numbers by slot.
   * @throws EUCLEAN a block or a number is damaged, or an inode has two entries; EIO
   */
  *read(): Op<Map<number, number>> {
    const { sb, perBlock } = this;
    const found = new Map<number, number>();
    const seen = new Set<number>();
    for (const [i, place] of this.blocks.entries()) {
      const bh = yield* sb.buffers.bread(place);
      try {
        this.check(bh);
        for (let slot = 0; slot < perBlock; slot++) {
          const nr = bh.view.getUint32(slot * 4, LE);
          if (nr === 0) continue;
          if (nr < sb.geo.firstIno || nr > sb.geo.inodesCount || seen.has(nr)) {
            throw corrupted('orphan file', `slot ${slot}`, { pblk: place, got: nr });
          }
          seen.add(nr);
          found.set(i * perBlock + slot, nr);
        }
      } finally {
        bh.put();
      }
    }
    this.used = found.size;
    return found;
  }

  /** Once, when the file is read: later a checksum is that of what was last written home. */
  private check(bh: BufferHead): void {
    const magic = OrphanBlockTail.ob_magic.get(bh.view, orphanTailOffset(this.sb.geo.blockSize));
    if (magic !== EXT4_ORPHAN_BLOCK_MAGIC) {
      throw corrupted('ext4_orphan_block_tail', 'ob_magic', { pblk: bh.blocknr, got: magic });
    }
    if (this.sb.has.metadataCsum && !orphanBlockCsumOk(this.seed, bh.blocknr, bh)) {
      throw corrupted('ext4_orphan_block_tail', 'ob_checksum', { pblk: bh.blocknr });
    }
  }

  /** Enter an inode. @returns its slot, or null: the file is full. @context Inside `handle`. */
  *add(handle: Handle, nr: number): Op<number | null> {
    for (; this.from < this.blocks.length; this.from++) {
      const bh = yield* this.sb.buffers.bread(this.blocks[this.from]!);
      try {
        for (let slot = 0; slot < this.perBlock; slot++) {
          if (bh.view.getUint32(slot * 4, LE) !== 0) continue;
          yield* this.put(handle, bh, slot, nr);
          this.used++;
          return this.from * this.perBlock + slot;
        }
      } finally {
        bh.put();
      }
    }
    return null;
  }

  /** Free a slot. @context Inside `handle`. @throws EUCLEAN another inode stands there */
  *remove(handle: Handle, at: number, nr: number): Op<void> {
    const i = Math.floor(at / this.perBlock);
    const slot = at % this.perBlock;
    const bh = yield* this.sb.buffers.bread(this.blocks[i]!);
    try {
      const got = bh.view.getUint32(slot * 4, LE);
      if (got !== nr) {
        throw corrupted('orphan file', `slot ${slot}`, { pblk: bh.blocknr, got, want: String(nr) });
      }
      yield* this.put(handle, bh, slot, 0);
    } finally {
      bh.put();
    }
    this.used--;
    this.from = Math.min(this.from, i);
  }

  private *put(handle: Handle, bh: BufferHead, slot: number, nr: number): Op<void> {
    const trigger = this.sb.has.metadataCsum ? setCsum : null;
    yield* ext4GetWriteAccess(handle, bh, trigger, this.seed);
    bh.view.setUint32(slot * 4, nr, LE);
    ext4DirtyMetadata(handle, bh);
  }
}

/** Find the blocks of the orphan file. @throws EUCLEAN it is no such file, or has holes; EIO */
export function* ext4OpenOrphanFile(sb: Ext4SuperBlock): Op<OrphanFile> {
  const nr = Superblock.s_orphan_file_inum.get(sb.sbh.view, sb.sbAt);
  const file = yield* ext4Iget(sb, ino(nr), { special: true });
  try {
    const count = file.size / sb.geo.blockSize;
    if (!file.isReg || count > EXT4_MAX_ORPHAN_FILE_BLOCKS || count % 1 !== 0) {
      throw corrupted('ext4_super_block', 's_orphan_file_inum', { ino: nr, size: file.size });
    }
    const blocks: Pblk[] = [];
    const map = new MapRequest();
    while (blocks.length < count) {
      const lblk = blocks.length;
      const got = yield* ext4MapBlocks(null, file, map.ask(lblk, count - lblk));
      if (got <= 0) throw corrupted('orphan file', 'i_block', { ino: nr, lblk, got: 'hole' });
      yield* sb.buffers.readahead(pblk(map.pblk), got);
      for (let i = 0; i < got; i++) blocks.push(pblk(map.pblk + i));
    }
    return new OrphanFile(sb, blocks, file.csumSeed);
  } finally {
    yield* iput(file);
  }
}
