/**
 * SEEK_HOLE and SEEK_DATA, and the listing of extents, from mappings and from the cache.
 *
 * An unwritten extent is a hole unless the cache holds data for it that write-back has not put
 * there yet.
 * @source fs/iomap/seek.c, fs/iomap/fiemap.c, include/uapi/linux/fiemap.h
 */
import { errno } from '../base/errno.ts';
import type { Op } from '../sched/op.ts';
import type { FiemapExtent, Inode } from '../vfs/inode.ts';
import { rangeUptodate } from './folio-state.ts';
import { Iomap, IOMAP_F_SHARED, IOMAP_REPORT, type IomapOps } from './iomap.ts';
import { iomapBegin } from './iter.ts';

/** First byte at or after `pos`, below `end`, whose cached block is (not) valid; `end` if none. */
function scanCache(inode: Inode, pos: number, end: number, wantData: boolean): number {
  const { mapping } = inode;
  const bs = inode.sb.blockSize;
  for (let at = pos; at < end;) {
    const folio = mapping.pages.get(mapping.indexOf(at));
    if (!folio) {
      if (!wantData) return at;
      const next = mapping.pages.next(mapping.indexOf(at) + 1, mapping.indexOf(end - 1) + 1);
      if (next < 0) return end;
      at = next * mapping.folioSize;
      continue;
    }
    const from = at - folio.pos;
    const block = from - (from % bs);
    if (rangeUptodate(folio, bs, block, block + bs) === wantData) return at;
    at = folio.pos + block + bs;
  }
  return end;
}

function* seek(inode: Inode, offset: number, ops: IomapOps, wantData: boolean): Op<number> {
  const size = inode.size;
  if (offset < 0 || offset >= size) throw errno('ENXIO');
  const iomap = new Iomap();
  for (let at = offset; at < size; at = iomap.end) {
    yield* iomapBegin(inode, at, size - at, IOMAP_REPORT, iomap, ops);
    if (iomap.type === 'unwritten') {
      const end = Math.min(size, iomap.end);
      const found = scanCache(inode, at, end, wantData);
      if (found < end) return found;
    } else if ((iomap.type === 'hole') !== wantData) {
      return at;
    }
  }
  if (wantData) throw errno('ENXIO');
  return size;
}

/** Offset of the first data at or after `offset`. @throws ENXIO there is none */
export const iomapSeekData = (inode: Inode, offset: number, ops: IomapOps): Op<number> =>
  seek(inode, offset, ops, true);

/** Offset of the first hole at or after `offset`; the end of the file counts as one. */
export const iomapSeekHole = (inode: Inode, offset: number, ops: IomapOps): Op<number> =>
  seek(inode, offset, ops, false);

export const FIEMAP_EXTENT_LAST = 0x1;
export const FIEMAP_EXTENT_UNKNOWN = 0x2;
export const FIEMAP_EXTENT_DELALLOC = 0x4;
export const FIEMAP_EXTENT_NOT_ALIGNED = 0x100;
export const FIEMAP_EXTENT_DATA_INLINE = 0x200;
export const FIEMAP_EXTENT_UNWRITTEN = 0x800;
export const FIEMAP_EXTENT_SHARED = 0x2000;

function fiemapFlags(iomap: Iomap): number {
  const shared = iomap.flags & IOMAP_F_SHARED ? FIEMAP_EXTENT_SHARED : 0;
  switch (iomap.type) {
    case 'unwritten':
      return shared | FIEMAP_EXTENT_UNWRITTEN;
    case 'delalloc':
      return shared | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN;
    case 'inline':
      return FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED;
    default:
      return shared;
  }
}

/** Visit the extents that overlap the range, in order; the last of the file is marked. */
export function* iomapFiemap(
  inode: Inode,
  start: number,
  length: number,
  ops: IomapOps,
  visit: (extent: FiemapExtent) => boolean,
): Op<void> {
  const limit = Math.max(inode.size, inode.sb.blockSize);
  const end = Math.min(start + length, limit);
  const iomap = new Iomap();
  let held: FiemapExtent | null = null;
  for (let at = start; at < end; at = iomap.end) {
    yield* iomapBegin(inode, at, limit - at, IOMAP_REPORT, iomap, ops);
    if (iomap.type === 'hole') continue;
    if (held && !visit(held)) return;
    held = {
      logical: iomap.offset,
      physical: Math.max(0, iomap.addr),
      length: iomap.length,
      flags: fiemapFlags(iomap),
    };
  }
  if (held) visit({ ...held, flags: held.flags | (end >= limit ? FIEMAP_EXTENT_LAST : 0) });
}
