// Goal: a crash in the middle of a recovery leaves an image that is recovered to the same content.
// Method: the device fails from the n-th write on, for every n; then the image is opened again with
// a device that works, and compared with one that was recovered at once.
import { expect, test } from 'vitest';
import { openSync, type Volume } from '../../src/index.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { FaultyDevice } from '../faults/faulty-device.ts';
import { goldenImage } from '../support/images.ts';
import { kernelMounts } from '../support/kernel.ts';
import { deviceOfBytes, fsckDevice } from '../support/ram-image.ts';
import { type Listing, listingOf, worked } from './listing.ts';

/** Most writes of a recovery of these images. */
const MOST = 400;

function content(device: RamDevice): Listing {
  const volume: Volume = openSync(device, { readOnly: true });
  try {
    return listingOf(volume);
  } finally {
    volume.closeSync();
  }
}

/** Recover with a device that fails from the n-th write on. @returns whether it did */
function crashAt(device: RamDevice, nth: number): boolean {
  const faulty = new FaultyDevice(device, { op: 'write', nth, forGood: true });
  try {
    // The writes of a mount are those of the recovery, and the mark that it is mounted.
    openSync(faulty, { readOnly: false });
  } catch (e) {
    expect((e as { code?: string }).code).toBe('EIO');
  }
  return faulty.failed > 0;
}

function everyCrash(image: Uint8Array): number {
  const expected = content(deviceOfBytes(image));
  for (let nth = 0; nth < MOST; nth++) {
    const device = deviceOfBytes(image);
    if (!crashAt(device, nth)) return nth;
    expect(content(device), `write ${nth}`).toEqual(expected);
    openSync(device, { readOnly: false }).closeSync();
    expect(fsckDevice(device), `write ${nth}`).toMatchObject({ status: 0 });
    expect(content(device), `write ${nth}`).toEqual(expected);
  }
  return expect.fail('a recovery without an end');
}

test.each([
  'needs-recovery-v3',
  'needs-recovery-kernel',
  'needs-recovery-orphan-file',
  'needs-recovery-fast-commit',
])('%s: a crash at any write of its recovery', (name) => {
  expect(everyCrash(goldenImage(name))).toBeGreaterThan(4);
});

test('fast commits: a crash at any write of their replay', ({ skip }) => {
  const mkfs = ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit'];
  skip(!kernelMounts(mkfs), 'the kernel mounts no such images here');
  const { image, live } = worked(mkfs, 8);
  expect(content(deviceOfBytes(image.bytes()))).toEqual(live);
  expect(everyCrash(image.bytes())).toBeGreaterThan(8);
});
