// Goal: whatever a field of a record says, an image that is mounted and used answers with success
// or an errno that names the place; it never crashes, hangs or takes memory without bound, and
// what is damaged is not written to. Method: every field of every kind of record in golden images,
// several values each, checksums made right again so that the checks behind them are reached;
// then random bytes. FOLIOFS_EFFORT=10 looks at ten times as many.
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { type BytesField, type Field, type StructInfo, structs } from '../../src/base/struct.ts';
import { effort, seedShift, timeLimit } from '../support/effort.ts';
import { goldenImage, goldenNames } from '../support/images.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { haveE2fsprogs } from '../support/judges.ts';
import { fsckDevice } from '../support/ram-image.ts';
import { Watchdog } from '../support/watchdog.ts';
import { type Place, Records } from './records.ts';
import { type Outcome, use } from './use.ts';
import { newDamage } from './verdict.ts';

/** Together they contain every record. */
const IMAGES = [
  'ext4-1k',
  'ext2-1k',
  'gdt-csum',
  'no-csum',
  'extents-depth-2',
  'indirect-double',
  'dir-linear',
  'htree-depth-2',
  'htree-no-csum',
  'inline-dirs',
  'inline-files',
  'xattr-inode',
  'xattr-block',
  'ea-inode',
  'acl',
  'casefold-htree',
  'encrypt',
  'verity',
  'quota',
  'orphan-file',
  'mmp',
  'symlinks',
];
/** Records that no image at rest contains, or that are not on the disk; each with the reason. */
const ELSEWHERE = new Map([
  ['fscrypt_context_v2', 'made by a key holder of newer kernels'],
  ['fscrypt_symlink_data', 'variable; random bytes reach it'],
  ['fsverity_footer', 'random bytes reach it'],
  ['qt_disk_dqdbheader', 'quota trees are not read'],
  ['v2r1_disk_dqblk', 'quota trees are not read'],
  ['ext4_dir_entry_hash', 'needs a directory both encrypted and casefolded'],
  ['ext4_acl_entry_short', 'a prefix of ext4_acl_entry'],
  ['posix_acl_xattr_header', 'not on the disk'],
  ['posix_acl_xattr_entry', 'not on the disk'],
]);
const JOURNAL = /^(journal_header|journal_block_tag|jbd2_|commit_header|ext4_fc_)/;

/** Trials of an image in a usual run, chosen by chance: all of them take half an hour. */
const TRIALS = 60;
const dog = new Watchdog(20_000);
afterAll(() => dog.stop());
const judged = haveE2fsprogs();

interface Trial {
  readonly where: string;
  readonly damage: (image: Uint8Array) => void;
}

function trialsOf(place: Place): Trial[] {
  return place.record.$fields.flatMap((field) => damages(place, field));
}

function damages(place: Place, field: Field | BytesField): Trial[] {
  const from = place.at + field.offset;
  const about = `${place.record.$name}.${field.name} of ${place.of}`;
  const trial = (how: string, change: (bytes: Uint8Array) => void): Trial => ({
    where: `${about} ${how}`,
    damage: (image) => {
      change(image.subarray(from, from + field.size));
      place.fix(image);
    },
  });
  return [
    trial('all zero', (b) => b.fill(0)),
    trial('all ones', (b) => b.fill(0xff)),
    trial('lowest bit flipped', (b) => {
      b[0]! ^= 1;
    }),
    trial('highest bit flipped', (b) => {
      b[b.length - 1]! ^= 0x80;
    }),
    trial('one more in its second byte', (b) => {
      b[b.length > 1 ? 1 : 0]! += 1;
    }),
  ];
}

/** So many of them, without order. */
function chosen(chance: Prng, trials: readonly Trial[], count: number): Trial[] {
  const left = [...trials];
  const out: Trial[] = [];
  while (left.length > 0 && out.length < count) {
    const at = chance.below(left.length);
    out.push(left[at]!);
    left[at] = left.at(-1)!;
    left.pop();
  }
  return out;
}

function run(image: Uint8Array, { where, damage }: Trial, write: boolean): Outcome {
  const copy = image.slice();
  damage(copy);
  try {
    return dog.watch(where, () => use(copy, write));
  } catch (e) {
    throw new Error(`${where}${write ? ', writing' : ''}: ${(e as Error).stack ?? String(e)}`);
  }
}

const present = IMAGES.filter((name) => goldenNames().includes(name));

test('the images contain every record', () => {
  const found = new Set<string>();
  for (const name of present) {
    for (const { record } of new Records(goldenImage(name)).places) found.add(record.$name);
  }
  const missing = structs
    .map((s: StructInfo) => s.$name)
    .filter((name) => !found.has(name) && !ELSEWHERE.has(name) && !JOURNAL.test(name));
  expect(missing).toEqual([]);
});

test.each(present)('%s: used without damage, it stays sound', (name) => {
  const { errors, mounted, device } = use(goldenImage(name), true);
  expect(mounted).toBe(true);
  expect(errors.filter((e) => e.startsWith('EUCLEAN'))).toEqual([]);
  if (!judged) return;
  const { status, output } = fsckDevice(device.toRam(), join(scratchDir(), 'image'));
  expect(status, output).toBe(0);
});

test.each(present)(
  '%s: every field of every record',
  (name) => {
    const image = goldenImage(name);
    const clean = use(image, true);
    expect(clean.mounted).toBe(true);
    const chance = new Prng(11 + seedShift);
    const path = join(scratchDir(), 'image');
    const problems: string[] = [];
    let told = 0;
    const trials = new Records(image).places.flatMap(trialsOf);
    for (const trial of chosen(chance, trials, TRIALS * effort)) {
      try {
        const { errors, device } = run(image, trial, chance.chance(0.7));
        told += errors.length;
        if (!judged || errors.length === 0 || !chance.chance(0.2)) continue;
        const damaged = image.slice();
        trial.damage(damaged);
        const worse = newDamage(damaged, device, path);
        if (worse.length > 0) problems.push(`${trial.where}: ${worse.join(' | ')}`);
      } catch (e) {
        problems.push((e as Error).message);
      }
    }
    expect(problems.slice(0, 10)).toEqual([]);
    expect(told).toBeGreaterThan(0);
  },
  timeLimit(60_000),
);

/** Trials that once did harm, each a record of an image and a change of one of its fields. */
const KNOWN: readonly [image: string, record: string, field: string, of: string, how: string][] = [
  ['gdt-csum', 'ext4_group_desc', 'bg_block_bitmap_lo', 'group 1', 'one more in its second byte'],
  ['ext4-1k', 'ext4_group_desc', 'bg_free_blocks_count_lo', 'group 0', 'lowest bit flipped'],
  ['htree-no-csum', 'ext4_group_desc', 'bg_free_inodes_count_lo', 'group 0', 'all zero'],
  ['inline-files', 'ext4_inode', 'i_links_count', 'inode 16', 'all ones'],
  ['verity', 'ext4_group_desc', 'bg_inode_bitmap_csum_hi', 'group 0', 'highest bit flipped'],
  ['verity', 'ext4_group_desc', 'bg_block_bitmap_csum_hi', 'group 0', 'all ones'],
  ['verity', 'ext4_extent', 'ee_start_lo', 'inode 17', 'lowest bit flipped'],
  ['verity', 'ext4_extent', 'ee_len', 'inode 16', 'one more in its second byte'],
  ['ext4-1k', 'ext4_super_block', 's_feature_compat', 'the super block', 'all zero'],
  [
    'indirect-double',
    'ext4_group_desc',
    'bg_inode_bitmap_lo',
    'group 0',
    'one more in its second byte',
  ],
  ['orphan-file', 'ext4_dir_entry_2', 'inode', 'inode 11', 'all zero'],
  ['htree-depth-2', 'ext4_super_block', 's_feature_ro_compat', 'the super block', 'all zero'],
  ['mmp', 'ext4_super_block', 's_want_extra_isize', 'the super block', 'lowest bit flipped'],
];

test.each(KNOWN)('%s, %s.%s of %s %s: no harm is done', (name, record, field, of, how) => {
  const image = goldenImage(name);
  const where = `${record}.${field} of ${of} ${how}`;
  const trials = new Records(image).places.flatMap(trialsOf).filter((t) => t.where === where);
  expect(trials.length).toBeGreaterThan(0);
  const path = join(scratchDir(), 'image');
  for (const trial of trials) {
    const { device, errors } = run(image, trial, true);
    expect(errors.length).toBeGreaterThan(0);
    const damaged = image.slice();
    trial.damage(damaged);
    if (judged) expect(newDamage(damaged, device, path)).toEqual([]);
  }
});

test.each(present)(
  '%s: random bytes',
  (name) => {
    const image = goldenImage(name);
    const chance = new Prng(5 + seedShift);
    const places = new Records(image).places;
    const problems: string[] = [];
    for (let round = 0; round < 12 * effort; round++) {
      const trial = randomTrial(chance, places, image.length);
      try {
        run(image, trial, round % 3 > 0);
      } catch (e) {
        problems.push((e as Error).message);
      }
    }
    expect(problems.slice(0, 10)).toEqual([]);
  },
  timeLimit(60_000),
);

/** A few bytes anywhere, or in records, these with their checksums made right. */
function randomTrial(chance: Prng, places: readonly Place[], size: number): Trial {
  const changes: [number, number][] = [];
  const fixes: Place['fix'][] = [];
  for (let i = 0; i <= chance.below(5); i++) {
    const place = places[chance.below(places.length)]!;
    const inRecord = chance.chance(0.6);
    const at = inRecord ? place.at + chance.below(place.record.$size) : chance.below(size);
    changes.push([at, chance.below(256)]);
    if (inRecord) fixes.push(place.fix);
  }
  return {
    where: `bytes ${JSON.stringify(changes)}`,
    damage: (image) => {
      for (const [at, value] of changes) image[at] = value;
      for (const fix of fixes) fix(image);
    },
  };
}
