import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenPath, goldenTree } from './images.ts';
import {
  compareTrees,
  debugfs,
  dumpe2fs,
  e2fsck,
  haveE2fsprogs,
  haveLoop,
  isNotAvailable,
  kernelTreeOf,
  noLoopReason,
  withKernelMount,
} from './judges.ts';

const tools = haveE2fsprogs();
const loop = haveLoop();

test.skipIf(!tools)('e2fsck passes a sound image and fails one with a damaged bitmap', () => {
  using file = goldenPath('ext4-1k');
  expect(e2fsck(file.path).status).toBe(0);
  const block = /Block bitmap at (\d+)/.exec(dumpe2fs(file.path).output)?.[1];
  const fd = openSync(file.path, 'r+');
  writeSync(fd, new Uint8Array(64), 0, 64, Number(block) * 1024);
  closeSync(fd);
  const { status, output } = e2fsck(file.path);
  expect(status).toBe(4);
  expect(output).toMatch(/bitmap/);
});

test.skipIf(!tools)(
  'debugfs and dumpe2fs answer without their banner and with their complaint',
  () => {
    using file = goldenPath('ext4-1k');
    expect(debugfs(file.path, 'ls -p /dir').output).toMatch(/\/file\/10000\//);
    expect(debugfs(file.path, 'stat /missing').output).toMatch(/File not found/);
    expect(dumpe2fs(file.path).output).toMatch(/Block size: +1024/);
  },
);

test.skipIf(!loop)(`the kernel's view is the kept tree (${noLoopReason() || 'loop'})`, async () => {
  using file = goldenPath('ext4-1k');
  const seen = await kernelTreeOf(file.path);
  if (isNotAvailable(seen)) throw new Error(seen.notAvailable);
  expect(compareTrees(seen, goldenTree('ext4-1k'))).toEqual([]);
});

test.skipIf(!loop)('a mount is undone when the function throws', async () => {
  using file = goldenPath('ext4-1k');
  let seen = '';
  const failing = withKernelMount(file.path, { ro: true }, (dir) => {
    seen = dir;
    expect(readdirSync(dir)).toContain('hardlink');
    expect(readFileSync(join(dir, 'hardlink')).length).toBe(10_000);
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(seen);
});

test('compareTrees names inode and field of each difference', () => {
  const a = goldenTree('ext4-1k');
  const b = structuredClone(a);
  const ino = Object.keys(b.inodes).find((i) => b.inodes[i]?.type === 'file');
  const node = b.inodes[ino ?? ''];
  if (!node) throw new Error('no file in ext4-1k');
  expect(compareTrees(a, b)).toEqual([]);
  node.uid += 1;
  node.sha256 = '00';
  delete b.inodes['11'];
  const found = compareTrees(a, b).join('\n');
  expect(found).toContain(`inode ${ino} uid`);
  expect(found).toContain(`inode ${ino} sha256`);
  expect(found).toContain('inode 11: only in the first view');
  expect(compareTrees(a, b, ['uid', 'sha256']).length).toBe(1);
});

test('compareTrees knows a long directory by its digest', () => {
  const a = goldenTree('ext4-1k');
  const b = structuredClone(a);
  const root = b.inodes['2'];
  if (!root) throw new Error('no root');
  root.entries = { count: 9, sha256: 'f'.repeat(64) };
  expect(compareTrees(a, b)).toEqual([expect.stringContaining('inode 2 entries')]);
});
