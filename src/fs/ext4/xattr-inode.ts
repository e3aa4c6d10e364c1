/**
 * Attribute values that have an inode of their own (feature ea_inode).
 *
 * Such an inode has no name. How many entries refer to it and what its value hashes to stand in
 * its time and version fields; it is freed with the last reference. Its blocks are metadata: they
 * go through buffers.
 * @source filesystems/ext4/attributes.rst; fs/ext4/xattr.c:ext4_xattr_inode_get(),
 *   ext4_xattr_inode_lookup_create(), ext4_xattr_inode_update_ref()
 */
import { corrupted } from '../../base/errno.ts';
import { S_IFREG } from '../../base/mode.ts';
import { ino as toIno, lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { iput } from '../../vfs/inode-cache.ts';
import { ext4Bread } from './bread.ts';
import { eaInodeValueHash } from './checksum.ts';
import { EXT4_EA_INODE_FL, EXT4_EXTENTS_FL, Inode as RawInode } from './disk/inode.ts';
import {
  EXT4_XATTR_SIZE_MAX,
  eaInodeHash,
  eaInodeRef,
  setEaInodeHash,
  setEaInodeRef,
  xattrInodeEntryHash,
} from './disk/xattr.ts';
import { ext4NewInode } from './ialloc.ts';
import type { Ext4Inode } from './inode-info.ts';
import {
  ext4DoUpdateInode,
  ext4GetInodeLoc,
  ext4Iget,
  ext4MarkInodeDirty,
  ext4ReserveInodeWrite,
} from './inode.ts';
import { ext4OrphanAdd } from './orphan.ts';

/**
 * Inodes of values that lost their last reference. Each is held once more; the caller puts them
 * (`putDead`) when it has no handle any more, because that frees their blocks in handles of its
 * own.
 */
export type DeadInodes = Ext4Inode[];

/** @context No handle is open. */
export function* putDead(dead: DeadInodes): Op<void> {
  for (const ea of dead.splice(0)) yield* iput(ea);
}

/** What an entry says of a value that is elsewhere. */
export interface EaReference {
  readonly inum: number;
  readonly size: number;
  /** e_hash of the entry. */
  readonly entryHash: number;
  readonly name: Uint8Array;
}

/**
 * The value, read and compared with its hash.
 * @throws EUCLEAN
 */
export function* eaInodeRead(owner: Ext4Inode, ref: EaReference): Op<Uint8Array> {
  const ea = yield* ext4Iget(owner.sb, toIno(ref.inum), { eaInode: true });
  try {
    if (ea.size !== ref.size || ref.size > EXT4_XATTR_SIZE_MAX || ea.nlink === 0) {
      const facts = { ino: owner.ino, inum: ref.inum, got: ref.size, want: ea.size };
      throw corrupted('ext4_xattr_entry', 'e_value_size', facts);
    }
    const value = yield* readValue(ea);
    yield* checkValue(owner, ea, ref, value);
    return value;
  } finally {
    yield* iput(ea);
  }
}

function* readValue(ea: Ext4Inode): Op<Uint8Array> {
  const { blockSize } = ea.sb.geo;
  const value = new Uint8Array(ea.size);
  for (let at = 0; at < ea.size; at += blockSize) {
    const lblk = toLblk(at / blockSize);
    const bh = yield* ext4Bread(null, ea, lblk, false);
    if (!bh) throw corrupted('ext4_inode', 'i_block', { ino: ea.ino, lblk, hole: true });
    value.set(bh.data.subarray(0, Math.min(blockSize, ea.size - at)), at);
    bh.put();
  }
  return value;
}

/** Hash of the value, and of name and value in the entry; Lustre's old form has neither. */
function* checkValue(
  owner: Ext4Inode,
  ea: Ext4Inode,
  ref: EaReference,
  value: Uint8Array,
): Op<void> {
  const { bh, at } = yield* ext4GetInodeLoc(ea);
  try {
    const hash = eaInodeValueHash(ea.sb.csumSeed, value);
    if (hash !== eaInodeHash(bh.view, at)) {
      const lustre =
        RawInode.i_mtime.get(bh.view, at) >>> 0 === owner.ino && ea.generation === owner.generation;
      if (lustre) return;
      throw corrupted('ext4_inode', 'i_atime', { ino: ea.ino, why: 'hash of the value' });
    }
    const fits =
      ref.entryHash === xattrInodeEntryHash(ref.name, hash) ||
      ref.entryHash === xattrInodeEntryHash(ref.name, hash, true);
    if (!fits) {
      throw corrupted('ext4_xattr_entry', 'e_hash', { ino: owner.ino, inum: ea.ino });
    }
  } finally {
    bh.put();
  }
}

/**
 * A new inode with the value, and one reference to it in its count.
 * @returns its number and the value's hash
 * @throws ENOSPC nothing is left behind (what was made is in `dead`)
 */
export function* eaInodeCreate(
  handle: Handle,
  owner: Ext4Inode,
  value: Uint8Array,
  dead: DeadInodes,
): Op<{ inum: number; valueHash: number }> {
  const ea = yield* ext4NewInode(handle, owner, S_IFREG | 0o600);
  try {
    ea.uid = owner.uid;
    ea.gid = owner.gid;
    ea.projid = owner.projid;
    ea.iFlags = (ea.iFlags & EXT4_EXTENTS_FL) | EXT4_EA_INODE_FL;
    ea.nlink = 1;
    yield* ext4MarkInodeDirty(handle, ea);
    yield* writeValue(handle, ea, value);
    const valueHash = eaInodeValueHash(ea.sb.csumSeed, value);
    yield* setCount(handle, ea, 1, valueHash);
    yield* iput(ea);
    return { inum: ea.ino, valueHash };
  } catch (e) {
    yield* abandon(handle, ea, dead);
    throw e;
  }
}

function* writeValue(handle: Handle, ea: Ext4Inode, value: Uint8Array): Op<void> {
  const { blockSize } = ea.sb.geo;
  for (let at = 0; at < value.length; at += blockSize) {
    const bh = yield* ext4Bread(handle, ea, toLblk(at / blockSize), true);
    if (!bh) continue;
    bh.data.set(value.subarray(at, Math.min(at + blockSize, value.length)));
    ea.sb.journal.dirtyMetadata(handle, bh);
    bh.put();
  }
  ea.size = ea.disksize = value.length;
  yield* ext4MarkInodeDirty(handle, ea);
}

function* setCount(handle: Handle, ea: Ext4Inode, count: number, hash: number | null): Op<void> {
  const loc = yield* ext4ReserveInodeWrite(handle, ea);
  try {
    setEaInodeRef(loc.bh.view, loc.at, count);
    if (hash !== null) setEaInodeHash(loc.bh.view, loc.at, hash);
    ext4DoUpdateInode(handle, ea, loc);
  } finally {
    loc.bh.put();
  }
}

/** No more links: the last iput frees it. Takes over the caller's reference. */
function* abandon(handle: Handle, ea: Ext4Inode, dead: DeadInodes): Op<void> {
  dead.push(ea);
  if (ea.nlink === 0) return;
  ea.nlink = 0;
  yield* ext4OrphanAdd(handle, ea);
  yield* ext4MarkInodeDirty(handle, ea);
}

/** One more entry refers to the value (its block was copied). @throws EUCLEAN */
export function* eaInodeHold(handle: Handle, owner: Ext4Inode, inum: number): Op<void> {
  yield* changeCount(handle, owner, inum, 1, []);
}

/**
 * One entry less refers to the value; with the last it is freed.
 * @throws EUCLEAN the count is 0 already
 */
export function* eaInodeDrop(
  handle: Handle,
  owner: Ext4Inode,
  inum: number,
  dead: DeadInodes,
): Op<void> {
  yield* changeCount(handle, owner, inum, -1, dead);
}

function* changeCount(
  handle: Handle,
  owner: Ext4Inode,
  inum: number,
  by: number,
  dead: DeadInodes,
): Op<void> {
  const ea = yield* ext4Iget(owner.sb, toIno(inum), { eaInode: true });
  let mine = true;
  try {
    const loc = yield* ext4GetInodeLoc(ea);
    const count = eaInodeRef(loc.bh.view, loc.at) + by;
    loc.bh.put();
    if (count < 0) {
      throw corrupted('ext4_inode', 'l_i_version', { ino: ea.ino, why: 'references of a value' });
    }
    yield* setCount(handle, ea, count, null);
    if (count > 0) return;
    mine = false;
    yield* abandon(handle, ea, dead);
  } finally {
    if (mine) yield* iput(ea);
  }
}
