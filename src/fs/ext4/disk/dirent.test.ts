import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../../../test/support/e2fsprogs.ts';
import {
  DirEntry2,
  DirEntryTail,
  dirEntryHashOffset,
  dirRecLen,
  fileTypeOfMode,
  initDirEntryTail,
  isDirEntryTail,
  recLenFromDisk,
  recLenToDisk,
} from './dirent.ts';
import {
  DX_NODE_ENTRIES_OFFSET,
  DX_ROOT_ENTRIES_OFFSET,
  DX_ROOT_INFO_OFFSET,
  DxCountlimit,
  DxRootInfo,
  dxBlock,
  dxNodeLimit,
  dxRootLimit,
} from './htree.ts';

const blocksOf = (listing: string): number[] =>
  (listing.split('\n').find((l) => /^\d/.test(l)) ?? '').trim().split(/\s+/).map(Number);

test('entries of a block of any size, 64 KiB included, are those that debugfs lists', () => {
  for (const blockSize of [1024, 4096, 65_536]) {
    const image = makeImage(['-t', 'ext4', '-b', String(blockSize), '-O', '^has_journal'], '32M');
    image.debugfs('mkdir /a-directory', 'symlink /link target', 'mknod pipe p', 'mknod dev c 1 3');
    const at = (blocksOf(image.ask('blocks /'))[0] ?? 0) * blockSize;
    const view = image.view();
    const found: string[] = [];
    for (let pos = 0; pos < blockSize - DirEntryTail.$size;) {
      const length = DirEntry2.name_len.get(view, at + pos);
      const name = Buffer.from(view.buffer, at + pos + 8, length).toString();
      found.push(`${DirEntry2.inode.get(view, at + pos)} ${name}`);
      const recLen = recLenFromDisk(DirEntry2.rec_len.get(view, at + pos), blockSize);
      expect(recLen).toBeGreaterThanOrEqual(dirRecLen(length));
      pos += recLen;
    }
    const shown = [...image.ask('ls -p /').matchAll(/^\/(\d+)\/\d+\/\d+\/\d+\/([^/]+)\//gm)];
    expect(found).toEqual(shown.map((m) => `${m[1]} ${m[2]}`));
    expect(found.length).toBe(7);
    expect(isDirEntryTail(view, at + blockSize - 12)).toBe(true);
    expect(isDirEntryTail(view, at)).toBe(false);
  }
});

test('rec_len comes back from disk as it was, in blocks of 64 and 128 KiB', () => {
  for (const blockSize of [65_536, 131_072]) {
    for (let len = 12; len <= blockSize; len += 4) {
      const stored = recLenToDisk(len, blockSize);
      if (stored > 0xffff || recLenFromDisk(stored, blockSize) !== len) {
        throw new Error(`${len} in blocks of ${blockSize} came back wrong`);
      }
    }
  }
  expect(recLenToDisk(65_536, 65_536)).toBe(0xffff);
  expect(recLenFromDisk(0, 65_536)).toBe(65_536);
  expect(recLenFromDisk(0xfffd, 4096)).toBe(0xfffd);
});

test('lengths of entries, and of those that carry a hash', () => {
  expect(dirRecLen(1)).toBe(12);
  expect(dirRecLen(4)).toBe(12);
  expect(dirRecLen(5)).toBe(16);
  expect(dirRecLen(255)).toBe(264);
  expect(dirRecLen(16, true)).toBe(32);
  expect(dirEntryHashOffset(17)).toBe(28);
  const view = new DataView(new ArrayBuffer(12));
  initDirEntryTail(view, 0);
  expect(isDirEntryTail(view, 0)).toBe(true);
  expect(
    [0o140_000, 0o120_000, 0o100_000, 0o60_000, 0o40_000, 0o20_000, 0o10_000, 0].map(
      fileTypeOfMode,
    ),
  ) //
    .toEqual([6, 7, 1, 4, 2, 3, 5, 0]);
});

test('a tree made by e2fsck has the limits that we compute', () => {
  const dir = scratchDir();
  mkdirSync(join(dir, 'd'));
  for (let i = 0; i < 2600; i += 1) writeFileSync(join(dir, 'd', `${'n'.repeat(40)}${i}`), '');
  for (const csum of [true, false]) {
    const option = csum ? 'metadata_csum' : '^metadata_csum';
    const image = makeImage(
      ['-t', 'ext4', '-b', '1024', '-N', '4000', '-O', option, '-d', dir],
      '16M',
    );
    spawnSync('/usr/sbin/e2fsck', ['-fyD', image.path]);
    const blocks = blocksOf(image.ask('blocks /d'));
    const bytes = image.bytes();
    const root = new DataView(bytes.buffer, (blocks[0] ?? 0) * 1024, 1024);
    expect(DxRootInfo.reserved_zero.get(root, DX_ROOT_INFO_OFFSET)).toBe(0);
    expect(DxRootInfo.hash_version.get(root, DX_ROOT_INFO_OFFSET)).toBe(1);
    expect(DxRootInfo.info_length.get(root, DX_ROOT_INFO_OFFSET)).toBe(8);
    expect(DxRootInfo.indirect_levels.get(root, DX_ROOT_INFO_OFFSET)).toBe(1);
    expect(DxCountlimit.limit.get(root, DX_ROOT_ENTRIES_OFFSET)).toBe(dxRootLimit(1024, csum));
    const inner = blocks[dxBlock(root, DX_ROOT_ENTRIES_OFFSET)] ?? 0;
    const node = new DataView(bytes.buffer, inner * 1024, 1024);
    expect(DxCountlimit.limit.get(node, DX_NODE_ENTRIES_OFFSET)).toBe(dxNodeLimit(1024, csum));
  }
});
