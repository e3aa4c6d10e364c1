/**
 * Folding of names in directories that match them without regard to case.
 *
 * Linux compares and hashes the NFDICF form of a name: each code point folded (C and F of Unicode
 * 12.1) and decomposed, code points that nobody sees dropped, combining marks put in order. A name
 * that is not UTF-8 has no such form: it is just its bytes, and equal to no other name.
 *
 * Decompositions come from String.prototype.normalize(): Unicode keeps them for ever for every code
 * point once assigned, so that a newer engine gives what 12.1 gave; what was assigned later is
 * never asked for. Linux emits UTF-8 byte by byte and lets a continuation byte pass wherever one
 * stands, which shows in names that have one too many; `Folder` does the same, because the hash of
 * such a name is on disk.
 * @source fs/unicode/utf8-norm.c:utf8byte(), utf8-core.c:utf8_casefold();
 *   unicode.org: UAX #15, "Canonical Ordering Algorithm", and the stability policy
 */
import { type Name, nameFromBytes, nameToBytes } from '../../base/name.ts';
import { ASSIGNED, COMBINING, FOLD_ONE, FOLD_SEVERAL, IGNORABLE } from './casefold-tables.ts';

const numbers = (item: string): number[] => item.split(',').map((n) => parseInt(n, 36));
const items = (table: string): string[] => table.trimEnd().split(' ');

/** A set of code points as the sorted bounds of its ranges: start, end, start, end. */
function boundsOf(table: string): Uint32Array {
  const bounds: number[] = [];
  let at = 0;
  for (const item of items(table)) {
    const [gap = 0, length = 0] = numbers(item);
    bounds.push(at + gap, at + gap + length);
    at += gap + length;
  }
  return Uint32Array.from(bounds);
}

/** In the set: an odd number of bounds is at or below `cp`. */
function isIn(bounds: Uint32Array, cp: number): boolean {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bounds[middle]! <= cp) low = middle + 1;
    else high = middle;
  }
  return (low & 1) === 1;
}

function foldingOf(): Map<number, string> {
  const map = new Map<number, string>();
  let at = 0;
  for (const item of items(FOLD_ONE)) {
    const [gap = 0, distance = 0, count = 1, step = 1] = numbers(item);
    at += gap;
    for (let i = 0; i < count; i++) {
      map.set(at + i * step, String.fromCodePoint(at + i * step + distance));
    }
  }
  at = 0;
  for (const item of items(FOLD_SEVERAL)) {
    const [gap = 0, ...to] = numbers(item);
    at += gap;
    map.set(at, String.fromCodePoint(...to));
  }
  return map;
}

function combiningOf(): Map<number, number> {
  const map = new Map<number, number>();
  let at = 0;
  for (const item of items(COMBINING)) {
    const [gap = 0, length = 0, ccc = 0] = numbers(item);
    at += gap;
    for (const end = at + length; at < end; at++) map.set(at, ccc);
  }
  return map;
}

interface Tables {
  readonly assigned: Uint32Array;
  readonly ignorable: Uint32Array;
  readonly folding: ReadonlyMap<number, string>;
  readonly combining: ReadonlyMap<number, number>;
}
let made: Tables | null = null;
/** Made when the first name beyond ASCII comes: most images never need them. */
const tables = (): Tables =>
  (made ??= {
    assigned: boundsOf(ASSIGNED),
    ignorable: boundsOf(IGNORABLE),
    folding: foldingOf(),
    combining: combiningOf(),
  });

/** The next code point and its length: `value * 8 + length`; -1 where the bytes are not UTF-8. */
function decode(b: Uint8Array, at: number, end: number): number {
  const first = b[at]!;
  if (first < 0x80) return first * 8 + 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > end) return -1;
  let cp = first & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = b[at + i]!;
    if ((byte & 0xc0) !== 0x80) return -1;
    cp = (cp << 6) | (byte & 0x3f);
  }
  const least = length === 4 ? 0x1_0000 : length === 3 ? 0x800 : 0x80;
  const surrogate = cp >= 0xd800 && cp <= 0xdfff;
  return cp < least || cp > 0x10_ffff || surrogate ? -1 : cp * 8 + length;
}

/** Class of a continuation byte that belongs to no character. */
const STRAY = -1;

/** Takes code points one after the other and gives the bytes of the folded name. */
class Folder {
  private readonly out: number[] = [];
  /** Combining marks, and stray bytes among them, that wait for the end of their run. */
  private readonly run: { readonly ccc: number; readonly value: number }[] = [];
  private readonly t = tables();

  add(cp: number): void {
    const { assigned, ignorable, folding, combining } = this.t;
    if (isIn(ignorable, cp)) {
      // Dropped, yet the marks on its two sides are not put in one order.
      this.endRun();
      return;
    }
    if (!isIn(assigned, cp)) {
      this.endRun();
      this.emit(cp);
      return;
    }
    const text = folding.get(cp) ?? String.fromCodePoint(cp);
    for (const c of text.normalize('NFD')) {
      const value = c.codePointAt(0)!;
      const ccc = combining.get(value) ?? 0;
      if (ccc === 0) {
        this.endRun();
        this.emit(value);
      } else {
        this.run.push({ ccc, value });
      }
    }
  }

  addStray(byte: number): void {
    if (this.run.length === 0) this.out.push(byte);
    else this.run.push({ ccc: STRAY, value: byte });
  }

  end(): Uint8Array {
    this.endRun();
    return Uint8Array.from(this.out);
  }

  /**
   * Marks go out class by class, each class in the order it came in. Linux looks the run over once
   * to find the lowest class, then once for each class; a stray byte goes out each time.
   */
  private endRun(): void {
    const { run } = this;
    if (run.length === 0) return;
    const present = [...new Set(run.map((r) => r.ccc))].sort((a, b) => a - b);
    if (present[0] !== STRAY) present.unshift(STRAY);
    for (const pass of present) {
      for (const { ccc, value } of run) {
        if (ccc === STRAY) this.out.push(value);
        else if (ccc === pass) this.emit(value);
      }
    }
    run.length = 0;
  }

  /** UTF-8 of one code point. */
  private emit(cp: number): void {
    const { out } = this;
    if (cp < 0x80) {
      out.push(cp);
    } else if (cp < 0x800) {
      out.push(0xc0 | (cp >> 6), 0x80 | (cp & 0x3f));
    } else if (cp < 0x1_0000) {
      out.push(0xe0 | (cp >> 12), 0x80 | ((cp >> 6) & 0x3f), 0x80 | (cp & 0x3f));
    } else {
      out.push(0xf0 | (cp >> 18), 0x80 | ((cp >> 12) & 0x3f));
      out.push(0x80 | ((cp >> 6) & 0x3f), 0x80 | (cp & 0x3f));
    }
  }
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

function foldedBytes(b: Uint8Array, start: number, end: number): Uint8Array | null {
  if (isContinuation(b[start]!)) return null;
  const folder = new Folder();
  for (let at = start; at < end;) {
    if (isContinuation(b[at]!)) {
      folder.addStray(b[at++]!);
      continue;
    }
    const next = decode(b, at, end);
    if (next < 0) return null;
    folder.add(next >> 3);
    at += next & 7;
  }
  return folder.end();
}

const isAscii = (b: Uint8Array, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if (b[i]! > 0x7f) return false;
  return true;
};

/** ASCII letters only change by one bit. */
const lowerByte = (c: number): number => (c >= 0x41 && c <= 0x5a ? c | 0x20 : c);

/**
 * The folded form of the name in `b[start, end)`, which is what its directory hashes; null where
 * there is none, and the bytes themselves are hashed.
 * @source fs/unicode/utf8-core.c:utf8_casefold()
 */
export const casefold = (b: Uint8Array, start = 0, end = b.length): Uint8Array | null =>
  isAscii(b, start, end) ? b.slice(start, end).map(lowerByte) : foldedBytes(b, start, end);

/**
 * Is the name UTF-8? On a file system with strict encoding no other can be made in a casefolded
 * directory (EINVAL).
 * @source fs/unicode/utf8-core.c:utf8_validate()
 */
export function isUtf8(b: Uint8Array, start = 0, end = b.length): boolean {
  for (let at = start; at < end;) {
    const next = decode(b, at, end);
    if (next < 0) return false;
    at += next & 7;
  }
  return true;
}

const FOLDS = /[A-Z\x80-\xff]/;

/**
 * What two names have in common exactly when they match: the folded form, else the bytes.
 * @source fs/libfs.c:generic_ci_match()
 */
export function casefoldKey(name: Name): Name {
  if (!FOLDS.test(name)) return name;
  const folded = casefold(nameToBytes(name));
  return folded === null ? name : nameFromBytes(folded);
}

/**
 * Does the name in `b[start, end)` match the one whose casefoldKey() is `key`?
 * @param key  kept by the caller, as one look-up compares it with many entries
 */
export function casefoldMatches(key: Name, b: Uint8Array, start = 0, end = b.length): boolean {
  if (!isAscii(b, start, end)) return casefoldKey(nameFromBytes(b, start, end)) === key;
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) {
    if (lowerByte(b[start + i]!) !== key.charCodeAt(i)) return false;
  }
  return true;
}
