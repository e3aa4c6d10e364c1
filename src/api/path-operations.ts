/**
 * Operations on paths: each written once, for all three faces of the API.
 * @source Node's documentation, "File system"; the system calls of the same names
 */
import { errno } from '../base/errno.ts';
import { S_IFDIR, S_IFMT } from '../base/mode.ts';
import { asciiName, type Name, nameFromText, nameToText } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { sysChmod, sysChown, sysLchown, sysTruncate, sysUtimens } from '../syscall/attr.ts';
import {
  sysLink,
  sysMkdir,
  sysMknod,
  sysRename,
  sysRmdir,
  sysSymlink,
  sysUnlink,
} from '../syscall/dir.ts';
import { sysOpen } from '../syscall/open.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, type Process } from '../syscall/process.ts';
import { sysAccess, sysLstat, sysReadlink, sysStat, sysStatfs } from '../syscall/stat.ts';
import { sysGetxattr, sysListxattr, sysRemovexattr, sysSetxattr } from '../syscall/xattr.ts';
import {
  asBuffer,
  type EncodingOption,
  type ModeLike,
  nameOut,
  type PathLike,
  pathText,
  type TimeLike,
  toFlags,
  toInteger,
  toMode,
  toName,
  toTime,
  withEncoding,
} from './args.ts';
import type { Call } from './bridge.ts';
import { isCode } from './errors.ts';
import { type BigIntOption, mapOp, statsOf } from './fd-operations.ts';
import type { StatFs } from './stats.ts';

export interface MkdirOptions {
  readonly recursive?: boolean;
  readonly mode?: ModeLike;
}
export interface EncodingOptions {
  readonly encoding?: EncodingOption;
}
export interface LinkOption {
  /** false: a symlink itself is meant. */
  readonly follow?: boolean;
}

const at = <T>(syscall: string, path: PathLike, op: Op<T>, dest?: PathLike): Call<T> => ({
  syscall,
  path: pathText(path),
  dest: dest === undefined ? undefined : pathText(dest),
  op,
});

/** Make the directory and those above it. Returns the first one made, or undefined. */
function* mkdirs(p: Process, path: Name, mode: number): Op<string | undefined> {
  const missing: Name[] = [];
  let left: Name = path;
  for (;;) {
    try {
      yield* sysMkdir(p, left, mode);
      break;
    } catch (e) {
      if (isCode(e, 'EEXIST')) {
        const isDir = ((yield* sysStat(p, left)).mode & S_IFMT) === S_IFDIR;
        if (!isDir) throw missing.length > 0 ? errno('ENOTDIR') : e;
        if (missing.length === 0) return undefined;
        left = asciiName('');
        break;
      }
      if (!isCode(e, 'ENOENT')) throw e;
      missing.push(left);
      const up = dirname(left);
      if (up === left) throw e;
      left = up;
    }
  }
  const first = left.length > 0 ? left : missing.at(-1);
  for (const dir of missing.reverse()) yield* sysMkdir(p, dir, mode);
  return first === undefined ? undefined : nameToText(first);
}

/** The path without its last component. */
export function dirname(path: Name): Name {
  const end = path.replace(/\/+$/, '');
  const cut = end.lastIndexOf('/');
  if (cut < 0) return asciiName('.');
  return (end.slice(0, cut).replace(/\/+$/, '') || '/') as Name;
}

export const pathOperations = {
  open: (p: Process, path: PathLike, flags?: string | number | null, mode?: ModeLike | null) =>
    at('open', path, sysOpen(p, toName(path), toFlags(flags), toMode(mode, 0o666))),
  stat: (p: Process, path: PathLike, options?: BigIntOption) =>
    at('stat', path, statsOf(sysStat(p, toName(path)), options)),
  lstat: (p: Process, path: PathLike, options?: BigIntOption) =>
    at('lstat', path, statsOf(sysLstat(p, toName(path)), options)),
  access: (p: Process, path: PathLike, mode = 0) =>
    at('access', path, sysAccess(p, toName(path), mode)),
  mkdir: (p: Process, path: PathLike, options?: MkdirOptions | ModeLike | null) => {
    const o: MkdirOptions =
      typeof options === 'object' && options !== null ? options : { mode: options ?? 0o777 };
    const mode = toMode(o.mode, 0o777);
    const name = toName(path);
    const op = o.recursive
      ? mkdirs(p, name, mode)
      : mapOp(sysMkdir(p, name, mode), () => undefined);
    return at('mkdir', path, op);
  },
  rmdir: (p: Process, path: PathLike) => at('rmdir', path, sysRmdir(p, toName(path))),
  unlink: (p: Process, path: PathLike) => at('unlink', path, sysUnlink(p, toName(path))),
  rename: (p: Process, from: PathLike, to: PathLike) =>
    at('rename', from, sysRename(p, toName(from), toName(to)), to),
  /** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2; not in Node. */
  renameat2: (p: Process, from: PathLike, to: PathLike, flags: number) =>
    at('renameat2', from, sysRename(p, toName(from), toName(to), flags), to),
  link: (p: Process, from: PathLike, to: PathLike) =>
    at('link', from, sysLink(p, toName(from), toName(to)), to),
  symlink: (p: Process, target: PathLike, path: PathLike, _type?: string | null) =>
    at('symlink', target, sysSymlink(p, toName(target), toName(path)), path),
  readlink: (p: Process, path: PathLike, options?: EncodingOptions | EncodingOption) =>
    at(
      'readlink',
      path,
      mapOp(sysReadlink(p, toName(path)), (n) => nameOut(n, withEncoding(options).encoding)),
    ),
  /** mode with type bits; not in Node. */
  mknod: (p: Process, path: PathLike, mode: number, rdev = 0) =>
    at('mknod', path, sysMknod(p, toName(path), mode, rdev)),
  chmod: (p: Process, path: PathLike, mode: ModeLike) =>
    at('chmod', path, sysChmod(p, toName(path), toMode(mode, 0))),
  chown: (p: Process, path: PathLike, uid: number, gid: number) =>
    at('chown', path, sysChown(p, toName(path), uid, gid)),
  lchown: (p: Process, path: PathLike, uid: number, gid: number) =>
    at('lchown', path, sysLchown(p, toName(path), uid, gid)),
  utimes: (p: Process, path: PathLike, atime: TimeLike, mtime: TimeLike) =>
    at('utime', path, sysUtimens(p, toName(path), toTime(atime), toTime(mtime))),
  lutimes: (p: Process, path: PathLike, atime: TimeLike, mtime: TimeLike) =>
    at(
      'lutime',
      path,
      sysUtimens(p, toName(path), toTime(atime), toTime(mtime), AT_FDCWD, AT_SYMLINK_NOFOLLOW),
    ),
  truncate: (p: Process, path: PathLike, length = 0) =>
    at('truncate', path, sysTruncate(p, toName(path), toInteger(length, 'len', 0, 2 ** 53 - 1))),
  statfs: (p: Process, path: PathLike): Call<StatFs> =>
    at('statfs', path, sysStatfs(p, toName(path))),
  /** The four attribute calls are not in Node. */
  getxattr: (p: Process, path: PathLike, name: string, options?: LinkOption) =>
    at(
      'getxattr',
      path,
      mapOp(sysGetxattr(p, toName(path), nameFromText(name), options?.follow ?? true), asBuffer),
    ),
  setxattr: (
    p: Process,
    path: PathLike,
    name: string,
    value: Uint8Array,
    flags = 0,
    options?: LinkOption,
  ) =>
    at(
      'setxattr',
      path,
      sysSetxattr(p, toName(path), nameFromText(name), value, flags, options?.follow ?? true),
    ),
  removexattr: (p: Process, path: PathLike, name: string, options?: LinkOption) =>
    at(
      'removexattr',
      path,
      sysRemovexattr(p, toName(path), nameFromText(name), options?.follow ?? true),
    ),
  listxattr: (p: Process, path: PathLike, options?: LinkOption) =>
    at(
      'listxattr',
      path,
      mapOp(sysListxattr(p, toName(path), options?.follow ?? true), (names) =>
        names.map(nameToText),
      ),
    ),
} as const;
