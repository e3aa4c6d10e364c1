import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, open } from '../../src/index.ts';
import type { Duel } from '../case.ts';

const LOOKUPS = 10_000;
/** Odd, and far from a power of two: the names come in no order. */
const STRIDE = 7919;

interface Calls {
  openSync(path: string, flags: string): number;
  closeSync(fd: number): void;
  statSync(path: string): { ino: number | bigint } | undefined;
}

function fill(fs: Calls, names: readonly string[]): void {
  for (const name of names) fs.closeSync(fs.openSync(name, 'w'));
}

/** @returns where the next round goes on */
function statMany(fs: Calls, names: readonly string[], from: number, stride: number): number {
  let at = from;
  for (let i = 0; i < LOOKUPS; i++) {
    const name = names[at] ?? '';
    if (!fs.statSync(name)) throw new Error(`${name} is gone`);
    at = (at + stride) % names.length;
  }
  return at;
}

/** stat by path of names that were looked up before, the cache of names of both sides. */
const lookupOf = (id: string, title: string, stride: number): Duel => ({
  kind: 'duel',
  id,
  title,
  peer: 'fs.statSync',
  goal: 1 / 3,
  rounds: 101,
  operations: () => LOOKUPS,
  async setup({ dir, quick }) {
    const image = join(dir, 'lookup.img');
    await mkfs(image, { size: '2G' });
    const volume = await open(image);
    const folder = join(dir, 'files');
    volume.fs.mkdirSync('/files');
    mkdirSync(folder);
    const numbers = Array.from({ length: quick ? 10_000 : 100_000 }, (_, i) => i);
    const ourNames = numbers.map((i) => `/files/name-${i}`);
    const theirNames = numbers.map((i) => `${folder}/name-${i}`);
    fill(volume.fs, ourNames);
    const hostFs: Calls = { openSync, closeSync, statSync };
    fill(hostFs, theirNames);
    let ourNext = 0;
    let theirNext = 0;
    return {
      ours() {
        ourNext = statMany(volume.fs, ourNames, ourNext, stride);
      },
      theirs() {
        theirNext = statMany(hostFs, theirNames, theirNext, stride);
      },
      done() {
        volume.closeSync();
      },
    };
  },
});

/** As whoever lists a directory and then asks for each name. */
export const lookup = lookupOf(
  'lookup',
  'stat in a directory of 100,000 names, in order, in process',
  1,
);
export const lookupRandom = lookupOf(
  'lookup-random',
  'stat in a directory of 100,000 names, in no order, in process',
  STRIDE,
);
