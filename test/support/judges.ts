/**
 * Judges from outside: e2fsprogs and, where root and loop devices exist, the kernel. Whatever is
 * not installed answers `NotAvailable`, so that a test can say that it was skipped, and why.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Tree, treeDifferences } from '../../scripts/golden/tree.mjs';

const WALKER = fileURLToPath(new URL('../../scripts/golden/kernel-view.py', import.meta.url));

/** Nothing of the host's configuration may change a verdict. */
const ENV = {
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
  TZ: 'UTC',
  HOME: '/',
  E2FSCK_CONFIG: '/dev/null',
  MKE2FS_CONFIG: fileURLToPath(new URL('../../scripts/golden/mke2fs.conf', import.meta.url)),
};

/** What a judge that is not there answers. */
export interface NotAvailable {
  readonly notAvailable: string;
}

export interface Verdict {
  /** Exit status: of e2fsck 0 is clean, 4 means errors left, 8 and up that it could not run. */
  status: number;
  /** Standard output, then standard error; names as latin1. */
  output: string;
}

function run(program: string, args: readonly string[]): Verdict {
  const done = spawnSync(program, args, {
    env: ENV,
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.error) throw done.error;
  return { status: done.status ?? -1, output: done.stdout + done.stderr };
}

/** Are e2fsck, debugfs and dumpe2fs installed? */
export const haveE2fsprogs = (): boolean =>
  ['e2fsck', 'debugfs', 'dumpe2fs'].every(
    (p) => spawnSync(p, ['-V'], { env: ENV, stdio: 'ignore' }).error === undefined,
  );

/** `e2fsck -fn`: a forced check that changes nothing. */
export const e2fsck = (path: string): Verdict => run('e2fsck', ['-fn', path]);

/** `e2fsck -fp`: replay, finish orphans, mend what needs no question. */
export const preen = (path: string): Verdict => run('e2fsck', ['-fp', path]);

/**
 * One debugfs command, read-only; the banner is left out. debugfs exits 0 even when it complains.
 */
export function debugfs(path: string, command: string): Verdict {
  const { status, output } = run('debugfs', ['-R', command, path]);
  return { status, output: output.replace(/^debugfs \d.*\n/m, '') };
}

/** Superblock and group descriptors as dumpe2fs tells them. */
export const dumpe2fs = (path: string): Verdict => run('dumpe2fs', [path]);

let loop: string | null | undefined;

/** Can images be mounted here? If not, `haveLoop.why` says what is missing. */
export function haveLoop(): boolean {
  loop ??= findLoop();
  return loop === '';
}

/** Empty when all is well, otherwise the reason. */
function findLoop(): string {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('losetup', ['-f'], { env: ENV }).status !== 0) return 'no loop device';
  return '';
}

/** Why `haveLoop()` is false. */
export const noLoopReason = (): string => (haveLoop() ? '' : (loop ?? ''));

export interface MountHow {
  ro?: boolean;
  /** Further options of mount(8): "noload", "debug_want_extra_isize=..". */
  options?: string;
}

/**
 * Mount an image on a loop device, call `fn` with the mount point, and undo both whatever happens.
 * @returns what `fn` returned; `NotAvailable` without root or loop devices
 * @throws Error when the kernel refuses to mount: its message is in the text
 */
export async function withKernelMount<T>(
  image: string,
  how: MountHow,
  fn: (dir: string) => T | Promise<T>,
): Promise<T | NotAvailable> {
  if (!haveLoop()) return { notAvailable: noLoopReason() };
  const device = must('losetup', [...(how.ro ? ['-r'] : []), '--show', '-f', image]).trim();
  try {
    const dir = mkdtempSync(join(tmpdir(), 'foliofs-mnt-'));
    try {
      const options = [how.ro ? 'ro' : 'rw', how.options].filter(Boolean).join(',');
      must('mount', ['-t', 'ext4', '-o', options, device, dir]);
      try {
        return await fn(dir);
      } finally {
        must('umount', [dir]);
      }
    } finally {
      rmdirSync(dir);
    }
  } finally {
    must('losetup', ['-d', device]);
  }
}

function must(program: string, args: readonly string[]): string {
  const { status, output } = run(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${status}: ${output}`);
  return output;
}

/** What the kernel sees below a mount point: every inode, its attributes and its content's hash. */
export const kernelTree = (dir: string): Tree => JSON.parse(must('python3', [WALKER, dir])) as Tree;

/** Mount read-only, walk, compare: the whole kernel's judgement of an image in one call. */
export const kernelTreeOf = (image: string): Promise<Tree | NotAvailable> =>
  withKernelMount(image, { ro: true }, kernelTree);

export const isNotAvailable = (value: unknown): value is NotAvailable =>
  typeof value === 'object' && value !== null && 'notAvailable' in value;

/**
 * The fields in which two trees differ, a sentence each; empty when they agree. A field that one
 * side cannot know is not compared.
 * @param ignore fields left out, such as `blocks`
 */
export const compareTrees = (a: Tree, b: Tree, ignore: readonly string[] = []): string[] =>
  treeDifferences(a, b, ignore);
