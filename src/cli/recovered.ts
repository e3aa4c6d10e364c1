/**
 * An image whose journal is to be replayed, for who looks at all of it: as it will be once it was
 * mounted, that is with its orphans finished too. Nothing of it is written, unless asked for.
 */
import { randomInt } from 'node:crypto';
import { CorruptError } from '../base/errno.ts';
import { BlockDevice, type BlockDriver } from '../block/block-device.ts';
import { OverlayDevice } from '../block/overlay-device.ts';
import { hasFeature, readFeatures } from '../fs/ext4/features.ts';
import { ext4BlockSizeOf, readSuperBlock } from '../fs/ext4/super-read.ts';
import { openDriverSync } from '../init.ts';
import { NodeClock } from '../platform/node/clock.ts';
import { Scheduler } from '../sched/scheduler.ts';

/** Is it an ext4, and does its super block ask for a recovery? @throws EIO */
export function asksForRecovery(driver: BlockDriver): boolean {
  const scheduler = new Scheduler();
  const device = new BlockDevice(driver);
  try {
    scheduler.runToEnd(ext4BlockSizeOf(device));
  } catch (e) {
    if (e instanceof CorruptError) return false;
    throw e;
  }
  const bytes = scheduler.runToEnd(readSuperBlock(device));
  return hasFeature(
    readFeatures(new DataView(bytes.buffer, bytes.byteOffset), 0),
    'needs_recovery',
  );
}

export interface Recovered {
  /** The image after the recovery; what was not written to the image is in memory. */
  readonly driver: BlockDriver;
  /** What was done, a sentence each. */
  readonly said: readonly string[];
}

/**
 * Mount for writing and unmount again: the journal goes home, orphans are finished.
 * @returns what was done, a sentence each. @throws why that cannot be
 */
export function recover(driver: BlockDriver, image: string): readonly string[] {
  const said: string[] = [];
  const warn = (sentence: string): number => said.push(sentence);
  const host = { clock: new NodeClock(), entropy: () => randomInt(2 ** 32) };
  const nothing = (): void => undefined;
  openDriverSync(driver, { readOnly: false, warn }, host, nothing, image).closeSync();
  return said;
}

/** The same in memory: at most as much of it as the journal is long and its orphans are large. */
export function recoverInMemory(driver: BlockDriver, image: string): Recovered {
  const device = new BlockDevice(driver);
  const blockSize = new Scheduler().runToEnd(ext4BlockSizeOf(device));
  const overlay = new OverlayDevice(device, blockSize, new Uint8Array(0));
  const said = recover(overlay, image);
  overlay.seal();
  return { driver: overlay, said };
}
