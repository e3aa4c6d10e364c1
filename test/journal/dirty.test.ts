// Goal: an image that we left at any point of our work is recovered by e2fsck, by the kernel and by
// us, to the same files. Method: the program of every kind of operation, step by step; after each
// step, and after every n-th write of the device within, the image as it stands is given to all
// three.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bio } from '../../src/block/bio.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { openSync } from '../../src/index.ts';
import type { MakeOptions } from '../../src/init.ts';
import { codeOf, STEPS } from '../faults/workload.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { effort, timeLimit } from '../support/effort.ts';
import {
  compareTrees,
  e2fsck,
  haveE2fsprogs,
  haveLoop,
  isNotAvailable,
  kernelTree,
  kernelTreeOf,
  preen,
  withKernelMount,
} from '../support/judges.ts';
import { bytesOf, deviceOfBytes, ramImage } from '../support/ram-image.ts';

const MIB = 1 << 20;
/** Whoever finishes an orphan may say when. */
const TIMES = ['atime', 'mtime', 'ctime'];
const SMALLEST = { journalSize: 1 };
const IMAGES: readonly (readonly [string, MakeOptions])[] = [
  ['ext4 4k', { type: 'ext4', blockSize: 4096 }],
  ['ext4 1k, the smallest log', { type: 'ext4', blockSize: 1024, ...SMALLEST }],
  ['ext3 1k, indirect maps', { type: 'ext3', blockSize: 1024 }],
  ['without checksums and 64bit', { blockSize: 4096, features: '^metadata_csum,^64bit' }],
  ['orphan file, inline data', { blockSize: 4096, features: 'orphan_file,inline_data' }],
  ['bigalloc', { blockSize: 4096, features: 'bigalloc' }],
];

/** Copies of the device: after each step, and every `stride`-th write. */
function copies(image: RamDevice, stride: number): Map<string, Uint8Array> {
  const taken = new Map<string, Uint8Array>();
  let writes = 0;
  let step = 'mount';
  const start = image.start.bind(image);
  image.start = (bio: Bio) => {
    start(bio);
    if (bio.op === 'write' && writes++ % stride === 0) {
      taken.set(`${step}, write ${String(writes)}`, bytesOf(image));
    }
  };
  const v = openSync(image, { cacheSize: MIB, seed: 1 });
  for (const { name, run } of STEPS) {
    step = name;
    try {
      run(v);
    } catch (e) {
      codeOf(e);
    }
    taken.set(`after ${name}`, bytesOf(image));
  }
  step = 'close';
  v.closeSync();
  image.start = start;
  return taken;
}

/** The image recovered by us, or by e2fsck as it is run at boot. */
function recoveries(bytes: Uint8Array): { ours: string; theirs: string } {
  const dir = scratchDir();
  const ours = join(dir, 'ours');
  const theirs = join(dir, 'theirs');
  const device = deviceOfBytes(bytes);
  openSync(device, { cacheSize: MIB, seed: 2 }).closeSync();
  writeFileSync(ours, bytesOf(device));
  writeFileSync(theirs, bytes);
  const said = preen(theirs);
  expect(said.status, said.output).toBeLessThan(2);
  return { ours, theirs };
}

describe.each(IMAGES)('%s', (_name, options) => {
  test.runIf(haveE2fsprogs())(
    'the image is in order after every recovery, and the recoveries agree',
    async () => {
      const stride = Math.max(7, Math.floor(61 / effort));
      let n = 0;
      for (const [where, bytes] of copies(ramImage(16 * MIB, options), stride)) {
        const { ours, theirs } = recoveries(bytes);
        for (const path of [ours, theirs]) {
          const { status, output } = e2fsck(path);
          expect(status, `${where}: ${path}: ${output}`).toBe(0);
        }
        if (!haveLoop() || n++ % 4 !== 0) continue;
        const kernel = join(scratchDir(), 'kernel');
        writeFileSync(kernel, bytes);
        const after = await withKernelMount(kernel, {}, kernelTree);
        expect(e2fsck(kernel), where).toMatchObject({ status: 0 });
        for (const path of [ours, theirs]) {
          const tree = await kernelTreeOf(path);
          if (isNotAvailable(tree) || isNotAvailable(after)) continue;
          expect(compareTrees(after, tree, TIMES), `${where}: ${path}`).toEqual([]);
        }
      }
    },
    timeLimit(180_000),
  );
});
