/**
 * Operations by chance: whatever makes sense with the names that there are, over the same few files
 * as the workloads of one operation. The same seed gives the same workload on every host.
 */
import { Prng } from '../../base/prng.ts';
import { Model } from './model.ts';
import { type CrashOp, isPersistence, opText, stampOf } from './op.ts';
import type { CrashWorkload } from './workload.ts';

const FILES = ['/foo', '/bar', '/A/foo', '/A/bar', '/B/foo', '/B/bar'];
const DIRS = ['/A', '/B', '/A/C', '/B/C'];
/** Block borders of 1 KiB and places between them: few, so that operations meet. */
const PLACES = [0, 700, 1024, 2048, 3000, 4096];
const LENGTHS = [300, 1024, 1500, 2048];
const SIZES = [0, 500, 1024, 2500, 5000];

class Chooser {
  readonly model = new Model();
  private readonly prng: Prng;
  private done = 0;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  private of<T>(list: readonly T[]): T {
    return list[this.prng.below(list.length)]!;
  }

  apply(op: CrashOp): CrashOp {
    this.model.apply(op, stampOf(this.done++));
    return op;
  }

  private there(kind: string): string[] {
    const { nodes } = this.model.names.at(-1)!;
    return [...nodes].filter(([path, n]) => n.kind === kind && path !== '/').map(([path]) => path);
  }

  private free(paths: readonly string[]): string[] {
    const { nodes } = this.model.names.at(-1)!;
    return paths.filter((p) => !nodes.has(p) && nodes.has(p.slice(0, p.lastIndexOf('/')) || '/'));
  }

  /** A change. There is always one: a name is free or a file is there. */
  change(): CrashOp {
    for (;;) {
      const op = this.one();
      if (op !== null) return this.apply(op);
    }
  }

  private one(): CrashOp | null {
    const { prng } = this;
    const kind = prng.below(12);
    if (kind >= 5) {
      const files = this.there('file');
      return files.length === 0 ? null : this.onFile(kind, this.of(files));
    }
    const free = this.free(kind === 1 ? DIRS : FILES);
    if (kind === 2) return this.dirOp();
    if (free.length === 0) return null;
    const path = this.of(free);
    if (kind === 0 || kind === 4) return { op: 'creat', path };
    if (kind === 1) return { op: 'mkdir', path };
    return { op: 'symlink', target: this.of(['/foo', 'x'.repeat(150)]), path };
  }

  private dirOp(): CrashOp | null {
    const dirs = this.there('dir');
    if (dirs.length === 0) return null;
    const path = this.of(dirs);
    const { nodes } = this.model.names.at(-1)!;
    const empty = ![...nodes.keys()].some((p) => p.startsWith(`${path}/`));
    if (empty && this.prng.chance(0.5)) return { op: 'rmdir', path };
    const targets = this.free(DIRS).filter((p) => !p.startsWith(`${path}/`));
    return targets.length === 0 ? null : { op: 'rename', from: path, to: this.of(targets) };
  }

  private onFile(kind: number, path: string): CrashOp | null {
    switch (kind) {
      case 5:
        return { op: 'unlink', path };
      case 6: {
        const free = this.free(FILES);
        return free.length === 0 ? null : { op: 'link', from: path, to: this.of(free) };
      }
      case 7: {
        const to = this.of([...this.free(FILES), ...this.there('file')]);
        return to === path ? null : { op: 'rename', from: path, to };
      }
      case 8:
        return { op: 'truncate', path, size: this.of(SIZES) };
      case 9:
        return this.attribute(path);
      case 10:
        return this.prng.chance(0.5)
          ? { op: 'write', path, at: this.model.at(path).last.size, length: this.of(LENGTHS) }
          : this.falloc(path);
      default:
        return { op: 'write', path, at: this.of(PLACES), length: this.of(LENGTHS) };
    }
  }

  private falloc(path: string): CrashOp {
    const keepSize = this.prng.chance(0.5);
    return { op: 'falloc', path, keepSize, at: this.of(PLACES), length: this.of(LENGTHS) };
  }

  private attribute(path: string): CrashOp {
    const { nodes, xattrs } = this.model.names.at(-1)!;
    const there = xattrs.get(nodes.get(path)!)?.has('user.a') ?? false;
    if (there && this.prng.chance(0.5)) return { op: 'removexattr', path, name: 'user.a' };
    return { op: 'setxattr', path, name: 'user.a', length: this.of([20, 700]) };
  }

  persist(): CrashOp {
    const { prng } = this;
    const files = this.there('file');
    const kind = prng.below(8);
    if (kind === 0) return this.apply({ op: 'sync' });
    if (kind <= 2 || files.length === 0) {
      return this.apply({ op: 'fsync', path: this.of(['/', ...this.there('dir')]) });
    }
    return this.apply({ op: kind <= 5 ? 'fsync' : 'fdatasync', path: this.of(files) });
  }
}

function workload(id: string, setup: readonly CrashOp[], ops: readonly CrashOp[]): CrashWorkload {
  const title = ops.map(opText).join('; ');
  return { id, title, setup, ops };
}

/** Seeds of neighbours must not meet. */
const seedOf = (seed: number, number: number): number => seed * 100_003 + number;

/**
 * Two operations, on what up to eight others left; between them perhaps, and behind them always, a
 * persistence point.
 */
export function pairWorkload(seed: number, number: number): CrashWorkload {
  const prng = new Prng(seedOf(seed, number));
  const c = new Chooser(prng);
  const setup: CrashOp[] = ['/A', '/B'].map((path) => c.apply({ op: 'mkdir', path }));
  for (let n = prng.below(9); n > 0; n--) setup.push(c.change());
  const ops = [c.change()];
  if (prng.chance(0.3)) ops.push(c.persist());
  ops.push(c.change(), c.persist());
  return workload(`pair-${seed}-${number}`, setup, ops);
}

/** A dozen operations from an empty image on, a persistence point behind one in three. */
export function randomWorkload(seed: number, number: number): CrashWorkload {
  const prng = new Prng(seedOf(seed, number));
  const c = new Chooser(prng);
  const ops: CrashOp[] = [];
  while (ops.length < 12) ops.push(prng.chance(0.33) ? c.persist() : c.change());
  if (!isPersistence(ops.at(-1)!)) ops.push(c.persist());
  return workload(`random-${seed}-${number}`, [], ops);
}
