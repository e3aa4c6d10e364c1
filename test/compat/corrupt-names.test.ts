// Goal: damaged directories and attributes give an errno, in bounded time, whatever is asked.
// Method: an image without checksums, so that damage reaches the parsers; random bytes and numbers
// that mean something are put into directory blocks, inode records and attribute blocks.
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { Prng } from '../../src/base/prng.ts';
import { bytes } from '../../src/base/units.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { makeImage } from '../support/e2fsprogs.ts';
import { Tree } from '../support/tree.ts';

const BLOCK = 1024;

/** Blocks that hold names or attributes, and the inode table. */
function targets(image: ReturnType<typeof makeImage>): number[] {
  const found = new Set<number>();
  for (const path of ['/', '/lin', '/tree', '/inline', '/f', '/g', '/links']) {
    for (const nr of image.ask(`blocks ${path}`).matchAll(/\b\d+\b/g)) found.add(Number(nr[0]));
    const acl = /File ACL: (\d+)/.exec(image.ask(`stat ${path}`))?.[1];
    if (acl && acl !== '0') found.add(Number(acl));
    const place = /block (\d+), offset/.exec(image.ask(`imap ${path}`))?.[1];
    if (place) found.add(Number(place));
  }
  return [...found].filter((nr) => nr > 8);
}

function build(args: string[]): ReturnType<typeof makeImage> {
  const image = makeImage([...args, '-b', '1024', '-N', '256'], '4M');
  const t = Tree.open(image.path);
  for (const dir of ['/lin', '/tree', '/inline', '/links']) t.mkdir(dir);
  for (let i = 0; i < 12; i++) t.create(`/lin/file${i}`);
  t.create('/f');
  t.create('/g');
  for (let i = 0; i < 150; i++) t.link('/f', `/tree/${i}-`.padEnd(60, 'n'));
  t.create('/inline/x');
  t.symlink('t'.repeat(30), '/links/fast');
  t.symlink('t'.repeat(300), '/links/slow');
  for (const f of ['/f', '/g', '/lin']) {
    t.setxattr(f, 'user.small', new Uint8Array(10));
    t.setxattr(f, 'user.block', new Uint8Array(400));
    if (args.includes('ea_inode,inline_data,^metadata_csum')) {
      t.setxattr(f, 'user.large', new Uint8Array(3000));
    }
  }
  t.umount();
  expect(image.fsck().code).toBe(0);
  return image;
}

/** Everything that reads, and much that writes. */
function useAll(t: Tree, chance: Prng): Record<string, number> {
  const seen: Record<string, number> = {};
  const attempt = (what: () => void): void => {
    try {
      what();
      seen['ok'] = (seen['ok'] ?? 0) + 1;
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      seen[e.code] = (seen[e.code] ?? 0) + 1;
    }
  };
  for (const dir of ['/', '/lin', '/tree', '/inline', '/links']) {
    attempt(() => t.names(dir));
    attempt(() => t.exists(`${dir}/none`));
    attempt(() => t.create(`${dir}/new${chance.below(1000)}`));
    attempt(() => t.create(`${dir}/${'long'.repeat(50)}`));
    attempt(() => t.mkdir(`${dir}/sub`));
    attempt(() => t.rename(`${dir}/sub`, '/moved'));
    attempt(() => t.rmdir('/moved'));
  }
  for (let i = 0; i < 12; i++) attempt(() => t.unlink(`/lin/file${i}`));
  for (let i = 0; i < 150; i += 7) attempt(() => t.unlink(`/tree/${i}-`.padEnd(66, 'n')));
  for (const f of ['/f', '/g', '/lin']) {
    attempt(() => t.listxattr(f));
    for (const name of ['small', 'block', 'large']) attempt(() => t.getxattr(f, `user.${name}`));
    attempt(() => t.setxattr(f, 'user.new', chance.bytes(chance.below(600))));
    attempt(() => t.setxattr(f, 'user.block', null));
    attempt(() => t.getxattr(f, 'system.posix_acl_access'));
  }
  for (const l of ['/links/fast', '/links/slow']) attempt(() => t.readlink(l));
  attempt(() => t.rmdir('/inline'));
  return seen;
}

function damage(device: RamDevice, blocks: number[], chance: Prng): string {
  const done: string[] = [];
  for (let n = 1 + chance.below(3); n > 0; n--) {
    const block = blocks[chance.below(blocks.length)]!;
    const at = chance.chance(0.5) ? 4 * chance.below(BLOCK / 4) : 4 * chance.below(16);
    const word = [0, 1, 0xff, 0xffff, 0xffffffff, 0x7fffffff, chance.u32(), 0x000c0000, 12];
    const value = word[chance.below(word.length)]!;
    const b = new Uint8Array(4);
    if (chance.chance(0.5)) new DataView(b.buffer).setUint32(0, value, true);
    else {
      device.peek(block * BLOCK + at, b);
      b[chance.below(4)]! ^= 1 << chance.below(8);
    }
    device.poke(block * BLOCK + at, b);
    done.push(`${block}+${at}`);
  }
  return done.join(' ');
}

for (const args of [
  ['-t', 'ext4', '-O', '^metadata_csum'],
  ['-t', 'ext4', '-O', 'ea_inode,inline_data,^metadata_csum'],
  ['-t', 'ext2', '-I', '128'],
]) {
  test(`damaged names and attributes are errors (${args.join(' ')})`, () => {
    const image = build(args);
    const blocks = targets(image);
    expect(blocks.length).toBeGreaterThan(15);
    const good = image.bytes();
    const total: Record<string, number> = {};
    for (let seed = 1; seed <= 60; seed++) {
      const chance = new Prng(seed);
      const device = new RamDevice(bytes(good.length));
      device.poke(0, good);
      const what = damage(device, blocks, chance);
      const started = performance.now();
      try {
        const t = new Tree(device, { cacheSize: 4 << 20 });
        const seen = useAll(t, chance);
        for (const [k, v] of Object.entries(seen)) total[k] = (total[k] ?? 0) + v;
      } catch (e) {
        if (!(e instanceof FsError)) throw new Error(`seed ${seed}, ${what}`, { cause: e });
      }
      expect(performance.now() - started, `seed ${seed}`).toBeLessThan(10_000);
    }
    expect(total['EUCLEAN'] ?? 0).toBeGreaterThan(20);
    expect(total['ok'] ?? 0).toBeGreaterThan(500);
  });
}
