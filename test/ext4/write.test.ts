// Goal: what is written to a file through the page cache is in the image, and e2fsck finds nothing.
// Method: files that debugfs made, opened by number; every layout a file's map can have.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asciiName } from '../../src/base/name.ts';
import { Prng } from '../../src/base/prng.ts';
import { ino } from '../../src/base/units.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import type { Ext4Inode } from '../../src/fs/ext4/inode-info.ts';
import { IovIter } from '../../src/mm/iov-iter.ts';
import { Dentry } from '../../src/vfs/dcache.ts';
import { File, O_APPEND, O_RDWR } from '../../src/vfs/file.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { e2fsck } from '../support/judges.ts';
import { mountFile, type Mounted } from '../support/mounted.ts';

/** First inode that debugfs gives to a file of a fresh image. */
const FILE_INO = 12;

const FORMATS: readonly (readonly [name: string, args: string[]])[] = [
  ['ext2 1k', ['-t', 'ext2', '-b', '1024']],
  ['ext2 4k', ['-t', 'ext2', '-b', '4096']],
  ['ext3 1k', ['-t', 'ext3', '-b', '1024']],
  ['ext4 1k', ['-t', 'ext4', '-b', '1024']],
  ['ext4 2k', ['-t', 'ext4', '-b', '2048']],
  ['ext4 4k', ['-t', 'ext4', '-b', '4096']],
  ['ext4 64k', ['-t', 'ext4', '-b', '65536']],
  ['no journal', ['-t', 'ext4', '-O', '^has_journal']],
  ['no checksums', ['-t', 'ext4', '-O', '^metadata_csum']],
  ['uninit_bg', ['-t', 'ext4', '-O', '^metadata_csum,uninit_bg']],
  ['bigalloc', ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384']],
  ['meta_bg', ['-t', 'ext4', '-O', 'meta_bg,^resize_inode', '-b', '1024']],
  ['inline_data', ['-t', 'ext4', '-O', 'inline_data', '-I', '256']],
  ['no flex_bg', ['-t', 'ext4', '-O', '^flex_bg']],
];

function imageWithFile(args: string[], content: Uint8Array, size = '24M'): TestImage {
  const image = makeImage(args, size);
  const source = join(scratchDir(), 'f');
  writeFileSync(source, content);
  execFileSync('debugfs', ['-w', '-R', `write ${source} f`, image.path], { stdio: 'pipe' });
  return image;
}

/** The open file of an inode. */
function openFile(m: Mounted, flags = O_RDWR): File {
  const inode = m.run(ext4Iget(m.sb, ino(FILE_INO)));
  return new File(new Dentry(m.sb, null, asciiName('f')), inode, flags);
}

const write = (m: Mounted, file: File, bytes: Uint8Array, pos: number): number =>
  m.run(file.inode.fops.writeIter!(file, IovIter.of(bytes), pos));

function read(m: Mounted, file: File, pos: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const n = m.run(file.inode.fops.readIter!(file, IovIter.of(out.subarray(done)), pos + done));
    if (n === 0) break;
    done += n;
  }
  return out.subarray(0, done);
}

function close(m: Mounted, file: File): void {
  m.run(file.inode.fops.fsync!(file, 0, Infinity, false));
  m.run(m.sb.sops.evictInode(file.inode));
  m.sb.inodes.delete(file.inode.ino);
  m.umount();
}

function dump(image: TestImage): Uint8Array {
  const out = join(scratchDir(), 'out');
  execFileSync('debugfs', ['-R', `dump <${FILE_INO}> ${out}`, image.path], { stdio: 'pipe' });
  return readFileSync(out);
}

function judge(image: TestImage, want: Uint8Array): void {
  const verdict = e2fsck(image.path);
  expect(verdict.status, verdict.output).toBe(0);
  expect(Buffer.compare(dump(image), want)).toBe(0);
}

/** The same change to a plain array. */
class Model {
  bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
  }
  write(data: Uint8Array, pos: number): void {
    if (pos + data.length > this.bytes.length) this.truncate(pos + data.length);
    this.bytes.set(data, pos);
  }
  truncate(size: number): void {
    const next = new Uint8Array(size);
    next.set(this.bytes.subarray(0, size));
    this.bytes = next;
  }
}

describe.each(FORMATS)('%s', (_name, args) => {
  test('overwrites, appends, holes and cuts reach the disk', () => {
    const prng = new Prng(7);
    const first = prng.bytes(5000);
    const image = imageWithFile(args, first);
    const m = mountFile(image.path, { readOnly: false });
    const file = openFile(m);
    const model = new Model(first);
    const put = (data: Uint8Array, pos: number): void => {
      expect(write(m, file, data, pos)).toBe(data.length);
      model.write(data, pos);
    };
    put(prng.bytes(100), 4950);
    put(prng.bytes(70_000), 9000);
    put(prng.bytes(3), 1_000_001);
    put(prng.bytes(300_000), 2_000_000);
    m.run(file.inode.iops.setattr!(file.inode, { size: 2_100_007 }));
    model.truncate(2_100_007);
    put(prng.bytes(10), 2_200_000);
    expect(Buffer.compare(read(m, file, 0, model.bytes.length + 10), model.bytes)).toBe(0);
    close(m, file);
    judge(image, model.bytes);
  });

  test('random writes and cuts, mounted anew in between, are what a plain array says', () => {
    const prng = new Prng(11);
    const image = imageWithFile(args, new Uint8Array(0));
    const model = new Model(new Uint8Array(0));
    for (let round = 0; round < 3; round++) {
      const m = mountFile(image.path, { readOnly: false });
      const file = openFile(m);
      for (let step = 0; step < 40; step++) {
        if (prng.below(4) === 0) {
          const size = prng.below(prng.below(2) ? 200 : 3_000_000);
          m.run(file.inode.iops.setattr!(file.inode, { size }));
          model.truncate(size);
        } else {
          const data = prng.bytes(1 + prng.below(prng.below(3) ? 100 : 60_000));
          const pos = prng.below(prng.below(2) ? 100 : 2_000_000);
          expect(write(m, file, data, pos)).toBe(data.length);
          model.write(data, pos);
        }
        const at = prng.below(Math.max(1, model.bytes.length));
        const want = model.bytes.subarray(at, at + 5000);
        expect(Buffer.compare(read(m, file, at, 5000), want), `round ${round} step ${step}`).toBe(
          0,
        );
      }
      close(m, file);
      judge(image, model.bytes);
    }
  });
});

test('O_APPEND ignores the position', () => {
  const image = imageWithFile(['-t', 'ext4'], new Uint8Array([1, 2, 3]));
  const m = mountFile(image.path, { readOnly: false });
  const file = openFile(m, O_RDWR | O_APPEND);
  write(m, file, new Uint8Array([4, 5]), 0);
  expect(file.writtenAt).toBe(3);
  close(m, file);
  judge(image, new Uint8Array([1, 2, 3, 4, 5]));
});

test('fallocate gives blocks that read as zero and survive as unwritten extents', () => {
  const image = imageWithFile(['-t', 'ext4', '-b', '1024'], new Uint8Array([9]));
  const m = mountFile(image.path, { readOnly: false });
  const file = openFile(m);
  m.run(file.inode.fops.fallocate!(file, 0, 5000, 1_000_000));
  expect(file.inode.size).toBe(1_005_000);
  const model = new Model(new Uint8Array([9]));
  model.truncate(1_005_000);
  write(m, file, new Uint8Array([7, 7, 7]), 500_001);
  model.write(new Uint8Array([7, 7, 7]), 500_001);
  expect(Buffer.compare(read(m, file, 0, 2_000_000), model.bytes)).toBe(0);
  close(m, file);
  judge(image, model.bytes);
  expect((file.inode as Ext4Inode).blocks).toBeGreaterThan(1900);
});
