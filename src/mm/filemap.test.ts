// Goal: the page cache returns the file's bytes whatever is cached, within its memory. Method: a
// mapping over a plain array that counts its reads.
import { expect, test } from 'vitest';
import { pageIndex } from '../base/units.ts';
import { Prng } from '../base/prng.ts';
import type { Op } from '../sched/op.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { AddressSpace } from './address-space.ts';
import {
  filemapGrabFolio,
  filemapRead,
  filemapReadNowait,
  folioEndRead,
  folioUnlock,
} from './filemap.ts';
import type { Folio } from './folio.ts';
import { IovIter } from './iov-iter.ts';
import { filemapDirtyFolio, folioMarkDirty } from './page-writeback.ts';
import { FileRaState } from './readahead.ts';
import { invalidateMappingPages, truncateInodePagesRange } from './truncate.ts';
import { Memory, MIN_FRAMES } from './vmscan.ts';

const PAGE = 4096;

class ArrayFile {
  readonly content: Uint8Array;
  readonly memory = new Memory(MIN_FRAMES * PAGE);
  readonly mapping: AddressSpace;
  readonly s = new Scheduler();
  reads: number[] = [];

  constructor(size: number) {
    this.content = new Prng(7).bytes(size);
    const read = (f: Folio): void => {
      this.reads.push(f.index);
      f.data.fill(0);
      f.data.set(this.content.subarray(f.pos, f.pos + PAGE));
      folioEndRead(f, true);
    };
    this.mapping = new AddressSpace({ ino: 1, size }, this.memory, {
      *readFolio(_mapping, folio): Op<void> {
        read(folio);
      },
      *writepages(): Op<void> {
        // Nothing of these tests is written back.
      },
      dirtyFolio: filemapDirtyFolio,
    });
  }
  read(ra: FileRaState, pos: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    const n = this.s.runToEnd(filemapRead(this.mapping, ra, IovIter.of(out), pos));
    return out.subarray(0, n);
  }
}

/** Fill a folio with nines. */
function* dirtyPage(mapping: AddressSpace, index: number): Op<void> {
  const folio = yield* filemapGrabFolio(mapping, pageIndex(index));
  folio.data.fill(9);
  folio.uptodate = true;
  folioMarkDirty(folio);
  folioUnlock(folio);
  folio.release();
}

test('random reads of a file larger than the cache equal the file', () => {
  const file = new ArrayFile(3 * MIN_FRAMES * PAGE + 1234);
  const chance = new Prng(1);
  const ra = new FileRaState(PAGE);
  for (let i = 0; i < 500; i++) {
    const pos = chance.below(file.content.length + 5000);
    const length = chance.below(20 * PAGE);
    const want = file.content.subarray(pos, pos + length);
    expect(Buffer.compare(file.read(ra, pos, length), want)).toBe(0);
  }
  expect(file.mapping.nrpages).toBeLessThanOrEqual(MIN_FRAMES);
});

test('a sequential reader finds most folios read ahead, a random one reads what it asks for', () => {
  const file = new ArrayFile(100 * PAGE);
  const ra = new FileRaState(PAGE);
  file.read(ra, 0, PAGE);
  expect(file.reads.length).toBeGreaterThan(1);
  const random = new ArrayFile(1000 * PAGE);
  const other = new FileRaState(PAGE);
  for (const page of [500, 90, 700, 333]) random.read(other, page * PAGE, 100);
  expect(random.reads).toEqual([500, 90, 700, 333]);
});

test('what is cached is read without sleeping, and stops at the first folio that is not', () => {
  const file = new ArrayFile(10 * PAGE);
  const ra = new FileRaState(PAGE);
  ra.limit = 0;
  file.read(ra, 0, 2 * PAGE);
  const out = new Uint8Array(5 * PAGE);
  const n = filemapReadNowait(file.mapping, ra, IovIter.of(out), 100);
  expect(n).toBe(2 * PAGE - 100);
  expect(Buffer.compare(out.subarray(0, n), file.content.subarray(100, 100 + n))).toBe(0);
});

test('folios used twice outlive a scan of the rest', () => {
  const file = new ArrayFile(10 * MIN_FRAMES * PAGE);
  const hot = new FileRaState(PAGE);
  for (let round = 0; round < 3; round++) {
    for (let page = 0; page < 8; page++) {
      hot.prev = -5;
      file.read(hot, page * PAGE, 10);
    }
  }
  file.reads = [];
  const scan = new FileRaState(PAGE);
  for (let page = 100; page < 100 + 3 * MIN_FRAMES; page++) file.read(scan, page * PAGE, PAGE);
  file.reads = [];
  for (let page = 0; page < 8; page++) file.read(hot, page * PAGE, 10);
  expect(file.reads).toEqual([]);
});

test('truncation takes dirty folios out, zeroes the edge, and the account of dirt is even', () => {
  const file = new ArrayFile(10 * PAGE);
  const { mapping, memory, s } = file;
  for (let i = 0; i < 5; i++) {
    s.runToEnd(dirtyPage(mapping, i));
  }
  expect(memory.nrDirty).toBe(5);
  s.runToEnd(truncateInodePagesRange(mapping, 2 * PAGE + 10));
  expect(memory.nrDirty).toBe(3);
  expect(mapping.nrpages).toBe(3);
  const edge = mapping.pages.get(2);
  expect([edge?.data[9], edge?.data[10], edge?.data[PAGE - 1]]).toEqual([9, 0, 0]);
});

test('invalidation leaves dirty and used folios alone', () => {
  const file = new ArrayFile(4 * PAGE);
  const { mapping, s } = file;
  file.read(new FileRaState(PAGE), 0, 4 * PAGE);
  const used = mapping.lookup(pageIndex(1));
  s.runToEnd(dirtyPage(mapping, 2));
  expect(invalidateMappingPages(mapping)).toBe(2);
  expect([mapping.pages.next(0), mapping.pages.next(2), mapping.pages.next(3)]).toEqual([1, 2, -1]);
  used?.release();
});
