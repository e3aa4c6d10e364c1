import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc16, crc32be, crc32c } from './checksum.ts';

const DIGITS = new TextEncoder().encode('123456789');

/** One bit at a time, straight from the definition. */
function slowReflected(poly: number, crc: number, data: Uint8Array): number {
  let r = crc;
  for (const byte of data) {
    r ^= byte;
    for (let bit = 0; bit < 8; bit++) r = r & 1 ? (r >>> 1) ^ poly : r >>> 1;
  }
  return r >>> 0;
}

test('crc32c of "123456789" is the catalogued check value', () => {
  // @source reveng CRC catalogue, CRC-32/ISCSI: both ends inverted.
  expect((crc32c(0xffffffff, DIGITS) ^ -1) >>> 0).toBe(0xe3069283);
});

test('crc32c agrees with the four examples of RFC 3720, B.4', () => {
  const of = (data: Uint8Array) => (crc32c(0xffffffff, data) ^ -1) >>> 0;
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(of(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(of(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(of(ascending)).toBe(0x46dd794e);
  expect(of(ascending.slice().reverse())).toBe(0x113fdb5c);
});

test('crc16 of "123456789" is the catalogued check value', () => {
  // CRC-16/ARC starts at 0, CRC-16/MODBUS at 0xffff, which is what ext4 uses.
  expect(crc16(0, DIGITS)).toBe(0xbb3d);
  expect(crc16(0xffff, DIGITS)).toBe(0x4b37);
});

test('crc32be of "123456789" is the catalogued check value', () => {
  // CRC-32/MPEG-2: no inversion at the end.
  expect(crc32be(0xffffffff, DIGITS)).toBe(0x0376e6e7);
});

test('crc32c of any bytes, cut anywhere, equals the bitwise definition', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200, size: 'max' }),
      fc.nat(0xffffffff),
      fc.nat(200),
      (data, seed, cut) => {
        const at = Math.min(cut, data.length);
        const chained = crc32c(crc32c(seed, data, 0, at), data, at);
        expect(chained).toBe(slowReflected(0x82f63b78, seed, data));
        expect(crc16(seed & 0xffff, data)).toBe(slowReflected(0xa001, seed & 0xffff, data));
      },
    ),
  );
});

test('crc32c reads shared memory and honours start and end', () => {
  const data = new Uint8Array(new SharedArrayBuffer(64), 8, 48);
  for (let i = 0; i < data.length; i++) data[i] = i * 7;
  expect(crc32c(1, data, 3, 41)).toBe(slowReflected(0x82f63b78, 1, data.slice(3, 41)));
  expect(crc32c(123, data, 5, 5)).toBe(123);
});
