// @ts-check
/**
 * Directories: linear and indexed, all hash versions, odd names, deleted entries, case-insensitive
 * look-up.
 */
import { golden } from './case.mjs';
import { deepenIndex, manyNames, writeDirectory } from './directory.mjs';
import { pattern } from './image.mjs';

const EXT4 = ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^has_journal'];

/**
 * One file with a name for each of `names` in `/dir`.
 * @param {import('./image.mjs').Image} image
 * @param {readonly (string | Buffer)[]} names
 * @param {Parameters<typeof writeDirectory>[3]} [how]
 */
function linked(image, names, how) {
  const perFile = 60_000;
  const files = Math.ceil(names.length / perFile);
  const first = 12;
  for (let i = 0; i < files; i++) image.write(`/target${i}`, pattern(`target${i}`, 100));
  const entries = names.map((name, i) => ({ name, ino: first + Math.floor(i / perFile) }));
  writeDirectory(image, 'dir', entries, how);
}

const HASHES = /** @type {const} */ (['legacy', 'half_md4', 'tea']);

const hashCases = HASHES.flatMap((hash) =>
  ['signed', 'unsigned'].map((sign) =>
    golden(
      `htree-${hash.replace('_', '-')}-${sign}`,
      `An indexed directory of 500 names by the ${hash} hash of ${sign} characters.`,
      `htree htree-${hash} htree-${sign}`,
      (image) => {
        image.mke2fs('2048', ...EXT4);
        linked(image, manyNames(500));
        image.debugfs(`ssv def_hash_version ${hash}`, `ssv flags ${sign === 'signed' ? 1 : 2}`);
        image.e2fsck('-fyD');
      },
    ),
  ),
);

const depthCases = [
  golden(
    'htree-depth-2',
    'An index of two levels: more leaves than the root has room for.',
    'htree htree-depth-2',
    (image) => {
      image.mke2fs('4096', ...EXT4);
      linked(image, manyNames(2600, 80));
      image.e2fsck('-fyD');
    },
  ),
  golden(
    'htree-depth-3',
    'large_dir: an index of three levels over 80,000 long names.',
    'htree large_dir htree-depth-3',
    (image) => {
      image.mke2fs('65536', ...EXT4.slice(0, -1), '^has_journal,large_dir');
      linked(image, manyNames(80_000, 160));
      image.e2fsck('-fyD');
    },
  ),
  golden(
    'htree-depth-3-small',
    'large_dir: an index of three levels that a small directory does not need.',
    'htree large_dir htree-depth-3',
    (image) => {
      image.mke2fs('2048', ...EXT4.slice(0, -1), '^has_journal,^metadata_csum,large_dir');
      linked(image, manyNames(500), { tail: 0 });
      image.e2fsck('-fyD');
      deepenIndex(image, 'dir');
      image.e2fsck('-fy');
    },
  ),
  golden(
    'htree-collisions',
    'Pairs of names with the same hash, some in two leaves: the second has the continuation bit.',
    'htree htree-collisions',
    (image) => {
      image.mke2fs('2048', ...EXT4);
      linked(image, collidingNames());
      image.debugfs('ssv def_hash_version legacy', 'ssv flags 1');
      image.e2fsck('-fyD');
    },
  ),
  golden(
    'htree-no-csum',
    'An index without checksums: its nodes have one more entry.',
    'htree no-csum',
    (image) => {
      image.mke2fs('4096', ...EXT4.slice(0, -1), '^has_journal,^metadata_csum');
      linked(image, manyNames(2600, 80), { tail: 0 });
      image.e2fsck('-fyD');
    },
  ),
  golden('htree-ext3', 'An indexed directory with an indirect map.', 'htree ext3', (image) => {
    image.mke2fs('4096', '-t', 'ext3', '-b', '1024', '-N', '64', '-J', 'size=1');
    linked(image, manyNames(900, 20), { tail: 0, flags: 0 });
    image.e2fsck('-fyD');
  }),
];

/**
 * The legacy hash of an ASCII name, for finding names that collide; e2fsck and the kernel judge the
 * result.
 * @source fs/ext4/hash.c:dx_hack_hash_signed()
 * @param {string} name
 */
function legacyHash(name) {
  let [older, newer] = [0x37abe8f9, 0x12a3fe2d];
  for (let i = 0; i < name.length; i++) {
    let next = (older + (newer ^ Math.imul(name.charCodeAt(i), 7152373))) >>> 0;
    if (next & 0x80000000) next = (next - 0x7fffffff) >>> 0;
    [older, newer] = [newer, next];
  }
  return (newer << 1) >>> 0;
}

/** Names that share their hash with at least one other: a leaf may end between two of them. */
function collidingNames() {
  /** @type {Map<number, string[]>} */
  const byHash = new Map();
  for (let i = 0; i < 400_000; i++) {
    const name = `${'collide'.padEnd(230, '-')}${i}`;
    const hash = legacyHash(name);
    byHash.set(hash, [...(byHash.get(hash) ?? []), name]);
  }
  // Four names fill a leaf: one more at the front moves the pairs across the leaves' ends.
  const front = byHash.get(Math.min(...[...byHash.keys()].slice(0, 50_000))) ?? [];
  return [...front, ...[...byHash.values()].filter((names) => names.length > 1).flat()];
}

/** @param {number} count */
const numbered = (count) => Array.from({ length: count }, (_v, i) => `name-${i}`);

/** @param {number} from @param {number} to */
const codes = (from, to) => Buffer.from(Array.from({ length: to - from }, (_v, i) => from + i));

const linearCases = [
  golden('dir-linear', 'A directory of many blocks without an index.', 'dir-linear', (image) => {
    image.mke2fs('2048', ...EXT4.slice(0, -1), '^has_journal,^dir_index');
    linked(image, manyNames(700, 10));
    image.e2fsck('-fy');
  }),
  golden(
    'dir-names',
    'Names of 1 to 255 bytes and of every byte but NUL and "/": not UTF-8, newline, quotes, leading dots.',
    'dir-names',
    (image) => {
      image.mke2fs('2048', ...EXT4);
      const odd = [
        '...',
        '.a',
        ' ',
        ' lead',
        'tail ',
        'new\nline',
        '"quoted"',
        "it's",
        'back\\slash',
        '#c',
        '<2>',
        '-rf',
      ];
      const bytes = [
        codes(1, 47),
        codes(48, 128),
        codes(128, 255),
        Buffer.from([255]),
        Buffer.from([0xc3]),
      ];
      const long = [1, 2, 3, 4, 5, 127, 128, 254, 255].map((n) => Buffer.alloc(n, 'n'));
      linked(image, [...odd, ...bytes, ...long, '日本語', 'e\u0301', '\u00e9']);
      image.e2fsck('-fy');
    },
  ),
  ...[false, true].map((indexed) =>
    golden(
      `dir-deleted-${indexed ? 'htree' : 'linear'}`,
      `Entries deleted at the start, in the middle and at the end of the blocks of ${indexed ? 'an indexed' : 'a linear'} directory.`,
      'dir-deleted',
      (image) => {
        image.mke2fs('2048', ...EXT4.slice(0, -1), `^has_journal,${indexed ? '' : '^'}dir_index`);
        linked(image, numbered(200));
        image.e2fsck(indexed ? '-fyD' : '-fy');
        const gone = [0, 1, 2, 60, 61, 62, 63, 64, 65, 66, 100, 150, 199];
        image.debugfs(...gone.map((i) => `unlink /dir/name-${i}`), 'unlink /dir/name-190');
        image.e2fsck('-fy');
      },
    ),
  ),
  golden(
    'dir-emptied',
    'A directory of several blocks from which every name was deleted.',
    'dir-deleted',
    (image) => {
      image.mke2fs('2048', ...EXT4.slice(0, -1), '^has_journal,^dir_index');
      linked(image, numbered(200));
      image.e2fsck('-fy');
      image.debugfs(...numbered(200).map((name) => `unlink /dir/${name}`));
      image.e2fsck('-fy');
    },
  ),
  golden('dir-deep', 'Forty directories, one in the other.', 'dir-deep', (image) => {
    image.mke2fs('2048', ...EXT4.slice(0, 4), '-N', '128', '-O', '^has_journal');
    const path = (/** @type {number} */ n) =>
      Array.from({ length: n }, (_v, i) => `d${i}`).join('/');
    image.debugfs(...Array.from({ length: 40 }, (_v, i) => `mkdir ${path(i + 1)}`));
    image.write('/end', pattern('end', 10));
    image.debugfs(`ln /end ${path(40)}/end`, 'sif /end links_count 2');
  }),
];

export const cases = [...hashCases, ...depthCases, ...linearCases];
