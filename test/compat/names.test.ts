// Goal: whatever is done to names leaves an image that e2fsck finds sound, and that says afterwards
// what was done. Method: images made by mke2fs, changed through the VFS, judged by e2fsck -fn.
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { Tree } from '../support/tree.ts';

function sound(image: TestImage): void {
  const { code, output } = image.fsck();
  expect(code, output).toBe(0);
}

/** Change an image and let e2fsck look at it. */
function change(image: TestImage, work: (t: Tree) => void): void {
  const t = Tree.open(image.path);
  work(t);
  t.umount();
  sound(image);
}

test('a file, a directory, a symlink and a device are made and are there afterwards', () => {
  const image = makeImage(['-t', 'ext4'], '16M');
  change(image, (t) => {
    t.create('/file');
    t.mkdir('/dir');
    t.mkdir('/dir/inner');
    t.symlink('short', '/dir/fast');
    t.symlink('long/'.repeat(40), '/dir/slow');
    t.mknod('/dir/null', 0o020666, 0x103);
    t.link('/file', '/dir/other');
  });
  const t = Tree.open(image.path, { readOnly: true });
  expect(t.names('/dir')).toEqual(['fast', 'inner', 'null', 'other', 'slow']);
  expect(t.readlink('/dir/fast')).toBe('short');
  expect(t.readlink('/dir/slow')).toBe('long/'.repeat(40));
  expect(t.inode('/dir/other').ino).toBe(t.inode('/file').ino);
  expect(t.inode('/file').nlink).toBe(2);
  t.umount();
});

const KINDS: [string, string[]][] = [
  ['4 KiB', ['-t', 'ext4', '-b', '4096']],
  ['1 KiB', ['-t', 'ext4', '-b', '1024']],
  ['ext2', ['-t', 'ext2', '-b', '1024']],
  ['ext3', ['-t', 'ext3', '-b', '1024']],
  ['no checksums', ['-t', 'ext4', '-O', '^metadata_csum,^64bit']],
  ['no dir_index', ['-t', 'ext4', '-b', '1024', '-O', '^dir_index']],
  ['inline_data', ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '256']],
  ['bigalloc', ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '4096']],
];

for (const [kind, args] of KINDS) {
  test(`names come and go by the thousand in one directory (${kind})`, () => {
    const image = makeImage([...args, '-N', '9000'], '64M');
    const want = new Set<string>();
    const chance = new Prng(7);
    for (let round = 0; round < 3; round++) {
      change(image, (t) => {
        if (round === 0) t.mkdir('/d');
        for (let i = 0; i < 1500; i++) {
          const name = `${round}-${i}-${'x'.repeat(chance.below(40))}`;
          t.create(`/d/${name}`);
          want.add(name);
        }
        for (const name of [...want]) {
          if (!chance.chance(0.4)) continue;
          t.unlink(`/d/${name}`);
          want.delete(name);
        }
        for (const name of [...want].slice(0, 200)) {
          const to = `r${name}`.slice(0, 250);
          t.rename(`/d/${name}`, `/d/${to}`);
          want.delete(name);
          want.add(to);
        }
        expect(t.names('/d')).toEqual([...want].sort());
      });
    }
    change(image, (t) => {
      for (const name of want) expect(t.exists(`/d/${name}`)).toBe(true);
      for (const name of want) t.unlink(`/d/${name}`);
      t.rmdir('/d');
      expect(t.exists('/d')).toBe(false);
    });
  });
}
