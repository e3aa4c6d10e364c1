/**
 * Pass 1: every inode in use: its record, its attributes, its blocks.
 *
 * Nearly every inode is done without I/O of its own, straight from the table's buffer; `visit`
 * returns an operation only where blocks outside of the table have to be read.
 */
import { crc32c } from '../../../base/checksum.ts';
import { ino as inoUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { type RawBlock, inodeCsumSeed } from '../checksum.ts';
import { fileTypeOfMode, EXT4_FT_DIR, EXT4_FT_REG_FILE, EXT4_FT_SYMLINK } from '../disk/dirent.ts';
import {
  EXT4_BAD_INO,
  EXT4_CASEFOLD_FL,
  EXT4_EA_INODE_FL,
  EXT4_ENCRYPT_FL,
  EXT4_EXTENTS_FL,
  EXT4_GOOD_OLD_INODE_SIZE,
  EXT4_HUGE_FILE_FL,
  EXT4_INDEX_FL,
  EXT4_INLINE_DATA_FL,
  EXT4_RESIZE_INO,
  EXT4_ROOT_INO,
  EXT4_VERITY_FL,
  Inode,
  fitsInInode,
  iBlocksRaw,
  iFileAcl,
  iSize,
} from '../disk/inode.ts';
import { eaInodeRef } from '../disk/xattr.ts';
import { Superblock } from '../disk/superblock.ts';
import { checkExtentRoot } from './extent-tree.ts';
import { FileMap } from './file-map.ts';
import { checkIndirectMap } from './indirect-map.ts';
import { INODE_BAD, INODE_HIDDEN } from './maps.ts';
import type { QuotaUsage } from './quota-check.ts';
import { type CheckState, DIR_CASEFOLD, DIR_ENCRYPT, DIR_INDEXED, DIR_INLINE } from './state.ts';
import { checkDevice, checkFastSymlink, checkSlowSymlink } from './special-files.ts';
import {
  type XattrFacts,
  checkEaValues,
  checkIbodyXattrs,
  checkXattrBlock,
} from './xattr-check.ts';

const I_BLOCK = Inode.i_block.offset;

/** Flags that need a feature. */
const FLAG_FEATURES = [
  [EXT4_EXTENTS_FL, 'extents', 'extents'],
  [EXT4_INLINE_DATA_FL, 'inlineData', 'inline_data'],
  [EXT4_HUGE_FILE_FL, 'hugeFile', 'huge_file'],
  [EXT4_CASEFOLD_FL, 'casefold', 'casefold'],
  [EXT4_VERITY_FL, 'verity', 'verity'],
  [EXT4_EA_INODE_FL, 'eaInode', 'ea_inode'],
] as const;

/** What the rest of a check needs to know of the inode, since the buffer may not be kept. */
interface Subject {
  readonly ino: number;
  readonly raw: RawBlock;
  readonly at: number;
  readonly type: number;
  readonly flags: number;
  readonly size: number;
  readonly acl: number;
  readonly xattrs: XattrFacts | null;
}

export class InodeCheck {
  private readonly state: CheckState;
  private readonly map: FileMap;
  private readonly quota: QuotaUsage | null;
  /** Inodes that the super block names: they have no name in a directory. */
  private readonly named = new Set<number>();
  /** Flags that a directory, and that anything else, may not have here. */
  private readonly notDir: number;
  private readonly notFile: number;
  /** 0 for each i_extra_isize that is possible. */
  private readonly extraSizes: Uint8Array;
  private readonly hasExtra: boolean;
  private readonly hugeFile: boolean;
  private readonly wide: boolean;
  private readonly collect = (lblk: number, pblk: number, len: number): void => {
    this.state.dirs.addRun(lblk, pblk, len);
  };

  constructor(state: CheckState, quota: QuotaUsage | null) {
    this.state = state;
    this.quota = quota;
    this.map = new FileMap(state.vol, state);
    const { has, geo } = state.vol;
    let missing = 0;
    for (const [flag, feature] of FLAG_FEATURES) if (!has[feature]) missing |= flag;
    this.notDir = missing | (has.dirIndex ? 0 : EXT4_INDEX_FL);
    this.notFile = missing | EXT4_CASEFOLD_FL | EXT4_INDEX_FL;
    this.hugeFile = has.hugeFile;
    this.wide = has.is64bit;
    this.hasExtra = geo.inodeSize > EXT4_GOOD_OLD_INODE_SIZE;
    this.extraSizes = possibleExtraSizes(geo.inodeSize);
    const { view } = state.vol.super;
    for (const [field, feature] of [
      ['s_journal_inum', 'has_journal'],
      ['s_usr_quota_inum', 'quota'],
      ['s_grp_quota_inum', 'quota'],
      ['s_prj_quota_inum', 'quota'],
      ['s_orphan_file_inum', 'orphan_file'],
    ] as const) {
      const ino = Superblock[field].get(view, 0);
      if (ino !== 0 && state.vol.feature(feature)) this.named.add(ino);
    }
  }

  private problem(ino: number, code: string, text: string, field?: string): void {
    const place = { ino: inoUnit(ino), ...(field !== undefined && { field }) };
    this.state.vol.report.report(code, `Inode ${ino}: ${text}.`, place);
  }

  /** @returns what is left to do, or null */
  visit(ino: number, raw: RawBlock, at: number): Op<void> | null {
    const { view } = raw;
    const links = Inode.i_links_count.get(view, at);
    const mode = Inode.i_mode.get(view, at);
    const reserved = ino < this.state.vol.geo.firstIno && ino !== EXT4_ROOT_INO;
    const orphan = links === 0 && this.state.orphans.has(ino);
    if (links === 0 && !reserved && !orphan) {
      this.checkFree(ino, raw, at, mode);
      return null;
    }
    if (isEmpty(raw, at, this.state.vol.geo.inodeSize)) {
      this.use(ino, 0, 0);
      return null;
    }
    this.checkCsum(ino, raw, at);
    if (ino === EXT4_ROOT_INO && fileTypeOfMode(mode) !== EXT4_FT_DIR) {
      this.problem(ino, 'root-not-directory', 'the root is not a directory', 'i_mode');
    }
    const dtime = Inode.i_dtime.get(view, at);
    // Reserved inodes keep strange times; a small one is a number of the orphan list.
    const deleted = reserved ? dtime < this.state.vol.geo.inodesCount : true;
    if (dtime !== 0 && deleted && !this.state.orphans.has(ino)) {
      this.problem(ino, 'inode-dtime', 'it is in use, but has a time of deletion', 'i_dtime');
    }
    return this.checkUsed(ino, raw, at, mode, reserved, orphan);
  }

  private use(ino: number, type: number, links: number): void {
    const hidden = links === 0 ? INODE_HIDDEN : 0;
    this.state.inodes.add(ino, type | hidden, links);
    this.state.usedInodes++;
  }

  private checkFree(ino: number, raw: RawBlock, at: number, mode: number): void {
    if (mode === 0 && isEmpty(raw, at, this.state.vol.geo.inodeSize)) return;
    this.checkCsum(ino, raw, at);
    if (mode !== 0 && Inode.i_dtime.get(raw.view, at) === 0) {
      const text = 'it has no names, but no time of deletion either';
      this.problem(ino, 'inode-deleted-without-time', text, 'i_dtime');
    }
  }

  private checkCsum(ino: number, raw: RawBlock, at: number): void {
    const { vol } = this.state;
    if (!vol.has.metadataCsum) return;
    const generation = Inode.i_generation.get(raw.view, at);
    const seed = inodeCsumSeed(vol.facts.csumSeed, ino, generation);
    if (recordCsumOk(seed, raw, at, vol.geo.inodeSize)) return;
    this.problem(ino, 'inode-checksum', 'its checksum is wrong', 'l_i_checksum_lo');
  }

  private checkUsed(
    ino: number,
    raw: RawBlock,
    at: number,
    mode: number,
    reserved: boolean,
    orphan: boolean,
  ): Op<void> | null {
    const { view } = raw;
    const { vol } = this.state;
    const flags = Inode.i_flags.get(view, at);
    const links = Inode.i_links_count.get(view, at);
    const type = fileTypeOfMode(mode);
    const isEa = (flags & EXT4_EA_INODE_FL) !== 0 && vol.has.eaInode;
    const hidden = reserved || orphan || isEa || this.named.has(ino);
    this.use(ino, type === 0 && !reserved ? INODE_BAD : type, hidden ? 0 : links);
    if (isEa) this.addEaInode(ino, view, at);
    if (type === 0 && !(reserved && mode === 0)) {
      this.problem(ino, 'inode-mode', `0${mode.toString(8)} is no type of file`, 'i_mode');
    }
    this.checkFields(ino, view, at, flags, type);
    const xattrs = this.ibody(ino, raw, at);
    const size = iSize(view, at);
    const acl = iFileAcl(view, at, vol.has.is64bit);
    if (type === EXT4_FT_REG_FILE && size >= 2 ** 31) this.state.largeFiles++;
    if (type === EXT4_FT_DIR) this.addDirectory(ino, view, at, flags, size, links);
    else if (type === EXT4_FT_REG_FILE) this.state.files++;
    return this.checkBlocks({ ino, raw, at, type, flags, size, acl, xattrs });
  }

  private addEaInode(ino: number, view: DataView, at: number): void {
    const met = this.state.eaInodes.get(ino) ?? 0;
    this.state.eaInodes.set(ino, met + eaInodeRef(view, at));
  }

  private addDirectory(
    ino: number,
    view: DataView,
    at: number,
    flags: number,
    size: number,
    links: number,
  ): void {
    const { state } = this;
    const { geo } = state.vol;
    state.dirsInGroup[Math.floor((ino - 1) / geo.inodesPerGroup)]!++;
    if (links === 1) state.overflowed.set(ino, 0);
    const kind =
      ((flags & EXT4_INDEX_FL) !== 0 ? DIR_INDEXED : 0) |
      ((flags & EXT4_CASEFOLD_FL) !== 0 ? DIR_CASEFOLD : 0) |
      ((flags & EXT4_ENCRYPT_FL) !== 0 ? DIR_ENCRYPT : 0) |
      ((flags & EXT4_INLINE_DATA_FL) !== 0 ? DIR_INLINE : 0);
    const blocks = Math.min(Math.floor(size / geo.blockSize), 2 ** 32 - 1);
    state.dirs.begin(ino, kind, Inode.i_generation.get(view, at), blocks);
  }

  /** Fields of the record by themselves: one question for the many that are right. */
  private checkFields(
    ino: number,
    view: DataView,
    at: number,
    flags: number,
    type: number,
  ): void {
    const wrongFlags = type === EXT4_FT_DIR ? this.notDir : this.notFile;
    const odd =
      Inode.i_obso_faddr.get(view, at) |
      (this.hasExtra ? (this.extraSizes[Inode.i_extra_isize.get(view, at)] ?? 1) : 0) |
      (this.hugeFile ? 0 : Inode.l_i_blocks_high.get(view, at)) |
      (this.wide ? 0 : Inode.l_i_file_acl_high.get(view, at));
    if (odd !== 0 || (flags & wrongFlags) !== 0) this.explain(ino, view, at, flags, type);
  }

  /** Which of its fields is wrong. */
  private explain(ino: number, view: DataView, at: number, flags: number, type: number): void {
    const { vol } = this.state;
    const bad = (field: string, text: string): void => {
      this.problem(ino, 'inode-field', text, field);
    };
    if (Inode.i_obso_faddr.get(view, at) !== 0) bad('i_obso_faddr', 'it has a fragment address');
    const extra = this.hasExtra ? Inode.i_extra_isize.get(view, at) : 0;
    if (this.extraSizes[extra] !== 0) {
      const most = vol.geo.inodeSize - 128;
      bad('i_extra_isize', `i_extra_isize is ${extra}, not a multiple of 4 in 4..${most}`);
    }
    for (const [flag, feature, name] of FLAG_FEATURES) {
      if ((flags & flag) === 0 || vol.has[feature]) continue;
      bad('i_flags', `it has the flag ${name}, which the file system does not`);
    }
    if ((flags & EXT4_CASEFOLD_FL) !== 0 && type !== EXT4_FT_DIR) {
      bad('i_flags', 'only a directory may have the flag casefold');
    }
    if ((flags & EXT4_INDEX_FL) !== 0 && (type !== EXT4_FT_DIR || !vol.has.dirIndex)) {
      bad('i_flags', 'it has the flag of an indexed directory');
    }
    if (!this.hugeFile && Inode.l_i_blocks_high.get(view, at) !== 0) {
      bad('l_i_blocks_high', 'its count of blocks has a high half without huge_file');
    }
    if (!this.wide && Inode.l_i_file_acl_high.get(view, at) !== 0) {
      bad('l_i_file_acl_high', 'its attribute block has a high half without 64bit');
    }
  }

  private ibody(ino: number, { data, view }: RawBlock, at: number): XattrFacts | null {
    const { inodeSize } = this.state.vol.geo;
    if (inodeSize <= 128) return null;
    const extra = Inode.i_extra_isize.get(view, at);
    if (extra > inodeSize - 128) return null;
    return checkIbodyXattrs(this.state, view, data, at, ino);
  }

  /** The content: where its blocks are, and whether they agree with size and count. */
  private checkBlocks(subject: Subject): Op<void> | null {
    const { ino, raw, at, type, flags, acl, xattrs } = subject;
    const { map } = this;
    map.begin(ino, type === EXT4_FT_DIR, ino === EXT4_RESIZE_INO);
    map.onRun = type === EXT4_FT_DIR ? this.collect : null;
    if ((flags & EXT4_INLINE_DATA_FL) !== 0) {
      this.checkInline(subject);
    } else if (type !== EXT4_FT_REG_FILE && type !== EXT4_FT_DIR && type !== 0) {
      if (type !== EXT4_FT_SYMLINK) {
        if (!checkDevice(raw.view, at, flags)) {
          this.problem(ino, 'device-inode', 'a device, fifo or socket has blocks', 'i_block');
        }
      } else if (isFastSymlink(flags, subject.size)) {
        if (!checkFastSymlink(raw, at, flags, subject.size)) {
          this.problem(ino, 'symlink', 'the target does not end at its size', 'i_size_lo');
        }
      } else {
        return this.finishSlowly(subject, this.walk(subject));
      }
    } else if (type !== 0 || ino === EXT4_BAD_INO) {
      const more = this.walk(subject);
      if (more) return this.finishSlowly(subject, more);
    }
    if (acl !== 0 || (xattrs?.values.length ?? 0) > 0) return this.finishSlowly(subject, null);
    this.finish(subject, 0, null);
    return null;
  }

  private walk({ raw, at, flags }: Subject): Op<void> | null {
    const { map } = this;
    return (flags & EXT4_EXTENTS_FL) !== 0
      ? checkExtentRoot(map, raw.view, at + I_BLOCK, Inode.i_generation.get(raw.view, at))
      : checkIndirectMap(map, raw.view, at + I_BLOCK);
  }

  private checkInline({ ino, size, type, xattrs }: Subject): void {
    if (!xattrs || xattrs.dataAt < 0) {
      this.problem(ino, 'inline-data', 'inline data without the attribute that holds it');
      return;
    }
    const room = 60 + xattrs.dataSize;
    const wrong = type === EXT4_FT_DIR ? size !== room : size > room;
    if (!wrong) return;
    this.problem(ino, 'inode-size', `its size is ${size}, its inline data ${room}`, 'i_size_lo');
  }

  private *finishSlowly(subject: Subject, walk: Op<void> | null): Op<void> {
    if (walk) yield* walk;
    const { ino, raw, at, acl, type, flags } = subject;
    const { state, map } = this;
    if (type === EXT4_FT_SYMLINK && !isFastSymlink(flags, subject.size) && !map.broken) {
      const good = yield* checkSlowSymlink(state.vol, map, raw, at, subject.size, flags);
      if (!good && (flags & EXT4_INLINE_DATA_FL) === 0) {
        this.problem(ino, 'symlink', 'the target does not end at its size', 'i_size_lo');
      }
    }
    let block: XattrFacts | null = null;
    if (acl !== 0) block = yield* checkXattrBlock(state, ino, acl);
    for (const facts of [subject.xattrs, block]) {
      if (facts && facts.values.length > 0) yield* checkEaValues(state, ino, facts.values);
    }
    this.finish(subject, acl !== 0 && block ? 1 : 0, block);
  }

  /** Size, i_blocks, and what depends on all attributes. */
  private finish(subject: Subject, extraClusters: number, block: XattrFacts | null): void {
    const { ino, raw, at, type, flags, size, xattrs } = subject;
    const { vol } = this.state;
    const { map } = this;
    const { blockSize } = vol.geo;
    if ((flags & EXT4_ENCRYPT_FL) !== 0 && !(xattrs?.hasContext || block?.hasContext)) {
      this.problem(ino, 'encryption-context', 'it is encrypted, but no attribute says how');
    }
    if (!map.broken) this.checkSize(ino, type, flags, size);
    const values = [...(xattrs?.values ?? []), ...(block?.values ?? [])];
    // Values in inodes of their own are accounted to the inode whose attributes they are.
    const clusterSize = vol.clusterRatio * blockSize;
    let clusters = map.clusters + extraClusters;
    for (const value of values) clusters += Math.ceil(value.size / clusterSize);
    const space = clusters * clusterSize;
    if (!map.broken) {
      const huge = vol.has.hugeFile && (flags & EXT4_HUGE_FILE_FL) !== 0;
      const want = space / (huge ? blockSize : 512);
      const got = iBlocksRaw(raw.view, at, vol.has.hugeFile);
      if (got !== want) {
        this.problem(ino, 'inode-blocks', `i_blocks is ${got}, counted ${want}`, 'i_blocks_lo');
      }
    }
    const ordinary = ino === EXT4_ROOT_INO || (ino >= vol.geo.firstIno && !this.named.has(ino));
    if (this.quota && ordinary && (flags & EXT4_EA_INODE_FL) === 0) {
      this.quota.add(raw.view, at, vol.geo.inodeSize, space, values);
    }
  }

  private checkSize(ino: number, type: number, flags: number, size: number): void {
    const { vol } = this.state;
    const { map } = this;
    const { blockSize, blockBits } = vol.geo;
    const bad = (text: string): void => {
      this.problem(ino, 'inode-size', text, 'i_size_lo');
    };
    if ((flags & EXT4_INLINE_DATA_FL) !== 0) return;
    const blocks = map.lastBlock + 1;
    if (type === EXT4_FT_DIR) {
      const spare = Superblock.s_prealloc_dir_blocks.get(vol.super.view, 0);
      const have = size / blockSize;
      if (blocks === 0) this.problem(ino, 'directory-empty', 'the directory has no blocks');
      else if (have !== Math.floor(have) || have > blocks || blocks - have > spare) {
        bad(`the size of the directory is ${size}, its blocks make ${blocks * blockSize}`);
      }
      return;
    }
    if (type === EXT4_FT_SYMLINK) return;
    if (type !== EXT4_FT_REG_FILE && type !== 0) {
      if (size !== 0) bad(`it has no content, but the size ${size}`);
      return;
    }
    const past = map.lastInit >= 0 && size < map.lastInit * blockSize;
    if (past && (flags & EXT4_VERITY_FL) === 0) {
      bad(`its size is ${size}, but it has data in logical block ${map.lastInit}`);
    }
    const most = (flags & EXT4_EXTENTS_FL) !== 0 ? 2 ** (32 + blockBits) : longest(blockSize);
    if (size >= most) bad(`its size is ${size}, more than its map can hold`);
  }
}

/** @returns a 0 where a number may be the i_extra_isize of such a record, else 1 */
function possibleExtraSizes(inodeSize: number): Uint8Array {
  const room = inodeSize - EXT4_GOOD_OLD_INODE_SIZE;
  const sizes = new Uint8Array(room + 1).fill(1);
  for (let n = 0; n <= room; n += 4) sizes[n] = 0;
  return sizes;
}

/** Bytes that an indirect map can hold. */
function longest(blockSize: number): number {
  const n = blockSize / 4;
  return Math.min(12 + n + n ** 2 + n ** 3, 2 ** 32) * blockSize + 1;
}

const isFastSymlink = (flags: number, size: number): boolean =>
  (flags & EXT4_EXTENTS_FL) === 0 && size < 60;

/**
 * inodeCsumOk() in one go: the buffer is the checker's own, so that the checksum's places may be
 * made zero meanwhile.
 */
function recordCsumOk(seed: number, { data, view }: RawBlock, at: number, size: number): boolean {
  const { l_i_checksum_lo: lo, i_checksum_hi: hi } = Inode;
  const extra = size > EXT4_GOOD_OLD_INODE_SIZE ? Inode.i_extra_isize.get(view, at) : 0;
  const wide = fitsInInode(hi, extra);
  const low = lo.get(view, at);
  const high = wide ? hi.get(view, at) : 0;
  lo.set(view, at, 0);
  if (wide) hi.set(view, at, 0);
  const crc = crc32c(seed, data, at, at + size);
  lo.set(view, at, low);
  if (wide) hi.set(view, at, high);
  return (crc & 0xffff) === low && (!wide || crc >>> 16 === high);
}

/** Are all bytes of the record zero? */
function isEmpty({ view }: RawBlock, at: number, size: number): boolean {
  for (let i = 0; i < size; i += 4) if (view.getUint32(at + i) !== 0) return false;
  return true;
}
