// Goal: two commands that change one image at the same time do not mix. Method: what each keeps
// back until its first change, one after the other.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nameFromText } from '../../src/base/name.ts';
import { sysMkdir } from '../../src/syscall/dir.ts';
import { Volume } from '../../src/cli/volume.ts';
import { emptyImage, expectClean, ok, scratch } from '../support/cli.ts';

test.each(['mmp', '^mmp'])(
  '-O %s: of two that are open, the second to change is refused',
  (word) => {
    const image = emptyImage(scratch(), '-O', word);
    const first = new Volume(image, { readOnly: false });
    const second = new Volume(image, { readOnly: false });
    first.run(sysMkdir(first.process, nameFromText('/mine'), 0o755));
    first.keep();
    const before = readFileSync(image);
    second.run(sysMkdir(second.process, nameFromText('/other'), 0o755));
    for (let again = 0; again < 2; again++) {
      expect(() => {
        second.keep();
      }).toThrow(/somebody else changed the image meanwhile/);
    }
    second.close();
    expect(Buffer.compare(before, readFileSync(image))).toBe(0);
    first.close();
    expect(ok(['ls', `${image}:/`])).toBe('lost+found\nmine\n');
    expectClean(image);
  },
);
