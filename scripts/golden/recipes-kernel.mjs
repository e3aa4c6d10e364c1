// @ts-check
/**
 * Images that the kernel wrote: the shapes that its allocator, its directory splits and its
 * attribute sharing give, which e2fsprogs would not make. Not the same bytes twice.
 */
import { golden } from './case.mjs';

const HELPERS = `
import ctypes, os, random, struct, sys
top = sys.argv[1]
random.seed(1)
libc = ctypes.CDLL(None, use_errno=True)
def write(path, data, offset=0):
    fd = os.open(f'{top}/{path}', os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, data, offset)
    os.close(fd)
def fallocate(path, mode, offset, length):
    fd = os.open(f'{top}/{path}', os.O_RDWR | os.O_CREAT, 0o644)
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), path)
    os.close(fd)
`;

/** fallocate modes: 1 keep size, 3 punch hole, 8 collapse, 16 zero range, 32 insert. */
const MIXED = `${HELPERS}
os.mkdir(f'{top}/d')
for i in range(30):
    write(f'd/f{i}', b'%d ' % i * random.randrange(0, 3000))
for i in range(0, 30, 3):
    os.unlink(f'{top}/d/f{i}')
os.rename(f'{top}/d/f1', f'{top}/d/renamed-to-a-longer-name')
os.rename(f'{top}/d/f2', f'{top}/d/f4')
for i in range(40):
    write('random', b'R%d ' % i * 300, random.randrange(0, 2000) * 1024)
write('grown', b'start')
os.truncate(f'{top}/grown', 3_000_000)
write('cut', b'x' * 100_000)
os.truncate(f'{top}/cut', 54_321)
fallocate('kept', 1, 0, 50_000)
write('punched', b'p' * 100_000)
fallocate('punched', 3, 10_000, 50_000)
fallocate('zeroed', 0, 0, 40_000)
write('zeroed', b'z' * 10_000, 15_000)
os.symlink('t' * 59, f'{top}/fast')
os.symlink('t' * 60, f'{top}/slow')
os.link(f'{top}/cut', f'{top}/d/hard')
os.mknod(f'{top}/dev', 0o020600, os.makedev(300, 70000))
os.mkfifo(f'{top}/fifo')
os.mknod(f'{top}/sock', 0o140755)
os.chown(f'{top}/grown', 70_000, 2**31)
os.utime(f'{top}/grown', ns=(5_000_000_000_123_456_789, -1_500_000_000))
os.setxattr(f'{top}/grown', 'user.key', b'value')
os.setxattr(f'{top}/grown', 'trusted.key', b'\\0\\1\\2')
`;

const ACL_INHERIT = `
default = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', t, p, i) for t, p, i in
    ((1, 7, 2**32 - 1), (2, 5, 1000), (4, 5, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)))
os.mkdir(f'{top}/acl')
os.setxattr(f'{top}/acl', 'system.posix_acl_default', default)
write('acl/child', b'inherits')
os.mkdir(f'{top}/acl/sub')
`;

const SPLITS = `${HELPERS}
os.mkdir(f'{top}/dir')
write('target', b'target')
names = [f'{i:x}-' + 'splitting' * (i % 9) for i in range(1800)]
random.shuffle(names)
for name in names:
    os.link(f'{top}/target', f'{top}/dir/{name}')
for name in names[::5]:
    os.unlink(f'{top}/dir/{name}')
for name in names[:300:7]:
    if os.path.exists(f'{top}/dir/{name}'):
        os.rename(f'{top}/dir/{name}', f'{top}/dir/{name}-renamed')
`;

const SHARED = `${HELPERS}
value = b'the same value ' * 2000
for i in range(4):
    write(f'large{i}', b'x')
    os.setxattr(f'{top}/large{i}', 'user.big', value)
for i in range(4):
    write(f'block{i}', b'y')
    for k in range(5):
        os.setxattr(f'{top}/block{i}', f'user.key{k}', b'same for all' * 5)
`;

const FRAGMENTS = `${HELPERS}
filler = [os.open(f'{top}/fill{i}', os.O_RDWR | os.O_CREAT) for i in range(2)]
fd = os.open(f'{top}/fragmented', os.O_RDWR | os.O_CREAT)
for i in range(700):
    os.pwrite(fd, b'%d.' % i * 200, i * 1024)
    os.fsync(fd)
    os.pwrite(filler[i % 2], b'f', i // 2 * 1024)
    os.fsync(filler[i % 2])
for i in range(2):
    os.close(filler[i])
    os.unlink(f'{top}/fill{i}')
for offset in range(100, 600, 7):
    libc.fallocate(fd, 3, ctypes.c_long(offset * 1024), ctypes.c_long(1024))
os.close(fd)
`;

/**
 * @param {string} name @param {string} about @param {string} features
 * @param {string} size @param {readonly string[]} args @param {string} program
 */
const written = (name, about, features, size, args, program) =>
  golden(
    name,
    about,
    `kernel-made ${features}`,
    (image) => {
      image.mke2fs(size, '-b', '1024', '-N', '256', ...args);
      image.kernel('see scripts/golden/recipes-kernel.mjs', program);
    },
    { needsKernel: true },
  );

const WITH_JOURNAL = ['-t', 'ext4', '-J', 'size=1'];

export const cases = [
  written(
    'kernel-ext4',
    'Written, cut, punched, renamed by Linux on ext4.',
    'ext4 unwritten acl',
    '8192',
    WITH_JOURNAL,
    MIXED + ACL_INHERIT,
  ),
  written(
    'kernel-ext3',
    'Written, cut, renamed by Linux on ext3.',
    'ext3',
    '8192',
    ['-t', 'ext3', '-J', 'size=1'],
    MIXED.replace(/^fallocate.*\n/gm, ''),
  ),
  written(
    'kernel-ext2',
    'Written, cut, renamed by Linux on ext2.',
    'ext2',
    '8192',
    ['-t', 'ext2'],
    MIXED.replace(/^fallocate.*\n/gm, ''),
  ),
  written(
    'kernel-inline',
    'Written, cut, renamed by Linux on an image with inline_data.',
    'inline_data acl',
    '8192',
    [...WITH_JOURNAL, '-O', 'inline_data'],
    MIXED + ACL_INHERIT,
  ),
  written(
    'kernel-bigalloc',
    'Written, cut, punched by Linux on clusters of 8 blocks.',
    'bigalloc unwritten',
    '16384',
    [...WITH_JOURNAL, '-O', 'bigalloc', '-C', '8192'],
    MIXED,
  ),
  written(
    'kernel-htree',
    'An index that grew by splits, with entries deleted and renamed.',
    'htree dir-deleted',
    '8192',
    WITH_JOURNAL,
    SPLITS,
  ),
  written(
    'kernel-xattr-shared',
    'Attribute values in shared inodes and shared blocks.',
    'ea_inode xattr-shared',
    '8192',
    [...WITH_JOURNAL, '-O', 'ea_inode'],
    SHARED,
  ),
  written(
    'kernel-fragmented',
    'A file in hundreds of extents, of which some were punched out.',
    'extents-depth-2',
    '8192',
    WITH_JOURNAL,
    FRAGMENTS,
  ),
];
