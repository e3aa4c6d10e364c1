/**
 * Arguments as Node takes them - paths as text, bytes or file: URLs, flags as 'r+', modes as
 * octal text, times as numbers, texts or Dates - turned into what system calls take.
 * @source Node's documentation, "File system"
 */
import { type Name, nameFromBytes, nameFromText, nameToBytes, nameToText } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';
import { argumentError } from './errors.ts';

export type PathLike = string | Uint8Array | URL;
export type TimeLike = number | string | Date | bigint | Timespec;
export type ModeLike = number | string;
export type Encoding =
  | 'utf8'
  | 'utf-8'
  | 'latin1'
  | 'binary'
  | 'hex'
  | 'base64'
  | 'ascii'
  | 'ucs2'
  | 'utf16le'
  | 'base64url';
export type EncodingOption = Encoding | 'buffer' | null | undefined;

export function toName(path: PathLike, what = 'path'): Name {
  let name: Name;
  if (typeof path === 'string') name = nameFromText(path);
  else if (path instanceof Uint8Array) name = nameFromBytes(path);
  else if (path instanceof URL) name = fromUrl(path);
  else
    throw argumentError(
      'ERR_INVALID_ARG_TYPE',
      `The "${what}" argument must be a string, bytes or a URL`,
    );
  if (name.includes('\0')) {
    throw argumentError(
      'ERR_INVALID_ARG_VALUE',
      `The argument '${what}' must be without null bytes`,
    );
  }
  return name;
}

function fromUrl(url: URL): Name {
  if (url.protocol !== 'file:') {
    throw argumentError('ERR_INVALID_ARG_VALUE', 'The URL must be of scheme file');
  }
  return nameFromText(decodeURIComponent(url.pathname));
}

/** The path as an error message shows it. */
export const pathText = (path: PathLike): string =>
  typeof path === 'string'
    ? path
    : path instanceof URL
      ? path.pathname
      : nameToText(nameFromBytes(path));

/** Linux's open flags. */
const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  SYNC: 0o4010000,
};
const FLAGS: Readonly<Record<string, number>> = {
  r: O.RDONLY,
  rs: O.RDONLY | O.SYNC,
  'r+': O.RDWR,
  'rs+': O.RDWR | O.SYNC,
  w: O.WRONLY | O.CREAT | O.TRUNC,
  wx: O.WRONLY | O.CREAT | O.TRUNC | O.EXCL,
  'w+': O.RDWR | O.CREAT | O.TRUNC,
  'wx+': O.RDWR | O.CREAT | O.TRUNC | O.EXCL,
  a: O.WRONLY | O.CREAT | O.APPEND,
  ax: O.WRONLY | O.CREAT | O.APPEND | O.EXCL,
  as: O.WRONLY | O.CREAT | O.APPEND | O.SYNC,
  'a+': O.RDWR | O.CREAT | O.APPEND,
  'ax+': O.RDWR | O.CREAT | O.APPEND | O.EXCL,
  'as+': O.RDWR | O.CREAT | O.APPEND | O.SYNC,
};
/** Node takes the letters of these in either order. */
const SAME: Readonly<Record<string, string>> = {
  sr: 'rs',
  'sr+': 'rs+',
  xw: 'wx',
  'xw+': 'wx+',
  xa: 'ax',
  'xa+': 'ax+',
  sa: 'as',
  'sa+': 'as+',
};

export function toFlags(flags: string | number | null | undefined, usual = 'r'): number {
  if (typeof flags === 'number') return flags;
  const text = flags ?? usual;
  const found = FLAGS[SAME[text] ?? text];
  if (found === undefined) {
    throw argumentError(
      'ERR_INVALID_ARG_VALUE',
      `The argument 'flags' is invalid. Received '${text}'`,
    );
  }
  return found;
}

export function toMode(mode: ModeLike | null | undefined, usual: number): number {
  if (mode === null || mode === undefined) return usual;
  const n = typeof mode === 'string' && /^[0-7]+$/.test(mode) ? parseInt(mode, 8) : mode;
  if (typeof n !== 'number') {
    throw argumentError(
      'ERR_INVALID_ARG_VALUE',
      "The argument 'mode' must be a number or octal text",
    );
  }
  return toInteger(n, 'mode', 0, 0xffff_ffff);
}

export function toInteger(n: number, what: string, least: number, most: number): number {
  if (typeof n !== 'number')
    throw argumentError('ERR_INVALID_ARG_TYPE', `The "${what}" argument must be a number`);
  if (!Number.isInteger(n) || n < least || n > most) {
    throw argumentError(
      'ERR_OUT_OF_RANGE',
      `The value of "${what}" is out of range. Received ${String(n)}`,
    );
  }
  return n;
}

/** Seconds (fractions allowed), milliseconds in a Date, nanoseconds in a bigint, or exact. */
export function toTime(time: TimeLike): Timespec {
  if (typeof time === 'object' && !(time instanceof Date)) return time;
  if (typeof time === 'bigint') {
    const sec = Number(time / 1_000_000_000n) - (time % 1_000_000_000n < 0n ? 1 : 0);
    return { sec, nsec: Number(time - BigInt(sec) * 1_000_000_000n) };
  }
  const ms = time instanceof Date ? time.getTime() : Number(time) * 1000;
  if (!Number.isFinite(ms))
    throw argumentError('ERR_INVALID_ARG_TYPE', 'The time must be a number or a Date');
  const sec = Math.floor(ms / 1000);
  // Seconds as a double are exact to about a microsecond: nanoseconds are rounded to that.
  return { sec, nsec: Math.min(999_999_999, Math.round((ms - sec * 1000) * 1000) * 1000) };
}

export interface BytesLike {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A view of the bytes of any typed array. */
export function toBytes(data: BytesLike): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (!ArrayBuffer.isView(data)) {
    throw argumentError('ERR_INVALID_ARG_TYPE', 'The "buffer" argument must be a typed array');
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function dataBytes(data: string | BytesLike, encoding: EncodingOption = 'utf8'): Uint8Array {
  if (typeof data !== 'string') return toBytes(data);
  const e = encoding ?? 'utf8';
  if (e === 'utf8' || e === 'utf-8') return new TextEncoder().encode(data);
  return Buffer.from(data, e === 'buffer' ? 'utf8' : e);
}

/** A Buffer where there are Buffers, else plain bytes. */
export const asBuffer = (bytes: Uint8Array): Uint8Array =>
  typeof Buffer === 'undefined' ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export function decoded(bytes: Uint8Array, encoding: EncodingOption): string | Uint8Array {
  if (encoding === null || encoding === undefined || encoding === 'buffer') return asBuffer(bytes);
  if (encoding === 'utf8' || encoding === 'utf-8') return new TextDecoder().decode(bytes);
  return Buffer.from(bytes).toString(encoding);
}

/** A name as the caller wants it: text (the default), or bytes. */
export const nameOut = (name: Name, encoding: EncodingOption): string | Uint8Array =>
  encoding === undefined || encoding === null || encoding === 'utf8' || encoding === 'utf-8'
    ? nameToText(name)
    : decoded(nameToBytes(name), encoding);

/** `options` that may be given as an encoding alone. */
export function withEncoding<T extends { encoding?: EncodingOption }>(
  options: T | EncodingOption | undefined,
): T {
  if (typeof options === 'string' || options === null) return { encoding: options } as T;
  return options ?? ({} as T);
}
