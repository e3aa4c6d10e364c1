// Goal: of two nodes that have one image, only one changes it. Method: images of mke2fs, the record
// read from outside, a clock that is moved by hand; e2fsck and dumpe2fs as judges.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { mmpCsumOk, rawBlock, setMmpCsum, csumSeedOf } from '../../src/fs/ext4/checksum.ts';
import { EXT4_MMP_SEQ_CLEAN, EXT4_MMP_SEQ_FSCK, Mmp } from '../../src/fs/ext4/disk/mmp.ts';
import { Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { ManualClock } from '../../src/sched/clock.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { type Mounted, mountFile } from '../support/mounted.ts';

const RW = { readOnly: false };
const BLOCK = 1024;

function protectedImage(...more: string[]): TestImage {
  return makeImage(['-t', 'ext4', '-b', String(BLOCK), '-O', 'mmp', ...more], '8M');
}

const failure = (body: () => unknown): FsError => {
  try {
    body();
  } catch (e) {
    if (e instanceof FsError) return e;
    throw e;
  }
  return expect.fail('nothing was thrown');
};

const placeOf = (image: TestImage): number =>
  Superblock.s_mmp_block.get(image.view(), 1024) * BLOCK;

function record(image: TestImage): { seq: number; check: number; whole: boolean } {
  const at = placeOf(image);
  const b = rawBlock(image.bytes().slice(at, at + BLOCK));
  const seed = csumSeedOf(image.view(), 1024);
  const check = Mmp.mmp_check_interval.get(b.view, 0);
  return { seq: Mmp.mmp_seq.get(b.view, 0), check, whole: mmpCsumOk(seed, b) };
}

/** Another node writes its number, under the mount. */
function writeSeq(image: TestImage, seq: number): void {
  const at = placeOf(image);
  const b = rawBlock(new Uint8Array(BLOCK));
  const fd = openSync(image.path, 'r+');
  readSync(fd, b.data, 0, BLOCK, at);
  Mmp.mmp_seq.set(b.view, 0, seq);
  setMmpCsum(csumSeedOf(image.view(), 1024), b);
  writeSync(fd, b.data, 0, BLOCK, at);
  closeSync(fd);
}

function pass(m: Mounted, ms: number): void {
  const { clock } = m.sb.scheduler;
  if (!(clock instanceof ManualClock)) return expect.fail('the clock is not by hand');
  clock.advance(ms);
  m.sb.scheduler.pump();
}

test('signs of life are given as often as the super block asks, and end with the mount', () => {
  const image = protectedImage('-E', 'mmp_update_interval=20');
  const m = mountFile(image.path, RW);
  const first = record(image);
  expect(first).toMatchObject({ check: 40, whole: true });
  expect(first.seq).not.toBe(EXT4_MMP_SEQ_CLEAN);
  pass(m, 19_000);
  expect(record(image).seq).toBe(first.seq);
  pass(m, 2000);
  expect(record(image)).toEqual({ seq: first.seq + 1, check: 40, whole: true });
  m.umount();
  expect(record(image)).toMatchObject({ seq: EXT4_MMP_SEQ_CLEAN, whole: true });
  expect(image.fsck()).toMatchObject({ code: 0 });
});

test('a sync gives a sign of life where no timer went off', () => {
  const image = protectedImage();
  const m = mountFile(image.path, RW);
  const { seq } = record(image);
  const { clock } = m.sb.scheduler;
  const ahead = clock.monotonicMs() + 6000;
  clock.monotonicMs = () => ahead;
  m.run(m.sb.sops.syncFs(true));
  expect(record(image).seq).toBe(seq + 1);
  m.umount();
});

test('a number of somebody else ends all changes: it stays, and is told', () => {
  const image = protectedImage();
  const m = mountFile(image.path, RW);
  writeSeq(image, 77);
  pass(m, 6000);
  expect(m.sb.readOnly).toBe(true);
  expect(m.warnings.join()).toMatch(/took this image while it was mounted/);
  const before = image.bytes();
  m.umount();
  pass(m, 60_000);
  expect(record(image).seq).toBe(77);
  expect(placeOf(image)).toBeGreaterThan(0);
  expect(Superblock.s_state.get(image.view(), 1024)).toBe(
    Superblock.s_state.get(new DataView(before.buffer), 1024),
  );
});

test('unmounting looks first whether the image is still ours', () => {
  const image = protectedImage();
  const m = mountFile(image.path, RW);
  writeSeq(image, 78);
  const before = image.bytes();
  expect(failure(() => m.run(m.sb.sops.putSuper())).code).toBe('EBUSY');
  expect(Buffer.compare(before, image.bytes())).toBe(0);
});

test('while e2fsck runs, and after another node, a mount is refused; after close it is not', () => {
  const image = protectedImage();
  writeSeq(image, EXT4_MMP_SEQ_FSCK);
  expect(failure(() => mountFile(image.path, RW)).message).toMatch(/e2fsck is running/);
  writeSeq(image, 5);
  const e = failure(() => mountFile(image.path, RW));
  expect(e.code).toBe('EBUSY');
  expect(e.message).toMatch(/clear_mmp/);
  writeSeq(image, EXT4_MMP_SEQ_CLEAN);
  mountFile(image.path, RW).umount();
});

test('a mount that fails gives the image back', () => {
  // debugfs would wait, as Linux does, if the image were protected already.
  const image = makeImage(['-t', 'ext4', '-b', String(BLOCK)], '8M');
  image.debugfs('write /dev/null a', 'write /dev/null b');
  image.debugfs('sif <12> dtime 13', 'sif <13> dtime 12', 'ssv last_orphan 12');
  execFileSync('tune2fs', ['-O', 'mmp', image.path], { stdio: 'pipe' });
  expect(failure(() => mountFile(image.path, RW)).facts).toMatchObject({ field: 's_last_orphan' });
  expect(record(image)).toMatchObject({ seq: EXT4_MMP_SEQ_CLEAN, whole: true });
});

test('taken and given back when remounted', () => {
  const image = protectedImage();
  const m = mountFile(image.path, RW);
  m.run(m.sb.sops.remount!(true));
  expect(record(image).seq).toBe(EXT4_MMP_SEQ_CLEAN);
  m.sb.readOnly = true;
  m.run(m.sb.sops.remount!(false));
  m.sb.readOnly = false;
  expect(record(image).seq).not.toBe(EXT4_MMP_SEQ_CLEAN);
  m.umount();
  expect(record(image).seq).toBe(EXT4_MMP_SEQ_CLEAN);
  expect(image.fsck()).toMatchObject({ code: 0 });
});
