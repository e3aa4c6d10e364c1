/**
 * Errors as Node's fs gives them: `code`, negative `errno`, `syscall`, `path`, `dest`, and the
 * stack of the caller. The only place where an FsError becomes somebody else's error.
 * @source Node's documentation, "Errors", class SystemError
 */
import { type Errno, errnoNumber, errnoText, FsError } from '../base/errno.ts';
import type { Op } from '../sched/op.ts';

/** What a call was about, for its error. */
export interface Subject {
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

export interface NodeFsError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string;
  readonly dest?: string;
  readonly cause?: unknown;
}

/** `ENOENT: no such file or directory, open '/x'`; what the file system knew more is the cause. */
export function nodeError(error: FsError, about: Subject): NodeFsError {
  const { syscall, path, dest } = about;
  const where = path === undefined ? '' : ` '${path}'${dest === undefined ? '' : ` -> '${dest}'`}`;
  const stock = `${error.code}: ${errnoText(error.code)}`;
  const detail = error.message === stock ? '' : ` [${error.message.slice(error.code.length + 2)}]`;
  const made = new Error(`${stock}, ${syscall}${where}${detail}`, { cause: error });
  return Object.assign(made, {
    code: error.code,
    errno: -errnoNumber(error.code),
    syscall,
    ...(path === undefined ? {} : { path }),
    ...(dest === undefined ? {} : { dest }),
  });
}

/** What failures are about that did not befall the system call their operation began with. */
const subjects = new WeakMap<FsError, Subject>();

/**
 * A step of a longer call: its failures name its own system call, which has a descriptor and so
 * no path. readFile that fails to open says `open '/x'`, readFile that fails later says `read`.
 */
export function* step<T>(syscall: string, op: Op<T>): Op<T> {
  try {
    return yield* op;
  } catch (e) {
    if (e instanceof FsError) subjects.set(e, { syscall });
    throw e;
  }
}

/** Any failure of an operation, dressed for the caller. */
export const dressed = (error: unknown, about: Subject): unknown =>
  error instanceof FsError ? nodeError(error, subjects.get(error) ?? about) : error;

/** A bad argument: a TypeError or RangeError with Node's code. */
export function argumentError(
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE',
  text: string,
): Error {
  const made = code === 'ERR_OUT_OF_RANGE' ? new RangeError(text) : new TypeError(text);
  return Object.assign(made, { code });
}

export const isCode = (error: unknown, code: Errno): boolean =>
  error instanceof FsError && error.code === code;
