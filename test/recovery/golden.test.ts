// Goal: an image with a journal to replay shows what the kernel shows of it after its recovery,
// whether it is recovered in memory or on the disk. Method: every golden image that keeps the tree
// after the recovery.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { haveLoop, isNotAvailable, kernelTreeOf, compareTrees, e2fsck } from '../support/judges.ts';
import { goldenNames, goldenPath, goldenTree } from '../support/images.ts';
import { mountFile } from '../support/mounted.ts';

const names = goldenNames('needs_recovery');
test('there are such images', () => {
  expect(names.length).toBeGreaterThanOrEqual(6);
});

test.each(names)('%s: written home', async (name) => {
  using image = goldenPath(name);
  const m = mountFile(image.path, { readOnly: false });
  expect(m.warnings.join('\n')).toMatch(/replayed: \d+ transaction/);
  m.umount();
  expect(e2fsck(image.path)).toMatchObject({ status: 0 });
  if (!haveLoop()) return;
  const tree = await kernelTreeOf(image.path);
  if (isNotAvailable(tree)) return;
  expect(compareTrees(tree, goldenTree(name), ['atime'])).toEqual([]);
});

test.each(names)('%s: in memory', (name) => {
  using image = goldenPath(name);
  const before = readFileSync(image.path);
  const m = mountFile(image.path, { readOnly: true });
  expect(m.warnings.join('\n')).toMatch(/replayed in memory/);
  m.umount();
  expect(Buffer.compare(before, readFileSync(image.path))).toBe(0);
});
