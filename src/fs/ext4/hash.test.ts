import { expect, test } from 'vitest';
import { makeImage } from '../../../test/support/e2fsprogs.ts';
import { inKernel, kernelMounts } from '../../../test/support/kernel.ts';
import { dirHash, dirHashSip, hashSeedOf, hashVersionInUse, siphash24 } from './hash.ts';

const SEED_TEXT = '00112233-4455-6677-8899-aabbccddeeff';
const seedBytes = Uint8Array.from(Buffer.from(SEED_TEXT.replaceAll('-', ''), 'hex'));
const superblock = new Uint8Array(1024);
superblock.set(seedBytes, 0xec);
const SEED = hashSeedOf(new DataView(superblock.buffer), 0);
const NO_SEED = new Uint32Array(4);

/** Names of every length, of bytes that debugfs takes as one word: no blanks, quotes, dashes. */
function names(): Uint8Array[] {
  let state = 12345;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const byte = (): number => {
    const b = 0x21 + next(0xff - 0x21 + 1);
    return b === 0x22 || b === 0x2d || b === 0x7f ? 0x61 : b;
  };
  return Array.from({ length: 255 }, (_, i) => {
    const high = i % 3 === 0;
    return Uint8Array.from({ length: i + 1 }, () => (high ? 0x80 | next(0x80) : byte()));
  });
}

test('every version gives what debugfs gives, seeded or not, for names of every length', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  const all = names();
  for (const version of [0, 1, 2, 3, 4, 5]) {
    for (const [seed, option] of [
      [SEED, `-s ${SEED_TEXT}`],
      [NO_SEED, ''],
    ] as const) {
      const commands = all.map(
        (n) => `dx_hash -h ${version} ${option} ${Buffer.from(n).toString('latin1')}`,
      );
      const shown = [
        ...image.debugfs(...commands).matchAll(/ is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/g),
      ];
      expect(shown.length).toBe(all.length);
      for (const [i, name] of all.entries()) {
        const [, hash = '', minor = ''] = shown[i] ?? [];
        expect([version, i, dirHash(version, seed, name)]).toEqual([
          version,
          i,
          { hash: parseInt(hash, 16), minor: parseInt(minor, 16) },
        ]);
      }
    }
  }
});

test('signed and unsigned differ for bytes above 127 only', () => {
  const ascii = new TextEncoder().encode('plain-name');
  const high = new TextEncoder().encode('naïve');
  for (const version of [0, 1, 2]) {
    expect(dirHash(version, SEED, ascii)).toEqual(dirHash(version + 3, SEED, ascii));
    expect(dirHash(version, SEED, high)).not.toEqual(dirHash(version + 3, SEED, high));
    expect(hashVersionInUse(version, 1)).toBe(version);
    expect(hashVersionInUse(version, 2)).toBe(version + 3);
  }
  expect(hashVersionInUse(6, 2)).toBe(6);
});

test('part of a buffer hashes as if it stood alone', () => {
  const name = new TextEncoder().encode('a-name-of-more-than-thirty-two-bytes-in-all');
  const block = new Uint8Array(200).fill(0x80);
  block.set(name, 77);
  for (const version of [0, 1, 2, 3, 4, 5]) {
    expect(dirHash(version, SEED, block, 77, 77 + name.length)) //
      .toEqual(dirHash(version, SEED, name));
  }
});

test('a version that no directory may have is corruption', () => {
  expect(() => dirHash(7, SEED, seedBytes)).toThrow(/EUCLEAN.*hash_version/);
  expect(() => dirHash(6, SEED, seedBytes)).toThrow(/EUCLEAN/);
});

test('a name whose hash would mean the end of the stream is moved one step down', ({ skip }) => {
  const name = new TextEncoder().encode('lxswphshi');
  expect(dirHash(0, SEED, name)).toEqual({ hash: 0xffff_fffc, minor: 0 });
  // e2fsprogs has no such rule; Linux shows what it does in the positions of getdents64(2).
  const image = makeImage(['-t', 'ext4', '-E', 'hash_seed=' + SEED_TEXT], '8M');
  expect(image.ask('dx_hash -h legacy lxswphshi')).toContain('is 0xfffffffe');
  skip(!kernelMounts(), 'the kernel mounts no images here');
  image.debugfs('ssv def_hash_version legacy');
  const script = `
import ctypes, os, struct, sys
d = os.path.join(sys.argv[1], 'd'); os.mkdir(d); open(os.path.join(d, 'lxswphshi'), 'w').close()
buf = ctypes.create_string_buffer(4096)
n = ctypes.CDLL(None).syscall(217, os.open(d, os.O_RDONLY), buf, 4096)
at = 0; before = 0
while at < n:
    ino, off, length = struct.unpack_from('<QqH', buf.raw, at)
    print(buf.raw[at + 19:at + length].split(b'\\0')[0].decode(), hex(before >> 32)); before = off
    at += length
`;
  expect(inKernel(image, script)).toContain('lxswphshi 0x7ffffffe\n');
});

test('siphash is that of its authors', () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  const data = Uint8Array.from({ length: 15 }, (_, i) => i);
  expect(siphash24(key, data)).toBe(0xa129_ca61_49be_45e5n);
  expect(siphash24(key, data.subarray(0, 0))).toBe(0x726f_db47_dd0e_0e31n);
  expect(siphash24(key, data.subarray(0, 8))).toBe(0x93f5_f579_9a93_2462n);
  expect(dirHashSip(key, data)).toEqual({ hash: 0xa129_ca60, minor: 0x49be_45e5 });
});
