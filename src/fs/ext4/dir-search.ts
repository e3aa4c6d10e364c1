/**
 * Finding a name in a directory, whatever its form, and the entry's place for what comes after:
 * removing it, or pointing it at another inode.
 * @source fs/ext4/namei.c:ext4_find_entry(), ext4_dx_find_entry(); fs/ext4/inline.c
 */
import { corrupted } from '../../base/errno.ts';
import { type Lblk, lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BufferHead } from '../../buffer/buffer-head.ts';
import type { Handle } from '../../jbd2/handle.ts';
import { ext4SkipHole } from './bread.ts';
import {
  dirtyDirblock,
  ext4ReadDirblock,
  leafAccess,
  looksLikeNode,
  readDirblockNowait,
  readDirblockOrHole,
} from './dir-block.ts';
import {
  type DirArea,
  type DirShape,
  checkedRecLen,
  deleteEntry,
  leafArea,
  searchArea,
} from './dir-entry.ts';
import { inlineAreas, inlineAccess, inlineChanged } from './dir-inline.ts';
import { DirEntry2 } from './disk/dirent.ts';
import { EXT4_INLINE_DATA_FL } from './disk/inode.ts';
import { type Ext4Filename, dirShape, isIndexed } from './filename.ts';
import { dxNextLeaf, dxProbe } from './htree.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MarkInodeDirty } from './inode.ts';

/** An entry that was found. Holds a reference of its buffer until `put`. */
export class FoundEntry {
  readonly dir: Ext4Inode;
  readonly bh: BufferHead;
  readonly area: DirArea;
  readonly at: number;

  constructor(dir: Ext4Inode, bh: BufferHead, area: DirArea, at: number) {
    this.dir = dir;
    this.bh = bh;
    this.area = area;
    this.at = at;
  }

  get ino(): number {
    return DirEntry2.inode.get(this.area.view, this.at);
  }
  /** EXT4_FT_*, 0 without the feature filetype. */
  get fileType(): number {
    return DirEntry2.file_type.get(this.area.view, this.at);
  }
  get inline(): boolean {
    return this.area.lblk < 0;
  }
  put(): void {
    this.bh.put();
  }
}

export const hasInlineData = (inode: Ext4Inode): boolean => inode.hasFlag(EXT4_INLINE_DATA_FL);

/**
 * The entry of a name, or null. The caller puts it.
 * @context May sleep. The directory's i_rwsem is held.
 * @throws EUCLEAN, EIO
 */
export function* ext4FindEntry(dir: Ext4Inode, name: Ext4Filename): Op<FoundEntry | null> {
  if (name.impossible) return null;
  if (hasInlineData(dir)) return yield* findInline(dir, name);
  // "." and ".." are not hashed: they stand in block 0.
  if (isIndexed(dir) && name.name !== '.' && name.name !== '..')
    return yield* findIndexed(dir, name);
  return yield* findLinear(dir, name);
}

function* findInline(dir: Ext4Inode, name: Ext4Filename): Op<FoundEntry | null> {
  const shape = dirShape(dir);
  const { bh, areas } = yield* inlineAreas(dir);
  for (const area of areas) {
    const at = searchArea(area, name.matcher, shape);
    if (at >= 0) return new FoundEntry(dir, bh, area, at);
  }
  bh.put();
  return null;
}

function* findIndexed(dir: Ext4Inode, name: Ext4Filename): Op<FoundEntry | null> {
  const shape = dirShape(dir);
  let leaves = Math.ceil(dir.size / shape.blockSize);
  const path = yield* dxProbe(dir, (version) => name.hash(version).hash);
  try {
    const { hash } = name.hash(path.version);
    do {
      const lblk = path.leaf.child;
      const bh =
        readDirblockNowait(dir, lblk, 'leaf') ?? (yield* ext4ReadDirblock(dir, lblk, 'leaf'));
      const found = searchLeaf(dir, bh, leafArea(bh, shape, lblk), name, shape);
      if (found) return found;
      if (--leaves < 0) throw corrupted('dx_entry', 'block', { ino: dir.ino, loop: true });
    } while ((yield* dxNextLeaf(dir, path, hash)) >= 0);
    return null;
  } finally {
    path.put();
  }
}

/** The entry, which takes over the reference of `bh`, or null and `bh` is put. */
function searchLeaf(
  dir: Ext4Inode,
  bh: BufferHead,
  area: DirArea,
  name: Ext4Filename,
  shape: DirShape,
): FoundEntry | null {
  let at = -1;
  try {
    at = searchArea(area, name.matcher, shape);
  } finally {
    if (at < 0) bh.put();
  }
  return at < 0 ? null : new FoundEntry(dir, bh, area, at);
}

/**
 * From the block of the last success on, and around: names that are looked up together are near.
 */
function* findLinear(dir: Ext4Inode, name: Ext4Filename): Op<FoundEntry | null> {
  const shape = dirShape(dir);
  const blocks = Math.floor(dir.size / shape.blockSize);
  const dots = name.name === '.' || name.name === '..';
  const start = !dots && dir.dirStartLookup < blocks ? dir.dirStartLookup : 0;
  const many = dots && isIndexed(dir) ? 1 : blocks;
  for (let i = 0; i < many; i++) {
    const lblk = toLblk((start + i) % blocks);
    const bh =
      readDirblockNowait(dir, lblk, 'any') ?? (yield* readDirblockOrHole(dir, lblk, 'any'));
    if (!bh) {
      i += (yield* holeLength(dir, lblk)) - 1;
      continue;
    }
    const area = linearArea(dir, bh, lblk, shape);
    const found = searchLeaf(dir, bh, area, name, shape);
    if (!found) continue;
    dir.dirStartLookup = lblk;
    return found;
  }
  return null;
}

/**
 * Blocks of the directory that the hole at `lblk` takes: a wrong size must not cost a long walk.
 */
export function* holeLength(dir: Ext4Inode, lblk: Lblk): Op<number> {
  const end = Math.floor(dir.size / dir.sb.geo.blockSize);
  return Math.min(yield* ext4SkipHole(dir, lblk), Math.max(end, lblk + 1)) - lblk;
}

/**
 * The entries of a block in a walk over all blocks. Nodes of a hash tree are free entries there,
 * over the whole block, since their tail is not an entry.
 */
export function linearArea(dir: Ext4Inode, bh: BufferHead, lblk: number, shape: DirShape): DirArea {
  const area = leafArea(bh, shape, lblk);
  const node = isIndexed(dir) && (lblk === 0 || looksLikeNode(bh));
  return node ? { ...area, end: shape.blockSize } : area;
}

/**
 * Remove a found entry from its directory (in memory the entry is still to be put).
 * @throws EUCLEAN, EROFS
 */
export function* ext4DeleteEntry(handle: Handle, found: FoundEntry): Op<void> {
  const { dir, bh, area, at } = found;
  const shape = dirShape(dir);
  if (found.inline) {
    yield* inlineAccess(handle, dir, bh);
    deleteEntry(area, at, shape);
    inlineChanged(dir, found.area);
    yield* ext4MarkInodeDirty(handle, dir);
  } else {
    yield* leafAccess(handle, dir, bh);
    deleteEntry(area, at, shape);
    dirtyDirblock(handle, dir, bh);
  }
  dir.version++;
}

/** Let a found entry name another inode. */
export function* ext4SetEntry(
  handle: Handle,
  found: FoundEntry,
  ino: number,
  fileType: number,
): Op<void> {
  const { dir, bh, area, at } = found;
  if (found.inline) yield* inlineAccess(handle, dir, bh);
  else yield* leafAccess(handle, dir, bh);
  checkedRecLen(area, at, dirShape(dir));
  DirEntry2.inode.set(area.view, at, ino);
  if (dir.sb.has.filetype) DirEntry2.file_type.set(area.view, at, fileType);
  if (found.inline) inlineChanged(dir, found.area);
  else dirtyDirblock(handle, dir, bh);
  dir.version++;
  dir.ctime = dir.mtime = dir.sb.now();
  yield* ext4MarkInodeDirty(handle, dir);
}
