/** A program that touches every kind of operation once; each step may fail alone. */
import { FsError, type Volume } from '../../src/index.ts';

export interface Step {
  readonly name: string;
  readonly run: (v: Volume) => void;
}

const bytes = (n: number, fill: number): Uint8Array => new Uint8Array(n).fill(fill);

/** Forget everything that can be read again. */
export function dropCaches(v: Volume): void {
  v.sb.shrinker?.(1e9);
  v.sb.memory.reclaim(1e9);
}

const many = (v: Volume, dir: string, from: number, to: number): void => {
  for (let i = from; i < to; i++)
    v.fs.writeFileSync(`${dir}/name-${'n'.repeat(30)}-${String(i)}`, '');
};

export const STEPS: readonly Step[] = [
  { name: 'mkdir', run: (v) => v.fs.mkdirSync('/d') },
  { name: 'write a small file', run: (v) => v.fs.writeFileSync('/d/small', bytes(50, 1)) },
  { name: 'write a file', run: (v) => v.fs.writeFileSync('/d/file', bytes(30_000, 2)) },
  {
    name: 'write and fsync',
    run: (v) => v.fs.writeFileSync('/d/synced', bytes(9000, 3), { flush: true }),
  },
  {
    name: 'write scattered blocks',
    run: (v) => {
      const fd = v.fs.openSync('/d/holes', 'w');
      try {
        for (let i = 0; i < 24; i++) v.fs.writeSync(fd, bytes(100, i), 0, 100, i * 20_000);
        v.fs.fsyncSync(fd);
      } finally {
        v.fs.closeSync(fd);
      }
    },
  },
  { name: 'sync', run: (v) => v.syncSync() },
  { name: 'drop caches', run: dropCaches },
  { name: 'read', run: (v) => void v.fs.readFileSync('/d/file') },
  { name: 'append', run: (v) => v.fs.appendFileSync('/d/file', bytes(5000, 4)) },
  { name: 'truncate', run: (v) => v.fs.truncateSync('/d/file', 1500) },
  { name: 'many names', run: (v) => many(v, '/d', 0, 70) },
  { name: 'attribute', run: (v) => v.fs.setxattrSync('/d/file', 'user.a', bytes(40, 5)) },
  { name: 'large attribute', run: (v) => v.fs.setxattrSync('/d/file', 'user.b', bytes(700, 6)) },
  { name: 'symlink', run: (v) => v.fs.symlinkSync('t'.repeat(200), '/d/link') },
  { name: 'link', run: (v) => v.fs.linkSync('/d/file', '/d/other') },
  { name: 'rename over', run: (v) => v.fs.renameSync('/d/small', '/d/synced') },
  { name: 'readdir', run: (v) => void v.fs.readdirSync('/d') },
  { name: 'chmod', run: (v) => v.fs.chmodSync('/d/file', 0o600) },
  {
    name: 'unlink while open',
    run: (v) => {
      const fd = v.fs.openSync('/d/holes', 'r+');
      try {
        v.fs.unlinkSync('/d/holes');
        v.fs.writeSync(fd, bytes(3000, 7), 0, 3000, 100_000);
        v.fs.ftruncateSync(fd, 50_000);
      } finally {
        v.fs.closeSync(fd);
      }
    },
  },
  { name: 'remove a directory', run: (v) => v.fs.rmSync('/d', { recursive: true, force: true }) },
  { name: 'sync again', run: (v) => v.syncSync() },
];

/** The errno of a failure. @throws what is none: a defect of ours */
export function codeOf(e: unknown): string {
  const cause = e instanceof FsError ? e : (e as Error).cause;
  if (!(cause instanceof FsError) || cause.code === 'EDEADLK') throw e;
  return cause.code;
}

/** Run every step, whatever became of those before. @returns the failures by step */
export function runSteps(v: Volume, steps: readonly Step[] = STEPS): Map<string, string> {
  const failures = new Map<string, string>();
  for (const { name, run } of steps) {
    try {
      run(v);
    } catch (e) {
      failures.set(name, codeOf(e));
    }
  }
  return failures;
}
