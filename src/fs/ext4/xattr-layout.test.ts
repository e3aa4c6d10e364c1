// Goal: attributes of one area stay as they were set, whatever comes and goes around them. Method:
// random changes of a record's and of a block's area against a plain map, all values compared and
// the layout scanned after each; then every field of an entry damaged in turn.
import { expect, test } from 'vitest';
import { asciiName, nameToBytes } from '../../base/name.ts';
import { Prng } from '../../base/prng.ts';
import { rawBlock } from './checksum.ts';
import { XattrEntry, XattrHeader, xattrBlockHash } from './disk/xattr.ts';
import {
  findXattr,
  listXattrs,
  roomForValue,
  scanXattrs,
  storeXattr,
  type XattrArea,
  xattrValueAt,
} from './xattr-layout.ts';

const record = (size: number): XattrArea => {
  const b = rawBlock(new Uint8Array(size + 32));
  return { ...b, first: 32, base: 32, end: size + 32, isBlock: false, ino: 12 };
};
const block = (size: number): XattrArea => {
  const b = rawBlock(new Uint8Array(size));
  return { ...b, first: XattrHeader.$size, base: 0, end: size, isBlock: true, ino: 12 };
};
const nameOf = (text: string): Uint8Array => nameToBytes(asciiName(text));
const inline = (bytes: Uint8Array) => ({ size: bytes.length, bytes, inum: 0, valueHash: 0 });

for (const [kind, make] of [
  ['a record of 96 bytes', () => record(96)],
  ['a record of 800 bytes', () => record(800)],
  ['a block of 1024 bytes', () => block(1024)],
  ['a block of 4096 bytes', () => block(4096)],
] as const) {
  test(`attributes keep their values while others change (${kind})`, () => {
    const area = make();
    const chance = new Prng(area.end);
    const want = new Map<string, Uint8Array>();
    let full = 0;
    for (let step = 0; step < 3000; step++) {
      const name = `${chance.below(9)}`.repeat(1 + chance.below(4));
      const index = 1 + chance.below(2);
      const key = `${index}.${name}`;
      if (chance.chance(0.3)) {
        expect(storeXattr(area, index, nameOf(name), null)).toBe(true);
        want.delete(key);
      } else {
        const value = chance.bytes(chance.below(area.end / 8));
        const before = area.data.slice();
        if (storeXattr(area, index, nameOf(name), inline(value))) want.set(key, value);
        else {
          full++;
          expect(Buffer.compare(area.data, before)).toBe(0);
        }
      }
      scanXattrs(area);
    }
    expect(full).toBeGreaterThan(0);
    const found = listXattrs(area).map((f) => `${f.index}.${f.name}`);
    expect([...found].sort()).toEqual([...want.keys()].sort());
    for (const [key, value] of want) {
      const at = findXattr(area, Number(key[0]), nameOf(key.slice(2)));
      expect(Buffer.compare(xattrValueAt(area, at), value)).toBe(0);
    }
  });
}

test('entries of a block are sorted by index, length and bytes, and hashed', () => {
  const area = block(1024);
  for (const name of ['bb', 'a', 'zz', 'b', 'ccc']) {
    storeXattr(area, 1, nameOf(name), inline(new Uint8Array(3)));
  }
  storeXattr(area, 0, nameOf('last'), inline(new Uint8Array(0)));
  expect(listXattrs(area).map((f) => f.name)).toEqual(['last', 'a', 'b', 'bb', 'zz', 'ccc']);
  const hash = XattrHeader.h_hash.get(area.view, 0);
  expect(hash).not.toBe(0);
  expect(hash).toBe(xattrBlockHash(area.view, area.first, area.end));
});

test('the room that is told is the room there is', () => {
  const area = record(96);
  storeXattr(area, 1, nameOf('x'), inline(new Uint8Array(9)));
  const room = roomForValue(area, 7, nameOf('data'));
  expect(storeXattr(area, 7, nameOf('data'), inline(new Uint8Array(room + 1)))).toBe(false);
  expect(storeXattr(area, 7, nameOf('data'), inline(new Uint8Array(room)))).toBe(true);
  expect(roomForValue(area, 7, nameOf('data'))).toBe(room);
});

test('each field of an entry that is wrong is named', () => {
  const damage: [string, (area: XattrArea) => void, string][] = [
    ['name past the end', (a) => XattrEntry.e_name_len.set(a.view, a.first, 255), 'e_name_len'],
    ['NUL in the name', (a) => a.data.fill(0, a.first + 16, a.first + 17), 'e_name'],
    [
      'value in the entries',
      (a) => XattrEntry.e_value_offs.set(a.view, a.first, 4),
      'e_value_offs',
    ],
    ['value past the end', (a) => XattrEntry.e_value_size.set(a.view, a.first, 90), 'e_value_size'],
    ['huge', (a) => XattrEntry.e_value_size.set(a.view, a.first, 2 ** 31), 'e_value_size'],
  ];
  for (const [what, spoil, field] of damage) {
    const area = record(96);
    storeXattr(area, 1, nameOf('name'), inline(new Uint8Array(20)));
    spoil(area);
    expect(() => listXattrs(area), what).toThrow(`field ${field}`);
    expect(() => storeXattr(area, 1, nameOf('name'), null), what).toThrow('EUCLEAN');
  }
});
