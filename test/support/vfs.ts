/** A mounted tmpfs and processes on it, for tests of the VFS and of the system calls. */
import { nameFromText } from '../../src/base/name.ts';
import { bytes } from '../../src/base/units.ts';
import { BlockDevice } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { tmpfs } from '../../src/fs/tmpfs/tmpfs.ts';
import { Memory } from '../../src/mm/vmscan.ts';
import { ManualClock } from '../../src/sched/clock.ts';
import type { Op } from '../../src/sched/op.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import type { Strategy } from '../../src/sched/strategy.ts';
import { Process } from '../../src/syscall/process.ts';
import { type Cred, ROOT_CRED } from '../../src/vfs/cred.ts';
import { mountFileSystem } from '../../src/vfs/namespace.ts';
import type { FileSystemType, MountContext, SuperBlock } from '../../src/vfs/super.ts';

export class World {
  readonly clock = new ManualClock();
  readonly scheduler: Scheduler;
  readonly memory: Memory;
  readonly sb: SuperBlock;
  /** A process with all rights. */
  readonly root: Process;

  constructor(type: FileSystemType = tmpfs, memory = 8 << 20, strategy?: Strategy) {
    this.scheduler = new Scheduler({ clock: this.clock, ...(strategy ? { strategy } : {}) });
    this.memory = new Memory(memory);
    this.sb = this.run(mountFileSystem(type, this.context()));
    this.root = this.process(ROOT_CRED);
  }

  context(readOnly = false): MountContext {
    return {
      scheduler: this.scheduler,
      memory: this.memory,
      device: new BlockDevice(new RamDevice(bytes(0))),
      readOnly,
      options: new Map(),
      warn: () => undefined,
    };
  }

  process(cred: Partial<Cred>): Process {
    if (!this.sb.root) throw new TypeError('not mounted');
    const user: Cred = { uid: 1000, gid: 1000, groups: [], umask: 0o022, caps: 0 };
    return new Process(this.sb.root, { ...user, ...cred });
  }

  run<T>(op: Op<T>): T {
    return this.scheduler.runToEnd(op);
  }

  /** The error code that an operation ends with; 'ok' if it does not fail. */
  code(op: Op<unknown>): string {
    try {
      this.run(op);
      return 'ok';
    } catch (e) {
      return String((e as { code?: string }).code ?? e);
    }
  }
}

export const n = nameFromText;
