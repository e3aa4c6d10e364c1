/**
 * Symlinks. The target is in i_block if it is shorter than that (fast), inline, or in one block,
 * which is metadata to the journal. Of an encrypted target the ciphertext is shown, as Linux does
 * without the key.
 * @source fs/ext4/symlink.c, fs/crypto/hooks.c:fscrypt_get_symlink()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { type Name, nameFromBytes, nameToBytes } from '../../base/name.ts';
import { lblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Handle } from '../../jbd2/handle.ts';
import type { Inode, InodeOperations } from '../../vfs/inode.ts';
import type { Kstat } from '../../vfs/stat.ts';
import { ext4Bread, ext4BreadNowait } from './bread.ts';
import { FscryptSymlinkData } from './disk/encryption.ts';
import { EXT4_EXTENTS_FL, EXT4_FAST_SYMLINK_SIZE } from './disk/inode.ts';
import { hasInlineData } from './dir-search.ts';
import { isEncrypted, shownNokeyName } from './filename.ts';
import { inlineBytes } from './inline.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4GetInodeLoc, ext4InodeIsFastSymlink, ext4MarkInodeDirty } from './inode.ts';
import { ext4Getattr } from './setattr.ts';
import { ext4XattrOperations } from './xattr-ops.ts';

/** The bytes of the target, or of what stands for it. @throws EUCLEAN */
function* targetBytes(inode: Ext4Inode): Op<Uint8Array> {
  const { size } = inode;
  if (hasInlineData(inode)) return yield* inlineTarget(inode);
  if (ext4InodeIsFastSymlink(inode)) {
    if (size >= EXT4_FAST_SYMLINK_SIZE) {
      throw corrupted('ext4_inode', 'i_size_lo', { ino: inode.ino, got: size });
    }
    return inode.iData.slice(0, size);
  }
  const { blockSize } = inode.sb.geo;
  if (size > blockSize) {
    throw corrupted('ext4_inode', 'i_size_lo', { ino: inode.ino, got: size, want: blockSize });
  }
  const bh = ext4BreadNowait(inode, lblk(0)) ?? (yield* ext4Bread(null, inode, lblk(0), false));
  if (!bh) throw corrupted('ext4_inode', 'i_block', { ino: inode.ino, lblk: 0, hole: true });
  try {
    return bh.data.slice(0, size);
  } finally {
    bh.put();
  }
}

function* inlineTarget(inode: Ext4Inode): Op<Uint8Array> {
  if (!inode.xattrSem.tryShared()) yield* inode.xattrSem.lockShared();
  try {
    const loc = yield* ext4GetInodeLoc(inode);
    try {
      return inlineBytes(inode, loc, inode.size);
    } finally {
      loc.bh.put();
    }
  } finally {
    inode.xattrSem.unlockShared();
  }
}

function* getLink(vfsInode: Inode): Op<Name> {
  const inode = vfsInode as Ext4Inode;
  const bytes = yield* targetBytes(inode);
  if (isEncrypted(inode)) return shownCiphertext(inode, bytes);
  return targetName(bytes, bytes.length);
}

function shownCiphertext(inode: Ext4Inode, bytes: Uint8Array): Name {
  const head = FscryptSymlinkData.$size;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < head ? 0 : FscryptSymlinkData.len.get(view, 0);
  // One byte of the target's length is the NUL that the ciphertext covers.
  if (length === 0 || length + head - 1 > bytes.length) {
    throw corrupted('fscrypt_symlink_data', 'len', { ino: inode.ino, got: length });
  }
  return shownNokeyName({ hash: 0, minor: 0 }, bytes.subarray(head, head + length));
}

/**
 * Give a new symlink its target.
 * @throws ENAMETOOLONG, ENOENT empty, ENOSPC
 * @context Inside `handle`; `inode` is new.
 */
export function* ext4WriteSymlink(handle: Handle, inode: Ext4Inode, target: Name): Op<void> {
  const bytes = nameToBytes(target);
  const { sb } = inode;
  if (bytes.length === 0) throw errno('ENOENT');
  if (bytes.length + 1 > sb.geo.blockSize) {
    throw errno('ENAMETOOLONG', { length: bytes.length });
  }
  if (bytes.length < EXT4_FAST_SYMLINK_SIZE) {
    inode.iFlags &= ~EXT4_EXTENTS_FL;
    inode.iData.fill(0);
    inode.iData.set(bytes);
  } else {
    const bh = yield* ext4Bread(handle, inode, lblk(0), true);
    if (!bh) throw errno('ENOSPC', { ino: inode.ino });
    bh.data.fill(0);
    bh.data.set(bytes);
    sb.journal.dirtyMetadata(handle, bh);
    bh.put();
  }
  inode.size = inode.disksize = bytes.length;
  yield* ext4MarkInodeDirty(handle, inode);
}

/** A short target needs no sleep. @context Does not sleep. */
function getLinkNowait(vfsInode: Inode): Name | null {
  const inode = vfsInode as Ext4Inode;
  if (hasInlineData(inode) || isEncrypted(inode) || !ext4InodeIsFastSymlink(inode)) return null;
  return targetName(inode.iData, inode.size);
}

function targetName(bytes: Uint8Array, size: number): Name {
  const nul = bytes.subarray(0, size).indexOf(0);
  return nameFromBytes(bytes, 0, nul < 0 ? size : nul);
}

/** The size of a symlink is the length of what readlink(2) gives. */
function* getattr(inode: Inode, stat: Kstat): Op<void> {
  yield* ext4Getattr(inode, stat);
  if (isEncrypted(inode as Ext4Inode)) stat.size = (yield* getLink(inode)).length;
}

/** What a symlink can do; changing it is not among it. */
export const ext4SymlinkInodeOperations = {
  ...ext4XattrOperations,
  getLink,
  getLinkNowait,
  getattr,
} satisfies InodeOperations;
