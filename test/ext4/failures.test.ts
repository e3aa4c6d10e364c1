// Goal: when the disk is full or the device fails, the error arrives, and what is on the disk stays
// in order. Method: a device that fails at its n-th request, for every n; a disk filled to the end.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errno, FsError } from '../../src/base/errno.ts';
import { asciiName } from '../../src/base/name.ts';
import { bytes as toBytes, ino } from '../../src/base/units.ts';
import type { Bio } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { EXT4_VALID_FS, Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import { IovIter } from '../../src/mm/iov-iter.ts';
import { iput } from '../../src/vfs/inode-cache.ts';
import { Dentry } from '../../src/vfs/dcache.ts';
import { File, O_RDWR } from '../../src/vfs/file.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { mountDriver, mountFile, type Mounted } from '../support/mounted.ts';

/**
 * A device whose request number `failAt` of one kind fails, and every later one if it is broken.
 */
class FaultyDevice implements BlockDriver {
  readonly size;
  readonly logicalBlockSize = 512;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  readonly ram: RamDevice;
  count = 0;
  private readonly op: 'read' | 'write';
  private readonly failAt: number;

  constructor(image: Uint8Array, op: 'read' | 'write', failAt: number) {
    this.ram = new RamDevice(toBytes(image.length));
    this.ram.poke(0, image);
    this.size = this.ram.size;
    this.op = op;
    this.failAt = failAt;
  }

  start(bio: Bio): void {
    if (bio.op === this.op && this.count++ === this.failAt) {
      bio.complete(errno('EIO', { sector: bio.sector }));
    } else {
      this.ram.start(bio);
    }
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.size);
    this.ram.peek(0, out);
    return out;
  }
}

function sample(args: string[]): TestImage {
  const image = makeImage(args, '4M');
  const source = join(scratchDir(), 'f');
  writeFileSync(source, new Uint8Array(200_000).fill(5));
  execFileSync('debugfs', ['-w', '-R', `write ${source} f`, image.path], { stdio: 'pipe' });
  return image;
}

const open = (m: Mounted): File =>
  new File(new Dentry(m.sb, null, asciiName('f')), m.run(ext4Iget(m.sb, ino(12))), O_RDWR);

/** Use the image; returns the errors that arrived. */
function scenario(device: FaultyDevice): FsError[] {
  const errors: FsError[] = [];
  const attempt = (body: () => void): void => {
    try {
      body();
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      errors.push(e);
    }
  };
  attempt(() => {
    const m = mountDriver(device, { readOnly: false, cacheSize: 1 << 20 });
    attempt(() => {
      const file = open(m);
      const { inode } = file;
      const { fops, iops } = inode;
      const out = new Uint8Array(50_000);
      attempt(() => void m.run(fops.readIter!(file, IovIter.of(out), 100_000)));
      attempt(() => void m.run(fops.writeIter!(file, IovIter.of(out), 150_000)));
      attempt(() => void m.run(fops.writeIter!(file, IovIter.of(out), 700_000)));
      attempt(() => {
        m.run(fops.fsync!(file, 0, Infinity, false));
      });
      attempt(() => {
        m.run(iops.setattr!(inode, { size: 30_000 }));
      });
      attempt(() => {
        m.run(fops.fsync!(file, 0, Infinity, false));
      });
      attempt(() => {
        m.run(iput(inode));
      });
    });
    attempt(() => {
      m.umount();
    });
  });
  return errors;
}

const FORMATS = [
  ['-t', 'ext4', '-b', '1024'],
  ['-t', 'ext2', '-b', '1024'],
  ['-t', 'ext4'],
];

test.each(FORMATS.map((f) => [f]))('a read that fails anywhere: %s', (args) => {
  const image = sample(args);
  const all = new FaultyDevice(image.bytes(), 'read', -1);
  expect(scenario(all)).toEqual([]);
  expect(all.count).toBeGreaterThan(5);
  for (let n = 0; n < all.count; n++) {
    const device = new FaultyDevice(image.bytes(), 'read', n);
    scenario(device);
    const copy = join(scratchDir(), 'copy');
    writeFileSync(copy, device.bytes());
    let output = '';
    try {
      execFileSync('e2fsck', ['-fn', copy], { encoding: 'utf8', stdio: 'pipe' });
    } catch (e) {
      output = (e as { stdout: string }).stdout;
    }
    expect(output, `read ${n}`).toBe('');
  }
});

test.each(FORMATS.map((f) => [f]))('a write that fails anywhere is told: %s', (args) => {
  const image = sample(args);
  const all = new FaultyDevice(image.bytes(), 'write', -1);
  scenario(all);
  for (let n = 0; n < all.count; n++) {
    const device = new FaultyDevice(image.bytes(), 'write', n);
    const errors = scenario(device);
    expect(errors.length, `write ${n}`).toBeGreaterThan(0);
    expect(errors.some((e) => e.code === 'EIO')).toBe(true);
    // What was not written must be looked for: the image does not say that it is in order,
    // unless it was file data that was lost, whose owner has been told.
    const state = Superblock.s_state.get(new DataView(device.bytes().buffer), 1024);
    if (state & EXT4_VALID_FS) {
      const copy = join(scratchDir(), 'copy');
      writeFileSync(copy, device.bytes());
      // The log is part of the image: what it holds belongs to what is judged.
      execFileSync('e2fsck', ['-y', '-E', 'journal_only', copy], { stdio: 'pipe' });
      expect(() => execFileSync('e2fsck', ['-fn', copy], { stdio: 'pipe' })).not.toThrow();
    }
  }
});

test.each(FORMATS.map((f) => [f]))('a full disk: %s', (args) => {
  const image = sample(args);
  const m = mountFile(image.path, { readOnly: false });
  const file = open(m);
  const { inode } = file;
  const chunk = new Uint8Array(100_000).fill(9);
  let pos = inode.size;
  let error: FsError | null = null;
  for (let i = 0; i < 200 && !error; i++) {
    try {
      const n = m.run(inode.fops.writeIter!(file, IovIter.of(chunk), pos));
      pos += n;
      if (n < chunk.length) continue;
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      error = e;
    }
  }
  expect(error?.code).toBe('ENOSPC');
  expect(inode.size).toBe(pos);
  // Sparse single bytes: every one needs a block of its own, and there is none.
  expect(() =>
    m.run(inode.fops.writeIter!(file, IovIter.of(new Uint8Array(1)), pos + 50_000_000)),
  ).toThrow('ENOSPC');
  m.run(inode.fops.fsync!(file, 0, Infinity, false));
  m.run(iput(inode));
  m.umount();
  expect(image.fsck()).toMatchObject({ code: 0 });
  const out = join(scratchDir(), 'out');
  execFileSync('debugfs', ['-R', `dump <12> ${out}`, image.path], { stdio: 'pipe' });
  const content = readFileSync(out);
  expect(content.length).toBe(pos);
  expect(content.subarray(200_000).every((b) => b === 9)).toBe(true);
});
