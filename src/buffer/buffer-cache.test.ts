import { expect, test } from 'vitest';
import { errno } from '../base/errno.ts';
import { bytes, pblk } from '../base/units.ts';
import { BlockDevice } from '../block/block-device.ts';
import { RamDevice } from '../block/ram-device.ts';
import { Memory } from '../mm/vmscan.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { BufferCache } from './buffer-cache.ts';

const MIB = 1 << 20;

function setup(blockSize = 1024) {
  const ram = new RamDevice(bytes(16 * MIB));
  const memory = new Memory(MIB);
  const cache = new BufferCache(new BlockDevice(ram), memory, blockSize);
  return { ram, memory, cache, s: new Scheduler() };
}

test('a block is read once and found without sleeping afterwards', () => {
  const { ram, cache, s } = setup();
  ram.poke(5 * 1024, new Uint8Array(1024).fill(7));
  expect(cache.tryBread(pblk(5))).toBe(null);
  const bh = s.runToEnd(cache.bread(pblk(5)));
  expect(bh.data[0]).toBe(7);
  expect(bh.data.length).toBe(1024);
  expect(cache.tryBread(pblk(5))).toBe(bh);
  expect(cache.tryBread(pblk(4))).toBe(null); // its neighbour in the folio was not read
});

test('waves reach the device in order, lowest first, and the trigger runs before the write', () => {
  const { ram, cache, s } = setup();
  const order: number[] = [];
  const start = ram.start.bind(ram);
  ram.start = (bio) => {
    if (bio.op === 'write') order.push(bio.sector / 2);
    start(bio);
  };
  for (const [nr, wave] of [
    [3, 1],
    [9, 0],
    [1, 2],
  ] as const) {
    const bh = s.runToEnd(cache.getNew(pblk(nr)));
    bh.wave = wave;
    bh.trigger = (b) => {
      b.data[0] = 100 + nr;
    };
    cache.markDirty(bh);
    bh.put();
  }
  s.runToEnd(cache.sync());
  expect(order).toEqual([9, 3, 1]);
  const out = new Uint8Array(1);
  ram.peek(3 * 1024, out);
  expect(out[0]).toBe(103);
  expect(cache.dirtyCount).toBe(0);
});

test('the cache stays within its memory and keeps every dirty block', () => {
  const { cache, memory, s } = setup();
  memory.wakeFlusher = () => {
    s.spawn('flusher', cache.sync());
  };
  for (let nr = 0; nr < 8000; nr++) {
    const bh = s.runToEnd(cache.getNew(pblk(nr)));
    bh.view.setUint32(0, nr);
    cache.markDirty(bh);
    bh.put();
  }
  s.runToEnd(cache.sync());
  for (let nr = 0; nr < 8000; nr += 97) {
    const bh = s.runToEnd(cache.bread(pblk(nr)));
    expect(bh.view.getUint32(0)).toBe(nr);
    bh.put();
  }
  expect(memory.nrDirty).toBe(0);
});

test('a block past the end of the device is an error, and an error leaves no reference', () => {
  const { cache, s } = setup();
  expect(() => s.runToEnd(cache.bread(pblk(16 * 1024)))).toThrow(/EIO/);
});

test('a read error reaches the reader, and the next reader tries again', () => {
  const { ram, cache, s } = setup();
  const start = ram.start.bind(ram);
  let fail = true;
  ram.start = (bio) => {
    if (fail) bio.complete(errno('EIO'));
    else start(bio);
  };
  expect(() => s.runToEnd(cache.bread(pblk(2)))).toThrow(/EIO/);
  fail = false;
  expect(s.runToEnd(cache.bread(pblk(2))).uptodate).toBe(true);
});
