// Goal: extended attributes and ACLs of the host's files go into an image and come out of it again,
// or it is said that they do not. Method: setfattr and setfacl make them, Python's own calls read
// them on both sides, the image mounted by the kernel; e2fsck and debugfs judge.
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  debugfs,
  digest,
  emptyImage,
  expectClean,
  foliofs,
  jsonLines,
  ok,
  ran,
  scratch,
} from '../support/cli.ts';
import { haveLoop, noLoopReason, withKernelMount } from '../support/judges.ts';

const has = (tool: string): boolean => ran('sh', ['-c', `command -v ${tool}`]).status === 0;
const root = process.getuid?.() === 0;
const tools = ['getfattr', 'setfattr', 'setfacl'].filter((tool) => !has(tool));
const why = tools.length > 0 ? ` (${tools.join(', ')} missing)` : root ? '' : ' (not root)';
const ready = why === '';
const NOBODY = 65534;

const ODD = Buffer.from('d/line\nback\\slash \xff=\xc3\xa9#', 'latin1');
const CAPABILITY = '0100000202000000000000000000000000000000';

/** Attributes in the words of setfattr: what cannot be said as an argument. */
const RESTORE = `# file: d/file
user.text="plain"
user.empty=""
user.bin=0x00ff0a5c3d0d
user.odd\\075\\012\\134 "\\377=0x01
trusted.overlay=0x79
security.capability=0x${CAPABILITY}

# file: d/line\\012back\\134slash \xff=\xc3\xa9#
user.here=0x31

# file: d/link
trusted.link=0x32

# file: d/fifo
trusted.fifo=0x33

# file: d
user.root=0x34

`;

/** A folder `d` with attributes of every kind on files of every kind. */
function folder(dir: string): string {
  const src = join(dir, 'd');
  mkdirSync(join(src, 'sub', 'deep'), { recursive: true });
  writeFileSync(join(src, 'file'), 'contents', { mode: 0o640 });
  writeFileSync(join(src, 'none'), 'no attributes');
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), ODD]), 'odd');
  linkSync(join(src, 'file'), join(src, 'sub', 'hard'));
  symlinkSync('file', join(src, 'link'));
  expect(ran('mkfifo', [join(src, 'fifo')]).status).toBe(0);
  const set = ran('setfattr', ['-h', '--restore=-'], {
    cwd: dir,
    input: Buffer.from(RESTORE, 'latin1'),
  });
  expect(set.stderr).toBe('');
  for (const args of [
    ['-m', 'u:7:rw,g:8:r', join(src, 'file')],
    ['-m', 'u:9:rwx', '-d', '-m', 'u:7:rw,m:r', join(src, 'sub')],
  ]) {
    expect(ran('setfacl', args).stderr).toBe('');
  }
  return src;
}

const VIEW = `
import json, os, sys
top = os.fsencode(sys.argv[1])
seen = {}
def look(path):
    names = os.listxattr(path, follow_symlinks=False)
    found = {os.fsencode(n).hex(): os.getxattr(path, os.fsencode(n), follow_symlinks=False).hex()
             for n in names}
    if found:
        seen[os.path.relpath(path, top).hex()] = [oct(os.lstat(path).st_mode), found]
look(top)
for at, dirs, files in os.walk(top):
    for name in dirs + files:
        look(os.path.join(at, name))
print(json.dumps(seen, sort_keys=True))
`;
type View = Record<string, [mode: string, found: Record<string, string>]>;
function view(dir: string): View {
  const { status, stdout, stderr } = ran('python3', ['-c', VIEW, dir]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as View;
}
const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

test.skipIf(!ready || !haveLoop())(
  `the kernel finds every attribute of a folder in its image${why}${noLoopReason()}`,
  async () => {
    const dir = scratch();
    const src = folder(dir);
    const image = join(dir, 'disk.img');
    const [made] = jsonLines(ok(['build', src, '-o', image, '--json', '--xattrs', 'require']));
    expect(made?.['folderXattrs']).toBe('read');
    expectClean(image);
    const wanted = view(src);
    expect(Object.keys(wanted)).toHaveLength(7);
    expect(Object.keys(wanted[hex('file')]?.[1] ?? {})).toHaveLength(7);
    expect(Object.keys(wanted[hex('sub')]?.[1] ?? {})).toHaveLength(2);
    const found = await withKernelMount(image, { ro: true }, (at) => view(at));
    expect(found).toEqual(wanted);
  },
);

test.skipIf(!ready)(`debugfs finds them, and a tar of the image has them${why}`, () => {
  const dir = scratch();
  const image = join(dir, 'disk.img');
  ok(['build', folder(dir), '-o', image, '-q']);
  const list = debugfs(image, 'ea_list /sub/hard');
  expect(list).toMatch(/user\.text \(5\) = "plain"/);
  expect(list).toMatch(/user\.bin \(6\) = 00 ff 0a 5c 3d 0d/);
  expect(list).toMatch(/security\.capability \(20\)/);
  expect(list).toMatch(/system\.posix_acl_access \(\d+\)/);
  expect(debugfs(image, 'ea_list /link')).toMatch(/trusted\.link \(1\) = "2"/);
  const again = join(dir, 'again.img');
  ok(['build', '-', '-o', again, '-q'], { input: foliofs(['extract', image, '-o', '-']).bytes });
  const lines = (text: string): string[] => text.split('\n').sort();
  expect(lines(debugfs(again, 'ea_list /file'))).toEqual(lines(list));
});

test.skipIf(!ready)(`GNU tar reads and writes the same attributes${why}`, () => {
  const dir = scratch();
  const src = folder(dir);
  const [image, out] = [join(dir, 'disk.img'), join(dir, 'out')];
  const all = ['--xattrs', '--xattrs-include=*'];
  const made = ran('tar', [...all, '-C', src, '-cf', '-', '.']);
  expect(made.status, made.stderr).toBe(0);
  ok(['build', '-', '-o', image, '-q'], { input: made.bytes });
  expectClean(image);
  mkdirSync(out);
  const { bytes } = foliofs(['extract', image, '-o', '-']);
  expect(ran('tar', [...all, '-C', out, '-xf', '-'], { input: bytes }).stderr).toBe('');
  expect(view(out)[hex('file')]).toEqual(view(src)[hex('file')]);
});

test.skipIf(!ready)(`ACLs that GNU tar wrote as text are the kernel's ACLs${why}`, () => {
  const dir = scratch();
  const src = join(dir, 'src');
  mkdirSync(join(src, 'd'), { recursive: true });
  writeFileSync(join(src, 'f'), 'x');
  expect(ran('setfacl', ['-m', 'u:1000:r,g:daemon:rw', join(src, 'f')]).status).toBe(0);
  expect(ran('setfacl', ['-d', '-m', 'u:7:rwx', join(src, 'd')]).status).toBe(0);
  const made = ran('tar', ['--acls', '-C', src, '-cf', '-', '.']);
  expect(made.status, made.stderr).toBe(0);
  const fromTar = join(dir, 'tar.img');
  const fromFolder = join(dir, 'folder.img');
  ok(['build', '-', '-o', fromTar, '-q'], { input: made.bytes });
  ok(['build', src, '-o', fromFolder, '-q', '--xattrs', 'require']);
  for (const path of ['/f', '/d']) {
    const [a, b] = [debugfs(fromTar, `ea_list ${path}`), debugfs(fromFolder, `ea_list ${path}`)];
    expect(a).toContain('posix_acl');
    expect(a).toBe(b);
  }
});

test.skipIf(!ready)(`equal folders give equal bytes, attributes too${why}`, () => {
  const dir = scratch();
  const src = folder(dir);
  const build = (name: string, ...args: string[]): string => {
    const image = join(dir, name);
    const uuid = '01234567-89ab-4def-8123-456789abcdef';
    const env = { SOURCE_DATE_EPOCH: '1700000000' };
    ok(['build', src, '-o', image, '-U', uuid, '-q', ...args], { env });
    return digest(image);
  };
  expect(build('a.img')).toBe(build('b.img'));
  expect(build('c.img', '--xattrs', 'none')).not.toBe(build('a.img'));
});

test.skipIf(!ready)(`a folder over a folder brings its own attributes only${why}`, () => {
  const dir = scratch();
  const src = folder(dir);
  const over = join(dir, 'over');
  mkdirSync(join(over, 'sub'), { recursive: true });
  writeFileSync(join(over, 'none'), 'x');
  expect(ran('setfattr', ['-n', 'user.over', '-v', '1', join(over, 'none')]).status).toBe(0);
  const image = join(dir, 'disk.img');
  ok(['build', src, over, '-o', image, '-q']);
  expect(ok(['xattr', 'ls', `${image}:/none`])).toBe('user.over\n');
  expect(ok(['xattr', 'ls', `${image}:/sub`])).toBe('');
  expect(ok(['xattr', 'ls', `${image}:/sub/hard`])).toMatch(/user\.text/);
});

test.skipIf(!ready)(`cp, mv and extract carry them to the host and back${why}`, () => {
  const dir = scratch();
  const src = folder(dir);
  const image = emptyImage(dir);
  ok(['cp', '-a', src, `${image}:/`]);
  ok(['cp', '-a', `${image}:/d`, join(dir, 'copy')]);
  expect(view(join(dir, 'copy'))).toEqual(view(src));
  ok(['mv', join(dir, 'copy'), `${image}:/moved`]);
  ok(['extract', `${image}:/moved`, '-o', join(dir, 'out')]);
  expect(view(join(dir, 'out'))).toEqual(view(src));
  ok(['mv', `${image}:/moved`, join(dir, 'back')]);
  expect(view(join(dir, 'back'))).toEqual(view(src));
  ok(['cp', '-aL', `${src}/link`, `${image}:/followed`]);
  expect(ok(['xattr', 'ls', `${image}:/followed`])).toMatch(/user\.text/);
  ok(['cp', '-a', '--xattrs', 'none', src, `${image}:/bare`]);
  expect(ok(['xattr', 'ls', `${image}:/bare/file`])).toBe('');
  expectClean(image);
});

test('without the tools auto says so once and goes on, require fails before it writes', () => {
  const dir = scratch();
  const [src, two] = [join(dir, 'src'), join(dir, 'two')];
  for (const d of [src, two]) mkdirSync(d);
  writeFileSync(join(src, 'f'), 'x');
  const image = join(dir, 'disk.img');
  const env = { PATH: join(dir, 'nothing') };
  const missing = /getfattr is not there \(the package attr brings it\)/;
  const auto = foliofs(['build', src, two, '-o', image, '--json'], { env });
  expect(auto.status).toBe(0);
  expect(auto.stderr).toMatch(missing);
  expect(auto.stderr.match(/\n/g)).toHaveLength(1);
  expect(jsonLines(auto.stdout)[0]?.['folderXattrs']).toBe('unreadable');
  const none = ok(['build', src, '-o', image, '--json', '--xattrs', 'none'], { env });
  expect(jsonLines(none)[0]?.['folderXattrs']).toBe('ignored');
  const before = digest(image);
  const require = foliofs(['build', src, '-o', image, '--xattrs', 'require'], { env });
  expect(require.stderr).toMatch(missing);
  expect(require.status).toBe(1);
  expect(digest(image)).toBe(before);
  ok(['xattr', 'set', `${image}:/f`, 'user.a', '1']);
  const out = foliofs(['extract', image, '-o', join(dir, 'out'), '--json'], { env });
  expect(out.stderr).toMatch(/attributes of 1 files stayed behind: setfattr is not there/);
  expect(jsonLines(out.stdout)[0]).toMatchObject({ xattrsLost: 1, ok: true });
  const refused = ['extract', image, '-o', join(dir, 'no'), '--xattrs', 'require'];
  expect(foliofs(refused, { env }).stderr).toMatch(/cannot be set.*\(EOPNOTSUPP\)/);
  expect(existsSync(join(dir, 'no'))).toBe(false);
  const mv = foliofs(['mv', `${image}:/f`, join(dir, 'f')], { env });
  expect(mv.stderr).toMatch(/not removed: the host did not take/);
  expect(mv.status).toBe(1);
  expect(ok(['ls', image])).toMatch(/^f$/m);
});

test('a tool that fails or talks nonsense is a failure, a namesake is no tool', () => {
  const dir = scratch();
  const src = join(dir, 'src');
  const bin = join(dir, 'bin');
  for (const d of [src, bin]) mkdirSync(d);
  writeFileSync(join(src, 'f'), 'x');
  const image = join(dir, 'disk.img');
  const build = (body: string): { status: number | null; stderr: string } => {
    const version = 'if [ "$1" = --version ]; then echo getfattr 9.9; exit; fi';
    writeFileSync(join(bin, 'getfattr'), `#!/bin/sh\n${version}\n${body}\n`);
    chmodSync(join(bin, 'getfattr'), 0o755);
    return foliofs(['build', src, '-o', image, '-q'], { env: { PATH: bin } });
  };
  const failed = (body: string, message: RegExp): void => {
    const { status, stderr } = build(body);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
    expect(readdirSync(dir).sort()).toEqual(['bin', 'src']);
  };
  failed('echo "getfattr: f: Permission denied" >&2; exit 1', /: f: Permission denied \(EIO\)/);
  failed('kill -9 $$', /ended by SIGKILL \(EIO\)/);
  failed('echo user.a=0x00', /belongs to no file \(EBADMSG\)/);
  failed('echo "# file: f"; echo user.a=text', /user\.a is not hexadecimal \(EBADMSG\)/);
  failed('printf "# file: f\\nuser.a=0x00"', /ends within a line \(EBADMSG\)/);
  failed(
    'echo "# file: f"; echo system.nfs4_acl=0x00',
    /\/f: extended attribute system\.nfs4_acl: ext4 cannot hold .*\(EOPNOTSUPP\)/,
  );
  const big = 'echo "# file: f"; printf "user.big=0x"; printf "%020000d\\n" 0';
  failed(big, /user\.big: 10000 bytes do not fit .*-O ea_inode.*\(E2BIG\)/);
  expect(build('echo "getfattr: f: Operation not supported" >&2; exit 1').stderr).toBe('');
  writeFileSync(join(bin, 'getfattr'), '#!/bin/sh\necho usage >&2; exit 1\n');
  const other = foliofs(['build', src, '-o', image, '-q'], { env: { PATH: bin } });
  expect(other.stderr).toMatch(/getfattr is not there/);
  expect(other.status).toBe(0);
});

test.skipIf(!ready)(`what the host refuses is said, and a failure if it is required${why}`, () => {
  const dir = scratch();
  const image = join(dir, 'disk.img');
  ok(['build', folder(dir), '-o', image, '-q']);
  chmodSync(image, 0o666);
  chmodSync(dir, 0o777);
  const extract = (to: string, ...args: string[]): ReturnType<typeof foliofs> =>
    foliofs(['extract', image, '-o', join(dir, to), ...args], { uid: NOBODY });
  const auto = extract('a');
  expect(auto.stderr).toMatch(/attributes of 3 files stayed behind: .*Operation not permitted/);
  expect(auto.status).toBe(0);
  expect(view(join(dir, 'a'))[hex('file')]?.[1][hex('user.text')]).toBe(hex('plain'));
  const require = extract('b', '--xattrs', 'require');
  expect(require.stderr).toMatch(/stayed behind: .*\(EOPNOTSUPP\)/);
  expect(require.status).toBe(1);
});
