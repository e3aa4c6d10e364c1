import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { mkfsSync } from '../../src/index.ts';
import type { Duel } from '../case.ts';
import { foliofs, needCommand, needTool, run } from '../host.ts';

/** An empty file system in a file that does not exist yet. */
const mkfsOf = (id: string, title: string, ours: (image: string) => void): Duel => ({
  kind: 'duel',
  id,
  title,
  peer: 'mke2fs',
  goal: 1.5,
  rounds: 11,
  operations: () => 1,
  setup({ dir }) {
    needCommand('mkfs');
    needTool('mke2fs');
    const image = join(dir, 'mkfs.img');
    return {
      reset() {
        rmSync(image, { force: true });
      },
      ours() {
        ours(image);
      },
      theirs() {
        run('mke2fs', ['-q', '-F', '-t', 'ext4', image, '20G']);
      },
    };
  },
});

export const mkfs = mkfsOf('mkfs', 'mkfs of 20 GB', (image) => {
  foliofs(['mkfs', image, '20G']);
});
/** For programs that have the library loaded: without the start of Node. */
export const mkfsCall = mkfsOf('mkfs-call', 'mkfs of 20 GB, in process', (image) => {
  mkfsSync(image, { size: '20G' });
});
