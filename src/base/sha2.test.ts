import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256, sha512 } from './sha2.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const ascii = (s: string): Uint8Array => new TextEncoder().encode(s);

test("SHA-256 agrees with NIST's examples", () => {
  expect(hex(sha256(ascii('abc')))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  expect(hex(sha256())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(hex(sha256(ascii('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')))).toBe(
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  );
});

test("SHA-512 agrees with NIST's example", () => {
  expect(hex(sha512(ascii('abc')))).toBe(
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  );
});

test('any message in any parts has the digest that OpenSSL finds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300, size: 'max' }), { maxLength: 5 }),
      (parts) => {
        const joined = Buffer.concat(parts);
        expect(hex(sha256(...parts))).toBe(createHash('sha256').update(joined).digest('hex'));
        expect(hex(sha512(...parts))).toBe(createHash('sha512').update(joined).digest('hex'));
      },
    ),
  );
});

test('every length around the padding boundaries is padded right', () => {
  for (let n = 0; n <= 260; n++) {
    const data = new Uint8Array(new SharedArrayBuffer(n)).fill(n);
    expect(hex(sha256(data))).toBe(createHash('sha256').update(Buffer.from(data)).digest('hex'));
    expect(hex(sha512(data))).toBe(createHash('sha512').update(Buffer.from(data)).digest('hex'));
  }
});
