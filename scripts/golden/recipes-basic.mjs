// @ts-check
/** The plain shapes: revisions, block sizes, inode sizes, the three generations of the format. */
import { golden } from './case.mjs';
import { pattern } from './image.mjs';

/**
 * One of each kind of file, so that every image of this group is read in all its parts.
 * @param {import('./image.mjs').Image} image
 */
export function oneOfEach(image) {
  image.debugfs('mkdir dir', 'mkdir dir/sub', 'symlink fast dir/file');
  image.write('/dir/file', pattern('file', 10_000));
  image.write('/empty', '');
  image.debugfs(
    `symlink slow ${'target/'.repeat(20)}`,
    'mknod fifo p',
    'mknod char c 5 1',
    'mknod block b 7 300',
    'ln /dir/file hardlink',
    'sif /dir/file links_count 2',
    'sif /dir/file uid 1000',
    'sif /dir/file gid 100',
    'sif /dir/file mode 0104751',
    'sif /dir/file mtime @1234567890',
    'ea_set /dir/file user.note "a short value"',
  );
}

/**
 * @param {string} name @param {string} about @param {string} features @param {string} size @param
 *   {string[]} args @param {Partial<import('./case.mjs').Case>} [more]
 */
const plain = (name, about, features, size, args, more) =>
  golden(
    name,
    about,
    features,
    (image) => {
      image.mke2fs(size, ...args);
      oneOfEach(image);
    },
    more,
  );

const NO_LARGE_BLOCKS = 'its blocks are larger than the 4 KiB pages of the kernel that was asked';

export const cases = [
  plain('ext2-1k', 'ext2 with 1 KiB blocks: indirect maps, no journal.', 'ext2 block-1k', '2048', [
    ...['-t', 'ext2', '-b', '1024', '-N', '64'],
  ]),
  plain(
    'ext2-rev0',
    'Revision 0: no feature, 128-byte inodes, first free inode 11.',
    'ext2 rev-0',
    '2048',
    [...['-t', 'ext2', '-r', '0', '-b', '1024', '-N', '64', '-O', 'none']],
  ),
  plain('ext3-1k', 'ext3: a journal in inode 8, indirect maps.', 'ext3 has_journal', '8192', [
    ...['-t', 'ext3', '-b', '1024', '-N', '64', '-J', 'size=1'],
  ]),
  plain('ext4-1k', 'ext4 with the defaults of mke2fs and 1 KiB blocks.', 'ext4 block-1k', '8192', [
    ...['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=1'],
  ]),
  plain('ext4-2k', 'ext4 with 2 KiB blocks.', 'ext4 block-2k', '4096', [
    ...['-t', 'ext4', '-b', '2048', '-N', '64', '-J', 'size=2'],
  ]),
  plain('ext4-4k', 'ext4 with the defaults of mke2fs and 4 KiB blocks.', 'ext4 block-4k', '4096', [
    ...['-t', 'ext4', '-b', '4096', '-N', '64'],
  ]),
  plain(
    'ext4-64k',
    'ext4 with 64 KiB blocks: a directory block needs the long form of rec_len.',
    'ext4 block-64k',
    '256',
    ['-t', 'ext4', '-b', '65536', '-N', '64', '-O', '^has_journal'],
    { noKernel: NO_LARGE_BLOCKS },
  ),
  plain('ext4-nojournal', 'ext4 without a journal.', 'ext4', '2048', [
    ...['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^has_journal'],
  ]),
  ...[128, 256, 512, 1024].map((size) =>
    plain(
      `inode-${size}`,
      `Inodes of ${size} bytes${size === 128 ? ': no room for nanoseconds' : ''}.`,
      `inode-size-${size}`,
      '2048',
      ['-t', 'ext4', '-b', '1024', '-N', '64', '-I', `${size}`, '-O', '^has_journal'],
    ),
  ),
];
