/**
 * FolioFS: ext4 images in process.
 *
 *     import { mkfs, open } from 'foliofs';
 *     await mkfs('disk.img', { size: '64M' });
 *     const volume = await open('disk.img');
 */
import { randomInt } from 'node:crypto';
import type { BlockDriver } from './block/block-device.ts';
import type { MkfsResult } from './fs/ext4/mkfs/mkfs.ts';
import {
  deviceOf,
  type Host,
  type MakeOptions,
  makeOnDriver,
  openDriver,
  openDriverSync,
  type OpenOptions,
  type Volume,
} from './init.ts';
import { NodeClock } from './platform/node/clock.ts';
import { FileDevice } from './platform/node/file-device.ts';

export type { BlockDriver } from './block/block-device.ts';
export type { Bio } from './block/bio.ts';
export type { MakeOptions, OpenOptions, Volume } from './init.ts';
export { RamDevice } from './block/ram-device.ts';
export { FileDevice } from './platform/node/file-device.ts';
export { errnoNumber, FsError } from './base/errno.ts';

const host = (): Host => ({ clock: new NodeClock(), entropy: () => randomInt(2 ** 32) });

/** A path of the host, the bytes of an image, or a driver of your own. */
export type ImageSource = string | Uint8Array | BlockDriver;

const nothing = (): void => undefined;

function deviceFor(
  source: ImageSource,
  readOnly: boolean,
): { driver: BlockDriver; release: () => void } {
  if (typeof source === 'string') {
    const file = new FileDevice(source, { readOnly });
    return {
      driver: file,
      release: () => {
        file.close();
      },
    };
  }
  if (source instanceof Uint8Array) return { driver: deviceOf(source).driver, release: nothing };
  return { driver: source, release: nothing };
}

const labelOf = (source: ImageSource): string | undefined =>
  typeof source === 'string' ? source : undefined;

/**
 * Mount an image. A journal that is to be recovered is: on the image, or in memory with `readOnly`.
 * @throws EUCLEAN a record is damaged, of the journal too; EINVAL not ext4, or an unsupported
 *   feature, by name; EBUSY; the host's own errors
 */
export async function open(source: ImageSource, options: OpenOptions = {}): Promise<Volume> {
  const { driver, release } = deviceFor(source, options.readOnly ?? false);
  return await openDriver(driver, options, host(), release, labelOf(source));
}

/** The same at once: for sources that answer synchronously (paths, bytes). */
export function openSync(source: ImageSource, options: OpenOptions = {}): Volume {
  const { driver, release } = deviceFor(source, options.readOnly ?? false);
  return openDriverSync(driver, options, host(), release, labelOf(source));
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** '64M', '10G', 4096: bytes. @throws RangeError */
export function parseSize(size: string | number): number {
  if (typeof size === 'number') return size;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(size.trim());
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ''];
  if (!match || unit === undefined) throw new RangeError(`'${size}' is not a size: 4096, 64M, 10G`);
  return Math.floor(Number(match[1]) * unit);
}

export interface MkfsOptions extends MakeOptions {
  /** Bytes, or '64M'. Absent: the size that the target has. */
  readonly size?: string | number;
}

/**
 * Make an empty ext4. A missing file is made, sparse; an existing one is grown or cut if a size
 * is given. @throws EINVAL, EOPNOTSUPP, ENOSPC before anything is written
 */
export function mkfsSync(target: string | BlockDriver, options: MkfsOptions = {}): MkfsResult {
  const { size, ...rest } = options;
  if (typeof target !== 'string') return makeOnDriver(target, rest, host(), false);
  const create = size === undefined ? {} : { create: true, size: parseSize(size) };
  const file = new FileDevice(target, create);
  try {
    return makeOnDriver(file, rest, host(), file.fresh, target);
  } finally {
    file.close();
  }
}

/** The same as a promise. */
export async function mkfs(
  target: string | BlockDriver,
  options: MkfsOptions = {},
): Promise<MkfsResult> {
  return await Promise.resolve().then(() => mkfsSync(target, options));
}
