/** Symlinks, devices, fifos and sockets. */
import { LE } from '../../../base/struct.ts';
import type { Op } from '../../../sched/op.ts';
import type { RawBlock } from '../checksum.ts';
import { Extent, ExtentHeader, extentStart } from '../disk/extent.ts';
import {
  EXT4_ENCRYPT_FL,
  EXT4_EXTENTS_FL,
  EXT4_IMMUTABLE_FL,
  EXT4_INDEX_FL,
  EXT4_INLINE_DATA_FL,
  Inode,
} from '../disk/inode.ts';
import type { FileMap } from './file-map.ts';
import type { Volume } from './volume.ts';

const I_BLOCK = Inode.i_block.offset;

/**
 * Devices keep a number in the first words of i_block, and nothing behind them. Linux does not
 * clear the rest, so that only what nobody may change any more is held against it.
 */
export function checkDevice(view: DataView, at: number, flags: number): boolean {
  if ((flags & (EXT4_INDEX_FL | EXT4_EXTENTS_FL)) !== 0) return false;
  if ((flags & EXT4_IMMUTABLE_FL) === 0) return true;
  for (let i = 4; i < 15; i++) if (view.getUint32(at + I_BLOCK + 4 * i, LE) !== 0) return false;
  return true;
}

/** Does the target end, with a NUL, where the size says? */
function endsAt(data: Uint8Array, at: number, room: number, size: number, flags: number): boolean {
  if (size === 0 || size >= room) return false;
  if ((flags & EXT4_ENCRYPT_FL) !== 0) {
    return (data[at]! | (data[at + 1]! << 8)) + 2 === size;
  }
  const end = data.subarray(at, at + room).indexOf(0);
  return end === size;
}

export const checkFastSymlink = (
  { data }: RawBlock,
  at: number,
  flags: number,
  size: number,
): boolean => (flags & EXT4_INDEX_FL) === 0 && endsAt(data, at + I_BLOCK, 60, size, flags);

/** A target in a block of its own. */
export function* checkSlowSymlink(
  vol: Volume,
  map: FileMap,
  raw: RawBlock,
  at: number,
  size: number,
  flags: number,
): Op<boolean> {
  if ((flags & EXT4_INLINE_DATA_FL) !== 0) return true;
  if (map.lastBlock !== 0 || (flags & EXT4_INDEX_FL) !== 0) return false;
  const bh = yield* vol.bread(firstBlock(raw.view, at + I_BLOCK, flags));
  if (!bh) return false;
  const good = endsAt(bh.data, 0, vol.geo.blockSize, size, flags);
  bh.put();
  return good;
}

/** A map that maps logical block 0 alone has it in the root. */
function firstBlock(view: DataView, at: number, flags: number): number {
  if ((flags & EXT4_EXTENTS_FL) === 0) return view.getUint32(at, LE);
  const leaf = ExtentHeader.eh_depth.get(view, at) === 0;
  const entry = at + ExtentHeader.$size;
  return leaf && Extent.ee_block.get(view, entry) === 0 ? extentStart(view, entry) : -1;
}
