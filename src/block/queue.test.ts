import { expect, test } from 'vitest';
import { errno } from '../base/errno.ts';
import { bytes, sector } from '../base/units.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { Bio, REQ_FUA, REQ_PREFLUSH } from './bio.ts';
import { BlockDevice } from './block-device.ts';
import { RamDevice } from './ram-device.ts';

/** A device that notes what reaches it. */
function noted(options: { readOnly?: boolean } = {}) {
  const ram = new RamDevice(bytes(1 << 20), options);
  const seen: string[] = [];
  const start = ram.start.bind(ram);
  ram.start = (bio) => {
    seen.push(
      bio.op === 'flush' ? 'flush' : `${bio.op} ${String(bio.sector)}+${String(bio.size / 512)}`,
    );
    start(bio);
  };
  return { ram, seen, device: new BlockDevice(ram) };
}
const data = (sectors: number, fill: number): Uint8Array =>
  new Uint8Array(sectors * 512).fill(fill);

test('neighbours that are plugged together reach the driver as one request, in order', () => {
  const { ram, seen, device } = noted();
  const bios = [5, 3, 4, 9].map((at) => new Bio('write', sector(at)).add(data(1, at)));
  const done: number[] = [];
  for (const b of bios) b.endIo = (x) => done.push(x.sector);
  device.queue.plug();
  for (const b of bios) device.submit(b);
  expect(seen).toEqual([]);
  device.queue.unplug();
  expect(seen).toEqual(['write 3+3', 'write 9+1']);
  expect(done.sort()).toEqual([3, 4, 5, 9]);
  const out = new Uint8Array(1);
  ram.peek(4 * 512, out);
  expect(out[0]).toBe(4);
});

test('a write with PREFLUSH and FUA becomes flush, write, flush', () => {
  const { seen, device } = noted();
  const s = new Scheduler();
  s.runToEnd(
    device.submitWait(new Bio('write', sector(0), REQ_PREFLUSH | REQ_FUA).add(data(1, 1))),
  );
  expect(seen).toEqual(['flush', 'write 0+1', 'flush']);
});

test('a driver that knows FUA gets it, and no flush behind the write', () => {
  const { ram, seen } = noted();
  const device = new BlockDevice(Object.assign(ram, { fua: true }));
  const bio = new Bio('write', sector(0), REQ_PREFLUSH | REQ_FUA).add(data(1, 1));
  const { start } = ram;
  const flags: number[] = [];
  ram.start = (b) => {
    flags.push(b.flags);
    start(b);
  };
  new Scheduler().runToEnd(device.submitWait(bio));
  expect(seen).toEqual(['flush', 'write 0+1']);
  expect(flags[1]).toBe(REQ_FUA);
});

test('an error of the first step ends the sequence and reaches the bio', () => {
  const { ram, device } = noted();
  ram.start = (bio) => {
    bio.complete(bio.op === 'flush' ? errno('EIO') : null);
  };
  const bio = new Bio('write', sector(0), REQ_PREFLUSH).add(data(1, 1));
  expect(() => {
    new Scheduler().runToEnd(device.submitWait(bio));
  }).toThrow('EIO');
});

test('what lies outside the device, is unaligned, or writes to a read-only one is refused', () => {
  const s = new Scheduler();
  const { device, seen } = noted();
  expect(() => {
    s.runToEnd(device.transfer('read', 1 << 20, data(1, 0)));
  }).toThrow(/beyond end/);
  expect(() => new Bio('read', sector(0)).add(new Uint8Array(100))).toThrow(/sectors/);
  const ro = noted({ readOnly: true });
  expect(() => {
    s.runToEnd(ro.device.transfer('write', 0, data(1, 0)));
  }).toThrow('EROFS');
  expect([seen, ro.seen]).toEqual([[], []]);
});

test('no more than the depth of the driver is in flight, and every bio ends', () => {
  const waiting: Bio[] = [];
  let most = 0;
  const device = new BlockDevice({
    size: bytes(1 << 20),
    logicalBlockSize: 512,
    readOnly: false,
    synchronous: false,
    queueDepth: 3,
    start: (bio) => {
      waiting.push(bio);
      most = Math.max(most, waiting.length);
    },
  });
  let ended = 0;
  for (let i = 0; i < 10; i++) {
    const bio = new Bio('read', sector(i * 2)).add(data(1, 0));
    bio.endIo = () => ended++;
    device.submit(bio);
  }
  while (waiting.length > 0) waiting.shift()?.complete(null);
  expect([most, ended]).toEqual([3, 10]);
});
