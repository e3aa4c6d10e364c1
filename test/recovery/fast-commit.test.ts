// Goal: after a replay of fast commits the image holds what was durable when the machine went down.
// Method: the kernel works, with an fsync after each write, says what it sees, and is shut down
// without a last flush. (The kernel is not asked to replay what it wrote: 6.18 leaves wrong link
// counts behind, and has a BUG for files with block maps.) e2fsck -fn finds nothing to mend.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { crc32c } from '../../src/base/checksum.ts';
import { Prng } from '../../src/base/prng.ts';
import { openSync } from '../../src/index.ts';
import { EXT4_FC_TAG_HEAD, EXT4_FC_TAG_TAIL, FcTail, FcTl } from '../../src/jbd2/disk.ts';
import { scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { effort, seedShift, timeLimit } from '../support/effort.ts';
import { JournalBytes, shutDown } from '../support/journal-image.ts';
import { e2fsck } from '../support/judges.ts';
import { deviceOfBytes } from '../support/ram-image.ts';
import { kernelMounts } from '../support/kernel.ts';
import { type Listing, listingOf, worked } from './listing.ts';

function recovered(path: string, readOnly: boolean): Listing {
  const said: string[] = [];
  const volume = openSync(path, { readOnly, warn: (s) => said.push(s) });
  try {
    expect(volume.readOnly).toBe(readOnly);
    if (readOnly) return listingOf(volume);
    return {};
  } finally {
    volume.closeSync();
  }
}

/** Recover in memory, then on the disk, and look again. */
function expectRecovered(image: TestImage, live: Listing): void {
  const before = image.bytes();
  expect(recovered(image.path, true)).toEqual(live);
  expect(Buffer.compare(before, image.bytes())).toBe(0);
  recovered(image.path, false);
  expect(e2fsck(image.path)).toMatchObject({ status: 0 });
  expect(recovered(image.path, true)).toEqual(live);
}

const FORMS: [string, string[]][] = [
  ['blocks of 1 KiB', ['-b', '1024', '-O', 'fast_commit']],
  ['blocks of 4 KiB', ['-b', '4096', '-O', 'fast_commit']],
  ['without checksums', ['-b', '1024', '-O', 'fast_commit,^metadata_csum,^64bit']],
  ['block maps', ['-b', '1024', '-O', 'fast_commit,^extent,^64bit']],
  ['clusters', ['-b', '1024', '-O', 'fast_commit,bigalloc', '-C', '4096']],
];

const SEEDS = Array.from({ length: 2 * effort }, (_, i) => 1 + i + seedShift);

for (const [form, args] of FORMS) {
  test.each(SEEDS)(
    `fast commits of the kernel, ${form}: seed %i`,
    (seed) => {
      const mkfs = ['-t', 'ext4', ...args];
      if (!kernelMounts(mkfs)) return;
      const { image, live } = worked(mkfs, seed);
      expectRecovered(image, live);
    },
    timeLimit(120_000),
  );
}

const STEPS = `
def put(name, size):
    f = os.open(name, os.O_CREAT | os.O_RDWR)
    os.write(f, name[:1].encode() * size); os.fsync(f); os.close(f)
put('a', 100); put('b', 3000)
for name in 'cdefg': put(name, 2000)
`;

/** A file is there wholly or not at all, and every one before it. */
function prefixOf(listing: Listing): string {
  return Object.keys(listing)
    .filter((p) => /^\/[a-g]$/.test(p))
    .map((p) => p[1])
    .sort()
    .join('');
}

test('a stream of fast commits that is cut anywhere ends with the last whole one', ({ skip }) => {
  const mkfs = ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit'];
  skip(!kernelMounts(mkfs), 'the kernel mounts no such images here');
  const image = shutDown(mkfs, '24M', STEPS);
  const whole = JournalBytes.of(image, 1024);
  const area = [...Array(whole.length).keys()].filter((i) => {
    const b = whole.block(i);
    return i > whole.length - 64 && b.data.some((x) => x !== 0);
  });
  expect(area.length).toBeGreaterThanOrEqual(4);
  const path = join(scratchDir(), 'cut');
  const seen: string[] = [];
  for (const i of area) {
    for (const at of [0, 3, 40, 300]) {
      const log = whole.over(whole.image.slice());
      log.block(i).data[at]! ^= 0x55;
      image.restore(log.image);
      copyFileSync(image.path, path);
      seen.push(prefixOf(recovered(path, true)));
      recovered(path, false);
      expect(e2fsck(path)).toMatchObject({ status: 0 });
    }
  }
  const all = 'abcdefg';
  for (const prefix of seen) expect(all.startsWith(prefix)).toBe(true);
  expect(new Set(seen).size).toBeGreaterThan(3);
  // What was reported durable is there while the tail that says so is.
  const first = whole.block(area[0] ?? 0).view;
  expect([1, 2, 3, 4, 5, 6, EXT4_FC_TAG_TAIL, 9]).toContain(FcTl.fc_tag.get(first, 0));
});

/** Where the TAIL of a block's one commit stands, or -1. */
function tailOf(view: DataView): number {
  for (let at = 0; at + FcTl.$size <= view.byteLength;) {
    const tag = FcTl.fc_tag.get(view, at);
    if (tag === EXT4_FC_TAG_TAIL) return at;
    if (tag === 0 || tag > EXT4_FC_TAG_HEAD) return -1;
    at += FcTl.$size + FcTl.fc_len.get(view, at);
  }
  return -1;
}

test('records that lie under a right checksum are replayed or refused, and nothing hangs', ({
  skip,
}) => {
  const mkfs = ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit'];
  skip(!kernelMounts(mkfs), 'the kernel mounts no such images here');
  const image = shutDown(
    mkfs,
    '24M',
    `${STEPS}\nos.mkdir('dir'); put('dir/h', 5000); os.unlink('a'); put('i', 1)`,
  );
  const whole = JournalBytes.of(image, 1024);
  const area = [...Array(whole.length).keys()].filter(
    (i) => i > whole.length - 64 && tailOf(whole.block(i).view) > 0,
  );
  expect(area.length).toBeGreaterThan(4);
  const prng = new Prng(3 + seedShift);
  let replayed = 0;
  for (let trial = 0; trial < 120 * effort; trial++) {
    const log = whole.over(whole.image.slice());
    const { data, view } = log.block(area[prng.below(area.length)] ?? 0);
    const tail = tailOf(view);
    const at = prng.below(tail);
    data[at] = prng.below(2) === 0 ? prng.below(256) : data[at]! ^ (1 << prng.below(8));
    const crcAt = tail + FcTl.$size + FcTail.fc_crc.offset;
    view.setUint32(crcAt, crc32c(0, data, 0, crcAt), true);
    for (const readOnly of [true, false]) {
      try {
        const volume = openSync(deviceOfBytes(log.image), { readOnly });
        try {
          listingOf(volume);
          replayed++;
        } finally {
          volume.closeSync();
        }
      } catch (e) {
        // The library dresses every errno; anything else is a defect of ours.
        expect((e as { code?: string }).code, String(e)).toMatch(/^E[A-Z]+$/);
      }
    }
  }
  expect(replayed).toBeGreaterThan(50);
});
