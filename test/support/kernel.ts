/**
 * Linux itself as the judge: mount an image through a loop device, work in it with Python (Node
 * has no calls for attributes), unmount. Needs root, loop devices and python3; where they are
 * missing the test is skipped.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestImage } from './e2fsprogs.ts';
import { makeImage, scratchDir } from './e2fsprogs.ts';
import { haveLoop } from './judges.ts';

/**
 * Mount, run `script` with the mount point as its argument, unmount.
 * @returns what the script printed
 */
export function inKernel(image: TestImage, script: string, options = 'loop'): string {
  const at = join(scratchDir(), 'mnt');
  mkdirSync(at);
  execFileSync('mount', ['-t', 'ext4', '-o', options, image.path, at], { stdio: 'pipe' });
  try {
    return execFileSync('python3', ['-c', script, at], { encoding: 'utf8', stdio: 'pipe' });
  } finally {
    execFileSync('umount', [at], { stdio: 'pipe' });
    rmSync(at, { recursive: true });
  }
}

let known: boolean | undefined;

/** Can this machine mount images with these features? Asked inside a test: it makes one. */
export function kernelMounts(args: string[] = ['-t', 'ext4']): boolean {
  if (args.length === 2 && known !== undefined) return known;
  let mounts = false;
  try {
    mounts = haveLoop() && inKernel(makeImage(args, '8M'), 'print(1)') === '1\n';
  } catch {
    mounts = false;
  }
  if (args.length === 2) known = mounts;
  return mounts;
}
