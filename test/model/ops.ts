/**
 * What a model run does: a flat list of operations, plain data, so that a failure shrinks well and
 * is kept as text. Descriptors are slots; an operation on an empty slot does nothing.
 */
import fc from 'fast-check';

export const SLOTS = 4;

export type Op =
  | readonly ['open', slot: number, path: string, flags: number, mode: number]
  | readonly ['close', slot: number]
  | readonly ['write', slot: number, length: number, fill: number]
  | readonly ['pwrite', slot: number, at: number, length: number, fill: number]
  | readonly ['read', slot: number, length: number]
  | readonly ['pread', slot: number, at: number, length: number]
  | readonly ['ftruncate', slot: number, size: number]
  | readonly ['fallocate', slot: number, mode: number, at: number, length: number]
  | readonly ['fstat', slot: number]
  | readonly ['fsync', slot: number]
  | readonly ['truncate', path: string, size: number]
  | readonly ['mkdir', path: string, mode: number]
  | readonly ['rmdir', path: string]
  | readonly ['unlink', path: string]
  | readonly ['link', from: string, to: string]
  | readonly ['symlink', target: string, path: string]
  | readonly ['readlink', path: string]
  | readonly ['mknod', path: string, mode: number, rdev: number]
  | readonly ['rename', from: string, to: string]
  | readonly ['renameat2', from: string, to: string, flags: number]
  | readonly ['chmod', path: string, mode: number]
  | readonly ['chown', path: string, uid: number, gid: number]
  | readonly ['lchown', path: string, uid: number, gid: number]
  | readonly ['utimes', path: string, atime: number, mtime: number]
  | readonly ['stat', path: string]
  | readonly ['lstat', path: string]
  | readonly ['readdir', path: string]
  | readonly ['setxattr', path: string, name: string, length: number, flags: number]
  | readonly ['getxattr', path: string, name: string]
  | readonly ['removexattr', path: string, name: string]
  | readonly ['listxattr', path: string]
  /** Many names at once, so that directories become trees; and most of them away again. */
  | readonly ['fillDir', path: string, count: number, nameLength: number]
  | readonly ['emptyDir', path: string, keep: number]
  | readonly ['sync']
  | readonly ['dropCaches']
  | readonly ['remount'];

/** Operations that change nothing of what is compared: only the volume does them. */
export const PRIVATE = new Set<Op[0]>(['sync', 'dropCaches', 'remount']);
/** Operations that `node:fs` does not have. */
export const NOT_ON_HOST = new Set<Op[0]>([
  'fallocate',
  'mknod',
  'renameat2',
  'setxattr',
  'getxattr',
  'removexattr',
  'listxattr',
]);

const LONG = 'l'.repeat(200);
const TOO_LONG = 't'.repeat(256);

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e') },
  { weight: 1, arbitrary: fc.constantFrom(LONG, 'x'.repeat(255), 'ü', '\u{1f600}', TOO_LONG) },
);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(6000) },
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 60, 160, 1023, 1024, 1025, 4095, 4096, 4097) },
  { weight: 3, arbitrary: fc.nat(100_000) },
  { weight: 1, arbitrary: fc.constantFrom(12_288, 274_432, 300_000, 1_048_576, 2_000_001) },
);
const far = fc.oneof(
  { weight: 20, arbitrary: size },
  { weight: 1, arbitrary: fc.constantFrom(5_000_000, 68_000_000, 70_000_123) },
);
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat(5000) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 50, 100, 160, 1024, 4096) },
  { weight: 1, arbitrary: fc.nat(70_000) },
);
const slot = fc.nat(SLOTS - 1);
const fill = fc.nat(255);
const mode = fc.oneof(fc.constantFrom(0o644, 0o755, 0o600, 0o777), fc.nat(0o7777));
const owner = fc.constantFrom(-1, 0, 1, 1000, 65534, 65536, 70_000, 0x7fff_fffe);
const seconds = fc.nat(0x7fff_ffff);

const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
/** A fifo of the host would wait for its other end. */
const O_NONBLOCK = 0o4000;

const bit = (flag: number, chance: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 100 - chance, arbitrary: fc.constant(0) },
    { weight: chance, arbitrary: fc.constant(flag) },
  );
const flags = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 2, 2),
    bit(O_CREAT, 60),
    bit(O_EXCL, 10),
    bit(O_TRUNC, 15),
    bit(O_APPEND, 15),
    bit(O_DIRECTORY, 4),
    bit(O_NOFOLLOW, 6),
  )
  .map((parts) => parts.reduce((a, b) => a | b, O_NONBLOCK))
  // What O_CREAT with O_DIRECTORY does differs from one Linux to the next.
  .map((f) => (f & O_CREAT ? f & ~O_DIRECTORY : f));

const target = fc.oneof(
  { weight: 8, arbitrary: path },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3000 }).map((n) => 'a/'.repeat(n / 2) + 'z') },
);
const attribute = fc.constantFrom('user.a', 'user.bb', 'user.a-longer-name', 'trusted.t');
const special = fc
  .tuple(fc.constantFrom(0o010000, 0o140000, 0o020000, 0o060000, 0o100000), mode)
  .map(([type, bits]) => type | bits);

const op = (weight: number, arbitrary: fc.Arbitrary<unknown[]>) => ({
  weight,
  arbitrary: arbitrary as fc.Arbitrary<unknown> as fc.Arbitrary<Op>,
});
const c = fc.constant;

/** One operation, any. */
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  op(12, fc.tuple(c('open'), slot, path, flags, mode)),
  op(4, fc.tuple(c('close'), slot)),
  op(10, fc.tuple(c('write'), slot, length, fill)),
  op(10, fc.tuple(c('pwrite'), slot, far, length, fill)),
  op(4, fc.tuple(c('read'), slot, length)),
  op(5, fc.tuple(c('pread'), slot, far, length)),
  op(5, fc.tuple(c('ftruncate'), slot, far)),
  op(3, fc.tuple(c('fallocate'), slot, fc.constantFrom(0, 1), size, length)),
  op(3, fc.tuple(c('fstat'), slot)),
  op(2, fc.tuple(c('fsync'), slot)),
  op(3, fc.tuple(c('truncate'), path, size)),
  op(8, fc.tuple(c('mkdir'), path, mode)),
  op(4, fc.tuple(c('rmdir'), path)),
  op(5, fc.tuple(c('unlink'), path)),
  op(4, fc.tuple(c('link'), path, path)),
  op(4, fc.tuple(c('symlink'), target, path)),
  op(2, fc.tuple(c('readlink'), path)),
  op(3, fc.tuple(c('mknod'), path, special, fc.constantFrom(0, 0x103, 0xfffff))),
  op(8, fc.tuple(c('rename'), path, path)),
  op(4, fc.tuple(c('renameat2'), path, path, fc.constantFrom(1, 2))),
  op(3, fc.tuple(c('chmod'), path, mode)),
  op(3, fc.tuple(c('chown'), path, owner, owner)),
  op(1, fc.tuple(c('lchown'), path, owner, owner)),
  op(3, fc.tuple(c('utimes'), path, seconds, seconds)),
  op(4, fc.tuple(c('stat'), path)),
  op(4, fc.tuple(c('lstat'), path)),
  op(4, fc.tuple(c('readdir'), path)),
  op(4, fc.tuple(c('setxattr'), path, attribute, fc.nat(90), fc.constantFrom(0, 0, 1, 2))),
  op(2, fc.tuple(c('getxattr'), path, attribute)),
  op(2, fc.tuple(c('removexattr'), path, attribute)),
  op(1, fc.tuple(c('listxattr'), path)),
  op(1, fc.tuple(c('fillDir'), path, fc.nat(60), fc.integer({ min: 4, max: 60 }))),
  op(1, fc.tuple(c('emptyDir'), path, fc.nat(5))),
  op(1, fc.tuple(c('sync'))),
  op(1, fc.tuple(c('dropCaches'))),
  op(1, fc.tuple(c('remount'))),
);

/** A run of `length` operations and fewer when shrunk. */
export const opList = (length: number): fc.Arbitrary<Op[]> =>
  fc.array(anyOp, { minLength: 0, maxLength: length, size: 'max' });

/** The bytes that a write with `fill` puts down. */
export function pattern(length: number, fill: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = (i * 7 + fill + (i >> 8)) & 0xff;
  return out;
}

/** The names that fillDir makes. */
export const fillName = (i: number, nameLength: number): string =>
  `${String(i)}-`.padEnd(nameLength, 'n');
