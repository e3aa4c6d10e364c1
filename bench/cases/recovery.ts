import { closeSync, openSync as openFile, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openSync } from '../../src/index.ts';
import type { Duel } from '../case.ts';
import { needTool, run } from '../host.ts';

const BLOCK = 4096;
/** Blocks of one transaction: debugfs takes lines of 8 KiB. */
const PER_STEP = 1000;
/** Where they go: apart, as metadata is, so that few writes can be joined. */
const homeOf = (i: number): number => 40_000 + 2 * i;

/** Fill the journal with transactions that are not home. */
function fillJournal(image: string, dir: string, steps: number): void {
  const content = join(dir, 'content');
  writeFileSync(content, Buffer.alloc(PER_STEP * BLOCK, 'x'));
  const commands = Array.from({ length: steps }, (_, step) => {
    const blocks = Array.from({ length: PER_STEP }, (_b, i) => homeOf(step * PER_STEP + i));
    return `jw -b ${blocks.join(',')} ${content}`;
  });
  const script = join(dir, 'commands');
  writeFileSync(script, ['jo -c -v 3', ...commands, 'jc', ''].join('\n'));
  run('debugfs', ['-w', '-f', script, image]);
}

/** The two super blocks, of the file system and of the journal, say what is to be recovered. */
function superBlocks(image: string): () => void {
  const journal = Number(run('debugfs', ['-R', 'blocks <8>', image]).trim().split(/\s+/)[0]);
  const places = [0, journal * BLOCK];
  const move = (with_: (fd: number, at: number, i: number) => void): void => {
    const fd = openFile(image, 'r+');
    for (const [i, at] of places.entries()) with_(fd, at, i);
    closeSync(fd);
  };
  const kept = places.map(() => Buffer.alloc(BLOCK));
  move((fd, at, i) => readSync(fd, kept[i]!, 0, BLOCK, at));
  return () => {
    move((fd, at, i) => writeSync(fd, kept[i]!, 0, BLOCK, at));
  };
}

export const recovery: Duel = {
  kind: 'duel',
  id: 'recovery',
  title: 'recovery of a full journal of 128 MiB, in process',
  peer: 'e2fsck -E journal_only',
  goal: 2,
  rounds: 7,
  operations: () => 1,
  setup({ dir, quick }) {
    needTool('mke2fs');
    needTool('e2fsck');
    needTool('debugfs');
    const image = join(dir, 'recovery.img');
    run('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-J', 'size=128', image, '1G']);
    fillJournal(image, dir, quick ? 4 : 32);
    const reset = superBlocks(image);
    return {
      reset,
      ours() {
        openSync(image, { readOnly: false }).closeSync();
      },
      theirs() {
        run('e2fsck', ['-y', '-E', 'journal_only', image]);
      },
    };
  },
};
