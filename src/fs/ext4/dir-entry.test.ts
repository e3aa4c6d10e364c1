// Goal: entries of one area behave as the format says, without any image. Method: a block in
// memory, filled and emptied at random against a plain set; and every field of an entry damaged in
// turn.
import { expect, test } from 'vitest';
import { nameToBytes, asciiName } from '../../base/name.ts';
import { Prng } from '../../base/prng.ts';
import { rawBlock } from './checksum.ts';
import {
  checkedName,
  checkedRecLen,
  type DirArea,
  deleteEntry,
  type DirShape,
  findRoom,
  initDots,
  initLeaf,
  insertEntry,
  leafArea,
  type NameMatcher,
  searchArea,
  stretchLast,
} from './dir-entry.ts';
import { DirEntry2, dirRecLen } from './disk/dirent.ts';

const shapeOf = (blockSize: number, tailSize: number): DirShape => ({
  ino: 12,
  blockSize,
  tailSize,
  inodesCount: 1000,
  hashed: false,
  filetype: true,
});

function exact(name: string): NameMatcher {
  const bytes = nameToBytes(asciiName(name));
  return {
    diskLength: bytes.length,
    matches: (data, at) => bytes.every((b, i) => data[at + i] === b),
  };
}

/** Every entry in use, the area's tiling checked on the way. */
function namesOf(area: DirArea, shape: DirShape): string[] {
  const names: string[] = [];
  for (let at = area.start, next = at; at < area.end; at = next) {
    next = at + checkedRecLen(area, at, shape);
    if (DirEntry2.inode.get(area.view, at) !== 0) names.push(checkedName(area, at, shape));
  }
  return names;
}

const emptyLeaf = (shape: DirShape): DirArea => {
  const b = rawBlock(new Uint8Array(shape.blockSize));
  initLeaf(b, shape);
  return leafArea(b, shape, 1);
};

for (const [blockSize, tail] of [
  [1024, 12],
  [4096, 0],
  [65_536, 12],
] as const) {
  test(`names come and go in a block of ${blockSize} bytes`, () => {
    const shape = shapeOf(blockSize, tail);
    const area = emptyLeaf(shape);
    const chance = new Prng(blockSize);
    const want = new Set<string>();
    let full = 0;
    for (let step = 0; step < 1500; step++) {
      const name = `${chance.below(400)}`.padEnd(1 + chance.below(40), 'x');
      const found = searchArea(area, exact(name), shape);
      expect(found >= 0).toBe(want.has(name));
      if (found >= 0) {
        deleteEntry(area, found, shape);
        want.delete(name);
        continue;
      }
      const at = findRoom(area, exact(name), dirRecLen(name.length), shape);
      if (at < 0) {
        full++;
        continue;
      }
      const entry = { ino: 1 + chance.below(999), fileType: 1, name: nameToBytes(asciiName(name)) };
      insertEntry(area, at, entry, shape);
      want.add(name);
    }
    expect(namesOf(area, shape).sort()).toEqual([...want].sort());
    expect(full > 0 || blockSize > 4096).toBe(true);
  });
}

test('a name that is there already is refused on the way to room for it', () => {
  const shape = shapeOf(1024, 12);
  const area = emptyLeaf(shape);
  const entry = { ino: 5, fileType: 1, name: nameToBytes(asciiName('twin')) };
  insertEntry(area, 0, entry, shape);
  insertEntry(area, 0, { ...entry, name: nameToBytes(asciiName('other')) }, shape);
  expect(() => findRoom(area, exact('other'), 16, shape)).toThrow('EEXIST');
});

test('the name of a removed entry is wiped', () => {
  const shape = shapeOf(1024, 0);
  const area = emptyLeaf(shape);
  insertEntry(area, 0, { ino: 5, fileType: 1, name: nameToBytes(asciiName('secret')) }, shape);
  deleteEntry(area, 0, shape);
  expect(area.data.indexOf(0x73)).toBe(-1);
  expect(DirEntry2.rec_len.get(area.view, 0)).toBe(1024);
});

test('dots tile their area, and the last entry can be stretched', () => {
  const shape = shapeOf(1024, 12);
  const b = rawBlock(new Uint8Array(1024));
  initDots(b, 12, 2, 24, shape);
  const dots = { ...leafArea(b, shape, 0), end: 24 };
  expect(namesOf(dots, shape)).toEqual(['.', '..']);
  stretchLast(dots, 1012, shape);
  expect(checkedRecLen(leafArea(b, shape, 0), 12, shape)).toBe(1000);
});

test('each field of an entry that is wrong is named', () => {
  const shape = shapeOf(1024, 12);
  const damage: [string, (v: DataView) => void, string][] = [
    ['rec_len 0', (v) => v.setUint16(4, 0, true), 'rec_len'],
    ['rec_len odd', (v) => v.setUint16(4, 18, true), 'rec_len'],
    ['rec_len past the block', (v) => v.setUint16(4, 1024, true), 'rec_len'],
    ['rec_len leaves a scrap', (v) => v.setUint16(4, 1004, true), 'rec_len'],
    ['name longer than its entry', (v) => v.setUint8(6, 200), 'name_len'],
    ['inode past the last', (v) => v.setUint32(0, 1001, true), 'inode'],
  ];
  for (const [what, spoil, field] of damage) {
    const area = emptyLeaf(shape);
    const name = nameToBytes(asciiName('abcd'));
    insertEntry(area, 0, { ino: 5, fileType: 1, name }, shape);
    insertEntry(area, 0, { ino: 6, fileType: 1, name: nameToBytes(asciiName('efgh')) }, shape);
    spoil(area.view);
    expect(() => namesOf(area, shape), what).toThrow(`field ${field}`);
    expect(() => searchArea(area, exact('abcd'), shape), what).toThrow('EUCLEAN');
    expect(() => findRoom(area, exact('zzzz'), 16, shape), what).toThrow('EUCLEAN');
  }
});
