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
import { fsckDevice, deviceOfBytes } from '../support/ram-image.ts';
import { Watchdog } from '../support/watchdog.ts';
import { type Place, Records } from './records.ts';
import { type Outcome, use } from './use.ts';

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

/** What e2fsck says of an image, line by line, without its questions; null: it cannot be read. */
function sentences(image: Uint8Array | Outcome['device'], path: string): string[] | null {
  const device = image instanceof Uint8Array ? deviceOfBytes(image) : image.toRam();
  const { status, output } = fsckDevice(device, path);
  if (status >= 8) return null;
  return output
    .split('\n')
    .map((l) =>
      l.replace(/(^|\s)(Fix|Clear|Connect to \/lost\+found|Clone .*|Delete file)\? no$/, ''),
    )
    .filter((l) => !/^(e2fsck \d|Pass \d|\s*$|.*: \*+ |.*files \()/.test(l));
}

/** A sentence without its numbers: a kind of damage. */
const kindOf = (line: string): string => line.replace(/\d+/g, 'N').replace(/'.*'|\(.*\)|".*"/g, '');

/** Damage after, which was not there before. */
function newDamage(before: Uint8Array, after: Outcome['device'], path: string): string[] {
  const old = sentences(before, path);
  if (!old) return [];
  const known = new Set(old.map(kindOf));
  const fresh = (sentences(after, path) ?? []).filter((line) => !known.has(kindOf(line)));
  return fresh.filter((line) => !FOLLOWS.some(([what, why]) => follows(what.exec(line), why, old)));
}

const follows = (
  match: RegExpExecArray | null,
  why: (match: RegExpExecArray, line: string) => boolean,
  old: readonly string[],
): boolean => match !== null && old.some((line) => why(match, line));

/**
 * Sentences about what was wrong before, in the words for what has become of it by our rightful
 * use; each with the sentence that must have stood there.
 */
const FOLLOWS: readonly [
  after: RegExp,
  because: (after: RegExpExecArray, before: string) => boolean,
][] = [
  // An inode that counted more links than it has names (it says so wrongly, or the directory of
  // the other names cannot be read) has lost those it had: its count keeps it.
  [
    /^Unattached inode (\d+)/,
    ([, ino], line) => {
      const [, which, count, names] =
        /^Inode (\d+) ref count is (\d+), should be (\d+)/.exec(line) ?? [];
      return which === ino && Number(count) > Number(names);
    },
  ],
  // The sum in the super block is made of the groups' numbers, at mount, as Linux makes it.
  [
    /^Free (blocks|inodes) count wrong \(/,
    ([, what], line) => line.startsWith(`Free ${what!} count wrong for group`),
  ],
  // What belongs to nobody any more stays taken where the bitmap may not be touched.
  [
    /^(Block|Inode) bitmap differences:( +-(\d+|\(\d+--\d+\)))+ *$/,
    ([, what], line) =>
      line.includes(`${what!.toLowerCase()} bitmap does not match checksum`) ||
      (what === 'Block' && line.startsWith('Free blocks count wrong for group')),
  ],
];

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
