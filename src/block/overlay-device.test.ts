import { expect, test } from 'vitest';
import { bytes } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { BlockDevice } from './block-device.ts';
import { OverlayDevice } from './overlay-device.ts';
import { RamDevice } from './ram-device.ts';

const BLOCK = 1024;
const HEAD = Uint8Array.of(1, 2, 3, 4);

/** Block i of the device below is filled with i. */
function make(): { below: RamDevice; overlay: OverlayDevice; run: <T>(op: Op<T>) => T } {
  const below = new RamDevice(bytes(16 * BLOCK));
  for (let i = 0; i < 16; i++) below.poke(i * BLOCK, new Uint8Array(BLOCK).fill(i));
  const overlay = new OverlayDevice(new BlockDevice(below), BLOCK, HEAD);
  const scheduler = new Scheduler();
  return { below, overlay, run: (op) => scheduler.runToEnd(op) };
}

/** First byte of each 512 bytes. */
const sectors = (data: Uint8Array): number[] => [...data].filter((_, i) => i % 512 === 0);

test('a long read is put together from the blocks below, the redirected and the written ones', () => {
  const { below, overlay, run } = make();
  const device = new BlockDevice(overlay);
  overlay.redirect(3, 9, false);
  overlay.redirect(4, 10, true);
  run(device.transfer('write', 6 * BLOCK, new Uint8Array(BLOCK).fill(77)));
  const data = new Uint8Array(6 * BLOCK);
  run(device.transfer('read', 2 * BLOCK, data));
  expect(sectors(data)).toEqual([2, 2, 9, 9, 1, 10, 5, 5, 77, 77, 7, 7]);
  expect([...data.subarray(2 * BLOCK, 2 * BLOCK + 5)]).toEqual([1, 2, 3, 4, 10]);
  const sixth = new Uint8Array(BLOCK);
  below.peek(6 * BLOCK, sixth);
  expect(sixth[0]).toBe(6);
});

test('a part of a redirected block has the head only if it is the first part', () => {
  const { overlay, run } = make();
  const device = new BlockDevice(overlay);
  overlay.redirect(4, 10, true);
  const data = new Uint8Array(512);
  run(device.transfer('read', 4 * BLOCK + 512, data));
  expect(data[0]).toBe(10);
  run(device.transfer('read', 4 * BLOCK, data));
  expect(data[0]).toBe(1);
});

test('what is written wins over what was redirected; parts of blocks are refused', () => {
  const { overlay, run } = make();
  const device = new BlockDevice(overlay);
  overlay.redirect(4, 10, false);
  run(device.transfer('write', 4 * BLOCK, new Uint8Array(BLOCK).fill(55)));
  const data = new Uint8Array(BLOCK);
  run(device.transfer('read', 4 * BLOCK, data));
  expect(sectors(data)).toEqual([55, 55]);
  expect([...overlay.written.keys()]).toEqual([4]);
  expect(() => {
    run(device.transfer('write', 512, new Uint8Array(512)));
  }).toThrow(/EINVAL/);
});

test('sealed, it takes no more', () => {
  const { overlay, run } = make();
  overlay.seal();
  const device = new BlockDevice(overlay);
  expect(device.readOnly).toBe(true);
  expect(() => {
    run(device.transfer('write', 0, new Uint8Array(BLOCK)));
  }).toThrow(/EROFS/);
});
