import { join } from 'node:path';
import type { Duel, Stage } from '../case.ts';
import { foliofs, needCommand, needTool, run } from '../host.ts';
import { makeTree } from '../host-tree.ts';

/** Both read all metadata of one image that the host has cached. mke2fs makes it, for fairness. */
const checkOf = (
  id: string,
  title: string,
  arguments_: (stage: Stage, image: string) => string[],
): Duel => ({
  kind: 'duel',
  id,
  title,
  peer: 'e2fsck -fn',
  goal: 2,
  rounds: 11,
  operations: () => 1,
  setup(stage) {
    needCommand('check');
    needTool('e2fsck');
    const image = join(stage.dir, 'check.img');
    run('mke2fs', ['-q', '-F', '-t', 'ext4', ...arguments_(stage, image)]);
    return {
      ours() {
        foliofs(['check', image]);
      },
      theirs() {
        run('e2fsck', ['-fn', image]);
      },
    };
  },
});

export const checkEmpty = checkOf('check', 'check of an empty 20 GB', (_, image) => [image, '20G']);

export const checkTree = checkOf('check-tree', 'check of 5,000 files', ({ dir, quick }, image) => {
  const source = join(dir, 'source');
  makeTree(source, quick ? { files: 500, bytes: 24e6 } : { files: 5000, bytes: 240e6 });
  return ['-d', source, image, '512M'];
});
