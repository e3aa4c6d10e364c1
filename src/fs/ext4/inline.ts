/**
 * Inline data: small files that live in the inode.
 *
 * Rules (protocols A.1.7): inline is one-way, RI-1: a file that grew out of its inode never comes
 * back. Who looks at inline data holds xattr_sem, and looks again whether it still is inline after
 * getting it.
 * @source fs/ext4/inline.c
 */
import type { Op } from '../../sched/op.ts';
import type { Iomap } from '../../iomap/iomap.ts';
import { corrupted } from '../../base/errno.ts';
import { EXT4_INLINE_DATA_FL, Inode as RawInode } from './disk/inode.ts';
import { findInlineData } from './inline-data.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4GetInodeLoc, type InodeLoc } from './inode.ts';

/** Copy up to `length` bytes of inline data. xattr_sem held. @throws EUCLEAN */
export function inlineBytes(inode: Ext4Inode, loc: InodeLoc, length: number): Uint8Array {
  const { bh, at } = loc;
  const { inodeSize } = inode.sb.geo;
  const inside = inode.iData.length;
  const out = new Uint8Array(length);
  out.set(inode.iData.subarray(0, Math.min(inside, length)));
  if (length <= inside) return out;
  const found = findInlineData(bh.view, at, inodeSize, inode.extraIsize, inode.ino);
  if (found.entryAt === 0 || found.valueSize < length - inside) {
    const facts = { ino: inode.ino, pblk: bh.blocknr, got: found.valueSize, want: length - inside };
    throw corrupted('ext4_xattr_entry', 'e_value_size', facts);
  }
  const from = at + found.valueAt;
  out.set(bh.data.subarray(from, from + length - inside), inside);
  return out;
}

/**
 * The mapping of an inline file at `pos`; false if it is not inline any more.
 * @context May sleep. Takes xattr_sem shared.
 */
export function* inlineIomap(inode: Ext4Inode, pos: number, iomap: Iomap): Op<boolean> {
  const sem = inode.xattrSem;
  if (!sem.tryShared()) yield* sem.lockShared();
  try {
    if (!inode.hasFlag(EXT4_INLINE_DATA_FL)) return false;
    const loc = yield* ext4GetInodeLoc(inode);
    try {
      fillInline(inode, loc, pos, iomap);
    } finally {
      loc.bh.put();
    }
    return true;
  } finally {
    sem.unlockShared();
  }
}

function fillInline(inode: Ext4Inode, loc: InodeLoc, pos: number, iomap: Iomap): void {
  const { blockSize } = inode.sb.geo;
  const size = Math.min(inode.size, inode.inlineSize);
  iomap.flags = 0;
  iomap.validityCookie = inode.es.seq;
  if (pos >= size) {
    iomap.type = 'hole';
    iomap.offset = pos;
    iomap.length = blockSize;
    iomap.addr = -1;
    iomap.inlineData = null;
    return;
  }
  iomap.type = 'inline';
  iomap.offset = 0;
  iomap.length = size;
  iomap.addr = loc.bh.blocknr * blockSize + loc.at + RawInode.i_block.offset;
  iomap.inlineData = inlineBytes(inode, loc, size);
}
