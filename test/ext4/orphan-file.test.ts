// Goal: an inode with work left is in the orphan file, and whoever opens the image after a crash
// finishes it. Method: files that are deleted while open, a sync, and a copy of the image taken
// before it is closed; e2fsck, debugfs and the kernel as judges beside our own mount.
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { RO_COMPAT } from '../../src/fs/ext4/features.ts';
import { Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { openSync } from '../../src/index.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { withKernelMount } from '../support/judges.ts';
import { mountFile } from '../support/mounted.ts';

const RW = { readOnly: false };

function image(...more: string[]): TestImage {
  const features = ['-O', 'orphan_file', '-E', 'orphan_file_size=2'];
  return makeImage(['-t', 'ext4', '-b', '1024', '-N', '1024', ...features, ...more], '16M');
}

const present = (path: TestImage['view']): boolean =>
  (Superblock.s_feature_ro_compat.get(path(), 1024) & RO_COMPAT.orphan_present) !== 0;
const head = (i: TestImage): number => Superblock.s_last_orphan.get(i.view(), 1024);

/** Inode numbers in the slots, whose blocks must still have their tails, by debugfs. */
function slots(i: TestImage): number[] {
  const out = join(scratchDir(), 'orphans');
  i.ask(`dump <12> ${out}`);
  const bytes = spawnSync('od', ['-An', '-v', '-tu4', '-w4', out], { encoding: 'utf8' }).stdout;
  const words = bytes.trim().split(/\s+/).map(Number);
  expect([words[254], words[510]]).toEqual([0x0b10ca04, 0x0b10ca04]);
  return words.filter((w, n) => w !== 0 && n % 256 < 254);
}

/** The image as it is after `count` open files were deleted, a sync, and then nothing more. */
function crashed(i: TestImage, count: number): string[] {
  const v = openSync(i.path);
  const fds = Array.from({ length: count }, (_, n) => {
    const fd = v.fs.openSync(`/gone${n}`, 'w');
    v.fs.writeSync(fd, Buffer.alloc(5000, 'g'));
    return fd;
  });
  v.fs.writeFileSync('/stays', 'here');
  for (let n = 0; n < count; n++) v.fs.unlinkSync(`/gone${n}`);
  v.syncSync();
  expect(present(i.view)).toBe(true);
  const copies = ['e2fsck', 'ours', 'kernel'].map((name) => {
    const path = join(scratchDir(), name);
    copyFileSync(i.path, path);
    return path;
  });
  // Closing finishes them all.
  fds.forEach((fd) => {
    v.fs.closeSync(fd);
  });
  v.closeSync();
  return copies;
}

const fsck = (path: string, how: string): { status: number | null; stdout: string } =>
  spawnSync('e2fsck', [how, path], { encoding: 'utf8' });

test('deleted and open: in the file, not on the list; closed: gone, and nothing is present', () => {
  const i = image();
  const v = openSync(i.path);
  const fd = v.fs.openSync('/f', 'w');
  v.fs.writeSync(fd, Buffer.alloc(3000));
  const { ino } = v.fs.fstatSync(fd);
  v.fs.unlinkSync('/f');
  v.syncSync();
  expect(slots(i.replayed())).toEqual([ino]);
  expect(head(i.replayed())).toBe(0);
  v.fs.closeSync(fd);
  v.syncSync();
  expect(slots(i.replayed())).toEqual([]);
  expect(present(i.view)).toBe(true);
  v.closeSync();
  expect(present(i.view)).toBe(false);
  expect(i.fsck()).toMatchObject({ code: 0 });
});

test.each([
  [3, '-O', 'metadata_csum'],
  [3, '-O', '^metadata_csum'],
])(
  '%i orphans of a crash (%s %s) are finished by e2fsck, by us, by the kernel',
  async (n, ...o) => {
    const i = image(...o);
    const [theirs = '', ours = '', kernel = ''] = crashed(i, n);
    expect(i.fsck()).toMatchObject({ code: 0 });
    const said = fsck(theirs, '-fy');
    expect(said.stdout.match(/(?:Clearing|Deleting) orphaned inode/gi)).toHaveLength(n);
    expect(fsck(theirs, '-fn').status).toBe(0);
    const m = mountFile(ours, RW);
    expect(m.warnings.join()).toContain(`${n} inode(s)`);
    m.umount();
    // What was not closed is not called clean until e2fsck has looked: it finds nothing to do.
    const judged = fsck(ours, '-fn');
    expect(judged.stdout).not.toMatch(/orphan|wrong|unattached/i);
    expect(judged.status).toBe(0);
    await withKernelMount(kernel, {}, () => undefined);
    const after = fsck(kernel, '-fn');
    expect(after.status, after.stdout).toBe(0);
  },
);

test('when the file is full, the list takes the rest', () => {
  const i = image('-E', 'orphan_file_size=1');
  const v = openSync(i.path);
  const count = 254 + 3;
  const fds = Array.from({ length: count }, (_, n) => v.fs.openSync(`/f${n}`, 'w'));
  for (let n = 0; n < count; n++) v.fs.unlinkSync(`/f${n}`);
  v.syncSync();
  expect(head(i.replayed())).not.toBe(0);
  const copy = join(scratchDir(), 'copy');
  copyFileSync(i.path, copy);
  fds.forEach((fd) => {
    v.fs.closeSync(fd);
  });
  v.closeSync();
  expect(head(i)).toBe(0);
  expect(i.fsck()).toMatchObject({ code: 0 });
  const m = mountFile(copy, RW);
  expect(m.warnings.join()).toContain(`${count} inode(s)`);
  m.umount();
  expect(fsck(copy, '-fn').status).toBe(0);
});

test.each([
  ['an inode that is in the file twice', [15, 15]],
  ['a number that no inode has', [99999]],
  ['an inode of the file system itself', [8]],
])('%s is an error that says where, not a loop', (_name, numbers) => {
  const i = image('-O', '^metadata_csum');
  const at = Number(/\(0-1\):(\d+)/.exec(i.ask('stat <12>'))?.[1]) * 1024;
  const bytes = i.bytes();
  const view = new DataView(bytes.buffer, at);
  numbers.forEach((nr, n) => {
    view.setUint32(4 * n, nr, true);
  });
  i.restore(bytes);
  try {
    mountFile(i.path, RW);
    expect.fail('nothing was thrown');
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    expect(e.facts).toMatchObject({ record: 'orphan file', field: `slot ${numbers.length - 1}` });
  }
});
