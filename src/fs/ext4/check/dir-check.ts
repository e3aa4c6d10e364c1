/**
 * Pass 2: every entry of every directory.
 *
 * Blocks are read in the order of the file, in large pieces where they stand together. Of a
 * directory only its names' hashes (for duplicates) and its tree's outline are kept, and only
 * until the directory is done.
 */
import { nameFromBytes, nameToText } from '../../../base/name.ts';
import { ino as inoUnit, lblk as lblkUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { casefold, isUtf8 } from '../casefold.ts';
import { type RawBlock, dirLeafCsumOk, inodeCsumSeed, rawBlock } from '../checksum.ts';
import {
  DirEntry2,
  DirEntryTail,
  EXT4_FT_DIR,
  dirEntryHashOffset,
  dirRecLen,
  isDirEntryTail,
  recLenFromDisk,
} from '../disk/dirent.ts';
import { FSCRYPT_FNAME_MIN_MSG_LEN } from '../disk/encryption.ts';
import { EXT4_ROOT_INO, Inode } from '../disk/inode.ts';
import { EXT4_ENC_STRICT_MODE_FL, Superblock } from '../disk/superblock.ts';
import { type DirHash, dirHash } from '../hash.ts';
import { HtreeCheck } from './htree-check.ts';
import { readInodeRecord } from './inode-read.ts';
import { INODE_BAD, INODE_HIDDEN, INODE_TYPE, NumberList } from './maps.ts';
import { type CheckState, DIR_CASEFOLD, DIR_ENCRYPT, DIR_INDEXED, DIR_INLINE } from './state.ts';
import { checkIbodyXattrs } from './xattr-check.ts';

const MIN_ENTRY = dirRecLen(1);
const NAME = DirEntry2.$size;
const DOT = 0x2e;
const SLASH = 0x2f;
/** Names of one directory whose hashes are kept; beyond that only a block is looked at. */
const MOST_NAMES = 4_000_000;

/** The directory that is looked at. */
interface Subject {
  readonly index: number;
  readonly ino: number;
  readonly indexed: boolean;
  readonly casefold: boolean;
  readonly encrypt: boolean;
  /** A hash follows each name. */
  readonly hashed: boolean;
  readonly seed: number;
}

/** Entries [start, end) of a block or of an inode. */
interface Area extends RawBlock {
  readonly start: number;
  readonly end: number;
  readonly lblk: number;
  readonly pblk: number;
}

export class DirCheck {
  private readonly state: CheckState;
  private readonly buffer: RawBlock;
  private readonly htree: HtreeCheck;
  private readonly strict: boolean;
  private readonly names = new NumberList();
  private dir: Subject = {
    index: 0,
    ino: 0,
    indexed: false,
    casefold: false,
    encrypt: false,
    hashed: false,
    seed: 0,
  };

  constructor(state: CheckState) {
    const { vol } = state;
    this.state = state;
    this.buffer = vol.scratch;
    this.htree = new HtreeCheck(vol);
    const flags = Superblock.s_encoding_flags.get(vol.super.view, 0);
    this.strict = vol.has.casefold && (flags & EXT4_ENC_STRICT_MODE_FL) !== 0;
  }

  *check(): Op<void> {
    const { dirs, vol } = this.state;
    for (let index = 0; index < dirs.ino.length; index++) {
      this.begin(index);
      if ((dirs.flags.at(index) & DIR_INLINE) !== 0) yield* this.inline();
      else yield* this.blocks();
      if (this.dir.indexed) this.htree.finish();
      yield* this.duplicates();
      if ((index & 255) === 0) vol.report.progress(index);
    }
    vol.report.progress(dirs.ino.length);
  }

  private begin(index: number): void {
    const { dirs, vol } = this.state;
    const flags = dirs.flags.at(index);
    const ino = dirs.ino.at(index);
    const fold = (flags & DIR_CASEFOLD) !== 0;
    const encrypt = (flags & DIR_ENCRYPT) !== 0;
    const seed = vol.has.metadataCsum
      ? inodeCsumSeed(vol.facts.csumSeed, ino, dirs.generation.at(index))
      : 0;
    const indexed = (flags & DIR_INDEXED) !== 0 && (flags & DIR_INLINE) === 0 && vol.has.dirIndex;
    const hashed = fold && encrypt;
    this.dir = { index, ino, indexed, casefold: fold, encrypt, hashed, seed };
    this.names.clear();
    if (indexed) this.htree.begin(ino, dirs.blocks.at(index), seed, hashed);
  }

  private problem(code: string, text: string, area?: Area, path?: string): void {
    this.state.vol.report.report(code, `Directory ${this.dir.ino}: ${text}.`, {
      ino: inoUnit(this.dir.ino),
      ...(area && area.lblk >= 0 && { lblk: lblkUnit(area.lblk), pblk: pblkUnit(area.pblk) }),
      ...(path !== undefined && { path }),
    });
  }

  /** All blocks; `visit` instead of the ordinary check where given. */
  private *blocks(visit?: (area: Area) => void): Op<void> {
    const { dirs, vol } = this.state;
    const { index } = this.dir;
    const { blockSize } = vol.geo;
    const most = this.buffer.data.length / blockSize;
    const size = dirs.blocks.at(index);
    let next = 0;
    for (let r = dirs.firstRun.at(index); r < dirs.endRun(index); r++) {
      const lblk = dirs.runLblk.at(r);
      const start = dirs.runPblk.at(r);
      const len = Math.min(dirs.runLen.at(r), size - lblk);
      if (lblk > next && !visit) this.hole(next, lblk - next);
      next = Math.max(next, lblk + len);
      for (let done = 0; done < len; done += most) {
        const part = Math.min(most, len - done);
        yield* vol.readRun(start + done, part, this.buffer.data);
        for (let i = 0; i < part; i++) {
          const area = this.blockArea(i, lblk + done + i, start + done + i);
          if (visit) visit(area);
          else this.block(area);
        }
      }
    }
    if (next < size && !visit) this.hole(next, size - next);
  }

  private hole(lblk: number, count: number): void {
    const place = { ino: inoUnit(this.dir.ino), lblk: lblkUnit(lblk) };
    const last = lblk + count - 1;
    const text = `Directory ${this.dir.ino}: logical blocks ${lblk}..${last} are a hole.`;
    this.state.vol.report.report('directory-hole', text, place);
  }

  private blockArea(i: number, lblk: number, pblk: number): Area {
    const { blockSize } = this.state.vol.geo;
    const data = this.buffer.data.subarray(i * blockSize, (i + 1) * blockSize);
    const { view } = rawBlock(data);
    return { data, view, start: 0, end: blockSize, lblk, pblk };
  }

  private block(area: Area): void {
    const { vol } = this.state;
    if (this.dir.indexed && this.htree.isNode(area, area.lblk)) {
      this.htree.node(area, area.lblk, area.pblk);
      if (area.lblk === 0) this.rootEntries(area);
      return;
    }
    let end = area.end;
    if (vol.has.metadataCsum) {
      const tail = end - DirEntryTail.$size;
      if (!isDirEntryTail(area.view, tail)) {
        this.problem('directory-no-checksum', 'a block has no checksum', area);
      } else {
        end = tail;
        if (!dirLeafCsumOk(this.dir.seed, area)) {
          this.problem('directory-checksum', 'the checksum of a block is wrong', area);
        }
      }
    }
    const first = area.lblk === 0 ? this.dots(area, end) : 0;
    if (first >= 0) this.list({ ...area, start: first, end });
  }

  /** "." and "..", behind which the root of the tree hides. */
  private rootEntries(area: Area): void {
    this.dots(area, area.end);
  }

  /** The two entries that begin block 0. @returns where the third one is, -1 if nowhere */
  private dots(area: Area, end: number): number {
    const { view, data } = area;
    const { blockSize } = this.state.vol.geo;
    const dotLen = recLenFromDisk(DirEntry2.rec_len.get(view, 0), blockSize);
    const isDot = data[6] === 1 && data[NAME] === DOT;
    if (!isDot || dotLen < 12 || dotLen > 24 || dotLen % 4 !== 0) {
      this.problem('dot-missing', '"." is not its first entry', area, '.');
      return 0;
    }
    if (DirEntry2.inode.get(view, 0) !== this.dir.ino) {
      this.problem('dot-inode', '"." does not lead to itself', area, '.');
    }
    this.entryType(area, 0, this.dir.ino, '.');
    this.found(DirEntry2.inode.get(view, 0));
    const at = dotLen;
    const len = recLenFromDisk(DirEntry2.rec_len.get(view, at), blockSize);
    const isDotDot = data[at + 6] === 2 && data[at + NAME] === DOT && data[at + NAME + 1] === DOT;
    if (!isDotDot || len < 12 || at + len > end || len % 4 !== 0) {
      this.problem('dotdot-missing', '".." is not its second entry', area, '..');
      return at;
    }
    this.dotdot(DirEntry2.inode.get(view, at));
    this.entryType(area, at, DirEntry2.inode.get(view, at), '..');
    return at + len;
  }

  private dotdot(parent: number): void {
    this.state.dirs.dotdot.set(this.dir.index, parent);
    this.found(parent);
  }

  private found(ino: number): void {
    const { state } = this;
    if (!state.vol.validIno(ino)) return;
    state.inodes.found(ino);
    const many = state.overflowed.get(ino);
    if (many !== undefined) state.overflowed.set(ino, many + 1);
  }

  /** All entries of an area, which they must tile. */
  private list(area: Area): void {
    const { view, data, end } = area;
    const { blockSize } = this.state.vol.geo;
    let low = Infinity;
    let high = -1;
    for (let at = area.start; at < end;) {
      const len =
        at + MIN_ENTRY <= end ? recLenFromDisk(view.getUint16(at + 4, true), blockSize) : 0;
      const next = at + len;
      const nameLen = data[at + 6]!;
      const inode = view.getUint32(at, true);
      const fits = next === end || next + MIN_ENTRY <= end;
      const least = dirRecLen(nameLen, this.dir.hashed && inode !== 0);
      if (len < MIN_ENTRY || len % 4 !== 0 || !fits || (len < least && inode !== 0)) {
        const text = `the entry at byte ${at} has the length ${len}, its name ${nameLen}`;
        this.problem('entry-length', text, area);
        return;
      }
      if (inode !== 0) {
        this.entry(area, at, inode, nameLen);
        if (this.dir.indexed) {
          const hash = this.hashOf(area, at, nameLen);
          if (hash < low) low = hash;
          if (hash > high) high = hash;
        }
      }
      at = next;
    }
    if (this.dir.indexed) this.htree.leaf(area.lblk, area.pblk, low, high);
  }

  private entry(area: Area, at: number, inode: number, nameLen: number): void {
    const { vol, inodes } = this.state;
    if (!this.checkName(area, at, nameLen)) return;
    this.remember(area.data, at + NAME, nameLen);
    const type = inode <= vol.geo.inodesCount ? inodes.type(inode) : 0;
    const plain = inode >= vol.geo.firstIno && (type & (INODE_BAD | INODE_HIDDEN)) === 0;
    if (type === 0 || !plain) {
      this.oddEntry(area, at, inode, type);
      return;
    }
    this.entryType(area, at, inode, '');
    this.found(inode);
    if (type === EXT4_FT_DIR) this.subdirectory(area, at, inode);
  }

  /** An entry that leads where it should not. */
  private oddEntry(area: Area, at: number, inode: number, type: number): void {
    const { geo } = this.state.vol;
    const name = nameAt(area, at);
    if (inode === EXT4_ROOT_INO) {
      this.problem('entry-root', `"${name}" leads to the root`, area, name);
    } else if (inode > geo.inodesCount || inode < geo.firstIno) {
      const text = `"${name}" leads to inode ${inode}, which no name may have`;
      this.problem('entry-inode', text, area, name);
    } else if (type === 0 || (type & INODE_HIDDEN) !== 0) {
      const what = type === 0 ? 'is not in use' : 'has no names';
      const text = `"${name}" leads to inode ${inode}, which ${what}`;
      this.problem('entry-unused-inode', text, area, name);
    } else {
      this.found(inode); // Its mode is nonsense, which was said.
    }
  }

  private subdirectory(area: Area, at: number, inode: number): void {
    const { dirs } = this.state;
    const child = dirs.ino.find(inode);
    if (child < 0) return;
    const other = dirs.parent.at(child);
    if (other === 0) {
      dirs.parent.set(child, this.dir.ino);
      return;
    }
    const name = nameAt(area, at);
    const text = `"${name}" is a second name of directory ${inode}, which ${other} has`;
    this.problem('directory-linked-twice', text, area, name);
  }

  private entryType(area: Area, at: number, inode: number, name: string): void {
    const { vol, inodes } = this.state;
    const type = inodes.type(inode) & INODE_TYPE;
    const got = area.data[at + 7]!;
    const want = vol.has.filetype ? type : 0;
    // 0 means that nobody knows, which readers accept.
    if (got === want || got === 0 || (type === 0 && vol.has.filetype)) return;
    const text = `the entry of inode ${inode} says type ${got}, it is ${want}`;
    this.problem('entry-type', text, area, name === '' ? undefined : name);
  }

  /** @returns false if the entry is none */
  private checkName(area: Area, at: number, len: number): boolean {
    const { data } = area;
    const from = at + NAME;
    if (len === 0) {
      this.problem('entry-name', `the entry at byte ${at} has no name`, area);
      return false;
    }
    if (len <= 2 && data[from] === DOT && (len === 1 || data[from + 1] === DOT)) {
      this.problem('entry-name', '"." or ".." stands where no such entry may', area);
      return false;
    }
    if (this.dir.encrypt) {
      if (len < FSCRYPT_FNAME_MIN_MSG_LEN) {
        this.problem('entry-name', `an encrypted name has ${len} bytes`, area);
      }
      return true;
    }
    for (let i = from; i < from + len; i++) {
      const byte = data[i];
      if (byte !== 0 && byte !== SLASH) continue;
      this.problem('entry-name', `a name has the byte ${byte} in it`, area);
      return true;
    }
    if (this.dir.casefold && this.strict && !isUtf8(data.slice(from, from + len))) {
      this.problem('entry-name', 'a name is not UTF-8, which is demanded', area);
    }
    return true;
  }

  private hashOf(area: Area, at: number, len: number): number {
    if (this.dir.hashed) return area.view.getUint32(at + dirEntryHashOffset(len), true);
    const { hashSeed } = this.state.vol.facts;
    const version = this.htree.hashVersion;
    if (version < 0) return 0;
    let hash: DirHash;
    const from = at + NAME;
    if (this.dir.casefold) {
      const bytes = area.data.slice(from, from + len);
      hash = dirHash(version, hashSeed, casefold(bytes) ?? bytes);
    } else {
      hash = dirHash(version, hashSeed, area.data, from, from + len);
    }
    return hash.hash;
  }

  /** Keep a hash of the name as the directory compares it. */
  private remember(data: Uint8Array, from: number, len: number): void {
    if (this.names.length >= MOST_NAMES) return;
    if (this.dir.casefold && !this.dir.encrypt) {
      const bytes = data.slice(from, from + len);
      const folded = casefold(bytes) ?? bytes;
      this.names.push(fnv(folded, 0, folded.length));
    } else {
      this.names.push(fnv(data, from, len));
    }
  }

  /** Two equal hashes are looked at again by name. */
  private *duplicates(): Op<void> {
    const { names } = this;
    if (names.length < 2) return;
    const sorted = names.sorted();
    const twice = new Set<number>();
    for (let i = 1; i < sorted.length; i++) {
      if (sorted[i] === sorted[i - 1]) twice.add(sorted[i]!);
    }
    if (twice.size === 0) return;
    const seen = new Set<string>();
    const visit = (area: Area): void => {
      this.again(area, twice, seen);
    };
    if ((this.state.dirs.flags.at(this.dir.index) & DIR_INLINE) !== 0) yield* this.inline(visit);
    else yield* this.blocks(visit);
  }

  private again(area: Area, twice: Set<number>, seen: Set<string>): void {
    const { view, data } = area;
    const { blockSize } = this.state.vol.geo;
    for (let at = area.start; at + MIN_ENTRY <= area.end;) {
      const len = recLenFromDisk(view.getUint16(at + 4, true), blockSize);
      const nameLen = data[at + 6]!;
      if (len < MIN_ENTRY || at + len > area.end) return;
      if (view.getUint32(at, true) !== 0 && at + NAME + nameLen <= area.end) {
        const bytes = data.slice(at + NAME, at + NAME + nameLen);
        const fold = this.dir.casefold && !this.dir.encrypt;
        const key = fold ? (casefold(bytes) ?? bytes) : bytes;
        const dots = nameLen <= 2 && data[at + NAME] === DOT;
        if (!dots && twice.has(fnv(key, 0, key.length))) {
          const name = nameFromBytes(key);
          const text = nameToText(name);
          if (seen.has(name)) this.problem('entry-twice', `"${text}" stands twice`, area, text);
          seen.add(name);
        }
      }
      at += len;
    }
  }

  /** A directory inside its inode: its parent, and two areas of entries. */
  private *inline(visit?: (area: Area) => void): Op<void> {
    const { vol } = this.state;
    const record = yield* readInodeRecord(vol, this.dir.ino);
    if (!record) return;
    const { data, view } = record;
    const from = Inode.i_block.offset;
    const areas: Area[] = [
      { data, view, start: from + 4, end: from + Inode.i_block.size, lblk: -1, pblk: -1 },
    ];
    const silent = vol.report.muted(() =>
      checkIbodyXattrs(this.state, view, data, 0, this.dir.ino),
    );
    if (silent.dataAt > 0 && silent.dataSize > 0) {
      const start = silent.dataAt;
      areas.push({ data, view, start, end: start + silent.dataSize, lblk: -1, pblk: -1 });
    }
    if (!visit) {
      this.found(this.dir.ino);
      this.dotdot(view.getUint32(from, true));
    }
    for (const area of areas) {
      if (visit) visit(area);
      else this.list(area);
    }
  }
}

/** The name of the entry at `at`, for people. */
const nameAt = ({ data }: Area, at: number): string =>
  nameToText(nameFromBytes(data, at + NAME, at + NAME + data[at + 6]!));

/** FNV-1a over 32 bits. @source http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv(data: Uint8Array, from: number, len: number): number {
  let hash = 0x811c_9dc5 | 0;
  for (let i = from; i < from + len; i++) hash = Math.imul(hash ^ data[i]!, 0x0100_0193);
  return hash >>> 0;
}
