import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { crc32c, crc32cSlices } from './checksum.ts';
import { attachMemory, CRC_SCRATCH_SIZE, crc32cBulk } from './crc32c-kernel.ts';

const PAGE = 65536;
const noise = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 13);

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

for (const shared of [true, false]) {
  test(`in ${shared ? 'shared' : 'own'} attached memory any range has the CRC of the tables`, () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared });
    expect(attachMemory(memory, PAGE)).toBe(true);
    const data = new Uint8Array(memory.buffer, 0, PAGE);
    data.set(noise(PAGE));
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(600), fc.nat(1500), (crc, at, length) => {
        const view = data.subarray(at);
        const want = crc32cSlices(crc, view, 3, 3 + length);
        expect(crc32cBulk(crc, view, 3, 3 + length)).toBe(want);
        expect(crc32c(crc, view, 3, 3 + length)).toBe(want);
      }),
      { numRuns: 400 },
    );
  });
}

test('the kernel changes nothing outside of its scratch', () => {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const all = new Uint8Array(memory.buffer);
  all.set(noise(2 * PAGE));
  const before = all.slice();
  attachMemory(memory, PAGE + 4096);
  crc32c(1, all.subarray(0, PAGE));
  const end = PAGE + 4096 + CRC_SCRATCH_SIZE;
  expect(Buffer.compare(all.slice(0, PAGE + 4096), before.slice(0, PAGE + 4096))).toBe(0);
  expect(Buffer.compare(all.slice(end), before.slice(end))).toBe(0);
});

test('data elsewhere is copied in chunks and has the same CRC', () => {
  for (const length of [511, 512, 4096, 8191, 8192, 8193, 100_003]) {
    const data = noise(length + 7);
    for (const [start, end] of [
      [0, length + 7],
      [7, length + 7],
      [0, length],
    ] as const) {
      expect(crc32c(5, data, start, end)).toBe(crc32cSlices(5, data, start, end));
    }
  }
});

test('a range outside of the data is refused before the kernel could read it', () => {
  expect(() => crc32c(0, new Uint8Array(512), 0, 1024)).toThrow('outside');
  expect(() => crc32c(0, new Uint8Array(512), -1, 512)).toThrow('outside');
});

test('a scratch that does not fit is refused', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  expect(() => attachMemory(memory, PAGE - 16)).toThrow('scratch');
  expect(() => attachMemory(memory, 8)).toThrow('scratch');
});

test('a host without WebAssembly, or one that refuses to compile, gets the same CRC', async () => {
  const data = noise(4096);
  const want = crc32c(7, data);
  const real = WebAssembly;
  const refusing = {
    Memory: real.Memory,
    Module: class {
      constructor() {
        throw new TypeError('no vectors, or not allowed to');
      }
    },
  };
  for (const host of [undefined, refusing]) {
    vi.stubGlobal('WebAssembly', host);
    vi.resetModules();
    const fresh = await import('./checksum.ts');
    const kernel = await import('./crc32c-kernel.ts');
    expect(kernel.crc32cBulk(7, data, 0, 4096)).toBe(-1);
    expect(fresh.crc32c(7, data)).toBe(want);
    if (host) {
      expect(kernel.attachMemory(new real.Memory({ initial: 1, maximum: 1 }), 0)).toBe(false);
    }
  }
});

test('the committed kernel is what the script makes', () => {
  execFileSync(process.execPath, ['scripts/make-crc-wasm.mjs', '--check']);
});
