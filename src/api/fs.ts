/**
 * The three faces of the operations: `xxxSync`, callbacks, promises - made from one table, so that
 * they cannot drift apart.
 */
import { errno, FsError } from '../base/errno.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../base/mode.ts';
import { trace } from '../base/trace.ts';
import type { Process } from '../syscall/process.ts';
import { sysPreadNowait } from '../syscall/read-write.ts';
import { type Stat, sysFstatNowait, sysLstatNowait, sysStatNowait } from '../syscall/stat.ts';
import { type BytesLike, type ModeLike, type PathLike, pathText, toName } from './args.ts';
import type { Bridge, Call } from './bridge.ts';
import { argumentError, dressed } from './errors.ts';
import { type BigIntOption, fdOperations, type ReadOptions, slice, toFd } from './fd-operations.ts';
import { FileHandle } from './file-handle.ts';
import { fileOperations } from './file-operations.ts';
import { pathOperations } from './path-operations.ts';
import { BigIntStats, Stats } from './stats.ts';

const operations = { ...fdOperations, ...pathOperations, ...fileOperations } as const;
type Operations = typeof operations;
type Args<F> = F extends (p: Process, ...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never[]) => Call<infer T> ? T : never;

export type SyncFace = {
  readonly [K in keyof Operations as `${K}Sync`]: (
    ...args: Args<Operations[K]>
  ) => Result<Operations[K]>;
};
export type Callback<T> = (error: Error | null, result?: T) => void;
export type CallbackFace = {
  readonly [K in keyof Operations]: (
    ...args: [...Args<Operations[K]>, Callback<Result<Operations[K]>>]
  ) => void;
};
export type PromiseFace = {
  readonly [K in Exclude<keyof Operations, keyof typeof fdOperations | 'open'>]: (
    ...args: Args<Operations[K]>
  ) => Promise<Result<Operations[K]>>;
} & {
  open(path: PathLike, flags?: string | number | null, mode?: ModeLike | null): Promise<FileHandle>;
};

type AnyOperation = (p: Process, ...args: unknown[]) => Call<unknown>;
const table = Object.entries(operations) as [string, AnyOperation][];

/** node:fs over a mounted image. */
export type VolumeFs = Omit<SyncFace, 'readSync' | 'statSync' | 'lstatSync'> &
  CallbackFace & {
    readonly promises: PromiseFace;
    readonly constants: typeof constants;
    readSync(
      fd: number,
      buffer: BytesLike,
      offset?: number | ReadOptions | null,
      length?: number | null,
      position?: number | bigint | null,
    ): number;
    statSync(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
    lstatSync(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
    existsSync(path: PathLike): boolean;
  };

export interface StatOptions extends BigIntOption {
  /** false: undefined instead of ENOENT. */
  readonly throwIfNoEntry?: boolean;
}

/** Linux's numbers, whatever the host's are. */
export const constants = {
  F_OK: 0,
  R_OK: 4,
  W_OK: 2,
  X_OK: 1,
  COPYFILE_EXCL: 1,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_DSYNC: 0o10000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_NOATIME: 0o1000000,
  O_SYNC: 0o4010000,
  S_IFMT,
  S_IFREG,
  S_IFDIR,
  S_IFLNK,
  S_IFCHR,
  S_IFBLK,
  S_IFIFO,
  S_IFSOCK,
  RENAME_NOREPLACE: 1,
  RENAME_EXCHANGE: 2,
  FALLOC_FL_KEEP_SIZE: 1,
} as const;

export function makeFs(bridge: Bridge, p: Process): VolumeFs {
  const face: Record<string, unknown> = { constants };
  const promises: Record<string, unknown> = {};
  for (const [name, operation] of table) {
    face[`${name}Sync`] = (...args: unknown[]) => bridge.sync(operation(p, ...args));
    face[name] = (...args: unknown[]) => {
      callLater(bridge, operation, p, args);
    };
    promises[name] = async (...args: unknown[]) => await bridge.promise(operation(p, ...args));
  }
  for (const name of Object.keys(fdOperations)) Reflect.deleteProperty(promises, name);
  promises['open'] = async (path: PathLike, flags?: string | null, mode?: ModeLike | null) =>
    new FileHandle(bridge, p, await bridge.promise(pathOperations.open(p, path, flags, mode)));
  return { ...face, promises, ...fastPaths(bridge, p) } as unknown as VolumeFs;
}

function callLater(bridge: Bridge, operation: AnyOperation, p: Process, args: unknown[]): void {
  const callback = args.pop();
  if (typeof callback !== 'function') {
    throw argumentError('ERR_INVALID_ARG_TYPE', 'The "cb" argument must be of type function');
  }
  const done = callback as Callback<unknown>;
  bridge.promise(operation(p, ...args)).then(
    (result) => {
      queueMicrotask(() => {
        done(null, result);
      });
    },
    (error: unknown) => {
      queueMicrotask(() => {
        done(error as Error);
      });
    },
  );
}

/** Calls that memory alone can answer are answered without starting a task. */
function fastPaths(bridge: Bridge, p: Process): Partial<Record<string, unknown>> {
  const stat =
    (
      syscall: 'stat' | 'lstat',
      nowait: typeof sysStatNowait,
    ): ((path: PathLike, options?: StatOptions) => Stats | BigIntStats | undefined) =>
    (path, options) => {
      const quick = quietly(() => nowait(p, toName(path)), { syscall, path });
      if (quick !== null && quick !== 'ENOENT') return made(quick, options);
      if (quick === 'ENOENT') {
        if (options?.throwIfNoEntry === false) return undefined;
        throw dressed(errno('ENOENT'), { syscall, path: pathText(path) });
      }
      try {
        return bridge.sync(pathOperations[syscall](p, path, options));
      } catch (e) {
        if (options?.throwIfNoEntry === false && (e as { code?: string }).code === 'ENOENT')
          return undefined;
        throw e;
      }
    };
  return {
    statSync: stat('stat', sysStatNowait),
    lstatSync: stat('lstat', sysLstatNowait),
    existsSync: (path: PathLike) => {
      try {
        return stat('stat', sysStatNowait)(path, { throwIfNoEntry: false }) !== undefined;
      } catch {
        return false;
      }
    },
    fstatSync: (fd: number, options?: BigIntOption) => {
      const quick = quietly(() => sysFstatNowait(p, toFd(fd)), { syscall: 'fstat' });
      return quick ? made(quick, options) : bridge.sync(fdOperations.fstat(p, fd, options));
    },
    readSync: (
      fd: number,
      buffer: BytesLike,
      offset?: number | ReadOptions | null,
      length?: number | null,
      position?: number | bigint | null,
    ) => {
      trace('api:readSync');
      const { part, at } = slice(buffer, offset, length, position);
      if (at !== null) {
        try {
          const n = sysPreadNowait(p, fd, part, at);
          if (n >= 0) return n;
        } catch (e) {
          throw e instanceof FsError ? dressed(e, { syscall: 'read' }) : e;
        }
      }
      return bridge.sync(fdOperations.read(p, fd, part, 0, part.length, at));
    },
  };
}

const made = (s: Stat, options: BigIntOption | undefined): Stats | BigIntStats =>
  options?.bigint ? new BigIntStats(s) : new Stats(s);

/** A plain function's FsError, dressed. */
function quietly<T>(act: () => T, about: { syscall: string; path?: PathLike }): T {
  try {
    return act();
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    const path = about.path === undefined ? undefined : pathText(about.path);
    throw dressed(e, { syscall: about.syscall, path });
  }
}
