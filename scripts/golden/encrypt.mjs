// @ts-check
/** The encrypted image: made by the kernel with a key that this file tells, walked without it. */

/** A test key; nothing is protected by it. */
const KEY = Buffer.from(Array.from({ length: 64 }, (_v, i) => i)).toString('hex');

const SETUP = `
import ctypes, fcntl, os, struct, sys
top, key = sys.argv[1], bytes.fromhex(sys.argv[2])
# struct fscrypt_add_key_arg: type, reserved, identifier[32], raw_size, key_id, reserved, raw
arg = bytearray(struct.pack('<II32sII32s', 2, 0, b'', len(key), 0, b'') + key)
fd = os.open(top, os.O_RDONLY)
fcntl.ioctl(fd, 0xC0506617, arg)  # FS_IOC_ADD_ENCRYPTION_KEY
identifier = bytes(arg[8:24])

def policy(path, flags, contents=1, names=4):
    # struct fscrypt_policy_v2: version, contents, names, flags, unit, reserved, identifier
    d = os.open(path, os.O_RDONLY)
    spec = struct.pack('<BBBBB3s16s', 2, contents, names, flags, 0, b'', identifier)
    fcntl.ioctl(d, 0x800C6613, spec)  # FS_IOC_SET_ENCRYPTION_POLICY
    os.close(d)

def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)

for name, flags in (('pad4', 0), ('pad32', 3)):
    d = f'{top}/{name}'
    os.mkdir(d)
    policy(d, flags)
    for i, stem in enumerate(('a', 'file.txt', 'sixteen-bytes-16', 'n' * 100, 'm' * 160, 'l' * 255)):
        write(f'{d}/{stem}', stem.encode() * i)
    os.mkdir(f'{d}/sub')
    write(f'{d}/sub/inner', b'inner')
    os.symlink('target', f'{d}/link')
    os.symlink('t' * 300, f'{d}/long-link')
big = f'{top}/indexed'
os.mkdir(big)
policy(big, 2)
for i in range(150):
    write(f'{big}/entry-{i}', b'')
write(f'{top}/plain', b'not encrypted')
ctypes.CDLL(None).syncfs(fd)
os.close(fd)
`;

/** @param {import('./image.mjs').Image} image */
export function makeEncrypted(image) {
  const features = '^has_journal,encrypt,stable_inodes';
  image.mke2fs('4096', '-t', 'ext4', '-b', '1024', '-N', '512', '-O', features);
  image.kernel('a key added, policies set, files made (scripts/golden/encrypt.mjs)', SETUP, {
    args: [KEY],
  });
}
