/**
 * Writing tar: ustar where it is enough, PAX records for the rest, sparse files as PAX 1.0.
 * @source POSIX.1-2024 pax; GNU tar manual, "PAX Format, Version 1.0"
 */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Timespec } from '../sched/clock.ts';
import { devMajor, devMinor, type Stat, type Xattr } from './tree.ts';

const BLOCK = 512;
/** An archive ends at a multiple of this. */
const RECORD = 20 * BLOCK;
const OCTAL_11 = 8 ** 11;
const OCTAL_7 = 8 ** 7;

const TYPES: ReadonlyMap<number, string> = new Map([
  [S_IFREG, '0'],
  [S_IFLNK, '2'],
  [S_IFCHR, '3'],
  [S_IFBLK, '4'],
  [S_IFDIR, '5'],
  [S_IFIFO, '6'],
]);

export interface TarMember {
  /** Without a leading slash. */
  readonly name: Name;
  readonly stat: Stat;
  /** Of a symlink its text; with `hardLink`, the name that was written before. */
  readonly link?: Name;
  readonly hardLink?: boolean;
  readonly xattrs: readonly Xattr[];
  /** Stretches of data of a sparse file; absent: all of it is data. */
  readonly pieces?: readonly { readonly pos: number; readonly length: number }[];
}

export class TarWriter {
  private readonly sink: (data: Uint8Array) => void;
  private written = 0;
  private left = 0;

  constructor(sink: (data: Uint8Array) => void) {
    this.sink = sink;
  }

  private put(data: Uint8Array): void {
    this.sink(data);
    this.written += data.length;
  }
  private pad(unit: number): void {
    const over = this.written % unit;
    if (over > 0) this.put(new Uint8Array(unit - over));
  }

  /** The headers of a member; a regular file's data follows through data(). */
  begin(m: TarMember): void {
    const { stat } = m;
    const regular = (stat.mode & S_IFMT) === S_IFREG && m.hardLink !== true;
    const map = regular && m.pieces ? sparseMap(m.pieces, stat.size) : null;
    const stored = m.pieces?.reduce((sum, p) => sum + p.length, 0) ?? stat.size;
    const size = regular ? stored + (map?.length ?? 0) : 0;
    const records = recordsOf(m, size, map !== null);
    if (records.length > 0) {
      const body = Buffer.concat(records);
      this.put(header({ ...plain(m.name), type: 'x', size: body.length }));
      this.put(body);
      this.pad(BLOCK);
    }
    this.put(header(headOf(m, size)));
    if (map) this.put(map);
    this.left = regular ? stored : 0;
  }

  /** The next bytes of the data. */
  data(bytes: Uint8Array): void {
    this.left -= bytes.length;
    this.put(bytes);
    if (this.left === 0) this.pad(BLOCK);
  }

  /** Bytes of the present member that are still to come. */
  get missing(): number {
    return this.left;
  }

  end(): void {
    this.put(new Uint8Array(2 * BLOCK));
    this.pad(RECORD);
  }
}

/** How many pieces, then offset and length of each, padded. */
function sparseMap(pieces: NonNullable<TarMember['pieces']>, size: number): Buffer {
  const last = pieces.at(-1);
  // GNU tar takes the end of the last piece for the size of the file.
  const tail = last && last.pos + last.length === size ? [] : [{ pos: size, length: 0 }];
  const all = [...pieces, ...tail];
  const lines = [all.length, ...all.flatMap(({ pos, length }) => [pos, length])];
  const text = Buffer.from(`${lines.join('\n')}\n`);
  return Buffer.concat([text, Buffer.alloc((BLOCK - (text.length % BLOCK)) % BLOCK)]);
}

interface Head {
  readonly name: Name;
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly link: Name;
  readonly major: number;
  readonly minor: number;
}

/** The header of headers. */
const plain = (name: Name): Head => ({
  name: `PaxHeaders/${
    name
      .split('/')
      .filter((p) => p !== '')
      .at(-1) ?? ''
  }`.slice(0, 99) as Name,
  type: 'x',
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 0,
  link: '' as Name,
  major: 0,
  minor: 0,
});

function headOf(m: TarMember, size: number): Head {
  const { stat } = m;
  const type = stat.mode & S_IFMT;
  const device = type === S_IFCHR || type === S_IFBLK;
  return {
    name: m.name,
    type: m.hardLink === true ? '1' : (TYPES.get(type) ?? '0'),
    size,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtime: stat.mtime.sec,
    link: m.link ?? ('' as Name),
    major: device ? devMajor(stat.rdev) : 0,
    minor: device ? devMinor(stat.rdev) : 0,
  };
}

/** Name and prefix, if a slash falls right; null: only a PAX record can hold it. */
function splitName(name: Name): readonly [string, string] | null {
  if (name.length <= 100) return [name, ''];
  const at = name.indexOf('/', name.length - 101);
  if (at <= 0 || at > 155 || at === name.length - 1) return null;
  return [name.slice(at + 1), name.slice(0, at)];
}

/** What does not fit is cut here: a PAX record says it right. */
function header(h: Head): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const octal = (at: number, length: number, n: number): void => {
    const fits = n >= 0 && n < 8 ** (length - 1) ? n : 0;
    block.write(fits.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  const [name, prefix] = splitName(h.name) ?? [h.name.slice(0, 100), ''];
  block.write(name, 0, 100, 'latin1');
  octal(100, 8, h.mode);
  octal(108, 8, h.uid);
  octal(116, 8, h.gid);
  octal(124, 12, h.size);
  octal(136, 12, h.mtime);
  block.write('        ', 148, 'latin1');
  block.write(h.type, 156, 'latin1');
  block.write(h.link.slice(0, 100), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(329, 8, h.major);
  octal(337, 8, h.minor);
  block.write(prefix, 345, 155, 'latin1');
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function record(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function timeText({ sec, nsec }: Timespec): string {
  if (nsec === 0) return String(sec);
  const [s, n] = sec < 0 ? [sec + 1, 1e9 - nsec] : [sec, nsec];
  const sign = sec < 0 && s === 0 ? '-' : '';
  return `${sign}${s}.${String(n).padStart(9, '0')}`.replace(/0+$/, '');
}

function recordsOf(m: TarMember, size: number, sparse: boolean): Buffer[] {
  const { stat } = m;
  const records: Buffer[] = [];
  const add = (key: string, value: string): void => {
    records.push(record(key, Buffer.from(value, 'latin1')));
  };
  if (sparse) {
    add('GNU.sparse.major', '1');
    add('GNU.sparse.minor', '0');
    add('GNU.sparse.name', m.name);
    add('GNU.sparse.realsize', String(stat.size));
  } else if (splitName(m.name) === null) {
    add('path', m.name);
  }
  if ((m.link?.length ?? 0) > 100) add('linkpath', m.link ?? '');
  if (size >= OCTAL_11) add('size', String(size));
  if (stat.uid >= OCTAL_7) add('uid', String(stat.uid));
  if (stat.gid >= OCTAL_7) add('gid', String(stat.gid));
  const { mtime } = stat;
  if (mtime.nsec !== 0 || mtime.sec < 0 || mtime.sec >= OCTAL_11) add('mtime', timeText(mtime));
  if (stat.atime.sec !== mtime.sec || stat.atime.nsec !== mtime.nsec)
    add('atime', timeText(stat.atime));
  if (m.hardLink === true) return records;
  for (const { name, value } of m.xattrs) {
    // An equals sign ends the key; GNU tar's way around that, since 1.29.
    const key = name.replace(/%/g, '%25').replace(/=/g, '%3D');
    records.push(record(`SCHILY.xattr.${key}`, value));
  }
  return records;
}
