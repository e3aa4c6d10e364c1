/**
 * Extended attributes of an inode, wherever they are: in its record, in its block, or (values) in
 * inodes of their own.
 *
 * A new attribute goes into the record if it fits, else into the block, else, with ea_inode, its
 * value into an inode. xattr_sem guards all of it.
 * @source fs/ext4/xattr.c:ext4_xattr_get(), ext4_xattr_set_handle(), ext4_xattr_delete_inode()
 */
import { errno } from '../../base/errno.ts';
import { NAME_MAX, type Name, nameToBytes } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { Superblock } from './disk/superblock.ts';
import { EXT4_XATTR_SIZE_MAX, XattrEntry, XattrHeader, xattrEntryLen } from './disk/xattr.ts';
import { ext4DirtyMetadata } from './ext4-jbd2.ts';
import { COMPAT } from './features.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4GetInodeLoc, ext4MarkInodeDirty, ext4ReserveInodeWrite } from './inode.ts';
import { ext4AccessSuper } from './orphan.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import { xattrBlock, xattrBlockRelease, xattrBlockStore } from './xattr-block.ts';
import { ibodyArea, ibodyStore } from './xattr-ibody.ts';
import { type DeadInodes, eaInodeCreate, eaInodeDrop, eaInodeRead } from './xattr-inode.ts';
import {
  type XattrArea,
  type XattrFact,
  type XattrValue,
  findXattr,
  listXattrs,
  xattrFactAt,
  xattrValueAt,
} from './xattr-layout.ts';

/** flags of setxattr(2). */
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** What was found of an attribute: its bytes, or where they are. */
interface Found {
  readonly fact: XattrFact;
  readonly bytes: Uint8Array | null;
  readonly entryHash: number;
  readonly inBlock: boolean;
}

function lookIn(area: XattrArea, index: number, name: Uint8Array): Found | null {
  const at = findXattr(area, index, name);
  if (at < 0) return null;
  const fact = xattrFactAt(area, at);
  return {
    fact,
    bytes: fact.inum === 0 ? xattrValueAt(area, at).slice() : null,
    entryHash: XattrEntry.e_hash.get(area.view, at),
    inBlock: area.isBlock,
  };
}

/** xattr_sem held. */
function* find(inode: Ext4Inode, index: number, name: Uint8Array): Op<Found | null> {
  if (inode.hasIbodyXattr) {
    const { bh, at } = yield* ext4GetInodeLoc(inode);
    try {
      const area = ibodyArea(inode, bh, at);
      const found = area && lookIn(area, index, name);
      if (found) return found;
    } finally {
      bh.put();
    }
  }
  const block = yield* xattrBlock(inode);
  if (!block) return null;
  try {
    return lookIn(block.area, index, name);
  } finally {
    block.bh.put();
  }
}

/**
 * The value of an attribute, or null.
 * @param index  EXT4_XATTR_INDEX_*; `suffix`: the name without the index's prefix
 * @throws EUCLEAN, EIO
 * @context May sleep. Takes xattr_sem shared.
 */
export function* ext4XattrGet(
  inode: Ext4Inode,
  index: number,
  suffix: Name,
): Op<Uint8Array | null> {
  if (!inode.hasIbodyXattr && inode.fileAcl === 0) return null;
  if (!inode.xattrSem.tryShared()) yield* inode.xattrSem.lockShared();
  try {
    const name = nameToBytes(suffix);
    const found = yield* find(inode, index, name);
    if (!found) return null;
    if (found.bytes) return found.bytes;
    const { inum, size } = found.fact;
    return yield* eaInodeRead(inode, { inum, size, entryHash: found.entryHash, name });
  } finally {
    inode.xattrSem.unlockShared();
  }
}

/** All attributes, the record's first. @throws EUCLEAN, EIO */
export function* ext4XattrList(inode: Ext4Inode): Op<XattrFact[]> {
  if (!inode.hasIbodyXattr && inode.fileAcl === 0) return [];
  if (!inode.xattrSem.tryShared()) yield* inode.xattrSem.lockShared();
  try {
    const facts: XattrFact[] = [];
    const { bh, at } = yield* ext4GetInodeLoc(inode);
    try {
      const area = ibodyArea(inode, bh, at);
      if (area) facts.push(...listXattrs(area));
    } finally {
      bh.put();
    }
    const block = yield* xattrBlock(inode);
    if (!block) return facts;
    try {
      facts.push(...listXattrs(block.area));
    } finally {
      block.bh.put();
    }
    return facts;
  } finally {
    inode.xattrSem.unlockShared();
  }
}

/** Values above this go straight into an inode of their own, if they may. */
const minLargeValue = (blockSize: number): number =>
  blockSize - xattrEntryLen(3) - XattrHeader.$size - 4;

/**
 * Set, replace or (value null) remove an attribute; with neither flag either happens as needed.
 * @throws ENODATA XATTR_REPLACE of nothing; EEXIST XATTR_CREATE of something; ENOSPC; ERANGE the
 *   name is too long; E2BIG; EUCLEAN
 * @param dead  gets the inodes of values that nobody refers to any more: see putDead()
 * @context Inside `handle` (credits: xattr). Takes xattr_sem exclusive.
 */
export function* ext4XattrSet(
  handle: Handle,
  inode: Ext4Inode,
  index: number,
  suffix: Name,
  value: Uint8Array | null,
  flags: number,
  dead: DeadInodes,
): Op<void> {
  if (suffix.length > NAME_MAX) throw errno('ERANGE', { length: suffix.length });
  if (value && value.length > EXT4_XATTR_SIZE_MAX) throw errno('E2BIG', { size: value.length });
  if (!inode.xattrSem.tryExclusive()) yield* inode.xattrSem.lockExclusive();
  try {
    const name = nameToBytes(suffix);
    const old = yield* find(inode, index, name);
    if (!old && (flags & XATTR_REPLACE) !== 0) throw errno('ENODATA');
    if (old && (flags & XATTR_CREATE) !== 0) throw errno('EEXIST');
    if (!old && !value) return;
    const change = { handle, inode, index, name, dead };
    if (value) yield* announce(handle, inode.sb);
    if (value) yield* store(change, value, old);
    else yield* remove(change, old?.inBlock ?? false);
    if (old && old.fact.inum !== 0) {
      yield* eaInodeDrop(handle, inode, old.fact.inum, dead);
      inode.blocks = Math.max(0, inode.blocks - valueSectors(inode, old.fact.size));
    }
    inode.ctime = inode.sb.now();
    inode.version++;
    yield* ext4MarkInodeDirty(handle, inode);
  } finally {
    inode.xattrSem.unlockExclusive();
  }
}

/**
 * The first attribute of a file system sets the feature: without it e2fsck takes blocks of
 * attributes for damage. @source fs/ext4/xattr.c:ext4_xattr_update_super_block()
 */
function* announce(handle: Handle, sb: Ext4SuperBlock): Op<void> {
  const { s_feature_compat: compat } = Superblock;
  if ((compat.get(sb.sbh.view, sb.sbAt) & COMPAT.ext_attr) !== 0) return;
  yield* ext4AccessSuper(handle, sb);
  compat.set(sb.sbh.view, sb.sbAt, compat.get(sb.sbh.view, sb.sbAt) | COMPAT.ext_attr);
  ext4DirtyMetadata(handle, sb.sbh);
}

/** The attribute that is being changed. */
interface Change {
  readonly handle: Handle;
  readonly inode: Ext4Inode;
  readonly index: number;
  readonly name: Uint8Array;
  readonly dead: DeadInodes;
}

/** The record's attributes changed inside write access. */
function* ibodySet(c: Change, value: XattrValue | null): Op<boolean> {
  const { bh, at } = yield* ext4ReserveInodeWrite(c.handle, c.inode);
  try {
    return ibodyStore(c.inode, bh, at, c.index, c.name, value);
  } finally {
    bh.put();
  }
}

const blockSet = (c: Change, value: XattrValue | null): Op<boolean> =>
  xattrBlockStore(c.handle, c.inode, c.index, c.name, value, c.dead);

function* remove(c: Change, inBlock: boolean): Op<void> {
  if (inBlock) yield* blockSet(c, null);
  else yield* ibodySet(c, null);
}

/** Put the value where it fits, and take a former one out of the other place. */
function* place(c: Change, value: XattrValue, old: Found | null): Op<boolean> {
  if (yield* ibodySet(c, value)) {
    if (old?.inBlock) yield* blockSet(c, null);
    return true;
  }
  if (!(yield* blockSet(c, value))) return false;
  if (old && !old.inBlock) yield* ibodySet(c, null);
  return true;
}

function* store(c: Change, bytes: Uint8Array, old: Found | null): Op<void> {
  const { inode, handle, dead } = c;
  const { sb } = inode;
  const large = sb.has.eaInode && bytes.length > minLargeValue(sb.geo.blockSize);
  const here = { size: bytes.length, bytes, inum: 0, valueHash: 0 };
  if (!large && (yield* place(c, here, old))) return;
  if (!sb.has.eaInode || bytes.length === 0) throw errno('ENOSPC', { ino: inode.ino });
  const { inum, valueHash } = yield* eaInodeCreate(handle, inode, bytes, dead);
  const there = { size: bytes.length, bytes: null, inum, valueHash };
  let placed = false;
  try {
    placed = yield* place(c, there, old);
  } finally {
    if (!placed) yield* eaInodeDrop(handle, inode, inum, dead);
  }
  if (!placed) throw errno('ENOSPC', { ino: inode.ino });
  inode.blocks += valueSectors(inode, bytes.length);
}

/**
 * Whoever refers to a value in an inode pays for it: i_blocks counts whole clusters of it.
 * @source fs/ext4/xattr.c:ext4_xattr_inode_alloc_quota()
 */
function valueSectors(inode: Ext4Inode, size: number): number {
  const { blockSize, clusterBits } = inode.sb.geo;
  const cluster = blockSize * 2 ** clusterBits;
  return (Math.ceil(size / cluster) * cluster) / 512;
}

/**
 * The inode is being freed: its block loses a user, values in inodes lose theirs.
 * @returns inodes of values, to be put when no handle is open
 * @throws EUCLEAN
 * @context Inside `handle`; nobody else has the inode.
 */
export function* ext4XattrDeleteInode(handle: Handle, inode: Ext4Inode): Op<DeadInodes> {
  const dead: DeadInodes = [];
  if (inode.hasIbodyXattr && inode.sb.has.eaInode) {
    const { bh, at } = yield* ext4GetInodeLoc(inode);
    let facts: XattrFact[] = [];
    try {
      const area = ibodyArea(inode, bh, at);
      if (area) facts = listXattrs(area);
    } finally {
      bh.put();
    }
    for (const { inum } of facts) {
      if (inum !== 0) yield* eaInodeDrop(handle, inode, inum, dead);
    }
  }
  if (inode.fileAcl !== 0) yield* xattrBlockRelease(handle, inode, dead);
  return dead;
}
