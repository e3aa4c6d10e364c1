// Goal: our checker finds no problem in an image exactly if e2fsck finds none. Method: every golden
// image, with e2fsck's exit status as the manifest keeps it.
import { expect, test } from 'vitest';
import { checkFile, problemLines } from '../support/checked.ts';
import { goldenManifest, goldenNames, goldenPath } from '../support/images.ts';

for (const name of goldenNames()) {
  test(`${name}: as e2fsck sees it`, () => {
    using image = goldenPath(name);
    const { problems } = checkFile(image.path);
    if (goldenManifest[name]?.fsck === 0) expect(problemLines(problems)).toEqual([]);
    else expect(problems.length).toBeGreaterThan(0);
  });
}
