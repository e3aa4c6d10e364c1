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

function statMany(fs: Calls, names: readonly string[]): void {
  for (let i = 0; i < LOOKUPS; i++) {
    const name = names[(i * STRIDE) % names.length] ?? '';
    if (!fs.statSync(name)) throw new Error(`${name} is gone`);
  }
}

/** stat by path of names that were looked up before: the directory entry cache of both sides. */
export const lookup: Duel = {
  kind: 'duel',
  id: 'lookup',
  title: 'look-up (stat) in a directory of 100,000 names, in process',
  peer: 'fs.statSync',
  goal: 1 / 3,
  rounds: 51,
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
    return {
      ours() {
        statMany(volume.fs, ourNames);
      },
      theirs() {
        statMany(hostFs, theirNames);
      },
      done() {
        volume.closeSync();
      },
    };
  },
};
