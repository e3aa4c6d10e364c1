// @ts-check
/**
 * What an inode carries besides its blocks: times, owners, links, devices, attributes, inline data.
 */
import { golden } from './case.mjs';
import { pattern } from './image.mjs';
import { oneOfEach } from './recipes-basic.mjs';

const NO_JOURNAL = '^has_journal';
const args = (/** @type {string} */ features, inode = 256) => [
  ...['-t', 'ext4', '-b', '1024', '-N', '128', '-I', `${inode}`],
  ...['-O', features ? `${NO_JOURNAL},${features}` : NO_JOURNAL],
];

/** Seconds and nanoseconds at every edge of the 34 bits that ext4 has for them. */
const MOMENTS = /** @type {const} */ ([
  ['epoch', 0, 0],
  ['before-epoch', -1, 999_999_999],
  ['oldest', -(2 ** 31), 0],
  ['last-of-31-bits', 2 ** 31 - 1, 999_999_999],
  ['y2038', 2 ** 31, 1],
  ['y2106', 2 ** 32 - 1, 123_456_789],
  ['past-2106', 2 ** 32, 5],
  ['epoch-2', 2 ** 33, 6],
  ['epoch-3', 3 * 2 ** 32, 7],
  ['newest', 2 ** 34 - 2 ** 31 - 1, 999_999_999],
]);

/**
 * How a moment is stored: 32 bits, signed, and a second word of two epoch bits and thirty of
 * nanoseconds.
 * @source filesystems/ext4/inodes.rst, "Inode Timestamps"
 * @param {number} sec
 * @param {number} nsec
 */
function stored(sec, nsec) {
  const low = sec | 0;
  const epoch = Math.round((sec - low) / 2 ** 32);
  return { low: low >>> 0, extra: ((nsec << 2) | epoch) >>> 0 };
}

/** @param {string} path @param {number} sec @param {number} nsec */
const setTimes = (path, sec, nsec) =>
  ['atime', 'mtime', 'ctime', 'crtime'].flatMap((field, i) => {
    const { low, extra } = stored(sec, Math.max(0, nsec - i));
    return [`sif ${path} ${field} @${low}`, `sif ${path} ${field}_extra ${extra}`];
  });

/**
 * A little-endian POSIX ACL as the xattr system calls spell it: version 2, then tag, permissions,
 * id.
 */
const acl = (/** @type {readonly (readonly [number, number, number])[]} */ entries) => {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  entries.forEach(([tag, perm, id], i) => {
    bytes.writeUInt16LE(tag, 4 + i * 8);
    bytes.writeUInt16LE(perm, 6 + i * 8);
    bytes.writeUInt32LE(id, 8 + i * 8);
  });
  return bytes;
};
const ANY = 0xffffffff;
const ACCESS = acl([
  [1, 6, ANY],
  [2, 7, 1000],
  [2, 4, 70_000],
  [4, 4, ANY],
  [8, 5, 50],
  [0x10, 7, ANY],
  [0x20, 0, ANY],
]);
const DEFAULT = acl([
  [1, 7, ANY],
  [2, 5, 1000],
  [4, 5, ANY],
  [0x10, 5, ANY],
  [0x20, 0, ANY],
]);
const MINIMAL = acl([
  [1, 6, ANY],
  [4, 4, ANY],
  [0x20, 4, ANY],
]);

const inodeCases = [
  golden(
    'times',
    'Times from 1901 to 2446 with nanoseconds.',
    'times-past-2038 nanoseconds',
    (image) => {
      image.mke2fs('2048', ...args(''));
      for (const [name, sec, nsec] of MOMENTS) {
        image.write(`/${name}`, name);
        image.debugfs(...setTimes(`/${name}`, sec, nsec));
      }
    },
  ),
  golden(
    'times-128',
    'Times in inodes of 128 bytes: 32 signed bits and no nanoseconds.',
    'inode-size-128 times',
    (image) => {
      image.mke2fs('2048', ...args('', 128));
      for (const [name, sec] of MOMENTS.slice(0, 5)) {
        image.write(`/${name}`, name);
        const { low } = stored(sec, 0);
        image.debugfs(...['atime', 'mtime', 'ctime'].map((f) => `sif /${name} ${f} @${low}`));
      }
    },
  ),
  golden(
    'extra-isize',
    'i_extra_isize of 0, 4, 8, 16, 24 and 32: which of the later fields exist.',
    'extra_isize',
    (image) => {
      image.mke2fs('2048', ...args('^metadata_csum'));
      for (const size of [0, 4, 8, 16, 24, 32]) {
        image.write(`/isize-${size}`, 'x');
        image.debugfs(...setTimes(`/isize-${size}`, 2 ** 32 + 10, 77));
        image.debugfs(`sif /isize-${size} extra_isize ${size}`);
      }
    },
  ),
  golden(
    'owners',
    'User and group ids past 16 bits, up to 2^32 - 2; every mode bit.',
    'big-ids',
    (image) => {
      image.mke2fs('2048', ...args(''));
      for (const id of [65_534, 65_535, 65_536, 100_000, 2 ** 31, 2 ** 32 - 2]) {
        image.write(`/id-${id}`, 'x');
        image.debugfs(`sif /id-${id} uid ${id}`, `sif /id-${id} gid ${2 ** 32 - 1 - id}`);
      }
      for (const mode of ['0000', '0777', '1777', '2755', '4755', '6711', '7777']) {
        image.write(`/mode-${mode}`, 'x');
        image.debugfs(`sif /mode-${mode} mode 010${mode}`, `mkdir dir-${mode}`);
        image.debugfs(`sif /dir-${mode} mode 004${mode}`);
      }
    },
  ),
  golden(
    'devices',
    'Devices in the old and the new form of their number, fifo, socket.',
    'devices fifo socket',
    (image) => {
      image.mke2fs('2048', ...args(''));
      const numbers = [
        [0, 0],
        [1, 3],
        [255, 255],
        [256, 0],
        [8, 256],
      ];
      for (const [major, minor] of numbers) {
        image.debugfs(`mknod c-${major}-${minor} c ${major} ${minor}`);
        image.debugfs(`mknod b-${major}-${minor} b ${major} ${minor}`);
      }
      // debugfs stops at 65,535; the largest number of the new form is put into i_block[1] as it is
      // stored.
      image.debugfs('mknod largest c 300 300', 'sif /largest block[1] 0xffffffff');
      image.debugfs('mknod fifo p', 'mknod socket p', 'sif /socket mode 0140755');
      image.e2fsck('-fy');
    },
  ),
  golden(
    'inode-flags',
    'Immutable, append-only, nodump, noatime, sync, dirsync, top of hierarchy.',
    'inode-flags',
    (image) => {
      image.mke2fs('2048', ...args(''));
      const flags = {
        immutable: 0x10,
        append: 0x20,
        nodump: 0x40,
        noatime: 0x80,
        sync: 0x8,
        secrm: 1,
        unrm: 2,
        notail: 0x8000,
      };
      for (const [name, flag] of Object.entries(flags)) {
        image.write(`/${name}`, name);
        image.debugfs(`sif /${name} flags 0x${(0x80000 | flag).toString(16)}`);
      }
      image.debugfs(
        'mkdir dirsync',
        'sif /dirsync flags 0x90000',
        'mkdir top',
        'sif /top flags 0xa0000',
      );
    },
  ),
  golden(
    'nlink-one',
    'dir_nlink: a directory whose link count overflowed to 1.',
    'dir_nlink',
    (image) => {
      image.mke2fs('2048', ...args(''));
      image.debugfs('mkdir many', 'mkdir many/a', 'mkdir many/b', 'sif /many links_count 1');
    },
    {
      fsck: 4,
      note: 'e2fsck counts the two directories and asks for a link count of 4; Linux reads 1 as "unknown".',
    },
  ),
];

const symlinkCases = [
  golden(
    'symlinks',
    'Fast symlinks up to 59 bytes, slow ones from 60 on, dangling, looping, long.',
    'symlink-fast symlink-slow',
    (image) => {
      image.mke2fs('2048', ...args(''));
      for (const length of [1, 2, 58, 59, 60, 61, 255, 1000, 1023]) {
        image.debugfs(`symlink len-${length} ${'t'.repeat(length)}`);
      }
      image.debugfs('symlink loop loop', 'symlink dot .', 'symlink root /', 'symlink up ../../x');
    },
  ),
];

const xattrCases = [
  golden(
    'xattr-inode',
    'Attributes inside the inode: several, an empty one, every name space.',
    'xattr-inode',
    (image) => {
      image.mke2fs('2048', ...args('', 1024));
      image.write('/file', 'x');
      const bytes = image.hostFile(Buffer.from(Array.from({ length: 256 }, (_v, i) => i)));
      image.debugfs(
        'ea_set /file user.a 1',
        'ea_set /file user.empty ""',
        `ea_set -f ${bytes} /file user.bytes`,
        'ea_set /file trusted.t "trusted value"',
        'ea_set /file security.selinux system_u:object_r:etc_t:s0',
        `ea_set /file user.${'n'.repeat(200)} "long name"`,
        'mkdir dir',
        'ea_set /dir user.dir yes',
        'symlink slow-link target',
        'ea_set /slow-link trusted.link yes',
      );
    },
  ),
  golden(
    'xattr-block',
    'Attributes in a block of their own, and both in the inode and in the block.',
    'xattr-block',
    (image) => {
      image.mke2fs('2048', ...args(''));
      image.write('/both', 'x');
      image.write('/block', 'y');
      const value = image.hostFile(pattern('value', 300));
      image.debugfs(
        'ea_set /both user.small 1',
        `ea_set -f ${value} /both user.large`,
        ...Array.from(
          { length: 9 },
          (_v, i) => `ea_set /block user.key${i} "value ${i} ${'v'.repeat(i * 5)}"`,
        ),
      );
    },
  ),
  golden(
    'xattr-128',
    'Attributes of inodes of 128 bytes: always a block.',
    'xattr-block inode-size-128',
    (image) => {
      image.mke2fs('2048', '-t', 'ext2', '-b', '1024', '-N', '64', '-I', '128');
      image.write('/file', 'x');
      image.debugfs('ea_set /file user.a 1', 'ea_set /file user.b "second value"');
    },
  ),
  golden(
    'xattr-shared-block',
    'One attribute block with three owners.',
    'xattr-block xattr-shared',
    (image) => {
      image.mke2fs('2048', '-t', 'ext2', '-b', '1024', '-N', '64', '-I', '128');
      for (const name of ['one', 'two', 'three']) image.write(`/${name}`, name);
      image.debugfs('ea_set /one user.shared "the same for all"');
      const block = /File ACL: (\d+)/.exec(image.answer('stat /one'))?.[1];
      for (const name of ['two', 'three'])
        image.debugfs(`sif /${name} file_acl ${block}`, `sif /${name} blocks 4`);
      image.e2fsck('-fy');
    },
  ),
  golden(
    'ea-inode',
    'ea_inode: values of more than a block, each in an inode of its own.',
    'ea_inode',
    (image) => {
      image.mke2fs('2048', ...args('ea_inode'));
      image.write('/file', 'x');
      for (const size of [900, 2000, 40_000]) {
        const value = image.hostFile(pattern(`v${size}`, size));
        image.debugfs(`ea_set -f ${value} /file user.size${size}`);
      }
      image.debugfs('ea_set /file user.small 1');
      // debugfs does not count the blocks of a value in the i_blocks of the file that owns it.
      image.e2fsck('-fy');
    },
  ),
  golden(
    'acl',
    'POSIX ACLs: access, default on a directory, minimal; in the inode and in a block.',
    'acl',
    (image) => {
      image.mke2fs('2048', ...args(''));
      image.write('/access', 'x');
      image.write('/minimal', 'y');
      image.write('/capable', 'z');
      const [access, normal, minimal] = [ACCESS, DEFAULT, MINIMAL].map((a) => image.hostFile(a));
      const capability = image.hostFile(
        Buffer.from('0100000200200000000000000000000000000000', 'hex'),
      );
      const filler = image.hostFile(pattern('filler', 60));
      image.debugfs(
        `ea_set -f ${access} /access system.posix_acl_access`,
        'sif /access mode 0100670',
        'mkdir dir',
        `ea_set -f ${filler} /dir user.filler`,
        `ea_set -f ${access} /dir system.posix_acl_access`,
        `ea_set -f ${normal} /dir system.posix_acl_default`,
        `ea_set -f ${minimal} /minimal system.posix_acl_access`,
        `ea_set -f ${capability} /capable security.capability`,
      );
    },
  ),
];

const INLINE = 'inline_data';

const inlineCases = [
  golden(
    'inline-files',
    'Inline data in files: in i_block only, continued in the attribute space, and just too long.',
    INLINE,
    (image) => {
      image.mke2fs('2048', ...args(INLINE));
      for (const size of [0, 1, 59, 60, 61, 100, 132, 140, 150, 159, 160, 161, 200]) {
        image.write(`/size-${size}`, pattern(`s${size}`, size));
      }
      image.write('/with-xattr', pattern('w', 80));
      image.debugfs('ea_set /with-xattr user.a "beside the data"');
      image.write('/short', pattern('short', 40));
      image.debugfs('sif /short size 20');
    },
  ),
  golden(
    'inline-1024',
    'Inline data in inodes of 1024 bytes.',
    `${INLINE} inode-size-1024`,
    (image) => {
      image.mke2fs('2048', ...args(INLINE, 1024));
      for (const size of [60, 500, 900, 930, 960])
        image.write(`/size-${size}`, pattern(`s${size}`, size));
      image.debugfs(`symlink link ${'t'.repeat(700)}`, 'mkdir dir');
      image.debugfs(...Array.from({ length: 30 }, (_v, i) => `symlink dir/name-${i} x`));
    },
  ),
  golden(
    'inline-dirs',
    'Inline directories: empty, in i_block, continued, and one that grew out of it.',
    INLINE,
    (image) => {
      image.mke2fs('2048', ...args(INLINE));
      for (const count of [0, 1, 3, 4, 7, 8, 40]) {
        const names = Array.from({ length: count }, (_v, i) => `symlink dir-${count}/n${i} x`);
        image.debugfs(`mkdir dir-${count}`, ...names);
      }
      image.debugfs('mkdir dir-3/sub', 'mkdir dir-3/sub/deeper');
    },
  ),
  golden(
    'inline-symlinks',
    'Symlinks of 60 bytes and more kept inline.',
    `${INLINE} symlink-inline`,
    (image) => {
      image.mke2fs('2048', ...args(INLINE));
      for (const length of [10, 59, 60, 61, 100, 150, 170, 300]) {
        image.debugfs(`symlink len-${length} ${'t'.repeat(length)}`);
      }
    },
  ),
  golden(
    'inline-all',
    'One of each kind of file on an image with inline_data.',
    INLINE,
    (image) => {
      image.mke2fs('2048', ...args(INLINE));
      oneOfEach(image);
    },
  ),
];

const manyCases = [
  golden(
    'dir-65000',
    'dir_nlink in earnest: 65,100 directories in one, link count 1. Inline data keeps them small.',
    'dir_nlink inline_data htree',
    (image) => {
      const count = 65_100;
      image.mke2fs(
        '131072',
        '-t',
        'ext4',
        '-b',
        '1024',
        '-N',
        `${count + 1000}`,
        '-O',
        `${NO_JOURNAL},inline_data,large_dir`,
      );
      image.kernel(`mkdir many, and ${count} directories in it`, MKDIRS, { args: [String(count)] });
    },
    { needsKernel: true },
  ),
];

const MKDIRS = `
import os, sys
top, count = sys.argv[1] + '/many', int(sys.argv[2])
os.mkdir(top)
for i in range(count):
    os.mkdir(f'{top}/d{i}')
`;

export const cases = [...inodeCases, ...symlinkCases, ...xattrCases, ...inlineCases, ...manyCases];
