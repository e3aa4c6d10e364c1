// Goal: whatever order the scheduler chooses, the name cache tells what the directories hold, link
// counts are right, nothing deadlocks and nothing stays referenced. Method: several processes do
// random things in few directories on a tmpfs whose every inode operation sleeps; a seeded strategy
// picks who runs; lockdep watches; at rest everything is compared and the file system is unmounted.
import { expect, test } from 'vitest';
import { n, World } from '../../test/support/vfs.ts';
import { FsError } from '../base/errno.ts';
import { Prng } from '../base/prng.ts';
import { tmpfs } from '../fs/tmpfs/tmpfs.ts';
import { Completion } from '../sched/completion.ts';
import type { Op } from '../sched/op.ts';
import type { Task } from '../sched/task.ts';
import { sysTruncate } from '../syscall/attr.ts';
import { sysLink, sysMkdir, sysRename, sysRmdir, sysSymlink, sysUnlink } from '../syscall/dir.ts';
import { sysClose, sysOpen } from '../syscall/open.ts';
import type { Process } from '../syscall/process.ts';
import { sysRead, sysWrite } from '../syscall/read-write.ts';
import { sysStat } from '../syscall/stat.ts';
import type { Dentry } from './dcache.ts';
import { O_CREAT, O_EXCL, O_RDWR } from './file.ts';
import type { Inode, InodeOperations } from './inode.ts';
import { umount } from './namespace.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from './rename.ts';
import type { FileSystemType, SuperBlock } from './super.ts';

/** tmpfs, but every inode operation sleeps a while before and after. */
function sleepyTmpfs(chance: Prng): FileSystemType {
  return {
    name: 'sleepy',
    *mount(context) {
      const sb = yield* tmpfs.mount(context);
      const pause = function* (): Op<void> {
        const done = new Completion('pause');
        context.scheduler.clock.after(1 + chance.below(5), () => {
          done.complete();
        });
        yield* done.wait();
      };
      const sleepy = new Map<InodeOperations, InodeOperations>();
      const wrap = (iops: InodeOperations): InodeOperations => {
        const known = sleepy.get(iops);
        if (known) return known;
        const out: Record<string, unknown> = {};
        for (const [name, fn] of Object.entries(iops)) {
          if (name === 'getLinkNowait') continue;
          out[name] = function* (...args: unknown[]): Op<unknown> {
            yield* pause();
            const result = yield* (fn as (...a: unknown[]) => Op<unknown>)(...args);
            yield* pause();
            return result;
          };
        }
        const made = out as InodeOperations;
        sleepy.set(iops, made);
        sleepy.set(made, made);
        return made;
      };
      const { set } = sb.inodes;
      sb.inodes.set = function (ino, inode) {
        inode.iops = wrap(inode.iops);
        return set.call(this, ino, inode);
      };
      for (const inode of sb.inodes.values()) inode.iops = wrap(inode.iops);
      return sb;
    },
  };
}

const NAMES = ['a', 'b', 'c', 'd'];

function* life(p: Process, r: Prng, steps: number): Op<void> {
  const path = () => {
    const depth = 1 + r.below(3);
    return n(Array.from({ length: depth }, () => NAMES[r.below(NAMES.length)]).join('/'));
  };
  const open: number[] = [];
  for (let i = 0; i < steps; i++) {
    try {
      yield* step(p, r, path, open);
    } catch (e) {
      if (!(e instanceof FsError) || e.code === 'EDEADLK') throw e;
    }
  }
  for (const fd of open) yield* sysClose(p, fd);
}

function* step(p: Process, r: Prng, path: () => ReturnType<typeof n>, open: number[]): Op<void> {
  switch (r.below(12)) {
    case 0:
    case 1:
      yield* sysMkdir(p, path());
      break;
    case 2:
      yield* sysRmdir(p, path());
      break;
    case 3:
      yield* sysUnlink(p, path());
      break;
    case 4:
    case 5:
      yield* sysRename(p, path(), path(), [0, 0, RENAME_EXCHANGE, RENAME_NOREPLACE][r.below(4)]);
      break;
    case 6:
      yield* sysLink(p, path(), path());
      break;
    case 7:
      yield* sysSymlink(p, path(), path());
      break;
    case 8:
    case 9: {
      const fd = yield* sysOpen(p, path(), O_RDWR | O_CREAT | (r.below(4) ? 0 : O_EXCL));
      open.push(fd);
      yield* sysWrite(p, fd, new Uint8Array(100));
      break;
    }
    case 10: {
      const fd = open.shift();
      if (fd === undefined) break;
      yield* sysRead(p, fd, new Uint8Array(10));
      yield* sysClose(p, fd);
      break;
    }
    default:
      yield* sysStat(p, path());
      yield* sysTruncate(p, path(), 10);
  }
}

interface Entries {
  readonly entries: Map<string, { inode: Inode }>;
}
const entriesOf = (inode: Inode) => (inode as unknown as Entries).entries;

/** The name cache against the directories; link counts against the names. */
function judge(sb: SuperBlock): void {
  const links = new Map<Inode, number>();
  const walk = (dir: Dentry): void => {
    if (!dir.inode) return;
    for (const [name, child] of dir.children ?? []) {
      const stored = entriesOf(dir.inode).get(name)?.inode ?? null;
      expect(`${name} ${String(child.inode?.ino)}`).toBe(`${name} ${String(stored?.ino)}`);
      expect(child.parent).toBe(dir);
      expect(child.hashed).toBe(true);
      walk(child);
    }
  };
  if (!sb.root) throw new TypeError('not mounted');
  walk(sb.root);
  const count = (dir: Inode, seen: Set<Inode>): void => {
    expect(seen.has(dir)).toBe(false);
    seen.add(dir);
    let subdirs = 0;
    for (const { inode } of entriesOf(dir).values()) {
      links.set(inode, (links.get(inode) ?? 0) + 1);
      if (!inode.isDir) continue;
      subdirs++;
      count(inode, seen);
    }
    expect(dir.nlink).toBe(2 + subdirs);
  };
  if (sb.root.inode) count(sb.root.inode, new Set());
  for (const [inode, names] of links) if (!inode.isDir) expect(inode.nlink).toBe(names);
  // Whoever has no name is gone.
  expect(sb.inodes.size).toBe(links.size + 1);
}

test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  'many processes in few directories, seed %i',
  (seed) => {
    const r = new Prng(seed);
    const strategy = {
      nextTask: (runnable: readonly Task[]) => runnable[r.below(runnable.length)]!,
      nextU64: (below: number) => r.below(below),
    };
    const w = new World(sleepyTmpfs(r), 8 << 20, strategy);
    if (seed % 2) w.sb.dentryLimit = 4 - (w.sb.dentryRoom - w.sb.dentryLimit);
    const tasks = Array.from({ length: 5 }, (_, i) => {
      const p = w.process({ uid: 0, gid: 0, caps: -1 });
      p.root.count -= 2; // the world's root process keeps it
      return w.scheduler.spawn(`life ${String(i)}`, life(p, new Prng(seed * 100 + i), 120));
    });
    const errors: unknown[] = [];
    for (const t of tasks) t.onDone(() => (t.failed ? errors.push(t.error) : 0));
    for (let i = 0; i < 100_000 && tasks.some((t) => t.state !== 'done'); i++) {
      w.clock.advance(1);
      w.scheduler.pump();
    }
    expect(errors).toEqual([]);
    expect(tasks.map((t) => t.state)).toEqual(tasks.map(() => 'done'));
    judge(w.sb);
    w.root.root.count -= 2;
    const end = w.scheduler.spawn('umount', umount(w.sb));
    end.onDone(() => (end.failed ? errors.push(end.error) : 0));
    for (let i = 0; i < 100 && end.state !== 'done'; i++) {
      w.clock.advance(1);
      w.scheduler.pump();
    }
    expect(errors).toEqual([]);
    expect(w.sb.inodes.size).toBe(0);
  },
);

test('two directories do not move into each other at once', () => {
  const w = new World(sleepyTmpfs(new Prng(1)));
  const settle = () => {
    for (let i = 0; i < 200; i++) {
      w.clock.advance(1);
      w.scheduler.pump();
    }
  };
  w.scheduler.spawn(
    'setup',
    (function* (): Op<void> {
      for (const d of ['a', 'a/b', 'c', 'c/d']) yield* sysMkdir(w.root, n(d));
    })(),
  );
  settle();
  const outcome: string[] = [];
  const moves = [
    ['a/b', 'c/d/b'],
    ['c', 'a/b/c'],
  ] as const;
  for (const [from, to] of moves) {
    const p = w.process({ uid: 0, caps: -1 });
    const t = w.scheduler.spawn('move', sysRename(p, n(from), n(to)));
    t.onDone(() => outcome.push(t.failed ? (t.error as FsError).code : 'ok'));
  }
  settle();
  expect(outcome).toEqual(['ok', 'EINVAL']);
  judge(w.sb);
});
