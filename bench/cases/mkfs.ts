import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duel } from '../case.ts';
import { foliofs, needCommand, needTool, run } from '../host.ts';

/** An empty file system in a file that does not exist yet. */
export const mkfs: Duel = {
  kind: 'duel',
  id: 'mkfs',
  title: 'mkfs of 20 GB',
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
        foliofs(['mkfs', image, '20G']);
      },
      theirs() {
        run('mke2fs', ['-q', '-F', '-t', 'ext4', image, '20G']);
      },
    };
  },
};
