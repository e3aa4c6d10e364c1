// Goal: after our recovery every block of the image is what e2fsck's recovery makes it, for each
// form of the log. Method: logs written by debugfs, changed by hand where debugfs cannot write the
// form; both recoveries on copies, compared byte by byte, but for the two super blocks.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JBD2_MAGIC_NUMBER, JournalHeader, JournalSuperblock as S } from '../../src/jbd2/disk.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { JournalBytes, type Step, writeLog } from '../support/journal-image.ts';
import { mountFile } from '../support/mounted.ts';

const FIRST_FREE = 2000;
const contents = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

/** Bytes after e2fsck has replayed the journal and done nothing else. */
function byE2fsck(image: TestImage): Uint8Array {
  const copy = join(scratchDir(), 'e2fsck');
  copyFileSync(image.path, copy);
  try {
    execFileSync('e2fsck', ['-y', '-E', 'journal_only', copy], { stdio: 'pipe' });
  } catch (e) {
    if (((e as { status?: number }).status ?? 8) >= 4) throw e;
  }
  return contents(copy);
}

function byUs(image: TestImage): Uint8Array {
  const copy = join(scratchDir(), 'ours');
  copyFileSync(image.path, copy);
  const m = mountFile(copy, { readOnly: false });
  expect(m.sb.readOnly).toBe(false);
  m.umount();
  return contents(copy);
}

/** Blocks in which two images differ, without the super blocks of file system and journal. */
function differences(a: Uint8Array, b: Uint8Array, log: JournalBytes): number[] {
  const { blockSize } = log;
  const apart = new Set([Math.floor(1024 / blockSize), log.placeOf(0) / blockSize]);
  const found: number[] = [];
  for (let nr = 0; nr * blockSize < a.length; nr++) {
    const part = [nr * blockSize, (nr + 1) * blockSize] as const;
    if (!apart.has(nr) && Buffer.compare(a.subarray(...part), b.subarray(...part)) !== 0) {
      found.push(nr);
    }
  }
  return found;
}

function expectSame(image: TestImage, blockSize: number): Uint8Array {
  const log = JournalBytes.of(image, blockSize);
  const ours = byUs(image);
  expect(differences(ours, byE2fsck(image), log)).toEqual([]);
  expect(S.s_start.get(log.over(ours).super.view, 0)).toBe(0);
  return ours;
}

const MAGIC = (size: number): Uint8Array => {
  const block = Buffer.alloc(size, 'm');
  block.writeUInt32BE(JBD2_MAGIC_NUMBER);
  return block;
};

/** Blocks logged twice, revoked, revoked and logged again; one that begins with the magic. */
const STEPS = (size: number): Step[] => [
  { write: { 2000: 'a', 2001: 'b', 2002: MAGIC(size), 2003: 'd' } },
  { revoke: [2001] },
  // debugfs forgets the commit block of a transaction that does both.
  { revoke: [2003] },
  { write: { 2000: 'A', 2004: 'e' } },
  { write: { 2003: 'D' } },
];

const FORMS: [string, number, string, string][] = [
  ['version 3, 64bit', 1024, '64bit', '-c -v 3'],
  ['version 3, 32 bits', 1024, '^64bit', '-c -v 3'],
  ['version 2, 64bit', 1024, '64bit', '-c -v 2'],
  ['version 2, 32 bits', 1024, '^64bit', '-c -v 2'],
  ['no checksums, 64bit', 1024, '64bit,^metadata_csum', ''],
  ['no checksums, 32 bits', 1024, '^64bit,^metadata_csum', ''],
  ['version 3, blocks of 4 KiB', 4096, '64bit', '-c -v 3'],
  ['a journal with a block map', 1024, '^64bit,^metadata_csum,^extent', ''],
];

function dirty(size: number, features: string, open: string, steps = STEPS(size)): TestImage {
  const args = ['-t', 'ext4', '-b', String(size), '-J', size === 1024 ? 'size=1' : 'size=4'];
  const image = makeImage([...args, '-O', features], size === 1024 ? '8M' : '24M');
  writeLog(image, size, open, steps);
  return image;
}

for (const [form, size, features, open] of FORMS) {
  test(`${form}: as e2fsck recovers it`, () => {
    const ours = expectSame(dirty(size, features, open), size);
    const letter = (nr: number): string => String.fromCharCode(ours[nr * size + 4] ?? 0);
    expect([0, 1, 2, 3, 4].map((i) => letter(FIRST_FREE + i))).toEqual(['A', '\0', 'm', 'D', 'e']);
  });
}

/** Blocks of that log. */
const used = 17;

test.each([1, 3, 5, 8, 15])('a log that goes round the end of the ring %i blocks on', (before) => {
  const image = dirty(1024, '64bit', '-c -v 3');
  const log = JournalBytes.of(image, 1024);
  log.rotate(used, log.length - before);
  image.restore(log.image);
  expectSame(image, 1024);
});

test('ids of transactions go round 2^32', () => {
  const image = dirty(1024, '^64bit,^metadata_csum', '');
  const log = JournalBytes.of(image, 1024);
  const base = S.s_sequence.get(log.super.view, 0);
  const moved = (t: number): number => (t - base + 0xffff_fffe) % 2 ** 32;
  for (let i = log.start; i < log.start + used; i++) {
    const { view } = log.block(i);
    if (JournalHeader.h_magic.get(view, 0) !== JBD2_MAGIC_NUMBER) continue;
    JournalHeader.h_sequence.set(view, 0, moved(JournalHeader.h_sequence.get(view, 0)));
  }
  log.changeSuper((v) => {
    S.s_sequence.set(v, 0, 0xffff_fffe);
  });
  image.restore(log.image);
  const ours = expectSame(image, 1024);
  // Five transactions were recovered, -2 to 2; the next one has an id that none in the log has.
  expect(S.s_sequence.get(log.over(ours).super.view, 0)).toBe(4);
});

test('a log that is cut anywhere ends with the last transaction before the cut', () => {
  const image = dirty(1024, '64bit', '-c -v 3');
  const whole = JournalBytes.of(image, 1024);
  for (const how of ['zeros', 'older'] as const) {
    for (let at = whole.start; at <= whole.start + used; at++) {
      const log = whole.over(whole.image.slice());
      for (let i = at; i <= whole.start + used; i++) {
        const { data, view } = log.block(i);
        if (how === 'zeros') data.fill(0);
        else if (JournalHeader.h_magic.get(view, 0) === JBD2_MAGIC_NUMBER) {
          JournalHeader.h_sequence.set(view, 0, 1);
        }
      }
      image.restore(log.image);
      expectSame(image, 1024);
    }
  }
});

test('an uncommitted transaction is not recovered', () => {
  const steps: Step[] = [{ write: { 2000: 'a' } }, { write: { 2000: 'z' }, uncommitted: true }];
  const ours = expectSame(dirty(1024, '64bit', '-c -v 3', steps), 1024);
  expect(String.fromCharCode(ours[2000 * 1024] ?? 0)).toBe('a');
});

test('a commit block of which only the first sector was written ends its transaction', () => {
  const image = dirty(1024, '64bit', '-c -v 3', [{ write: { 2000: 'a' } }]);
  const log = JournalBytes.of(image, 1024);
  log.block(log.start + 2).data.fill(0x77, 512);
  image.restore(log.image);
  expect(String.fromCharCode(byUs(image)[2000 * 1024] ?? 0)).toBe('a');
});

test('what is mounted for reading shows the recovered blocks, and the image stays as it is', () => {
  const image = dirty(1024, '64bit', '-c -v 3');
  const after = byUs(image);
  const before = image.bytes();
  const m = mountFile(image.path);
  for (let nr = FIRST_FREE; nr < FIRST_FREE + 5; nr++) {
    const block = new Uint8Array(1024);
    m.run(m.sb.device.transfer('read', nr * 1024, block));
    expect(Buffer.compare(block, after.subarray(nr * 1024, (nr + 1) * 1024))).toBe(0);
  }
  expect(() => m.run(m.sb.sops.remount!(false))).toThrow(/replayed in memory/);
  m.umount();
  expect(Buffer.compare(before, image.bytes())).toBe(0);
  writeFileSync(image.path, before);
});
