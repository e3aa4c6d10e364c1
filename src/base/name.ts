/**
 * Names and paths below `api/` are byte strings: one char for one byte, 0..255.
 *
 * Linux's names are bytes, not text. A byte string keeps every byte, is a Map key, and equals the
 * JavaScript string as long as it is ASCII, so that the usual name costs no conversion.
 */
declare const bytesInside: unique symbol;
/** A file name or path as bytes, one char a byte. */
export type Name = string & { readonly [bytesInside]: true };

export const NAME_MAX = 255;
export const PATH_MAX = 4096;

const ascii = (s: string): boolean => {
  for (let i = 0; i < s.length; i++) if (s.charCodeAt(i) > 127) return false;
  return true;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** UTF-8 of a JavaScript string as a byte string. */
export const nameFromText = (text: string): Name =>
  ascii(text) ? (text as Name) : nameFromBytes(encoder.encode(text));

/** Bytes as a byte string. `bytes` may lie in shared memory. */
export function nameFromBytes(bytes: Uint8Array, start = 0, end = bytes.length): Name {
  let s = '';
  for (let i = start; i < end; i++) s += String.fromCharCode(bytes[i]!);
  return s as Name;
}

export function nameToBytes(name: Name): Uint8Array {
  const out = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) out[i] = name.charCodeAt(i);
  return out;
}

/** For people: bytes that are not UTF-8 become U+FFFD. */
export const nameToText = (name: Name): string =>
  ascii(name) ? name : decoder.decode(nameToBytes(name));

/** Text that is known to be ASCII. */
export const asciiName = (text: string): Name => text as Name;
