/**
 * Crash workloads that were bugs somewhere: from the papers, from mailing lists, and from the
 * orders that a journal must keep.
 */
import { SHAPES } from './image.ts';
import type { CrashOp } from './op.ts';
import type { CrashWorkload } from './workload.ts';

const creat = (path: string): CrashOp => ({ op: 'creat', path });
const mkdir = (path: string): CrashOp => ({ op: 'mkdir', path });
const rmdir = (path: string): CrashOp => ({ op: 'rmdir', path });
const unlink = (path: string): CrashOp => ({ op: 'unlink', path });
const hold = (path: string): CrashOp => ({ op: 'hold', path });
const fsync = (path: string): CrashOp => ({ op: 'fsync', path });
const fdatasync = (path: string): CrashOp => ({ op: 'fdatasync', path });
const sync: CrashOp = { op: 'sync' };
const link = (from: string, to: string): CrashOp => ({ op: 'link', from, to });
const rename = (from: string, to: string): CrashOp => ({ op: 'rename', from, to });
const write = (path: string, at: number, length: number): CrashOp => ({
  op: 'write',
  path,
  at,
  length,
});
const truncate = (path: string, size: number): CrashOp => ({ op: 'truncate', path, size });
const setxattr = (path: string, length: number): CrashOp => ({
  op: 'setxattr',
  path,
  name: 'user.a',
  length,
});
const removexattr = (path: string): CrashOp => ({ op: 'removexattr', path, name: 'user.a' });
const full = (path: string, length = 3000): CrashOp[] => [creat(path), write(path, 0, length)];

type Row = readonly [id: string, title: string, setup: CrashOp[], ops: CrashOp[]];

/** Orders of data and size. */
const dataRows: readonly Row[] = [
  ['create-write', 'a new file that is synced', [], [...full('/foo'), fsync('/foo')]],
  [
    'append',
    'an append that is not synced, and a name that is',
    full('/foo'),
    [write('/foo', 3000, 3000), creat('/bar'), fsync('/bar')],
  ],
  [
    'append-fdatasync',
    'fdatasync keeps a size without which the data cannot be read',
    full('/foo', 1024),
    [write('/foo', 1024, 2000), fdatasync('/foo')],
  ],
  [
    'into-a-hole',
    'blocks that fill a hole never show what they held before',
    [creat('/foo'), truncate('/foo', 8192)],
    [write('/foo', 2048, 2048), creat('/bar'), fsync('/bar')],
  ],
  [
    'truncate-longer',
    'what a truncate cut off does not come back with a longer size',
    full('/foo', 1000),
    [truncate('/foo', 500), truncate('/foo', 1000), creat('/bar'), fsync('/bar')],
  ],
  [
    'truncate-write',
    'nor with a write behind it',
    full('/foo', 1000),
    [truncate('/foo', 500), write('/foo', 4000, 1000), fdatasync('/foo')],
  ],
  [
    'truncate-rewrite',
    'a file that is emptied and written again is never a mixture',
    full('/foo'),
    [truncate('/foo', 0), write('/foo', 0, 2000), fsync('/foo')],
  ],
  [
    'keep-size-fdatasync',
    'blocks behind the end stay after fdatasync (B3: lost by btrfs)',
    full('/foo'),
    [{ op: 'falloc', path: '/foo', keepSize: true, at: 4096, length: 4096 }, fdatasync('/foo')],
  ],
];

/** Orders of names. */
const nameRows: readonly Row[] = [
  [
    'rename-over',
    'a rename over a file, and fsync of the directory',
    [...full('/foo'), ...full('/bar')],
    [rename('/foo', '/bar'), fsync('/')],
  ],
  [
    'replace',
    'a file that is replaced by a rename, and never synced, is the old one or the new one',
    full('/foo'),
    [...full('/tmp'), rename('/tmp', '/foo'), fsync('/')],
  ],
  [
    'rename-create',
    'a name that is used again after a rename (B3: the old file lost by btrfs)',
    full('/foo'),
    [rename('/foo', '/bar'), creat('/foo'), fsync('/foo')],
  ],
  [
    'link-unlink',
    'another name comes and goes before fsync (B3: log replay failed in btrfs)',
    full('/foo'),
    [link('/foo', '/bar'), unlink('/bar'), fsync('/foo')],
  ],
  [
    'unlink-create',
    'a name that goes and comes again, with fsync of the new file',
    [...full('/foo'), link('/foo', '/bar')],
    [unlink('/bar'), creat('/bar'), fsync('/bar')],
  ],
  [
    'link-then-fsync',
    'both names of a file are there after fsync of one (B3: lost by btrfs)',
    [mkdir('/A'), ...full('/foo')],
    [link('/foo', '/A/foo'), write('/foo', 3000, 1000), fsync('/foo')],
  ],
  [
    'move-directory',
    'a directory that moves takes its files with it, once',
    [mkdir('/A'), mkdir('/B'), mkdir('/A/C'), ...full('/A/C/foo')],
    [rename('/A/C', '/B/C'), creat('/B/C/bar'), fsync('/B/C/bar')],
  ],
  [
    'rename-twice',
    'two files change places by three renames (B3: f2fs lost one)',
    [...full('/foo'), ...full('/bar')],
    [rename('/foo', '/tmp'), rename('/bar', '/foo'), rename('/tmp', '/bar'), fsync('/bar')],
  ],
];

/** Orders of the journal and of what is freed. */
const journalRows: readonly Row[] = [
  [
    'held-unlink',
    'a file that is removed while it is open is freed by the recovery',
    full('/foo'),
    [hold('/foo'), unlink('/foo'), fsync('/')],
  ],
  [
    'directory-block-reused',
    "a freed directory block becomes a file's data, and no old copy of it is replayed",
    [creat('/foo'), mkdir('/A')],
    [
      creat('/A/bar'),
      fsync('/A'),
      unlink('/A/bar'),
      rmdir('/A'),
      fsync('/'),
      write('/foo', 0, 2048),
      fsync('/foo'),
    ],
  ],
  [
    'attribute-block-reused',
    "a freed attribute block becomes a file's data, and no old copy of it is replayed",
    [creat('/foo'), creat('/bar')],
    [
      setxattr('/foo', 700),
      fsync('/foo'),
      removexattr('/foo'),
      fsync('/foo'),
      write('/bar', 0, 8192),
      fsync('/bar'),
    ],
  ],
  [
    'two-commits',
    'what two transactions change in turn is never of both',
    full('/foo'),
    [creat('/bar'), fsync('/bar'), unlink('/bar'), creat('/tmp'), sync],
  ],
];

const row = ([id, title, setup, ops]: Row): CrashWorkload => ({ id, title, setup, ops });

export const knownWorkloads: readonly CrashWorkload[] = [
  ...[...dataRows, ...nameRows, ...journalRows].map(row),
  {
    ...row([
      'into-a-hole-ext3',
      'nor do they where there are no unwritten blocks',
      [creat('/foo'), truncate('/foo', 8192)],
      [write('/foo', 2048, 2048), creat('/bar'), fsync('/bar')],
    ]),
    shape: SHAPES.ext3,
  },
];
