/**
 * The block of attributes of an inode. Inodes with equal attributes may share one: it counts its
 * users, and whoever wants to change a shared one makes a copy.
 *
 * Blocks that may be shared are remembered by their hash (Linux: mbcache), so that a tree full of
 * files with one ACL does not need a block for each.
 * @source fs/ext4/xattr.c:ext4_xattr_block_set(), ext4_xattr_release_block()
 */
import { corrupted } from '../../base/errno.ts';
import { type Pblk, pblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead, BufferTrigger } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { rawBlock, setXattrBlockCsum, xattrBlockCsumOk } from './checksum.ts';
import {
  EXT4_XATTR_MAGIC,
  EXT4_XATTR_REFCOUNT_MAX,
  XattrHeader,
  isLastXattrEntry,
} from './disk/xattr.ts';
import { groupFirstBlock } from './group-desc.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';
import { ext4FreeMetaBlock, ext4NewMetaBlock } from './mballoc.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { type XattrArea, type XattrValue, listXattrs, storeXattr } from './xattr-layout.ts';
import { type DeadInodes, eaInodeDrop, eaInodeHold } from './xattr-inode.ts';

const FIRST = XattrHeader.$size;

const trigger: BufferTrigger = (bh) => {
  setXattrBlockCsum(bh.seed, bh.blocknr, bh);
};

/** The attributes of a block. */
const blockArea = (b: { data: Uint8Array; view: DataView }, ino: number): XattrArea => ({
  data: b.data,
  view: b.view,
  first: FIRST,
  base: 0,
  end: b.data.length,
  isBlock: true,
  ino,
});

/** Room to leave for entries whose values have inodes. */
const reserveFor = (sb: Ext4SuperBlock): number =>
  sb.has.eaInode ? Math.min(sb.geo.blockSize >> 3, 1024) : 0;

/**
 * The inode's block of attributes with a reference, verified; null: it has none.
 * @throws EUCLEAN, EIO
 */
export function* xattrBlock(inode: Ext4Inode): Op<{ bh: BufferHead; area: XattrArea } | null> {
  if (inode.fileAcl === 0) return null;
  const { buffers, has, csumSeed } = inode.sb;
  const nr = pblk(inode.fileAcl);
  const bh = buffers.tryBread(nr) ?? (yield* buffers.bread(nr));
  const bad = (field: string, got: number): Error => {
    bh.put();
    return corrupted('ext4_xattr_header', field, { ino: inode.ino, pblk: nr, got });
  };
  const magic = XattrHeader.h_magic.get(bh.view, 0);
  if (magic !== EXT4_XATTR_MAGIC) throw bad('h_magic', magic);
  const blocks = XattrHeader.h_blocks.get(bh.view, 0);
  if (blocks !== 1) throw bad('h_blocks', blocks);
  if (!bh.verified && has.metadataCsum && !xattrBlockCsumOk(csumSeed, nr, bh)) {
    throw bad('h_checksum', XattrHeader.h_checksum.get(bh.view, 0));
  }
  const refs = XattrHeader.h_refcount.get(bh.view, 0);
  if (refs === 0 || refs > EXT4_XATTR_REFCOUNT_MAX) throw bad('h_refcount', refs);
  bh.verified = true;
  return { bh, area: blockArea(bh, inode.ino) };
}

function* access(handle: Handle, sb: Ext4SuperBlock, bh: BufferHead): Op<void> {
  yield* sb.journal.getWriteAccess(handle, bh);
  bh.trigger = sb.has.metadataCsum ? trigger : null;
  bh.seed = sb.csumSeed;
  bh.verified = true;
}

/**
 * Set, replace or (null) remove an attribute of the block. The inode is marked dirty if its block
 * is another one afterwards.
 * @returns false: there is no room, nothing was changed
 * @throws ENOSPC no block is left; EUCLEAN
 */
export function* xattrBlockStore(
  handle: Handle,
  inode: Ext4Inode,
  index: number,
  name: Uint8Array,
  value: XattrValue | null,
  dead: DeadInodes,
): Op<boolean> {
  const { sb } = inode;
  const old = yield* xattrBlock(inode);
  if (!old) {
    if (!value) return true;
    const fresh = rawBlock(new Uint8Array(sb.geo.blockSize));
    initHeader(fresh.view);
    if (!storeXattr(blockArea(fresh, inode.ino), index, name, value, reserveFor(sb))) return false;
    yield* useBlock(handle, inode, fresh.data, dead);
    return true;
  }
  try {
    // Worked on in a copy: the block itself changes only when everything else has succeeded.
    const copy = rawBlock(old.bh.data.slice());
    const area = blockArea(copy, inode.ino);
    if (!storeXattr(area, index, name, value, reserveFor(sb))) return false;
    const shared = XattrHeader.h_refcount.get(old.bh.view, 0) > 1;
    if (shared) yield* holdValues(handle, inode, old.bh.data, 1, dead);
    if (isLastXattrEntry(area.view, FIRST)) {
      yield* dropBlock(handle, inode, old.bh);
      inode.fileAcl = 0;
      yield* ext4MarkInodeDirty(handle, inode);
    } else if (shared) {
      XattrHeader.h_refcount.set(copy.view, 0, 1);
      yield* useBlock(handle, inode, copy.data, dead);
      yield* dropBlock(handle, inode, old.bh);
    } else {
      yield* access(handle, sb, old.bh);
      forget(sb, old.bh);
      old.bh.data.set(copy.data);
      sb.journal.dirtyMetadata(handle, old.bh);
      remember(sb, old.bh);
    }
    return true;
  } finally {
    old.bh.put();
  }
}

function initHeader(view: DataView): void {
  XattrHeader.h_magic.set(view, 0, EXT4_XATTR_MAGIC);
  XattrHeader.h_refcount.set(view, 0, 1);
  XattrHeader.h_blocks.set(view, 0, 1);
}

function* changeRefs(handle: Handle, sb: Ext4SuperBlock, bh: BufferHead, by: number): Op<void> {
  yield* access(handle, sb, bh);
  XattrHeader.h_refcount.set(bh.view, 0, XattrHeader.h_refcount.get(bh.view, 0) + by);
  sb.journal.dirtyMetadata(handle, bh);
}

/** Give the inode a block with this content: one that exists, or a new one. */
function* useBlock(
  handle: Handle,
  inode: Ext4Inode,
  content: Uint8Array,
  dead: DeadInodes,
): Op<void> {
  const { sb } = inode;
  const twin = yield* findTwin(sb, content);
  if (twin) {
    try {
      yield* changeRefs(handle, sb, twin, 1);
      // The twin's entries stand for ours: ours held their values once too often.
      yield* holdValues(handle, inode, content, -1, dead);
      inode.fileAcl = twin.blocknr;
      inode.blocks += clusterSectors(sb);
      yield* ext4MarkInodeDirty(handle, inode);
    } finally {
      twin.put();
    }
    return;
  }
  const goal = groupFirstBlock(sb, inode.blockGroup);
  const nr = yield* ext4NewMetaBlock(handle, inode, pblk(goal));
  const bh = yield* sb.buffers.getNew(nr);
  try {
    yield* sb.journal.getCreateAccess(handle, bh);
    bh.data.set(content);
    bh.trigger = sb.has.metadataCsum ? trigger : null;
    bh.seed = sb.csumSeed;
    sb.journal.dirtyMetadata(handle, bh);
    remember(sb, bh);
  } finally {
    bh.put();
  }
  inode.fileAcl = nr;
  yield* ext4MarkInodeDirty(handle, inode);
}

/** A block shared is a block in use: each of its inodes counts it in i_blocks. */
const clusterSectors = (sb: Ext4SuperBlock): number =>
  (sb.geo.blockSize * 2 ** sb.geo.clusterBits) / 512;

/**
 * One user more (a shared block is about to have a copy beside it) or less for each value that is
 * in an inode.
 */
function* holdValues(
  handle: Handle,
  inode: Ext4Inode,
  content: Uint8Array,
  by: 1 | -1,
  dead: DeadInodes,
): Op<void> {
  for (const { inum } of listXattrs(blockArea(rawBlock(content), inode.ino))) {
    if (inum === 0) continue;
    if (by > 0) yield* eaInodeHold(handle, inode, inum);
    else yield* eaInodeDrop(handle, inode, inum, dead);
  }
}

/** The inode does not use its block any more. */
function* dropBlock(handle: Handle, inode: Ext4Inode, bh: BufferHead): Op<void> {
  const { sb } = inode;
  if (XattrHeader.h_refcount.get(bh.view, 0) > 1) {
    yield* changeRefs(handle, sb, bh, -1);
    inode.blocks = Math.max(0, inode.blocks - clusterSectors(sb));
    return;
  }
  forget(sb, bh);
  yield* ext4FreeMetaBlock(handle, inode, bh.blocknr);
}

/**
 * The inode goes: its block loses a user, values in inodes with the last user too.
 * @throws EUCLEAN
 */
export function* xattrBlockRelease(handle: Handle, inode: Ext4Inode, dead: DeadInodes): Op<void> {
  const block = yield* xattrBlock(inode);
  if (!block) return;
  try {
    const last = XattrHeader.h_refcount.get(block.bh.view, 0) === 1;
    if (last) yield* holdValues(handle, inode, block.bh.data, -1, dead);
    yield* dropBlock(handle, inode, block.bh);
  } finally {
    block.bh.put();
  }
  inode.fileAcl = 0;
  yield* ext4MarkInodeDirty(handle, inode);
}

/** Blocks by h_hash that others may share, newest last; bounded. */
const CACHE_MAX = 1024;
const caches = new WeakMap<Ext4SuperBlock, Map<number, Pblk>>();

function cacheOf(sb: Ext4SuperBlock): Map<number, Pblk> {
  let cache = caches.get(sb);
  if (!cache) caches.set(sb, (cache = new Map()));
  return cache;
}

function remember(sb: Ext4SuperBlock, bh: BufferHead): void {
  const hash = XattrHeader.h_hash.get(bh.view, 0);
  if (hash === 0) return;
  const cache = cacheOf(sb);
  cache.delete(hash);
  cache.set(hash, bh.blocknr);
  if (cache.size <= CACHE_MAX) return;
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    break;
  }
}

function forget(sb: Ext4SuperBlock, bh: BufferHead): void {
  const cache = cacheOf(sb);
  const hash = XattrHeader.h_hash.get(bh.view, 0);
  if (cache.get(hash) === bh.blocknr) cache.delete(hash);
}

/** A block with this content that can take another user, with a reference. */
function* findTwin(sb: Ext4SuperBlock, content: Uint8Array): Op<BufferHead | null> {
  const { view } = rawBlock(content);
  const hash = XattrHeader.h_hash.get(view, 0);
  const nr = hash === 0 ? undefined : cacheOf(sb).get(hash);
  if (nr === undefined) return null;
  const bh = sb.buffers.tryBread(nr) ?? (yield* sb.buffers.bread(nr));
  const refs = XattrHeader.h_refcount.get(bh.view, 0);
  let same =
    XattrHeader.h_magic.get(bh.view, 0) === EXT4_XATTR_MAGIC && refs < EXT4_XATTR_REFCOUNT_MAX;
  for (let i = FIRST; same && i < content.length; i++) same = content[i] === bh.data[i];
  if (same) return bh;
  bh.put();
  return null;
}
