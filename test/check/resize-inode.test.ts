// Goal: the inode that keeps room for descriptors (ino 7) is judged as e2fsck judges it. Method:
// every part of its map spoiled in turn, with e2fsck's exit status beside our verdict.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkFile, problemLines } from '../support/checked.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';

/** Several groups with copies, and descriptors that may grow. */
const layouts: readonly [name: string, args: string[], size: string][] = [
  ['1 KiB blocks', ['-t', 'ext4', '-b', '1024', '-N', '512', '-J', 'size=1'], '40M'],
  ['ext2', ['-t', 'ext2', '-b', '1024', '-N', '512', '-O', 'resize_inode'], '40M'],
  ['4 KiB blocks', ['-t', 'ext4', '-b', '4096', '-g', '4096', '-N', '512', '-J', 'size=4'], '64M'],
];

const blockSize = (image: TestImage): number =>
  Number(/Block size:\s+(\d+)/.exec(image.ask('stats -h'))?.[1]);

/** The double indirect block, and one of the blocks that it names. */
function parts(image: TestImage): { dind: number; slot: number; first: number } {
  const dind = Number(/\(DIND\):(\d+)/.exec(image.ask('stat <7>'))?.[1]);
  const bs = blockSize(image);
  const words = new Uint32Array(bs / 4);
  const fd = openSync(image.path, 'r');
  readSync(fd, words, 0, bs, dind * bs);
  closeSync(fd);
  // The slots may go round: the reserved block with the lowest number is the first.
  const first = Math.min(...words.filter((word) => word !== 0));
  return { dind, slot: words.indexOf(first), first };
}

function poke(image: TestImage, at: number, value: number): void {
  const fd = openSync(image.path, 'r+');
  writeSync(fd, new Uint8Array(Uint32Array.of(value).buffer), 0, 4, at);
  closeSync(fd);
}

type Spoil = (image: TestImage, bs: number) => void;
const spoils: readonly [what: string, spoil: Spoil][] = [
  ['no double indirect block', (i) => i.debugfs('set_inode_field <7> block[DIND] 0')],
  [
    'a double indirect block past the end',
    (i) => i.debugfs('set_inode_field <7> block[DIND] 99999999'),
  ],
  ['another double indirect block', (i) => i.debugfs('set_inode_field <7> block[DIND] 5')],
  ['a direct block', (i) => i.debugfs('set_inode_field <7> block[0] 5')],
  ['no link', (i) => i.debugfs('set_inode_field <7> links_count 0')],
  ['a directory', (i) => i.debugfs('set_inode_field <7> mode 040755')],
  [
    'a first reserved block that is not named',
    (image, bs) => {
      const { dind, slot } = parts(image);
      poke(image, dind * bs + 4 * slot, 0);
    },
  ],
  [
    'another first reserved block',
    (image, bs) => {
      const { dind, slot, first } = parts(image);
      poke(image, dind * bs + 4 * slot, first + 1);
    },
  ],
  [
    'a reserved block whose first copy is not named',
    (image, bs) => {
      poke(image, parts(image).first * bs, 0);
    },
  ],
  [
    'a reserved block whose second copy is elsewhere',
    (image, bs) => {
      poke(image, parts(image).first * bs + 4, 12345);
    },
  ],
];

for (const [layout, args, size] of layouts) {
  test(`${layout}: a sound inode for resizing is not complained of`, () => {
    const image = makeImage(args, size);
    expect(image.fsck().code).toBe(0);
    expect(problemLines(checkFile(image.path).problems)).toEqual([]);
  });

  test(`${layout}: no room at all and no map is found, as e2fsck finds it`, () => {
    const image = makeImage(args, size);
    image.debugfs('ssv reserved_gdt_blocks 0', 'set_inode_field <7> block[DIND] 0');
    expect(image.fsck().output).toContain('Resize inode not valid');
    expect(checkFile(image.path).problems.map((p) => p.code)).toContain('resize-inode');
  });

  test(`${layout}: what resize2fs makes of it is sound`, () => {
    const image = makeImage(args, size);
    for (const to of ['100M', '30M', '300M']) {
      spawnSync('resize2fs', ['-f', image.path, to]);
      expect([to, image.fsck().code]).toEqual([to, 0]);
      expect(problemLines(checkFile(image.path).problems)).toEqual([]);
    }
  });

  for (const [what, spoil] of spoils) {
    test(`${layout}: the inode for resizing with ${what} is found, as e2fsck finds it`, () => {
      const image = makeImage(args, size);
      spoil(image, blockSize(image));
      expect(image.fsck().output).toContain('Resize inode not valid');
      const codes = checkFile(image.path).problems.map((p) => p.code);
      expect(codes).toContain('resize-inode');
    });
  }

  test(`${layout}: so is one with little room, or with all it can have`, () => {
    for (const resize of ['resize=60000', 'resize=900000']) {
      const image = makeImage([...args, '-E', resize], size);
      expect([resize, image.fsck().code]).toEqual([resize, 0]);
      expect(problemLines(checkFile(image.path).problems)).toEqual([]);
    }
  });
}

test('the copies of the group descriptors are not compared: e2fsck reads none of them', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-N', '512', '-J', 'size=1'], '40M');
  // Group 1 begins at block 8193 with the copy of the super block; the descriptors follow.
  poke(image, 8194 * 1024, 0xdead_beef);
  expect(image.fsck().code).toBe(0);
  expect(problemLines(checkFile(image.path).problems)).toEqual([]);
});
