/**
 * A mounted ext4 and somebody who works on it: for making an image, for recording, and for looking
 * at what a crash left.
 */
import { assert } from '../../base/assert.ts';
import { nameFromText } from '../../base/name.ts';
import { BlockDevice, type BlockDriver } from '../../block/block-device.ts';
import { FALLOC_FL_KEEP_SIZE } from '../../fs/ext4/fallocate.ts';
import { ext4FsType } from '../../fs/ext4/super.ts';
import { PAGE_SIZE } from '../../mm/page-memory.ts';
import { Memory, MIN_FRAMES } from '../../mm/vmscan.ts';
import type { Op } from '../../sched/op.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import {
  sysLink,
  sysMkdir,
  sysRename,
  sysRmdir,
  sysSymlink,
  sysUnlink,
} from '../../syscall/dir.ts';
import { sysTruncate } from '../../syscall/attr.ts';
import { sysClose, sysExit, sysOpen } from '../../syscall/open.ts';
import { Process } from '../../syscall/process.ts';
import { sysFallocate, sysPwrite } from '../../syscall/read-write.ts';
import { sysFdatasync, sysFsync } from '../../syscall/sync.ts';
import { sysRemovexattr, sysSetxattr } from '../../syscall/xattr.ts';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '../../vfs/file.ts';
import { mountFileSystem, umount } from '../../vfs/namespace.ts';
import type { SuperBlock } from '../../vfs/super.ts';
import { syncFilesystem } from '../../vfs/sync.ts';
import type { CrashOp, FileOp } from './op.ts';

export class Mounted {
  readonly scheduler: Scheduler;
  readonly device: BlockDevice;
  readonly sb: SuperBlock;
  readonly process: Process;

  /** Mount for writing, which recovers. @throws whatever mounting throws */
  constructor(driver: BlockDriver, scheduler = new Scheduler()) {
    this.scheduler = scheduler;
    this.device = new BlockDevice(driver);
    this.sb = this.run(
      mountFileSystem(ext4FsType, {
        scheduler: this.scheduler,
        memory: new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE),
        device: this.device,
        readOnly: false,
        // Times of reading are of no interest here, and would be written.
        options: new Map([['noatime', true]]),
        warn: () => undefined,
      }),
    );
    assert(this.sb.root !== null, 'a mount has a root');
    this.process = new Process(this.sb.root);
  }

  run<T>(op: Op<T>): T {
    return this.scheduler.runToEnd(op);
  }

  umount(): void {
    this.run(sysExit(this.process));
    this.run(umount(this.sb));
  }

  /** @param stamp  what is written */
  perform(op: CrashOp, stamp: number): void {
    this.run(performOp(this.process, this.sb, op, stamp));
  }
}

/** Open, use, close. */
function* withFd(
  p: Process,
  path: string,
  flags: number,
  body: (fd: number) => Op<unknown>,
): Op<void> {
  const fd = yield* sysOpen(p, nameFromText(path), flags);
  try {
    yield* body(fd);
  } finally {
    yield* sysClose(p, fd);
  }
}

/** Do one operation. @param stamp  what is written. @throws whatever the system call throws */
export function* performOp(p: Process, sb: SuperBlock, op: CrashOp, stamp: number): Op<void> {
  const name = nameFromText;
  switch (op.op) {
    case 'creat':
      return yield* withFd(p, op.path, O_RDWR | O_CREAT | O_EXCL, function* () {
        // To be there is all.
      });
    case 'hold':
      yield* sysOpen(p, name(op.path), O_RDWR);
      return;
    case 'mkdir':
      return yield* sysMkdir(p, name(op.path), 0o755);
    case 'unlink':
      return yield* sysUnlink(p, name(op.path));
    case 'rmdir':
      return yield* sysRmdir(p, name(op.path));
    case 'symlink':
      return yield* sysSymlink(p, name(op.target), name(op.path));
    case 'link':
      return yield* sysLink(p, name(op.from), name(op.to));
    case 'rename':
      return yield* sysRename(p, name(op.from), name(op.to));
    case 'sync':
      return yield* syncFilesystem(sb);
    case 'fsync':
      return yield* withFd(p, op.path, O_RDONLY, (fd) => sysFsync(p, fd));
    case 'fdatasync':
      return yield* withFd(p, op.path, O_RDONLY, (fd) => sysFdatasync(p, fd));
    default:
      return yield* changeFile(p, op, stamp);
  }
}

function* changeFile(p: Process, op: FileOp, stamp: number): Op<void> {
  const path = nameFromText(op.path);
  switch (op.op) {
    case 'write': {
      const data = new Uint8Array(op.length).fill(stamp);
      return yield* withFd(p, op.path, O_RDWR, function* (fd) {
        const done = yield* sysPwrite(p, fd, data, op.at);
        assert(done === op.length, 'a write of a workload is whole');
      });
    }
    case 'truncate':
      return yield* sysTruncate(p, path, op.size);
    case 'falloc': {
      const mode = op.keepSize ? FALLOC_FL_KEEP_SIZE : 0;
      return yield* withFd(p, op.path, O_RDWR, (fd) => sysFallocate(p, fd, mode, op.at, op.length));
    }
    case 'setxattr':
      return yield* sysSetxattr(p, path, nameFromText(op.name), valueOf(op.length, stamp));
    case 'removexattr':
      return yield* sysRemovexattr(p, path, nameFromText(op.name));
  }
}

/** The value of an extended attribute. */
export const valueOf = (length: number, stamp: number): Uint8Array =>
  new Uint8Array(length).fill(stamp);
