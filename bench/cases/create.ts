import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, open } from '../../src/index.ts';
import type { Duel } from '../case.ts';

interface Calls {
  openSync(path: string, flags: string): number;
  writeSync(fd: number, data: Uint8Array): number;
  closeSync(fd: number): void;
}

const DATA = new Uint8Array(1024).fill(0x5a);

function createMany(fs: Calls, dir: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const fd = fs.openSync(`${dir}/file-${i}`, 'w');
    fs.writeSync(fd, DATA);
    fs.closeSync(fd);
  }
}

/** New files in a new folder each round; neither side asks for them to be on disk. */
export const create: Duel = {
  kind: 'duel',
  id: 'create',
  title: 'create, write 1 KiB, close: 10,000 files, in process',
  peer: 'node:fs, sync calls',
  goal: 1,
  rounds: 9,
  operations: (quick) => (quick ? 1000 : 10_000),
  async setup({ dir, quick }) {
    const image = join(dir, 'create.img');
    await mkfs(image, { size: '1G' });
    const volume = await open(image);
    const folder = join(dir, 'files');
    const count = create.operations(quick);
    return {
      reset() {
        volume.fs.rmSync('/files', { recursive: true, force: true });
        volume.fs.mkdirSync('/files');
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
      },
      ours() {
        createMany(volume.fs, '/files', count);
      },
      theirs() {
        createMany({ openSync, writeSync, closeSync }, folder, count);
      },
      done() {
        volume.closeSync();
      },
    };
  },
};
