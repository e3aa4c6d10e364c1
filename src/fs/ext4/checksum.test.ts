import { mkdirSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../../test/support/e2fsprogs.ts';
import { inKernel, kernelMounts } from '../../../test/support/kernel.ts';
import { crc32c } from '../../base/checksum.ts';
import {
  bitmapCsum,
  blockBitmapCsumOk,
  csumSeedOf,
  dirLeafCsumOk,
  dxCsumOk,
  eaInodeValueHash,
  extentBlockCsumOk,
  groupDescCrc16,
  groupDescCsum,
  inodeBitmapCsumOk,
  inodeCsumOk,
  inodeCsumSeed,
  mmpCsumOk,
  orphanBlockCsumOk,
  rawBlock,
  setDirLeafCsum,
  setDxCsum,
  setExtentBlockCsum,
  setInodeCsum,
  setMmpCsum,
  setOrphanBlockCsum,
  setSuperblockCsum,
  setXattrBlockCsum,
  superblockCsumOk,
  xattrBlockCsumOk,
} from './checksum.ts';
import type { RawBlock } from './checksum.ts';
import { isDirEntryTail, DirEntryTail } from './disk/dirent.ts';
import { GroupDesc, bgBlockBitmap, bgInodeBitmap, bgInodeTable } from './disk/group-desc.ts';
import { DX_NODE_ENTRIES_OFFSET, DX_ROOT_ENTRIES_OFFSET } from './disk/htree.ts';
import { Inode } from './disk/inode.ts';
import { EXT4_MMP_MAGIC, Mmp } from './disk/mmp.ts';
import { EXT4_ORPHAN_BLOCK_MAGIC, OrphanBlockTail, orphanTailOffset } from './disk/orphan.ts';
import { Superblock as SB } from './disk/superblock.ts';
import {
  XattrEntry,
  XattrHeader,
  eaInodeHash,
  eaInodeRef,
  isLastXattrEntry,
  xattrBlockHash,
  xattrEntryHash,
  xattrEntryLen,
  xattrInodeEntryHash,
} from './disk/xattr.ts';

const AT = 1024;

/** The parts of an image that the tests look at. */
class Parts {
  readonly image: RawBlock;
  readonly blockSize: number;
  readonly inodeSize: number;
  readonly descSize: number;
  readonly seed: number;

  constructor(image: TestImage) {
    this.image = rawBlock(image.bytes());
    const { view } = this.image;
    this.blockSize = 1024 << SB.s_log_block_size.get(view, AT);
    this.inodeSize = SB.s_inode_size.get(view, AT);
    this.descSize = SB.s_desc_size.get(view, AT) || 32;
    this.seed = csumSeedOf(view, AT);
  }

  read(
    name:
      | 's_blocks_count_lo'
      | 's_blocks_per_group'
      | 's_clusters_per_group'
      | 's_inodes_per_group'
      | 's_first_data_block'
      | 's_mmp_block'
      | 's_orphan_file_inum',
  ): number {
    return SB[name].get(this.image.view, AT);
  }

  /** A copy of one block. */
  block(pblk: number): RawBlock {
    return rawBlock(this.image.data.slice(pblk * this.blockSize, (pblk + 1) * this.blockSize));
  }

  get groups(): number {
    const blocks = this.read('s_blocks_count_lo') - this.read('s_first_data_block');
    return Math.ceil(blocks / this.read('s_blocks_per_group'));
  }

  desc(group: number): number {
    return (this.read('s_first_data_block') + 1) * this.blockSize + group * this.descSize;
  }

  /** Byte of an inode's record. */
  inodeAt(ino: number): number {
    const per = this.read('s_inodes_per_group');
    const group = Math.floor((ino - 1) / per);
    const table = bgInodeTable.get(this.image.view, this.desc(group), this.descSize);
    return table * this.blockSize + ((ino - 1) % per) * this.inodeSize;
  }

  inodeSeed(ino: number): number {
    const generation = Inode.i_generation.get(this.image.view, this.inodeAt(ino));
    return inodeCsumSeed(this.seed, ino, generation);
  }
}

/** Every superblock, descriptor, bitmap and inode in use. */
function expectGroupsRight(image: TestImage): Parts {
  const p = new Parts(image);
  const { view } = p.image;
  expect(superblockCsumOk(p.image, AT)).toBe(true);
  let inodes = 0;
  for (let group = 0; group < p.groups; group += 1) {
    const at = p.desc(group);
    const stored = GroupDesc.bg_checksum.get(view, at);
    expect(groupDescCsum(p.seed, group, p.image, at, p.descSize)).toBe(stored);
    const flags = GroupDesc.bg_flags.get(view, at);
    if ((flags & 2) === 0) {
      const bitmap = p.block(bgBlockBitmap.get(view, at, p.descSize)).data;
      const crc = bitmapCsum(p.seed, bitmap, p.read('s_clusters_per_group'));
      expect(blockBitmapCsumOk(view, at, p.descSize, crc)).toBe(true);
      expect(blockBitmapCsumOk(view, at, p.descSize, crc ^ 1)).toBe(false);
    }
    if ((flags & 1) !== 0) continue;
    const bitmap = p.block(bgInodeBitmap.get(view, at, p.descSize)).data;
    const per = p.read('s_inodes_per_group');
    const crc = bitmapCsum(p.seed, bitmap, per);
    expect(inodeBitmapCsumOk(view, at, p.descSize, crc)).toBe(true);
    for (let i = 0; i < per; i += 1) {
      if ((((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 0) continue;
      const ino = group * per + i + 1;
      expect([ino, inodeCsumOk(p.inodeSeed(ino), p.image, p.inodeAt(ino), p.inodeSize)]) //
        .toEqual([ino, true]);
      inodes += 1;
    }
  }
  expect(inodes).toBeGreaterThan(10);
  return p;
}

test('mke2fs and we agree on superblock, descriptors, bitmaps and inodes, in every size', () => {
  for (const args of [
    ['-b', '4096'],
    ['-b', '1024', '-O', '^64bit,^resize_inode'],
    ['-b', '2048', '-I', '128'],
    ['-b', '1024', '-I', '1024', '-O', 'metadata_csum_seed'],
    ['-b', '4096', '-O', 'bigalloc'],
    ['-b', '1024', '-g', '1024', '-N', '2048', '-O', '^flex_bg'],
  ]) {
    const image = makeImage(['-t', 'ext4', ...args], '24M');
    image.debugfs('mkdir /a', 'symlink /s target', 'mknod /p p');
    expectGroupsRight(image);
  }
});

test('metadata_csum_seed goes on counting when the uuid changes', () => {
  const image = makeImage(['-t', 'ext4', '-O', 'metadata_csum_seed'], '8M');
  const before = new Parts(image).seed;
  spawnSync('/usr/sbin/tune2fs', ['-U', 'random', image.path]);
  const after = expectGroupsRight(image);
  expect(after.seed).toBe(before);
  expect(crc32c(0xffff_ffff, SB.s_uuid.get(after.image.view, AT))).not.toBe(before);
});

test('with gdt_csum a descriptor of 32 and of 64 bytes has the crc16 of mke2fs', () => {
  for (const more of ['', ',64bit']) {
    const options = `^metadata_csum,uninit_bg${more || ',^64bit'}`;
    const p = new Parts(makeImage(['-t', 'ext4', '-b', '1024', '-O', options], '24M'));
    expect(p.descSize).toBe(more ? 64 : 32);
    const uuid = SB.s_uuid.get(p.image.view, AT);
    for (let group = 0; group < p.groups; group += 1) {
      const at = p.desc(group);
      const stored = GroupDesc.bg_checksum.get(p.image.view, at);
      expect(groupDescCrc16(uuid, group, p.image, at, p.descSize)).toBe(stored);
    }
  }
});

/** Change one byte: it must show. Store our checksum: all is well, and the block is as before. */
function expectGuarded(
  b: RawBlock,
  ok: (b: RawBlock) => boolean,
  set: (b: RawBlock) => void,
): void {
  const before = b.data.slice();
  expect(ok(b)).toBe(true);
  for (const at of [1, 4]) {
    b.data[at] = (b.data[at] ?? 0) ^ 1;
    expect(ok(b)).toBe(false);
    b.data.set(before);
  }
  set(b);
  expect(b.data).toEqual(before);
}

/** Blocks that debugfs lists for a file, in order. */
const blocksOf = (image: TestImage, path: string): number[] =>
  (
    image
      .ask(`blocks ${path}`)
      .split('\n')
      .find((l) => /^\d/.test(l)) ?? ''
  )
    .trim()
    .split(/\s+/)
    .map(Number);
const inoOf = (image: TestImage, path: string): number =>
  Number(/Inode: (\d+)/.exec(image.ask(`stat ${path}`))?.[1]);

test('blocks of an extent tree', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024'], '8M');
  const file = join(scratchDir(), 'sparse');
  const fd = openSync(file, 'w');
  for (let i = 0; i < 200; i += 1) writeSync(fd, 'x', i * 2048);
  closeSync(fd);
  image.debugfs(`write ${file} f`);
  const p = new Parts(image);
  const root = new DataView(p.image.data.buffer, p.inodeAt(inoOf(image, 'f')) + 0x28);
  expect(root.getUint16(6, true)).toBe(1);
  const seed = p.inodeSeed(inoOf(image, 'f'));
  for (let i = 0; i < root.getUint16(2, true); i += 1) {
    const node = p.block(root.getUint32(12 + 12 * i + 4, true));
    expectGuarded(
      node,
      (b) => extentBlockCsumOk(seed, b),
      (b) => {
        setExtentBlockCsum(seed, b);
      },
    );
    node.view.setUint16(4, 0xffff, true);
    expect(extentBlockCsumOk(seed, node)).toBe(false);
  }
});

test('leaves and nodes of a directory, up to a tree of two levels', () => {
  const dir = scratchDir();
  mkdirSync(join(dir, 'd'));
  for (let i = 0; i < 2600; i += 1) writeFileSync(join(dir, 'd', `${'n'.repeat(40)}${i}`), '');
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-N', '4000', '-d', dir], '16M');
  spawnSync('/usr/sbin/e2fsck', ['-fyD', image.path]);
  const p = new Parts(image);
  const seed = p.inodeSeed(inoOf(image, 'd'));
  const kinds = { leaf: 0, root: 0, node: 0 };
  const blocks = blocksOf(image, 'd');
  for (const [i, pblk] of blocks.entries()) {
    const b = p.block(pblk);
    if (isDirEntryTail(b.view, p.blockSize - DirEntryTail.$size)) {
      kinds.leaf += 1;
      expectGuarded(
        b,
        (x) => dirLeafCsumOk(seed, x),
        (x) => {
          setDirLeafCsum(seed, x);
        },
      );
      continue;
    }
    const at = i === 0 ? DX_ROOT_ENTRIES_OFFSET : DX_NODE_ENTRIES_OFFSET;
    kinds[i === 0 ? 'root' : 'node'] += 1;
    expectGuarded(
      b,
      (x) => dxCsumOk(seed, x, at),
      (x) => {
        setDxCsum(seed, x, at);
      },
    );
    b.view.setUint16(at, 0xffff, true);
    expect(dxCsumOk(seed, b, at)).toBe(false);
  }
  expect(kinds.leaf).toBeGreaterThan(100);
  expect(kinds.root).toBe(1);
  expect(kinds.node).toBeGreaterThan(1);
});

test('a block of attributes', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024'], '8M');
  const [small, more] = ['s'.repeat(99), 'm'.repeat(150)];
  image.debugfs('mkdir /d', `ea_set /d user.small ${small}`, `ea_set /d user.more ${more}`);
  const p = new Parts(image);
  const pblk = Number(/File ACL: (\d+)/.exec(image.ask('stat /d'))?.[1]);
  const b = p.block(pblk);
  expectGuarded(
    b,
    (x) => xattrBlockCsumOk(p.seed, pblk, x),
    (x) => {
      setXattrBlockCsum(p.seed, pblk, x);
    },
  );
  expect(xattrBlockCsumOk(p.seed, pblk + 1, b)).toBe(false);
});

test('hashes of attributes are those of the kernel, for names of any bytes', ({ skip }) => {
  skip(!kernelMounts(), 'the kernel mounts no images here');
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', 'ea_inode'], '8M');
  const script = `
import os, sys
os.chdir(sys.argv[1])
open('f', 'w').close(); open('g', 'w').close()
for i in range(5):
    os.setxattr('f', b'user.\\xc3\\xa9\\xff' + b'n' * i, b'\\x80value' * (6 + i))
os.setxattr('g', 'user.huge', b'h' * 5001)
`;
  inKernel(image, script);
  const p = new Parts(image);
  const pblk = Number(/File ACL: (\d+)/.exec(image.ask('stat f'))?.[1]);
  const b = p.block(pblk);
  expect(xattrBlockCsumOk(p.seed, pblk, b)).toBe(true);
  expect(XattrHeader.h_hash.get(b.view, 0)).toBe(xattrBlockHash(b.view, 32, b.data.length));
  let count = 0;
  for (let at = 32; !isLastXattrEntry(b.view, at); count += 1) {
    const nameLen = XattrEntry.e_name_len.get(b.view, at);
    const offs = XattrEntry.e_value_offs.get(b.view, at);
    const name = b.data.slice(at + 16, at + 16 + nameLen);
    const value = b.data.slice(offs, offs + XattrEntry.e_value_size.get(b.view, at));
    expect(XattrEntry.e_hash.get(b.view, at)).toBe(xattrEntryHash(name, value));
    expect(xattrEntryHash(name, value, true)).not.toBe(xattrEntryHash(name, value));
    at += xattrEntryLen(nameLen);
  }
  expect(count).toBeGreaterThan(1);

  const entry = p.inodeAt(inoOf(image, 'g')) + 160 + 4;
  const { view } = p.image;
  const inum = XattrEntry.e_value_inum.get(view, entry);
  expect(eaInodeRef(view, p.inodeAt(inum))).toBe(1);
  const hash = eaInodeValueHash(p.seed, new Uint8Array(5001).fill(0x68));
  expect(eaInodeHash(view, p.inodeAt(inum))).toBe(hash);
  const name = new TextEncoder().encode('huge');
  expect(XattrEntry.e_hash.get(view, entry)).toBe(xattrInodeEntryHash(name, hash));
});

test('the block of multi-mount protection', () => {
  const p = new Parts(makeImage(['-t', 'ext4', '-b', '1024', '-O', 'mmp'], '8M'));
  const b = p.block(p.read('s_mmp_block'));
  expect(Mmp.mmp_magic.get(b.view, 0)).toBe(EXT4_MMP_MAGIC);
  expectGuarded(
    b,
    (x) => mmpCsumOk(p.seed, x),
    (x) => {
      setMmpCsum(p.seed, x);
    },
  );
});

test('blocks of the orphan file', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', 'orphan_file'], '8M');
  const p = new Parts(image);
  const ino = p.read('s_orphan_file_inum');
  const blocks = blocksOf(image, `<${ino}>`);
  expect(blocks.length).toBeGreaterThan(1);
  const seed = p.inodeSeed(ino);
  for (const pblk of blocks) {
    const b = p.block(pblk);
    const tail = orphanTailOffset(p.blockSize);
    expect(OrphanBlockTail.ob_magic.get(b.view, tail)).toBe(EXT4_ORPHAN_BLOCK_MAGIC);
    expectGuarded(
      b,
      (x) => orphanBlockCsumOk(seed, pblk, x),
      (x) => {
        setOrphanBlockCsum(seed, pblk, x);
      },
    );
  }
});

test('what we store is what e2fsck wants to find', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024'], '8M');
  const p = new Parts(image);
  SB.s_volume_name.set(p.image.view, AT, new TextEncoder().encode('renamed-by-us-!!'));
  setSuperblockCsum(p.image, AT);
  const at = p.inodeAt(2);
  Inode.i_generation.set(p.image.view, at, 0x1234_5678);
  setInodeCsum(p.inodeSeed(2), p.image, at, p.inodeSize);
  const leaf = p.block(blocksOf(image, '/')[0] ?? 0);
  setDirLeafCsum(p.inodeSeed(2), leaf);
  p.image.data.set(leaf.data, (blocksOf(image, '/')[0] ?? 0) * p.blockSize);
  image.restore(p.image.data);
  const verdict = image.fsck();
  expect(verdict.code).toBe(0);
  expect(verdict.output).toContain('renamed-by-us');
  Inode.i_generation.set(p.image.view, at, 0x1234_5679);
  image.restore(p.image.data);
  expect(image.fsck().code).not.toBe(0);
});
