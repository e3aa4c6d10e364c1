/** Numbers, modes and times as Unix commands write and read them. */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
} from '../base/mode.ts';
import type { Timespec } from '../sched/clock.ts';
import { UsageError } from './errors.ts';

const TYPES: ReadonlyMap<number, readonly [letter: string, word: string]> = new Map([
  [S_IFREG, ['-', 'file']],
  [S_IFDIR, ['d', 'directory']],
  [S_IFLNK, ['l', 'symlink']],
  [S_IFCHR, ['c', 'character device']],
  [S_IFBLK, ['b', 'block device']],
  [S_IFIFO, ['p', 'fifo']],
  [S_IFSOCK, ['s', 'socket']],
]);

export const typeLetter = (mode: number): string => TYPES.get(mode & S_IFMT)?.[0] ?? '?';
export const typeWord = (mode: number): string => TYPES.get(mode & S_IFMT)?.[1] ?? 'unknown';
export const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** `drwxr-sr-t` */
export function modeText(mode: number): string {
  const triple = (bits: number, special: boolean, letter: string): string => {
    const x = bits & 1 ? (special ? letter : 'x') : special ? letter.toUpperCase() : '-';
    return (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + x;
  };
  return (
    typeLetter(mode) +
    triple((mode >> 6) & 7, (mode & S_ISUID) !== 0, 's') +
    triple((mode >> 3) & 7, (mode & S_ISGID) !== 0, 's') +
    triple(mode & 7, (mode & S_ISVTX) !== 0, 't')
  );
}

const UNITS = 'KMGTPE';

/** As `ls -h` does: 1023, 1.5K, 20M; rounded up. */
export function humanSize(bytes: number): string {
  let n = bytes;
  let unit = -1;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit++;
  }
  if (unit < 0) return String(bytes);
  const shown = n < 10 ? Math.ceil(n * 10) / 10 : Math.ceil(n);
  return `${shown < 10 ? shown.toFixed(1) : String(shown)}${UNITS[unit] ?? ''}`;
}

const POWERS: Readonly<Record<string, number>> = {
  '': 0,
  b: 0,
  k: 1,
  m: 2,
  g: 3,
  t: 4,
  p: 5,
};

/** `10`, `4k`, `1.5G`, `2MiB` (powers of 1024), `2MB` (of 1000). @param unit  of a bare number */
export function parseSize(text: string, unit = 1): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(ib|b)?$/i.exec(text.trim());
  const letter = match?.[2]?.toLowerCase() ?? '';
  const power = POWERS[letter];
  if (match === null || power === undefined) throw new UsageError(`${text}: not a size`);
  const base = power > 0 && match[3]?.toLowerCase() === 'b' ? 1000 : 1024;
  const bytes = Number(match[1]) * (letter === '' ? unit : base ** power);
  if (!Number.isSafeInteger(Math.floor(bytes))) throw new UsageError(`${text}: too large`);
  return Math.floor(bytes);
}

export function parseNumber(text: string, what: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n)) {
    throw new UsageError(`${text}: ${what} is a number`);
  }
  return n;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `2026-01-31 23:59` in the local time zone. */
export function shortTime({ sec }: Timespec): string {
  const d = new Date(sec * 1000);
  const date = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${date} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** `2026-01-31 23:59:59.000000001 +0100` */
export function longTime(t: Timespec): string {
  const d = new Date(t.sec * 1000);
  const off = -d.getTimezoneOffset();
  const zone = `${off < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(off) / 60))}${two(Math.abs(off) % 60)}`;
  return `${shortTime(t)}:${two(d.getSeconds())}.${String(t.nsec).padStart(9, '0')} ${zone}`;
}

/** ISO 8601 with nanoseconds, for JSON. */
export function isoTime({ sec, nsec }: Timespec): string {
  const d = new Date(sec * 1000).toISOString();
  return d.replace(/\.\d+Z$/, `.${String(nsec).padStart(9, '0')}Z`);
}

/** touch -d: `@SECONDS[.FRACTION]`, `now`, or what Date.parse() takes. */
export function parseTime(text: string): Timespec {
  const epoch = /^@(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (epoch) {
    const whole = Number(epoch[1]);
    const nsec = Number((epoch[2] ?? '').padEnd(9, '0'));
    const back = (epoch[1]?.startsWith('-') ?? false) && nsec > 0;
    return back ? { sec: whole - 1, nsec: 1e9 - nsec } : { sec: whole, nsec };
  }
  const fraction = /:\d\d\.(\d+)/.exec(text)?.[1] ?? '';
  const ms = text === 'now' ? Date.now() : Date.parse(text.replace(/(:\d\d)\.\d+/, '$1'));
  if (Number.isNaN(ms)) throw new UsageError(`${text}: not a time`);
  const sec = Math.floor(ms / 1000);
  const nsec =
    text === 'now' ? (ms - sec * 1000) * 1e6 : Number(fraction.slice(0, 9).padEnd(9, '0'));
  return { sec, nsec };
}

/** Columns, each as wide as its widest cell. `left`: indices that are aligned left. */
export function columns(rows: readonly (readonly string[])[], left: readonly number[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return left.includes(i) ? cell.padEnd(width) : cell.padStart(width);
      })
      .join(' ')
      .trimEnd(),
  );
}
