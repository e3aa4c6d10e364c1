/** mkdir, ln, touch, truncate, fallocate, write: what makes files or gives them another length. */
import { statSync } from 'node:fs';
import { S_IFDIR } from '../../base/mode.ts';
import { type Name, nameFromText } from '../../base/name.ts';
import type { Timespec } from '../../sched/clock.ts';
import { sysFtruncate, sysUtimens, UTIME_NOW, UTIME_OMIT, type UTime } from '../../syscall/attr.ts';
import { sysClose } from '../../syscall/open.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../syscall/process.ts';
import { sysFallocate, sysWrite } from '../../syscall/read-write.ts';
import { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } from '../../vfs/file.ts';
import type { Cli } from '../context.ts';
import { CliError, hasCode, UsageError } from '../errors.ts';
import { parseSize, parseTime } from '../format.ts';
import type { ImageTree } from '../image-tree.ts';
import {
  baseName,
  insideImage,
  joinPath,
  type Location,
  parentOf,
  parseLocation,
} from '../location.ts';
import { parseMode } from '../mode-change.ts';
import { print, printJson, readInput } from '../output.ts';
import { isDir, lstatOrNull, statOrNull } from '../tree.ts';

type ImagePlace = Location & { image: string };

/** Change each path of its image. */
export function changeEach(
  cli: Cli,
  paths: readonly string[],
  change: (tree: ImageTree, path: Name) => void,
): void {
  const places: ImagePlace[] = paths.map(insideImage);
  let done = 0;
  cli.withImages(
    places.map((p) => p.image),
    () => {
      cli.each(places, ({ image, path }) => {
        change(cli.image(image), path);
        done++;
      });
    },
  );
  if (cli.json) printJson({ command: cli.command, done, ok: cli.status === 0 });
}

export interface MkdirOptions {
  readonly parents?: true;
  readonly mode?: string;
  readonly verbose?: true;
}

export function mkdir(cli: Cli, paths: readonly string[], o: MkdirOptions): void {
  const change = o.mode === undefined ? null : parseMode(o.mode);
  changeEach(cli, paths, (tree, path) => {
    if (o.parents === true) {
      if (makeParents(tree, path)) return;
    } else {
      tree.mkdir(path, 0o777);
    }
    if (change) tree.chmod(path, change(S_IFDIR | (0o777 & ~process.umask())) & 0o7777);
    if (o.verbose === true) print(`made ${tree.show(path)}`);
  });
}

/** mkdir -p. @returns was it there already? */
function makeParents(tree: ImageTree, path: Name): boolean {
  const there = statOrNull(tree, path);
  if (there !== null) {
    if (!isDir(there)) throw new CliError('EEXIST', 'is there, and is no directory');
    return true;
  }
  const up = parentOf(path);
  if (up !== path) makeParents(tree, up);
  tree.mkdir(path, 0o777);
  return false;
}

export interface LnOptions {
  readonly symbolic?: true;
  readonly force?: true;
  readonly dereference?: boolean;
}

export function ln(cli: Cli, target: string, link: string, o: LnOptions): void {
  changeEach(cli, [link], (tree, given) => {
    const from = linkTarget(target, tree, o);
    const there = o.dereference === false ? lstatOrNull(tree, given) : statOrNull(tree, given);
    const path = there !== null && isDir(there) ? joinPath(given, baseName(from)) : given;
    const make = (): void => {
      if (o.symbolic === true) tree.symlink(from, path);
      else tree.link(from, path);
    };
    try {
      make();
    } catch (e) {
      if (o.force !== true || !hasCode(e, 'EEXIST')) throw e;
      if (o.symbolic !== true && tree.lstat(from).ino === tree.lstat(path).ino) return;
      tree.unlink(path);
      make();
    }
  });
}

/** The text of a symlink as it is; for a hard link, a path of the same image. */
function linkTarget(target: string, tree: ImageTree, o: LnOptions): Name {
  if (o.symbolic === true) return nameFromText(target);
  const { image, path } = parseLocation(target);
  if (image === null) throw new UsageError(`${target}: a hard link needs IMAGE:/path (or -s)`);
  if (image !== tree.volume.image) {
    throw new CliError('EXDEV', 'a hard link cannot lead to another image');
  }
  return path;
}

export interface TouchOptions {
  readonly create?: boolean;
  readonly date?: string;
  readonly access?: true;
  readonly modify?: true;
  readonly reference?: string;
  readonly dereference?: boolean;
}

export function touch(cli: Cli, paths: readonly string[], o: TouchOptions): void {
  const times = timesOf(o);
  changeEach(cli, paths, (tree, path) => {
    const { process } = tree.volume;
    if ((o.dereference === false ? lstatOrNull : statOrNull)(tree, path) === null) {
      if (o.create === false) return;
      const fd = tree.openWritable(path, O_WRONLY | O_CREAT);
      tree.ask(sysClose(process, fd));
    }
    const flags = o.dereference === false ? AT_SYMLINK_NOFOLLOW : 0;
    tree.change(sysUtimens(process, path, times.atime, times.mtime, AT_FDCWD, flags));
  });
}

function timesOf(o: TouchOptions): { atime: UTime; mtime: UTime } {
  let atime: UTime = UTIME_NOW;
  let mtime: UTime = UTIME_NOW;
  if (o.reference !== undefined) {
    const s = statSync(o.reference, { bigint: true });
    atime = fromNs(s.atimeNs);
    mtime = fromNs(s.mtimeNs);
  } else if (o.date !== undefined) {
    atime = mtime = parseTime(o.date);
  }
  const both = o.access === o.modify;
  return {
    atime: both || o.access === true ? atime : UTIME_OMIT,
    mtime: both || o.modify === true ? mtime : UTIME_OMIT,
  };
}

const fromNs = (ns: bigint): Timespec => {
  const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) };
};

export interface TruncateOptions {
  readonly size?: string;
  readonly create?: boolean;
  readonly reference?: string;
}

/** truncate -s: a size, or `+`, `-`, `<`, `>`, `/`, `%` and a size. @source truncate(1) */
export function newSize(text: string, old: number): number {
  const sign = /^[-+<>/%]/.exec(text)?.[0] ?? '';
  const n = parseSize(sign === '' ? text : text.slice(1));
  if ((sign === '/' || sign === '%') && n === 0) throw new UsageError(`${text}: division by zero`);
  switch (sign) {
    case '+':
      return old + n;
    case '-':
      return Math.max(0, old - n);
    case '<':
      return Math.min(old, n);
    case '>':
      return Math.max(old, n);
    case '/':
      return old - (old % n);
    case '%':
      return Math.ceil(old / n) * n;
    default:
      return n;
  }
}

export function truncate(cli: Cli, paths: readonly string[], o: TruncateOptions): void {
  const { size, reference } = o;
  if ((size === undefined) === (reference === undefined)) throw new UsageError('either -s or -r');
  const text = size ?? String(statSync(reference ?? '').size);
  newSize(text, 0);
  changeEach(cli, paths, (tree, path) => {
    const { process } = tree.volume;
    const there = statOrNull(tree, path);
    if (there === null && o.create === false) return;
    const fd = tree.openWritable(path, O_WRONLY | (there === null ? O_CREAT : 0));
    try {
      tree.change(sysFtruncate(process, fd, newSize(text, there?.size ?? 0)));
    } finally {
      tree.ask(sysClose(process, fd));
    }
  });
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const FALLOC_FL_ZERO_RANGE = 16;

export interface FallocateOptions {
  readonly length?: string;
  readonly offset?: string;
  readonly keepSize?: true;
  readonly punchHole?: true;
  readonly zeroRange?: true;
}

export function fallocate(cli: Cli, paths: readonly string[], o: FallocateOptions): void {
  if (o.length === undefined) throw new UsageError('-l LENGTH is needed');
  const length = parseSize(o.length);
  if (length === 0) throw new UsageError('the length must not be 0');
  const offset = o.offset === undefined ? 0 : parseSize(o.offset);
  const mode =
    (o.keepSize === true || o.punchHole === true ? FALLOC_FL_KEEP_SIZE : 0) |
    (o.punchHole === true ? FALLOC_FL_PUNCH_HOLE : 0) |
    (o.zeroRange === true ? FALLOC_FL_ZERO_RANGE : 0);
  changeEach(cli, paths, (tree, path) => {
    const { process } = tree.volume;
    const there = statOrNull(tree, path);
    const fd = tree.openWritable(path, O_WRONLY | (there === null ? O_CREAT : 0));
    try {
      tree.change(sysFallocate(process, fd, mode, offset, length));
    } finally {
      tree.ask(sysClose(process, fd));
    }
  });
}

const CHUNK = 1 << 20;

export interface WriteOptions {
  readonly append?: true;
  readonly offset?: string;
  readonly mode?: string;
}

/** Standard input into a file: in place of what it held, behind it, or from an offset on. */
export function write(cli: Cli, path: string, o: WriteOptions): void {
  if (o.append === true && o.offset !== undefined)
    throw new UsageError('either --append or --offset');
  const start = o.offset === undefined ? 0 : parseSize(o.offset);
  const mode = o.mode === undefined ? 0o666 : parseMode(o.mode)(0);
  const keep = o.append === true ? O_APPEND : o.offset !== undefined ? 0 : O_TRUNC;
  const place = insideImage(path);
  let written = 0;
  cli.withImages([place.image], () => {
    cli.each([place], () => {
      const tree = cli.image(place.image);
      const { process } = tree.volume;
      const fd = tree.openWritable(place.path, O_WRONLY | O_CREAT | keep, mode);
      try {
        written = o.append === true ? appendInput(tree, fd) : copyInput(tree, fd, start);
      } finally {
        tree.change(sysClose(process, fd));
      }
      if (cli.json) printJson({ command: 'write', path: tree.show(place.path), bytes: written });
    });
  });
}

function copyInput(tree: ImageTree, fd: number, start: number): number {
  const buffer = new Uint8Array(CHUNK);
  const writer = tree.writer(fd);
  let done = 0;
  for (let n = fillInput(buffer); n > 0; n = fillInput(buffer)) {
    writer.write(buffer.subarray(0, n), start + done);
    done += n;
  }
  return done;
}

function appendInput(tree: ImageTree, fd: number): number {
  const buffer = new Uint8Array(CHUNK);
  let done = 0;
  for (let n = fillInput(buffer); n > 0; n = fillInput(buffer)) {
    for (let at = 0; at < n;) {
      at += tree.change(sysWrite(tree.volume.process, fd, buffer.subarray(at, n)));
    }
    done += n;
  }
  return done;
}

/** As much of standard input as fits: a pipe gives little at a time. */
function fillInput(buffer: Uint8Array): number {
  let n = 0;
  while (n < buffer.length) {
    const got = readInput(buffer.subarray(n));
    if (got === 0) break;
    n += got;
  }
  return n;
}
