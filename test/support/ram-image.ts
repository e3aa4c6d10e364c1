/**
 * An image in memory: made by mkfs, written out sparsely for the judges of e2fsprogs.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bytes } from '../../src/base/units.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { mkfsSync } from '../../src/index.ts';
import type { MakeOptions } from '../../src/init.ts';
import { scratchDir } from './e2fsprogs.ts';
import { e2fsck, type Verdict } from './judges.ts';

const PIECE = 1 << 16;
const UUID = new Uint8Array(16).fill(0x5a);
const HASH_SEED = new Uint8Array(16).fill(0xa5);

/** The same arguments make the same bytes. */
export function ramImage(size: number, options: MakeOptions = {}): RamDevice {
  const device = new RamDevice(bytes(size));
  mkfsSync(device, { time: 1_700_000_000, uuid: UUID, hashSeed: HASH_SEED, ...options });
  return device;
}

/** All bytes of a device. */
export function bytesOf(device: RamDevice): Uint8Array {
  const all = new Uint8Array(device.size);
  device.peek(0, all);
  return all;
}

export function deviceOfBytes(image: Uint8Array): RamDevice {
  const device = new RamDevice(bytes(image.length));
  device.poke(0, image);
  return device;
}

/** Write what is not zero. */
export function writeImage(device: RamDevice, path: string): void {
  const fd = openSync(path, 'w');
  const piece = new Uint8Array(PIECE);
  const zero = Buffer.alloc(PIECE);
  try {
    for (let at = 0; at < device.size; at += PIECE) {
      const part = piece.subarray(0, Math.min(PIECE, device.size - at));
      device.peek(at, part);
      if (zero.compare(part, 0, part.length, 0, part.length) !== 0) {
        writeSync(fd, part, 0, part.length, at);
      }
    }
    ftruncateSync(fd, device.size);
  } finally {
    closeSync(fd);
  }
}

/** `e2fsck -fn` of what the device holds. @param path  where to put it; a scratch file if absent */
export function fsckDevice(device: RamDevice, path?: string): Verdict {
  const file = path ?? join(scratchDir(), 'image');
  writeImage(device, file);
  return e2fsck(file);
}
