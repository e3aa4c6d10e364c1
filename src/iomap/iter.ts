/**
 * Walking a byte range mapping by mapping.
 * @source fs/iomap/iter.c
 */
import { assert } from '../base/assert.ts';
import type { Op } from '../sched/op.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { Inode } from '../vfs/inode.ts';
import type { Iomap, IomapOps } from './iomap.ts';

/** The inode whose data a mapping caches. Every mapping that reaches iomap is a file's. */
export const inodeOf = (mapping: AddressSpace): Inode => mapping.host as Inode;

/** Ask for the mapping at `pos`: from memory where that is enough. */
export function* iomapBegin(
  inode: Inode,
  pos: number,
  length: number,
  flags: number,
  iomap: Iomap,
  ops: IomapOps,
): Op<void> {
  if (ops.beginNowait?.(inode, pos, length, flags, iomap)) return;
  yield* ops.begin(inode, pos, length, flags, iomap);
  assert(pos >= iomap.offset && pos < iomap.end, 'iomap does not cover the position');
}
