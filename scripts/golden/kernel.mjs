// @ts-check
/** The kernel as maker and judge: loop device, mount, walk; everything undone whatever happens. */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './tools.mjs';

const WALKER = fileURLToPath(new URL('kernel-view.py', import.meta.url));

/**
 * Mount `image` on a loop device, call `fn` with the mount point, undo both.
 * @template T
 * @param {string} image
 * @param {{ ro?: boolean, options?: string, type?: string }} how
 * @param {(dir: string) => T} fn
 * @returns {T}
 */
export function mounted(image, how, fn) {
  const attach = how.ro ? ['-r', '--show', '-f', image] : ['--show', '-f', image];
  const loop = run('losetup', attach).stdout.trim();
  const dir = mkdtempSync(join(tmpdir(), 'golden-mnt-'));
  try {
    const options = [how.ro ? 'ro' : 'rw', how.options].filter(Boolean).join(',');
    run('mount', ['-t', how.type ?? 'ext4', '-o', options, loop, dir]);
    try {
      return fn(dir);
    } finally {
      run('umount', [dir]);
    }
  } finally {
    run('losetup', ['-d', loop]);
    rmdirSync(dir);
  }
}

/**
 * What the kernel sees below a mount point, as `tree.json` says it.
 * @param {string} dir
 * @returns {import('./tree.mjs').Tree}
 */
export function kernelTree(dir) {
  return JSON.parse(run('python3', [WALKER, dir]).stdout);
}

/**
 * A small Python program run on a mount point: for what Node cannot ask for (xattrs, ioctls).
 * @param {string} program
 * @param {readonly string[]} args
 */
export const python = (program, args) => run('python3', ['-c', program, ...args]).stdout;

const MOUNT = `
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
device, where, ro = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3])
if libc.mount(device, where, b'ext4', ro, None) == 0:
    libc.umount2(where, 0)
    print('mounted')
else:
    print(errno.errorcode[ctypes.get_errno()])
`;

/**
 * The errno of mount(2), or "mounted".
 * @param {string} image
 * @param {boolean} ro also of the loop device
 */
export function mountAnswer(image, ro) {
  const loop = run('losetup', [...(ro ? ['-r'] : []), '--show', '-f', image]).stdout.trim();
  const dir = mkdtempSync(join(tmpdir(), 'golden-mnt-'));
  try {
    return python(MOUNT, [loop, dir, ro ? '1' : '0']).trim();
  } finally {
    run('losetup', ['-d', loop]);
    rmdirSync(dir);
  }
}
