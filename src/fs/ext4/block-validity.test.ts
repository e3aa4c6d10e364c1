import { expect, test } from 'vitest';
import { CorruptError } from '../../base/errno.ts';
import { Prng } from '../../base/prng.ts';
import { SystemZone } from './block-validity.ts';

test('a range is valid if it is inside the device and touches no zone but its own', () => {
  const prng = new Prng(2);
  const owner = new Int32Array(1000).fill(-1);
  const zones = new SystemZone(0, 1000);
  for (let i = 0; i < 60; i++) {
    const start = 1 + prng.below(980);
    const count = 1 + prng.below(10);
    if (owner.subarray(start, start + count).some((o) => o >= 0)) continue;
    const ino = prng.below(4) === 0 ? 8 : 0;
    owner.fill(ino, start, start + count);
    zones.add(start, count, 'bg_inode_table_lo', ino);
  }
  zones.build();
  for (let i = 0; i < 20_000; i++) {
    const start = prng.below(1010);
    const count = prng.below(30);
    const ino = prng.below(2) ? 8 : 12;
    const part = owner.subarray(start, start + count);
    const inside = start > 0 && count > 0 && start + count <= 1000;
    const want = inside && part.every((o) => o < 0 || (o === 8 && ino === 8));
    expect(zones.valid(start, count, ino)).toBe(want);
  }
});

test('two pieces of metadata in one place are an error that names the field', () => {
  const zones = new SystemZone(0, 100);
  zones.add(10, 5, 'bg_block_bitmap_lo');
  zones.add(14, 1, 'bg_inode_bitmap_lo');
  expect(() => zones.build()).toThrow(CorruptError);
});

test('numbers that are no numbers are not valid', () => {
  const zones = new SystemZone(1, 100);
  for (const n of [NaN, Infinity, -1, 0, 1]) expect(zones.valid(n, 1, 12)).toBe(false);
  expect(zones.valid(5, Infinity, 12)).toBe(false);
});
