/**
 * What an image holds, by path: as the kernel saw it before it was shut down, and as we see it.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { Volume } from '../../src/index.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { inKernel } from '../support/kernel.ts';
import { GO_DOWN } from '../support/journal-image.ts';

/** Prints every inode by path. */
const LOOK = `
import hashlib, json, stat
def look(p, out):
    st = os.lstat(p)
    line = [st.st_ino, st.st_mode, st.st_nlink, st.st_size]
    if stat.S_ISREG(st.st_mode): line.append(hashlib.sha256(open(p, 'rb').read()).hexdigest())
    if stat.S_ISLNK(st.st_mode): line.append(os.readlink(p))
    out[p[1:] or '/'] = line
    if stat.S_ISDIR(st.st_mode):
        for n in sorted(os.listdir(p)): look(p + '/' + n, out)
tree = {}
look('.', tree)
print(json.dumps(tree))
`;

/** Random work; every write of data is followed by an fsync. */
const WORK = `
import random, subprocess
r = random.Random(SEED)
dirs = ['.']
fd = os.open('first', os.O_CREAT | os.O_RDWR); os.write(fd, b'1'); os.fsync(fd); os.close(fd)
def rel(): return r.choice(dirs) + '/' + r.choice('abcdefghij') + str(r.randrange(6))
def data(p, write):
    f = os.open(p, os.O_CREAT | os.O_RDWR); write(f); os.fsync(f); os.close(f)
def sparse(f):
    for k in range(r.randrange(1, 30)):
        os.pwrite(f, bytes([k]) * r.randrange(1, 1500), r.randrange(60) * 4096)
def fresh(p):
    try: os.unlink(p)
    except FileNotFoundError: pass
    data(p, lambda f: os.write(f, b'new' * r.randrange(1, 500)))
def mkdir():
    d = r.choice(dirs) + '/D' + str(r.randrange(6)); os.mkdir(d); dirs.append(d)
def rmdir():
    d = r.choice(dirs[1:] or ['.']); os.rmdir(d); dirs.remove(d)
def punch():
    where = ['-o', str(r.randrange(20) * 1024), '-l', '3072']
    subprocess.run(['fallocate', '-p', *where, rel()], stderr=subprocess.DEVNULL)
held = []
OPS = [
    lambda: data(rel(), lambda f: os.write(f, bytes([r.randrange(256)]) * r.randrange(1, 20000))),
    lambda: data(rel(), lambda f: (os.lseek(f, 0, 2), os.write(f, b'+' * r.randrange(1, 9000)))),
    lambda: data(rel(), sparse),
    lambda: data(rel(), lambda f: os.posix_fallocate(f, r.randrange(20480), r.randrange(1, 40960))),
    lambda: os.truncate(rel(), r.randrange(30000)),
    lambda: os.link(rel(), rel()), lambda: os.unlink(rel()), lambda: os.rename(rel(), rel()),
    lambda: fresh(rel()), lambda: held.append(os.open(rel(), os.O_RDWR)), mkdir, rmdir, punch,
]
for i in range(60):
    try: r.choice(OPS)()
    except OSError: pass
data('last', lambda f: os.write(f, b'end'))
`;

/** By path: inode, mode, links, size, and a hash of the content or the target. */
export type Listing = Record<string, (number | string)[]>;

/** Let the kernel work in a new image; it is shut down, and says what it saw before. */
export function worked(mkfs: string[], seed: number): { image: TestImage; live: Listing } {
  const image = makeImage(mkfs, '24M');
  const begin = `import os, sys\nos.chdir(sys.argv[1])\nSEED = ${seed}`;
  const said = inKernel(image, [begin, WORK, LOOK, GO_DOWN].join('\n'));
  return { image, live: JSON.parse(said) as Listing };
}

export function listingOf(v: Volume): Listing {
  const out: Listing = {};
  const visit = (path: string): void => {
    const st = v.fs.lstatSync(path) as Stats;
    const line: (number | string)[] = [st.ino, st.mode, st.nlink, st.size];
    if (st.isFile()) {
      line.push(createHash('sha256').update(v.fs.readFileSync(path)).digest('hex'));
    }
    if (st.isSymbolicLink()) line.push(String(v.fs.readlinkSync(path)));
    out[path] = line;
    if (!st.isDirectory()) return;
    for (const name of v.fs.readdirSync(path) as string[]) {
      visit(path === '/' ? `/${name}` : `${path}/${name}`);
    }
  };
  visit('/');
  return out;
}
