// @ts-check
/** Features with rules of their own: casefold, fs-verity, encryption. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { golden } from './case.mjs';
import { writeDirectory } from './directory.mjs';
import { makeEncrypted } from './encrypt.mjs';
import { pattern } from './image.mjs';
import { run } from './tools.mjs';

const NO_UNICODE = 'it was built without CONFIG_UNICODE and refuses casefold';

/**
 * Stored names, and spellings that mean the same by full case folding of canonically decomposed
 * text.
 */
const SAME = /** @type {const} */ ([
  ['Readme.TXT', ['readme.txt', 'README.txt', 'Readme.TXT']],
  ['straße', ['STRASSE', 'Strasse', 'STRAẞE', 'straße']],
  ['é-composed', ['\u00c9-Composed', 'e\u0301-composed', 'E\u0301-COMPOSED']],
  ['A\u030a-decomposed', ['\u00e5-decomposed', '\u212b-DECOMPOSED']],
  ['ΑΣΣΟΣ', ['ασσος', 'Ασσοσ']],
  ['ﬁle', ['FILE', 'file']],
  ['soft\u00adhyphen', ['SOFTHYPHEN', 'soft\u200dhyphen']],
  ['привет', ['ПРИВЕТ', 'Привет']],
  ['한글', ['\u1112\u1161\u11ab\u1100\u1173\u11af']],
  ['q\u0323\u0307', ['Q\u0307\u0323']],
]);
const DIFFERENT = ['readme', 'strase', 'e-composed', 'ασσο', 'ı'];

/**
 * The look-ups of `/dir`; e2fsprogs' own hash of each spelling must be that of the stored name.
 * @param {import('./image.mjs').Image} image
 */
function casefoldLookups(image) {
  const hash = (/** @type {string} */ name) =>
    image.answer(`dx_hash -c -e utf8 -h half_md4 "${name}"`).replace(/^.* is /s, '');
  const ino = (/** @type {string} */ name) =>
    Number(/Inode: (\d+)/.exec(image.answer(`stat "/dir/${name}"`))?.[1]);
  /** @type {Record<string, number | string>} */
  const lookups = {};
  for (const [stored, others] of SAME) {
    for (const other of others) {
      if (hash(other) !== hash(stored)) throw new Error(`${other} does not fold as ${stored} does`);
      lookups[`dir/${other}`] = ino(stored);
    }
  }
  for (const name of DIFFERENT) lookups[`dir/${name}`] = 'ENOENT';
  return lookups;
}

/** @param {import('./image.mjs').Image} image */
function casefoldFiles(image) {
  image.debugfs('mkdir dir', 'sif /dir flags 0x40080000', 'mkdir plain');
  SAME.forEach(([name], i) =>
    image.write(`/dir/${Buffer.from(name).toString('latin1')}`, pattern(`f${i}`, 50)),
  );
}

const CASEFOLD = ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^has_journal,casefold'];

const casefoldCases = [
  golden(
    'casefold',
    'A case-insensitive directory beside a plain one: full case folding, canonical equivalence, ignorable characters.',
    'casefold',
    (image) => {
      image.mke2fs('2048', ...CASEFOLD, '-E', 'encoding=utf8');
      casefoldFiles(image);
      image.write('/plain/Case', 'x');
      image.write('/dir/\xff\xfe', 'not UTF-8: compared byte by byte');
    },
    {
      noKernel: NO_UNICODE,
      lookups: (image) => ({ ...casefoldLookups(image), 'plain/case': 'ENOENT' }),
    },
  ),
  golden(
    'casefold-strict',
    'Strict encoding: a name that is not UTF-8 is refused.',
    'casefold casefold-strict',
    (image) => {
      image.mke2fs('2048', ...CASEFOLD, '-E', 'encoding=utf8,encoding_flags=strict');
      casefoldFiles(image);
    },
    { noKernel: NO_UNICODE, lookups: casefoldLookups },
  ),
  golden(
    'casefold-htree',
    'An indexed case-insensitive directory: hashes of folded names.',
    'casefold htree',
    (image) => {
      image.mke2fs('2048', ...CASEFOLD, '-E', 'encoding=utf8');
      image.write('/target', 'x');
      const others = Array.from({ length: 300 }, (_v, i) => `Größe-ÄÖÜ-${i}-Name`);
      const entries = [...others, ...SAME.map(([name]) => name)].map((name) => ({ name, ino: 12 }));
      writeDirectory(image, 'dir', entries, { flags: 0x40080000 });
      image.e2fsck('-fyD');
    },
    {
      noKernel: NO_UNICODE,
      lookups: (image) => ({
        ...casefoldLookups(image),
        'dir/GRÖSSE-äöü-7-NAME': 12,
        'dir/grösse-äöü-299-name': 12,
      }),
    },
  ),
];

/**
 * A verity file as the kernel lays it out: content, up to 64 KiB further the Merkle tree, then the
 * descriptor, its size in the last four bytes of the last block. Tree and descriptor are made by
 * fsverity-utils.
 * @source filesystems/fsverity.rst, "ext4"
 * @param {import('./image.mjs').Image} image
 * @param {string} path
 * @param {Buffer} content
 * @param {{ hash?: string, treeBlock?: number, salt?: string, damage?: 'data' | 'tree' }} [how]
 */
function verityFile(
  image,
  path,
  content,
  { hash = 'sha256', treeBlock = 1024, salt, damage } = {},
) {
  const out = join(image.dir, 'verity');
  mkdirSync(out, { recursive: true });
  const input = join(image.dir, image.hostFile(content));
  const [tree, descriptor] = [join(out, 'tree'), join(out, 'descriptor')];
  const options = [
    `--hash-alg=${hash}`,
    `--block-size=${treeBlock}`,
    ...(salt ? [`--salt=${salt}`] : []),
  ];
  const told = run('fsverity', [
    'digest',
    input,
    ...options,
    `--out-merkle-tree=${tree}`,
    `--out-descriptor=${descriptor}`,
  ]);
  const [merkle, desc] = [readFileSync(tree), readFileSync(descriptor)];
  const block = 1024;
  const up = (/** @type {number} */ n, /** @type {number} */ to) => Math.ceil(n / to) * to;
  const treeAt = up(content.length, 65_536);
  const descAt = up(treeAt + merkle.length, block);
  const end = up(descAt + desc.length + 4, block);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(desc.length);
  const spoiled = Buffer.from(damage === 'data' ? content : merkle);
  if (damage) spoiled.writeUInt8(spoiled.readUInt8(5) ^ 1, 5);
  image.write(path, {
    size: end,
    pieces: [
      [0, damage === 'data' ? spoiled : content],
      [treeAt, damage === 'tree' ? spoiled : merkle],
      [descAt, desc],
      [end - 4, size],
    ],
  });
  image.debugfs(`sif ${path} size ${content.length}`, `sif ${path} flags 0x180000`);
  image.log.push(`fsverity digest ${path}: ${told.stdout.split(' ')[0]}`);
}

const NO_VERITY = 'built without CONFIG_FS_VERITY, it would open none of these files';
const VERITY = ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^has_journal,verity'];

const verityCases = [
  golden(
    'verity',
    'fs-verity: sha256 and sha512, with and without salt, trees of no level to two, an empty file, one block.',
    'verity',
    (image) => {
      image.mke2fs('4096', ...VERITY);
      verityFile(image, '/empty', Buffer.alloc(0));
      verityFile(image, '/short', pattern('short', 100));
      verityFile(image, '/block', pattern('block', 1024));
      verityFile(image, '/two-levels', pattern('two', 200_000));
      verityFile(image, '/salted', pattern('salted', 5000), { salt: '0123456789abcdef' });
      verityFile(image, '/sha512', pattern('sha512', 40_000), { hash: 'sha512' });
      verityFile(
        image,
        '/holes',
        Buffer.concat([pattern('h', 1024), Buffer.alloc(30_000), pattern('t', 1024)]),
      );
      image.write('/plain', pattern('plain', 3000));
    },
    { noKernel: NO_VERITY },
  ),
  golden(
    'verity-damaged',
    'fs-verity files whose content or Merkle tree was changed: reading must give EIO.',
    'verity verity-damaged',
    (image) => {
      image.mke2fs('4096', ...VERITY);
      verityFile(image, '/good', pattern('good', 9000));
      verityFile(image, '/bad-data', pattern('bad', 9000), { damage: 'data' });
      verityFile(image, '/bad-tree', pattern('bad', 9000), { damage: 'tree' });
    },
    {
      noKernel: NO_VERITY,
      errors: { 'bad-data': 'EIO', 'bad-tree': 'EIO' },
      note: 'The hashes that debugfs gave for the damaged files are of bytes that must not be returned.',
    },
  ),
];

const encryptCases = [
  golden(
    'encrypt',
    'Encryption (policy version 2), seen without the key: names are shown in their no-key form, contents are refused.',
    'encrypt',
    makeEncrypted,
    { needsKernel: true, skip: ['entries', 'target', 'sha256', 'error'] },
  ),
];

export const cases = [...casefoldCases, ...verityCases, ...encryptCases];
