/** A tar archive as a source. */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '../../base/mode.ts';
import { type Name, nameToBytes, nameToText } from '../../base/name.ts';
import { XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT } from '../../vfs/posix-acl.ts';
import type { Timespec } from '../../sched/clock.ts';
import { CliError } from '../errors.ts';
import type { Run, Runs } from '../sparse.ts';
import { makeDev, type Xattr } from '../tree.ts';
import { sortXattrs } from '../xattr-dump.ts';
import { aclFromText } from './acl-text.ts';
import { type Content, Item } from './item.ts';
import type { MergedTree } from './merged-tree.ts';
import type { Archive } from './spool.ts';
import {
  BLOCK,
  damaged,
  isZeroBlock,
  parseHeader,
  parsePax,
  type TarHeader,
} from './tar-header.ts';
import { readExactly, readInto } from './tar-io.ts';
import { oldGnuSparse, paxSparse, type Piece, type SparseMap } from './tar-sparse.ts';

/** A PAX header or a long name is never longer. */
const MAX_RECORDS = 64 << 20;

type Records = [key: string, value: Name][];

interface Options {
  /** `.wh.` names take away what lower layers have. */
  readonly whiteouts: boolean;
}

const TYPES: Readonly<Record<string, number>> = {
  '0': S_IFREG,
  '2': S_IFLNK,
  '3': S_IFCHR,
  '4': S_IFBLK,
  '5': S_IFDIR,
  '6': S_IFIFO,
  '7': S_IFREG,
  D: S_IFDIR,
  S: S_IFREG,
};

/** Everything in an archive goes into the tree. */
export function addArchive(tree: MergedTree, a: Archive, o: Options = { whiteouts: false }): void {
  new ArchiveReader(tree, a, o).all();
}

class ArchiveReader {
  private readonly tree: MergedTree;
  private readonly a: Archive;
  private readonly o: Options;
  private at = 0;
  private global: Records = [];
  private local: Records = [];
  private longName: Name | null = null;
  private longLink: Name | null = null;
  /** Hard links whose file has not come yet. */
  private readonly pending: { name: Name; to: Name }[] = [];

  constructor(tree: MergedTree, a: Archive, o: Options) {
    this.tree = tree;
    this.a = a;
    this.o = o;
  }

  all(): void {
    while (this.at + BLOCK <= this.a.size) {
      const block = readExactly(this.a, this.at, BLOCK);
      this.at += BLOCK;
      // Two zero blocks end an archive; one alone does in practice.
      if (isZeroBlock(block)) break;
      this.member(block, parseHeader(block));
    }
    if (this.at === 0 && this.a.size > 0) throw damaged('it is shorter than one header');
    this.links();
  }

  private member(block: Uint8Array, h: TarHeader): void {
    switch (h.type) {
      case 'g':
        this.global = [...this.global, ...parsePax(this.body(h))];
        return;
      case 'x':
      case 'X':
        this.local = parsePax(this.body(h));
        return;
      case 'L':
        this.longName = cString(this.body(h));
        return;
      case 'K':
        this.longLink = cString(this.body(h));
        return;
      case 'V':
        this.skip(h.size);
        return;
      case 'M':
        throw new CliError('EOPNOTSUPP', 'a part of an archive over several volumes');
      default:
        this.file(block, h);
        this.local = [];
        this.longName = this.longLink = null;
    }
  }

  private skip(size: number): void {
    this.at += Math.ceil(size / BLOCK) * BLOCK;
  }
  private body(h: TarHeader): Uint8Array {
    if (h.size > MAX_RECORDS || h.size < 0) throw damaged('a header of headers is too long');
    const data = readExactly(this.a, this.at, h.size);
    this.skip(h.size);
    return data;
  }

  private file(block: Uint8Array, h: TarHeader): void {
    const records = [...this.global, ...this.local];
    const pax = new Map(records);
    if (this.longName !== null) h.name = this.longName;
    if (this.longLink !== null) h.link = this.longLink;
    applyPax(h, pax);
    const name = pax.get('GNU.sparse.name') ?? pax.get('path') ?? h.name;
    if (h.size < 0) throw damaged(`${nameToText(name)} has a negative size`);
    const start = this.at;
    let sparse: SparseMap | null = null;
    if (h.type === 'S') {
      sparse = oldGnuSparse(this.a, block, start, h.size);
      this.at = sparse.dataAt;
    } else {
      sparse = paxSparse(this.a, records, start, h.size);
    }
    const hasBody = TYPES[h.type] === S_IFREG || TYPES[h.type] === undefined || h.type === 'D';
    if (hasBody && h.type !== '1') this.skip(h.size);
    // A map in front of the data is part of what was stored.
    if (hasBody && this.at - BLOCK > this.a.size)
      throw new CliError('EIO', 'the archive ends too early');
    if (this.o.whiteouts && this.tree.whiteout(name)) return;
    if (h.type === '1') this.link(name, h.link);
    else this.tree.put(name, this.item(h, name, pax, records, sparse, start));
  }

  private item(
    h: TarHeader,
    name: Name,
    pax: ReadonlyMap<string, Name>,
    records: Records,
    sparse: SparseMap | null,
    start: number,
  ): Item {
    // Before ustar a directory was a file whose name ends with a slash.
    const old = h.type === '0' && name.endsWith('/');
    const type = old ? S_IFDIR : (TYPES[h.type] ?? S_IFREG);
    const mtime = paxTime(pax.get('mtime')) ?? { sec: h.mtime, nsec: 0 };
    const item = new Item(type | (h.mode & 0o7777), mtime, 0);
    item.atime = paxTime(pax.get('atime')) ?? mtime;
    item.uid = idOf(h.uid);
    item.gid = idOf(h.gid);
    item.xattrs = xattrsOf(records);
    if (type === S_IFLNK) item.target = h.link;
    if (type === S_IFCHR || type === S_IFBLK) item.rdev = makeDev(h.major, h.minor);
    if (type === S_IFREG) {
      item.size = sparse?.size ?? h.size;
      const whole = [{ pos: 0, length: h.size, at: start }];
      item.content = new ArchiveContent(this.a, sparse?.pieces ?? whole);
    }
    return item;
  }

  private link(name: Name, to: Name): void {
    const target = this.tree.get(to);
    if (target && target.children === null) this.tree.put(name, target);
    else this.pending.push({ name, to });
  }

  /** Links to what came later; a link may lead to a link. */
  private links(): void {
    let left = this.pending;
    for (let before = Infinity; left.length > 0 && left.length < before;) {
      before = left.length;
      left = left.filter(({ name, to }) => {
        const target = this.tree.get(to);
        if (!target || target.children) return true;
        this.tree.put(name, target);
        return false;
      });
    }
    const [lost] = left;
    if (lost === undefined) return;
    const names = `${nameToText(lost.name)} is a link to ${nameToText(lost.to)}`;
    throw new CliError('ENOENT', `${names}, which is not in the archive`);
  }
}

const cString = (data: Uint8Array): Name => {
  const end = data.indexOf(0);
  return Buffer.from(end < 0 ? data : data.subarray(0, end)).toString('latin1') as Name;
};

function decimal(text: string, what: string): number {
  const n = Number(text);
  if (!/^-?\d+(\.\d+)?$/.test(text) || !Number.isFinite(n))
    throw damaged(`${what} is not a number`);
  return n;
}

function applyPax(h: TarHeader, pax: ReadonlyMap<string, Name>): void {
  const number = (key: string, set: (n: number) => void): void => {
    const value = pax.get(key);
    if (value !== undefined && value !== '') set(decimal(value, key));
  };
  number('size', (n) => {
    h.size = n;
  });
  number('uid', (n) => {
    h.uid = n;
  });
  number('gid', (n) => {
    h.gid = n;
  });
  number('SCHILY.devmajor', (n) => {
    h.major = n;
  });
  number('SCHILY.devminor', (n) => {
    h.minor = n;
  });
  const link = pax.get('linkpath');
  if (link !== undefined && link !== '') h.link = link;
}

/** Ids have 32 bits on ext4; the last one means "none". */
function idOf(id: number): number {
  const n = id < 0 ? id + 2 ** 32 : id;
  if (!(n >= 0 && n < 0xffff_ffff)) throw new CliError('EOVERFLOW', `${id} is not an id`);
  return n;
}

/** Seconds with a fraction of any length, as exact as ext4 is. */
function paxTime(text: string | undefined): Timespec | null {
  if (text === undefined || text === '') return null;
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw damaged('a time is not a number');
  const sec = Number(match[2]);
  const nsec = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { sec, nsec };
  return nsec === 0 ? { sec: -sec, nsec } : { sec: -sec - 1, nsec: 1e9 - nsec };
}

const SCHILY = 'SCHILY.xattr.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';
const ACLS: Readonly<Record<string, Name>> = {
  'SCHILY.acl.access': XATTR_ACL_ACCESS,
  'SCHILY.acl.default': XATTR_ACL_DEFAULT,
};

function xattrsOf(records: Records): Xattr[] {
  const found = new Map<Name, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(SCHILY)) {
      // The only two that GNU tar encodes.
      const name = key
        .slice(SCHILY.length)
        .replace(/%(25|3D)/g, (_, hex: string) => (hex === '25' ? '%' : '='));
      found.set(name as Name, nameToBytes(value));
    } else if (key.startsWith(LIBARCHIVE)) {
      const name = key
        .slice(LIBARCHIVE.length)
        .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
      if (!found.has(name as Name))
        found.set(name as Name, new Uint8Array(Buffer.from(value, 'base64')));
    } else if (ACLS[key] !== undefined) {
      // The attribute itself, where the archive has it too, is exact.
      if (!found.has(ACLS[key])) found.set(ACLS[key], aclFromText(value));
    } else if (key === 'RHT.security.selinux') {
      found.set('security.selinux' as Name, nameToBytes(value));
    }
  }
  return sortXattrs([...found].map(([name, value]) => ({ name, value })));
}

/** A file's data where it lies in the archive. */
class ArchiveContent implements Content {
  readonly dataBytes: number;
  private readonly a: Archive;
  private readonly pieces: readonly Piece[];

  constructor(a: Archive, pieces: readonly Piece[]) {
    this.a = a;
    this.pieces = pieces;
    this.dataBytes = pieces.reduce((sum, p) => sum + p.length, 0);
  }

  runs(buffer: Uint8Array<ArrayBuffer>): Runs {
    return new PieceRuns(this.a, this.pieces, buffer);
  }
}

class PieceRuns implements Runs {
  private readonly a: Archive;
  private readonly pieces: readonly Piece[];
  private readonly buffer: Uint8Array<ArrayBuffer>;
  private index = 0;
  /** Of the present piece. */
  private done = 0;

  constructor(a: Archive, pieces: readonly Piece[], buffer: Uint8Array<ArrayBuffer>) {
    this.a = a;
    this.pieces = pieces;
    this.buffer = buffer;
  }

  next(): Run | null {
    for (let piece = this.pieces[this.index]; piece; piece = this.pieces[++this.index]) {
      const { pos, length, at } = piece;
      if (this.done < length) {
        const data = this.buffer.subarray(0, Math.min(this.buffer.length, length - this.done));
        readInto(this.a, at + this.done, data);
        const run = { pos: pos + this.done, data };
        this.done += data.length;
        return run;
      }
      this.done = 0;
    }
    return null;
  }

  /** The archive stays open for the next one. */
  close(): void {
    this.index = this.pieces.length;
  }
}
