/**
 * Extended attributes as text, the way getfattr writes them with `-e hex` and setfattr takes them
 * back: a line `# file: PATH`, a line `NAME=0xVALUE` for each attribute, an empty line. A
 * backslash, a line's end and, in names of attributes, an equals sign stand as three octal digits
 * behind a backslash; all other bytes stand as they are.
 * @source getfattr(1), setfattr(1)
 */
import { readSync } from 'node:fs';
import { type Name, nameToText } from '../base/name.ts';
import { CliError } from './errors.ts';
import type { Xattr } from './tree.ts';

const FILE = '# file: ';
const CHUNK = 1 << 16;
/** Twice XATTR_SIZE_MAX for the value, a name before it; a path of PATH_MAX is shorter. */
const MAX_LINE = 1 << 18;
/** Lines that are remembered, so that a label that every file has is kept once. */
const SHARED_LINES = 1024;
const SHARED_LENGTH = 512;

const damaged = (why: string): CliError =>
  new CliError('EBADMSG', `the list of extended attributes makes no sense: ${why}`);

const byName = (a: Xattr, b: Xattr): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
/** In byte order of their names, so that equal sources give equal images. */
export const sortXattrs = (xattrs: Xattr[]): Xattr[] => xattrs.sort(byName);

/**
 * Read a whole dump from a file, in bounded memory.
 * @param each  called for each file that has attributes, with its path as it was written
 * @throws EBADMSG a line that getfattr would not write; what `each` throws
 */
export function readDump(fd: number, each: (path: Name, xattrs: Xattr[]) => void): void {
  const parser = new DumpParser(each);
  const chunk = Buffer.alloc(CHUNK);
  let rest = '';
  for (let at = 0; ;) {
    const n = readSync(fd, chunk, 0, CHUNK, at);
    if (n === 0) break;
    at += n;
    const lines = (rest + chunk.toString('latin1', 0, n)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw damaged('a line has no end');
    for (const line of lines) parser.line(line);
  }
  if (rest !== '') throw damaged('it ends within a line');
  parser.end();
}

class DumpParser {
  private readonly each: (path: Name, xattrs: Xattr[]) => void;
  private readonly shared = new Map<string, Xattr>();
  private path: Name | null = null;
  private xattrs: Xattr[] = [];

  constructor(each: (path: Name, xattrs: Xattr[]) => void) {
    this.each = each;
  }

  line(line: string): void {
    if (line === '') {
      this.end();
    } else if (line.startsWith(FILE)) {
      this.end();
      this.path = unquote(line.slice(FILE.length));
    } else {
      if (this.path === null) throw damaged('an attribute belongs to no file');
      this.xattrs.push(this.shared.get(line) ?? this.keep(line, parseXattr(line)));
    }
  }

  end(): void {
    if (this.path !== null) this.each(this.path, sortXattrs(this.xattrs));
    this.path = null;
    this.xattrs = [];
  }

  private keep(line: string, xattr: Xattr): Xattr {
    if (line.length <= SHARED_LENGTH && this.shared.size < SHARED_LINES) {
      this.shared.set(line, xattr);
    }
    return xattr;
  }
}

function parseXattr(line: string): Xattr {
  const equals = line.indexOf('=');
  // A name alone is one whose value is empty.
  const name = unquote(equals < 0 ? line : line.slice(0, equals));
  const value = equals < 0 ? '' : line.slice(equals + 1);
  if (value === '' || value === '""') return { name, value: new Uint8Array(0) };
  if (!/^0x(?:[0-9a-f]{2})*$/i.test(value)) {
    throw damaged(`the value of ${nameToText(name)} is not hexadecimal`);
  }
  return { name, value: new Uint8Array(Buffer.from(value.slice(2), 'hex')) };
}

function unquote(text: string): Name {
  const bytes = text.replace(/\\([0-3][0-7]{2})?/g, (_, octal: string | undefined) => {
    if (octal === undefined) throw damaged('a backslash without three octal digits');
    return String.fromCharCode(parseInt(octal, 8));
  });
  return bytes as Name;
}

const octal = (c: string): string => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`;

/** One file's part of a dump. */
export function dumpOf(path: Name, xattrs: readonly Xattr[]): Uint8Array {
  const lines = xattrs.map(({ name, value }) => {
    const hex = Buffer.from(value).toString('hex');
    return `${name.replace(/[\\\n\r=]/g, octal)}=0x${hex}\n`;
  });
  const file = `${FILE}${path.replace(/[\\\n\r]/g, octal)}\n`;
  return Buffer.from(`${file}${lines.join('')}\n`, 'latin1');
}
