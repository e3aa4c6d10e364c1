/**
 * The image that a workload begins with: made, filled by the operations of its set-up, and closed,
 * so that all of it is durable. What no file owns holds POISON.
 */
import { assert } from '../../base/assert.ts';
import { bytes } from '../../base/units.ts';
import { BlockDevice, type BlockDriver } from '../../block/block-device.ts';
import { RamDevice } from '../../block/ram-device.ts';
import { checkFs } from '../../fs/ext4/check/check.ts';
import { mkfs } from '../../fs/ext4/mkfs/mkfs.ts';
import { PAGE_SIZE } from '../../mm/page-memory.ts';
import { Memory, MIN_FRAMES } from '../../mm/vmscan.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { Mounted } from './mounted.ts';
import { type CrashOp, POISON, stampOf } from './op.ts';

/** What kind of file system. */
export interface ImageShape {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  /** mke2fs's -O list on top of ext4's defaults. */
  readonly features: string;
}

/** Small: what is there is read after every crash. */
export const SHAPES = {
  plain: { name: 'plain', size: 3 << 20, blockSize: 1024, features: '' },
  inline: { name: 'inline', size: 3 << 20, blockSize: 1024, features: 'inline_data' },
  ext3: {
    name: 'ext3',
    size: 3 << 20,
    blockSize: 1024,
    features: '^extents,^64bit,^metadata_csum',
  },
  '4k': { name: '4k', size: 8 << 20, blockSize: 4096, features: '' },
} satisfies Record<string, ImageShape>;

const UUID = new Uint8Array(16).fill(0x5a);

/** Later set-ups may begin with the same operations; so many images are kept. */
const KEPT = 64;
const kept = new Map<string, RamDevice>();

/** The image after `setup`, not to be written. */
export function imageAfter(shape: ImageShape, setup: readonly CrashOp[]): RamDevice {
  const key = JSON.stringify([shape, setup]);
  let ram = kept.get(key);
  if (ram === undefined) {
    ram = makeImage(shape, setup);
    kept.set(key, ram);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
  }
  return ram;
}

function makeImage(shape: ImageShape, setup: readonly CrashOp[]): RamDevice {
  const ram = new RamDevice(bytes(shape.size));
  ram.poke(0, new Uint8Array(shape.size).fill(POISON));
  const { blockSize, features } = shape;
  const made = { features, blockSize, time: 1_700_000_000, inodes: 64 };
  const identity = { uuid: UUID, hashSeed: UUID };
  new Scheduler().runToEnd(mkfs(new BlockDevice(ram), made, identity, false));
  const mounted = new Mounted(ram);
  for (const [i, op] of setup.entries()) mounted.perform(op, stampOf(i));
  mounted.umount();
  assertClean(ram);
  return ram;
}

/** @throws AssertionError the first problem that `foliofs check` would tell */
export function assertClean(driver: BlockDriver): void {
  const memory = new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE);
  let first: string | null = null;
  const onProblem = (p: { readonly text: string }): void => {
    first ??= p.text;
  };
  new Scheduler().runToEnd(checkFs(new BlockDevice(driver), { memory, onProblem }));
  assert(first === null, `the image is damaged: ${first ?? ''}`);
}
