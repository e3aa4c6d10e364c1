// Goal: whatever one field of a record says, mounting and using the image ends with an errno that
// names the place, or works; it never crashes, hangs, or takes memory without bound.
// Method: every field of every record set to telling values, checksums made right again so that
// the checks behind them are reached; then random bytes.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { asciiName } from '../../src/base/name.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Field, StructInfo } from '../../src/base/struct.ts';
import { bytes as toBytes, ino } from '../../src/base/units.ts';
import type { Bio } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import {
  csumSeedOf,
  groupDescCsum,
  inodeCsumSeed,
  rawBlock,
  setExtentBlockCsum,
  setInodeCsum,
  setSuperblockCsum,
} from '../../src/fs/ext4/checksum.ts';
import { Extent, ExtentHeader, ExtentIdx } from '../../src/fs/ext4/disk/extent.ts';
import { GroupDesc } from '../../src/fs/ext4/disk/group-desc.ts';
import { Inode } from '../../src/fs/ext4/disk/inode.ts';
import { Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { JournalSuperblock } from '../../src/jbd2/disk.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import type { Ext4Inode } from '../../src/fs/ext4/inode-info.ts';
import { IovIter } from '../../src/mm/iov-iter.ts';
import { filemapRead } from '../../src/mm/filemap.ts';
import { FileRaState } from '../../src/mm/readahead.ts';
import { Dentry } from '../../src/vfs/dcache.ts';
import { File, O_RDWR } from '../../src/vfs/file.ts';
import { makeImage, scratchDir } from '../support/e2fsprogs.ts';
import { mountDriver, type Mounted } from '../support/mounted.ts';

const LAST_INO = 15;
const READ_LIMIT = 1 << 20;

/** An image with a plain file, a fragmented one (tree of depth 1) and a link. */
function sample(args: string[]): Uint8Array {
  const image = makeImage(['-b', '1024', '-N', '64', ...args], '4M');
  const dir = scratchDir();
  const plain = join(dir, 'plain');
  writeFileSync(plain, new Prng(1).bytes(50_000));
  const holes = join(dir, 'holes');
  const content = new Uint8Array(400 * 1024);
  for (let at = 0; at < content.length; at += 4096) content.set([1, 2, 3], at);
  writeFileSync(holes, content);
  const commands = [
    `write ${plain} plain`,
    `write ${holes} holes`,
    'symlink link plain',
    'mkdir dir',
  ];
  writeFileSync(join(dir, 'commands'), commands.join('\n'));
  execFileSync('debugfs', ['-w', '-f', join(dir, 'commands'), image.path], { stdio: 'pipe' });
  return new Uint8Array(readFileSync(image.path));
}

/** A device over an array, without a copy: thousands of mounts in one test. */
class ArrayDevice implements BlockDriver {
  readonly size;
  readonly logicalBlockSize = 512;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.size = toBytes(bytes.length);
  }

  start(bio: Bio): void {
    let at = bio.sector * 512;
    for (const v of bio.vecs) {
      if (bio.op === 'read') v.set(this.bytes.subarray(at, at + v.length));
      else if (bio.op === 'write') this.bytes.set(v, at);
      at += v.length;
    }
    bio.complete(null);
  }
}

/** Use everything that can be reached. Only an FsError may come out. */
function use(image: Uint8Array, write: boolean): FsError[] {
  const errors: FsError[] = [];
  const attempt = (body: () => void): void => {
    try {
      body();
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      errors.push(e);
    }
  };
  let m: Mounted | null = null;
  attempt(
    () => (m = mountDriver(new ArrayDevice(image), { readOnly: !write, cacheSize: 1 << 20 })),
  );
  if (!m) return errors;
  const mounted: Mounted = m;
  for (const nr of [2, 8, ...Array.from({ length: LAST_INO - 10 }, (_, i) => i + 11)]) {
    attempt(() => useInode(mounted, nr, write, attempt));
  }
  attempt(() => mounted.umount());
  return errors;
}

function useInode(m: Mounted, nr: number, write: boolean, attempt: (b: () => void) => void): void {
  const inode = m.run(ext4Iget(m.sb, ino(nr), { special: nr < 11 }));
  const buffer = new Uint8Array(1 << 16);
  attempt(() => {
    const end = inode.isReg || inode.isDir ? Math.min(inode.size, READ_LIMIT) : 0;
    const ra = new FileRaState(inode.mapping.folioSize);
    for (let at = 0; at < end;) {
      const n = m.run(filemapRead(inode.mapping, ra, IovIter.of(buffer), at));
      if (n === 0) break;
      at += n;
    }
  });
  if (inode.iops.fiemap) {
    let left = 2000;
    attempt(() => m.run(inode.iops.fiemap!(inode, 0, 2 ** 42, () => left-- > 0)));
  }
  if (write && inode.isReg && nr > 11) attempt(() => change(m, inode));
  attempt(() => m.run(m.sb.sops.evictInode(inode)));
  m.sb.inodes.delete(inode.ino);
}

function change(m: Mounted, inode: Ext4Inode): void {
  const file = new File(new Dentry(m.sb, null, asciiName('f')), inode, O_RDWR);
  const { fops, iops } = inode;
  if (inode.size < 2 ** 31) {
    m.run(fops.writeIter!(file, IovIter.of(new Uint8Array(3000).fill(1)), inode.size + 5000));
  }
  m.run(fops.writeIter!(file, IovIter.of(new Uint8Array(3000).fill(2)), 100));
  m.run(fops.fsync!(file, 0, Infinity, false));
  m.run(iops.setattr!(inode, { size: 20_000 }));
  m.run(fops.fsync!(file, 0, Infinity, false));
}

/** Telling values of a field. */
function valuesOf(field: Field, now: number): number[] {
  const top = 2 ** (8 * field.size) - 1;
  const all = [
    0,
    1,
    now + 1,
    now - 1,
    now ^ 0x8000,
    top,
    Math.floor(top / 2),
    Math.floor(top / 2) + 1,
  ];
  if (field.size === 8) return [0, 1, 2 ** 40];
  return [...new Set(all.map((v) => (v < 0 ? top : v) % (top + 1)))].filter((v) => v !== now);
}

interface Place {
  readonly record: StructInfo;
  readonly at: number;
  /** Make the checksums right again. */
  readonly fix: (image: Uint8Array) => void;
}

const numberFields = (record: StructInfo): Field[] =>
  record.$fields.filter(
    (f): f is Field => typeof (f as Field).get(new DataView(new ArrayBuffer(4096)), 0) === 'number',
  );

function corruptEvery(image: Uint8Array, place: Place, write: boolean): string[] {
  const outcomes: string[] = [];
  const copy = image.slice();
  for (const field of numberFields(place.record)) {
    const now = field.get(new DataView(image.buffer), place.at);
    for (const value of valuesOf(field, now)) {
      copy.set(image);
      field.set(new DataView(copy.buffer), place.at, value);
      place.fix(copy);
      const where = `${place.record.$name}.${field.name}=${value}`;
      try {
        const errors = use(copy, write);
        for (const e of errors.slice(0, 1)) outcomes.push(`${where}: ${e.message}`);
      } catch (e) {
        throw new Error(`${where}: ${(e as Error).stack ?? String(e)}`);
      }
    }
  }
  return outcomes;
}

/**
 * Where the records of the sample stand. 1 KiB blocks: super block at 1024, descriptors at 2048.
 */
function places(image: Uint8Array, csum: boolean): Place[] {
  const v = new DataView(image.buffer);
  const descSize = Superblock.s_desc_size.get(v, 1024) || 32;
  const table = GroupDesc.bg_inode_table_lo.get(v, 2048) * 1024;
  const inodeSize = Superblock.s_inode_size.get(v, 1024);
  const seedOf = (i: Uint8Array): number => csumSeed(i);
  const fixSuper = (i: Uint8Array): void => {
    if (csum) setSuperblockCsum(rawBlock(i), 1024);
  };
  const fixDesc = (i: Uint8Array): void => {
    if (!csum) return;
    const b = rawBlock(i);
    GroupDesc.bg_checksum.set(b.view, 2048, groupDescCsum(seedOf(i), 0, b, 2048, descSize));
  };
  const inodeAt = (nr: number): number => table + (nr - 1) * inodeSize;
  const fixInode =
    (nr: number) =>
    (i: Uint8Array): void => {
      if (!csum) return;
      const b = rawBlock(i);
      const generation = Inode.i_generation.get(b.view, inodeAt(nr));
      setInodeCsum(inodeCsumSeed(seedOf(i), nr, generation), b, inodeAt(nr), inodeSize);
    };
  const found: Place[] = [
    { record: Superblock, at: 1024, fix: fixSuper },
    { record: GroupDesc, at: 2048, fix: fixDesc },
  ];
  for (const nr of [2, 8, 12, 13, 14]) {
    found.push({ record: Inode, at: inodeAt(nr), fix: fixInode(nr) });
  }
  const root = inodeAt(13) + Inode.i_block.offset;
  if (v.getUint16(root, true) === 0xf30a && v.getUint16(root + 6, true) > 0) {
    found.push({ record: ExtentHeader, at: root, fix: fixInode(13) });
    found.push({ record: ExtentIdx, at: root + 12, fix: fixInode(13) });
    const leaf = ExtentIdx.ei_leaf_lo.get(v, root + 12) * 1024;
    const fixLeaf = (i: Uint8Array): void => {
      if (!csum) return;
      const generation = Inode.i_generation.get(new DataView(i.buffer), inodeAt(13));
      setExtentBlockCsum(
        inodeCsumSeed(seedOf(i), 13, generation),
        rawBlock(i.subarray(leaf, leaf + 1024)),
      );
    };
    found.push({ record: ExtentHeader, at: leaf, fix: fixLeaf });
    found.push({ record: Extent, at: leaf + 12, fix: fixLeaf });
    found.push({ record: Extent, at: leaf + 24, fix: fixLeaf });
  }
  const journal = inodeAt(8) + Inode.i_block.offset;
  if (v.getUint16(journal, true) === 0xf30a) {
    found.push({ record: ExtentHeader, at: journal, fix: fixInode(8) });
    const first = Extent.ee_start_lo.get(v, journal + 12) * 1024;
    found.push({ record: JournalSuperblock, at: first, fix: () => undefined });
  }
  return found;
}

const csumSeed = (i: Uint8Array): number => csumSeedOf(new DataView(i.buffer), 1024);

const KINDS: readonly (readonly [string, string[], boolean])[] = [
  ['ext4 with checksums', ['-t', 'ext4'], true],
  ['ext4 without checksums', ['-t', 'ext4', '-O', '^metadata_csum,^64bit'], false],
  ['ext2', ['-t', 'ext2'], false],
];

test.each(KINDS)(
  '%s: every field of every record',
  (_name, args, csum) => {
    const image = sample(args);
    expect(use(image, false)).toEqual([]);
    expect(use(image, true)).toEqual([]);
    const outcomes: string[] = [];
    for (const place of places(image, csum)) {
      for (const write of [false, true]) outcomes.push(...corruptEvery(image, place, write));
    }
    for (const line of outcomes) expect(line).toMatch(/E[A-Z]+: /);
    expect(outcomes.length).toBeGreaterThan(100);
    if (process.env['SHOW']) console.log(outcomes.join('\n'));
  },
  300_000,
);

test.each(KINDS)(
  '%s: random bytes',
  (_name, args, _csum) => {
    const image = sample(args);
    const prng = new Prng(3);
    for (let round = 0; round < 400; round++) {
      const copy = image.slice();
      const log: string[] = [];
      for (let i = 0; i <= prng.below(6); i++) {
        // Metadata is crowded at the front of so small an image.
        const at = prng.below(2) ? prng.below(64 * 1024) : prng.below(copy.length);
        copy[at] = prng.below(256);
        log.push(`${at}=${copy[at]}`);
      }
      try {
        use(copy, round % 2 === 1);
      } catch (e) {
        throw new Error(`${log.join(' ')}: ${(e as Error).stack ?? String(e)}`);
      }
    }
  },
  300_000,
);
