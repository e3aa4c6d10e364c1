/**
 * Where the records of an image stand, found by a walk of its own over the plain bytes, and how the
 * checksum over each is made right again, so that what is checked behind it is reached.
 */
import { S_IFDIR, S_IFMT } from '../../src/base/mode.ts';
import type { StructInfo } from '../../src/base/struct.ts';
import {
  csumSeedOf,
  groupDescCrc16,
  groupDescCsum,
  inodeCsumSeed,
  rawBlock,
  setDirLeafCsum,
  setDxCsum,
  setExtentBlockCsum,
  setInodeCsum,
  setMmpCsum,
  setOrphanBlockCsum,
  setSuperblockCsum,
  setXattrBlockCsum,
} from '../../src/fs/ext4/checksum.ts';
import { DirEntry2, DirEntryTail, isDirEntryTail } from '../../src/fs/ext4/disk/dirent.ts';
import { FscryptContextV1 } from '../../src/fs/ext4/disk/encryption.ts';
import {
  Extent,
  ExtentHeader,
  ExtentIdx,
  extentLength,
  extentStart,
  ExtentTail,
  extentTailOffset,
  idxLeaf,
} from '../../src/fs/ext4/disk/extent.ts';
import { bgInodeTable, GroupDesc } from '../../src/fs/ext4/disk/group-desc.ts';
import {
  DX_NODE_ENTRIES_OFFSET,
  DX_ROOT_ENTRIES_OFFSET,
  DX_ROOT_INFO_OFFSET,
  dxBlock,
  DxCountlimit,
  DxEntry,
  DxRootInfo,
  DxTail,
} from '../../src/fs/ext4/disk/htree.ts';
import {
  EXT4_EXTENTS_FL,
  EXT4_INDEX_FL,
  EXT4_INLINE_DATA_FL,
  EXT4_VERITY_FL,
  iFileAcl,
  Inode,
  iSize,
} from '../../src/fs/ext4/disk/inode.ts';
import { Mmp } from '../../src/fs/ext4/disk/mmp.ts';
import { OrphanBlockTail, orphanTailOffset } from '../../src/fs/ext4/disk/orphan.ts';
import { AclEntry, AclHeader } from '../../src/fs/ext4/disk/posix-acl.ts';
import { DqHeader, DqInfo } from '../../src/fs/ext4/disk/quota.ts';
import { Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { FsverityDescriptor } from '../../src/fs/ext4/disk/verity.ts';
import {
  EXT4_XATTR_INDEX_ENCRYPTION,
  EXT4_XATTR_INDEX_POSIX_ACL_ACCESS,
  EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT,
  EXT4_XATTR_MAGIC,
  isLastXattrEntry,
  XattrEntry,
  xattrEntryLen,
  XattrHeader,
  XattrIbodyHeader,
} from '../../src/fs/ext4/disk/xattr.ts';
import { JournalSuperblock } from '../../src/jbd2/disk.ts';
import { setJournalSuperblockCsum } from '../../src/jbd2/checksum.ts';

/** A record at a byte offset of the image. */
export interface Place {
  readonly record: StructInfo;
  readonly at: number;
  /** What it belongs to, for the reader of a failure. */
  readonly of: string;
  /** Make the checksum over it right again. */
  readonly fix: (image: Uint8Array) => void;
}

type Fix = Place['fix'];
const SUPER = 1024;
/** Records of one kind in one block that are looked at: the first ones and the last. */
const MANY = 3;
const nothing: Fix = () => undefined;

const some = <T>(all: readonly T[]): T[] => [...all.slice(0, MANY), ...all.slice(MANY).slice(-1)];

export class Records {
  readonly places: Place[] = [];
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly blockSize: number;
  private readonly inodeSize: number;
  private readonly descSize: number;
  private readonly csum: boolean;
  private readonly seed: number;
  private readonly gdtAt: number;

  constructor(image: Uint8Array) {
    this.bytes = image;
    this.view = new DataView(image.buffer, image.byteOffset, image.length);
    const v = this.view;
    this.blockSize = 1024 << Superblock.s_log_block_size.get(v, SUPER);
    this.inodeSize = Superblock.s_rev_level.get(v, SUPER)
      ? Superblock.s_inode_size.get(v, SUPER)
      : 128;
    const wide = (Superblock.s_feature_incompat.get(v, SUPER) & 0x80) !== 0;
    this.descSize = wide ? Superblock.s_desc_size.get(v, SUPER) : 32;
    this.csum = (Superblock.s_feature_ro_compat.get(v, SUPER) & 0x400) !== 0;
    this.seed = csumSeedOf(v, SUPER);
    this.gdtAt = (Superblock.s_first_data_block.get(v, SUPER) + 1) * this.blockSize;
    this.add(
      Superblock,
      SUPER,
      'the super block',
      this.checked((i) => {
        setSuperblockCsum(rawBlock(i), SUPER);
      }),
    );
    this.groups();
    this.inodes();
    this.mmp();
  }

  private add(record: StructInfo, at: number, of: string, fix: Fix): void {
    if (at >= 0 && at + record.$size <= this.bytes.length)
      this.places.push({ record, at, of, fix });
  }
  private checked(fix: Fix): Fix {
    return this.csum ? fix : nothing;
  }
  /** A fix that is given the bytes of one block. */
  private inBlock(pblk: number, fix: (b: ReturnType<typeof rawBlock>) => void): Fix {
    const from = pblk * this.blockSize;
    return this.checked((image) => {
      fix(rawBlock(image.subarray(from, from + this.blockSize)));
    });
  }

  private groups(): void {
    const v = this.view;
    const blocks = Superblock.s_blocks_count_lo.get(v, SUPER);
    const groups = Math.ceil(blocks / Superblock.s_blocks_per_group.get(v, SUPER));
    const uuid = Superblock.s_uuid.get(v, SUPER).slice();
    const crc16 = (Superblock.s_feature_ro_compat.get(v, SUPER) & 0x10) !== 0;
    for (let g = 0; g < Math.min(groups, 2); g++) {
      const at = this.gdtAt + g * this.descSize;
      const record = {
        ...GroupDesc,
        $fields: GroupDesc.$fields.filter((f) => f.offset < this.descSize),
      };
      this.add(record, at, `group ${String(g)}`, (image) => {
        const b = rawBlock(image);
        if (this.csum) {
          GroupDesc.bg_checksum.set(b.view, at, groupDescCsum(this.seed, g, b, at, this.descSize));
        } else if (crc16) {
          GroupDesc.bg_checksum.set(b.view, at, groupDescCrc16(uuid, g, b, at, this.descSize));
        }
      });
    }
  }

  private inodes(): void {
    const v = this.view;
    const perGroup = Superblock.s_inodes_per_group.get(v, SUPER);
    const table = bgInodeTable.get(v, this.gdtAt, this.descSize) * this.blockSize;
    for (let nr = 1; nr <= Math.min(perGroup, 40); nr++) {
      const at = table + (nr - 1) * this.inodeSize;
      if (at + this.inodeSize > this.bytes.length) return;
      if (
        Inode.i_mode.get(v, at) !== 0 &&
        (nr === 2 || nr === 8 || Inode.i_links_count.get(v, at) > 0)
      ) {
        this.inode(nr, at);
      }
    }
  }

  private inode(nr: number, at: number): void {
    const v = this.view;
    const of = `inode ${String(nr)}`;
    const fix = this.checked((image) => {
      const b = rawBlock(image);
      const generation = Inode.i_generation.get(b.view, at);
      setInodeCsum(inodeCsumSeed(this.seed, nr, generation), b, at, this.inodeSize);
    });
    const fields = Inode.$fields.filter((f) => f.offset + f.size <= this.inodeSize);
    this.add({ ...Inode, $fields: fields }, at, of, fix);
    const seed = inodeCsumSeed(this.seed, nr, Inode.i_generation.get(v, at));
    const flags = Inode.i_flags.get(v, at);
    const iBlock = at + Inode.i_block.offset;
    const isDir = (Inode.i_mode.get(v, at) & S_IFMT) === S_IFDIR;
    if (flags & EXT4_INLINE_DATA_FL) {
      if (isDir) this.entries(iBlock + 4, iBlock + 60, of, fix);
    } else {
      const blocks: number[] = [];
      if (flags & EXT4_EXTENTS_FL) this.extentNode(iBlock, 60, of, fix, seed, blocks, 0);
      else for (let i = 0; i < 12; i++) blocks.push(v.getUint32(iBlock + i * 4, true));
      this.content(nr, at, isDir, flags, blocks, seed, of);
    }
    this.attributes(at, of, fix);
  }

  private extentNode(
    at: number,
    size: number,
    of: string,
    fix: Fix,
    seed: number,
    blocks: number[],
    level: number,
  ): void {
    const v = this.view;
    if (ExtentHeader.eh_magic.get(v, at) !== 0xf30a || level > 5) return;
    this.add(ExtentHeader, at, of, fix);
    const count = Math.min(ExtentHeader.eh_entries.get(v, at), Math.floor(size / 12));
    const depth = ExtentHeader.eh_depth.get(v, at);
    const ats = Array.from({ length: count }, (_, i) => at + 12 + i * 12);
    for (const entry of some(ats)) this.add(depth ? ExtentIdx : Extent, entry, of, fix);
    if (level > 0) {
      const tail = at + extentTailOffset(ExtentHeader.eh_max.get(v, at));
      this.add(ExtentTail, tail, of, nothing);
    }
    for (const entry of ats) {
      if (depth === 0) {
        const start = extentStart(v, entry);
        const length = Math.min(extentLength(Extent.ee_len.get(v, entry)), 64);
        for (let i = 0; i < length; i++) blocks.push(start + i);
        continue;
      }
      const child = idxLeaf(v, entry);
      if ((child + 1) * this.blockSize > this.bytes.length) continue;
      const fixChild = this.inBlock(child, (b) => {
        setExtentBlockCsum(seed, b);
      });
      const from = child * this.blockSize;
      const before = this.places.length;
      this.extentNode(from, this.blockSize, of, fixChild, seed, blocks, level + 1);
      // One child of each node is enough to look at; the others' blocks are wanted all the same.
      if (entry !== ats[0]) this.places.length = before;
    }
  }

  private content(
    nr: number,
    at: number,
    isDir: boolean,
    flags: number,
    blocks: readonly number[],
    seed: number,
    of: string,
  ): void {
    const v = this.view;
    const first = blocks[0] ?? 0;
    if (first === 0 || (first + 1) * this.blockSize > this.bytes.length) return;
    const start = first * this.blockSize;
    if (isDir) this.directory(blocks, (flags & EXT4_INDEX_FL) !== 0, seed, of);
    if (nr === 8) {
      this.add(JournalSuperblock, start, 'the journal', (image) => {
        if (image[start + 0x50])
          setJournalSuperblockCsum(rawBlock(image.subarray(start, start + 1024)));
      });
    }
    if (nr === 3 || nr === 4 || nr === Superblock.s_prj_quota_inum.get(v, SUPER)) {
      this.add(DqHeader, start, of, nothing);
      this.add(DqInfo, start + 8, of, nothing);
    }
    if (nr === Superblock.s_orphan_file_inum.get(v, SUPER)) {
      const fix = this.inBlock(first, (b) => {
        setOrphanBlockCsum(seed, first, b);
      });
      this.add(OrphanBlockTail, start + orphanTailOffset(this.blockSize), of, fix);
    }
    if (flags & EXT4_VERITY_FL) {
      const pages = Math.ceil(iSize(v, at) / this.blockSize);
      for (const b of blocks.slice(pages)) {
        const descriptor = b * this.blockSize;
        if (this.bytes[descriptor] === 1 && this.bytes[descriptor + 1]! < 3) {
          this.add(FsverityDescriptor, descriptor, of, nothing);
        }
      }
    }
  }

  private entries(from: number, end: number, of: string, fix: Fix): void {
    const v = this.view;
    const ats: number[] = [];
    for (let at = from; at + 8 <= end;) {
      if (end - at >= 12 && isDirEntryTail(v, at)) this.add(DirEntryTail, at, of, nothing);
      else ats.push(at);
      const length = DirEntry2.rec_len.get(v, at);
      if (length < 8) break;
      at += length;
    }
    for (const at of some(ats)) this.add(DirEntry2, at, of, fix);
  }

  private leaf(pblk: number, seed: number, of: string): void {
    const from = pblk * this.blockSize;
    const fix = this.inBlock(pblk, (b) => {
      setDirLeafCsum(seed, b);
    });
    this.entries(from, from + this.blockSize, of, fix);
  }

  private directory(blocks: readonly number[], indexed: boolean, seed: number, of: string): void {
    const v = this.view;
    if (!indexed) {
      for (const b of blocks.slice(0, 2)) if (b > 0) this.leaf(b, seed, of);
      return;
    }
    const root = blocks[0]! * this.blockSize;
    const levels = DxRootInfo.indirect_levels.get(v, root + DX_ROOT_INFO_OFFSET);
    const rootFix = this.inBlock(blocks[0]!, (b) => {
      setDxCsum(seed, b, DX_ROOT_ENTRIES_OFFSET);
    });
    this.add(DirEntry2, root, of, rootFix);
    this.add(DirEntry2, root + 12, of, rootFix);
    this.add(DxRootInfo, root + DX_ROOT_INFO_OFFSET, of, rootFix);
    let child = this.dxEntries(root + DX_ROOT_ENTRIES_OFFSET, of, rootFix);
    for (let level = 0; level < levels; level++) {
      const pblk = blocks[child] ?? 0;
      const fix = this.inBlock(pblk, (b) => {
        setDxCsum(seed, b, DX_NODE_ENTRIES_OFFSET);
      });
      this.add(DirEntry2, pblk * this.blockSize, of, fix);
      child = this.dxEntries(pblk * this.blockSize + DX_NODE_ENTRIES_OFFSET, of, fix);
    }
    if (blocks[child]) this.leaf(blocks[child] ?? 0, seed, of);
  }

  /** @returns the first child */
  private dxEntries(at: number, of: string, fix: Fix): number {
    const v = this.view;
    this.add(DxCountlimit, at, of, fix);
    const count = Math.min(DxCountlimit.count.get(v, at), this.blockSize / 8);
    const ats = Array.from({ length: count - 1 }, (_, i) => at + (i + 1) * 8);
    for (const entry of some(ats)) this.add(DxEntry, entry, of, fix);
    this.add(DxTail, at + DxCountlimit.limit.get(v, at) * 8, of, nothing);
    return dxBlock(v, at);
  }

  private attributes(at: number, of: string, fix: Fix): void {
    const v = this.view;
    if (this.inodeSize > 128) {
      const head = at + 128 + Inode.i_extra_isize.get(v, at);
      const end = at + this.inodeSize;
      if (head + 4 <= end && v.getUint32(head, true) === EXT4_XATTR_MAGIC) {
        this.add(XattrIbodyHeader, head, of, fix);
        this.attributeList(head + 4, head + 4, end, of, fix);
      }
    }
    const pblk = iFileAcl(v, at, false);
    const from = pblk * this.blockSize;
    if (pblk === 0 || from + this.blockSize > this.bytes.length) return;
    const fixBlock = this.inBlock(pblk, (b) => {
      setXattrBlockCsum(this.seed, pblk, b);
    });
    this.add(XattrHeader, from, of, fixBlock);
    this.attributeList(from + XattrHeader.$size, from, from + this.blockSize, of, fixBlock);
  }

  private attributeList(from: number, base: number, end: number, of: string, fix: Fix): void {
    const v = this.view;
    for (let at = from; at + 16 <= end && !isLastXattrEntry(v, at);) {
      this.add(XattrEntry, at, of, fix);
      const index = XattrEntry.e_name_index.get(v, at);
      const value = base + XattrEntry.e_value_offs.get(v, at);
      if (
        index === EXT4_XATTR_INDEX_POSIX_ACL_ACCESS ||
        index === EXT4_XATTR_INDEX_POSIX_ACL_DEFAULT
      ) {
        this.add(AclHeader, value, of, fix);
        this.add(AclEntry, value + 8, of, fix);
      }
      if (index === EXT4_XATTR_INDEX_ENCRYPTION) this.add(FscryptContextV1, value, of, fix);
      at += xattrEntryLen(XattrEntry.e_name_len.get(v, at));
    }
  }

  private mmp(): void {
    const pblk = Superblock.s_mmp_block.get(this.view, SUPER);
    if (pblk === 0 || pblk === Infinity) return;
    const fix = this.inBlock(pblk, (b) => {
      setMmpCsum(this.seed, b);
    });
    this.add(Mmp, pblk * this.blockSize, 'multiple mount protection', fix);
  }
}
