// Goal: an image of ours is what mke2fs makes. Method: the same arguments to both, dumpe2fs and
// e2fsck as judges; only identities, times and checksums may differ.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { BlockDevice } from '../../../block/block-device.ts';
import { FileDevice } from '../../../platform/node/file-device.ts';
import { Scheduler } from '../../../sched/scheduler.ts';
import { mkfs } from './mkfs.ts';
import type { MkfsOptions } from './plan.ts';

const MIB = 1 << 20;
const dir = mkdtempSync(join(tmpdir(), 'foliofs-mkfs-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const identity = { uuid: new Uint8Array(16).fill(0x5a), hashSeed: new Uint8Array(16).fill(0xa5) };

function ours(path: string, size: number, options: Omit<MkfsOptions, 'time'>): void {
  const file = new FileDevice(path, { create: true, size });
  new Scheduler().runToEnd(
    mkfs(new BlockDevice(file), { ...options, time: 1_700_000_000 }, identity, true),
  );
  file.close();
}

function theirs(path: string, size: number, args: readonly string[]): void {
  execFileSync('mke2fs', ['-q', '-F', ...args, path, `${String(size / 1024)}k`], {
    env: { ...process.env, LC_ALL: 'C', MKE2FS_DEVICE_SECTSIZE: '512' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** dumpe2fs without what is meant to differ. */
function facts(path: string): string[] {
  const text = execFileSync('dumpe2fs', [path], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  return text
    .split('\n')
    .filter(
      (l) => !/UUID|time|created|Lifetime|Hash Seed|Checksum:|checksum seed|Last checked/i.test(l),
    )
    .map((l) => l.replace(/,? ?csum 0x[0-9a-f]+/, ''))
    .map((l) =>
      l
        .replace(/ITABLE_ZEROED/, '')
        .replace(/ ?\[[ ,]*\]|, ?\]/, (m) => (m.includes(',') ? ']' : '')),
    );
}

function e2fsck(path: string): string {
  const run = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
  return run.status === 0 ? 'clean' : `${String(run.status)}: ${run.stdout}`;
}

const cases: [string, number, string[], Omit<MkfsOptions, 'time'>][] = [
  ['ext4 64 MiB', 64 * MIB, ['-t', 'ext4'], {}],
  ['ext4 8 MiB', 8 * MIB, ['-t', 'ext4'], {}],
  ['ext4 2 MiB', 2 * MIB, ['-t', 'ext4'], {}],
  ['ext4 600 MiB', 600 * MIB, ['-t', 'ext4'], {}],
  ['ext4 20 GiB', 20 * 1024 * MIB, ['-t', 'ext4'], {}],
  ['ext4 300 GiB', 300 * 1024 * MIB, ['-t', 'ext4'], {}],
  ['ext4 4 KiB blocks 64 MiB', 64 * MIB, ['-t', 'ext4', '-b', '4096'], { blockSize: 4096 }],
  ['ext4 2 KiB blocks', 100 * MIB, ['-t', 'ext4', '-b', '2048'], { blockSize: 2048 }],
  ['ext3', 64 * MIB, ['-t', 'ext3'], { type: 'ext3' }],
  ['ext2', 64 * MIB, ['-t', 'ext2'], { type: 'ext2' }],
  [
    'ext2 without sparse_super',
    64 * MIB,
    ['-t', 'ext2', '-O', '^sparse_super,^resize_inode'],
    { type: 'ext2', features: '^sparse_super,^resize_inode' },
  ],
  ['no journal', 64 * MIB, ['-t', 'ext4', '-O', '^has_journal'], { features: '^has_journal' }],
  ['no flex_bg', 200 * MIB, ['-t', 'ext4', '-O', '^flex_bg'], { features: '^flex_bg' }],
  ['no 64bit', 200 * MIB, ['-t', 'ext4', '-O', '^64bit'], { features: '^64bit' }],
  [
    'uninit_bg',
    200 * MIB,
    ['-t', 'ext4', '-O', '^metadata_csum,uninit_bg'],
    { features: '^metadata_csum,uninit_bg' },
  ],
  [
    'no checksums',
    200 * MIB,
    ['-t', 'ext4', '-O', '^metadata_csum'],
    { features: '^metadata_csum' },
  ],
  [
    'meta_bg',
    200 * MIB,
    ['-t', 'ext4', '-O', 'meta_bg,^resize_inode'],
    { features: 'meta_bg,^resize_inode' },
  ],
  [
    'sparse_super2',
    200 * MIB,
    ['-t', 'ext4', '-O', 'sparse_super2'],
    { features: 'sparse_super2' },
  ],
  ['bigalloc', 600 * MIB, ['-t', 'ext4', '-O', 'bigalloc'], { features: 'bigalloc' }],
  [
    'inline_data, large_dir, ea_inode',
    64 * MIB,
    ['-t', 'ext4', '-O', 'inline_data,large_dir,ea_inode'],
    { features: 'inline_data,large_dir,ea_inode' },
  ],
  [
    '-N, -m, -L',
    64 * MIB,
    ['-t', 'ext4', '-N', '5000', '-m', '1', '-L', 'hello'],
    { inodes: 5000, reservedPercent: 1, label: 'hello' },
  ],
  ['128 byte inodes', 64 * MIB, ['-t', 'ext4', '-I', '128'], { inodeSize: 128 }],
  ['large journal', 300 * MIB, ['-t', 'ext4', '-J', 'size=100'], { journalSize: 100 }],
];

for (const [name, size, args, options] of cases) {
  test(`${name}: as mke2fs makes it, and clean`, () => {
    const a = join(dir, 'ours.img');
    const b = join(dir, 'theirs.img');
    rmSync(a, { force: true });
    rmSync(b, { force: true });
    ours(a, size, options);
    theirs(b, size, args);
    expect(e2fsck(a)).toBe('clean');
    expect(facts(a)).toEqual(facts(b));
  });
}

test.each([
  [32, 8192],
  [200, 2048],
])(
  'bigalloc with 1 KiB blocks, where block 0 is before the super block: clean (%i MiB)',
  (mib, clusterSize) => {
    const path = join(dir, 'bigalloc.img');
    rmSync(path, { force: true });
    ours(path, mib * MIB, { blockSize: 1024, features: 'bigalloc', clusterSize });
    expect(e2fsck(path)).toBe('clean');
  },
);

test('the judges can tell: a damaged descriptor is not clean', () => {
  const path = join(dir, 'bad.img');
  ours(path, 8 * MIB, {});
  const file = new FileDevice(path);
  const s = new Scheduler();
  s.runToEnd(new BlockDevice(file).transfer('write', 2048, new Uint8Array(512).fill(1)));
  file.close();
  expect(e2fsck(path)).not.toBe('clean');
});

test('features that are not made are refused by name', () => {
  expect(() => {
    ours(join(dir, 'q.img'), 8 * MIB, { features: 'quota,mmp' });
  }).toThrow(/quota,mmp/);
});
