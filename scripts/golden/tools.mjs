// @ts-check
/**
 * The programs that make and judge golden images, run in an environment that leaves nothing to
 * the host: fixed clock, fixed locale, our own mke2fs.conf.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Every image is made at this moment (2023-11-14 22:13:20 UTC). */
export const FAKE_TIME = 1_700_000_000;

const ENV = {
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
  TZ: 'UTC',
  HOME: '/',
  // mke2fs 1.47.0 reads the first, later releases the second: set both.
  E2FSPROGS_FAKE_TIME: String(FAKE_TIME),
  SOURCE_DATE_EPOCH: String(FAKE_TIME),
  MKE2FS_CONFIG: fileURLToPath(new URL('mke2fs.conf', import.meta.url)),
  E2FSCK_CONFIG: '/dev/null',
  E2FSPROGS_LIBMAGIC_SUPPRESS: '1',
};

/**
 * Run a program to its end. Output is latin1, so that every byte of a name survives.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ status?: readonly number[], cwd?: string, env?: Record<string, string> }} [options]
 *   `status`: the exit codes that are not a failure (default: 0 only); `[]` accepts all.
 */
export function run(program, args, options = {}) {
  const done = spawnSync(program, args, {
    env: { ...ENV, ...options.env },
    cwd: options.cwd,
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.error) throw done.error;
  const status = done.status ?? -1;
  const accepted = options.status ?? [0];
  if (accepted.length > 0 && !accepted.includes(status)) {
    throw new Error(`${program} ${args.join(' ')}: exit ${status}\n${done.stdout}${done.stderr}`);
  }
  return { status, stdout: done.stdout, stderr: done.stderr };
}

/** "1.47.0" of the e2fsprogs in use; null when there is none. */
export function e2fsprogsVersion() {
  try {
    return /mke2fs (\S+)/.exec(run('mke2fs', ['-V']).stderr)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Can this process mount images? (Root, and a loop device that answers.) */
export function kernelAvailable() {
  if (process.getuid?.() !== 0) return false;
  try {
    return run('losetup', ['-f'], { status: [] }).status === 0;
  } catch {
    return false;
  }
}

/** "6.18" of the running kernel. */
export const kernelVersion = () => /^\d+\.\d+/.exec(run('uname', ['-r']).stdout)?.[0] ?? 'unknown';
