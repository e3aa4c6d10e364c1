// Goal: whichever request the device fails, the error arrives as EIO (or as EROFS behind it), once
// at each open file's fsync; nothing crashes, hangs or is lost in silence. Method: a workload,
// with the n-th read, write or flush failing, for every n.
import { afterAll, describe, expect, test } from 'vitest';
import type { BioOp } from '../../src/block/bio.ts';
import { openSync, type OpenOptions, type Volume } from '../../src/index.ts';
import { deviceOfBytes, bytesOf, ramImage } from '../support/ram-image.ts';
import { effort, timeLimit } from '../support/effort.ts';
import { Watchdog } from '../support/watchdog.ts';
import { FaultyDevice, type Fault } from './faulty-device.ts';
import { codeOf, dropCaches, runSteps, STEPS } from './workload.ts';

const MIB = 1 << 20;
const IMAGES = [
  ['ext4', bytesOf(ramImage(4 * MIB, { type: 'ext4', blockSize: 1024 }))],
  ['ext2', bytesOf(ramImage(4 * MIB, { type: 'ext2', blockSize: 1024 }))],
] as const;
const KINDS: readonly BioOp[] = ['read', 'write', 'flush'];
/**
 * EIO, and what follows from what was lost: a missing name, a bitmap that its checksum does not fit
 * any more, so that its group is used no longer.
 */
const TOLD = ['EIO', 'EROFS', 'EUCLEAN', 'ENOENT', 'ENOSPC'];
/** Of the requests of a kind this many are tried in a usual run, spread evenly. */
const TRIES = 60;

const dog = new Watchdog(20_000);
afterAll(() => dog.stop());

interface Result {
  readonly device: FaultyDevice;
  readonly codes: readonly string[];
}

/** The whole workload on a device with a fault. @throws whatever is not an errno */
function run(image: Uint8Array, fault: Fault | null, options: OpenOptions = {}): Result {
  const below = deviceOfBytes(image);
  const device = new FaultyDevice(below, fault);
  const codes: string[] = [];
  let volume: Volume | null = null;
  try {
    volume = openSync(device, { cacheSize: 1 << 20, seed: 1, ...options });
    codes.push(...runSteps(volume, STEPS).values());
    volume.closeSync();
  } catch (e) {
    codes.push(codeOf(e));
  }
  // What is on the device now is an image that opens, or says why not.
  try {
    const again = openSync(below, { cacheSize: 1 << 20, seed: 1 });
    again.fs.readdirSync('/');
    again.closeSync();
  } catch (e) {
    codeOf(e);
  }
  return { device, codes };
}

describe.each(IMAGES)('%s', (_name, image) => {
  const clean = run(image, null);

  test('without a fault nothing fails', () => {
    expect(clean.codes).toEqual([]);
  });

  test.each(KINDS.flatMap((op) => [[op, false] as const, [op, true] as const]))(
    'the n-th %s fails (and all after it: %s)',
    (op, forGood) => {
      const total = clean.device.counts.get(op) ?? 0;
      expect(total).toBeGreaterThan(0);
      const stride = Math.max(1, Math.ceil(total / (TRIES * effort)));
      const silent: number[] = [];
      for (let nth = 0; nth < total; nth += stride) {
        const what = `${op} ${String(nth)}${forGood ? ' and after' : ''}`;
        const { device, codes } = dog.watch(what, () => run(image, { op, nth, forGood }));
        for (const code of codes) expect(TOLD, what).toContain(code);
        // Readahead may fail without anybody having asked for the data.
        if (device.failed > 0 && codes.length === 0 && op !== 'read') silent.push(nth);
      }
      expect(silent).toEqual([]);
    },
    timeLimit(60_000),
  );
});

/** A mounted image whose writes into one file's data can be made to fail. */
function withFile(): { v: Volume; device: FaultyDevice } {
  const device = new FaultyDevice(ramImage(4 * MIB, { type: 'ext4', blockSize: 4096 }));
  const v = openSync(device, { cacheSize: 1 << 20, seed: 1 });
  v.fs.writeFileSync('/f', new Uint8Array(8192).fill(1));
  v.syncSync();
  return { v, device };
}

const failureOf = (act: () => void): string => {
  try {
    act();
    return 'ok';
  } catch (e) {
    return codeOf(e);
  }
};

test('a failed write-back is told to each file that was open, once; to nobody who opens later', () => {
  const { v, device } = withFile();
  const a = v.fs.openSync('/f', 'r+');
  const b = v.fs.openSync('/f', 'r');
  v.fs.writeSync(a, new Uint8Array(100).fill(2), 0, 100, 0);
  device.refuses = (bio) => bio.op === 'write';
  expect(failureOf(() => v.fs.fsyncSync(a))).toBe('EIO');
  device.refuses = () => false;
  expect(failureOf(() => v.fs.fsyncSync(a))).toBe('ok');
  expect(failureOf(() => v.fs.fsyncSync(b))).toBe('EIO');
  expect(failureOf(() => v.fs.fsyncSync(b))).toBe('ok');
  const later = v.fs.openSync('/f', 'r');
  expect(failureOf(() => v.fs.fsyncSync(later))).toBe('ok');
  for (const fd of [a, b, later]) v.fs.closeSync(fd);
  v.closeSync();
});

test('an error that nobody has been told of yet is told to who opens next', () => {
  const { v, device } = withFile();
  v.fs.writeFileSync('/f', new Uint8Array(100).fill(2), { flag: 'r+' });
  device.refuses = (bio) => bio.op === 'write';
  expect(failureOf(() => v.syncSync())).toBe('EIO');
  device.refuses = () => false;
  const fd = v.fs.openSync('/f', 'r+');
  expect(failureOf(() => v.fs.fsyncSync(fd))).toBe('EIO');
  expect(failureOf(() => v.fs.fsyncSync(fd))).toBe('ok');
  v.fs.closeSync(fd);
  v.closeSync();
});

test('a read that fails is EIO, and is tried again', () => {
  const { v, device } = withFile();
  dropCaches(v);
  const fd = v.fs.openSync('/f', 'r');
  device.refuses = (bio) => bio.op === 'read';
  expect(failureOf(() => void v.fs.readSync(fd, new Uint8Array(100), 0, 100, 0))).toBe('EIO');
  device.refuses = () => false;
  const buffer = new Uint8Array(100);
  expect(v.fs.readSync(fd, buffer, 0, 100, 0)).toBe(100);
  expect(buffer.every((x) => x === 1)).toBe(true);
  v.fs.closeSync(fd);
  v.closeSync();
});

describe('errors= says what happens after damage', () => {
  /** Mount, damage the directory /d on the device, meet the damage. */
  function damaged(policy: string): Volume {
    const below = ramImage(4 * MIB, { type: 'ext4', blockSize: 1024 });
    const first = openSync(below, { seed: 1 });
    first.fs.mkdirSync('/d');
    first.fs.writeFileSync('/d/x', '');
    first.closeSync();
    const image = Buffer.from(bytesOf(below));
    // An entry of length 0 in the block of /d: "x" is its third. The log has copies of the block.
    const entry = Buffer.from([1, 1, 0x78, 0, 0, 0]);
    for (let at = image.indexOf(entry); at >= 0; at = image.indexOf(entry, at + 1)) {
      below.poke(at - 2, new Uint8Array([0, 0]));
    }
    const v = openSync(below, { options: `errors=${policy}`, seed: 1 });
    expect(failureOf(() => void v.fs.readdirSync('/d'))).toBe('EUCLEAN');
    return v;
  }

  test('remount-ro: nothing is written any more', () => {
    const v = damaged('remount-ro');
    expect(v.readOnly).toBe(true);
    expect(failureOf(() => v.fs.mkdirSync('/new'))).toBe('EROFS');
    expect(v.fs.readdirSync('/')).toContain('d');
    v.closeSync();
  });

  test('continue: the rest can still be written', () => {
    const v = damaged('continue');
    expect(v.readOnly).toBe(false);
    v.fs.mkdirSync('/new');
    expect(v.fs.readdirSync('/')).toContain('new');
    v.closeSync();
  });

  test('panic: nothing is written any more', () => {
    const v = damaged('panic');
    expect(failureOf(() => v.fs.mkdirSync('/new'))).toMatch(/EROFS|EIO/);
    v.closeSync();
  });
});
