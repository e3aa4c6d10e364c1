/** Everything that a user sees of a small file system: names, attributes, contents. */
import { crc32c } from '../../base/checksum.ts';
import { nameFromText, nameToText } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import { sysGetdents } from '../../syscall/dir.ts';
import { sysClose, sysOpen } from '../../syscall/open.ts';
import type { Process } from '../../syscall/process.ts';
import { sysPread } from '../../syscall/read-write.ts';
import { sysLstat, sysReadlink } from '../../syscall/stat.ts';
import { sysGetxattr, sysListxattr } from '../../syscall/xattr.ts';
import { O_RDONLY } from '../../vfs/file.ts';
import { DT_DIR, DT_LNK, DT_REG, typeToDt } from '../../vfs/readdir.ts';
import type { NodeKind } from './model.ts';

export interface Seen {
  readonly kind: NodeKind | 'other';
  readonly ino: number;
  readonly nlink: number;
  readonly size: number;
  /** 512-byte units. */
  readonly blocks: number;
  readonly data: Uint8Array;
  readonly target: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** By path, from the root down; lost+found is left out unless something is in it. */
export type Observation = ReadonlyMap<string, Seen>;

const KINDS: Readonly<Record<number, NodeKind>> = {
  [DT_REG]: 'file',
  [DT_DIR]: 'dir',
  [DT_LNK]: 'symlink',
};

export function* observe(p: Process): Op<Observation> {
  const seen = new Map<string, Seen>();
  yield* visit(p, '/', seen);
  return seen;
}

function* visit(p: Process, path: string, seen: Map<string, Seen>): Op<void> {
  const name = nameFromText(path);
  const { mode, ino, nlink, size, blocks } = yield* sysLstat(p, name);
  const kind = KINDS[typeToDt(mode)] ?? 'other';
  const data = kind === 'file' ? yield* contents(p, path, size) : new Uint8Array(0);
  const target = kind === 'symlink' ? nameToText(yield* sysReadlink(p, name)) : '';
  const xattrs = new Map<string, Uint8Array>();
  for (const key of yield* sysListxattr(p, name, false)) {
    xattrs.set(nameToText(key), yield* sysGetxattr(p, name, key, false));
  }
  seen.set(path, { kind, ino, nlink, size, blocks, data, target, xattrs });
  if (kind !== 'dir') return;
  for (const child of yield* list(p, path)) {
    if (child === 'lost+found' && (yield* list(p, '/lost+found')).length === 0) continue;
    yield* visit(p, `${path === '/' ? '' : path}/${child}`, seen);
  }
}

function* contents(p: Process, path: string, size: number): Op<Uint8Array> {
  const data = new Uint8Array(size);
  const fd = yield* sysOpen(p, nameFromText(path), O_RDONLY);
  const length = yield* sysPread(p, fd, data, 0);
  yield* sysClose(p, fd);
  return data.subarray(0, length);
}

function* list(p: Process, path: string): Op<string[]> {
  const fd = yield* sysOpen(p, nameFromText(path), O_RDONLY);
  const names: string[] = [];
  for (;;) {
    const some = yield* sysGetdents(p, fd, 1024);
    if (some.length === 0) break;
    names.push(...some.map((e) => nameToText(e.name)));
  }
  yield* sysClose(p, fd);
  return names.filter((n) => n !== '.' && n !== '..').sort();
}

/** Equal for equal observations, and for others as good as never. */
export function summaryOf(seen: Observation): string {
  const lines: string[] = [];
  for (const [path, s] of seen) {
    const xattrs = [...s.xattrs].map(([k, v]) => `${k}:${v.length}:${crc32c(0, v)}`);
    const facts = [s.kind, s.ino, s.nlink, s.size, s.blocks, s.target, crc32c(0, s.data)];
    lines.push([path, ...facts, ...xattrs].join(' '));
  }
  return lines.join('\n');
}
