/**
 * One header of a tar archive: ustar, GNU, and the records of PAX.
 *
 * Everything is kept as bytes: names need not be text, and the values of extended attributes are
 * not.
 * @source POSIX.1-2024 pax, "ustar Interchange Format", "pax Header Block"; GNU tar manual,
 *   "Basic Tar Format" and "Sparse Formats"
 */
import { type Name, nameFromBytes } from '../../base/name.ts';
import { CliError } from '../errors.ts';

export const BLOCK = 512;

export interface TarHeader {
  name: Name;
  link: Name;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of data in the archive. */
  size: number;
  /** Seconds. */
  mtime: number;
  type: string;
  major: number;
  minor: number;
  /** GNU's flavour of the header: what stands behind the device numbers is not a prefix. */
  gnu: boolean;
}

export const damaged = (what: string): CliError =>
  new CliError('EBADMSG', `the archive is damaged: ${what}`);

/** A field up to its first NUL. */
function text(block: Uint8Array, at: number, length: number): Name {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return nameFromBytes(block, at, end);
}

/** Octal digits, or GNU's base 256 for what octal cannot hold. */
export function tarNumber(block: Uint8Array, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first & 0x80) {
    // Two's complement, the top bit being the mark.
    let n = first & 0x40 ? (first & 0x7f) - 0x80 : first & 0x7f;
    for (let i = 1; i < length; i++) n = n * 256 + (block[at + i] ?? 0);
    if (!Number.isSafeInteger(n)) throw damaged('a number is too large');
    return n;
  }
  const digits = text(block, at, length).trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw damaged(`"${digits}" is not a number`);
  return parseInt(digits, 8);
}

/** All bytes of the header, those of the sum itself as blanks; old tars added them with signs. */
function sumIsRight(block: Uint8Array): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const digits = /^ *([0-7]+) *$/.exec(text(block, 148, 8))?.[1];
  if (digits === undefined) return false;
  const want = parseInt(digits, 8);
  return want === unsigned || want === signed;
}

export const isZeroBlock = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

/** @throws EBADMSG */
export function parseHeader(block: Uint8Array): TarHeader {
  if (!sumIsRight(block)) throw damaged('a header has a wrong checksum, or this is not a tar file');
  const magic = text(block, 257, 6);
  const gnu = magic.startsWith('ustar ');
  const ustar = magic === 'ustar';
  const prefix = ustar ? text(block, 345, 155) : ('' as Name);
  const name = text(block, 0, 100);
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    name: (prefix === '' ? name : `${prefix}/${name}`) as Name,
    link: text(block, 157, 100),
    mode: tarNumber(block, 100, 8),
    uid: tarNumber(block, 108, 8),
    gid: tarNumber(block, 116, 8),
    size: tarNumber(block, 124, 12),
    mtime: tarNumber(block, 136, 12),
    type: type === '\0' ? '0' : type,
    major: gnu || ustar ? tarNumber(block, 329, 8) : 0,
    minor: gnu || ustar ? tarNumber(block, 337, 8) : 0,
    gnu,
  };
}

/**
 * The records of a PAX header, in order: `LENGTH KEY=VALUE\n`, the length counting all of it. A
 * value is a byte string.
 */
export function parsePax(data: Uint8Array): [key: string, value: Name][] {
  const records: [string, Name][] = [];
  for (let at = 0; at < data.length;) {
    if (data[at] === 0) break;
    let length = 0;
    let p = at;
    for (; p < data.length && data[p] !== 32; p++) {
      const digit = (data[p] ?? 0) - 48;
      if (digit < 0 || digit > 9 || p - at > 15) throw damaged('a PAX record has no length');
      length = length * 10 + digit;
    }
    const end = at + length;
    if (length === 0 || end > data.length || end <= p + 2 || data[end - 1] !== 10) {
      throw damaged('a PAX record has a wrong length');
    }
    const equals = data.indexOf(61, p + 1);
    if (equals < 0 || equals >= end) throw damaged('a PAX record has no value');
    records.push([nameFromBytes(data, p + 1, equals), nameFromBytes(data, equals + 1, end - 1)]);
    at = end;
  }
  return records;
}
