import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, open } from '../../src/index.ts';
import type { Duel } from '../case.ts';

const MIB = 1 << 20;
/** Odd, and far from a power of two: the offsets come in an order that no readahead guesses. */
const STRIDE = 7919;

interface Calls {
  openSync(path: string, flags: string): number;
  writeSync(fd: number, data: Uint8Array, offset: number, length: number, at: number): number;
  readSync(fd: number, data: Uint8Array, offset: number, length: number, at: number): number;
}

/** Written just now: every byte is cached. */
function makeFile(fs: Calls, path: string, size: number): number {
  const fd = fs.openSync(path, 'w+');
  const chunk = new Uint8Array(MIB).fill(0x5a);
  for (let at = 0; at < size; at += chunk.length) {
    fs.writeSync(fd, chunk, 0, chunk.length, at);
  }
  return fd;
}

function readMany(fs: Calls, fd: number, buffer: Uint8Array, slots: number, count: number): void {
  const { length } = buffer;
  for (let i = 0; i < count; i++) {
    const n = fs.readSync(fd, buffer, 0, length, ((i * STRIDE) % slots) * length);
    if (n !== length) throw new Error(`a read of ${length} bytes gave ${n}`);
  }
}

interface Shape {
  readonly length: number;
  /** Of the file, from its start, is read over and over. */
  readonly span: number;
  /** In a round. */
  readonly reads: number;
}

const readOf = (id: string, title: string, shape: Shape, goal: number): Duel => {
  const { length, span, reads } = shape;
  const operations = (quick: boolean): number => (quick ? Math.ceil(reads / 10) : reads);
  return {
    kind: 'duel',
    id,
    title,
    peer: 'fs.readSync',
    goal,
    rounds: 101,
    operations,
    async setup({ dir, quick }) {
      const image = join(dir, 'read.img');
      await mkfs(image, { size: '256M' });
      const volume = await open(image);
      const hostFs: Calls = { openSync, readSync, writeSync };
      const ours = makeFile(volume.fs, '/file', span);
      const theirs = makeFile(hostFs, join(dir, 'file'), span);
      const buffer = new Uint8Array(length);
      const slots = span / length;
      const count = operations(quick);
      return {
        ours() {
          readMany(volume.fs, ours, buffer, slots, count);
        },
        theirs() {
          readMany(hostFs, theirs, buffer, slots, count);
        },
        done() {
          volume.closeSync();
          closeSync(theirs);
        },
      };
    },
  };
};

/** What stays in the processor's own cache: the price of the call itself. */
export const read4k = readOf(
  'read-4k',
  '4 KiB cached read, in process, of a hot MiB',
  { length: 4096, span: MIB, reads: 10_000 },
  1 / 3,
);
/** The memory behind both sides is the same; no goal but not to lose. */
export const read4kWide = readOf(
  'read-4k-wide',
  '4 KiB cached read, in process, all over 64 MiB',
  { length: 4096, span: 64 * MIB, reads: 10_000 },
  1,
);
export const read1m = readOf(
  'read-1m',
  '1 MiB cached read, in process, all over 64 MiB',
  { length: MIB, span: 64 * MIB, reads: 100 },
  1,
);
