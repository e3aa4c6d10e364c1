/**
 * fs-verity files: every block that is read is compared with the Merkle tree behind the content.
 *
 *   content | zeros to 64 KiB | tree, top level first | descriptor ... its size in the last 4 bytes
 *
 * A hash block that was compared up to the root is kept, a bounded number of them for each inode,
 * so that a sequential read hashes each tree block once.
 * @source filesystems/fsverity.rst, "Merkle tree", "ext4"; fs/ext4/verity.c
 */
import { corrupted } from '../../base/errno.ts';
import { sha256, sha512 } from '../../base/sha2.ts';
import { shiftDown } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Folio } from '../../mm/folio.ts';
import { EXT4_EXTENTS_FL } from './disk/inode.ts';
import {
  FS_VERITY_HASH_ALG_SHA256,
  FS_VERITY_HASH_ALG_SHA512,
  FS_VERITY_MAX_DESCRIPTOR_SIZE,
  FS_VERITY_MAX_LEVELS,
  FsverityDescriptor,
  VerityFooter,
  verityMetadataPos,
} from './disk/verity.ts';
import { ext4FindExtent, leafOf, readExtent, releasePath } from './extents.ts';
import { EXT_MAX_BLOCKS } from './disk/extent.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MapBlocks, MAP_MAPPED, MapRequest } from './map-blocks.ts';
import { ext4ReadRaw } from './raw-read.ts';

/** Hash blocks that an inode keeps. */
const KEEP = 64;

interface Level {
  /** Byte of the level's first block from the tree's start. */
  readonly start: number;
  readonly blocks: number;
}

export interface VerityInfo {
  readonly rootHash: Uint8Array;
  readonly digestSize: number;
  readonly blockSize: number;
  readonly treePos: number;
  /** Lowest first: level 0 hashes the data. */
  readonly levels: readonly Level[];
  readonly hash: (block: Uint8Array) => Uint8Array;
  /** Verified hash blocks by their byte in the tree, oldest first. */
  readonly kept: Map<number, Uint8Array>;
}

const bad = (inode: Ext4Inode, field: string, got: number | string, want?: string): Error =>
  corrupted('fsverity_descriptor', field, { ino: inode.ino, got, want });

/** End of the last extent, bytes. */
function* endOfBlocks(inode: Ext4Inode): Op<number> {
  if (!inode.hasFlag(EXT4_EXTENTS_FL)) throw bad(inode, 'version', 'a file without extents');
  const path = yield* ext4FindExtent(inode, EXT_MAX_BLOCKS - 1);
  try {
    const leaf = leafOf(path);
    if (leaf.pos < 0) return 0;
    const last = readExtent(leaf, leaf.pos);
    return (last.lblk + last.len) * inode.sb.geo.blockSize;
  } finally {
    releasePath(path);
  }
}

/** Read and check the descriptor. @throws EUCLEAN names its field */
function* readDescriptor(inode: Ext4Inode): Op<DataView> {
  const { blockSize } = inode.sb.geo;
  const end = yield* endOfBlocks(inode);
  const tree = verityMetadataPos(inode.size);
  if (end < tree + FsverityDescriptor.$size + VerityFooter.$size) {
    throw corrupted('fsverity_footer', 'desc_size', { ino: inode.ino, got: end, want: tree });
  }
  const footer = yield* ext4ReadRaw(inode, end - VerityFooter.$size, VerityFooter.$size);
  const size = VerityFooter.desc_size.get(new DataView(footer.buffer), 0);
  const pos = end - VerityFooter.$size - size;
  const start = pos - (pos % blockSize);
  const fits = size >= FsverityDescriptor.$size && size <= FS_VERITY_MAX_DESCRIPTOR_SIZE;
  if (!fits || start < tree) {
    throw corrupted('fsverity_footer', 'desc_size', { ino: inode.ino, got: size });
  }
  const raw = yield* ext4ReadRaw(inode, start, FsverityDescriptor.$size);
  return new DataView(raw.buffer);
}

/**
 * Root hash and shape of the tree, from the descriptor; read once.
 * @context May sleep for I/O. @throws EUCLEAN
 */
export function* ext4VerityInfo(inode: Ext4Inode): Op<VerityInfo> {
  if (inode.verity) return inode.verity;
  const v = yield* readDescriptor(inode);
  const d = FsverityDescriptor;
  const version = d.version.get(v, 0);
  if (version !== 1) throw bad(inode, 'version', version, '1');
  const algorithm = d.hash_algorithm.get(v, 0);
  if (algorithm !== FS_VERITY_HASH_ALG_SHA256 && algorithm !== FS_VERITY_HASH_ALG_SHA512) {
    throw bad(inode, 'hash_algorithm', algorithm, '1..2');
  }
  const log = d.log_blocksize.get(v, 0);
  const most = inode.sb.geo.blockBits;
  if (log < 10 || log > most) throw bad(inode, 'log_blocksize', log, `10..${most}`);
  const saltSize = d.salt_size.get(v, 0);
  if (saltSize > 32) throw bad(inode, 'salt_size', saltSize, 'at most 32');
  const size = d.data_size.get(v, 0);
  if (size !== inode.size) throw bad(inode, 'data_size', size, String(inode.size));
  const wide = algorithm === FS_VERITY_HASH_ALG_SHA512;
  const digestSize = wide ? 64 : 32;
  const salt = new Uint8Array(saltSize === 0 ? 0 : wide ? 128 : 64);
  salt.set(d.salt.get(v, 0).subarray(0, saltSize));
  const digest = wide ? sha512 : sha256;
  const blockSize = 2 ** log;
  const info: VerityInfo = {
    rootHash: d.root_hash.get(v, 0).slice(0, digestSize),
    digestSize,
    blockSize,
    treePos: verityMetadataPos(inode.size),
    levels: treeLevels(inode, blockSize, digestSize),
    hash: (block) => digest(salt, block),
    kept: new Map(),
  };
  inode.verity = info;
  return info;
}

/** The levels are stored top first; each hashes the blocks of the one below. */
function treeLevels(inode: Ext4Inode, blockSize: number, digestSize: number): Level[] {
  const perBlock = blockSize / digestSize;
  const counts: number[] = [];
  for (let n = Math.ceil(inode.size / blockSize); n > 1;) {
    n = Math.ceil(n / perBlock);
    counts.push(n);
    if (counts.length > FS_VERITY_MAX_LEVELS) throw bad(inode, 'data_size', inode.size);
  }
  const levels: Level[] = [];
  let start = 0;
  for (const blocks of counts.reverse()) {
    levels.unshift({ start, blocks });
    start += blocks * blockSize;
  }
  return levels;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

/**
 * Compare one block of data with the tree.
 * @param index  of the block in the file; @param block  its bytes, zeros past the end
 * @throws EUCLEAN it, or the tree above it, is not what was sealed
 */
function* verifyBlock(
  inode: Ext4Inode,
  info: VerityInfo,
  index: number,
  block: Uint8Array,
): Op<void> {
  const perBlock = info.blockSize / info.digestSize;
  let got = info.hash(block);
  let i = index;
  // Hash blocks that are right only if the ones above them are: kept once the root has agreed.
  const fresh: [number, Uint8Array][] = [];
  for (const [n, level] of info.levels.entries()) {
    const at = level.start + Math.floor(i / perBlock) * info.blockSize;
    const known = info.kept.get(at);
    const hashes = known ?? (yield* ext4ReadRaw(inode, info.treePos + at, info.blockSize));
    const from = (i % perBlock) * info.digestSize;
    if (!same(got, hashes.subarray(from, from + info.digestSize))) {
      throw corrupted('Merkle tree', `level ${n}`, { ino: inode.ino, block: index });
    }
    if (known) return keep(info, fresh);
    fresh.push([at, hashes]);
    got = info.hash(hashes);
    i = Math.floor(i / perBlock);
  }
  if (!same(got, info.rootHash)) throw bad(inode, 'root_hash', `of data block ${index}`);
  keep(info, fresh);
}

function keep(info: VerityInfo, fresh: readonly [number, Uint8Array][]): void {
  for (const [at, hashes] of fresh) info.kept.set(at, hashes);
  for (const at of info.kept.keys()) {
    if (info.kept.size <= KEEP) break;
    info.kept.delete(at);
  }
}

/**
 * Fill a locked folio of a verity file and compare it with the tree. The caller unlocks.
 * @context May sleep for I/O. @throws EUCLEAN, EIO
 */
export function* verityReadFolio(inode: Ext4Inode, folio: Folio): Op<void> {
  const info = yield* ext4VerityInfo(inode);
  const { sb, size } = inode;
  const { blockSize, blockBits } = sb.geo;
  const map = new MapRequest();
  folio.data.fill(0);
  const end = Math.min(folio.size, size - folio.pos);
  for (let from = 0; from < end; from += blockSize) {
    yield* ext4MapBlocks(null, inode, map.ask(shiftDown(folio.pos + from, blockBits), 1));
    if (!(map.flags & MAP_MAPPED)) continue;
    const data = folio.data.subarray(from, from + blockSize);
    yield* sb.device.transfer('read', map.pblk * blockSize, data);
  }
  if (end > 0) folio.data.fill(0, end);
  for (let from = 0; from < end; from += info.blockSize) {
    const block = folio.data.subarray(from, from + info.blockSize);
    yield* verifyBlock(inode, info, (folio.pos + from) / info.blockSize, block);
  }
  folio.verityChecked = true;
}
