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
import { GRPQUOTA, PRJQUOTA } from '../disk/quota.ts';
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
    .filter((l) => !/UUID|time|created|Hash Seed|Checksum:|checksum seed|Last checked/i.test(l))
    .filter((l) => !/Lifetime|mmp_(update|node|device)/.test(l))
    .map((l) => l.replace(/,? ?csum 0x[0-9a-f]+/, ''))
    .map((l) =>
      l
        .replace(/ITABLE_ZEROED/, '')
        .replace(/ ?\[[ ,]*\]|, ?\]/, (m) => (m.includes(',') ? ']' : '')),
    );
}

/**
 * Quota files and orphan file: inode, place, bytes. Where an indirect block lies among those that
 * it lists is not compared; where a cluster is cut in extents neither.
 */
function ownFiles(path: string, indirect: boolean): string[] {
  const debugfs = (request: string): Buffer =>
    execFileSync('debugfs', ['-R', request, path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const head = execFileSync('dumpe2fs', ['-h', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  return [...head.toString().matchAll(/^(\w+) (?:quota|file) inode: +(\d+)$/gm)].map((m) => {
    const lines = debugfs(`stat <${m[2]!}>`).toString().split('\n');
    const stat = lines.filter((l) => !/time:|checksum|^Size of extra/.test(l));
    const orphans = m[1] === 'Orphan';
    if (orphans && indirect) stat.splice(stat.indexOf('BLOCKS:'));
    const at = head.includes('bigalloc') ? stat.indexOf('EXTENTS:') : stat.length;
    const bytes = orphans ? '' : debugfs(`cat <${m[2]!}>`).toString('hex');
    return [m[0], ...stat.slice(0, at), bytes].join('\n');
  });
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
  ['orphan_file', 64 * MIB, ['-t', 'ext4', '-O', 'orphan_file'], { features: 'orphan_file' }],
  [
    'orphan_file of a large device',
    1200 * MIB,
    ['-t', 'ext4', '-O', 'orphan_file,^metadata_csum'],
    { features: 'orphan_file,^metadata_csum' },
  ],
  [
    'orphan_file of clusters',
    64 * MIB,
    ['-t', 'ext4', '-b', '1024', '-C', '65536', '-O', 'orphan_file,bigalloc'],
    { blockSize: 1024, clusterSize: 65536, features: 'orphan_file,bigalloc' },
  ],
  [
    'orphan_file of a size',
    64 * MIB,
    ['-t', 'ext4', '-b', '4096', '-O', 'orphan_file', '-E', 'orphan_file_size=37k'],
    { blockSize: 4096, features: 'orphan_file', orphanFile: { bytes: 37 * 1024 } },
  ],
  ['mmp', 64 * MIB, ['-t', 'ext4', '-O', 'mmp'], { features: 'mmp' }],
  [
    'mmp with an interval',
    64 * MIB,
    ['-t', 'ext4', '-O', 'mmp,bigalloc', '-E', 'mmp_update_interval=20'],
    { features: 'mmp,bigalloc', mmpUpdateInterval: 20 },
  ],
  [
    'mmp with a short interval, in ext2',
    64 * MIB,
    ['-t', 'ext2', '-O', 'mmp', '-E', 'mmp_update_interval=1'],
    { type: 'ext2', features: 'mmp', mmpUpdateInterval: 1 },
  ],
  ['project', 64 * MIB, ['-t', 'ext4', '-O', 'project'], { features: 'project' }],
  ['quota', 64 * MIB, ['-t', 'ext4', '-O', 'quota'], { features: 'quota' }],
  [
    'quota of projects only',
    64 * MIB,
    ['-t', 'ext4', '-b', '4096', '-O', 'quota', '-E', 'quotatype=prjquota'],
    { blockSize: 4096, features: 'quota', quotaTypes: [PRJQUOTA] },
  ],
  [
    'quota of groups and projects, 2 KiB blocks',
    64 * MIB,
    ['-t', 'ext4', '-b', '2048', '-O', 'quota,project', '-E', 'quotatype=grp'],
    { blockSize: 2048, features: 'quota,project', quotaTypes: [GRPQUOTA] },
  ],
  [
    'quota, with a root directory of somebody',
    64 * MIB,
    ['-t', 'ext4', '-O', 'quota,project', '-E', 'root_owner=300000:1000'],
    { features: 'quota,project', rootOwner: { uid: 300000, gid: 1000 } },
  ],
  [
    'quota in clusters',
    64 * MIB,
    ['-t', 'ext4', '-O', 'quota,bigalloc,project'],
    { features: 'quota,bigalloc,project' },
  ],
  [
    'quota, project, mmp, orphan_file in ext3',
    64 * MIB,
    ['-t', 'ext3', '-O', 'quota,project,mmp,orphan_file'],
    { type: 'ext3', features: 'quota,project,mmp,orphan_file' },
  ],
  [
    'quota, project, mmp, orphan_file, inline_data',
    200 * MIB,
    ['-t', 'ext4', '-O', 'quota,project,mmp,orphan_file,inline_data'],
    { features: 'quota,project,mmp,orphan_file,inline_data' },
  ],
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
    expect(ownFiles(a, args.includes('ext3'))).toEqual(ownFiles(b, args.includes('ext3')));
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

test('a feature that is not made is refused by name', () => {
  expect(() => {
    ours(join(dir, 'q.img'), 8 * MIB, { features: 'journal_dev' });
  }).toThrow(/journal_dev/);
});

test.each<[string, Omit<MkfsOptions, 'time'>, string[], RegExp]>([
  [
    'project with 128 byte inodes',
    { features: 'project', inodeSize: 128 },
    ['-O', 'project', '-I', '128'],
    /256/,
  ],
  [
    'quota of projects with 128 byte inodes',
    { quotaTypes: [PRJQUOTA], inodeSize: 128 },
    ['-E', 'quotatype=prjquota', '-I', '128'],
    /256/,
  ],
  [
    'orphan_file without a journal',
    { features: 'orphan_file,^has_journal' },
    ['-O', 'orphan_file,^has_journal'],
    /journal/,
  ],
  [
    'an orphan file of no blocks',
    { features: 'orphan_file', orphanFile: { blocks: 0 } },
    ['-O', 'orphan_file', '-E', 'orphan_file_size=0'],
    /1 to 512/,
  ],
  [
    'signs of life every 301 seconds',
    { features: 'mmp', mmpUpdateInterval: 301 },
    ['-O', 'mmp', '-E', 'mmp_update_interval=301'],
    /300/,
  ],
])('%s: refused, as mke2fs does', (_name, options, args, why) => {
  const path = join(dir, 'refused.img');
  expect(() => {
    theirs(path, 8 * MIB, ['-t', 'ext4', ...args]);
  }).toThrow();
  rmSync(path, { force: true });
  expect(() => {
    ours(path, 8 * MIB, options);
  }).toThrow(why);
});

test('an orphan file that Linux would not mount is refused, though mke2fs makes it', () => {
  expect(() => {
    ours(join(dir, 'o.img'), 64 * MIB, { features: 'orphan_file', orphanFile: { blocks: 513 } });
  }).toThrow(/1 to 512/);
});
