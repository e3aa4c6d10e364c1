// Goal: a mount refuses what it must, says why, and leaves the image in order.
// Method: images that mke2fs, debugfs and tune2fs put into every such state; e2fsck as judge.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CorruptError, FsError } from '../../src/base/errno.ts';
import { ino } from '../../src/base/units.ts';
import { inodeCsumSeed, rawBlock, setInodeCsum, csumSeedOf } from '../../src/fs/ext4/checksum.ts';
import { GroupDesc } from '../../src/fs/ext4/disk/group-desc.ts';
import { Inode } from '../../src/fs/ext4/disk/inode.ts';
import { PRJQUOTA, USRQUOTA } from '../../src/fs/ext4/disk/quota.ts';
import { EXT4_ERROR_FS, EXT4_VALID_FS, Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import { ext4ReadQuota } from '../../src/fs/ext4/quota.ts';
import { goldenPath, haveGolden } from '../support/images.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { withKernelMount, isNotAvailable } from '../support/judges.ts';
import { mountFile, type Mounted } from '../support/mounted.ts';

const RW = { readOnly: false };

function withFiles(args: string[], ...sizes: number[]): TestImage {
  const image = makeImage(args, '8M');
  const dir = scratchDir();
  const commands = sizes.map((size, i) => {
    writeFileSync(join(dir, `f${i}`), new Uint8Array(size).fill(i + 1));
    return `write ${dir}/f${i} f${i}`;
  });
  image.debugfs(...commands);
  return image;
}

const stateOf = (image: TestImage): number => Superblock.s_state.get(image.view(), 1024);
const failure = (body: () => unknown): FsError => {
  try {
    body();
  } catch (e) {
    if (e instanceof FsError) return e;
    throw e;
  }
  return expect.fail('nothing was thrown');
};

const needsRecovery = (image: TestImage): boolean =>
  image.ask('features').includes('needs_recovery');

test('mounted for writing with a log, the image needs recovery; unmounted, it does not', () => {
  const image = withFiles(['-t', 'ext4'], 100);
  const m = mountFile(image.path, RW);
  expect(needsRecovery(image)).toBe(true);
  expect(Superblock.s_mnt_count.get(image.view(), 1024)).toBe(1);
  m.umount();
  expect(needsRecovery(image)).toBe(false);
  expect(stateOf(image)).toBe(EXT4_VALID_FS);
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('mounted for writing without a log, the image is not clean; unmounted, it is', () => {
  const image = withFiles(['-t', 'ext4', '-O', '^has_journal'], 100);
  const m = mountFile(image.path, RW);
  expect(stateOf(image) & EXT4_VALID_FS).toBe(0);
  expect(Superblock.s_mnt_count.get(image.view(), 1024)).toBe(1);
  m.umount();
  expect(stateOf(image)).toBe(EXT4_VALID_FS);
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('mounted for reading, not a byte changes', () => {
  const image = withFiles(['-t', 'ext4'], 100);
  const before = image.bytes();
  const m = mountFile(image.path);
  m.run(ext4Iget(m.sb, ino(12)));
  m.umount();
  expect(Buffer.compare(before, image.bytes())).toBe(0);
});

test('a journal that asks for recovery and holds nothing is no obstacle', () => {
  const image = withFiles(['-t', 'ext4'], 100);
  image.debugfs('feature needs_recovery');
  const before = image.bytes();
  mountFile(image.path).umount();
  expect(Buffer.compare(before, image.bytes())).toBe(0);
  mountFile(image.path, RW).umount();
  expect(image.ask('feature')).not.toContain('needs_recovery');
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('with noload the journal is passed over, and nothing is written', () => {
  const image = withFiles(['-t', 'ext4'], 100);
  image.debugfs('feature needs_recovery');
  const m = mountFile(image.path, { readOnly: false, options: { noload: true } });
  expect(m.sb.readOnly).toBe(true);
  expect(m.warnings.join()).toContain('without recovery');
});

test('an unknown feature is refused by its number, a known one by its name', () => {
  const image = makeImage(['-t', 'ext4'], '8M');
  image.debugfs('feature FEATURE_I20');
  expect(failure(() => mountFile(image.path)).message).toContain('FEATURE_I20');
  const journal = makeImage(['-t', 'ext4', '-O', '^metadata_csum'], '8M');
  journal.debugfs('feature journal_dev');
  expect(failure(() => mountFile(journal.path)).message).toContain('journal_dev');
});

test('an unknown read-only feature is read, with a sentence', () => {
  const image = makeImage(['-t', 'ext4'], '8M');
  image.debugfs('feature FEATURE_R25');
  const m = mountFile(image.path, RW);
  expect(m.sb.readOnly).toBe(true);
  expect(m.warnings.join()).toContain('FEATURE_R25');
});

test('an unknown mount option is refused by name', () => {
  const image = makeImage(['-t', 'ext4'], '8M');
  expect(failure(() => mountFile(image.path, { options: { bogus: true } })).facts).toMatchObject({
    option: 'bogus',
  });
});

test('multi-mount protection: taken, refused to a second one, given back', () => {
  const image = makeImage(['-t', 'ext4', '-O', 'mmp'], '8M');
  const m = mountFile(image.path, RW);
  expect(failure(() => mountFile(image.path)).code).toBe('EBUSY');
  expect(failure(() => mountFile(image.path, RW)).message).toContain('foliofs');
  m.umount();
  expect(image.fsck()).toMatchObject({ code: 0 });
  mountFile(image.path, RW).umount();
});

test('errors=remount-ro: a wrong inode turns the mount read-only and is put on record', () => {
  const image = withFiles(['-t', 'ext4', '-e', 'remount-ro'], 100);
  breakInode(image, 12, (v, at) => Inode.i_size_high.set(v, at, 0x7fffffff));
  const m = mountFile(image.path, RW);
  const e = failure(() => m.run(ext4Iget(m.sb, ino(12))));
  expect(e).toBeInstanceOf(CorruptError);
  expect(e.facts).toMatchObject({ record: 'ext4_inode', field: 'i_size_high', ino: 12 });
  expect(m.sb.readOnly).toBe(true);
  m.umount();
  expect(stateOf(image) & EXT4_ERROR_FS).toBe(EXT4_ERROR_FS);
  expect(Superblock.s_error_count.get(image.view(), 1024)).toBe(1);
  expect(Superblock.s_last_error_ino.get(image.view(), 1024)).toBe(12);
});

test('errors=continue goes on, and the record is kept', () => {
  const image = withFiles(['-t', 'ext4', '-e', 'continue'], 100);
  breakInode(image, 12, (v, at) => Inode.i_size_high.set(v, at, 0x7fffffff));
  const m = mountFile(image.path, RW);
  failure(() => m.run(ext4Iget(m.sb, ino(12))));
  expect(m.sb.readOnly).toBe(false);
  m.umount();
  expect(stateOf(image) & EXT4_ERROR_FS).toBe(EXT4_ERROR_FS);
});

/** Change a field of an inode and make its checksum right again. */
function breakInode(image: TestImage, nr: number, change: (v: DataView, at: number) => void): void {
  const bytes = image.bytes();
  const b = rawBlock(bytes);
  const blockSize = 1024 << Superblock.s_log_block_size.get(b.view, 1024);
  const gdt = blockSize === 1024 ? 2048 : blockSize;
  const at = GroupDesc.bg_inode_table_lo.get(b.view, gdt) * blockSize + (nr - 1) * 256;
  change(b.view, at);
  const seed = inodeCsumSeed(csumSeedOf(b.view, 1024), nr, Inode.i_generation.get(b.view, at));
  setInodeCsum(seed, b, at, 256);
  image.restore(bytes);
}

test('orphans of a crash are deleted or cut when mounted for writing', () => {
  const image = withFiles(['-t', 'ext4', '-b', '1024'], 200_000, 300_000, 10);
  // 12 lost its name, 13 was being cut to 5000 bytes: 12 -> 13 -> end.
  image.debugfs(
    'unlink f0',
    'sif <12> links_count 0',
    'sif <12> dtime 13',
    'sif <13> size 5000',
    'sif <13> dtime 0',
    'ssv last_orphan 12',
  );
  const m = mountFile(image.path, RW);
  expect(m.warnings.join()).toContain('2 inode(s)');
  expect(m.run(ext4Iget(m.sb, ino(13))).blocks).toBe(10);
  m.umount();
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('an orphan list that runs in a circle is an error, not a loop', () => {
  const image = withFiles(['-t', 'ext4'], 1000, 1000);
  image.debugfs('sif <12> dtime 13', 'sif <13> dtime 12', 'ssv last_orphan 12');
  expect(failure(() => mountFile(image.path, RW)).facts).toMatchObject({ field: 's_last_orphan' });
});

test('quota files are read as debugfs reads them', () => {
  if (!haveGolden('quota')) return;
  using golden = goldenPath('quota');
  const m: Mounted = mountFile(golden.path, RW);
  expect(m.sb.readOnly).toBe(true);
  expect(m.warnings.join()).toContain('quota');
  for (const [type, name] of [
    [USRQUOTA, 'user'],
    [PRJQUOTA, 'project'],
  ] as const) {
    const records = m.run(ext4ReadQuota(m.sb, type));
    const said = execFileSync('debugfs', ['-R', `list_quota ${name}`, golden.path], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    if (!records) continue;
    const rows = said
      .split('\n')
      .map((l) => l.trim().split(/\s+/).map(Number))
      .filter((r) => r.length >= 7 && r.every((n) => !Number.isNaN(n)));
    expect(records.map((r) => [r.id, r.space])).toEqual(rows.map((r) => [r[0], r[1]]));
  }
});

test.each([
  [['-t', 'ext4'], '16M'],
  [['-t', 'ext4', '-b', '1024', '-m', '7'], '40M'],
  [['-t', 'ext2', '-b', '1024'], '8M'],
  [['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'], '64M'],
  [['-t', 'ext4', '-O', '^has_journal,^flex_bg', '-b', '1024'], '40M'],
])('statfs says what the kernel says: %s %s', async (args, size) => {
  const image = makeImage(args, size);
  const m = mountFile(image.path);
  const mine = m.sb.sops.statfs();
  const kernel = await withKernelMount(image.path, {}, (dir) =>
    execFileSync('stat', ['-f', '-c', '%S %b %f %a %c %d %l', dir], { encoding: 'utf8' }).trim(),
  );
  if (isNotAvailable(kernel)) return;
  const { bsize, blocks, bfree, bavail, files, ffree, namelen } = mine;
  expect([bsize, blocks, bfree, bavail, files, ffree, namelen].join(' ')).toBe(kernel);
});

test('the first file past 2 GiB sets large_file', () => {
  const image = withFiles(['-t', 'ext2', '-O', '^large_file'], 10);
  image.debugfs('feature -large_file');
  const m = mountFile(image.path, RW);
  const inode = m.run(ext4Iget(m.sb, ino(12)));
  m.run(inode.iops.setattr!(inode, { size: 3 * 2 ** 30 }));
  m.umount();
  expect(image.ask('features')).toContain('large_file');
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('remounted read-only the image is clean, and nothing is written until it is writable again', () => {
  const image = withFiles(['-t', 'ext4'], 100);
  const m = mountFile(image.path, RW);
  m.run(m.sb.sops.remount!(true));
  m.sb.readOnly = true;
  expect(stateOf(image)).toBe(EXT4_VALID_FS);
  const before = image.bytes();
  m.run(m.sb.sops.syncFs(true));
  expect(Buffer.compare(before, image.bytes())).toBe(0);
  m.run(m.sb.sops.remount!(false));
  m.sb.readOnly = false;
  expect(needsRecovery(image)).toBe(true);
  m.umount();
  expect(stateOf(image)).toBe(EXT4_VALID_FS);
  expect(image.fsck()).toMatchObject({ code: 0 });
});
