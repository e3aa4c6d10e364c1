import { closeSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import type { Name } from '../base/name.ts';
import { namelessFile } from './nameless-file.ts';
import type { Xattr } from './tree.ts';
import { dumpOf, readDump } from './xattr-dump.ts';

type Record = [path: string, ...attributes: string[]];

function read(dump: string | Uint8Array): Record[] {
  const fd = namelessFile(tmpdir());
  try {
    writeSync(fd, typeof dump === 'string' ? Buffer.from(dump, 'latin1') : dump);
    const found: Record[] = [];
    readDump(fd, (path, xattrs) => {
      const hex = (v: Uint8Array): string => Buffer.from(v).toString('hex');
      found.push([path, ...xattrs.map(({ name, value }) => `${name}|${hex(value)}`)]);
    });
    return found;
  } finally {
    closeSync(fd);
  }
}

test('a dump gives paths, names and values back as bytes, in byte order of the names', () => {
  const dump =
    '# file: a\\012\\134b \xff\nuser.z=0x00Ff\nuser.b\\075\\015=0x\nuser.a\nuser.c=""\n\n' +
    '# file: .\ntrusted.x=0x61\n\n';
  expect(read(dump)).toEqual([
    ['a\n\\b \xff', 'user.a|', 'user.b=\r|', 'user.c|', 'user.z|00ff'],
    ['.', 'trusted.x|61'],
  ]);
  expect(read('')).toEqual([]);
});

test('what dumpOf writes, readDump reads, over any number of pieces', () => {
  const every = String.fromCharCode(...Array.from({ length: 255 }, (_, i) => i + 1));
  const path = every.replaceAll('/', '') as Name;
  const value = new Uint8Array(65536).map((_, i) => i * 7);
  const xattrs: Xattr[] = ['user.', 'security.', 'trusted.']
    .sort()
    .map((space) => ({ name: (space + every.slice(0, 240)) as Name, value }));
  const [found, ...more] = read(dumpOf(path, xattrs));
  const hex = Buffer.from(value).toString('hex');
  expect(found).toEqual([path, ...xattrs.map(({ name }) => `${name}|${hex}`)]);
  expect(more).toEqual([]);
});

test('nonsense is refused with a sentence', () => {
  for (const [dump, message] of [
    ['user.a=0x00\n', /belongs to no file/],
    ['# file: f\nuser.a=0x0\n', /user\.a is not hexadecimal/],
    ['# file: f\nuser.a="text"\n', /not hexadecimal/],
    ['# file: f\\01\n', /without three octal digits/],
    ['# file: f\\400\n', /without three octal digits/],
    ['# file: f\nuser.a=0x00', /ends within a line/],
    [`# file: ${'x'.repeat(1 << 19)}`, /a line has no end/],
  ] as const) {
    expect(() => read(dump), dump.slice(0, 40)).toThrow(message);
  }
});
