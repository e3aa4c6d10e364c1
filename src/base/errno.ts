/**
 * The failures of the user or of the device (`errno()`), and of the disk (`corrupted()`).
 * Below `api/` an error carries numbers, never a path; `api/errors.ts` makes Node errors of them.
 * @source include/uapi/asm-generic/errno-base.h, errno.h (numbers), errno(3) (texts)
 */
const table = {
  EPERM: [1, 'operation not permitted'],
  ENOENT: [2, 'no such file or directory'],
  EINTR: [4, 'interrupted system call'],
  EIO: [5, 'i/o error'],
  ENXIO: [6, 'no such device or address'],
  E2BIG: [7, 'argument list too long'],
  EBADF: [9, 'bad file descriptor'],
  EAGAIN: [11, 'resource temporarily unavailable'],
  ENOMEM: [12, 'not enough memory'],
  EACCES: [13, 'permission denied'],
  EFAULT: [14, 'bad address'],
  EBUSY: [16, 'resource busy or locked'],
  EEXIST: [17, 'file already exists'],
  EXDEV: [18, 'cross-device link not permitted'],
  ENODEV: [19, 'no such device'],
  ENOTDIR: [20, 'not a directory'],
  EISDIR: [21, 'illegal operation on a directory'],
  EINVAL: [22, 'invalid argument'],
  ENFILE: [23, 'file table overflow'],
  EMFILE: [24, 'too many open files'],
  ENOTTY: [25, 'inappropriate ioctl for device'],
  ETXTBSY: [26, 'text file is busy'],
  EFBIG: [27, 'file too large'],
  ENOSPC: [28, 'no space left on device'],
  ESPIPE: [29, 'invalid seek'],
  EROFS: [30, 'read-only file system'],
  EMLINK: [31, 'too many links'],
  ERANGE: [34, 'result too large'],
  EDEADLK: [35, 'resource deadlock would occur'],
  ENAMETOOLONG: [36, 'name too long'],
  ENOSYS: [38, 'function not implemented'],
  ENOTEMPTY: [39, 'directory not empty'],
  ELOOP: [40, 'too many symbolic links encountered'],
  ENODATA: [61, 'no data available'],
  EBADE: [52, 'invalid exchange'],
  EOVERFLOW: [75, 'value too large for defined data type'],
  EBADMSG: [74, 'bad message'],
  EILSEQ: [84, 'illegal byte sequence'],
  EOPNOTSUPP: [95, 'operation not supported'],
  ESTALE: [116, 'stale file handle'],
  EUCLEAN: [117, 'structure needs cleaning'],
  EDQUOT: [122, 'disk quota exceeded'],
  ENOKEY: [126, 'required key not available'],
} as const satisfies Record<string, readonly [number, string]>;

export type Errno = keyof typeof table;

/** What an error is about: numbers and field names, no paths. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | undefined>>;

const factsText = (facts: ErrorFacts): string =>
  Object.entries(facts)
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => `${k} ${String(v)}`)
    .join(', ');

/**
 * A failed operation. Light: the stack is kept in checked builds only (a stack costs 5 us, and
 * the user is shown the stack of the caller, made in api/errors.ts).
 */
export class FsError extends Error {
  override readonly name: string = 'FsError';
  readonly code: Errno;
  readonly facts: ErrorFacts;

  constructor(code: Errno, facts: ErrorFacts = {}, text = '') {
    const limit = Error.stackTraceLimit;
    if (!CHECKED) Error.stackTraceLimit = 0;
    const about = factsText(facts);
    super(`${code}: ${text || table[code][1]}${about && ` (${about})`}`);
    if (!CHECKED) Error.stackTraceLimit = limit;
    this.code = code;
    this.facts = facts;
  }

  /** Positive Linux number of the code. */
  get errno(): number {
    return table[this.code][0];
  }
}

/** The disk contradicts itself: always EUCLEAN, always with record, field and place. */
export class CorruptError extends FsError {
  override readonly name = 'CorruptError';
}

/** `throw errno('ENOSPC', { need: 3 })`; `text` replaces the stock sentence where it says more. */
export const errno = (code: Errno, facts: ErrorFacts = {}, text = ''): FsError =>
  new FsError(code, facts, text);

/**
 * `throw corrupted('ext4_extent_header', 'eh_depth', { pblk, got: depth, want: '0..5' })`.
 * @param record  the on-disk record, in Linux's spelling; @param field  its field
 */
export const corrupted = (record: string, field: string, facts: ErrorFacts = {}): CorruptError =>
  new CorruptError('EUCLEAN', { record, field, ...facts });

export const isErrno = (e: unknown, code: Errno): boolean =>
  e instanceof FsError && e.code === code;
export const errnoNumber = (code: Errno): number => table[code][0];
export const errnoText = (code: Errno): string => table[code][1];
