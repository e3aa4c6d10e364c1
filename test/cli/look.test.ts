// Goal: what an image holds is shown as debugfs and the Unix namesakes show it. Method: a tree made
// by mke2fs -d and debugfs; the built program; nothing that only looks changes a byte.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  debugfs,
  digest,
  emptyImage,
  fails,
  foliofs,
  jsonLines,
  ok,
  ran,
  scratch,
  usage,
} from '../support/cli.ts';

function sample(...args: string[]): string {
  const dir = scratch();
  const src = join(dir, 'src');
  mkdirSync(join(src, 'dir', 'deep'), { recursive: true });
  writeFileSync(join(src, 'big'), Buffer.alloc(300_000, 'b'));
  writeFileSync(join(src, 'dir', 'small.txt'), 'small\n');
  writeFileSync(join(src, '.hidden'), '');
  const image = emptyImage(dir, ...args, '-d', src);
  ran('debugfs', ['-w', '-f', '-', image], {
    input: 'symlink link dir/small.txt\nmknod null c 1 3\n',
  });
  return image;
}

test('ls lists names in byte order; -a, -l, -R, -d as ls does', () => {
  const image = sample();
  expect(ok(['ls', image])).toBe('big\ndir\nlink\nlost+found\nnull\n');
  expect(ok(['ls', '-a', image]).split('\n').slice(0, 3)).toEqual(['.', '..', '.hidden']);
  const long = ok(['ls', '-l', `${image}:/`]);
  expect(long).toMatch(/^-rw\S+ +1 +\d+ +\d+ +300000 .* big$/m);
  expect(long).toMatch(/^lrwx\S+ .* link -> dir\/small\.txt$/m);
  expect(long).toMatch(/^c\S+ .* 1, 3 .* null$/m);
  expect(ok(['ls', '-R', `${image}:/dir`])).toMatch(
    /:\/dir:\ndeep\nsmall\.txt\n\n.*:\/dir\/deep:\n/,
  );
  expect(ok(['ls', '-ld', `${image}:/dir`])).toMatch(/^d.*\/dir\n$/);
  expect(jsonLines(ok(['ls', '--json', image])).map((e) => e['name'])).toContain('null');
  fails(
    image,
    ['ls', `${image}:/none`],
    /ls: .*disk\.img:\/none: no such file or directory.*\(ENOENT\)/,
  );
  expect(foliofs(['ls', '/no/such.img']).stderr).toMatch(/no such file or directory \(ENOENT\)/);
  usage(['ls'], /missing required argument/);
  usage(['ls', '--what', image], /unknown option/);
});

test('cat, stat and tree', () => {
  const image = sample();
  const before = digest(image);
  expect(ok(['cat', `${image}:/link`, `${image}:/dir/small.txt`])).toBe('small\nsmall\n');
  expect(ok(['stat', `${image}:/big`])).toMatch(/Size: 300000 .*Type: file[\s\S]*Links: 1/);
  expect(jsonLines(ok(['stat', '--json', `${image}:/null`]))[0]).toMatchObject({
    type: 'character device',
    major: 1,
    minor: 3,
  });
  expect(ok(['tree', image])).toContain(
    '|-- dir\n|   |-- deep\n|   `-- small.txt\n|-- link -> dir/small.txt\n',
  );
  expect(ok(['tree', image])).toMatch(/3 directories, 4 files\n$/);
  const pieces = jsonLines(ok(['cat', '--json', `${image}:/dir/small.txt`]));
  expect(Buffer.from(String(pieces[0]?.['base64']), 'base64').toString()).toBe('small\n');
  fails(image, ['cat', `${image}:/dir`], /is a directory \(EISDIR\)/);
  fails(image, ['stat', `${image}:/big/x`], /ENOTDIR/);
  fails(image, ['tree', `${image}:/none`], /ENOENT/);
  usage(['cat', 'big'], /expected IMAGE:\/path/);
  expect(digest(image)).toBe(before);
});

test('find passes names through tests, and, or, not', () => {
  const image = sample();
  const found = (...tests: string[]): string[] =>
    ok(['find', image, ...tests])
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => l.slice(image.length + 1));
  expect(found('-name', '*.txt')).toEqual(['/dir/small.txt']);
  expect(found('-type', 'd')).toEqual(['/', '/dir', '/dir/deep', '/lost+found']);
  expect(found('-size', '+100k')).toEqual(['/big']);
  expect(found('-type', 'l', '-o', '-type', 'c')).toEqual(['/link', '/null']);
  expect(found('!', '-type', 'd', '-name', '*i*')).toEqual(['/.hidden', '/big', '/link']);
  expect(found('-maxdepth', '1', '(', '-name', 'b*', '-o', '-name', 'd*', ')')).toEqual([
    '/big',
    '/dir',
  ]);
  expect(found('-empty', '-type', 'f')).toEqual(['/.hidden']);
  expect(jsonLines(ok(['find', image, '-name', 'big', '--json']))[0]).toMatchObject({
    path: '/big',
    size: 300000,
  });
  fails(image, ['find', `${image}:/none`], /ENOENT/);
  usage(['find', image, '-colour', 'red'], /-colour: not a test/);
  usage(['find', image, '-size', 'big'], /-size/);
});

test('df and du count as dumpe2fs and debugfs do', () => {
  const image = sample();
  const [df] = jsonLines(ok(['df', '--json', image]));
  const dump = ran('dumpe2fs', ['-h', image]).stdout;
  expect(df?.['free']).toBe(Number(/Free blocks: +(\d+)/.exec(dump)?.[1]));
  expect(df?.['inodesFree']).toBe(Number(/Free inodes: +(\d+)/.exec(dump)?.[1]));
  expect(ok(['df', '-h', image])).toMatch(/^Image +Size +Used +Available +Use%\n/);
  expect(ok(['df', '-i', image])).toMatch(/IUse%/);
  const blocks = Number(/Blockcount: (\d+)/.exec(debugfs(image, 'stat /big'))?.[1]);
  expect(ok(['du', '-s', `${image}:/big`])).toBe(`${blocks / 2}\t${image}:/big\n`);
  expect(ok(['du', '-sb', `${image}:/big`])).toBe(`300000\t${image}:/big\n`);
  expect(ok(['du', image]).trimEnd().split('\n').at(-1)).toMatch(/^\d+\t.*:\/$/);
  fails(image, ['du', `${image}:/none`], /ENOENT/);
  expect(foliofs(['df', 'package.json']).status).toBe(1);
});

test('extents names the blocks that debugfs names, and inline data', () => {
  const image = sample();
  const extent = /\(0-(\d+)\):(\d+)-(\d+)/.exec(debugfs(image, 'stat /big'));
  const [got] = jsonLines(ok(['extents', '--json', `${image}:/big`])) as unknown as [
    { extents: { physical: number }[]; fragments: number; inline: boolean },
  ];
  expect(got.extents[0]?.physical).toBe(Number(extent?.[2]) * 4096);
  expect(got.inline).toBe(false);
  expect(ok(['extents', `${image}:/big`])).toMatch(/1 fragment/);
  fails(image, ['extents', `${image}:/null`], /neither a file nor a directory \(EINVAL\)/);
  const inline = sample('-O', 'inline_data');
  expect(ok(['extents', `${inline}:/dir/small.txt`])).toMatch(/inline/);
});
