/**
 * The built command, run as a person runs it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

interface How {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Run as this user. */
  readonly uid?: number;
}

/** Run a command of ours. */
export function foliofs(args: readonly string[], how: How = {}): Ran {
  if (!existsSync(PROGRAM)) throw new Error('dist/cli/main.js is not there: npm run build');
  return ran(process.execPath, [PROGRAM, ...args], how);
}

/** Run a tool of the host. */
export function ran(tool: string, args: readonly string[], how: How = {}): Ran {
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const child = spawnSync(tool, args, {
    input: how.input ?? '',
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', PATH, ...how.env },
    maxBuffer: 1 << 28,
    ...(how.cwd === undefined ? {} : { cwd: how.cwd }),
    ...(how.uid === undefined ? {} : { uid: how.uid, gid: how.uid }),
  });
  // A program need not read all its input to say no.
  if (child.error && (child.error as { code?: string }).code !== 'EPIPE') throw child.error;
  const { status, stdout, stderr } = child;
  return { status, stdout: stdout.toString(), stderr: stderr.toString(), bytes: stdout };
}

/** Run one that must succeed and say nothing on standard error. */
export function ok(args: readonly string[], how: How = {}): string {
  const { status, stdout, stderr } = foliofs(args, how);
  expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** Run one that must fail, name the errno, and leave the image as it was. */
export function fails(image: string, args: readonly string[], message: RegExp, how: How = {}): Ran {
  const before = digest(image);
  const result = foliofs(args, how);
  expect(result.stderr, args.join(' ')).toMatch(message);
  expect(result.status, args.join(' ')).toBe(1);
  expect(digest(image), `${args.join(' ')}: the image is as it was`).toBe(before);
  return result;
}

export function usage(args: readonly string[], message: RegExp): void {
  const { status, stderr } = foliofs(args);
  expect(stderr, args.join(' ')).toMatch(message);
  expect(status, args.join(' ')).toBe(2);
}

export const digest = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** A folder that goes away with the test. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'foliofs-cli-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

export const debugfs = (image: string, command: string): string =>
  ran('debugfs', ['-R', command, image]).stdout;

/** e2fsck finds nothing, and neither do we. */
export function expectClean(image: string): void {
  const { status, stdout } = ran('e2fsck', ['-fn', image], { env: { E2FSCK_CONFIG: '/dev/null' } });
  expect(status === 0 ? '' : stdout).toBe('');
  expect(foliofs(['check', image]).stdout).toMatch(/: clean,/);
}

/** An image of mke2fs, so that only what is tested is ours. */
export function emptyImage(dir: string, ...args: string[]): string {
  const image = join(dir, 'disk.img');
  const made = ran('mke2fs', ['-q', '-F', '-t', 'ext4', ...args, image, '16M'], {
    env: {
      MKE2FS_CONFIG: fileURLToPath(new URL('../../scripts/golden/mke2fs.conf', import.meta.url)),
    },
  });
  expect(made.status, made.stderr).toBe(0);
  return image;
}
