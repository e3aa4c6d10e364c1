/**
 * A small ext4 with a journal over a recorder, what is done to it, and how a crashed one is judged:
 * mounted for writing, which recovers it, unmounted, and checked.
 */
import { assert } from '../../src/base/assert.ts';
import { asciiName } from '../../src/base/name.ts';
import { bytes } from '../../src/base/units.ts';
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { CrashRecorder, type CrashRecording } from '../../src/explore/crash-recorder.ts';
import type { CrashPoint } from '../../src/explore/crash-states.ts';
import { checkFs } from '../../src/fs/ext4/check/check.ts';
import { mkfs } from '../../src/fs/ext4/mkfs/mkfs.ts';
import { ext4FsType } from '../../src/fs/ext4/super.ts';
import { PAGE_SIZE } from '../../src/mm/page-memory.ts';
import { Memory, MIN_FRAMES } from '../../src/mm/vmscan.ts';
import type { Op } from '../../src/sched/op.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import { sysExit } from '../../src/syscall/open.ts';
import { Process } from '../../src/syscall/process.ts';
import { mountFileSystem, umount } from '../../src/vfs/namespace.ts';
import type { SuperBlock } from '../../src/vfs/super.ts';
import { syncFilesystem } from '../../src/vfs/sync.ts';

const UUID = new Uint8Array(16).fill(0x5a);

/** A mount, and somebody who works on it. */
export class Mount {
  readonly scheduler = new Scheduler();
  readonly device: BlockDevice;
  readonly sb: SuperBlock;
  readonly process: Process;

  constructor(driver: BlockDriver, readOnly = false) {
    this.device = new BlockDevice(driver);
    this.sb = this.run(
      mountFileSystem(ext4FsType, {
        scheduler: this.scheduler,
        memory: new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE),
        device: this.device,
        readOnly,
        options: new Map(),
        warn: () => undefined,
      }),
    );
    assert(this.sb.root !== null);
    this.process = new Process(this.sb.root);
  }
  run<T>(op: Op<T>): T {
    return this.scheduler.runToEnd(op);
  }
  sync(): void {
    this.run(syncFilesystem(this.sb));
  }
  umount(): void {
    this.run(sysExit(this.process));
    this.run(umount(this.sb));
  }
}

export interface Workload {
  /** Before the recording. */
  prepare?(mount: Mount): void;
  /** Recorded; marks what it promises. */
  run(mount: Mount, recorder: CrashRecorder): void;
}

export interface ImageOptions {
  readonly size?: number;
  readonly blockSize?: number;
  readonly features?: string;
}

export function recordWorkload(work: Workload, o: ImageOptions = {}): CrashRecording {
  const { size = 8 << 20, blockSize = 1024, features = '' } = o;
  const ram = new RamDevice(bytes(size));
  const made = { features, blockSize, time: 1_700_000_000, inodes: 64 };
  new Scheduler().runToEnd(mkfs(new BlockDevice(ram), made, { uuid: UUID, hashSeed: UUID }, true));
  // Nobody survives a torn super block: Linux too reads it before the journal, and wants its sum.
  const superAt = Math.floor(1024 / blockSize);
  const recorder = new CrashRecorder(ram, { blockSize, tears: (nr) => nr !== superAt });
  const mount = new Mount(recorder);
  work.prepare?.(mount);
  mount.sync();
  recorder.begin();
  work.run(mount, recorder);
  return recorder.recording();
}

/** @throws AssertionError the first problem */
export function check(driver: BlockDriver): void {
  const memory = new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE);
  const problems: string[] = [];
  const listen = { memory, onProblem: (p: { text: string }) => problems.push(p.text) };
  new Scheduler().runToEnd(checkFs(new BlockDevice(driver), listen as never));
  assert(problems.length === 0, problems[0]);
}

export type Oracle = (mount: Mount, at: CrashPoint) => void;

/** Recover, look, unmount, check. */
export const judgeWith =
  (oracle: Oracle) =>
  (image: BlockDriver, at: CrashPoint): void => {
    const mount = new Mount(image);
    oracle(mount, at);
    mount.umount();
    at.once('check', check);
  };

export const name = asciiName;
