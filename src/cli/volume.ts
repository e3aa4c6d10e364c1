/**
 * An image, mounted for one command: device, cache, mount, and the process that acts in it.
 *
 * Until the command has changed something, what mounting marks is held back (holding-driver.ts).
 */
import { Prng } from '../base/prng.ts';
import { BlockDevice } from '../block/block-device.ts';
import { ext4BlockSizeOf } from '../fs/ext4/super-read.ts';
import type { Ext4SuperBlock } from '../fs/ext4/sb-info.ts';
import { ext4FsType } from '../fs/ext4/super.ts';
import { Memory } from '../mm/vmscan.ts';
import { NodeClock } from '../platform/node/clock.ts';
import { FileDevice } from '../platform/node/file-device.ts';
import type { Clock, Timespec } from '../sched/clock.ts';
import type { Op } from '../sched/op.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { sysExit } from '../syscall/open.ts';
import { Process } from '../syscall/process.ts';
import { ROOT_CRED } from '../vfs/cred.ts';
import { mountFileSystem, umount } from '../vfs/namespace.ts';
import { CliError, causeOf } from './errors.ts';
import { HoldingDriver } from './holding-driver.ts';
import { printError } from './output.ts';
import { ScratchDriver } from './scratch-driver.ts';

const CACHE_SIZE = 256 << 20;
const PAGE = 4096;

export interface OpenOptions {
  readonly readOnly: boolean;
  /** Seconds since 1970 at which the clock stands still. */
  readonly time?: number;
  /** Seed of what is chosen by chance. */
  readonly seed?: number;
  readonly options?: ReadonlyMap<string, string | true>;
  /** A new image that is thrown away if anything fails: nothing is held back, nothing flushed. */
  readonly scratch?: boolean;
}

/** The wall clock stands still; everything else goes on. */
class StoppedClock extends NodeClock {
  private readonly sec: number;
  constructor(sec: number) {
    super();
    this.sec = sec;
  }
  override realtime(): Timespec {
    return { sec: this.sec, nsec: 0 };
  }
}

export class Volume {
  readonly image: string;
  readonly scheduler: Scheduler;
  readonly sb: Ext4SuperBlock;
  readonly process: Process;
  private readonly file: FileDevice;
  private readonly holding: HoldingDriver | null;
  private kept = false;

  constructor(image: string, how: OpenOptions) {
    this.image = image;
    this.file = openDevice(image, how.readOnly);
    try {
      const held = !how.readOnly && how.scratch !== true;
      this.holding = held ? new HoldingDriver(this.file) : null;
      const direct = how.scratch === true ? new ScratchDriver(this.file) : this.file;
      const device = new BlockDevice(this.holding ?? direct);
      this.scheduler = new Scheduler({ clock: clockOf(how), chance: chanceOf(how) });
      this.sb = this.scheduler.runToEnd(mountOn(this.scheduler, device, image, how));
      const cred = { ...ROOT_CRED, umask: process.umask() };
      if (this.sb.root === null) throw new CliError('EIO', 'mounted without a root');
      this.process = new Process(this.sb.root, cred);
    } catch (e) {
      this.file.close();
      throw e;
    }
  }

  run<T>(op: Op<T>): T {
    return this.scheduler.runToEnd(op);
  }

  /** Something was changed: the image may be written from now on. */
  keep(): void {
    if (this.kept) return;
    this.kept = true;
    this.holding?.release();
  }

  /** Let go without writing: the image is thrown away. After close() nothing is left to do. */
  abandon(): void {
    this.file.close();
  }

  /** Write everything and let go. @throws EIO, ENOSPC: something did not reach the image */
  close(): void {
    try {
      this.run(sysExit(this.process));
      this.run(umount(this.sb));
    } finally {
      this.file.close();
    }
  }
}

function openDevice(image: string, readOnly: boolean): FileDevice {
  try {
    return new FileDevice(image, { readOnly });
  } catch (e) {
    throw new CliError((e as { code?: string }).code ?? 'EIO', openCause(e));
  }
}

const openCause = (e: unknown): string =>
  (causeOf(e) ?? String(e)).replace(/ \([A-Z0-9]+\)$/, '').replace(/^/, 'cannot open the image: ');

function clockOf({ time }: OpenOptions): Clock {
  return time === undefined ? new NodeClock() : new StoppedClock(time);
}

/** The generation of an inode and where a new directory goes are left to chance. */
const chanceOf = ({ seed }: OpenOptions): Prng => new Prng(seed ?? Date.now() * 1024 + process.pid);

function* mountOn(
  scheduler: Scheduler,
  device: BlockDevice,
  image: string,
  how: OpenOptions,
): Op<Ext4SuperBlock> {
  const blockSize = yield* ext4BlockSizeOf(device);
  const memory = new Memory(CACHE_SIZE, Math.max(PAGE, blockSize));
  const sb = yield* mountFileSystem(ext4FsType, {
    scheduler,
    memory,
    device,
    readOnly: how.readOnly,
    options: how.options ?? new Map(),
    warn: (sentence) => {
      printError(`foliofs: ${image}: ${sentence}`);
    },
  });
  return sb as Ext4SuperBlock;
}

/** The images that one command works on, each open once. */
export class Volumes {
  private readonly open = new Map<string, Volume>();
  private readonly how: ReadonlyMap<string, OpenOptions>;
  private readonly usual: OpenOptions;

  /** @param written  images that the command is about to change */
  constructor(written: readonly string[], usual: OpenOptions = { readOnly: true }) {
    this.usual = usual;
    this.how = new Map(written.map((image) => [image, { ...usual, readOnly: false }]));
  }

  get(image: string): Volume {
    let volume = this.open.get(image);
    if (volume === undefined) {
      volume = new Volume(image, this.how.get(image) ?? this.usual);
      this.open.set(image, volume);
    }
    return volume;
  }

  /** Close all. @returns what failed, with the image it failed for */
  close(): { image: string; error: unknown }[] {
    const failed: { image: string; error: unknown }[] = [];
    for (const [image, volume] of this.open) {
      try {
        volume.close();
      } catch (error) {
        failed.push({ image, error });
      }
    }
    this.open.clear();
    return failed;
  }
}
