// Goal: holes, data and extents of a file are where the kernel says they are.
// Method: sparse, unwritten, fragmented and inline files; SEEK_HOLE and SEEK_DATA of Python and
// FIEMAP of filefrag on a loop mount as judges.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { asciiName } from '../../src/base/name.ts';
import { ino } from '../../src/base/units.ts';
import { ext4Iget } from '../../src/fs/ext4/inode.ts';
import { Dentry } from '../../src/vfs/dcache.ts';
import { File, O_RDONLY } from '../../src/vfs/file.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { isNotAvailable, withKernelMount } from '../support/judges.ts';
import { mountFile, type Mounted } from '../support/mounted.ts';

const MAKE = `
import ctypes, os, sys
d = sys.argv[1]
def f(name): return os.open(os.path.join(d, name), os.O_RDWR | os.O_CREAT)
a = f('sparse')
for at in (0, 100000, 1000000, 5000001): os.pwrite(a, b'x' * 3000, at)
os.ftruncate(a, 6000000)
b = f('alloc')
os.posix_fallocate(b, 0, 300000)
os.pwrite(b, b'y' * 5000, 150000)
c = f('small'); os.pwrite(c, b'hello', 0)
e = f('empty')
g = f('many')
for i in range(300): os.pwrite(g, b'z', i * 8192)
ctypes.CDLL(None).syncfs(e)
`;
const ASK = `
import os, sys, json
d = sys.argv[1]
out = {}
for name in sorted(os.listdir(d)):
    p = os.path.join(d, name)
    if not os.path.isfile(p): continue
    fd = os.open(p, os.O_RDONLY)
    size = os.fstat(fd).st_size
    seeks = []
    for at in (0, 1, 4096, 99999, 103000, 150000, 999999, 5000001, 5999999):
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            try: seeks.append(os.lseek(fd, at, whence))
            except OSError as e: seeks.append(-e.errno)
    out[name] = {'ino': os.fstat(fd).st_ino, 'seeks': seeks}
print(json.dumps(out))
`;

type Answers = Record<string, { ino: number; seeks: number[] }>;
interface Extent {
  logical: number;
  physical: number;
  length: number;
}

const FORMATS: readonly string[][] = [
  ['-t', 'ext4', '-b', '1024'],
  ['-t', 'ext4', '-b', '4096'],
  ['-t', 'ext2', '-b', '1024'],
  ['-t', 'ext4', '-O', 'inline_data'],
  ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'],
];

function seeks(m: Mounted, nr: number): number[] {
  const inode = m.run(ext4Iget(m.sb, ino(nr)));
  const file = new File(new Dentry(m.sb, null, asciiName('f')), inode, O_RDONLY);
  const found: number[] = [];
  for (const at of [0, 1, 4096, 99999, 103000, 150000, 999999, 5000001, 5999999]) {
    for (const whence of [3, 4]) {
      try {
        found.push(m.run(inode.fops.llseek!(file, at, whence)));
      } catch (e) {
        if (!(e instanceof FsError)) throw e;
        found.push(-e.errno);
      }
    }
  }
  return found;
}

/** Extents as filefrag lists them, joined where they touch. */
function filefrag(path: string): Extent[] {
  const text = execFileSync('filefrag', ['-v', '-b1', path], { encoding: 'utf8' });
  const rows = text
    .split('\n')
    .map((l) => /^\s*\d+:\s*(\d+)\.\.\s*(\d+):\s*(\d+)\.\.\s*(\d+):\s*(\d+):/.exec(l));
  return joined(
    rows.flatMap((r) =>
      r ? [{ logical: Number(r[1]), physical: Number(r[3]), length: Number(r[5]) }] : [],
    ),
  );
}

function joined(extents: Extent[]): Extent[] {
  const out: Extent[] = [];
  for (const e of extents) {
    const last = out.at(-1);
    if (
      last &&
      last.logical + last.length === e.logical &&
      last.physical + last.length === e.physical
    ) {
      last.length += e.length;
    } else {
      out.push({ ...e });
    }
  }
  return out;
}

function fiemap(m: Mounted, nr: number): Extent[] {
  const inode = m.run(ext4Iget(m.sb, ino(nr)));
  const found: Extent[] = [];
  m.run(
    inode.iops.fiemap!(inode, 0, 2 ** 40, (e) => {
      found.push({ logical: e.logical, physical: e.physical, length: e.length });
      return true;
    }),
  );
  return joined(found);
}

test.each(FORMATS.map((f) => [f.join(' '), f] as const))('%s', async (_name, args) => {
  const image: TestImage = makeImage([...args], '24M');
  const kernel = await withKernelMount(image.path, {}, (dir) => {
    execFileSync('python3', ['-c', MAKE, dir]);
  });
  if (isNotAvailable(kernel)) return;
  const said = await withKernelMount(image.path, { ro: true }, (dir) => {
    const answers = JSON.parse(
      execFileSync('python3', ['-c', ASK, dir], { encoding: 'utf8' }),
    ) as Answers;
    const names = Object.keys(answers).filter((n) => n !== 'small' && n !== 'empty');
    return { answers, extents: Object.fromEntries(names.map((n) => [n, filefrag(`${dir}/${n}`)])) };
  });
  if (isNotAvailable(said)) return;
  const m = mountFile(image.path);
  for (const [name, { ino: nr, seeks: want }] of Object.entries(said.answers)) {
    expect(seeks(m, nr), name).toEqual(want);
    if (said.extents[name]) expect(fiemap(m, nr), name).toEqual(said.extents[name]);
  }
});
