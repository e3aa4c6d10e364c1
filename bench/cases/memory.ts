import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, open } from '../../src/index.ts';
import type { Footprint, Stage } from '../case.ts';
import { growthOf, needCommand, needTool, run } from '../host.ts';

/** The default of cacheSize, and what may come on top of it. */
const LIMIT = 256 + 64;
const MIB = 1 << 20;

/** Files that add up to 10 GiB, fewer in a hurry; no block of them is zero. */
function makeBigTree({ dir, quick }: Stage): string {
  const source = join(dir, 'source');
  mkdirSync(source);
  const chunk = new Uint8Array(64 * MIB).fill(0x5a);
  const files = quick ? 16 : 160;
  for (let i = 0; i < files; i++) writeFileSync(join(source, `file-${i}`), chunk);
  return source;
}

const sizeOf = ({ quick }: Stage): string => (quick ? '2G' : '12G');

export const memoryBuild: Footprint = {
  kind: 'footprint',
  id: 'memory-build',
  title: 'memory of a build of 10 GiB',
  goal: LIMIT,
  measure(stage) {
    needCommand('build');
    const source = makeBigTree(stage);
    const image = join(stage.dir, 'big.img');
    return growthOf(['build', source, '-o', image, '--size', sizeOf(stage)]);
  },
};

export const memoryCheck: Footprint = {
  kind: 'footprint',
  id: 'memory-check',
  title: 'memory of a check of 10 GiB',
  goal: LIMIT,
  measure(stage) {
    needCommand('check');
    needTool('mke2fs');
    const source = makeBigTree(stage);
    const image = join(stage.dir, 'big.img');
    run('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', source, image, sizeOf(stage)]);
    rmSync(source, { recursive: true });
    return growthOf(['check', image]);
  },
};

/** Names without inodes of their own: hard links to files that each take as many as they may. */
async function makeNames(image: string, count: number): Promise<void> {
  const LINKS = 60_000;
  await mkfs(image, { size: '1G' });
  const volume = await open(image);
  volume.fs.mkdirSync('/names');
  let target = '';
  for (let i = 0; i < count; i++) {
    const name = `/names/name-${i}`;
    if (i % LINKS === 0) {
      volume.fs.writeFileSync(name, '');
      target = name;
    } else volume.fs.linkSync(target, name);
  }
  volume.closeSync();
}

export const memoryNames: Footprint = {
  kind: 'footprint',
  id: 'memory-names',
  title: 'memory of a check of a directory of 1,000,000 names',
  goal: LIMIT,
  async measure({ dir, quick }) {
    needCommand('check');
    const image = join(dir, 'names.img');
    await makeNames(image, quick ? 50_000 : 1_000_000);
    return growthOf(['check', image]);
  },
};
