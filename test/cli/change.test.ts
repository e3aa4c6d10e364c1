// Goal: each command that changes an image does what its Unix namesake does, and a failure changes
// nothing. Method: the built program; debugfs and e2fsck as judges; hashes of the image.
import {
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  linkSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  debugfs,
  emptyImage,
  expectClean,
  fails,
  foliofs,
  jsonLines,
  ok,
  scratch,
  usage,
} from '../support/cli.ts';

test('mkdir makes directories, with -p those above, with -m of that mode', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', `${image}:/a`]);
  ok(['mkdir', '-p', '-m', '2750', `${image}:/b/c/d`]);
  ok(['mkdir', '-p', `${image}:/b/c/d`]);
  expect(debugfs(image, 'stat /b/c/d')).toMatch(/Type: directory +Mode: +02750/);
  expect(debugfs(image, 'stat /b/c')).toMatch(/Mode: +0755/);
  fails(image, ['mkdir', `${image}:/a`], /disk\.img:\/a: file already exists \(EEXIST\)/);
  fails(image, ['mkdir', `${image}:/x/y`], /x\/y: no such file or directory \(ENOENT\)/);
  expectClean(image);
});

test('write replaces, appends and overwrites', () => {
  const image = emptyImage(scratch());
  ok(['write', '-m', '600', `${image}:/f`], { input: 'hello world\n' });
  ok(['write', '-a', `${image}:/f`], { input: 'more\n' });
  ok(['write', '-o', '6', `${image}:/f`], { input: 'there' });
  expect(debugfs(image, 'cat /f')).toBe('hello there\nmore\n');
  expect(debugfs(image, 'stat /f')).toMatch(/Mode: +0600/);
  ok(['write', `${image}:/f`], { input: '' });
  expect(debugfs(image, 'stat /f')).toMatch(/Size: 0/);
  fails(image, ['write', `${image}:/lost+found`], /EISDIR/, { input: 'x' });
  expectClean(image);
});

test('what does not fit is ENOSPC, and the image stays sound', () => {
  const image = emptyImage(scratch());
  const { status, stderr } = foliofs(['write', `${image}:/big`], {
    input: Buffer.alloc(20 << 20, 7),
  });
  expect(stderr).toMatch(/disk\.img:\/big: no space left on device.*\(ENOSPC\)/);
  expect(status).toBe(1);
  expectClean(image);
});

test('cp goes in, out and across, and keeps what -a says', () => {
  const dir = scratch();
  const image = emptyImage(dir);
  const src = join(dir, 'src');
  mkdirSync(join(src, 'sub'), { recursive: true });
  writeFileSync(join(src, 'a'), 'one', { mode: 0o640 });
  linkSync(join(src, 'a'), join(src, 'sub', 'again'));
  symlinkSync('a', join(src, 'link'));
  writeFileSync(join(src, 'sparse'), 'x');
  truncateSync(join(src, 'sparse'), 3 << 20);
  utimesSync(join(src, 'a'), 1e9, 1.5e9);
  ok(['cp', '-a', src, `${image}:/`]);
  expect(debugfs(image, 'stat /src/a')).toMatch(
    /Mode: +0640[\s\S]*Links: 2[\s\S]*mtime: 0x59682f00/,
  );
  expect(debugfs(image, 'stat /src/link')).toMatch(/Fast link dest: "a"/);
  expect(debugfs(image, 'stat /src/sparse')).toMatch(/Size: 3145728[\s\S]*Blockcount: [28]\n/);
  ok(['cp', `${image}:/src/a`, join(dir, 'out')]);
  expect(readFileSync(join(dir, 'out'), 'utf8')).toBe('one');
  ok(['cp', '-a', `${image}:/src`, `${image}:/copy`]);
  ok(['cp', '-a', `${image}:/copy`, join(dir, 'back')]);
  expect(statSync(join(dir, 'back', 'a')).ino).toBe(
    statSync(join(dir, 'back', 'sub', 'again')).ino,
  );
  expect(statSync(join(dir, 'back', 'a')).mtimeMs).toBe(1.5e12);
  expect(statSync(join(dir, 'back', 'sparse')).blocks).toBeLessThan(64);
  expectClean(image);
  fails(image, ['cp', join(dir, 'no'), `${image}:/`], /no: no such file or directory \(ENOENT\)/);
  fails(image, ['cp', src, `${image}:/y`], /src: is a directory.*\(EISDIR\)/);
  fails(image, ['cp', join(dir, 'out'), `${image}:/no/where`], /ENOENT/);
  usage(['cp', src, join(dir, 'elsewhere')], /neither side is in an image/);
});

test('a directory is not copied into itself', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', `${image}:/d`]);
  ok(['write', `${image}:/d/f`], { input: 'x' });
  const { status, stderr } = foliofs(['cp', '-r', `${image}:/d`, `${image}:/d/d`]);
  expect(stderr).toMatch(/into itself \(EINVAL\)/);
  expect(status).toBe(1);
  expectClean(image);
});

test('mv renames, exchanges, and moves between image and host', () => {
  const dir = scratch();
  const image = emptyImage(dir);
  ok(['write', `${image}:/a`], { input: 'A' });
  ok(['write', `${image}:/b`], { input: 'B' });
  ok(['mv', '--exchange', `${image}:/a`, `${image}:/b`]);
  expect(debugfs(image, 'cat /a')).toBe('B');
  ok(['mkdir', `${image}:/d`]);
  ok(['mv', `${image}:/a`, `${image}:/b`, `${image}:/d`]);
  expect(ok(['ls', `${image}:/d`])).toBe('a\nb\n');
  ok(['mv', `${image}:/d`, join(dir, 'out')]);
  expect(readFileSync(join(dir, 'out', 'b'), 'utf8')).toBe('A');
  expect(ok(['ls', image])).toBe('lost+found\n');
  ok(['mv', join(dir, 'out'), `${image}:/in`]);
  expect(ok(['cat', `${image}:/in/a`])).toBe('B');
  fails(image, ['mv', `${image}:/none`, `${image}:/x`], /none: no such file.*ENOENT/);
  fails(image, ['mv', `${image}:/in`, `${image}:/in/a/x`], /ENOTDIR/);
  expectClean(image);
});

test('rm removes files, -r trees, -f what is not there', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', '-p', `${image}:/d/e`]);
  for (const f of ['/f', '/d/g', '/d/e/h'])
    ok(['write', `${image}:${f}`], { input: 'x'.repeat(5000) });
  ok(['rm', `${image}:/f`]);
  fails(image, ['rm', `${image}:/f`], /disk\.img:\/f: no such file or directory.*\(ENOENT\)/);
  ok(['rm', '-f', `${image}:/f`]);
  fails(image, ['rm', `${image}:/d`], /is a directory.*\(EISDIR\)/);
  fails(image, ['rm', '-r', `${image}:/`], /refusing to remove/);
  expect(foliofs(['rm', `${image}:/none`, `${image}:/d/g`]).status).toBe(1);
  expect(ok(['ls', `${image}:/d`])).toBe('e\n');
  ok(['rm', '-R', `${image}:/d`]);
  expect(ok(['ls', image])).toBe('lost+found\n');
  expectClean(image);
});

test('ln makes hard links and symlinks, -f in place of what is there', () => {
  const image = emptyImage(scratch());
  ok(['write', `${image}:/f`], { input: 'x' });
  ok(['ln', `${image}:/f`, `${image}:/g`]);
  ok(['ln', '-s', '../f', `${image}:/s`]);
  ok(['ln', '-sf', 'long/'.repeat(30), `${image}:/s`]);
  expect(debugfs(image, 'stat /g')).toMatch(/Links: 2/);
  expect(ok(['stat', `${image}:/s`])).toContain(` -> ${'long/'.repeat(30)}`);
  fails(image, ['ln', `${image}:/f`, `${image}:/g`], /\/g: file already exists \(EEXIST\)/);
  fails(image, ['ln', `${image}:/lost+found`, `${image}:/h`], /EPERM/);
  usage(['ln', 'f', `${image}:/h`], /a hard link needs IMAGE:\/path/);
  expectClean(image);
});

test('chmod takes octal and symbolic modes, -R below too', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', `${image}:/d`]);
  ok(['write', '-m', '600', `${image}:/d/f`], { input: 'x' });
  ok(['chmod', '-R', 'u+rwX,g=u,o-rwx', `${image}:/d`]);
  expect(debugfs(image, 'stat /d')).toMatch(/Mode: +0770/);
  expect(debugfs(image, 'stat /d/f')).toMatch(/Mode: +0660/);
  ok(['chmod', '4711', `${image}:/d/f`]);
  expect(debugfs(image, 'stat /d/f')).toMatch(/Mode: +04711/);
  fails(image, ['chmod', '755', `${image}:/none`], /none: no such file.*ENOENT/);
  usage(['chmod', 'u+y', `${image}:/d`], /u\+y: not a mode/);
  expectClean(image);
});

test('chown changes user and group, or one of them', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', `${image}:/d`]);
  ok(['write', `${image}:/d/f`], { input: 'x' });
  ok(['chown', '-R', '1000:70000', `${image}:/d`]);
  ok(['chown', ':5', `${image}:/d`]);
  expect(debugfs(image, 'stat /d')).toMatch(/User: +1000 +Group: +5 /);
  expect(debugfs(image, 'stat /d/f')).toMatch(/User: +1000 +Group: +70000/);
  fails(image, ['chown', '1', `${image}:/none`], /ENOENT/);
  usage(['chown', 'nobody', `${image}:/d`], /an image does not know names/);
  expectClean(image);
});

test('touch sets times to the nanosecond and makes files', () => {
  const image = emptyImage(scratch());
  ok(['touch', '-d', '2026-01-02T03:04:05.123456789Z', `${image}:/f`]);
  ok(['touch', '-a', '-d', '@-1.5', `${image}:/f`]);
  const [stat] = jsonLines(ok(['stat', '--json', `${image}:/f`]));
  expect(stat).toMatchObject({
    mtime: '2026-01-02T03:04:05.123456789Z',
    atime: '1969-12-31T23:59:58.500000000Z',
    size: 0,
  });
  ok(['touch', '-c', `${image}:/none`]);
  fails(image, ['touch', `${image}:/no/f`], /ENOENT/);
  usage(['touch', '-d', 'soon', `${image}:/f`], /soon: not a time/);
  expectClean(image);
});

test('truncate gives a size, longer, shorter, at most, at least', () => {
  const image = emptyImage(scratch());
  const size = (): unknown => jsonLines(ok(['stat', '--json', `${image}:/f`]))[0]?.['size'];
  const steps: [string, number][] = [
    ['10k', 10240],
    ['+1', 10241],
    ['-241', 10000],
    ['<5000', 5000],
    ['>4K', 5000],
    ['%4096', 8192],
  ];
  for (const [arg, want] of steps) {
    ok(['truncate', '-s', arg, `${image}:/f`]);
    expect(size(), arg).toBe(want);
  }
  fails(image, ['truncate', '-s', '1', `${image}:/lost+found`], /EISDIR/);
  usage(['truncate', '-s', 'x', `${image}:/f`], /not a size/);
  expectClean(image);
});

test('fallocate takes blocks that read as zeros', () => {
  const image = emptyImage(scratch());
  ok(['fallocate', '-l', '1M', `${image}:/f`]);
  ok(['fallocate', '-n', '-o', '1M', '-l', '64K', `${image}:/f`]);
  expect(debugfs(image, 'stat /f')).toMatch(/Size: 1048576[\s\S]*Blockcount: 2176/);
  expect(ok(['extents', `${image}:/f`])).toMatch(/unwritten/);
  expect(foliofs(['cat', `${image}:/f`]).bytes.equals(Buffer.alloc(1 << 20))).toBe(true);
  expect(foliofs(['fallocate', '-l', '100M', `${image}:/g`]).stderr).toMatch(/ENOSPC/);
  usage(['fallocate', `${image}:/f`], /-l LENGTH/);
  expectClean(image);
});

test('xattr sets, gets, lists and removes', () => {
  const image = emptyImage(scratch());
  ok(['touch', `${image}:/f`]);
  ok(['xattr', 'set', `${image}:/f`, 'user.text', 'hello']);
  ok(['xattr', 'set', '--hex', `${image}:/f`, 'trusted.bin', '00ff10']);
  expect(debugfs(image, 'ea_list /f')).toMatch(/user\.text \(5\) = "hello"/);
  expect(ok(['xattr', 'ls', `${image}:/f`])).toBe('trusted.bin\nuser.text\n');
  expect(ok(['xattr', 'get', `${image}:/f`, 'user.text'])).toBe('hello');
  expect(ok(['xattr', 'get', '--hex', `${image}:/f`, 'trusted.bin'])).toBe('00ff10\n');
  expect(jsonLines(ok(['xattr', 'ls', '--json', `${image}:/f`])).length).toBe(2);
  ok(['xattr', 'rm', `${image}:/f`, 'user.text']);
  fails(image, ['xattr', 'get', `${image}:/f`, 'user.text'], /no attribute user\.text \(ENODATA\)/);
  fails(image, ['xattr', 'rm', `${image}:/f`, 'user.text'], /no attribute user\.text \(ENODATA\)/);
  expectClean(image);
});

test('a name outside of ASCII stays the bytes it is', () => {
  const image = emptyImage(scratch());
  ok(['mkdir', `${image}:/d`]);
  ok(['write', `${image}:/d/grün`], { input: 'x' });
  expect(foliofs(['ls', `${image}:/d`]).bytes.toString()).toBe('grün\n');
  expect(debugfs(image, 'ls /d')).toContain('gr\\xc3\\xbcn');
});
