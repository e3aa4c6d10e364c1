import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../../../test/support/e2fsprogs.ts';
import {
  EXT4_EXT_MAGIC,
  EXT_INIT_MAX_LEN,
  EXT_UNWRITTEN_MAX_LEN,
  Extent,
  ExtentHeader,
  ExtentIdx,
  encodeExtentLength,
  extentCapacity,
  extentLength,
  extentStart,
  idxLeaf,
  isUnwritten,
  setExtentStart,
  setIdxLeaf,
} from './extent.ts';

test('a leaf and its index read as debugfs shows them', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024'], '8M');
  const file = join(scratchDir(), 'sparse');
  const fd = openSync(file, 'w');
  for (let i = 0; i < 7; i += 1) writeSync(fd, 'x'.repeat(1024 * (i + 1)), i * 16_384);
  closeSync(fd);
  image.debugfs(`write ${file} f`, 'fallocate f 200 209');
  // Level, entries, logical range, physical range, length, flags.
  const shown = [
    ...image
      .ask('ex f')
      .matchAll(/ *(\d)\/ *1 +\d+\/ *\d+ +(\d+) - +(\d+) +(\d+)(?: - +\d+)? +(\d+)( Uninit)?/g),
  ].map((m) => m.slice(1).map((x) => (x === undefined ? 0 : x === ' Uninit' ? 1 : Number(x))));
  const leafBlock = shown[0]?.[3] ?? 0;
  const view = new DataView(image.bytes().buffer, leafBlock * 1024, 1024);
  expect(ExtentHeader.eh_magic.get(view, 0)).toBe(EXT4_EXT_MAGIC);
  expect(ExtentHeader.eh_depth.get(view, 0)).toBe(0);
  expect(ExtentHeader.eh_max.get(view, 0)).toBe(extentCapacity(1024));
  const leaves = shown.slice(1);
  expect(ExtentHeader.eh_entries.get(view, 0)).toBe(leaves.length);
  expect(leaves.length).toBeGreaterThan(7);
  for (const [i, [, first, last, start, length, unwritten]] of leaves.entries()) {
    const at = 12 + 12 * i;
    const eeLen = Extent.ee_len.get(view, at);
    expect([
      Extent.ee_block.get(view, at),
      extentStart(view, at),
      extentLength(eeLen),
      Number(isUnwritten(eeLen)),
    ]).toEqual([first, start, length, unwritten]);
    expect(length).toBe((last ?? 0) - (first ?? 0) + 1);
  }
  expect(leaves.at(-1)?.[5]).toBe(1);
});

test('32768 is a full written extent, 32769 one unwritten block', () => {
  for (const [blocks, unwritten, eeLen] of [
    [1, false, 1],
    [EXT_INIT_MAX_LEN, false, 32_768],
    [1, true, 32_769],
    [EXT_UNWRITTEN_MAX_LEN, true, 65_535],
  ] as const) {
    expect(encodeExtentLength(blocks, unwritten)).toBe(eeLen);
    expect(extentLength(eeLen)).toBe(blocks);
    expect(isUnwritten(eeLen)).toBe(unwritten);
  }
});

test('blocks have 48 bits', () => {
  const view = new DataView(new ArrayBuffer(12));
  setExtentStart(view, 0, 2 ** 47 + 11);
  expect(extentStart(view, 0)).toBe(2 ** 47 + 11);
  setIdxLeaf(view, 0, 2 ** 47 + 12);
  expect(idxLeaf(view, 0)).toBe(2 ** 47 + 12);
  expect(ExtentIdx.ei_leaf_hi.get(view, 0)).toBe(0x8000);
  expect(extentCapacity(60)).toBe(4);
});
