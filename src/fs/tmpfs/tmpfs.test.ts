// Goal: the system calls do what Linux does, error codes included. Method: one script of operations
// runs through sysX on tmpfs and through node:fs on a scratch folder; every step's outcome (value
// or error code) is compared, and so is the whole tree at the end.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FsError } from '../../base/errno.ts';
import { asciiName, nameFromText, nameToText } from '../../base/name.ts';
import { bytes } from '../../base/units.ts';
import { BlockDevice } from '../../block/block-device.ts';
import { RamDevice } from '../../block/ram-device.ts';
import { Memory } from '../../mm/vmscan.ts';
import type { Op } from '../../sched/op.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { sysChmod, sysTruncate, sysFtruncate } from '../../syscall/attr.ts';
import {
  sysGetdents,
  sysLink,
  sysMkdir,
  sysRename,
  sysRmdir,
  sysSymlink,
  sysUnlink,
} from '../../syscall/dir.ts';
import { sysClose, sysOpen } from '../../syscall/open.ts';
import { Process } from '../../syscall/process.ts';
import { sysLseek, sysPread, sysPwrite, sysRead, sysWrite } from '../../syscall/read-write.ts';
import { sysAccess, sysLstat, sysReadlink, sysStat } from '../../syscall/stat.ts';
import { umount, mountFileSystem } from '../../vfs/namespace.ts';
import { tmpfs } from './tmpfs.ts';

const C = fs.constants;

interface World {
  mkdir(p: string, mode?: number): unknown;
  rmdir(p: string): unknown;
  unlink(p: string): unknown;
  rename(a: string, b: string): unknown;
  link(a: string, b: string): unknown;
  symlink(target: string, p: string): unknown;
  readlink(p: string): unknown;
  stat(p: string): unknown;
  lstat(p: string): unknown;
  access(p: string, mask: number): unknown;
  chmod(p: string, mode: number): unknown;
  truncate(p: string, size: number): unknown;
  ls(p: string): unknown;
  write(p: string, text: string, flags: number): unknown;
  read(p: string, flags: number): unknown;
  /** Open, and tell only that it worked. */
  open(p: string, flags: number, mode?: number): unknown;
  ftruncate(p: string, flags: number, size: number): unknown;
  pwrite(p: string, text: string, pos: number, flags: number): unknown;
}

const fileFacts = (s: { mode: number; nlink: number; size: number }) => ({
  mode: s.mode.toString(8),
  nlink: (s.mode & 0o170000) === 0o040000 ? 0 : s.nlink,
  size: (s.mode & 0o170000) === 0o040000 ? 0 : s.size,
});

class HostWorld implements World {
  readonly top: string;
  constructor(top: string) {
    this.top = top;
  }
  /** Joined by hand: path.join would tidy the slashes and dots that are under test. */
  private at(p: string): string {
    if (p === '') return p;
    return p.startsWith('/') ? this.top + p : `${this.top}/${p}`;
  }
  mkdir = (p: string, mode?: number) => fs.mkdirSync(this.at(p), mode);
  rmdir = (p: string) => fs.rmdirSync(this.at(p));
  unlink = (p: string) => fs.unlinkSync(this.at(p));
  rename = (a: string, b: string) => fs.renameSync(this.at(a), this.at(b));
  link = (a: string, b: string) => fs.linkSync(this.at(a), this.at(b));
  symlink = (target: string, p: string) => fs.symlinkSync(target, this.at(p));
  readlink = (p: string) => fs.readlinkSync(this.at(p));
  stat = (p: string) => fileFacts(fs.statSync(this.at(p)));
  lstat = (p: string) => fileFacts(fs.lstatSync(this.at(p)));
  access = (p: string, mask: number) => fs.accessSync(this.at(p), mask);
  chmod = (p: string, mode: number) => fs.chmodSync(this.at(p), mode);
  truncate = (p: string, size: number) => {
    // fs.truncateSync opens the file; truncate(2) itself is what fs.promises has not either.
    const fd = fs.openSync(this.at(p), 'r+');
    try {
      fs.ftruncateSync(fd, size);
    } finally {
      fs.closeSync(fd);
    }
  };
  ls = (p: string) => fs.readdirSync(this.at(p)).sort();
  private with<T>(p: string, flags: number, mode: number, act: (fd: number) => T): T {
    const fd = fs.openSync(this.at(p), flags, mode);
    try {
      return act(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
  write = (p: string, text: string, flags: number) =>
    this.with(p, flags, 0o644, (fd) => fs.writeSync(fd, text));
  read = (p: string, flags: number) =>
    this.with(p, flags, 0, (fd) => {
      const buffer = Buffer.alloc(100_000);
      return buffer.toString('latin1', 0, fs.readSync(fd, buffer));
    });
  open = (p: string, flags: number, mode = 0o644) => this.with(p, flags, mode, () => 'opened');
  ftruncate = (p: string, flags: number, size: number) =>
    this.with(p, flags, 0o644, (fd) => fs.ftruncateSync(fd, size));
  pwrite = (p: string, text: string, pos: number, flags: number) =>
    this.with(p, flags, 0o644, (fd) => fs.writeSync(fd, text, pos));
}

class OurWorld implements World {
  readonly s = new Scheduler();
  readonly p: Process;
  constructor() {
    const memory = new Memory(8 << 20);
    const device = new BlockDevice(new RamDevice(bytes(0)));
    const sb = this.run(
      mountFileSystem(tmpfs, {
        scheduler: this.s,
        memory,
        device,
        readOnly: false,
        options: new Map(),
        warn: () => undefined,
      }),
    );
    if (!sb.root) throw new TypeError('no root');
    this.p = new Process(sb.root);
  }
  run<T>(op: Op<T>): T {
    return this.s.runToEnd(op);
  }
  private n = nameFromText;
  mkdir = (p: string, mode?: number) => this.run(sysMkdir(this.p, this.n(p), mode));
  rmdir = (p: string) => this.run(sysRmdir(this.p, this.n(p)));
  unlink = (p: string) => this.run(sysUnlink(this.p, this.n(p)));
  rename = (a: string, b: string) => this.run(sysRename(this.p, this.n(a), this.n(b)));
  link = (a: string, b: string) => this.run(sysLink(this.p, this.n(a), this.n(b)));
  symlink = (t: string, p: string) => this.run(sysSymlink(this.p, this.n(t), this.n(p)));
  readlink = (p: string) => nameToText(this.run(sysReadlink(this.p, this.n(p))));
  stat = (p: string) => fileFacts(this.run(sysStat(this.p, this.n(p))));
  lstat = (p: string) => fileFacts(this.run(sysLstat(this.p, this.n(p))));
  access = (p: string, mask: number) => this.run(sysAccess(this.p, this.n(p), mask));
  chmod = (p: string, mode: number) => this.run(sysChmod(this.p, this.n(p), mode));
  truncate = (p: string, size: number) => {
    this.with(p, C.O_RDWR, 0, () => undefined);
    this.run(sysTruncate(this.p, this.n(p), size));
  };
  ls = (p: string) =>
    this.with(p, C.O_RDONLY | C.O_DIRECTORY, 0, (fd) => {
      const names: string[] = [];
      for (;;) {
        const batch = this.run(sysGetdents(this.p, fd, 3));
        if (batch.length === 0) break;
        names.push(...batch.map((d) => nameToText(d.name)));
      }
      return names.filter((x) => x !== '.' && x !== '..').sort();
    });
  private with<T>(p: string, flags: number, mode: number, act: (fd: number) => T): T {
    const fd = this.run(sysOpen(this.p, this.n(p), flags, mode));
    try {
      return act(fd);
    } finally {
      this.run(sysClose(this.p, fd));
    }
  }
  write = (p: string, text: string, flags: number) =>
    this.with(p, flags, 0o644, (fd) => this.run(sysWrite(this.p, fd, Buffer.from(text, 'latin1'))));
  read = (p: string, flags: number) =>
    this.with(p, flags, 0, (fd) => {
      const buffer = Buffer.alloc(100_000);
      return buffer.toString('latin1', 0, this.run(sysRead(this.p, fd, buffer)));
    });
  open = (p: string, flags: number, mode = 0o644) => this.with(p, flags, mode, () => 'opened');
  ftruncate = (p: string, flags: number, size: number) =>
    this.with(p, flags, 0o644, (fd) => this.run(sysFtruncate(this.p, fd, size)));
  pwrite = (p: string, text: string, pos: number, flags: number) =>
    this.with(p, flags, 0o644, (fd) =>
      this.run(sysPwrite(this.p, fd, Buffer.from(text, 'latin1'), pos)),
    );
}

type Step = (w: World) => unknown;
const W = C.O_WRONLY | C.O_CREAT;
const longName = 'n'.repeat(256);
const O_TMPFILE = 0o20200000;
const O_PATH = 0o10000000;

/** Steps build on each other; each says what it does by being it. */
const script: readonly Step[] = [
  // Directories and their errors.
  (w) => w.mkdir('a', 0o755),
  (w) => w.mkdir('a'),
  (w) => w.mkdir('a/'),
  (w) => w.mkdir('a/b/'),
  (w) => w.mkdir('a/b/c/d'),
  (w) => w.mkdir('a/.'),
  (w) => w.mkdir('a/..'),
  (w) => w.mkdir(longName),
  (w) => w.mkdir('x/' + 'y/'.repeat(2100)),
  (w) => w.mkdir('sticky', 0o1777),
  (w) => w.stat('sticky'),
  (w) => w.rmdir('a'),
  (w) => w.rmdir('a/.'),
  (w) => w.rmdir('a/b/..'),
  (w) => w.rmdir('missing'),
  (w) => w.ls('a'),
  (w) => w.ls('.'),
  // Files.
  (w) => w.write('a/f', 'hello', W),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.write('a/f', 'XY', C.O_WRONLY),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.write('a/f', '+more', C.O_WRONLY | C.O_APPEND),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.write('a/f', 'tr', W | C.O_TRUNC),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.write('a/f', 'no', W | C.O_EXCL),
  (w) => w.read('a/f', C.O_WRONLY),
  (w) => w.write('a/f', 'no', C.O_RDONLY),
  (w) => w.open('a/f/', C.O_RDONLY),
  (w) => w.open('a/f/x', C.O_RDONLY),
  (w) => w.open('a/f/.', C.O_RDONLY),
  (w) => w.open('a/new/', W),
  (w) => w.open('a/', W),
  (w) => w.open('a', W),
  (w) => w.open('a', C.O_RDWR),
  (w) => w.open('a', C.O_RDONLY),
  (w) => w.read('a', C.O_RDONLY),
  (w) => w.open('a', C.O_RDONLY | C.O_CREAT),
  (w) => w.open('a/f', C.O_RDONLY | C.O_DIRECTORY),
  (w) => w.open('missing', C.O_RDONLY),
  (w) => w.open('missing/x', W),
  (w) => w.open(longName, W),
  (w) => w.open('', C.O_RDONLY),
  (w) => w.open('a/..', C.O_RDONLY),
  (w) => w.open('a/..', W),
  (w) => w.open('a/..', W | C.O_EXCL),
  (w) => w.open('a', O_TMPFILE | C.O_RDONLY),
  (w) => w.open('a/f', O_TMPFILE | C.O_RDWR),
  (w) => w.open('a', O_TMPFILE | C.O_RDWR),
  (w) => w.open('a/f', O_PATH),
  (w) => w.read('a/f', O_PATH),
  (w) => w.ls('a'),
  (w) => w.ls('a/f'),
  (w) => w.unlink('a/f/'),
  (w) => w.unlink('a'),
  (w) => w.unlink('a/'),
  (w) => w.unlink('missing'),
  (w) => w.unlink('missing/'),
  (w) => w.rmdir('a/f'),
  (w) => w.rmdir('a/f/'),
  // Sizes.
  (w) => w.truncate('a/f', 10),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.truncate('a/f', 1),
  (w) => w.truncate('a/f', 9000),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.truncate('a', 1),
  (w) => w.truncate('missing', 1),
  (w) => w.ftruncate('a/f', C.O_RDONLY, 1),
  (w) => w.ftruncate('a/f', C.O_WRONLY, 5000),
  (w) => w.pwrite('a/f', 'far', 20_000, C.O_WRONLY),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.pwrite('a/f', 'edge', 4094, C.O_WRONLY),
  (w) => w.read('a/f', C.O_RDONLY),
  (w) => w.stat('a/f'),
  // Links.
  (w) => w.link('a/f', 'a/g'),
  (w) => w.stat('a/f'),
  (w) => w.link('a/f', 'a/g'),
  (w) => w.link('a', 'dirlink'),
  (w) => w.link('missing', 'l'),
  (w) => w.link('a/f', 'a/h/'),
  (w) => w.unlink('a/f'),
  (w) => w.stat('a/g'),
  (w) => w.rename('a/g', 'a/f'),
  (w) => w.link('a/f', 'a/g'),
  (w) => w.rename('a/f', 'a/g'), // one inode: nothing happens
  (w) => w.ls('a'),
  (w) => w.unlink('a/g'),
  // Symlinks.
  (w) => w.symlink('f', 'a/s'),
  (w) => w.symlink('', 'a/empty'),
  (w) => w.symlink('f', 'a/s'),
  (w) => w.readlink('a/s'),
  (w) => w.readlink('a/f'),
  (w) => w.readlink('a/s/'),
  (w) => w.stat('a/s'),
  (w) => w.lstat('a/s'),
  (w) => w.lstat('a/s/'),
  (w) => w.read('a/s', C.O_RDONLY | C.O_NOFOLLOW),
  (w) => w.symlink('nowhere', 'a/dangling'),
  (w) => w.stat('a/dangling'),
  (w) => w.write('a/dangling', 'x', W | C.O_EXCL),
  (w) => w.write('a/dangling', 'x', W | C.O_NOFOLLOW),
  (w) => w.write('a/dangling', 'made', W),
  (w) => w.read('a/nowhere', C.O_RDONLY),
  (w) => w.symlink('loop', 'loop'),
  (w) => w.stat('loop'),
  (w) => w.open('loop', W),
  (w) => w.stat('loop/x'),
  (w) => w.unlink('loop'),
  (w) => w.symlink('a', 'toA'),
  (w) => w.ls('toA'),
  (w) => w.lstat('toA'),
  (w) => w.lstat('toA/'),
  (w) => w.stat('toA/f'),
  (w) => w.stat('toA/../a/f'),
  (w) => w.rmdir('toA'),
  (w) => w.rmdir('toA/'),
  (w) => w.unlink('toA/'),
  (w) => w.mkdir('toA/'),
  (w) => w.mkdir('toA/in'),
  (w) => w.rename('toA/', 'q'),
  (w) => w.rename('toA', 'toB'),
  (w) => w.unlink('toB'),
  (w) => w.open('a/s/x', C.O_RDONLY),
  ...Array.from(
    { length: 42 },
    (_, i): Step =>
      (w) =>
        w.symlink(i ? `l${i - 1}` : 'a', `l${i}`),
  ),
  (w) => w.stat('l39'),
  (w) => w.stat('l40'),
  ...Array.from(
    { length: 42 },
    (_, i): Step =>
      (w) =>
        w.unlink(`l${i}`),
  ),
  // Rename.
  (w) => w.mkdir('d1'),
  (w) => w.mkdir('d2'),
  (w) => w.mkdir('d1/sub'),
  (w) => w.mkdir('d1/sub/deep'),
  (w) => w.write('d1/file', '1', W),
  (w) => w.rename('d1', 'd1'),
  (w) => w.rename('d1', 'd1/sub/x'),
  (w) => w.rename('d1', 'd1/sub'),
  (w) => w.rename('d1/sub', 'd1'),
  (w) => w.rename('d1/sub/deep', 'd1'),
  (w) => w.rename('d2', 'd1'),
  (w) => w.rename('d1', 'd2'),
  (w) => w.ls('d2'),
  (w) => w.rename('d2/file', 'd2/sub'),
  (w) => w.rename('d2/sub', 'd2/file'),
  (w) => w.rename('d2/file', 'd2/new/'),
  (w) => w.rename('d2/file/', 'd2/new'),
  (w) => w.rename('d2/sub/', 'd2/new/'),
  (w) => w.rename('d2/new', 'd2/file/'),
  (w) => w.rename('d2/.', 'x'),
  (w) => w.rename('d2/..', 'x'),
  (w) => w.rename('d2', 'a/.'),
  (w) => w.rename('missing', 'd2/.'),
  (w) => w.rename('missing', 'x'),
  (w) => w.rename('d2/file', 'missing/x'),
  (w) => w.rename('d2/file', longName),
  (w) => w.rename('d2/new/deep', 'up'),
  (w) => w.stat('up/..'),
  (w) => w.ls('.'),
  (w) => w.write('r1', 'one', W),
  (w) => w.write('r2', 'two', W),
  (w) => w.rename('r1', 'r2'),
  (w) => w.read('r2', C.O_RDONLY),
  (w) => w.stat('r1'),
  // Modes.
  (w) => w.chmod('r2', 0o4755),
  (w) => w.stat('r2'),
  (w) => w.chmod('r2', 0o177777),
  (w) => w.stat('r2'),
  (w) => w.chmod('missing', 0o600),
  (w) => w.access('r2', 7),
  (w) => w.access('missing', 0),
  (w) => w.open('made', W, 0o666),
  (w) => w.stat('made'),
  (w) => w.chmod('d2', 0o2775),
  (w) => w.mkdir('d2/inherits'),
  (w) => w.stat('d2/inherits'),
  (w) => w.rmdir('d2/inherits'),
  (w) => w.open('d2/plain', W, 0o2770),
  (w) => w.stat('d2/plain'),
  // Dots and slashes.
  (w) => w.stat('//a///./b/../f'),
  (w) => w.stat('a/../../../../../..'),
  (w) => w.stat('a/...'),
  (w) => w.open('a/..f', W),
  (w) => w.ls('a'),
];

let top: string;
let host: HostWorld;
let umask: number;

beforeAll(() => {
  umask = process.umask(0o022);
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'foliofs-vfs-'));
  fs.mkdirSync(`${top}/root`);
  host = new HostWorld(`${top}/root`);
});
afterAll(() => {
  process.umask(umask);
  fs.rmSync(top, { recursive: true });
});

function outcome(step: Step, w: World): unknown {
  try {
    return step(w) ?? null;
  } catch (e) {
    if (e instanceof FsError) return e.code === 'EOPNOTSUPP' ? 'ENOTSUP' : e.code;
    const code = (e as NodeJS.ErrnoException).code;
    if (code === undefined) throw e;
    return code;
  }
}

test('system calls on tmpfs end as node:fs calls on the host do, step by step', () => {
  const ours = new OurWorld();
  for (const [i, step] of script.entries()) {
    const what = `step ${i}: ${String(step)}`;
    expect(`${what} = ${JSON.stringify(outcome(step, ours))}`).toBe(
      `${what} = ${JSON.stringify(outcome(step, host))}`,
    );
  }
});

test('an unlinked file lives until its last close, and umount leaves nothing behind', () => {
  const w = new OurWorld();
  const { p } = w;
  const fd = w.run(sysOpen(p, asciiName('gone'), C.O_RDWR | C.O_CREAT));
  w.run(sysWrite(p, fd, Buffer.from('still here')));
  w.unlink('gone');
  expect(() => w.stat('gone')).toThrow('ENOENT');
  const buffer = Buffer.alloc(20);
  expect(w.run(sysPread(p, fd, buffer, 6))).toBe(4);
  expect(buffer.toString('latin1', 0, 4)).toBe('here');
  expect(w.run(sysLseek(p, fd, 0, 2))).toBe(10);
  w.run(sysClose(p, fd));
  expect(p.root.sb.inodes.size).toBe(1);
  w.mkdir('d');
  w.write('d/f', 'x'.repeat(10_000), W);
  const { sb } = p.root;
  p.root.count -= 2;
  w.run(umount(sb));
  expect(sb.inodes.size).toBe(0);
});
