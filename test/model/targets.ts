/**
 * The two real file systems of a model run: a volume over an image in memory, and a folder of the
 * host. Both are driven through the calls that `node:fs` has.
 */
import * as nodeFs from 'node:fs';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { openSync, type OpenOptions, type Volume } from '../../src/index.ts';
import { type Answer, hashOf, NOTHING, OK, type Status } from './answer.ts';
import { fillName, type Op, pattern, SLOTS } from './ops.ts';

interface RawStats {
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  mtimeMs: number;
}

/** What both sides of `node:fs` give. */
type Face = Pick<
  typeof nodeFs,
  | 'openSync'
  | 'closeSync'
  | 'writeSync'
  | 'readSync'
  | 'ftruncateSync'
  | 'fsyncSync'
  | 'truncateSync'
  | 'mkdirSync'
  | 'rmdirSync'
  | 'unlinkSync'
  | 'linkSync'
  | 'symlinkSync'
  | 'renameSync'
  | 'chmodSync'
  | 'chownSync'
  | 'lchownSync'
  | 'utimesSync'
> & {
  fstatSync(fd: number): RawStats;
  statSync(path: string): RawStats;
  lstatSync(path: string): RawStats;
  readlinkSync(path: string): string;
  readdirSync(path: string): string[];
};

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

const statusOf = (s: RawStats): Status => ({
  mode: s.mode,
  nlink: s.nlink,
  uid: s.uid,
  gid: s.gid,
  rdev: s.rdev,
  size: (s.mode & S_IFMT) === S_IFDIR ? null : s.size,
  mtime: s.mtimeMs / 1000,
});

/** An errno's name; a defect of ours is told as such. */
export function outcome(act: () => Answer): Answer {
  try {
    return act();
  } catch (e) {
    const { code } = e as { code?: unknown };
    const known = typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
    if (!known || code.startsWith('ERR_')) return `crash: ${String((e as Error).stack)}`;
    return code === 'EUCLEAN' || code === 'EDEADLK' || code === 'EIO'
      ? `${code}: ${(e as Error).message}`
      : code;
  }
}

abstract class Target {
  protected readonly slots: (number | null)[] = Array.from({ length: SLOTS }, () => null);
  protected abstract readonly fs: Face;
  protected abstract at(path: string): string;

  apply(op: Op): Answer {
    return outcome(() => this.onFile(op) ?? this.onPath(op) ?? this.other(op));
  }

  protected other(_op: Op): Answer {
    return NOTHING;
  }

  private open(slot: number, path: string, flags: number, mode: number): Answer {
    if (this.slots[slot] !== null) return NOTHING;
    this.slots[slot] = this.fs.openSync(this.at(path), flags, mode);
    return OK;
  }

  protected onFile(op: Op): Answer | null {
    const { fs } = this;
    if (op[0] === 'open') return this.open(op[1], op[2], op[3], op[4]);
    if (!FILE_OPS.has(op[0])) return null;
    const fd = this.slots[op[1] as number] ?? null;
    if (fd === null) return NOTHING;
    switch (op[0]) {
      case 'close':
        this.slots[op[1]] = null;
        fs.closeSync(fd);
        return OK;
      case 'write':
        return fs.writeSync(fd, pattern(op[2], op[3]), 0, op[2], null);
      case 'pwrite':
        return fs.writeSync(fd, pattern(op[3], op[4]), 0, op[3], op[2]);
      case 'read':
      case 'pread': {
        const buffer = new Uint8Array(op[0] === 'read' ? op[2] : op[3]);
        const n = fs.readSync(fd, buffer, 0, buffer.length, op[0] === 'read' ? null : op[2]);
        return hashOf(buffer.subarray(0, n));
      }
      case 'ftruncate':
        fs.ftruncateSync(fd, op[2]);
        return OK;
      case 'fstat':
        return statusOf(fs.fstatSync(fd));
      case 'fsync':
        fs.fsyncSync(fd);
        return OK;
      default:
        return this.other(op);
    }
  }

  private onPath(op: Op): Answer | null {
    const { fs } = this;
    const path = this.at(op[1] as string);
    switch (op[0]) {
      case 'readlink':
        return fs.readlinkSync(path);
      case 'stat':
        return statusOf(fs.statSync(path));
      case 'lstat':
        return statusOf(fs.lstatSync(path));
      case 'readdir':
        return fs.readdirSync(path).sort();
      case 'fillDir':
      case 'emptyDir':
        return this.many(path, op);
      default:
        return this.change(op, path);
    }
  }

  private change(op: Op, path: string): Answer | null {
    const { fs } = this;
    switch (op[0]) {
      case 'truncate':
        fs.truncateSync(path, op[2]);
        return OK;
      case 'mkdir':
        fs.mkdirSync(path, op[2]);
        return OK;
      case 'rmdir':
        fs.rmdirSync(path);
        return OK;
      case 'unlink':
        fs.unlinkSync(path);
        return OK;
      case 'link':
        fs.linkSync(path, this.at(op[2]));
        return OK;
      case 'symlink':
        fs.symlinkSync(op[1], this.at(op[2]));
        return OK;
      case 'rename':
        fs.renameSync(path, this.at(op[2]));
        return OK;
      case 'chmod':
        fs.chmodSync(path, op[2]);
        return OK;
      case 'chown':
        fs.chownSync(path, op[2], op[3]);
        return OK;
      case 'lchown':
        fs.lchownSync(path, op[2], op[3]);
        return OK;
      case 'utimes':
        fs.utimesSync(path, op[2], op[3]);
        return OK;
      default:
        return null;
    }
  }

  private many(path: string, op: Op): Answer {
    const { fs } = this;
    // Names that were there before tell that it is a directory.
    const names = fs.readdirSync(path).sort();
    if (op[0] === 'fillDir') {
      for (let i = 0; i < op[2]; i++) {
        const name = fillName(i, op[3]);
        if (names.includes(name)) continue;
        fs.closeSync(fs.openSync(`${path}/${name}`, 0o101, 0o644));
      }
      return OK;
    }
    const files = names.filter(
      (name) => (fs.lstatSync(`${path}/${name}`).mode & S_IFMT) === S_IFREG,
    );
    for (const name of files.slice(op[2] as number)) fs.unlinkSync(`${path}/${name}`);
    return OK;
  }

  closeAll(): void {
    for (const [slot, fd] of this.slots.entries()) {
      if (fd !== null) this.fs.closeSync(fd);
      this.slots[slot] = null;
    }
  }
}

const FILE_OPS = new Set<Op[0]>([
  'close',
  'write',
  'pwrite',
  'read',
  'pread',
  'ftruncate',
  'fallocate',
  'fstat',
  'fsync',
]);

/** A folder of the host. */
export class HostTarget extends Target {
  protected override readonly fs = nodeFs as unknown as Face;
  private readonly folder: string;
  constructor(folder: string) {
    super();
    this.folder = folder;
    nodeFs.mkdirSync(folder, 0o755);
  }
  protected override at(path: string): string {
    return `${this.folder}/${path}`;
  }
}

const WORK = '/w';
const EVERYTHING = 1e9;

/** A mounted image. */
export class VolumeTarget extends Target {
  volume: Volume;
  private readonly device: RamDevice;
  private readonly options: OpenOptions;

  constructor(device: RamDevice, options: OpenOptions) {
    super();
    this.device = device;
    this.options = options;
    this.volume = openSync(device, options);
    this.fs.mkdirSync(WORK, 0o755);
  }

  protected override get fs(): Face {
    return this.volume.fs as unknown as Face;
  }
  protected override at(path: string): string {
    return `${WORK}/${path}`;
  }

  protected override other(op: Op): Answer {
    const { fs } = this.volume;
    const path = this.at(op[1] as string);
    switch (op[0]) {
      case 'fallocate':
        fs.fallocateSync(this.slots[op[1]] ?? -1, op[2], op[3], op[4]);
        return OK;
      case 'mknod':
        fs.mknodSync(path, op[2], op[3]);
        return OK;
      case 'renameat2':
        fs.renameat2Sync(path, this.at(op[2]), op[3]);
        return OK;
      case 'setxattr':
        fs.setxattrSync(path, op[2], pattern(op[3], op[3]), op[4]);
        return OK;
      case 'getxattr':
        return hashOf(fs.getxattrSync(path, op[2]));
      case 'removexattr':
        fs.removexattrSync(path, op[2]);
        return OK;
      case 'listxattr':
        return fs.listxattrSync(path).sort();
      default:
        return this.own(op);
    }
  }

  private own(op: Op): Answer {
    switch (op[0]) {
      case 'sync':
        this.volume.syncSync();
        return OK;
      case 'dropCaches': {
        this.volume.syncSync();
        const { sb } = this.volume;
        sb.shrinker?.(EVERYTHING);
        sb.memory.reclaim(EVERYTHING);
        return OK;
      }
      case 'remount':
        this.closeAll();
        this.volume.closeSync();
        this.volume = openSync(this.device, this.options);
        return OK;
      default:
        return NOTHING;
    }
  }

  /** Everything again, from the image alone. */
  reopen(): void {
    this.volume = openSync(this.device, this.options);
  }
}
