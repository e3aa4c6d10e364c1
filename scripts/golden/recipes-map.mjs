// @ts-check
/** How a file finds its blocks: extent trees, indirect maps, holes, unwritten extents, sizes. */
import { golden } from './case.mjs';
import { pattern } from './image.mjs';

const EXT4 = ['-t', 'ext4', '-b', '1024', '-N', '32', '-O', '^has_journal'];
const EXT2 = ['-t', 'ext2', '-b', '1024', '-N', '32'];

/**
 * A file of which every second block is a hole: as many extents as it has written blocks.
 * @param {string} name
 * @param {number} extents
 * @param {number} [block]
 */
function combed(name, extents, block = 1024) {
  const bytes = Buffer.alloc(extents * 2 * block);
  for (let i = 0; i < extents; i++) bytes.fill(`${name} ${i} `, i * 2 * block, (i * 2 + 1) * block);
  return bytes;
}

/**
 * The extent tree of a file made deeper, one level a time; each level has one entry more than it
 * needs.
 * @param {string} path
 * @param {number} levels
 */
const deepen = (path, levels) => [
  `eo ${path}`,
  ...Array.from({ length: levels }, () => ['root', 'split']).flat(),
  'ec',
];

const NOT_SHALLOW =
  'e2fsck remarks that the tree could be more shallow and does not count that as an error.';

/** @param {number} offset @param {string} name */
const at = (offset, name) => /** @type {const} */ ([offset, pattern(name, 1024)]);

/** The byte where the blocks of each kind of indirect map begin, for 1 KiB blocks. */
const SINGLE = 12 * 1024;
const DOUBLE = SINGLE + 256 * 1024;
const TRIPLE = DOUBLE + 256 * 256 * 1024;

const extentCases = [
  golden(
    'extents-depth-0',
    'Up to four extents inside the inode; a hole before, between and after.',
    'extents-depth-0 holes',
    (image) => {
      image.mke2fs('1024', ...EXT4);
      image.write('/one', pattern('one', 5000));
      image.write('/four', combed('four', 4));
      image.write('/tail', { size: 20_000, pieces: [at(4096, 'tail')] });
      image.write('/only-hole', { size: 10_000, pieces: [] });
    },
  ),
  golden(
    'extents-depth-1',
    'Five extents, one more than the inode holds, and a full leaf of 83 or 84.',
    'extents-depth-1 holes',
    (image) => {
      image.mke2fs('1024', ...EXT4);
      image.write('/five', combed('five', 5));
      image.write('/leaf', combed('leaf', 83));
    },
  ),
  golden(
    'extents-depth-2',
    'A leaf for every 83 extents and an index block over them.',
    'extents-depth-2',
    (image) => {
      image.mke2fs('2048', ...EXT4);
      image.write('/comb', combed('comb', 500));
    },
  ),
  ...[3, 4, 5].map((depth) =>
    golden(
      `extents-depth-${depth}`,
      `An extent tree ${depth} levels deep${depth === 5 ? ', the deepest that ext4 allows' : ''}.`,
      `extents-depth-${depth}`,
      (image) => {
        image.mke2fs('2048', ...EXT4);
        image.write('/comb', combed('comb', 400));
        image.debugfs(...deepen('/comb', depth - 2));
      },
      { note: `Deepened with the extent editor of debugfs. ${NOT_SHALLOW}` },
    ),
  ),
  golden(
    'extents-depth-3-full',
    'A tree of depth 3 that needs it: 28,400 extents, more than 4 x 83 x 84.',
    'extents-depth-3',
    (image) => {
      image.mke2fs('65536', ...EXT4);
      image.write('/comb', combed('c', 28_400));
    },
  ),
  golden(
    'extents-uninit',
    'Unwritten extents (fallocate): zero when read, before, between and behind written ones, and past the size.',
    'unwritten',
    (image) => {
      image.mke2fs('2048', ...EXT4);
      image.write('/mixed', { size: 64 * 1024, pieces: [at(8192, 'a'), at(32_768, 'b')] });
      image.debugfs('fallocate /mixed 0 63');
      image.write('/all', { size: 16_384, pieces: [] });
      image.debugfs('fallocate /all 0 15');
      image.write('/past-size', pattern('p', 3000));
      image.debugfs('fallocate /past-size 3 20');
    },
  ),
  golden(
    'extents-longest',
    'The longest extents: 32,768 written blocks and 32,767 unwritten ones.',
    'unwritten extents-depth-0',
    (image) => {
      const plain = '^has_journal,^sparse_super,^resize_inode,sparse_super2';
      const packed = ['-O', plain, '-E', 'packed_meta_blocks=1,num_backup_sb=0', '-G', '16'];
      image.mke2fs('81920', ...EXT4.slice(0, -2), ...packed);
      image.write('/unwritten', { size: 32_767 * 1024, pieces: [] });
      image.debugfs('fallocate /unwritten 0 32766');
      image.write('/written', { size: 32_768 * 1024, pieces: [] });
      image.debugfs('fallocate /written 0 32767');
      // fallocate made 32,767 + 1 unwritten blocks: join them to one extent, which is then a
      // written one.
      const start = /0 - +32766 +(\d+)/.exec(image.answer('ex /written'))?.[1];
      const join = ['root', 'n', 'delete', 'root', `replace 0 32768 ${start}`];
      image.debugfs('eo /written', ...join, 'ec', 'zap_block -f /written -p 90 0');
      image.debugfs('zap_block -f /written -p 91 32767');
    },
  ),
];

const indirectCases = [
  golden(
    'indirect-single',
    'Direct blocks and the single indirect block, with holes in both.',
    'indirect-single holes',
    (image) => {
      image.mke2fs('2048', ...EXT2);
      image.write('/direct', pattern('direct', 12 * 1024));
      image.write('/single', pattern('single', 100_000));
      image.write('/comb', combed('comb', 60));
      image.write('/only-indirect', { size: SINGLE + 9000, pieces: [at(SINGLE + 4096, 'single')] });
    },
  ),
  golden(
    'indirect-double',
    'Blocks behind the double indirect block, with holes of whole indirect blocks.',
    'indirect-double holes',
    (image) => {
      image.mke2fs('4096', ...EXT2);
      image.write('/full', pattern('full', DOUBLE + 300 * 1024));
      image.write('/holes', {
        size: DOUBLE + 2_000_000,
        pieces: [at(0, 'direct'), at(DOUBLE, 'first'), at(DOUBLE + 1024 * 1024, 'far')],
      });
    },
  ),
  golden(
    'indirect-triple',
    'Blocks behind the triple indirect block: the first, one in the middle, the last possible.',
    'indirect-triple holes',
    (image) => {
      const last = TRIPLE + 256 ** 3 * 1024 - 1024;
      image.mke2fs('2048', ...EXT2);
      image.write('/first', { size: TRIPLE + 5000, pieces: [at(TRIPLE, 'first')] });
      image.write('/far', {
        size: 10 * 2 ** 30,
        pieces: [
          at(0, 'direct'),
          at(SINGLE, 'single'),
          at(DOUBLE, 'double'),
          at(5 * 2 ** 30, 'triple'),
        ],
      });
      image.write('/last', { size: last + 1024, pieces: [at(last, 'last')] });
    },
  ),
  golden(
    'indirect-on-ext4',
    'Files with indirect maps beside files with extents: an ext3 image that was given the extent feature.',
    'indirect-double extents-depth-0',
    (image) => {
      image.mke2fs('4096', ...EXT2);
      image.write('/old', pattern('old', DOUBLE + 20 * 1024));
      image.debugfs('feature extent');
      image.write('/new', pattern('new', 50_000));
    },
  ),
];

const GIB = 2 ** 30;
/** The last is more than a double holds, so it is written as text. */
const SIZES = [
  2 ** 42 - 1024,
  2 ** 42 - 1023,
  2 ** 48,
  2 ** 53 - 1,
  '9007199254740993',
  '9223372036854775807',
];

const sizeCases = [
  golden(
    'size-past-2-32',
    'Sizes past 2^31, 2^32 and up to the last byte that 4 KiB blocks reach (2^44 - 4097), with data there.',
    'large_file size-past-2-32 holes',
    (image) => {
      image.mke2fs('1024', '-t', 'ext4', '-b', '4096', '-N', '32', '-O', '^has_journal');
      for (const size of [2 * GIB, 4 * GIB, 4 * GIB + 5, 9 * GIB]) {
        const last = Math.floor((size - 1) / 4096) * 4096;
        const bytes = pattern('end', 1024).subarray(0, size - last);
        image.write(`/size-${size}`, { size, pieces: [[last, bytes]] });
      }
      const end = 2 ** 44 - 4096;
      image.write('/largest', {
        size: end - 4096 + 10,
        pieces: [at(0, 'start'), [end - 4096, Buffer.from('the end...')]],
      });
    },
  ),
  golden(
    'size-near-2-53',
    'The largest size that 1 KiB blocks allow (2^42 - 1024), and sizes past it, up to 2^63 - 1.',
    'size-near-2-53',
    (image) => {
      image.mke2fs('1024', ...EXT4);
      for (const size of SIZES) {
        image.write(`/size-${size}`, pattern('small', 1500));
        image.debugfs(`sif /size-${size} size ${size}`);
      }
    },
    {
      fsck: 4,
      note: 'Linux refuses an inode whose size is above s_maxbytes, with EUCLEAN ("bad i_size value").',
    },
  ),
];

export const cases = [...extentCases, ...indirectCases, ...sizeCases];
