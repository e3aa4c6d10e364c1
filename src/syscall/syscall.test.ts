// What node:fs cannot ask the host for, and what the host does only for other users than ours.
import { expect, test } from 'vitest';
import { S_IFBLK, S_IFIFO, S_IFREG } from '../base/mode.ts';
import { n, World } from '../../test/support/vfs.ts';
import { tmpfs } from '../fs/tmpfs/tmpfs.ts';
import { CAP_FOWNER } from '../vfs/cred.ts';
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from '../vfs/file.ts';
import { S_APPEND, S_IMMUTABLE } from '../vfs/inode.ts';
import { mountFileSystem } from '../vfs/namespace.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../vfs/rename.ts';
import { XATTR_CREATE, XATTR_REPLACE, XATTR_SIZE_MAX } from '../vfs/xattr.ts';
import { sysChmod, sysChown, sysFtruncate, sysLchown, sysTruncate, sysUtimens } from './attr.ts';
import {
  sysChdir,
  sysGetcwd,
  sysGetdents,
  sysLink,
  sysMkdir,
  sysMknod,
  sysRename,
  sysRmdir,
  sysSymlink,
  sysUmask,
  sysUnlink,
} from './dir.ts';
import { sysMount, sysRemount, sysUmount } from './mount.ts';
import { sysClose, sysDup, sysOpen } from './open.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, type Process } from './process.ts';
import { sysPread, sysPreadNowait, sysRead, sysReadNowait, sysWrite } from './read-write.ts';
import { sysAccess, sysLstat, sysStat, sysStatNowait } from './stat.ts';
import { sysGetxattr, sysListxattr, sysRemovexattr, sysSetxattr } from './xattr.ts';

const text = (s: string) => new TextEncoder().encode(s);

function put(w: World, p: Process, path: string, content = '', mode = 0o644): void {
  const fd = w.run(sysOpen(p, n(path), O_WRONLY | O_CREAT | O_TRUNC, mode));
  w.run(sysWrite(p, fd, text(content)));
  w.run(sysClose(p, fd));
}

function get(w: World, p: Process, path: string): string {
  const fd = w.run(sysOpen(p, n(path), O_RDONLY));
  const buffer = new Uint8Array(100);
  const got = w.run(sysRead(p, fd, buffer));
  w.run(sysClose(p, fd));
  return new TextDecoder().decode(buffer.subarray(0, got));
}

const modeOf = (w: World, p: Process, path: string) =>
  (w.run(sysStat(p, n(path))).mode & 0o7777).toString(8);

test('rename exchanges two names, files and directories alike, and NOREPLACE refuses', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'f', 'file');
  w.run(sysMkdir(p, n('d')));
  w.run(sysMkdir(p, n('d/e')));
  w.run(sysMkdir(p, n('other')));
  expect(w.code(sysRename(p, n('f'), n('d'), RENAME_NOREPLACE))).toBe('EEXIST');
  w.run(sysRename(p, n('f'), n('d/e'), RENAME_EXCHANGE));
  expect(get(w, p, 'd/e')).toBe('file');
  expect(w.run(sysStat(p, n('d'))).nlink).toBe(2);
  expect(w.run(sysStat(p, n('/'))).nlink).toBe(5);
  w.run(sysChdir(p, n('f')));
  expect(sysGetcwd(p)).toBe('/f');
  w.run(sysChdir(p, n('..')));
  expect(w.code(sysRename(p, n('f'), n('none'), RENAME_EXCHANGE))).toBe('ENOENT');
  w.run(sysMkdir(p, n('f/g')));
  expect(w.code(sysRename(p, n('f'), n('f/g'), RENAME_EXCHANGE))).toBe('EINVAL');
  expect(w.code(sysRename(p, n('f/g'), n('f'), RENAME_EXCHANGE))).toBe('EINVAL');
  expect(w.code(sysRename(p, n('f'), n('x'), RENAME_EXCHANGE | RENAME_NOREPLACE))).toBe('EINVAL');
  expect(w.code(sysRename(p, n('f'), n('x'), 4))).toBe('EINVAL');
});

test('two renames between the same directories, the other way round, both finish', () => {
  const w = new World();
  const p = w.root;
  for (const d of ['a', 'b', 'a/x', 'b/y']) w.run(sysMkdir(p, n(d)));
  const q = w.process({ uid: 0, caps: -1 });
  const tasks = [
    w.scheduler.spawn('there', sysRename(p, n('a/x'), n('b/x'))),
    w.scheduler.spawn('back', sysRename(q, n('b/y'), n('a/y'))),
  ];
  w.scheduler.pump();
  expect(tasks.map((t) => t.state)).toEqual(['done', 'done']);
  expect(tasks.map((t) => t.failed)).toEqual([false, false]);
  expect(w.code(sysStat(p, n('b/x')))).toBe('ok');
  expect(w.code(sysStat(p, n('a/y')))).toBe('ok');
});

test('modes, groups and capabilities decide as in path_resolution(7)', () => {
  const w = new World();
  const { root } = w;
  const user = w.process({});
  const mate = w.process({ uid: 1001, groups: [1000] });
  const other = w.process({ uid: 1002, gid: 1002 });
  w.run(sysMkdir(root, n('home'), 0o755));
  w.run(sysChown(root, n('home'), 1000, 1000));
  put(w, user, 'home/f', 'x', 0o640);
  expect(w.code(sysOpen(mate, n('home/f'), O_RDONLY))).toBe('ok');
  expect(w.code(sysOpen(mate, n('home/f'), O_RDWR))).toBe('EACCES');
  expect(w.code(sysOpen(other, n('home/f'), O_RDONLY))).toBe('EACCES');
  expect(w.code(sysUnlink(other, n('home/f')))).toBe('EACCES');
  expect(w.code(sysMkdir(other, n('home/d')))).toBe('EACCES');
  expect(w.code(sysChmod(mate, n('home/f'), 0o777))).toBe('EPERM');
  expect(w.code(sysChown(user, n('home/f'), 1001, -1))).toBe('EPERM');
  expect(w.code(sysChown(user, n('home/f'), -1, 5))).toBe('EPERM');
  expect(w.code(sysAccess(root, n('home/f'), 1))).toBe('EACCES');
  w.run(sysChmod(user, n('home'), 0o700));
  expect(w.code(sysStat(other, n('home/f')))).toBe('EACCES');
  expect(sysStatNowait(root, n('home/f'))).toMatchObject({ size: 1 });
  // The owner's bits are the owner's, though everybody else may.
  w.run(sysChmod(user, n('home/f'), 0o077));
  expect(w.code(sysOpen(user, n('home/f'), O_RDONLY))).toBe('EACCES');
});

test("in a sticky directory only the owner, or the directory's, removes", () => {
  const w = new World();
  const user = w.process({});
  const other = w.process({ uid: 1002, gid: 1002 });
  const boss = w.process({ uid: 1003, caps: CAP_FOWNER });
  w.run(sysMkdir(w.root, n('tmp'), 0o1777));
  w.run(sysChmod(w.root, n('tmp'), 0o1777));
  put(w, user, 'tmp/a');
  put(w, user, 'tmp/b');
  expect(w.code(sysUnlink(other, n('tmp/a')))).toBe('EPERM');
  expect(w.code(sysRename(other, n('tmp/a'), n('tmp/c')))).toBe('EPERM');
  expect(w.code(sysUnlink(user, n('tmp/a')))).toBe('ok');
  expect(w.code(sysUnlink(boss, n('tmp/b')))).toBe('ok');
});

test('setuid and setgid fall when the contents or the owner change hands', () => {
  const w = new World();
  const user = w.process({});
  const mate = w.process({ uid: 1001, gid: 1000 });
  w.run(sysChmod(w.root, n('/'), 0o777));
  put(w, user, 'f', 'x');
  w.run(sysChmod(user, n('f'), 0o6777));
  expect(modeOf(w, user, 'f')).toBe('6777');
  const fd = w.run(sysOpen(mate, n('f'), O_WRONLY));
  w.run(sysWrite(mate, fd, text('y')));
  expect(modeOf(w, user, 'f')).toBe('777');
  w.run(sysChmod(user, n('f'), 0o6777));
  w.run(sysFtruncate(mate, fd, 0));
  expect(modeOf(w, user, 'f')).toBe('777');
  w.run(sysChmod(user, n('f'), 0o6775));
  w.run(sysChown(w.root, n('f'), -1, -1));
  expect(modeOf(w, user, 'f')).toBe('775');
  // setgid without group execution is mandatory locking's: it stays for the group's own.
  w.run(sysChmod(user, n('f'), 0o2767));
  w.run(sysChown(user, n('f'), -1, 1000));
  expect(modeOf(w, user, 'f')).toBe('2767');
  // Nobody makes a file setgid for a group that is not his.
  w.run(sysChown(w.root, n('f'), -1, 7));
  w.run(sysChmod(user, n('f'), 0o2777));
  expect(modeOf(w, user, 'f')).toBe('777');
});

test('a setgid directory hands its group down, and the bit to directories', () => {
  const w = new World();
  const user = w.process({});
  w.run(sysMkdir(w.root, n('d')));
  w.run(sysChown(w.root, n('d'), 0, 50));
  w.run(sysChmod(w.root, n('d'), 0o2777));
  put(w, user, 'd/f', '', 0o2775);
  w.run(sysMkdir(user, n('d/sub')));
  expect(w.run(sysStat(user, n('d/f')))).toMatchObject({ uid: 1000, gid: 50 });
  expect(modeOf(w, user, 'd/f')).toBe('755');
  expect(w.run(sysStat(user, n('d/sub'))).gid).toBe(50);
  expect(modeOf(w, user, 'd/sub')).toBe('2755');
  expect(sysUmask(user, 0)).toBe(0o022);
  put(w, user, 'd/wide', '', 0o666);
  expect(modeOf(w, user, 'd/wide')).toBe('666');
});

test('append-only and immutable inodes refuse what they must', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'log', 'a');
  put(w, p, 'fixed', 'a');
  const inodes = [...w.sb.inodes.values()].filter((i) => i.isReg);
  if (inodes[0]) inodes[0].flags |= S_APPEND;
  if (inodes[1]) inodes[1].flags |= S_IMMUTABLE;
  expect(w.code(sysOpen(p, n('log'), O_WRONLY))).toBe('EPERM');
  expect(w.code(sysOpen(p, n('log'), O_WRONLY | O_APPEND | O_TRUNC))).toBe('EPERM');
  expect(w.code(sysOpen(p, n('log'), O_WRONLY | O_APPEND))).toBe('ok');
  for (const f of ['log', 'fixed']) {
    expect(w.code(sysUnlink(p, n(f)))).toBe('EPERM');
    expect(w.code(sysRename(p, n(f), n('x')))).toBe('EPERM');
    expect(w.code(sysLink(p, n(f), n('x')))).toBe('EPERM');
    expect(w.code(sysChmod(p, n(f), 0o600))).toBe('EPERM');
    expect(w.code(sysTruncate(p, n(f), 0))).toBe('EPERM');
  }
  expect(w.code(sysOpen(p, n('fixed'), O_WRONLY))).toBe('EPERM');
  expect(w.code(sysSetxattr(p, n('fixed'), n('user.a'), text('1')))).toBe('EPERM');
});

test('O_TMPFILE has no name until it is linked, and O_EXCL forbids that', () => {
  const w = new World();
  const p = w.root;
  const fd = w.run(sysOpen(p, n('/'), O_TMPFILE | O_RDWR));
  w.run(sysWrite(p, fd, text('content')));
  w.run(sysLink(p, n(''), n('named'), AT_EMPTY_PATH, fd));
  expect(get(w, p, 'named')).toBe('content');
  expect(w.run(sysStat(p, n('named'))).nlink).toBe(1);
  w.run(sysClose(p, fd));
  const secret = w.run(sysOpen(p, n('/'), O_TMPFILE | O_RDWR | O_EXCL));
  expect(w.code(sysLink(p, n(''), n('x'), AT_EMPTY_PATH, secret))).toBe('ENOENT');
  const before = w.sb.inodes.size;
  w.run(sysClose(p, secret));
  expect(w.sb.inodes.size).toBe(before - 1);
});

test('an unlinked open file takes no new name and frees its data with the last close', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'f', 'x'.repeat(50));
  const fd = w.run(sysOpen(p, n('f'), O_RDWR));
  const copy = sysDup(p, fd);
  w.run(sysUnlink(p, n('f')));
  expect(w.code(sysLink(p, n(''), n('g'), AT_EMPTY_PATH, fd))).toBe('ENOENT');
  const { bfree } = w.sb.sops.statfs();
  w.run(sysClose(p, fd));
  expect(w.run(sysPread(p, copy, new Uint8Array(9), 45))).toBe(5);
  w.run(sysClose(p, copy));
  expect(w.sb.sops.statfs().bfree).toBe(bfree + 1);
  expect(w.code(sysClose(p, copy))).toBe('EBADF');
});

test('two descriptors of one open file share the position; Nowait forms agree', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'f', 'abcdefgh');
  const fd = w.run(sysOpen(p, n('f'), O_RDONLY));
  const copy = sysDup(p, fd);
  const two = new Uint8Array(2);
  w.run(sysRead(p, fd, two));
  expect(sysReadNowait(p, copy, two)).toBe(2);
  expect(String.fromCharCode(...two)).toBe('cd');
  expect(sysPreadNowait(p, fd, new Uint8Array(20), 6)).toBe(2);
  expect(sysPreadNowait(p, fd, new Uint8Array(20), 8)).toBe(0);
  expect(() => sysPreadNowait(p, 99, two, 0)).toThrow('EBADF');
  expect(() => sysPreadNowait(p, fd, two, -1)).toThrow('EINVAL');
});

test('an attribute keeps to its name space, its limits and its flags', () => {
  const w = new World();
  const { root } = w;
  const user = w.process({});
  w.run(sysChmod(root, n('/'), 0o777));
  put(w, user, 'f');
  w.run(sysSymlink(user, n('f'), n('s')));
  const set = (p: Process, f: string, a: string, v: Uint8Array, flags = 0, follow = true) =>
    w.code(sysSetxattr(p, n(f), n(a), v, flags, follow));
  expect(set(user, 'f', 'user.a', text('1'))).toBe('ok');
  expect(set(user, 'f', 'user.a', text('2'), XATTR_CREATE)).toBe('EEXIST');
  expect(set(user, 'f', 'user.b', text('2'), XATTR_REPLACE)).toBe('ENODATA');
  expect(set(user, 'f', 'user.a', text('2'), 4)).toBe('EINVAL');
  expect(set(user, 'f', 'trusted.a', text('2'))).toBe('EPERM');
  expect(set(user, 'f', 'security.a', text('2'))).toBe('EPERM');
  expect(set(user, 'f', 'bogus.a', text('2'))).toBe('EOPNOTSUPP');
  expect(set(user, 'f', '', text('2'))).toBe('ERANGE');
  expect(set(user, 'f', `user.${'x'.repeat(251)}`, text('2'))).toBe('ERANGE');
  expect(set(root, 'f', 'user.big', new Uint8Array(XATTR_SIZE_MAX + 1))).toBe('E2BIG');
  expect(set(user, 's', 'user.a', text('2'), 0, false)).toBe('EPERM');
  expect(set(root, 'f', 'trusted.t', text('t'))).toBe('ok');
  expect(w.run(sysListxattr(user, n('f')))).toEqual(['user.a']);
  expect(w.run(sysListxattr(root, n('f')))).toEqual(['user.a', 'trusted.t']);
  expect(w.code(sysGetxattr(user, n('f'), n('trusted.t')))).toBe('ENODATA');
  expect(w.run(sysGetxattr(user, n('s'), n('user.a')))).toEqual(text('1'));
  expect(w.code(sysRemovexattr(user, n('f'), n('user.zz')))).toBe('ENODATA');
  w.run(sysMkdir(root, n('sticky')));
  w.run(sysChmod(root, n('sticky'), 0o1777));
  expect(set(user, 'sticky', 'user.a', text('1'))).toBe('EPERM');
});

test('times: now, given, omitted, and who may', () => {
  const w = new World();
  const user = w.process({});
  const other = w.process({ uid: 1002, gid: 1002 });
  w.run(sysChmod(w.root, n('/'), 0o777));
  put(w, user, 'f', '', 0o666);
  w.run(sysChmod(user, n('f'), 0o666));
  const at = { sec: -5, nsec: 7 };
  w.run(sysUtimens(user, n('f'), at, 'omit'));
  const first = w.run(sysStat(user, n('f')));
  expect(first.atime).toEqual(at);
  w.clock.advance(3000);
  w.run(sysUtimens(other, n('f'), 'now', 'now'));
  const second = w.run(sysStat(user, n('f')));
  expect(second.mtime.sec).toBe(first.mtime.sec + 3);
  expect(second.ctime).toEqual(second.mtime);
  expect(w.code(sysUtimens(other, n('f'), 'now', 'omit'))).toBe('EPERM');
  expect(w.code(sysUtimens(user, n('f'), { sec: 0, nsec: 1e9 }, 'omit'))).toBe('EINVAL');
  w.run(sysSymlink(user, n('f'), n('s')));
  w.run(sysUtimens(user, n('s'), at, at, AT_FDCWD, AT_SYMLINK_NOFOLLOW));
  expect(w.run(sysLstat(user, n('s'))).mtime).toEqual(at);
  expect(w.code(sysChmod(user, n('s'), 0o600, AT_FDCWD, AT_SYMLINK_NOFOLLOW))).toBe('EOPNOTSUPP');
  w.run(sysLchown(w.root, n('s'), 5, 6));
  expect(w.run(sysLstat(user, n('s')))).toMatchObject({ uid: 5, gid: 6 });
});

test('relatime: a read moves atime past mtime once, and then once a day', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'f', 'x');
  w.clock.advance(1000);
  get(w, p, 'f');
  const once = w.run(sysStat(p, n('f'))).atime;
  expect(once.sec).toBe(1_700_000_001);
  w.clock.advance(1000);
  get(w, p, 'f');
  expect(w.run(sysStat(p, n('f'))).atime).toEqual(once);
  w.clock.advance(24 * 3600 * 1000);
  get(w, p, 'f');
  expect(w.run(sysStat(p, n('f'))).atime.sec).toBeGreaterThan(once.sec + 86_000);
});

test('special files are made and named, and not opened', () => {
  const w = new World();
  const user = w.process({});
  w.run(sysChmod(w.root, n('/'), 0o777));
  expect(w.code(sysMknod(user, n('fifo'), S_IFIFO | 0o600))).toBe('ok');
  expect(w.code(sysMknod(user, n('dev'), S_IFBLK | 0o600, 0x0801))).toBe('EPERM');
  expect(w.code(sysMknod(w.root, n('dev'), S_IFBLK | 0o600, 0x0801))).toBe('ok');
  expect(w.run(sysStat(user, n('dev'))).rdev).toBe(0x0801);
  expect(w.code(sysMknod(user, n('d'), 0o040755))).toBe('EPERM');
  expect(w.code(sysMknod(user, n('odd'), 0o070000))).toBe('EINVAL');
  expect(w.code(sysMknod(user, n('reg'), S_IFREG | 0o600))).toBe('ok');
  expect(w.code(sysOpen(user, n('fifo'), O_RDONLY))).toBe('ENXIO');
  expect(w.code(sysOpen(w.root, n('dev'), O_RDONLY))).toBe('ENXIO');
});

test('a mount covers its directory, `..` leads out again, and umount needs it idle', () => {
  const w = new World();
  const p = w.root;
  w.run(sysMkdir(p, n('mnt')));
  put(w, p, 'mnt/hidden');
  const sb = w.run(mountFileSystem(tmpfs, w.context()));
  w.run(sysMount(p, sb, n('mnt')));
  put(w, p, 'mnt/inside', 'i');
  expect(w.code(sysStat(p, n('mnt/hidden')))).toBe('ENOENT');
  expect(w.code(sysStat(p, n('mnt/../mnt/inside')))).toBe('ok');
  w.run(sysChdir(p, n('mnt')));
  expect(sysGetcwd(p)).toBe('/mnt');
  expect(w.code(sysUmount(p, n('/mnt')))).toBe('EBUSY');
  w.run(sysChdir(p, n('..')));
  expect(sysGetcwd(p)).toBe('/');
  expect(w.code(sysRmdir(p, n('mnt')))).toBe('EBUSY');
  expect(w.code(sysRename(p, n('mnt'), n('x')))).toBe('EBUSY');
  expect(w.code(sysRename(p, n('mnt/inside'), n('x')))).toBe('EXDEV');
  expect(w.code(sysLink(p, n('mnt/inside'), n('x')))).toBe('EXDEV');
  const fd = w.run(sysOpen(p, n('mnt/inside'), O_RDONLY));
  expect(w.code(sysUmount(p, n('mnt')))).toBe('EBUSY');
  w.run(sysClose(p, fd));
  w.run(sysUmount(p, n('mnt')));
  expect(w.code(sysStat(p, n('mnt/hidden')))).toBe('ok');
  expect(w.code(sysUmount(p, n('mnt')))).toBe('EINVAL');
  expect(w.code(sysUmount(p, n('/')))).toBe('EBUSY');
});

test('a read-only mount tells of what exists before it tells that it is read-only', () => {
  const w = new World();
  const p = w.root;
  put(w, p, 'f');
  w.sb.readOnly = true;
  expect(w.code(sysMkdir(p, n('f')))).toBe('EEXIST');
  expect(w.code(sysMkdir(p, n('d')))).toBe('EROFS');
  expect(w.code(sysOpen(p, n('f'), O_WRONLY))).toBe('EROFS');
  expect(w.code(sysOpen(p, n('f'), O_RDONLY | O_CREAT))).toBe('ok');
  expect(w.code(sysOpen(p, n('new'), O_RDONLY | O_CREAT))).toBe('EROFS');
  expect(w.code(sysUnlink(p, n('f')))).toBe('EROFS');
  expect(w.code(sysUnlink(p, n('none')))).toBe('EROFS');
  expect(w.code(sysChmod(p, n('f'), 0))).toBe('EROFS');
  expect(w.code(sysTruncate(p, n('f'), 0))).toBe('EROFS');
  expect(w.code(sysAccess(p, n('f'), 2))).toBe('EROFS');
  w.sb.readOnly = false;
  expect(w.code(sysRemount(p, n('/'), true))).toBe('EOPNOTSUPP');
});

test('a working directory that was removed holds on, and gives nothing new', () => {
  const w = new World();
  const p = w.root;
  w.run(sysMkdir(p, n('d')));
  const fd = w.run(sysOpen(p, n('d'), O_RDONLY));
  w.run(sysChdir(p, n('d')));
  w.run(sysRmdir(p, n('/d')));
  expect(() => sysGetcwd(p)).toThrow('ENOENT');
  expect(w.code(sysMkdir(p, n('x')))).toBe('ENOENT');
  expect(w.code(sysOpen(p, n('x'), O_RDWR | O_CREAT))).toBe('ENOENT');
  expect(w.code(sysStat(p, n('.')))).toBe('ok');
  expect(w.code(sysGetdents(p, fd))).toBe('ENOENT');
  w.run(sysChdir(p, n('/')));
  w.run(sysClose(p, fd));
  expect(w.sb.inodes.size).toBe(1);
});

test('caches stay within their limits however many names there are', () => {
  const w = new World();
  const p = w.root;
  // Room for 100, whatever is lent while the page cache is small.
  w.sb.dentryLimit = 100 - (w.sb.dentryRoom - w.sb.dentryLimit);
  for (let d = 0; d < 3; d++) {
    w.run(sysMkdir(p, n(`d${d}`)));
    for (let i = 0; i < 300; i++) put(w, p, `d${d}/f${i}`, 'x');
  }
  expect(w.sb.dentryLru.size).toBeLessThanOrEqual(100);
  for (let i = 0; i < 300; i++) expect(w.run(sysStat(p, n(`d1/f${i}`))).size).toBe(1);
  for (let i = 0; i < 300; i++) w.code(sysStat(p, n(`d1/none${i}`)));
  expect(w.sb.dentryLru.size).toBeLessThanOrEqual(100);
  const fd = w.run(sysOpen(p, n('d2'), O_RDONLY));
  expect(w.run(sysGetdents(p, fd, 1000)).length).toBe(302);
});

test('names borrow what the page cache has not used, and give it back as it grows', () => {
  const w = new World();
  const p = w.root;
  w.sb.dentryLimit = 0;
  const before = w.sb.dentryRoom;
  for (let i = 0; i < 3000; i++) w.code(sysStat(p, n(`none${i}`)));
  expect(w.sb.dentryLru.size).toBe(3000);
  const fd = w.run(sysOpen(p, n('big'), O_WRONLY | O_CREAT));
  w.run(sysWrite(p, fd, new Uint8Array(4 << 20)));
  expect(w.sb.dentryRoom).toBeLessThanOrEqual(before / 2);
  expect(w.sb.dentryLru.size).toBeLessThanOrEqual(w.sb.dentryRoom + 512);
});

test('O_CREAT follows a symlink to where the file is to be, and O_NOFOLLOW does not', () => {
  const w = new World();
  const p = w.root;
  w.run(sysMkdir(p, n('a')));
  w.run(sysSymlink(p, n('b/../new'), n('a/s')));
  w.run(sysMkdir(p, n('a/b')));
  expect(w.code(sysOpen(p, n('a/s'), O_CREAT | O_RDWR | O_NOFOLLOW))).toBe('ELOOP');
  expect(w.code(sysOpen(p, n('a/s'), O_CREAT | O_RDWR))).toBe('ok');
  expect(w.code(sysStat(p, n('a/new')))).toBe('ok');
});
