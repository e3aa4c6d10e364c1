// Goal: our checker finds no problem in an image exactly if e2fsck finds none. Method: every golden
// image, with e2fsck's exit status as the manifest keeps it; where the two differ, it is said why.
import { expect, test } from 'vitest';
import { checkFile, problemLines } from '../support/checked.ts';
import { goldenManifest, goldenNames, goldenPath } from '../support/images.ts';

/** What we find where `e2fsck -fn` exits 0: see verdict.ts for the reasons. */
const STRICTER: Readonly<Record<string, string>> = {
  'mmp-held': 'mmp-in-use',
  'needs-recovery-fast-commit': 'journal-needs-recovery',
  'needs-recovery-kernel': 'journal-needs-recovery',
  'needs-recovery-plain': 'journal-needs-recovery',
  'needs-recovery-revoke': 'journal-needs-recovery',
  'needs-recovery-v2': 'journal-needs-recovery',
  'needs-recovery-v3': 'journal-needs-recovery',
  'needs-recovery-orphan-file': 'journal-needs-recovery',
  'state-error': 'state-error',
};

/** Images that cannot be checked at all: an operational error, which names the reason. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  'external-journal': /s_journal_dev/,
  'incompat-compression': /compression/,
  'incompat-dirdata': /dirdata/,
  'incompat-unknown': /FEATURE_I20/,
  'journal-device': /journal_dev/,
  'super-block-size': /ext4_super_block/,
  'super-no-magic': /s_magic/,
  'super-truncated': /ext4_super_block/,
};

for (const name of goldenNames()) {
  test(`${name}: as e2fsck sees it`, () => {
    using image = goldenPath(name);
    const refused = REFUSED[name];
    if (refused) {
      expect(() => checkFile(image.path)).toThrow(refused);
      return;
    }
    const { problems } = checkFile(image.path);
    const stricter = STRICTER[name];
    if (stricter) expect(problems.map((p) => p.code)).toEqual([stricter]);
    else if (goldenManifest[name]?.fsck === 0) expect(problemLines(problems)).toEqual([]);
    else expect(problems.length).toBeGreaterThan(0);
  });
}
