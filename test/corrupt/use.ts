/**
 * Use an image as a program would - walk the tree, read, write, unmount - and tell what came of it.
 * An errno is an answer; anything else is a defect of ours.
 */
import type { Bio } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { bytes, type Bytes } from '../../src/base/units.ts';
import { FsError, openSync, type Volume } from '../../src/index.ts';

/** Entries of the tree that are looked at. */
const ENTRIES = 60;
/** A file is read in pieces at its start, middle and end. */
const PIECE = 40_000;
/** More requests than this, and it would never end. */
const REQUESTS = 100_000;
/** Milliseconds; a usual use takes ten. */
const PATIENCE = 5000;
const CACHE = 1 << 20;

/** The bytes of an image that is shared, and what was written on top. */
export class Overlay implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize = 512;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  private readonly base: Uint8Array;
  private readonly sectors = new Map<number, Uint8Array>();
  private requests = 0;

  constructor(base: Uint8Array) {
    this.base = base;
    this.size = bytes(base.length);
  }

  start(bio: Bio): void {
    if (++this.requests > REQUESTS) throw new Error('an endless loop of requests');
    let sector = bio.sector as number;
    for (const v of bio.vecs) {
      for (let at = 0; at < v.length; at += 512, sector++) {
        const part = v.subarray(at, at + 512);
        if (bio.op === 'read') part.set(this.sector(sector));
        else this.sectors.set(sector, part.slice());
      }
    }
    if (bio.op === 'discard' || bio.op === 'writeZeroes') {
      for (; sector < bio.end; sector++) this.sectors.set(sector, new Uint8Array(512));
    }
    bio.complete(null);
  }

  private sector(nr: number): Uint8Array {
    return this.sectors.get(nr) ?? this.base.subarray(nr * 512, nr * 512 + 512);
  }

  /** All of it, as a device that the judges can be shown. */
  toRam(): RamDevice {
    const device = new RamDevice(this.size);
    device.poke(0, this.base);
    for (const [nr, data] of this.sectors) device.poke(nr * 512, data);
    return device;
  }
}

export interface Outcome {
  /** Errors by code and message, in order; without repetition. */
  readonly errors: readonly string[];
  readonly mounted: boolean;
  readonly device: Overlay;
}

/** @throws Error whatever is not an errno; too long; too much memory */
export function use(image: Uint8Array, write: boolean): Outcome {
  const errors = new Set<string>();
  const begun = performance.now();
  const attempt = <T>(body: () => T): T | null => {
    let result: T | null = null;
    try {
      result = body();
    } catch (e) {
      const cause = (e as Error).cause;
      if (!(cause instanceof FsError)) throw e;
      if (cause.code === 'EDEADLK') throw e;
      errors.add(cause.message);
    }
    // A defect that must not hide behind an errno.
    if (performance.now() - begun > PATIENCE) throw new Error('it takes too long');
    return result;
  };
  const device = new Overlay(image);
  const volume = attempt(() => openSync(device, { cacheSize: CACHE, readOnly: !write, seed: 1 }));
  if (volume) {
    const files = walk(volume, attempt);
    if (write) change(volume, files, attempt);
    attempt(() => {
      volume.closeSync();
    });
  }
  return { errors: [...errors], mounted: volume !== null, device };
}

type Attempt = <T>(body: () => T) => T | null;

/** @returns paths of plain files and of directories */
function walk(volume: Volume, attempt: Attempt): { files: string[]; dirs: string[] } {
  const { fs } = volume;
  const files: string[] = [];
  const dirs: string[] = ['/'];
  const pending = ['/'];
  let left = ENTRIES;
  attempt(() => fs.statfsSync('/'));
  for (let dir = pending.shift(); dir !== undefined; dir = pending.shift()) {
    const names = attempt(() => fs.readdirSync(dir, 'latin1') as string[]) ?? [];
    for (const name of names) {
      if (--left < 0) return { files, dirs };
      const path = Buffer.from(`${dir === '/' ? '' : dir}/${name}`, 'latin1') as unknown as string;
      const text = Buffer.from(path as unknown as Uint8Array).toString('latin1');
      const s = attempt(() => fs.lstatSync(path));
      for (const key of attempt(() => fs.listxattrSync(path, { follow: false })) ?? []) {
        attempt(() => fs.getxattrSync(path, key, { follow: false }));
      }
      if (!s) continue;
      if (s.isSymbolicLink()) attempt(() => fs.readlinkSync(path));
      if (s.isDirectory() && text.split('/').length < 8) {
        pending.push(text);
        dirs.push(text);
      }
      if (s.isFile()) {
        files.push(text);
        attempt(() => {
          read(volume, path, Number(s.size));
        });
      }
    }
  }
  return { files, dirs };
}

function read(volume: Volume, path: string, size: number): void {
  const { fs } = volume;
  const fd = fs.openSync(path, 'r');
  try {
    const buffer = new Uint8Array(PIECE);
    for (const at of new Set([0, Math.floor(size / 2), Math.max(0, size - PIECE)])) {
      fs.readSync(fd, buffer, 0, PIECE, at);
    }
  } finally {
    fs.closeSync(fd);
  }
}

function change(
  volume: Volume,
  { files, dirs }: { files: string[]; dirs: string[] },
  attempt: Attempt,
): void {
  const { fs } = volume;
  const named = (text: string): string => Buffer.from(text, 'latin1') as unknown as string;
  const data = new Uint8Array(7000).fill(0x5a);
  for (const dir of dirs.slice(0, 4)) {
    const at = dir === '/' ? '' : dir;
    attempt(() => {
      fs.writeFileSync(named(`${at}/new-file`), data);
    });
    attempt(() => {
      fs.setxattrSync(named(`${at}/new-file`), 'user.new', data.subarray(0, 50));
    });
    attempt(() => {
      fs.mkdirSync(named(`${at}/new-dir`));
    });
    attempt(() => {
      fs.renameSync(named(`${at}/new-file`), named(`${at}/new-dir/moved`));
    });
    attempt(() => {
      fs.symlinkSync('x'.repeat(100), named(`${at}/new-link`));
    });
  }
  for (const [i, file] of files.slice(0, 12).entries()) {
    const path = named(file);
    if (i % 3 === 0) attempt(() => fs.appendFileSync(path, data));
    attempt(() => {
      fs.setxattrSync(path, 'user.more', data.subarray(0, 200));
    });
    if (i % 3 === 1) attempt(() => fs.truncateSync(path, 3));
    if (i % 3 === 2) attempt(() => fs.unlinkSync(path));
    attempt(() => fs.chmodSync(path, 0o640));
  }
  attempt(() => {
    volume.syncSync();
  });
}
