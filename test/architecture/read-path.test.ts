// Goal: the newcomer's map of a system call, docs/paths/, is what really happens. Method: the call
// runs on an image file in the checked build, whose tracepoints tell which function entered which
// room. `npx vitest run test/architecture/read-path.test.ts -u` writes the map anew.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { layers } from '../../layers.mjs';
import { onTrace } from '../../src/base/trace.ts';
import { mkfsSync, openSync, type Volume } from '../../src/index.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'foliofs-paths-'));
const image = join(dir, 'image');
const BLOCK = 4096;
let volume: Volume;

beforeAll(() => {
  mkfsSync(image, { size: 16 << 20, time: 1_700_000_000 });
  volume = openSync(image);
  const fd = volume.fs.openSync('/file', 'w');
  // One extent for the first window of readahead; and more of them than an inode holds, so that a
  // look-up needs a block of the tree.
  volume.fs.writeSync(fd, Buffer.alloc(16 * BLOCK, 7), 0, 16 * BLOCK, 0);
  for (let i = 18; i < 28; i += 2) {
    volume.fs.writeSync(fd, Buffer.alloc(BLOCK, 7), 0, BLOCK, i * BLOCK);
  }
  volume.fs.closeSync(fd);
  volume.closeSync();
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

/** What was entered, one line each; what repeats at once is one line. */
async function entered(call: () => unknown): Promise<string[]> {
  const lines: string[] = [];
  const stop = onTrace((name) => {
    if (lines.at(-1) !== name) lines.push(name);
  });
  try {
    await call();
  } finally {
    stop();
  }
  return lines;
}

const split = (line: string): [room: string, fn: string] => {
  const at = line.indexOf(':');
  return [line.slice(0, at), line.slice(at + 1)];
};

function page(about: string, lines: readonly string[]): string {
  const rows = lines.map((line) => {
    const [room, fn] = split(line);
    return `${room.padEnd(15)}${fn}`;
  });
  return `${about}\nRooms and the functions by which they are entered, in order of time.\n\n${rows.join('\n')}\n`;
}

type Handle = Awaited<ReturnType<Volume['fs']['promises']['open']>>;
const cases: [file: string, about: string, warm: boolean, call: (h: Handle) => unknown][] = [
  [
    'read-miss',
    'await file.read(buffer, 0, 4096, 0): nothing of the file is cached.',
    false,
    (h) => h.read(Buffer.alloc(BLOCK), 0, BLOCK, 0),
  ],
  [
    'read-hit',
    'await file.read(buffer, 0, 4096, 0): the folio is cached.',
    true,
    (h) => h.read(Buffer.alloc(BLOCK), 0, BLOCK, 0),
  ],
  [
    'read-hit-sync',
    'fs.readSync(fd, buffer, 0, 4096, 0): the folio is cached, and no task is made.',
    true,
    (h) => volume.fs.readSync(h.fd, Buffer.alloc(BLOCK), 0, BLOCK, 0),
  ],
  [
    'write-fsync',
    'await file.write(buffer, 0, 4096, 69632); await file.sync(): into a hole.',
    true,
    async (h) => {
      await h.write(Buffer.alloc(BLOCK, 8), 0, BLOCK, 17 * BLOCK);
      await h.sync();
    },
  ],
  ['truncate', 'await file.truncate(100): extents are given back.', true, (h) => h.truncate(100)],
];

for (const [file, about, warm, call] of cases) {
  test(`docs/paths/${file}.txt is the way that ${file} takes`, async () => {
    volume = openSync(image);
    try {
      const handle = await volume.fs.promises.open('/file', 'r+');
      if (warm) await handle.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
      const lines = await entered(() => call(handle));
      await handle.close();
      expect(lines.length).toBeGreaterThan(4);
      await expect(page(about, lines)).toMatchFileSnapshot(`${ROOT}docs/paths/${file}.txt`);
    } finally {
      await volume.close();
    }
  });
}

/** Tracepoints of src/: where each stands, and what it is called. */
function tracepoints(): { file: string; room: string; fn: string; above: string }[] {
  const files = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .flatMap((file) => {
      const text = readFileSync(`${ROOT}src/${file}`, 'utf8');
      return [...text.matchAll(/\btrace\('([^']+)'\)/g)].map((m) => {
        const [room, fn] = split(m[1] ?? '');
        return { file, room, fn, above: text.slice(0, m.index) };
      });
    });
}

test('a tracepoint is named after the room and the function that it stands in', () => {
  const points = tracepoints();
  expect(points.length).toBeGreaterThan(30);
  for (const { file, room, fn, above } of points) {
    expect(Object.keys(layers)).toContain(room);
    expect(file.startsWith(`${room}/`), `${file}: ${room}`).toBe(true);
    // `ext4Aops.readahead` is a method of a table or a class, `filemapRead` a function.
    for (const name of fn.split('.'))
      expect(above, `${file}: ${fn}`).toMatch(new RegExp(`\\b${name}\\b`));
  }
});
