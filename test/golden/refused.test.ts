// Goal: an image that must not open does not, says why in words that name the feature, and opens
// no other way. Method: every golden image that is to be refused, mounted for reading and writing.
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { goldenNames, goldenPath, goldenTree } from '../support/images.ts';
import { mountFile } from '../support/mounted.ts';

const refused = goldenNames().filter((name) => goldenTree(name).refused);
const closed = refused.filter((name) => !goldenTree(name).refused?.readOnly);

/** What mounting throws; null when it does not. */
function failure(path: string, readOnly: boolean): unknown {
  try {
    mountFile(path, { readOnly }).umount();
    return null;
  } catch (e) {
    return e;
  }
}

test('there are images to refuse', () => {
  expect(closed.length).toBeGreaterThan(10);
});

test.each(closed)('%s does not open', (name) => {
  const { errno, feature } = goldenTree(name).refused ?? {};
  using image = goldenPath(name);
  for (const readOnly of [true, false]) {
    const e = failure(image.path, readOnly);
    expect(e).toBeInstanceOf(FsError);
    expect((e as FsError).code).toBe(errno);
    if (feature) expect((e as FsError).message).toContain(feature);
  }
});

test.each(refused.filter((name) => !closed.includes(name)))('%s opens for reading', (name) => {
  using image = goldenPath(name);
  expect(failure(image.path, true)).toBe(null);
});
