/**
 * Reading directories.
 *
 * By hash where the file system has dir_index: a position is then a hash, which stays true when
 * leaves are split under a reader. A directory of one block or inside its inode is read by hash
 * too, because it may become a tree. All others are read as they lie, and a position is a byte.
 *
 * Linux's positions have 63 bits, a number here 53: 31 of the hash and 22 of the minor hash. An
 * open directory remembers where it is, so that only a seek can meet two names at one position.
 * @source fs/ext4/dir.c:ext4_readdir(), ext4_dx_readdir(), fs/ext4/namei.c:ext4_htree_fill_tree()
 */
import { corrupted, errno } from '../../base/errno.ts';
import { asciiName, type Name } from '../../base/name.ts';
import { ino as toIno, lblk as toLblk } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { DirContext, File, FileOperations } from '../../vfs/file.ts';
import { SEEK_CUR, SEEK_END, SEEK_SET } from '../../vfs/read-write.ts';
import { ext4SkipHole } from './bread.ts';
import { ext4ReadDirblock, readDirblockOrHole } from './dir-block.ts';
import {
  type DirArea,
  type DirShape,
  checkedName,
  checkedRecLen,
  isDotEntry,
  leafArea,
} from './dir-entry.ts';
import { checkDots } from './dir-add.ts';
import { inlineAreas, inlineParent } from './dir-inline.ts';
import { hasInlineData, linearArea } from './dir-search.ts';
import { DirEntry2, EXT4_FT_DIR, dirRecLen } from './disk/dirent.ts';
import { FSCRYPT_FNAME_MIN_MSG_LEN } from './disk/encryption.ts';
import { dirShape, entryHash, isEncrypted, isIndexed, shownNokeyName } from './filename.ts';
import { ext4Fsync } from './file.ts';
import type { DirHash } from './hash.ts';
import { dxNextLeaf, dxProbe } from './htree.ts';
import type { Ext4Inode } from './inode-info.ts';

/** DT_* by EXT4_FT_*. */
const DT = [0, 8, 4, 2, 6, 1, 12, 10];

const DOT = asciiName('.');
const DOTDOT = asciiName('..');

/** A name that waits to be emitted in the order of its hash. */
interface HashEntry extends DirHash {
  readonly name: Name;
  readonly ino: number;
  readonly fileType: number;
}

const MINOR_BITS = 22;
const EOF_POS = Number.MAX_SAFE_INTEGER;

const hashToPos = (h: DirHash): number =>
  (h.hash >>> 1) * 2 ** MINOR_BITS + (h.minor >>> (32 - MINOR_BITS));
const posToHash = (pos: number): DirHash => ({
  hash: Math.floor(pos / 2 ** MINOR_BITS) * 2,
  minor: ((pos % 2 ** MINOR_BITS) << (32 - MINOR_BITS)) >>> 0,
});

/** Where an open directory that is read by hash has come to. */
class HashCursor {
  /** i_version when `entries` were read. */
  version = -1;
  /** The position that belongs to `entries[next]`. */
  pos = -1;
  entries: HashEntry[] = [];
  next = 0;
  /** Hash at which the following leaf begins; -1: there is none. */
  nextHash = -1;
}

/** The name as it is shown. @throws EUCLEAN */
function shownName(
  dir: Ext4Inode,
  area: DirArea,
  at: number,
  shape: DirShape,
  hash: DirHash,
): Name {
  if (!isEncrypted(dir) || isDotEntry(area, at)) return checkedName(area, at, shape);
  const from = at + DirEntry2.$size;
  const length = area.data[at + 6]!;
  if (length < FSCRYPT_FNAME_MIN_MSG_LEN) {
    throw corrupted('ext4_dir_entry_2', 'name_len', { ino: dir.ino, at, got: length });
  }
  return shownNokeyName(hash, area.data.slice(from, from + length));
}

const isUsed = (area: DirArea, at: number): boolean => DirEntry2.inode.get(area.view, at) !== 0;

/** Linux: is_dx_dir(). */
const isReadByHash = (dir: Ext4Inode): boolean =>
  dir.sb.has.dirIndex &&
  (isIndexed(dir) || hasInlineData(dir) || dir.size === dir.sb.geo.blockSize);

function* iterate(file: File, ctx: DirContext): Op<void> {
  const dir = file.inode as Ext4Inode;
  if (isReadByHash(dir)) yield* iterateByHash(dir, file, ctx);
  else if (hasInlineData(dir)) yield* iterateInline(dir, ctx);
  else yield* iterateLinear(dir, ctx);
}

function* iterateByHash(dir: Ext4Inode, file: File, ctx: DirContext): Op<void> {
  if (ctx.pos >= EOF_POS) return;
  let cursor = file.fsPrivate;
  if (!(cursor instanceof HashCursor)) file.fsPrivate = cursor = new HashCursor();
  const c = cursor as HashCursor;
  if (c.version !== dir.version || c.pos !== ctx.pos) yield* fill(dir, c, posToHash(ctx.pos));
  for (;;) {
    for (; c.next < c.entries.length; c.next++) {
      const e = c.entries[c.next]!;
      const after = positionAfter(c, c.next);
      if (!ctx.emit(e.name, toIno(e.ino), DT[e.fileType] ?? 0, after)) return;
      ctx.pos = c.pos = after;
    }
    if (c.nextHash < 0) {
      ctx.pos = c.pos = EOF_POS;
      return;
    }
    yield* fill(dir, c, { hash: c.nextHash, minor: 0 });
  }
}

function positionAfter(c: HashCursor, i: number): number {
  const following = c.entries[i + 1];
  if (following) return hashToPos(following);
  return c.nextHash < 0 ? EOF_POS : hashToPos({ hash: c.nextHash, minor: 0 });
}

/** Read the names from a hash on: those of one leaf, and of what goes on from it. */
function* fill(dir: Ext4Inode, c: HashCursor, from: DirHash): Op<void> {
  c.entries = [];
  c.next = 0;
  c.nextHash = -1;
  if (isIndexed(dir)) yield* fillFromTree(dir, c, from);
  else if (hasInlineData(dir)) yield* fillFromInline(dir, c, from);
  else yield* fillFromBlock(dir, c, from);
  c.entries.sort((a, b) => a.hash - b.hash || a.minor - b.minor);
  c.version = dir.version;
  c.pos = c.entries.length > 0 ? hashToPos(c.entries[0]!) : hashToPos(from);
}

function* fillFromTree(dir: Ext4Inode, c: HashCursor, from: DirHash): Op<void> {
  const shape = dirShape(dir);
  let leaves = Math.ceil(dir.size / shape.blockSize);
  const path = yield* dxProbe(dir, () => from.hash);
  try {
    pushDots(dir, c, from, path.frames[0]!.bh.view);
    const dots = c.entries.length;
    for (;;) {
      const lblk = path.leaf.child;
      const bh = yield* ext4ReadDirblock(dir, lblk, 'leaf');
      try {
        collect(dir, c, leafArea(bh, shape, lblk), shape, path.version, from);
      } finally {
        bh.put();
      }
      const key = yield* dxNextLeaf(dir, path, null);
      if (key < 0) return;
      // A key with bit 0 goes on with the hash of the leaf before: both belong together.
      if ((key & 1) === 0 && c.entries.length > dots) {
        c.nextHash = key;
        break;
      }
      if (--leaves < 0) throw corrupted('dx_entry', 'block', { ino: dir.ino, loop: true });
    }
    if (c.nextHash <= from.hash) {
      throw corrupted('dx_entry', 'hash', { ino: dir.ino, got: c.nextHash, after: from.hash });
    }
  } finally {
    path.put();
  }
}

/** "." and ".." of a tree have hashes 0 and 2, whatever their names would hash to. */
function pushDots(dir: Ext4Inode, c: HashCursor, from: DirHash, root: DataView): void {
  const dot = { minor: 0, fileType: EXT4_FT_DIR };
  if (from.hash === 0 && from.minor === 0)
    c.entries.push({ ...dot, hash: 0, name: DOT, ino: dir.ino });
  if (from.hash < 2 || (from.hash === 2 && from.minor === 0)) {
    const parent = DirEntry2.inode.get(root, dirRecLen(1));
    c.entries.push({ ...dot, hash: 2, name: DOTDOT, ino: parent });
  }
}

function* fillFromBlock(dir: Ext4Inode, c: HashCursor, from: DirHash): Op<void> {
  const shape = dirShape(dir);
  const bh = yield* ext4ReadDirblock(dir, toLblk(0), 'leaf');
  try {
    const area = leafArea(bh, shape, 0);
    checkDots(area, shape, dir.ino);
    collect(dir, c, area, shape, dir.sb.defHashVersion, from);
  } finally {
    bh.put();
  }
}

function* fillFromInline(dir: Ext4Inode, c: HashCursor, from: DirHash): Op<void> {
  const shape = dirShape(dir);
  const version = dir.sb.defHashVersion;
  for (const [name, ino] of [
    [DOT, dir.ino],
    [DOTDOT, inlineParent(dir)],
  ] as const) {
    const h = dotHash(dir, version, name);
    const earlier = h.hash < from.hash || (h.hash === from.hash && h.minor < from.minor);
    if (!earlier) c.entries.push({ ...h, name, ino, fileType: EXT4_FT_DIR });
  }
  const { bh, areas } = yield* inlineAreas(dir);
  try {
    for (const area of areas) collect(dir, c, area, shape, version, from);
  } finally {
    bh.put();
  }
}

function dotHash(dir: Ext4Inode, version: number, name: Name): DirHash {
  const data = new Uint8Array(12);
  data[6] = name.length;
  data.fill(0x2e, 8, 8 + name.length);
  return entryHash(dir, version, { data, view: new DataView(data.buffer) }, 0);
}

/** Add the names of an area that do not come before `from`. @throws EUCLEAN */
function collect(
  dir: Ext4Inode,
  c: HashCursor,
  area: DirArea,
  shape: DirShape,
  version: number,
  from: DirHash,
): void {
  for (let at = area.start, next = at; at < area.end; at = next) {
    next = at + checkedRecLen(area, at, shape);
    const ino = DirEntry2.inode.get(area.view, at);
    if (ino === 0) continue;
    const { hash, minor } = entryHash(dir, version, area, at);
    if (hash < from.hash || (hash === from.hash && minor < from.minor)) continue;
    const name = shownName(dir, area, at, shape, { hash, minor });
    c.entries.push({ hash, minor, name, ino, fileType: area.data[at + 7]! });
  }
}

const NO_HASH: DirHash = { hash: 0, minor: 0 };

/**
 * Emit the names of an area from position `pos` on.
 * @param offset  position of `area.start`
 * @returns false: the reader has enough
 */
function emitArea(
  dir: Ext4Inode,
  area: DirArea,
  offset: number,
  endPos: number,
  shape: DirShape,
  ctx: DirContext,
): boolean {
  for (let at = area.start; at < area.end;) {
    const next = at + checkedRecLen(area, at, shape);
    const pos = offset + at - area.start;
    const after = next === area.end ? endPos : offset + next - area.start;
    // A position inside an entry that was merged away goes on with the following one.
    if (pos >= ctx.pos && isUsed(area, at)) {
      const name = shownName(dir, area, at, shape, NO_HASH);
      const ino = toIno(DirEntry2.inode.get(area.view, at));
      if (!ctx.emit(name, ino, DT[area.data[at + 7]!] ?? 0, after)) return false;
    }
    if (after > ctx.pos) ctx.pos = after;
    at = next;
  }
  return true;
}

function* iterateLinear(dir: Ext4Inode, ctx: DirContext): Op<void> {
  const shape = dirShape(dir);
  const { blockSize } = shape;
  while (ctx.pos < dir.size) {
    const lblk = toLblk(Math.floor(ctx.pos / blockSize));
    const offset = lblk * blockSize;
    const bh = yield* readDirblockOrHole(dir, lblk, 'any');
    if (!bh) {
      ctx.pos = Math.min(dir.size, (yield* ext4SkipHole(dir, lblk)) * blockSize);
      continue;
    }
    try {
      const area = linearArea(dir, bh, lblk, shape);
      if (!emitArea(dir, area, offset, offset + blockSize, shape, ctx)) return;
    } finally {
      bh.put();
    }
  }
}

/** Positions as if "." and ".." stood before the entries, as they do in a block. */
function* iterateInline(dir: Ext4Inode, ctx: DirContext): Op<void> {
  const shape = dirShape(dir);
  const dotdotAt = dirRecLen(1);
  const firstAt = dotdotAt + dirRecLen(2);
  if (ctx.pos === 0) {
    if (!ctx.emit(DOT, dir.ino, DT[EXT4_FT_DIR]!, dotdotAt)) return;
    ctx.pos = dotdotAt;
  }
  if (ctx.pos <= dotdotAt) {
    if (!ctx.emit(DOTDOT, toIno(inlineParent(dir)), DT[EXT4_FT_DIR]!, firstAt)) return;
    ctx.pos = firstAt;
  }
  const { bh, areas } = yield* inlineAreas(dir);
  try {
    let offset = firstAt;
    for (const area of areas) {
      const endPos = offset + (area.end - area.start);
      if (ctx.pos < endPos && !emitArea(dir, area, offset, endPos, shape, ctx)) return;
      offset = endPos;
    }
  } finally {
    bh.put();
  }
}

/** Positions are what earlier reads gave: hashes may lie past the size, and past any file's. */
function* llseek(file: File, offset: number, whence: number): Op<number> {
  const dir = file.inode as Ext4Inode;
  const end = isReadByHash(dir) ? EOF_POS : dir.size;
  const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.pos : end;
  const known = whence === SEEK_SET || whence === SEEK_CUR || whence === SEEK_END;
  const pos = base + offset;
  if (!known || pos < 0 || !Number.isSafeInteger(pos)) throw errno('EINVAL', { offset, whence });
  return pos;
}

export const ext4DirOperations: FileOperations = { iterate, llseek, fsync: ext4Fsync };
