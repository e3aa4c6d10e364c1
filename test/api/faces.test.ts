// Goal: the library is node:fs. Method: the same calls on an image and on a folder of the host, in
// all three faces; results and errors must be equal.
import * as nodeFs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSync, type Volume } from '../../src/index.ts';
import { ramImage } from '../support/ram-image.ts';

const host = mkdtempSync(join(tmpdir(), 'foliofs-api-'));
let volume: Volume;
beforeAll(() => {
  volume = openSync(ramImage(32 << 20), { cacheSize: 4 << 20 });
});
afterAll(() => {
  volume.closeSync();
  rmSync(host, { recursive: true });
});

interface Outcome {
  value?: unknown;
  error?: unknown;
}
type Face = typeof nodeFs;

/** What a call did, with the host's folder cut from its texts. */
function outcome(act: () => unknown): Outcome {
  try {
    return { value: act() };
  } catch (e) {
    const { code, errno, syscall, path, dest } = e as Record<string, unknown>;
    const cut = (t: unknown): unknown => (typeof t === 'string' ? t.replaceAll(host, '') : t);
    return { error: { code, errno, syscall, path: cut(path), dest: cut(dest) } };
  }
}

type Step = [name: string, act: (fs: Face, at: (p: string) => string) => unknown];
const steps: Step[] = [
  ['mkdir', (fs, at) => fs.mkdirSync(at('/a'))],
  ['mkdir again', (fs, at) => fs.mkdirSync(at('/a'))],
  ['mkdir -p', (fs, at) => fs.mkdirSync(at('/a/b/c'), { recursive: true })?.replace(host, '')],
  ['mkdir -p again', (fs, at) => fs.mkdirSync(at('/a/b/c'), { recursive: true })],
  ['mkdir below nothing', (fs, at) => fs.mkdirSync(at('/no/x'))],
  ['write', (fs, at) => fs.writeFileSync(at('/a/f'), 'hällo\n')],
  ['read', (fs, at) => fs.readFileSync(at('/a/f'), 'utf8')],
  ['read bytes', (fs, at) => [...fs.readFileSync(at('/a/f'))]],
  ['read hex', (fs, at) => fs.readFileSync(at('/a/f'), { encoding: 'hex' })],
  ['append', (fs, at) => fs.appendFileSync(at('/a/f'), 'more')],
  ['size', (fs, at) => fs.statSync(at('/a/f')).size],
  ['mode', (fs, at) => (fs.chmodSync(at('/a/f'), '640'), fs.statSync(at('/a/f')).mode)],
  ['write exclusively', (fs, at) => fs.writeFileSync(at('/a/f'), '', { flag: 'wx' })],
  ['read a directory', (fs, at) => fs.readFileSync(at('/a'))],
  ['read a directory as text', (fs, at) => fs.readFileSync(at('/a'), 'utf8')],
  ['write without a descriptor', (fs) => fs.writeFileSync(5555, 'x')],
  ['read nothing', (fs, at) => fs.readFileSync(at('/nothing'))],
  ['stat nothing', (fs, at) => fs.statSync(at('/nothing'))],
  ['stat nothing, quietly', (fs, at) => fs.statSync(at('/nothing'), { throwIfNoEntry: false })],
  ['exists', (fs, at) => [fs.existsSync(at('/a/f')), fs.existsSync(at('/a/g'))]],
  ['below a file', (fs, at) => fs.statSync(at('/a/f/x'))],
  ['link', (fs, at) => (fs.linkSync(at('/a/f'), at('/a/hard')), fs.statSync(at('/a/f')).nlink)],
  ['symlink', (fs, at) => (fs.symlinkSync('f', at('/a/soft')), fs.readlinkSync(at('/a/soft')))],
  ['lstat', (fs, at) => fs.lstatSync(at('/a/soft')).isSymbolicLink()],
  ['realpath', (fs, at) => fs.realpathSync(at('/a/b/../soft')).replace(host, '')],
  ['readlink of a file', (fs, at) => fs.readlinkSync(at('/a/f'))],
  ['rename', (fs, at) => fs.renameSync(at('/a/hard'), at('/a/b/moved'))],
  ['rename nothing', (fs, at) => fs.renameSync(at('/no'), at('/a/no'))],
  ['rename into itself', (fs, at) => fs.renameSync(at('/a'), at('/a/b/a'))],
  ['rmdir full', (fs, at) => fs.rmdirSync(at('/a'))],
  ['unlink', (fs, at) => fs.unlinkSync(at('/a/b/moved'))],
  [
    'copy',
    (fs, at) => (
      fs.copyFileSync(at('/a/f'), at('/a/copy')),
      fs.readFileSync(at('/a/copy'), 'utf8')
    ),
  ],
  ['copy exclusively', (fs, at) => fs.copyFileSync(at('/a/f'), at('/a/copy'), 1)],
  ['list', (fs, at) => fs.readdirSync(at('/a')).sort()],
  [
    'list with types',
    (fs, at) =>
      fs
        .readdirSync(at('/a'), { withFileTypes: true })
        .map((d) => `${d.name} ${String(d.isDirectory())}`)
        .sort(),
  ],
  [
    'list recursively',
    (fs, at) => (fs.readdirSync(at('/a'), { recursive: true }) as string[]).sort(),
  ],
  ['truncate', (fs, at) => (fs.truncateSync(at('/a/f'), 3), fs.readFileSync(at('/a/f'), 'latin1'))],
  [
    'times',
    (fs, at) => {
      fs.utimesSync(at('/a/f'), 1_000_000_000.5, new Date(1_100_000_000_250));
      const s = fs.statSync(at('/a/f'));
      return [s.atimeMs, s.mtimeMs];
    },
  ],
  ['nanoseconds', (fs, at) => String(fs.statSync(at('/a/f'), { bigint: true }).mtimeNs)],
  [
    'positioned',
    (fs, at) => {
      const fd = fs.openSync(at('/a/p'), 'w+');
      const b = Buffer.alloc(8);
      const done = [
        fs.writeSync(fd, 'abcdef'),
        fs.writeSync(fd, Buffer.from('XY'), 0, 2, 2),
        fs.writeSync(fd, 'Z', 10),
        fs.readSync(fd, b, 1, 5, 1),
        fs.readSync(fd, b, { position: 100 }),
        fs.writevSync(fd, [Buffer.from('1'), Buffer.from('23')]),
      ];
      fs.ftruncateSync(fd, 9);
      fs.fsyncSync(fd);
      const { size } = fs.fstatSync(fd);
      fs.closeSync(fd);
      return [done, b.toString('latin1'), size, fs.readFileSync(at('/a/p'), 'latin1')];
    },
  ],
  ['closed descriptor', (fs) => fs.readSync(5555, Buffer.alloc(1))],
  ['rm of a folder', (fs, at) => fs.rmSync(at('/nothing'))],
  ['rm force', (fs, at) => fs.rmSync(at('/nothing'), { force: true })],
  ['rm -r', (fs, at) => (fs.rmSync(at('/a'), { recursive: true }), fs.existsSync(at('/a')))],
];

/** The one place where Node names another system call than the one that failed. */
const normal = (o: Outcome, name: string): Outcome => {
  if (name.startsWith('rm of') && o.error) return { error: (o.error as { code: string }).code };
  return o.value instanceof Buffer ? { value: [...o.value] } : o;
};

for (const [name, act] of steps) {
  test(`${name}: as node:fs does it`, () => {
    const ours = outcome(() => act(volume.fs as unknown as Face, (p) => p));
    const theirs = outcome(() => act(nodeFs, (p) => host + p));
    expect(normal(ours, name)).toEqual(normal(theirs, name));
  });
}

test('an error names call, path and cause, and its stack begins with the caller', () => {
  try {
    volume.fs.openSync('/missing/file', 'r');
    expect.unreachable();
  } catch (e) {
    expect((e as Error).message).toBe("ENOENT: no such file or directory, open '/missing/file'");
    expect((e as Error).stack).toContain('faces.test.ts');
  }
});

test('promises and callbacks give the same as the synchronous face', async () => {
  const { fs } = volume;
  await fs.promises.writeFile('/p', 'by promise');
  const text = await new Promise((resolve, reject) => {
    fs.readFile('/p', 'utf8', (error, data) => {
      if (error) reject(error);
      else resolve(data);
    });
  });
  expect(text).toBe('by promise');
  const handle = await fs.promises.open('/p', 'r+');
  await handle.write('BY', 0);
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  await handle.close();
  expect([bytesRead, buffer.toString()]).toEqual([4, 'BY p']);
  await expect(fs.promises.stat('/q')).rejects.toMatchObject({
    code: 'ENOENT',
    syscall: 'stat',
    path: '/q',
  });
  fs.unlinkSync('/p');
});

test('a directory is not read, and every face names the call that refused', async () => {
  const { fs } = volume;
  const refused = { code: 'EISDIR', errno: -21, syscall: 'read' };
  const message = 'EISDIR: illegal operation on a directory, read';
  const byCallback = await new Promise((resolve) => {
    fs.readFile('/', {}, (error) => {
      resolve(error);
    });
  });
  const byPromise = await fs.promises.readFile('/').catch((e: unknown) => e);
  const handle = await fs.promises.open('/');
  const byHandle = await handle.readFile().catch((e: unknown) => e);
  await handle.close();
  for (const error of [byCallback, byPromise, byHandle]) {
    expect(error).toMatchObject({ ...refused, message });
    expect(error).not.toHaveProperty('path');
  }
  expect(() => fs.readFileSync('/')).toThrow(expect.objectContaining({ ...refused, message }));
});

test('bad arguments are refused before anything happens', () => {
  const { fs } = volume;
  expect(() => fs.openSync('a\0b')).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
  );
  expect(() => fs.openSync('/x', 'rw')).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
  );
  expect(() => fs.openSync(5 as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
  );
  expect(() => fs.truncateSync('/x', -1)).toThrow(
    expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
  );
});
