// Goal: when space or the device gives out in the middle of a change of names, the error arrives
// and the image stays sound. Method: small images filled until ENOSPC in every way names use space;
// and a device that fails its n-th request, for many n.
import { expect, test } from 'vitest';
import { errno, FsError } from '../../src/base/errno.ts';
import { Prng } from '../../src/base/prng.ts';
import { bytes } from '../../src/base/units.ts';
import type { Bio } from '../../src/block/bio.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { makeImage } from '../support/e2fsprogs.ts';
import { Tree } from '../support/tree.ts';

/** Do it; an errno of the file system is an answer. */
function attempt(what: () => void): string {
  try {
    what();
    return 'ok';
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    return e.code;
  }
}

/** One of the changes that need space, or give it back. */
function change(t: Tree, chance: Prng, i: number): string {
  const dir = `/d${chance.below(4)}`;
  const name = `${dir}/${`${i}`.padEnd(1 + chance.below(200), 'n')}`;
  switch (chance.below(9)) {
    case 0:
    case 1:
      return attempt(() => t.mkdir(name));
    case 2:
      return attempt(() => t.symlink('target'.repeat(1 + chance.below(60)), name));
    case 3:
      return attempt(() =>
        t.setxattr(dir, `user.${chance.below(9)}`, chance.bytes(chance.below(900))),
      );
    case 4:
      return attempt(() => t.rename(dir, `/d${chance.below(4)}`));
    case 5:
      return attempt(() => t.rename(name, `/d${chance.below(4)}/moved${i}`));
    default:
      return attempt(() => t.create(name));
  }
}

for (const args of [
  ['-t', 'ext4', '-b', '1024'],
  ['-t', 'ext2', '-b', '1024'],
  ['-t', 'ext4', '-b', '1024', '-O', 'inline_data'],
  ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode,^has_journal'],
  ['-t', 'ext4', '-b', '4096', '-O', '^has_journal'],
]) {
  test(`a full device refuses names and stays sound (${args.join(' ')})`, () => {
    const size = args.includes('4096') ? '2M' : args.includes('ext4') ? '3M' : '1M';
    const image = makeImage([...args, '-N', '800', '-m', '0'], size);
    const counts: Record<string, number> = {};
    for (let round = 0; round < 3; round++) {
      const t = Tree.open(image.path);
      const chance = new Prng(round + 1);
      for (let d = 0; d < 4; d++) attempt(() => t.mkdir(`/d${d}`));
      for (let i = 0; i < 1200; i++) {
        const result = change(t, chance, i + round * 10_000);
        counts[result] = (counts[result] ?? 0) + 1;
      }
      t.umount();
      const { code, output } = image.fsck();
      expect(code, output).toBe(0);
    }
    expect(counts['ENOSPC'] ?? 0).toBeGreaterThan(10);
    expect(counts['EUCLEAN'] ?? 0).toBe(0);
  });
}

/** Fails one request, and perhaps all after it. */
class FailingDevice extends RamDevice {
  left = Infinity;
  forGood = false;

  override start(bio: Bio): void {
    if (this.left-- <= 0) {
      if (!this.forGood) this.left = Infinity;
      bio.complete(errno('EIO'));
    } else {
      super.start(bio);
    }
  }
}

test('a request that fails is an error of the call, never anything else', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', 'inline_data,ea_inode'], '4M');
  const t = Tree.open(image.path);
  for (let d = 0; d < 4; d++) t.mkdir(`/d${d}`);
  for (let i = 0; i < 60; i++) t.create(`/d0/${'n'.repeat(i + 1)}`);
  t.umount();
  const good = image.bytes();
  let failed = 0;
  for (let n = 0; n < 120; n++) {
    const device = new FailingDevice(bytes(good.length));
    device.poke(0, good);
    const work = new Tree(device, { cacheSize: 2 << 20 });
    device.left = n;
    device.forGood = n % 2 === 1;
    const chance = new Prng(n);
    for (let i = 0; i < 40; i++) if (change(work, chance, i) === 'EIO') failed++;
    if (attempt(() => work.umount()) !== 'ok') failed++;
  }
  expect(failed).toBeGreaterThan(50);
});
