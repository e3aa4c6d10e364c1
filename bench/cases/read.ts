import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, open } from '../../src/index.ts';
import type { Duel } from '../case.ts';

const FILE_SIZE = 64 << 20;
/** Odd, and far from a power of two: the offsets come in an order that no readahead guesses. */
const STRIDE = 7919;

interface Calls {
  openSync(path: string, flags: string): number;
  writeSync(fd: number, data: Uint8Array, offset: number, length: number, at: number): number;
  readSync(fd: number, data: Uint8Array, offset: number, length: number, at: number): number;
}

/** A file of 64 MiB, written just now: every byte is cached. */
function makeFile(fs: Calls, path: string): number {
  const fd = fs.openSync(path, 'w+');
  const chunk = new Uint8Array(1 << 20).fill(0x5a);
  for (let at = 0; at < FILE_SIZE; at += chunk.length) {
    fs.writeSync(fd, chunk, 0, chunk.length, at);
  }
  return fd;
}

function readMany(fs: Calls, fd: number, buffer: Uint8Array, count: number): void {
  const { length } = buffer;
  const slots = FILE_SIZE / length;
  for (let i = 0; i < count; i++) {
    const n = fs.readSync(fd, buffer, 0, length, ((i * STRIDE) % slots) * length);
    if (n !== length) throw new Error(`a read of ${length} bytes gave ${n}`);
  }
}

const readOf = (id: string, title: string, length: number, many: number, goal: number): Duel => {
  const operations = (quick: boolean): number => (quick ? Math.ceil(many / 10) : many);
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
      const ours = makeFile(volume.fs, '/file');
      const theirs = makeFile(hostFs, join(dir, 'file'));
      const buffer = new Uint8Array(length);
      return {
        ours() {
          readMany(volume.fs, ours, buffer, operations(quick));
        },
        theirs() {
          readMany(hostFs, theirs, buffer, operations(quick));
        },
        done() {
          volume.closeSync();
          closeSync(theirs);
        },
      };
    },
  };
};

export const read4k = readOf('read-4k', '4 KiB cached read, in process', 4096, 10_000, 1 / 3);
export const read1m = readOf('read-1m', '1 MiB cached read, in process', 1 << 20, 100, 1);
