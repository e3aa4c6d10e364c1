// Goal: what e2fsck finds, we find, and where we find more there is a reason; and no damage makes
// the checker throw, hang or grow. Method: every field of every kind of record spoiled in turn,
// random bits of all golden images, whole blocks of noise.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { checkFile, problemLines } from '../support/checked.ts';
import { goldenImage, goldenManifest, goldenNames, goldenPath } from '../support/images.ts';
import { type Damage, damageImage, damagesOf, recordsOf, withDamage } from './damage.ts';
import { APART, disagreement } from './verdict.ts';

const NO_CSUM = '^metadata_csum,^has_journal,^resize_inode';
const BASE = ['-b', '1024', '-N', '256'];
const EXT4 = ['-t', 'ext4', ...BASE];
const cases: readonly [name: string, args: string[], indexed: boolean][] = [
  ['ext4 without checksums', [...EXT4, '-O', NO_CSUM], true],
  ['ext4 with checksums', [...EXT4, '-J', 'size=1'], true],
  ['ext3', ['-t', 'ext3', ...BASE, '-I', '128', '-J', 'size=1'], false],
  ['inline data', [...EXT4, '-O', `${NO_CSUM},inline_data,large_dir`], true],
  ['bigalloc', [...EXT4, '-O', `${NO_CSUM},bigalloc`, '-C', '4096'], true],
  ['quota, orphan file', [...EXT4, '-O', 'quota,project,orphan_file', '-J', 'size=1'], true],
];

for (const [name, args, indexed] of cases) {
  test(`${name}: every field of every record`, { timeout: 600_000 }, () => {
    const image = damageImage(args, indexed);
    // Quota is counted anew only by the second run.
    for (const how of ['-fy', indexed ? '-fyD' : '-fy', '-fy'])
      spawnSync('e2fsck', [how, image.path]);
    expect(image.fsck().code).toBe(0);
    expect(problemLines(checkFile(image.path).problems)).toEqual([]);
    const bytes = image.bytes();
    const damages = recordsOf(image, indexed).flatMap((record) => damagesOf(bytes, record));
    expect(damages.length).toBeGreaterThan(500);
    // One of the forms of each field or so, in turn: each costs a run of e2fsck.
    const some = damages.filter((_, i) => i % 5 === 0);
    expect(differences(image.path, some)).toEqual([]);
  });
}

const differences = (path: string, damages: readonly Damage[]): string[] =>
  damages.flatMap((damage) => {
    if (APART.some(([which]) => which.test(damage.what))) return [];
    const text = withDamage(path, damage, () => disagreement(path));
    return text === null ? [] : [`${damage.what}: ${text}`];
  });

/** One bit of a byte that is not 0, so that something is hit. */
function flips(bytes: Uint8Array, count: number, prng: Prng): Damage[] {
  const where: number[] = [];
  for (let i = 1024; i < bytes.length; i++) if (bytes[i] !== 0) where.push(i);
  return Array.from({ length: count }, () => {
    const at = where[prng.below(where.length)]!;
    const bit = prng.below(8);
    const what = `bit ${bit} of byte ${at} (1 KiB block ${Math.floor(at / 1024)} + ${at % 1024})`;
    return { what, at, bytes: Uint8Array.of(bytes[at]! ^ (1 << bit)) };
  });
}

/** Sound and readable as they are: golden.test.ts has those that are not. */
const small = goldenNames().filter((name) => {
  const entry = goldenManifest[name]!;
  const odd = /^(super-|mmp-held|needs-recovery|state-error)/.test(name);
  return entry.fsck === 0 && entry.size <= 8 << 20 && !odd;
});

test('golden images: random bits', { timeout: 600_000 }, () => {
  const prng = new Prng(11);
  const found: string[] = [];
  for (const name of small) {
    using image = goldenPath(name);
    const damages = flips(goldenImage(name), 8, prng);
    found.push(...differences(image.path, damages).map((d) => `${name}: ${d}`));
  }
  expect(found).toEqual([]);
});

test('golden images: blocks of noise never make it throw', { timeout: 600_000 }, () => {
  const prng = new Prng(12);
  const block = new Uint8Array(1024);
  let [seen, unseen] = [0, 0];
  for (const name of small) {
    using image = goldenPath(name);
    const fd = openSync(image.path, 'r');
    for (let i = 0; i < 12; i++) {
      // Metadata stand at the front of these images.
      const at = 2048 + 1024 * prng.below(200);
      if (readSync(fd, block, 0, 1024, at) === 0) continue;
      const empty = block.every((b) => b === 0);
      const damage = { what: '', at, bytes: prng.bytes(1024) };
      const { problems } = withDamage(image.path, damage, () => checkFile(image.path));
      if (problems.length > 0) seen++;
      else if (!empty) unseen++;
    }
    closeSync(fd);
  }
  // The rest is content of files.
  expect(seen).toBeGreaterThan(unseen);
});

test('the judge can tell: a problem that is not in the list is a difference', () => {
  const image = damageImage([...EXT4, '-O', NO_CSUM], true);
  spawnSync('e2fsck', ['-fyD', image.path]);
  expect(disagreement(image.path)).toBe(null);
  image.debugfs('set_inode_field /a/file links_count 7');
  expect(image.fsck().code).toBe(4);
  expect(checkFile(image.path).problems.map((p) => p.code)).toEqual(['link-count']);
});
