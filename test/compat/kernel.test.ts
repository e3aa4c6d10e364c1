// Goal: what we write is what Linux reads, and what Linux writes is what we read: modes, owners,
// times in nanoseconds, attributes, hashes, device numbers, targets. Method: a tree of all types,
// made on one side, walked on both. Needs root, loop devices and python3.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { mkfsSync, openSync, type Volume } from '../../src/index.ts';
import type { BigIntStats } from '../../src/api/stats.ts';
import type { MakeOptions } from '../../src/init.ts';
import { makeImage, scratchDir } from '../support/e2fsprogs.ts';
import { e2fsck, haveLoop, withKernelMount } from '../support/judges.ts';

/** One line for each name: everything that is compared. */
type Facts = Record<string, string>;

/** The kernel's view, by Python, which has calls for all of it. */
const WALK = `
import hashlib, json, os, stat, sys
root = sys.argv[1]
out = {}
for folder, dirs, files in os.walk(root):
    for name in [''] + dirs + files:
        path = os.path.join(folder, name) if name else folder
        s = os.lstat(path)
        kind = stat.S_IFMT(s.st_mode)
        rest = ''
        if stat.S_ISREG(s.st_mode):
            rest = hashlib.sha256(open(path, 'rb').read()).hexdigest()
        elif stat.S_ISLNK(s.st_mode):
            rest = os.readlink(path)
        size = 0 if stat.S_ISDIR(s.st_mode) else s.st_size
        names = sorted(n for n in os.listxattr(path, follow_symlinks=False) if n != 'security.selinux')
        xattrs = [n + '=' + os.getxattr(path, n, follow_symlinks=False).hex() for n in names]
        rdev = os.major(s.st_rdev) * 65536 + os.minor(s.st_rdev)
        facts = [oct(s.st_mode)[2:], s.st_nlink, s.st_uid, s.st_gid, rdev, size, s.st_atime_ns,
                 s.st_mtime_ns, s.st_ctime_ns, s.st_ino, rest] + xattrs
        out['/' + os.path.relpath(path, root)] = ' '.join(str(f) for f in facts)
print(json.dumps(out))
`;

const kernelFacts = (dir: string): Facts =>
  JSON.parse(
    execFileSync('python3', ['-c', WALK, dir], { encoding: 'utf8', maxBuffer: 1 << 28 }),
  ) as Facts;

/** The same from a volume. */
function ourFacts(v: Volume): Facts {
  const { fs } = v;
  const facts: Facts = {};
  const pending = ['/.'];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const at = path === '/.' ? '/' : path;
    const s = fs.lstatSync(at, { bigint: true }) as BigIntStats;
    let rest = '';
    if (s.isFile()) {
      rest = createHash('sha256')
        .update(fs.readFileSync(at) as Uint8Array)
        .digest('hex');
    } else if (s.isSymbolicLink()) {
      rest = String(fs.readlinkSync(at));
    }
    const names = fs.listxattrSync(at, { follow: false }).sort();
    const xattrs = names.map(
      (n) => `${n}=${Buffer.from(fs.getxattrSync(at, n, { follow: false })).toString('hex')}`,
    );
    const major = Number((s.rdev >> 8n) & 0xfffn);
    const minor = Number((s.rdev & 0xffn) | ((s.rdev >> 12n) & 0xfff00n));
    const size = s.isDirectory() ? 0 : s.size;
    const list = [s.mode.toString(8), s.nlink, s.uid, s.gid, major * 65536 + minor, size];
    const times = [s.atimeNs, s.mtimeNs, s.ctimeNs, s.ino, rest];
    facts[path] = [...list, ...times, ...xattrs].join(' ');
    if (!s.isDirectory()) continue;
    for (const name of fs.readdirSync(at) as string[]) {
      pending.push(`${at === '/' ? '' : at}/${name}`);
    }
  }
  return facts;
}

/** A tree with all types, made by us. */
function build(v: Volume): void {
  const { fs } = v;
  const chance = new Prng(3);
  fs.mkdirSync('/dir/deep/deeper', { recursive: true });
  for (const size of [0, 1, 50, 160, 1000, 4096, 70_000, 1_500_000]) {
    fs.writeFileSync(`/dir/file-${String(size)}`, chance.bytes(size));
  }
  const fd = fs.openSync('/dir/holes', 'w');
  for (let i = 0; i < 40; i++) fs.writeSync(fd, chance.bytes(300), 0, 300, i * 61_000);
  fs.closeSync(fd);
  fs.mkdirSync('/many');
  for (let i = 0; i < 800; i++) fs.writeFileSync(`/many/${'n'.repeat(i % 90)}-${String(i)}`, '');
  fs.symlinkSync('short', '/dir/fast');
  fs.symlinkSync('l/'.repeat(200), '/dir/slow');
  fs.linkSync('/dir/file-1', '/dir/deep/hard link \u00fc');
  for (const [name, mode, rdev] of [
    ['char', 0o020640, 0x103],
    ['block', 0o060600, 0xfff12],
    ['fifo', 0o010644, 0],
    ['socket', 0o140755, 0],
  ] as const) {
    fs.mknodSync(`/dir/${name}`, mode, rdev);
  }
  fs.chownSync('/dir/file-50', 100_000, 70_000);
  fs.chmodSync('/dir/file-160', 0o6755);
  fs.utimesSync('/dir/file-1000', 1.25, 4_000_000_000.5);
  fs.setxattrSync('/dir/file-0', 'user.small', chance.bytes(20));
  fs.setxattrSync('/dir/file-0', 'user.large', chance.bytes(700));
  fs.setxattrSync('/dir', 'trusted.t', chance.bytes(5));
}

const FORMATS: readonly (readonly [string, MakeOptions])[] = [
  ['ext4', { type: 'ext4' }],
  ['ext4 4k', { type: 'ext4', blockSize: 4096 }],
  ['ext2', { type: 'ext2' }],
  ['ext3', { type: 'ext3' }],
  ['inline_data', { type: 'ext4', features: 'inline_data' }],
  ['bigalloc', { type: 'ext4', blockSize: 4096, features: 'bigalloc', clusterSize: 16_384 }],
  ['128-byte inodes', { type: 'ext4', inodeSize: 128 }],
];

const ready = haveLoop();
const why = ready ? '' : ' (skipped: needs root and loop devices)';

test.skipIf(!ready).each(FORMATS)(
  `%s: the kernel sees what we wrote${why}`,
  async (_name, options) => {
    const path = join(scratchDir(), 'image');
    mkfsSync(path, { size: '48M', ...options });
    const v = openSync(path, { options: 'noatime' });
    build(v);
    const ours = ourFacts(v);
    v.closeSync();
    expect(e2fsck(path).status).toBe(0);
    const theirs = await withKernelMount(path, { ro: true, options: 'noatime' }, kernelFacts);
    expect(theirs).toEqual(ours);
    const again = openSync(path, { readOnly: true });
    expect(ourFacts(again)).toEqual(ours);
    again.closeSync();
  },
);

/** The same kinds of things, made by the kernel. */
const MAKE = `
import os, random, socket, sys
os.chdir(sys.argv[1])
r = random.Random(5)
os.makedirs('dir/deep/deeper')
for size in [0, 1, 50, 160, 1000, 4096, 70000, 1500000]:
    open('dir/file-%d' % size, 'wb').write(r.randbytes(size))
with open('dir/holes', 'wb') as f:
    for i in range(40):
        f.seek(i * 61000); f.write(r.randbytes(300))
os.mkdir('many')
for i in range(800):
    open('many/' + 'n' * (i % 90) + '-%d' % i, 'w').close()
os.symlink('short', 'dir/fast')
os.symlink('l/' * 200, 'dir/slow')
os.link('dir/file-1', 'dir/deep/hard link \\u00fc')
os.mknod('dir/char', 0o020640, os.makedev(1, 3))
os.mknod('dir/block', 0o060600, os.makedev(300, 70000))
os.mkfifo('dir/fifo')
socket.socket(socket.AF_UNIX).bind('dir/socket')
os.chown('dir/file-50', 100000, 70000)
os.chmod('dir/file-160', 0o6755)
os.utime('dir/file-1000', ns=(1250000001, 4000000000500000007))
os.setxattr('dir/file-0', 'user.small', r.randbytes(20))
os.setxattr('dir/file-0', 'user.large', r.randbytes(700))
os.setxattr('dir', 'trusted.t', r.randbytes(5))
`;

const ARGS: readonly (readonly [string, string[]])[] = [
  ['ext4', ['-t', 'ext4']],
  ['ext4 1k', ['-t', 'ext4', '-b', '1024']],
  ['ext3', ['-t', 'ext3']],
  ['ext2', ['-t', 'ext2']],
  ['inline_data', ['-t', 'ext4', '-O', 'inline_data']],
  ['bigalloc', ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384']],
  ['128-byte inodes', ['-t', 'ext4', '-I', '128']],
];

test.skipIf(!ready).each(ARGS)(`%s: we see what the kernel wrote${why}`, async (_name, args) => {
  const image = makeImage([...args], '48M');
  await withKernelMount(image.path, {}, (dir) => {
    execFileSync('python3', ['-c', MAKE, dir], { stdio: 'pipe' });
  });
  const theirs = await withKernelMount(image.path, { ro: true, options: 'noatime' }, kernelFacts);
  const v = openSync(image.path, { readOnly: true });
  expect(ourFacts(v)).toEqual(theirs);
  v.closeSync();
});
