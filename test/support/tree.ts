/**
 * A mounted image worked on by path, through the VFS's own functions: for tests of directories,
 * names and attributes. Everything runs in one task at a time and throws what the system call
 * would.
 */
import { asciiName, nameFromText, type Name } from '../../src/base/name.ts';
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { ext4FsType } from '../../src/fs/ext4/super.ts';
import type { Ext4Inode } from '../../src/fs/ext4/inode-info.ts';
import type { Ext4SuperBlock } from '../../src/fs/ext4/sb-info.ts';
import { ext4BlockSizeOf } from '../../src/fs/ext4/super-read.ts';
import { Memory } from '../../src/mm/vmscan.ts';
import { NodeClock } from '../../src/platform/node/clock.ts';
import { FileDevice } from '../../src/platform/node/file-device.ts';
import type { Op } from '../../src/sched/op.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import { vfsLink, vfsMkdir, vfsMknod, vfsSymlink } from '../../src/vfs/create.ts';
import { type Cred, actFor, ROOT_CRED } from '../../src/vfs/cred.ts';
import { type Dentry, dput } from '../../src/vfs/dcache.ts';
import { O_DIRECTORY } from '../../src/vfs/file.ts';
import {
  Namei,
  type LastComponent,
  pathLookup,
  pathParent,
  readLink,
} from '../../src/vfs/namei.ts';
import { mountFileSystem, umount } from '../../src/vfs/namespace.ts';
import { fput, vfsOpen } from '../../src/vfs/open.ts';
import { type Dirent, vfsGetdents } from '../../src/vfs/readdir.ts';
import { vfsRmdir, vfsUnlink } from '../../src/vfs/remove.ts';
import { vfsRename } from '../../src/vfs/rename.ts';
import { vfsGetxattr, vfsListxattr, vfsSetxattr } from '../../src/vfs/xattr.ts';

/** Paths are text; a byte string made with `nameFromBytes` may be given as it is. */
type Path = string;
const bytesOf = (path: Path): Name =>
  /^[\0-\xff]*$/.test(path) ? asciiName(path) : nameFromText(path);

export interface TreeOptions {
  readonly readOnly?: boolean;
  readonly options?: Readonly<Record<string, string | true>>;
  readonly cacheSize?: number;
}

export class Tree {
  readonly scheduler: Scheduler;
  readonly sb: Ext4SuperBlock;
  readonly warnings: string[] = [];
  cred: Cred = ROOT_CRED;

  constructor(driver: BlockDriver, how: TreeOptions = {}) {
    this.scheduler = new Scheduler({ clock: new NodeClock() });
    const device = new BlockDevice(driver);
    const blockSize = this.scheduler.runToEnd(ext4BlockSizeOf(device));
    const frame = Math.max(4096, blockSize);
    this.sb = this.scheduler.runToEnd(
      mountFileSystem(ext4FsType, {
        scheduler: this.scheduler,
        memory: new Memory(Math.max(how.cacheSize ?? 64 << 20, 256 * frame), frame),
        device,
        readOnly: how.readOnly ?? false,
        options: new Map(Object.entries(how.options ?? {})),
        warn: (sentence) => this.warnings.push(sentence),
      }),
    ) as Ext4SuperBlock;
  }

  static open(path: string, how: TreeOptions = {}): Tree {
    return new Tree(new FileDevice(path, { readOnly: how.readOnly ?? false }), how);
  }

  run<T>(op: Op<T>): T {
    const { cred } = this;
    return this.scheduler.runToEnd(
      (function* (): Op<T> {
        actFor(cred);
        return yield* op;
      })(),
    );
  }

  private get root(): Dentry {
    if (!this.sb.root) throw new TypeError('not mounted');
    return this.sb.root;
  }
  private nd(): Namei {
    return new Namei(this.root, this.root, this.cred);
  }

  *lookup(path: Path, flags = 0): Op<Dentry> {
    return yield* pathLookup(this.nd(), this.root, bytesOf(path), flags);
  }

  private parent<T>(path: Path, then: (at: LastComponent) => Op<T>): T {
    const self = this;
    return this.run(
      (function* (): Op<T> {
        const at = yield* pathParent(self.nd(), self.root, bytesOf(path));
        try {
          return yield* then(at);
        } finally {
          yield* dput(at.parent);
        }
      })(),
    );
  }

  /** Use an inode while its dentry is held. */
  with<T>(path: Path, then: (inode: Ext4Inode, dentry: Dentry) => Op<T>): T {
    const self = this;
    return this.run(
      (function* (): Op<T> {
        const dentry = yield* self.lookup(path);
        try {
          return yield* then(dentry.inode as Ext4Inode, dentry);
        } finally {
          yield* dput(dentry);
        }
      })(),
    );
  }

  inode(path: Path): Ext4Inode {
    return this.with(path, function* (inode): Op<Ext4Inode> {
      return inode;
    });
  }
  exists(path: Path): boolean {
    try {
      this.inode(path);
      return true;
    } catch (e) {
      if ((e as { code?: string }).code === 'ENOENT') return false;
      throw e;
    }
  }

  create(path: Path, mode = 0o644): void {
    this.parent(path, (at) => vfsMknod(at, 0o100000 | mode, 0));
  }
  mknod(path: Path, mode: number, rdev = 0): void {
    this.parent(path, (at) => vfsMknod(at, mode, rdev));
  }
  mkdir(path: Path, mode = 0o755): void {
    this.parent(path, (at) => vfsMkdir(at, mode));
  }
  symlink(target: string, path: Path): void {
    this.parent(path, (at) => vfsSymlink(at, bytesOf(target)));
  }
  readlink(path: Path): Name {
    return this.with(path, (inode) => readLink(inode));
  }
  link(from: Path, to: Path): void {
    const self = this;
    this.with(from, function* (_inode, old): Op<void> {
      const at = yield* pathParent(self.nd(), self.root, bytesOf(to));
      try {
        yield* vfsLink(old, at);
      } finally {
        yield* dput(at.parent);
      }
    });
  }
  unlink(path: Path): void {
    this.parent(path, vfsUnlink);
  }
  rmdir(path: Path): void {
    this.parent(path, vfsRmdir);
  }
  rename(from: Path, to: Path, flags = 0): void {
    const self = this;
    this.parent(from, function* (a): Op<void> {
      const b = yield* pathParent(self.nd(), self.root, bytesOf(to));
      try {
        yield* vfsRename(a, b, flags);
      } finally {
        yield* dput(b.parent);
      }
    });
  }

  /** All entries, in calls of `batch`; from the position `pos` on. */
  entries(path: Path, batch = 64, pos = 0): Dirent[] {
    return this.with(path, function* (_inode, dentry): Op<Dirent[]> {
      const file = yield* vfsOpen(dentry.hold(), O_DIRECTORY);
      try {
        file.pos = pos;
        const all: Dirent[] = [];
        for (;;) {
          const some = yield* vfsGetdents(file, batch);
          if (some.length === 0) return all;
          all.push(...some);
        }
      } finally {
        yield* fput(file);
      }
    });
  }
  /** Names without "." and "..", sorted. */
  names(path: Path): string[] {
    return this.entries(path)
      .map((e) => e.name as string)
      .filter((n) => n !== '.' && n !== '..')
      .sort();
  }

  getxattr(path: Path, name: string): Uint8Array {
    return this.with(path, (inode) => vfsGetxattr(inode, bytesOf(name)));
  }
  listxattr(path: Path): string[] {
    return this.with(path, (inode) => vfsListxattr(inode));
  }
  setxattr(path: Path, name: string, value: Uint8Array | null, flags = 0): void {
    this.with(path, (inode) => vfsSetxattr(inode, bytesOf(name), value, flags));
  }

  umount(): void {
    this.run(umount(this.sb));
  }
}
