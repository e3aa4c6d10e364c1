// @ts-check
/** Where the metadata is: groups, descriptors, checksums, clusters, journals, quota files. */
import { golden } from './case.mjs';
import { pattern } from './image.mjs';
import { MMP_CLEAN, protect } from './mmp.mjs';
import { oneOfEach } from './recipes-basic.mjs';
import { FAKE_TIME } from './tools.mjs';

const SECOND_UUID = '5f011050-0000-4000-8000-0000000000ff';

/**
 * An image of small groups, so that there are many: 256 blocks each.
 * @param {string} name
 * @param {string} about
 * @param {string} features
 * @param {string} size
 * @param {readonly string[]} args
 * @param {Partial<import('./case.mjs').Case> & { also?: (image: import('./image.mjs').Image) =>
 *   void }} [more]
 */
const layout = (name, about, features, size, args, { also, ...more } = {}) =>
  golden(
    name,
    about,
    features,
    (image) => {
      image.mke2fs(size, ...args);
      oneOfEach(image);
      image.write('/large', pattern('large', 300_000));
      also?.(image);
    },
    more,
  );

const SMALL_GROUPS = ['-b', '1024', '-g', '256', '-N', '256'];
const NO_JOURNAL = '^has_journal';

const groupCases = [
  layout(
    'meta-bg',
    'Group descriptors spread over the metagroups (meta_bg) from the first on.',
    'meta_bg',
    '12288',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', `${NO_JOURNAL},meta_bg,^resize_inode`]],
  ),
  layout('meta-bg-32', 'meta_bg with descriptors of 32 bytes.', 'meta_bg', '12288', [
    ...['-t', 'ext2', ...SMALL_GROUPS, '-O', 'meta_bg,^resize_inode'],
  ]),
  layout(
    'meta-bg-later',
    'meta_bg from the second metagroup on (s_first_meta_bg 1), as growing an image leaves it.',
    'meta_bg first_meta_bg',
    '12288',
    [
      ...['-t', 'ext4', ...SMALL_GROUPS, '-E', 'num_backup_sb=0'],
      ...['-O', `${NO_JOURNAL},meta_bg,^resize_inode,^sparse_super,sparse_super2`],
    ],
    {
      also: (image) => {
        image.debugfs('ssv first_meta_bg 1');
        image.e2fsck('-fy');
      },
    },
  ),
  layout(
    'flex-bg',
    'flex_bg: bitmaps and inode tables of 16 groups together.',
    'flex_bg',
    '12288',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', NO_JOURNAL, '-G', '16']],
  ),
  layout(
    'no-flex-bg',
    'ext4 without flex_bg: each group holds its own bitmaps.',
    'no-flex_bg',
    '8192',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', `${NO_JOURNAL},^flex_bg`]],
  ),
  layout(
    'no-sparse-super',
    'Backups of superblock and descriptors in every group.',
    'no-sparse_super',
    '8192',
    [...['-t', 'ext2', ...SMALL_GROUPS, '-O', '^sparse_super,^resize_inode']],
  ),
  layout('sparse-super2', 'Backups in two chosen groups only.', 'sparse_super2', '8192', [
    ...[
      '-t',
      'ext4',
      ...SMALL_GROUPS,
      '-O',
      `${NO_JOURNAL},sparse_super2,^sparse_super,^resize_inode`,
    ],
    ...['-E', 'num_backup_sb=2'],
  ]),
  layout('sparse-super2-none', 'sparse_super2 without any backup.', 'sparse_super2', '8192', [
    ...[
      '-t',
      'ext4',
      ...SMALL_GROUPS,
      '-O',
      `${NO_JOURNAL},sparse_super2,^sparse_super,^resize_inode`,
    ],
    ...['-E', 'num_backup_sb=0'],
  ]),
  layout(
    'resize-inode',
    'Descriptor blocks reserved in inode 7 for growth to 1000 times the size.',
    'resize_inode',
    '8192',
    [...['-t', 'ext4', '-b', '1024', '-N', '256', '-O', NO_JOURNAL, '-E', 'resize=8388608']],
  ),
  layout(
    'last-group-short',
    'A last group of 300 blocks, which has just room for its metadata.',
    'groups',
    '8493',
    [...['-t', 'ext2', '-b', '1024', '-N', '64']],
  ),
  layout('desc-size-128', 'Group descriptors of 128 bytes.', 'desc-size-128', '8192', [
    ...['-t', 'ext4', ...SMALL_GROUPS, '-O', NO_JOURNAL, '-E', 'desc_size=128'],
  ]),
  layout(
    'no-64bit',
    'ext4 with descriptors of 32 bytes and metadata_csum.',
    'no-64bit metadata_csum',
    '4096',
    [...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},^64bit`]],
  ),
  layout(
    'no-extents',
    'ext4 in all but extents: indirect maps with checksums and 64bit off.',
    'indirect-double',
    '4096',
    [...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},^64bit,^extents`]],
  ),
  layout('no-filetype', 'Directory entries without a file type.', 'no-filetype', '2048', [
    ...['-t', 'ext2', '-b', '1024', '-N', '64', '-O', '^filetype'],
  ]),
  layout('stride', 'RAID stride: bitmaps moved from group to group.', 'groups', '12288', [
    ...['-t', 'ext2', ...SMALL_GROUPS, '-E', 'stride=13,stripe_width=26'],
  ]),
];

const checksumCases = [
  layout(
    'gdt-csum',
    'uninit_bg: crc16 of the descriptors, groups whose bitmaps were never written.',
    'uninit_bg gdt_csum',
    '12288',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', `${NO_JOURNAL},^metadata_csum,uninit_bg`]],
  ),
  layout(
    'gdt-csum-64',
    'uninit_bg with 64-byte descriptors: the crc16 covers the second half.',
    'uninit_bg 64bit',
    '12288',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', `${NO_JOURNAL},^metadata_csum,uninit_bg,64bit`]],
  ),
  layout('no-csum', 'ext4 without any checksum.', 'no-csum', '4096', [
    ...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},^metadata_csum`],
  ]),
  layout(
    'uninit-groups',
    'metadata_csum: inode tables and bitmaps of most groups uninitialised.',
    'metadata_csum uninit',
    '12288',
    [...['-t', 'ext4', ...SMALL_GROUPS, '-O', NO_JOURNAL, '-E', 'lazy_itable_init=1']],
  ),
  layout(
    'csum-seed',
    'metadata_csum_seed: the UUID was changed after the checksums were made.',
    'metadata_csum_seed',
    '4096',
    ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},metadata_csum_seed`],
    { also: (image) => image.tune2fs('-U', SECOND_UUID) },
  ),
];

const bigallocCases = [
  layout('bigalloc', 'bigalloc: clusters of 16 blocks.', 'bigalloc', '32768', [
    ...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},bigalloc`, '-C', '16384'],
  ]),
  golden(
    'bigalloc-holes',
    'bigalloc with holes and single blocks inside of clusters; clusters of 4 blocks of 4 KiB.',
    'bigalloc holes unwritten',
    (image) => {
      image.mke2fs(
        '4096',
        '-t',
        'ext4',
        '-b',
        '4096',
        '-N',
        '64',
        '-O',
        `${NO_JOURNAL},bigalloc`,
        '-C',
        '16384',
      );
      const block = (/** @type {number} */ at) =>
        /** @type {const} */ ([at * 4096, pattern(`b${at}`, 4096)]);
      image.write('/holes', { size: 200_000, pieces: [1, 2, 7, 16, 22, 40].map(block) });
      image.write('/unwritten', { size: 100_000, pieces: [block(5)] });
      image.debugfs('fallocate /unwritten 0 20');
      oneOfEach(image);
    },
  ),
];

const otherCases = [
  layout(
    'quota',
    'Quota files for users, groups and projects in inodes 3, 4 and 12; project ids on files.',
    'quota project',
    '8192',
    [
      ...[
        '-t',
        'ext4',
        '-b',
        '1024',
        '-N',
        '64',
        '-O',
        `${NO_JOURNAL},quota,project`,
        '-E',
        'quotatype=usrquota:grpquota:prjquota',
      ],
    ],
    {
      also: (image) => {
        image.debugfs(
          'sif /large projid 77',
          'sif /dir projid 4000000000',
          'sif /dir flags 0x20080000',
        );
        image.e2fsck('-fy');
        // It wrote the quota files, and put the true time into their inodes.
        const times = ['atime', 'mtime', 'ctime', 'crtime'].flatMap((field) =>
          [3, 4, 12].map((ino) => `sif <${ino}> ${field} @${FAKE_TIME}`),
        );
        image.debugfs(...times);
      },
    },
  ),
  layout(
    'orphan-file',
    'An orphan file (inode 12), empty; nothing is orphaned.',
    'orphan_file',
    '8192',
    [...['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=1', '-O', 'orphan_file']],
  ),
  layout(
    'mmp',
    'Multiple mount protection; nobody holds the image.',
    'mmp',
    '4096',
    ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', NO_JOURNAL],
    { also: (image) => protect(image, MMP_CLEAN, 'a-node') },
  ),
  layout(
    'stable-inodes',
    'stable_inodes: inode numbers and UUID promise not to change.',
    'stable_inodes',
    '2048',
    [...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},stable_inodes`]],
  ),
  layout('no-dir-index', 'ext4 without dir_index and dir_nlink.', 'no-dir_index', '2048', [
    ...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', `${NO_JOURNAL},^dir_index,^dir_nlink`],
  ]),
  layout('fast-commit', 'A journal with room for fast commits; clean.', 'fast_commit', '8192', [
    ...[
      '-t',
      'ext4',
      '-b',
      '1024',
      '-N',
      '64',
      '-J',
      'size=2,fast_commit_size=256',
      '-O',
      'fast_commit',
    ],
  ]),
  layout(
    'huge-file',
    'huge_file: a file whose i_blocks counts file-system blocks instead of sectors.',
    'huge_file',
    '4096',
    ['-t', 'ext4', '-b', '4096', '-N', '64', '-O', NO_JOURNAL],
    { also: (image) => image.debugfs('sif /large flags 0xc0000', 'sif /large blocks 74') },
  ),
  golden(
    'huge-blocks',
    'Block numbers past 2^32: 4.5 TiB of 1 KiB blocks in clusters of 64 KiB, and a file at the far end.',
    '64bit bigalloc block-past-2-32',
    (image) => {
      const features = `${NO_JOURNAL},^metadata_csum,uninit_bg,64bit,bigalloc,^resize_inode,^sparse_super,sparse_super2`;
      const args = ['-t', 'ext4', '-b', '1024', '-C', '1048576', '-N', '2048', '-O', features];
      image.mke2fs('4831838208', ...args, '-E', 'num_backup_sb=0,lazy_itable_init=1');
      image.write('/near', pattern('near', 5000));
      image.write('/far', pattern('far', 1000));
      // No tool of e2fsprogs can be told where to put a block, so the far file is moved by hand.
      const far = 2 ** 32 + 300 * 1024 * 1024;
      const near = image.answer('blocks /far').trim();
      const bytes = image.read(Number(near) * 1024, 1024);
      const move = ['eo /far', 'root', `replace 0 1 ${far}`, 'ec', `freeb ${near}`, `setb ${far}`];
      image.debugfs(...move);
      image.patch(far * 1024, bytes, 'the content of /far');
      image.e2fsck('-fy');
    },
  ),
  golden(
    'shared-blocks',
    'shared_blocks: two files own the same blocks; Linux mounts this read-only.',
    'shared_blocks',
    (image) => {
      image.mke2fs('2048', '-t', 'ext4', '-b', '1024', '-N', '64', '-O', NO_JOURNAL);
      image.write('/first', pattern('shared', 20_000));
      image.write('/second', '');
      image.debugfs('feature shared_blocks', 'copy_inode /first /second', 'sif /second uid 1000');
      image.write('/third', pattern('alone', 3000));
    },
  ),
];

export const cases = [...groupCases, ...checksumCases, ...bigallocCases, ...otherCases];
