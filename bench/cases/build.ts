import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duel } from '../case.ts';
import { foliofs, needCommand, needTool, run } from '../host.ts';
import { makeTree } from '../host-tree.ts';

/** Both read a tree that the host has cached, and end when the image is on its disk. */
export const build: Duel = {
  kind: 'duel',
  id: 'build',
  title: 'build an image of 5,000 files, 240 MB',
  peer: 'mke2fs -d',
  goal: 1.5,
  rounds: 7,
  operations: () => 1,
  setup({ dir, quick }) {
    needCommand('build');
    needTool('mke2fs');
    const source = join(dir, 'source');
    const image = join(dir, 'build.img');
    makeTree(source, quick ? { files: 500, bytes: 24e6 } : { files: 5000, bytes: 240e6 });
    return {
      reset() {
        rmSync(image, { force: true });
      },
      ours() {
        foliofs(['build', source, '-o', image, '--size', '512M']);
      },
      theirs() {
        run('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', source, image, '512M']);
      },
    };
  },
};
