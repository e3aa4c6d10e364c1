import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import { inKernel, kernelMounts } from '../../../../test/support/kernel.ts';
import { dirHash, hashSeedOf, hashVersionInUse } from '../hash.ts';
import { DirEntry2, DirEntryTail } from './dirent.ts';
import { FscryptSymlinkData, base64url, nokeyName, parseEncryptionContext } from './encryption.ts';
import { Superblock } from './superblock.ts';

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();

/** Makes an encrypted directory and takes the key away again. */
const ENCRYPT = `
import ctypes, fcntl, os, struct, sys
at = sys.argv[1]
def code(direction, n, size): return direction << 30 | size << 16 | ord('f') << 8 | n
fd = os.open(at, os.O_RDONLY)
key = bytearray(struct.pack('<II32xII32x', 2, 0, 64, 0) + bytes(range(64)))
fcntl.ioctl(fd, code(3, 23, 80), key)
d = os.path.join(at, 'd'); os.mkdir(d)
dfd = os.open(d, os.O_RDONLY)
fcntl.ioctl(dfd, code(2, 19, 12), struct.pack('<BBBBB3x16s', 2, 1, 4, 3, 0, bytes(key[8:24])))
os.close(dfd)
for name in ['a', 'hello', 'b' * 140, 'c' * 149, 'd' * 160, 'e' * 200, 'f' * 255]:
    open(os.path.join(d, name), 'w').close()
os.symlink('t' * 100, os.path.join(d, 'link'))
ctypes.CDLL(None).syncfs(fd)
away = bytearray(struct.pack('<II32xI20x', 2, 0, 0)); away[8:24] = key[8:24]
fcntl.ioctl(fd, code(3, 24, 64), away)
print(bytes(key[8:24]).hex())
`;
const LIST = `
import os, sys
d = os.path.join(sys.argv[1], 'd')
for name in sorted(os.listdir(d)):
    path = os.path.join(d, name)
    print(name, os.readlink(path) if os.path.islink(path) else '')
`;

/** The first block of debugfs's list. */
const blockOf = (listing: string): number =>
  Number(/^\d+/.exec(listing.split('\n').find((l) => /^\d/.test(l)) ?? '')?.[0]);
/** The inode of the symlink in debugfs's list. */
const linkInode = (listing: string): string => /^\/(\d+)\/12/m.exec(listing)?.[1] ?? '';

test('names without the key are those that Linux shows', ({ skip }) => {
  skip(!kernelMounts(['-t', 'ext4', '-O', 'encrypt']), 'the kernel mounts no such images here');
  const image = makeImage(['-t', 'ext4', '-b', '4096', '-O', 'encrypt'], '8M');
  const identifier = inKernel(image, ENCRYPT).trim();
  const shown = inKernel(image, LIST).trim().split('\n');

  const view = image.view();
  const seed = hashSeedOf(view, 1024);
  const version = hashVersionInUse(
    Superblock.s_def_hash_version.get(view, 1024),
    Superblock.s_flags.get(view, 1024),
  );
  const names: string[] = [];
  const block = blockOf(image.ask('blocks d')) * 4096;
  for (let pos = block; pos < block + 4096 - DirEntryTail.$size;) {
    const name = new Uint8Array(view.buffer, pos + 8, DirEntry2.name_len.get(view, pos));
    if (DirEntry2.inode.get(view, pos) !== 0 && name.length > 2) {
      const { hash, minor } = dirHash(version, seed, name);
      names.push(nokeyName(hash, minor, name, sha256));
    }
    pos += DirEntry2.rec_len.get(view, pos);
  }
  expect(names.sort()).toEqual(shown.map((line) => line.split(' ')[0]).sort());
  expect(names.length).toBe(8);
  const link = shown.find((line) => !line.endsWith(' '))?.split(' ') ?? [];
  const target = blockOf(image.ask(`blocks <${linkInode(image.ask('ls -p d'))}>`)) * 4096;
  const length = FscryptSymlinkData.len.get(view, target);
  const ciphertext = new Uint8Array(view.buffer, target + FscryptSymlinkData.$size, length);
  expect(link[1]).toBe(nokeyName(0, 0, ciphertext, sha256));

  const context = image
    .ask('ea_get -x d c')
    .match(/(?<== )[0-9a-f ]+/)?.[0]
    .replaceAll(' ', '');
  const policy = parseEncryptionContext(Uint8Array.from(Buffer.from(context ?? '', 'hex')), 12);
  expect(policy).toMatchObject({ version: 2, contentsMode: 1, filenamesMode: 4, padding: 32 });
  expect(Buffer.from(policy.masterKey).toString('hex')).toBe(identifier);
});

test('base64url is that of RFC 4648, without padding', () => {
  const data = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  for (let n = 0; n < 256; n += 1) {
    expect(base64url(data.subarray(0, n))).toBe(
      Buffer.from(data.subarray(0, n)).toString('base64url'),
    );
  }
});

test('a context whose version does not fit its length is corruption', () => {
  const v1 = new Uint8Array(28);
  v1[0] = 1;
  v1[3] = 2;
  expect(parseEncryptionContext(v1, 12)).toMatchObject({ version: 1, padding: 16 });
  v1[0] = 2;
  expect(() => parseEncryptionContext(v1, 12)).toThrow(/EUCLEAN.*fscrypt_context.*ino 12/);
  expect(() => parseEncryptionContext(new Uint8Array(0), 12)).toThrow(/EUCLEAN/);
  expect(() => parseEncryptionContext(new Uint8Array(40), 12)).toThrow(/EUCLEAN/);
});
