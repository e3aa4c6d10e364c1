/**
 * Images made and changed by e2fsprogs, the outside judge of the on-disk format. Each lives in a
 * folder of its own that goes away with the test.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ENV = {
  ...process.env,
  LC_ALL: 'C',
  TZ: 'UTC',
  E2FSCK_CONFIG: '/dev/null',
  MKE2FS_CONFIG: fileURLToPath(new URL('../../scripts/golden/mke2fs.conf', import.meta.url)),
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
};

/** An image file. */
export interface TestImage {
  readonly path: string;
  /** All its bytes, read anew. */
  bytes(): Uint8Array;
  /** The same, to read numbers from. */
  view(): DataView;
  /** Put all bytes back, or other ones in their place. */
  restore(bytes: Uint8Array): void;
  /** Run debugfs commands in one process, writing; gives standard output and errors together. */
  debugfs(...commands: string[]): string;
  /** Run one command on the image without opening it for writing. */
  ask(command: string): string;
  /** Exit code and output of `e2fsck -fn`. */
  fsck(): { code: number; output: string };
  /** A copy of which debugfs has replayed the log, and done nothing else. */
  replayed(): TestImage;
}

/** A new folder, removed when the running test ends. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'foliofs-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

const run = (tool: string, args: string[]): { code: number; output: string } => {
  const r = spawnSync(tool, args, { env: ENV, encoding: 'latin1', maxBuffer: 1 << 28 });
  if (r.error) throw r.error;
  return { code: r.status ?? -1, output: r.stdout + r.stderr };
};

/** Make an image: `makeImage(['-t', 'ext4', '-O', '^64bit'], '8M')`. */
export function makeImage(args: string[], size: string): TestImage {
  const dir = scratchDir();
  const path = join(dir, 'image');
  execFileSync('mke2fs', ['-q', '-F', ...args, path, size], { env: ENV, stdio: 'pipe' });
  return openImage(path, dir);
}

function openImage(path: string, dir: string): TestImage {
  const bytes = (): Uint8Array => new Uint8Array(readFileSync(path));
  return {
    path,
    bytes,
    view: () => new DataView(bytes().buffer),
    restore: (b) => {
      writeFileSync(path, b);
    },
    debugfs: (...commands) => {
      const script = join(dir, 'commands');
      writeFileSync(script, commands.join('\n') + '\n', 'latin1');
      return run('debugfs', ['-w', '-f', script, path]).output;
    },
    ask: (command) => run('debugfs', ['-R', command, path]).output,
    fsck: () => run('e2fsck', ['-fn', path]),
    replayed: () => {
      const copy = join(scratchDir(), 'replayed');
      copyFileSync(path, copy);
      const { code, output } = run('debugfs', ['-w', '-R', 'journal_run', copy]);
      if (code !== 0) throw new Error(`the log is not replayed: ${output}`);
      return openImage(copy, dirname(copy));
    },
  };
}
