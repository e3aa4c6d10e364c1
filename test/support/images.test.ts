import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { goldenImage, goldenManifest, goldenNames, goldenPath, goldenTree } from './images.ts';

const KEPT_TOTAL = 3 * 1024 * 1024;

test('every kept image is there and is the one of the manifest', () => {
  let total = 0;
  for (const [name, entry] of Object.entries(goldenManifest)) {
    if (!entry.kept) continue;
    const packed = readFileSync(new URL(`../golden/${name}/${entry.file}`, import.meta.url));
    total += packed.length;
    const sha256 = createHash('sha256').update(gunzipSync(packed)).digest('hex');
    expect(sha256, name).toBe(entry.sha256);
  }
  expect(total).toBeLessThan(KEPT_TOTAL);
});

test('an image in memory and its sparse file are the same bytes', () => {
  const name = 'ext4-4k';
  const bytes = goldenImage(name);
  using file = goldenPath(name);
  expect(Buffer.compare(readFileSync(file.path), bytes)).toBe(0);
  expect(bytes.length).toBe(goldenManifest[name]?.size);
});

test('an unpacked file has holes and is gone when disposed', () => {
  let path: string;
  {
    using file = goldenPath('ext4-4k');
    path = file.path;
    expect(statSync(path).blocks * 512).toBeLessThan(statSync(path).size / 2);
  }
  expect(existsSync(path)).toBe(false);
});

test('names can be chosen by feature, and an unknown name is an error', () => {
  expect(goldenNames('rev-0')).toEqual(['ext2-rev0']);
  expect(() => goldenImage('no-such-image')).toThrow('no golden image');
});

test('every case has a tree, and it says who looked or why nobody can', () => {
  for (const name of goldenNames()) {
    const tree = goldenTree(name);
    expect(tree.source.length > 0 || tree.refused !== undefined, name).toBe(true);
  }
});
