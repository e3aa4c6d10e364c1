/**
 * An image, mounted for one command: device, cache, mount, and the process that acts in it.
 *
 * Until the command has changed something, what mounting marks is held back (holding-driver.ts).
 */
import { randomInt } from 'node:crypto';
import type { Ext4SuperBlock } from '../fs/ext4/sb-info.ts';
import { type Volume as Mounted, openDriverSync } from '../init.ts';
import { NodeClock } from '../platform/node/clock.ts';
import { FileDevice } from '../platform/node/file-device.ts';
import type { Clock, Timespec } from '../sched/clock.ts';
import type { Op } from '../sched/op.ts';
import type { Process } from '../syscall/process.ts';
import { ROOT_CRED } from '../vfs/cred.ts';
import { causeOf, CliError } from './errors.ts';
import { HoldingDriver } from './holding-driver.ts';
import { printError } from './output.ts';
import { asksForRecovery, recover } from './recovered.ts';
import { ScratchDriver } from './scratch-driver.ts';

/**
 * What is written once, in order, needs no large cache: measured, 16 to 256 MiB are equally fast.
 */
const SCRATCH_CACHE = 32 << 20;

export interface OpenOptions {
  readonly readOnly: boolean;
  /** Seconds since 1970 at which the clock stands still. */
  readonly time?: number;
  /** Seed of what is chosen by chance. */
  readonly seed?: number;
  /** Mount options in mount(8)'s words. */
  readonly options?: string;
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
  readonly sb: Ext4SuperBlock;
  readonly process: Process;
  private readonly mounted: Mounted;
  private readonly file: FileDevice;
  private readonly holding: HoldingDriver | null;
  private kept = false;

  constructor(image: string, how: OpenOptions) {
    this.image = image;
    this.file = openDevice(image, how.readOnly);
    const warn = (sentence: string): void => {
      printError(`foliofs: ${image}: ${sentence}`);
    };
    if (!how.readOnly && how.scratch !== true) recoverFirst(this.file, image, warn);
    this.holding = how.readOnly || how.scratch === true ? null : new HoldingDriver(this.file);
    const direct = how.scratch === true ? new ScratchDriver(this.file) : this.file;
    const { options, seed } = how;
    const given = {
      readOnly: how.readOnly,
      cred: { ...ROOT_CRED, umask: process.umask() },
      warn,
      ...(options === undefined ? {} : { options }),
      ...(seed === undefined ? {} : { seed }),
      ...(how.scratch === true ? { cacheSize: SCRATCH_CACHE } : {}),
    };
    const host = { clock: clockOf(how), entropy: () => randomInt(2 ** 32) };
    const release = (): void => {
      this.file.close();
    };
    this.mounted = openDriverSync(this.holding ?? direct, given, host, release);
    this.sb = this.mounted.sb as Ext4SuperBlock;
    this.process = this.mounted.process;
  }

  run<T>(op: Op<T>): T {
    return this.mounted.run(op);
  }

  /**
   * Something was changed: the image may be written from now on.
   * @throws EBUSY somebody else changed it first, each time that it is asked
   */
  keep(): void {
    if (this.kept) return;
    this.holding?.release();
    this.kept = true;
  }

  /** Let go without writing: the image is thrown away. After close() nothing is left to do. */
  abandon(): void {
    this.file.close();
  }

  /** Write everything and let go. @throws EIO, ENOSPC: something did not reach the image */
  close(): void {
    this.mounted.closeSync();
  }
}

/**
 * A recovery is no change that waits until the command has made one: the order of its writes is
 * what makes it safe, and what the image says is the same before and after it.
 */
function recoverFirst(file: FileDevice, image: string, warn: (sentence: string) => void): void {
  try {
    if (!asksForRecovery(file)) return;
    for (const sentence of recover(file, image)) warn(sentence);
  } catch (e) {
    file.close();
    throw e;
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
