/**
 * Operations on whole files and trees, made of system calls: readFile, writeFile, copyFile, cp,
 * rm, readdir, realpath, mkdtemp. Each written once, for all three faces of the API.
 * @source Node's documentation, "File system"
 */
import { errno } from '../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../base/mode.ts';
import { type Name, nameFromText, nameToText } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { sysFchmod } from '../syscall/attr.ts';
import { sysGetcwd, sysGetdents, sysMkdir, sysRmdir, sysUnlink } from '../syscall/dir.ts';
import { sysClose, sysOpen } from '../syscall/open.ts';
import type { Process } from '../syscall/process.ts';
import { sysPread, sysRead } from '../syscall/read-write.ts';
import { sysFstat, sysLstat, sysReadlink } from '../syscall/stat.ts';
import { sysFsync } from '../syscall/sync.ts';
import {
  type BytesLike,
  dataBytes,
  decoded,
  type EncodingOption,
  type ModeLike,
  nameOut,
  type PathLike,
  pathText,
  toFlags,
  toMode,
  toName,
  withEncoding,
} from './args.ts';
import type { Call } from './bridge.ts';
import { isCode, step } from './errors.ts';
import { toFd, writeAll } from './fd-operations.ts';
import type { EncodingOptions } from './path-operations.ts';
import { Dirent } from './stats.ts';

export interface ReadFileOptions extends EncodingOptions {
  readonly flag?: string | number;
}
export interface WriteFileOptions extends EncodingOptions {
  readonly flag?: string | number;
  readonly mode?: ModeLike;
  readonly flush?: boolean;
}
export interface ReaddirOptions extends EncodingOptions {
  readonly withFileTypes?: boolean;
  readonly recursive?: boolean;
}
export interface RmOptions {
  readonly recursive?: boolean;
  readonly force?: boolean;
}
export type FileTarget = PathLike | number;

const O_DIRECTORY = 0o200000;
const COPY_CHUNK = 1 << 20;
const COPYFILE_EXCL = 1;

/** Open, act, close, whatever happens. A number is a descriptor that stays open. */
function* withTarget<T>(
  p: Process,
  target: FileTarget,
  flags: number,
  mode: number,
  act: (fd: number) => Op<T>,
): Op<T> {
  if (typeof target === 'number') return yield* act(toFd(target));
  const fd = yield* sysOpen(p, toName(target), flags, mode);
  try {
    return yield* act(fd);
  } finally {
    yield* sysClose(p, fd);
  }
}

/** All bytes from the file's position on, whatever stat says of the size. */
export function* readAll(p: Process, fd: number): Op<Uint8Array> {
  const { size, mode } = yield* sysFstat(p, fd);
  if ((mode & S_IFMT) === S_IFDIR) throw errno('EISDIR');
  if (size > 2 ** 31 - 1) throw errno('EFBIG', { size }, 'more than 2 GiB do not fit one buffer');
  let bytes = new Uint8Array(size);
  let done = 0;
  for (;;) {
    if (done === bytes.length) {
      // At the size that stat told: one more read says whether it has grown.
      const probe = new Uint8Array(size === 0 ? 65536 : 512);
      const n = yield* sysRead(p, fd, probe);
      if (n === 0) return bytes;
      const grown = new Uint8Array(Math.max(bytes.length * 2, done + probe.length));
      grown.set(bytes);
      grown.set(probe.subarray(0, n), done);
      bytes = grown;
      done += n;
      continue;
    }
    const n = yield* sysRead(p, fd, done === 0 ? bytes : bytes.subarray(done));
    if (n === 0) return bytes.subarray(0, done);
    done += n;
  }
}

function* write(
  p: Process,
  target: FileTarget,
  data: string | BytesLike,
  o: WriteFileOptions,
  usual: string,
): Op<void> {
  const bytes = dataBytes(data, o.encoding);
  yield* withTarget(
    p,
    target,
    toFlags(o.flag, usual),
    toMode(o.mode, 0o666),
    function* (fd): Op<void> {
      yield* step('write', writeAll(p, fd, bytes, null));
      if (o.flush) yield* step('fsync', sysFsync(p, fd));
    },
  );
}

/** Copy bytes and permission bits; holes of the source stay holes. */
function* copy(p: Process, from: Name, to: Name, mode: number): Op<void> {
  const source = yield* sysOpen(p, from, toFlags('r'));
  try {
    const st = yield* sysFstat(p, source);
    if ((st.mode & S_IFMT) === S_IFDIR) throw errno('EISDIR');
    const flags = toFlags(mode & COPYFILE_EXCL ? 'wx' : 'w');
    const target = yield* sysOpen(p, to, flags, st.mode & 0o777);
    try {
      const buffer = new Uint8Array(Math.min(COPY_CHUNK, Math.max(1, st.size)));
      for (let at = 0; ;) {
        const n = yield* sysPread(p, source, buffer, at);
        if (n === 0) break;
        at += yield* writeAll(p, target, buffer.subarray(0, n), at);
      }
      yield* sysFchmod(p, target, st.mode & 0o7777);
    } finally {
      yield* sysClose(p, target);
    }
  } finally {
    yield* sysClose(p, source);
  }
}

interface Entry {
  readonly name: Name;
  readonly type: number;
}

/** All entries of a directory but `.` and `..`. */
export function* entriesOf(p: Process, path: Name): Op<Entry[]> {
  const fd = yield* sysOpen(p, path, O_DIRECTORY);
  try {
    const all: Entry[] = [];
    for (;;) {
      const some = yield* sysGetdents(p, fd);
      if (some.length === 0) return all;
      for (const e of some) if (e.name !== '.' && e.name !== '..') all.push(e);
    }
  } finally {
    yield* sysClose(p, fd);
  }
}

const joinName = (dir: Name, name: Name): Name =>
  (dir.endsWith('/') ? dir + name : `${dir}/${name}`) as Name;

type ReaddirResult = (string | Uint8Array)[] | Dirent<string | Uint8Array>[];

function* readdir(p: Process, path: Name, o: ReaddirOptions): Op<ReaddirResult> {
  const names: (string | Uint8Array)[] = [];
  const dirents: Dirent<string | Uint8Array>[] = [];
  const queue: { dir: Name; prefix: Name }[] = [{ dir: path, prefix: '' as Name }];
  for (let at = queue.shift(); at; at = queue.shift()) {
    const { dir, prefix } = at;
    for (const e of yield* entriesOf(p, dir)) {
      const relative = (prefix ? `${prefix}/${e.name}` : e.name) as Name;
      if (o.withFileTypes) {
        dirents.push(new Dirent(nameOut(e.name, o.encoding), nameToText(dir), e.type));
      } else {
        names.push(nameOut(relative, o.encoding));
      }
      if (o.recursive && e.type === S_IFDIR >> 12) {
        queue.push({ dir: joinName(dir, e.name), prefix: relative });
      }
    }
  }
  return o.withFileTypes ? dirents : names;
}

function* remove(p: Process, path: Name, o: RmOptions): Op<void> {
  let isDir: boolean;
  try {
    isDir = ((yield* sysLstat(p, path)).mode & S_IFMT) === S_IFDIR;
  } catch (e) {
    if (o.force && isCode(e, 'ENOENT')) return;
    throw e;
  }
  if (!isDir) {
    yield* sysUnlink(p, path);
    return;
  }
  if (!o.recursive) throw errno('EISDIR', {}, 'path is a directory: rm needs recursive');
  // Depth first with an explicit stack: a tree may be deeper than any call stack.
  const stack: { dir: Name; entered: boolean }[] = [{ dir: path, entered: false }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    if (top.entered) {
      yield* sysRmdir(p, top.dir);
      stack.pop();
      continue;
    }
    top.entered = true;
    for (const e of yield* entriesOf(p, top.dir)) {
      const child = joinName(top.dir, e.name);
      if (e.type === S_IFDIR >> 12) stack.push({ dir: child, entered: false });
      else yield* sysUnlink(p, child);
    }
  }
}

/** Every symlink resolved, `.` and `..` gone. */
function* realpath(p: Process, path: Name): Op<Name> {
  const pending = path.split('/').reverse();
  let done = path.startsWith('/') ? '' : sysGetcwd(p).replace(/\/$/, '');
  for (let links = 0; pending.length > 0;) {
    const part = pending.pop();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      done = done.slice(0, Math.max(0, done.lastIndexOf('/')));
      continue;
    }
    const next = `${done}/${part}` as Name;
    if (((yield* sysLstat(p, next)).mode & S_IFMT) !== S_IFLNK) {
      done = next;
      continue;
    }
    if (++links > 40) throw errno('ELOOP');
    const target = yield* sysReadlink(p, next);
    if (target.startsWith('/')) done = '';
    pending.push(...target.split('/').reverse());
  }
  return (done || '/') as Name;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function* mkdtemp(p: Process, prefix: string): Op<string> {
  const { chance } = p.root.sb.scheduler;
  for (let tries = 0; ; tries++) {
    const tail = Array.from({ length: 6 }, () => LETTERS[chance.below(LETTERS.length)]).join('');
    try {
      yield* sysMkdir(p, nameFromText(prefix + tail), 0o700);
      return prefix + tail;
    } catch (e) {
      if (!isCode(e, 'EEXIST') || tries > 100) throw e;
    }
  }
}

const targetText = (t: FileTarget): string | undefined =>
  typeof t === 'number' ? undefined : pathText(t);

export const fileOperations = {
  readFile: (p: Process, target: FileTarget, options?: ReadFileOptions | EncodingOption) => {
    const o = withEncoding<ReadFileOptions>(options);
    const op = withTarget(p, target, toFlags(o.flag), 0, function* (fd): Op<string | Uint8Array> {
      return decoded(yield* step('read', readAll(p, fd)), o.encoding);
    });
    return { syscall: 'open', path: targetText(target), op };
  },
  writeFile: (
    p: Process,
    target: FileTarget,
    data: string | BytesLike,
    options?: WriteFileOptions | EncodingOption,
  ) => ({
    syscall: 'open',
    path: targetText(target),
    op: write(p, target, data, withEncoding<WriteFileOptions>(options), 'w'),
  }),
  appendFile: (
    p: Process,
    target: FileTarget,
    data: string | BytesLike,
    options?: WriteFileOptions | EncodingOption,
  ) => ({
    syscall: 'open',
    path: targetText(target),
    op: write(p, target, data, withEncoding<WriteFileOptions>(options), 'a'),
  }),
  copyFile: (p: Process, from: PathLike, to: PathLike, mode = 0) => ({
    syscall: 'copyfile',
    path: pathText(from),
    dest: pathText(to),
    op: copy(p, toName(from), toName(to), mode),
  }),
  readdir: (p: Process, path: PathLike, options?: ReaddirOptions | EncodingOption) => ({
    syscall: 'scandir',
    path: pathText(path),
    op: readdir(p, toName(path), withEncoding<ReaddirOptions>(options)),
  }),
  rm: (p: Process, path: PathLike, options: RmOptions = {}) => ({
    syscall: 'rm',
    path: pathText(path),
    op: remove(p, toName(path), options),
  }),
  realpath: (p: Process, path: PathLike, options?: EncodingOptions | EncodingOption) => ({
    syscall: 'realpath',
    path: pathText(path),
    op: (function* (): Op<string | Uint8Array> {
      return nameOut(yield* realpath(p, toName(path)), withEncoding(options).encoding);
    })(),
  }),
  mkdtemp: (p: Process, prefix: string): Call<string> => ({
    syscall: 'mkdtemp',
    path: `${prefix}XXXXXX`,
    op: mkdtemp(p, prefix),
  }),
} as const;
