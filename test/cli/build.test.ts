// Goal: what goes into an image comes out of it again, from folders, tarballs and OCI layouts, and
// equal input gives equal bytes. Method: tar and mke2fs make and read; e2fsck and debugfs judge.
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import {
  debugfs,
  digest,
  expectClean,
  foliofs,
  jsonLines,
  ok,
  ran,
  scratch,
  usage,
} from '../support/cli.ts';

const root = process.getuid?.() === 0;
const UUID = '01234567-89ab-4def-8123-456789abcdef';

/** A folder with one of everything that needs no root. */
function folder(dir: string): string {
  const src = join(dir, 'src');
  mkdirSync(join(src, 'sub', 'deeper'), { recursive: true });
  writeFileSync(join(src, 'file'), 'contents\n', { mode: 0o640 });
  writeFileSync(join(src, 'suid'), 'x', { mode: 0o755 });
  ran('chmod', ['4755', join(src, 'suid')]);
  linkSync(join(src, 'file'), join(src, 'sub', 'hard'));
  symlinkSync('../file', join(src, 'sub', 'soft'));
  symlinkSync('x/'.repeat(100), join(src, 'long-link'));
  writeFileSync(join(src, 'big'), Buffer.alloc(3_000_000, 'abc'));
  writeFileSync(join(src, 'sparse'), 'begin');
  truncateSync(join(src, 'sparse'), 5 << 20);
  ran('mkfifo', [join(src, 'fifo')]);
  writeFileSync(join(src, 'sub', 'deeper', 'n'.repeat(250)), 'long name');
  for (let i = 0; i < 300; i++) writeFileSync(join(src, 'sub', `f${i}`), String(i));
  utimesSync(join(src, 'file'), 1.1e9, 1.2e9);
  utimesSync(join(src, 'sub'), 1.3e9, 1.4e9);
  return src;
}

const tar = (src: string, file: string, ...args: string[]): void => {
  const made = ran('tar', ['-C', src, '-cf', file, ...args, '.']);
  expect(made.status, made.stderr).toBe(0);
};

/** Compare modes, times, sizes, links and contents as tar lists them. */
const listing = (file: string): string[] =>
  ran('tar', ['--numeric-owner', '--full-time', '-tvf', file])
    .stdout.split('\n')
    .filter((l) => l !== '')
    .map((l) => l.replace(/ link to .*| -> .*/, '').replace(/^h/, '-'))
    .sort();

test('a folder comes out as it went in, and the image is as small as it can be', () => {
  const dir = scratch();
  const src = folder(dir);
  const image = join(dir, 'disk.img');
  const [made] = jsonLines(ok(['build', src, '-o', image, '--json']));
  expectClean(image);
  expect(made?.['size']).toBe(statSync(image).size);
  expect(statSync(image).size).toBeLessThan(8 << 20);
  expect(debugfs(image, 'stat /file')).toMatch(
    /Mode: +0640[\s\S]*Links: 2[\s\S]*mtime: 0x47868c00/,
  );
  expect(debugfs(image, 'stat /suid')).toMatch(/Mode: +04755/);
  expect(debugfs(image, 'stat /sub')).toMatch(/mtime: 0x53724e00/);
  expect(debugfs(image, 'stat /sparse')).toMatch(/Size: 5242880[\s\S]*Blockcount: 8\n/);
  const out = join(dir, 'out');
  ok(['extract', image, '-o', out]);
  expect(ran('diff', ['-r', '--no-dereference', '-x', 'fifo', src, out]).stdout).toBe('');
  tar(src, join(dir, 'a.tar'));
  tar(out, join(dir, 'b.tar'));
  expect(listing(join(dir, 'b.tar'))).toEqual(listing(join(dir, 'a.tar')));
});

test('equal input gives equal bytes', () => {
  const dir = scratch();
  const src = folder(dir);
  const env = { SOURCE_DATE_EPOCH: '1700000000' };
  const [a, b] = [join(dir, 'a.img'), join(dir, 'b.img')];
  ok(['build', src, '-o', a, '-U', UUID, '-q'], { env });
  readFileSync(join(src, 'big'));
  ok(['build', src, '-o', b, '-U', UUID, '-q'], { env });
  expect(digest(a)).toBe(digest(b));
  expect(debugfs(a, 'show_super_stats -h')).toMatch(
    /Filesystem UUID: +01234567-89ab-4def-8123-456789abcdef/,
  );
});

for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
  test(`a tarball of ${format} format comes out as it went in`, () => {
    const dir = scratch();
    const src = folder(dir);
    // What the format itself cannot hold.
    const not =
      format === 'v7' || format === 'ustar'
        ? ['--exclude=nnnn*', '--exclude=long-link', '--exclude=fifo']
        : [];
    const file = join(dir, 'a.tar');
    tar(src, file, `--format=${format}`, ...not);
    const image = join(dir, 'disk.img');
    ok(['build', file, '-o', image, '-q']);
    expectClean(image);
    ok(['extract', image, '-o', join(dir, 'b.tar')]);
    expect(listing(join(dir, 'b.tar'))).toEqual(listing(file));
    mkdirSync(join(dir, 'x'));
    expect(ran('tar', ['-C', join(dir, 'x'), '-xf', join(dir, 'b.tar')]).stderr).toBe('');
    const excluded = ['-x', 'fifo', ...(not.length > 0 ? ['-x', 'nnnn*', '-x', 'long-link'] : [])];
    const { stdout } = ran('diff', ['-r', '--no-dereference', ...excluded, src, join(dir, 'x')]);
    expect(stdout).toBe('');
  });
}

for (const version of ['0.0', '0.1', '1.0', 'gnu']) {
  test(`sparse files of version ${version} keep their holes`, () => {
    const dir = scratch();
    const src = join(dir, 'src');
    mkdirSync(src);
    const sparse = Buffer.alloc(6 << 20);
    // More pieces than the header of old GNU holds, and one at the very end.
    for (let i = 0; i < 40; i++) sparse.fill(i + 1, i * 128 * 1024, i * 128 * 1024 + 4096);
    sparse.fill(99, sparse.length - 10);
    writeFileSync(join(src, 's'), sparse);
    ran('fallocate', ['-d', join(src, 's')]);
    writeFileSync(join(src, 'hole'), '');
    truncateSync(join(src, 'hole'), 1 << 20);
    const format =
      version === 'gnu' ? ['--format=gnu'] : ['--format=pax', `--sparse-version=${version}`];
    tar(src, join(dir, 'a.tar'), '--sparse', ...format);
    const image = join(dir, 'disk.img');
    ok(['build', join(dir, 'a.tar'), '-o', image, '-q']);
    expect(foliofs(['cat', `${image}:/s`]).bytes.equals(sparse)).toBe(true);
    expect(debugfs(image, 'stat /s')).toMatch(/Blockcount: 3(28|36)\n/);
    expect(debugfs(image, 'stat /hole')).toMatch(/Size: 1048576[\s\S]*Blockcount: 0\n/);
    expectClean(image);
    ok(['extract', image, '-o', join(dir, 'b.tar')]);
    expect(statSync(join(dir, 'b.tar')).size).toBeLessThan(512 * 1024);
    mkdirSync(join(dir, 'x'));
    ran('tar', ['-C', join(dir, 'x'), '-xf', join(dir, 'b.tar')]);
    expect(readFileSync(join(dir, 'x', 's')).equals(sparse)).toBe(true);
    expect(statSync(join(dir, 'x', 'hole')).size).toBe(1 << 20);
  });
}

test('gzip, zstd and standard input are the same tarball', () => {
  const dir = scratch();
  const src = folder(dir);
  const file = join(dir, 'a.tar');
  tar(src, file);
  const env = { SOURCE_DATE_EPOCH: '1700000000' };
  const image = (name: string, source: string, input?: Buffer): string => {
    const path = join(dir, `${name}.img`);
    ok(['build', source, '-o', path, '-U', UUID, '-q'], { env, ...(input ? { input } : {}) });
    return digest(path);
  };
  const plain = image('plain', file);
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  expect(image('gz', `${file}.gz`)).toBe(plain);
  expect(image('stdin', '-', readFileSync(`${file}.gz`))).toBe(plain);
  if (ran('sh', ['-c', 'command -v zstd']).status === 0) {
    ran('zstd', ['-q', file, '-o', `${file}.zst`]);
    expect(image('zst', `${file}.zst`)).toBe(plain);
  }
  expect(readdirSync(dir).filter((name) => /spool|part/.test(name))).toEqual([]);
});

/** A tarball by hand: what tar itself would not write. */
function member(
  name: string,
  fields: {
    type?: string;
    link?: string;
    data?: Buffer;
    mode?: number;
    pax?: [string, Buffer][];
    uid?: string;
  },
): Buffer {
  const records = Buffer.concat(
    (fields.pax ?? []).map(([key, value]) => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length)
        length = String(length).length + rest.length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
  const data = fields.data ?? Buffer.alloc(0);
  const head = (n: string, type: string, size: number, link = ''): Buffer => {
    const b = Buffer.alloc(512);
    b.write(n, 0);
    b.write((fields.mode ?? 0o644).toString(8).padStart(7, '0'), 100);
    b.write('0000000', 108);
    b.write('0000000', 116);
    b.write(size.toString(8).padStart(11, '0'), 124);
    b.write('14000000000', 136);
    b.write('        ', 148);
    b.write(type, 156);
    b.write(link, 157);
    b.write('ustar\0' + '00', 257);
    b.write(
      b
        .reduce((s, x) => s + x, 0)
        .toString(8)
        .padStart(6, '0') + '\0',
      148,
    );
    return b;
  };
  const padded = (b: Buffer): Buffer =>
    Buffer.concat([b, Buffer.alloc((512 - (b.length % 512)) % 512)]);
  const before = records.length > 0 ? [head('pax', 'x', records.length), padded(records)] : [];
  return Buffer.concat([
    ...before,
    head(name, fields.type ?? '0', data.length, fields.link),
    padded(data),
  ]);
}

const end = Buffer.alloc(1024);

test('links before their files, binary attributes, large ids and devices come through', () => {
  const dir = scratch();
  const value = Buffer.from([1, 0, 0, 2, 0xff, 0xfe, 10, 61]);
  const file = Buffer.concat([
    member('b', { type: '1', link: 'a' }),
    member('c', { type: '1', link: './b' }),
    member('a', {
      data: Buffer.from('data'),
      pax: [
        ['uid', Buffer.from('4000000000')],
        ['gid', Buffer.from('70000')],
        ['mtime', Buffer.from('-1.25')],
        ['SCHILY.xattr.user.bin', value],
        [
          'SCHILY.xattr.security.capability',
          Buffer.from('0100000202000000000000000000000000000000', 'hex'),
        ],
      ],
    }),
    end,
  ]);
  const image = join(dir, 'disk.img');
  ok(['build', '-', '-o', image, '-q'], { input: file });
  expectClean(image);
  const [stat] = jsonLines(ok(['stat', '--json', `${image}:/c`]));
  expect(stat).toMatchObject({
    nlink: 3,
    uid: 4_000_000_000,
    gid: 70_000,
    mtime: '1969-12-31T23:59:58.750000000Z',
  });
  expect(foliofs(['xattr', 'get', `${image}:/a`, 'user.bin']).bytes.equals(value)).toBe(true);
  const again = join(dir, 'again.img');
  const piped = foliofs(['extract', image, '-o', '-']).bytes;
  ok(['build', '-', '-o', again, '-q'], { input: piped });
  expect(foliofs(['xattr', 'get', `${again}:/b`, 'user.bin']).bytes.equals(value)).toBe(true);
  expect(jsonLines(ok(['stat', '--json', `${again}:/c`]))[0]).toMatchObject({
    nlink: 3,
    uid: 4_000_000_000,
  });
  expectClean(again);
});

test('device nodes come out of a tarball without root', () => {
  const dir = scratch();
  const image = join(dir, 'disk.img');
  const dev = Buffer.concat([member('console', { type: '3', mode: 0o600 }), end]);
  ok(['build', '-', '-o', image, '-q'], { input: dev });
  expect(debugfs(image, 'stat /console')).toMatch(/Type: character special/);
  expectClean(image);
});

test('damaged and hostile archives are refused, and no image is left', () => {
  const dir = scratch();
  const image = join(dir, 'disk.img');
  const refused = (input: Buffer, message: RegExp): void => {
    const { status, stderr } = foliofs(['build', '-', '-o', image], { input });
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
    expect(readdirSync(dir)).toEqual([]);
  };
  refused(Buffer.alloc(1024, 'x'), /checksum.*\(EBADMSG\)/);
  refused(
    Buffer.concat([member('../../etc/passwd', { data: Buffer.from('x') }), end]),
    /refusing a path with \.\. \(EINVAL\)/,
  );
  refused(
    Buffer.concat([member('l', { type: '1', link: 'nowhere' }), end]),
    /link to nowhere, which is not in the archive \(ENOENT\)/,
  );
  refused(
    member('f', { data: Buffer.alloc(5000) }).subarray(0, 2000),
    /ends (too early|in the middle)/,
  );
  refused(Buffer.from('BZh91AY&SY'), /packed with bzip2: unpack it first/);
  refused(gzipSync(Buffer.alloc(100_000, 'x')).subarray(0, 60), /cannot unpack it/);
});

test('a failed build leaves the old image, and what does not fit is ENOSPC', () => {
  const dir = scratch();
  const src = folder(dir);
  const image = join(dir, 'disk.img');
  writeFileSync(image, 'precious');
  const { status, stderr } = foliofs(['build', src, '-o', image, '--size', '2M']);
  expect(stderr).toMatch(/ENOSPC/);
  expect(status).toBe(1);
  expect(readFileSync(image, 'utf8')).toBe('precious');
  expect(foliofs(['build', join(dir, 'none'), '-o', image]).stderr).toMatch(
    /none: no such file or directory \(ENOENT\)/,
  );
  expect(readdirSync(dir).sort()).toEqual(['disk.img', 'src']);
  usage(['build', src], /required option '-o, --output/);
  usage(['build', '-', '-', '-o', image], /- can be given once only/);
});

test('an OCI layout is its layers, with their whiteouts', () => {
  const dir = scratch();
  const layout = join(dir, 'oci');
  mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
  const blob = (data: Buffer | object): { digest: string; size: number } => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(JSON.stringify(data));
    const hash = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs', 'sha256', hash), bytes);
    return { digest: `sha256:${hash}`, size: bytes.length };
  };
  const text = (s: string): { data: Buffer } => ({ data: Buffer.from(s) });
  const one = Buffer.concat([
    member('usr/', { type: '5', mode: 0o755 }),
    member('usr/bin/', { type: '5', mode: 0o755 }),
    member('bin', { type: '2', link: 'usr/bin' }),
    member('usr/bin/old', text('old')),
    member('keep', text('keep')),
    member('gone', text('gone')),
    member('dir/', { type: '5', mode: 0o755 }),
    member('dir/lower', text('lower')),
    end,
  ]);
  const two = Buffer.concat([
    member('.wh.gone', {}),
    member('bin/new', text('new')),
    member('dir/.wh..wh..opq', {}),
    member('dir/upper', text('upper')),
    member('keep', text('kept')),
    member('hard', { type: '1', link: 'usr/bin/old' }),
    end,
  ]);
  const layers = [blob(gzipSync(one)), blob(two)];
  const manifest = blob({ schemaVersion: 2, layers });
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
  );
  const image = join(dir, 'disk.img');
  ok(['build', layout, '-o', image, '-q']);
  const names = ok(['find', image, '!', '-type', 'd'])
    .split('\n')
    .filter((l) => l)
    .map((l) => l.slice(image.length + 1));
  expect(names).toEqual(['/bin', '/dir/upper', '/hard', '/keep', '/usr/bin/new', '/usr/bin/old']);
  expect(ok(['cat', `${image}:/keep`])).toBe('kept');
  expectClean(image);
  const bad = layers[1]?.digest.slice(7) ?? '';
  writeFileSync(join(layout, 'blobs', 'sha256', bad), Buffer.concat([two, Buffer.alloc(512)]));
  const { status, stderr } = foliofs(['build', layout, '-o', image]);
  expect(stderr).toMatch(/not what its digest says \(EBADMSG\)/);
  expect(status).toBe(1);
});

test('small images of every kind are clean, and a later source goes over an earlier one', () => {
  const dir = scratch();
  const src = folder(dir);
  const over = join(dir, 'over');
  mkdirSync(join(over, 'sub'), { recursive: true });
  writeFileSync(join(over, 'sub', 'f1'), 'other');
  for (const args of [
    ['-b', '1024'],
    ['-t', 'ext2'],
    ['-t', 'ext3', '--size', '32M'],
    ['-O', 'inline_data'],
    ['-O', '^64bit,^metadata_csum'],
    ['--size', '64M'],
  ]) {
    const image = join(dir, 'disk.img');
    ok(['build', src, over, '-o', image, '-q', ...args]);
    expectClean(image);
    expect(ok(['cat', `${image}:/sub/f1`])).toBe('other');
    expect(ok(['cat', `${image}:/sub/f2`])).toBe('2');
  }
});

test.skipIf(!root)('no root is needed', () => {
  const dir = scratch();
  ran('chmod', ['777', dir]);
  const image = join(dir, 'disk.img');
  const file = Buffer.concat([
    member('null', { type: '3' }),
    member('f', { data: Buffer.from('x'), pax: [['uid', Buffer.from('5')]] }),
    end,
  ]);
  const { status, stderr } = foliofs(['build', '-', '-o', image, '-q'], {
    input: file,
    uid: 65534,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(debugfs(image, 'stat /f')).toMatch(/User: +5 /);
  expect(statSync(image).uid).toBe(65534);
  expect(existsSync(image)).toBe(true);
});
