/**
 * Images with every kind of record, and where each record is: what the damage tests spoil.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { type TestImage, makeImage } from '../support/e2fsprogs.ts';
import { DirEntry2 } from '../../src/fs/ext4/disk/dirent.ts';
import { Extent, ExtentHeader, ExtentIdx, idxLeaf } from '../../src/fs/ext4/disk/extent.ts';
import { GroupDesc } from '../../src/fs/ext4/disk/group-desc.ts';
import { DxCountlimit, DxEntry, DxRootInfo } from '../../src/fs/ext4/disk/htree.ts';
import { Inode } from '../../src/fs/ext4/disk/inode.ts';
import { Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { XattrEntry, XattrHeader } from '../../src/fs/ext4/disk/xattr.ts';
import { JournalSuperblock } from '../../src/jbd2/disk.ts';
import type { StructInfo } from '../../src/base/struct.ts';

/** A record of an image: its table, the byte where it stands, and how much of it there is. */
export interface Record {
  readonly what: string;
  readonly table: StructInfo;
  readonly at: number;
  readonly size: number;
}

/** A change of a few bytes. */
export interface Damage {
  readonly what: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

const names = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(4, '0')}`);

/** Everything an image can hold that debugfs can make. */
export function fillImage(image: TestImage, indexed: boolean): void {
  const commands = [
    'mkdir /a',
    'mkdir /a/b',
    'mkdir /many',
    'symlink /fast short',
    `symlink /slow ${'long/'.repeat(20)}`,
    'mknod pipe p',
    'mknod null c 1 3',
    'write /etc/passwd /a/file',
    'ln /a/file /a/b/link',
    'set_inode_field /a/file links_count 2',
    'ea_set /a/file user.one first',
    `ea_set /a/file user.two ${'2'.repeat(150)}`,
    `ea_set /a/file user.three ${'3'.repeat(200)}`,
    'write /dev/null /holes',
    ...Array.from({ length: 12 }, (_, i) => `fallocate /holes ${i * 3} ${i * 3}`),
    ...names(indexed ? 120 : 20, '/many/some-rather-long-name-').map((n) => `symlink ${n} x`),
  ];
  image.debugfs(...commands);
}

const imap = (image: TestImage, path: string): number => {
  const found = /block (\d+), offset 0x([0-9a-f]+)/.exec(image.ask(`imap ${path}`));
  if (!found) throw new Error(`no inode for ${path}: ${image.ask(`imap ${path}`)}`);
  return Number(found[1]) * blockSizeOf(image) + parseInt(found[2]!, 16);
};

export const blockSizeOf = (image: TestImage): number =>
  1024 << Superblock.s_log_block_size.get(image.view(), 1024);

const blocksOf = (image: TestImage, path: string): number[] =>
  (/^\d[\d ]*$/m.exec(image.ask(`blocks ${path}`))?.[0] ?? '').trim().split(' ').map(Number);

/** All records of such an image. */
export function recordsOf(image: TestImage, indexed: boolean): Record[] {
  const view = image.view();
  const bs = blockSizeOf(image);
  const all: Record[] = [];
  const add = (what: string, table: StructInfo, at: number, size = table.$size): void => {
    all.push({ what, table, at, size });
  };
  const wide = (Superblock.s_feature_incompat.get(view, 1024) & 0x80) !== 0;
  add('superblock', Superblock, 1024);
  add('group 0', GroupDesc, bs === 1024 ? 2048 : bs, wide ? 64 : 32);
  const inodeSize = Superblock.s_inode_size.get(view, 1024) > 128 ? 160 : 128;
  for (const path of ['<2>', '<7>', '<8>', '/a', '/many', '/fast', '/slow', '/null', '/a/file']) {
    add(`inode ${path}`, Inode, imap(image, path), inodeSize);
  }
  add('inode /holes', Inode, imap(image, '/holes'), inodeSize);
  const extents = (Superblock.s_feature_incompat.get(view, 1024) & 0x40) !== 0;
  if (extents) {
    const root = imap(image, '/holes') + Inode.i_block.offset;
    add('extent root', ExtentHeader, root);
    if (ExtentHeader.eh_depth.get(view, root) > 0) {
      add('extent index', ExtentIdx, root + 12);
      const leaf = idxLeaf(view, root + 12) * bs;
      add('extent leaf', ExtentHeader, leaf);
      add('extent 0', Extent, leaf + 12);
      add('extent 1', Extent, leaf + 24);
    }
    add('extent of a file', Extent, imap(image, '/a/file') + Inode.i_block.offset + 12);
  }
  const acl = Inode.i_file_acl_lo.get(view, imap(image, '/a/file'));
  if (acl !== 0) {
    add('attribute block', XattrHeader, acl * bs);
    add('attribute', XattrEntry, acl * bs + 32);
  }
  const a = blocksOf(image, '/a')[0]! * bs;
  add('entry "."', DirEntry2, a);
  add('entry ".."', DirEntry2, a + 12);
  add('entry "b"', DirEntry2, a + 24);
  add('entry "file"', DirEntry2, a + 36);
  const many = blocksOf(image, '/many');
  if (indexed) {
    add('tree root', DxRootInfo, many[0]! * bs + 24);
    add('tree limit', DxCountlimit, many[0]! * bs + 32);
    add('tree entry', DxEntry, many[0]! * bs + 40);
    add('tree leaf', DirEntry2, many[1]! * bs);
  }
  const journal = Superblock.s_journal_inum.get(view, 1024);
  if (journal !== 0) add('journal', JournalSuperblock, blocksOf(image, `<${journal}>`)[0]! * bs);
  return all;
}

/**
 * Each field of a record as zero, as all ones, with its lowest and with its highest bit changed.
 */
export function damagesOf(image: Uint8Array, { what, table, at, size }: Record): Damage[] {
  const out: Damage[] = [];
  for (const field of table.$fields) {
    if (field.offset + field.size > size) continue;
    const from = at + field.offset;
    const length = Math.min(field.size, 64);
    const old = image.slice(from, from + length);
    const first = old.slice();
    first[0]! ^= 1;
    const last = old.slice();
    last[length - 1]! ^= 0x80;
    const forms: [string, Uint8Array][] = [
      ['0', new Uint8Array(length)],
      ['~0', new Uint8Array(length).fill(0xff)],
      ['first bit', first],
      ['last bit', last],
    ];
    for (const [form, bytes] of forms) {
      if (Buffer.compare(bytes, old) !== 0) {
        out.push({ what: `${what} ${table.$name}.${field.name} = ${form}`, at: from, bytes });
      }
    }
  }
  return out;
}

/** Run `fn` while the damage is on the disk. */
export function withDamage<T>(path: string, { at, bytes }: Damage, fn: () => T): T {
  const fd = openSync(path, 'r+');
  try {
    const old = new Uint8Array(bytes.length);
    readSync(fd, old, 0, old.length, at);
    writeSync(fd, bytes, 0, bytes.length, at);
    try {
      return fn();
    } finally {
      writeSync(fd, old, 0, old.length, at);
    }
  } finally {
    closeSync(fd);
  }
}

export function damageImage(args: string[], indexed: boolean): TestImage {
  const image = makeImage(args, '4M');
  fillImage(image, indexed);
  return image;
}
