// Goal: when blocks or inodes run out, whoever needs one is told ENOSPC, nothing else is lost, and
// the image stays sound. Method: a workload on images with just so many free blocks, for every
// number of them; then each resource by itself.
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openSync, type Volume } from '../../src/index.ts';
import type { MakeOptions } from '../../src/init.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { effort, timeLimit } from '../support/effort.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { haveE2fsprogs } from '../support/judges.ts';
import { fsckDevice, ramImage } from '../support/ram-image.ts';
import { Watchdog } from '../support/watchdog.ts';
import { codeOf, runSteps, STEPS } from './workload.ts';

const MIB = 1 << 20;
const GEOMETRIES: readonly (readonly [string, MakeOptions])[] = [
  ['ext4 1k', { type: 'ext4', blockSize: 1024 }],
  ['ext4 4k', { type: 'ext4', blockSize: 4096 }],
  ['ext2 1k', { type: 'ext2', blockSize: 1024 }],
  ['inline_data', { type: 'ext4', blockSize: 1024, features: 'inline_data' }],
  ['bigalloc', { type: 'ext4', blockSize: 1024, features: 'bigalloc', clusterSize: 4096 }],
  ['no checksums', { type: 'ext4', blockSize: 1024, features: '^metadata_csum,^64bit' }],
];
/** Free blocks left, from none to more than the workload needs. */
const LEFT = [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 40, 60, 90, 130, 200];

const dog = new Watchdog(30_000);
afterAll(() => dog.stop());

const make = (options: MakeOptions, size = 4 * MIB): RamDevice =>
  ramImage(size, { reservedPercent: 0, ...options });
const open = (device: RamDevice): Volume =>
  openSync(device, {
    cacheSize: 2 << 20,
    seed: 1,
    warn: (sentence) => {
      throw new Error(`warned: ${sentence}`);
    },
  });

const failureOf = (act: () => void): string => {
  try {
    act();
    return 'ok';
  } catch (e) {
    return codeOf(e);
  }
};

const free = (v: Volume): number => v.fs.statfsSync('/').bfree;

/** One file that takes all blocks but so many. */
function fill(v: Volume, left: number): void {
  const bs = v.fs.statfsSync('/').bsize;
  const fd = v.fs.openSync('/filler', 'w');
  const chunk = new Uint8Array(32 * bs).fill(9);
  try {
    for (;;) {
      const room = free(v) - left;
      if (room <= 0) break;
      const length = Math.min(chunk.length, room * bs);
      if (failureOf(() => void v.fs.writeSync(fd, chunk, 0, length)) !== 'ok') break;
    }
  } finally {
    v.fs.closeSync(fd);
  }
  v.syncSync();
  // The file's own tree takes blocks, too: give back what is missing.
  for (let tries = 0; free(v) < left && tries < 50; tries++) {
    const size = Number(v.fs.statSync('/filler')?.size);
    v.fs.truncateSync('/filler', Math.max(0, size - bs));
  }
  v.syncSync();
}

function sound(device: RamDevice, path: string, what: string): void {
  if (!haveE2fsprogs()) return;
  const { status, output } = fsckDevice(device, path);
  expect(status, `${what}\n${output}`).toBe(0);
}

describe.each(GEOMETRIES)('%s', (_name, options) => {
  test(
    'with any number of free blocks the workload meets nothing but ENOSPC',
    () => {
      const path = join(scratchDir(), 'image');
      let full = 0;
      const left = effort > 1 ? Array.from({ length: 220 }, (_, i) => i) : LEFT;
      for (const blocks of left) {
        const what = `${String(blocks)} blocks left`;
        dog.watch(what, () => {
          const device = make(options);
          const v = open(device);
          fill(v, blocks);
          const failures = runSteps(v, STEPS);
          for (const [step, code] of failures) {
            expect(['ENOSPC', 'ENOENT'], `${what}: ${step}`).toContain(code);
            if (code === 'ENOSPC') full++;
          }
          v.closeSync();
          sound(device, path, what);
        });
      }
      expect(full).toBeGreaterThan(0);
    },
    timeLimit(60_000),
  );

  test('a full disk keeps every byte that was said to be written, and takes more when it can', () => {
    const device = make(options);
    let v = open(device);
    const written = new Map<string, Uint8Array>();
    let code = 'ok';
    for (let i = 0; code === 'ok'; i++) {
      const data = new Uint8Array(1 + ((i * 7919) % 40_000)).fill(i % 251);
      const name = `/f${String(i)}`;
      code = failureOf(() => {
        v.fs.writeFileSync(name, data, { flush: true });
      });
      if (code === 'ok') written.set(name, data);
    }
    expect(code).toBe('ENOSPC');
    v.closeSync();
    v = open(device);
    for (const [name, data] of written) {
      expect(Buffer.compare(v.fs.readFileSync(name) as Uint8Array, data), name).toBe(0);
    }
    for (const name of [...written.keys()].slice(0, 5)) v.fs.unlinkSync(name);
    v.fs.writeFileSync('/more', new Uint8Array(2000), { flush: true });
    v.closeSync();
    sound(device, join(scratchDir(), 'image'), 'in the end');
  });

  test('inodes run out, and come back', () => {
    const device = make({ ...options, inodes: 32 });
    const v = open(device);
    const { ffree } = v.fs.statfsSync('/');
    for (let i = 0; i < ffree; i++) v.fs.writeFileSync(`/i${String(i)}`, '');
    expect(failureOf(() => v.fs.writeFileSync('/one-more', ''))).toBe('ENOSPC');
    expect(failureOf(() => v.fs.mkdirSync('/dir'))).toBe('ENOSPC');
    expect(failureOf(() => v.fs.symlinkSync('x', '/link'))).toBe('ENOSPC');
    v.fs.unlinkSync('/i0');
    v.fs.mkdirSync('/dir');
    expect(v.fs.existsSync('/one-more')).toBe(false);
    v.closeSync();
    sound(device, join(scratchDir(), 'image'), 'in the end');
  });

  test('a directory that cannot grow keeps its names', () => {
    const device = make(options);
    const v = open(device);
    v.fs.mkdirSync('/d');
    fill(v, 0);
    const names: string[] = [];
    for (let i = 0; i < 300; i++) {
      const name = `name-${'n'.repeat(40)}-${String(i)}`;
      const code = failureOf(() => v.fs.writeFileSync(`/d/${name}`, ''));
      if (code === 'ok') names.push(name);
      else expect(code).toBe('ENOSPC');
    }
    expect(names.length).toBeLessThan(300);
    expect((v.fs.readdirSync('/d') as string[]).sort()).toEqual(names.sort());
    v.closeSync();
    sound(device, join(scratchDir(), 'image'), 'in the end');
  });

  test('an attribute that finds no room leaves the others as they were', () => {
    const device = make(options);
    const v = open(device);
    v.fs.writeFileSync('/f', 'x');
    v.fs.setxattrSync('/f', 'user.small', new Uint8Array(20).fill(1));
    fill(v, 0);
    expect(failureOf(() => v.fs.setxattrSync('/f', 'user.large', new Uint8Array(800)))).toBe(
      'ENOSPC',
    );
    expect(v.fs.getxattrSync('/f', 'user.small')).toHaveLength(20);
    expect(v.fs.listxattrSync('/f')).toEqual(['user.small']);
    v.closeSync();
    sound(device, join(scratchDir(), 'image'), 'in the end');
  });

  test('a fragmented file that needs one more block for its map is told so, and stays readable', () => {
    const device = make(options);
    const v = open(device);
    const fd = v.fs.openSync('/sparse', 'w+');
    v.fs.writeSync(fd, new Uint8Array(10).fill(1), 0, 10, 0);
    fill(v, 6);
    const { bsize } = v.fs.statfsSync('/');
    const kept: number[] = [];
    for (let i = 1; i < 20; i++) {
      const at = i * bsize * 20;
      const code = failureOf(() => void v.fs.writeSync(fd, new Uint8Array(10).fill(1), 0, 10, at));
      if (code === 'ok') kept.push(at);
      else expect(code).toBe('ENOSPC');
    }
    expect(failureOf(() => v.fs.fsyncSync(fd))).toBe('ok');
    for (const at of kept) {
      const buffer = new Uint8Array(10);
      v.fs.readSync(fd, buffer, 0, 10, at);
      expect(buffer.every((b) => b === 1)).toBe(true);
    }
    v.fs.closeSync(fd);
    v.closeSync();
    sound(device, join(scratchDir(), 'image'), 'in the end');
  });
});

test('blocks kept for root are not for others', () => {
  const device = make({ type: 'ext4', blockSize: 1024, reservedPercent: 10 });
  open(device).closeSync();
  const root = open(device);
  root.fs.chmodSync('/', 0o777);
  root.closeSync();
  const user = openSync(device, {
    seed: 1,
    cred: { uid: 1000, gid: 1000, groups: [], umask: 0o022, caps: 0 },
  });
  const { bavail } = user.fs.statfsSync('/');
  const big = new Uint8Array((bavail + 20) * 1024);
  expect(failureOf(() => user.fs.writeFileSync('/f', big, { flush: true }))).toBe('ENOSPC');
  expect(user.fs.statfsSync('/').bavail).toBe(0);
  expect(user.fs.statfsSync('/').bfree).toBeGreaterThan(100);
  user.closeSync();
  sound(device, join(scratchDir(), 'image'), 'in the end');
});
