// @ts-check
/**
 * Images that must not open, or not for writing: unknown features, foreign journals, recovery,
 * other nodes.
 */
import { golden } from './case.mjs';
import { pattern } from './image.mjs';
import { leaveInJournal } from './journal.mjs';
import { MMP_FSCK, protect } from './mmp.mjs';
import { oneOfEach } from './recipes-basic.mjs';

const EXT4 = ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^has_journal'];
const JOURNALED = ['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=1'];
const SUPERBLOCK = 1024;

/** @param {import('./image.mjs').Image} image @param {readonly string[]} [args] */
function base(image, args = EXT4) {
  image.mke2fs('4096', ...args);
  oneOfEach(image);
}

/**
 * An image with one more feature bit.
 * @param {string} name @param {string} about @param {string} bit in debugfs's words @param {string}
 *   feature as Linux or e2fsprogs name it
 */
const unknownIncompat = (name, about, bit, feature) =>
  golden(
    name,
    about,
    `refused ${feature}`,
    (image) => {
      base(image);
      image.debugfs(`feature ${bit}`);
    },
    {
      noTree: true,
      fsck: 8,
      mountErrno: 'EINVAL',
      refused: {
        errno: 'EINVAL',
        feature,
        why: 'an incompatible feature that Linux 6.18 does not know',
      },
    },
  );

const featureCases = [
  unknownIncompat(
    'incompat-unknown',
    'An incompat bit that nobody has defined.',
    'FEATURE_I20',
    'FEATURE_I20',
  ),
  unknownIncompat(
    'incompat-compression',
    'The incompat bit of compression, which Linux never had.',
    'FEATURE_I0',
    'compression',
  ),
  unknownIncompat(
    'incompat-dirdata',
    'The incompat bit of Lustre data in directory entries.',
    'FEATURE_I12',
    'dirdata',
  ),
  golden(
    'ro-compat-unknown',
    'An ro_compat bit that nobody has defined: may be read, not written.',
    'read-only',
    (image) => {
      base(image);
      image.debugfs('feature FEATURE_R25');
    },
    {
      fsck: 12,
      mountRwErrno: 'EINVAL',
      refused: {
        errno: 'EINVAL',
        readOnly: true,
        feature: 'FEATURE_R25',
        why: 'a feature unknown to Linux 6.18',
      },
    },
  ),
  golden(
    'ro-compat-readonly',
    'The ro_compat bit "read-only".',
    'read-only',
    (image) => {
      base(image);
      image.debugfs('feature read-only');
    },
    {
      mountRwErrno: 'mounted',
      refused: {
        errno: 'EROFS',
        readOnly: true,
        feature: 'readonly',
        why: 'the image asks for it',
      },
      note: 'A read-write mount succeeds and is silently read-only.',
    },
  ),
  golden(
    'compat-unknown',
    'A compat bit that nobody has defined: harmless for Linux, e2fsck will not touch it.',
    'compat',
    (image) => {
      base(image);
      image.debugfs('feature FEATURE_C20');
    },
    { fsck: 12 },
  ),
];

const journalCases = [
  golden(
    'external-journal',
    'The journal is on another device: s_journal_dev 8:17 and its UUID.',
    'refused external-journal',
    (image) => {
      base(image, JOURNALED);
      image.debugfs(
        'ssv journal_inum 0',
        'ssv journal_dev 0x811',
        'ssv journal_uuid 5f011050-0000-4000-8000-0000000000aa',
      );
    },
    {
      noTree: true,
      fsck: 12,
      mountErrno: 'ENXIO',
      refused: {
        errno: 'EINVAL',
        feature: 's_journal_dev',
        why: 'its journal is on another device',
      },
    },
  ),
  golden(
    'journal-device',
    'An external journal itself, opened as if it were a file system.',
    'refused journal_dev',
    (image) => {
      image.mke2fs('4096', '-b', '1024', '-O', 'journal_dev');
    },
    {
      noTree: true,
      fsck: 8,
      mountErrno: 'EINVAL',
      refused: {
        errno: 'EINVAL',
        feature: 'journal_dev',
        why: 'it is a journal, not a file system',
      },
    },
  ),
];

/** @param {import('./image.mjs').Image} copy */
function laterState(copy) {
  copy.debugfs('mkdir newdir', 'symlink newlink somewhere', 'rm /empty');
  copy.write('/newdir/newfile', pattern('after', 3000));
  copy.debugfs('sif /dir/file mode 0100600');
}

/** @param {string} version */
const dirtyJournal = (version) =>
  golden(
    `needs-recovery-${version || 'plain'}`,
    `A transaction in the journal${version ? ` with checksums ${version}` : ' without checksums'}, not yet in its place.`,
    'needs_recovery',
    (image) => {
      base(image, version ? JOURNALED : [...JOURNALED, '-O', '^metadata_csum,^64bit']);
      leaveInJournal(image, laterState, { open: version ? `-c -v ${version.slice(1)}` : '' });
    },
    { noTree: true, recovers: true, mountErrno: 'EROFS' },
  );

const recoveryCases = [
  dirtyJournal(''),
  dirtyJournal('v2'),
  dirtyJournal('v3'),
  golden(
    'needs-recovery-revoke',
    'A block is journaled, then revoked by a later transaction, and must keep what is in its place.',
    'needs_recovery revoke',
    (image) => {
      base(image, JOURNALED);
      const block = Number(image.answer('blocks /dir/file').trim().split(' ')[0]);
      const wrong = image.hostFile(pattern('wrong', 1024));
      leaveInJournal(image, laterState, {
        open: '-c -v 3',
        write: [`jw -b ${block} ${wrong}`, `jw -r ${block}`],
      });
    },
    { noTree: true, recovers: true, mountErrno: 'EROFS' },
  ),
  golden(
    'needs-recovery-kernel',
    'A copy of an image that the kernel had mounted, with files open-unlinked: a journal to replay, orphans to remove.',
    'needs_recovery orphans',
    (image) => {
      base(image, JOURNALED);
      image.kernelCopy('write, sync, unlink while open', BUSY);
    },
    { noTree: true, recovers: true, needsKernel: true, mountErrno: 'EROFS' },
  ),
  golden(
    'needs-recovery-fast-commit',
    'A copy of an image that the kernel had mounted, with fast commits behind the log.',
    'needs_recovery fast_commit',
    (image) => {
      const journal = ['-J', 'size=2,fast_commit_size=256', '-O', 'fast_commit'];
      image.mke2fs('8192', '-t', 'ext4', '-b', '1024', '-N', '64', ...journal);
      oneOfEach(image);
      image.kernelCopy('write and sync, link, unlink, rename', FAST);
    },
    {
      noTree: true,
      recovers: true,
      kernelRecovers: true,
      needsKernel: true,
      mountErrno: 'EROFS',
    },
  ),
  golden(
    'needs-recovery-orphan-file',
    'The same with an orphan file: the open-unlinked inodes are listed in it.',
    'needs_recovery orphan_file',
    (image) => {
      base(image, [...JOURNALED, '-O', 'orphan_file']);
      image.kernelCopy('write, sync, unlink while open', BUSY);
    },
    {
      noTree: true,
      recovers: true,
      needsKernel: true,
      fsck: 4,
      mountErrno: 'EROFS',
    },
  ),
];

/** Each file is synced once, so that no range is written twice: 6.18 replays those wrongly. */
const FAST = `
import os, shutil, sys
top, image, copy = sys.argv[1:4]
def put(name, data):
    fd = os.open(f'{top}/{name}', os.O_CREAT | os.O_RDWR)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
put('full', b'a full commit, after which fast ones are possible')
for i in range(6):
    put(f'fast{i}', b'content %d ' % i * 200)
os.link(f'{top}/fast0', f'{top}/linked')
os.unlink(f'{top}/fast1')
os.rename(f'{top}/fast2', f'{top}/dir/moved')
put('last', b'last')
shutil.copyfile(image, copy)
`;

const BUSY = `
import os, shutil, sys
top, image, copy = sys.argv[1:4]
os.makedirs(f'{top}/made/deep')
for i in range(20):
    with open(f'{top}/made/f{i}', 'wb') as f:
        f.write(b'content %d ' % i * 100)
        os.fsync(f.fileno())
held = [open(f'{top}/made/f{i}', 'rb') for i in range(3)]
for i in range(3):
    os.unlink(f'{top}/made/f{i}')
os.truncate(f'{top}/made/f5', 10)
top_fd = os.open(top, os.O_RDONLY)
os.fsync(top_fd)
with open(f'{top}/made/last', 'wb') as f:
    f.write(b'last')
    os.fsync(f.fileno())
shutil.copyfile(image, copy)
`;

const mmpCases = [
  golden(
    'mmp-held',
    'Another node holds the image: a live sequence number.',
    'mmp refused',
    (image) => {
      base(image);
      protect(image, 0x1234, 'other-node');
    },
    {
      mountRwErrno: 'mounted',
      refused: {
        errno: 'EBUSY',
        feature: 'mmp',
        why: 'another node may be writing',
      },
      note: 'Linux waits for twice the interval and takes over when the number stood still, as it does here.',
    },
  ),
  golden(
    'mmp-fsck',
    'e2fsck holds the image.',
    'mmp refused',
    (image) => {
      base(image);
      protect(image, MMP_FSCK, 'other-node');
    },
    {
      fsck: 12,
      mountRwErrno: 'EBUSY',
      refused: {
        errno: 'EBUSY',
        feature: 'mmp',
        why: 'a file system check is running',
      },
    },
  ),
];

/**
 * @param {string} name
 * @param {string} about
 * @param {string} errno
 * @param {string} why
 * @param {(image: import('./image.mjs').Image) => void} damage
 * @param {Partial<import('./case.mjs').Case>} [more]
 */
const damaged = (name, about, errno, why, damage, more) =>
  golden(
    name,
    about,
    'refused superblock',
    (image) => {
      base(image);
      damage(image);
    },
    { noTree: true, fsck: 8, mountErrno: errno, refused: { errno: 'EUCLEAN', why }, ...more },
  );

const u32 = (/** @type {number} */ value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const superblockCases = [
  damaged('super-no-magic', 'No magic number.', 'EINVAL', 'it is not ext4', (image) =>
    image.patch(SUPERBLOCK + 0x38, Buffer.from([0, 0]), 's_magic'),
  ),
  damaged(
    'super-bad-checksum',
    'One bit of the volume name was changed under the checksum.',
    'EBADMSG',
    'the superblock does not have its checksum',
    (image) => image.patch(SUPERBLOCK + 0x78, Buffer.from('x'), 's_volume_name'),
  ),
  damaged(
    'super-block-size',
    'Blocks of 128 KiB.',
    'EINVAL',
    's_log_block_size is above the largest',
    (image) => {
      image.debugfs('feature -metadata_csum');
      image.patch(SUPERBLOCK + 0x18, u32(7), 's_log_block_size');
    },
  ),
  damaged(
    'super-truncated',
    'The image ends before its last block.',
    'EINVAL',
    'it has more blocks than the device',
    (image) => image.resizeFile(2048 * 1024),
    { fsck: 0 },
  ),
];

const stateCases = [
  golden('state-error', 'Marked as having errors: opens, with a warning.', 'state', (image) => {
    base(image);
    image.debugfs(
      'ssv state 2',
      'ssv error_count 3',
      'ssv first_error_func golden',
      'ssv first_error_line 7',
    );
  }),
  golden(
    'orphan-list',
    'An inode on the orphan list (s_last_orphan) of an image without a journal.',
    'orphans state',
    (image) => {
      base(image);
      image.write('/orphan', pattern('orphan', 5000));
      const ino = /Inode: (\d+)/.exec(image.answer('stat /orphan'))?.[1];
      image.debugfs('unlink /orphan', `sif <${ino}> links_count 0`, `ssv last_orphan ${ino}`);
    },
    { fsck: 4, note: 'A read-only mount leaves the orphan alone; writing must free it first.' },
  ),
  golden(
    'state-not-clean',
    'Not cleanly unmounted, and no journal that could mend it.',
    'state',
    (image) => {
      base(image);
      image.debugfs('dirty');
    },
  ),
];

export const cases = [
  ...featureCases,
  ...journalCases,
  ...recoveryCases,
  ...mmpCases,
  ...superblockCases,
  ...stateCases,
];
