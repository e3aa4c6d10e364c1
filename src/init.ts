/**
 * The composition root: device, memory, file systems, mount - put together, and taken apart again.
 */
import { FsError } from './base/errno.ts';
import { Prng } from './base/prng.ts';
import { bytes } from './base/units.ts';
import { Bridge } from './api/bridge.ts';
import { dressed } from './api/errors.ts';
import { makeFs, type VolumeFs } from './api/fs.ts';
import { BlockDevice, type BlockDriver } from './block/block-device.ts';
import { RamDevice } from './block/ram-device.ts';
import { mkfs, type MkfsResult } from './fs/ext4/mkfs/mkfs.ts';
import type { MkfsOptions } from './fs/ext4/mkfs/plan.ts';
import { ext4FsType } from './fs/ext4/super.ts';
import { ext4BlockSizeOf } from './fs/ext4/super-read.ts';
import { PAGE_SIZE } from './mm/page-memory.ts';
import { Memory } from './mm/vmscan.ts';
import type { Clock } from './sched/clock.ts';
import type { Op } from './sched/op.ts';
import { Scheduler } from './sched/scheduler.ts';
import { sysExit } from './syscall/open.ts';
import { Process } from './syscall/process.ts';
import { syncReporting } from './syscall/sync.ts';
import type { Cred } from './vfs/cred.ts';
import { freezeSuper, thawSuper } from './vfs/freeze.ts';
import { mountFileSystem, umount } from './vfs/namespace.ts';
import type { SuperBlock } from './vfs/super.ts';

export const DEFAULT_CACHE_SIZE = 256 << 20;

export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Bytes for file data and metadata together; 256 MiB. */
  readonly cacheSize?: number;
  /** Mount options in mount(8)'s words, e.g. 'noatime,errors=remount-ro'. */
  readonly options?: string;
  /** Who acts: root with all rights unless said otherwise. */
  readonly cred?: Cred;
  /** One sentence at a time: why the mount is read-only, what was found. Default: nothing. */
  readonly warn?: (sentence: string) => void;
  /** Seed of what is left to chance: inode generations, where directories go. */
  readonly seed?: number;
}

/** What the platform puts in. */
export interface Host {
  readonly clock: Clock;
  /** 32 random bits, unless a seed is given. */
  readonly entropy: () => number;
}

/** A mounted image. */
export class Volume {
  readonly fs: VolumeFs;
  readonly process: Process;
  readonly scheduler: Scheduler;
  readonly sb: SuperBlock;
  private readonly bridge: Bridge;
  private readonly release: () => void;
  private open = true;

  constructor(scheduler: Scheduler, sb: SuperBlock, cred: Cred | undefined, release: () => void) {
    if (!sb.root) throw new TypeError('a mount without a root');
    this.scheduler = scheduler;
    this.sb = sb;
    this.process = new Process(sb.root, cred);
    this.bridge = new Bridge(scheduler);
    this.fs = makeFs(this.bridge, this.process);
    this.release = release;
  }

  get readOnly(): boolean {
    return this.sb.readOnly;
  }

  /** Run an operation of the system call layer to its end. @throws FsError as it is */
  run<T>(op: Op<T>): T {
    return this.scheduler.runToEnd(op);
  }

  private *shutdown(): Op<void> {
    if (this.sb.frozen === 'frozen') yield* thawSuper(this.sb);
    yield* sysExit(this.process);
    yield* umount(this.sb);
  }

  /** Everything written so far is durable when this resolves. @throws EIO, ENOSPC it is not */
  sync(): Promise<void> {
    return this.bridge.promise({ syscall: 'sync', op: syncReporting(this.process) });
  }
  syncSync(): void {
    this.bridge.sync({ syscall: 'sync', op: syncReporting(this.process) });
  }

  /**
   * Write everything and stop whoever wants to change something, until thaw(): the image file can
   * be copied meanwhile, and needs no recovery. @throws EBUSY it is frozen; EIO
   */
  freeze(): Promise<void> {
    return this.bridge.promise({ syscall: 'ioctl', op: freezeSuper(this.sb) });
  }
  /** @throws EINVAL it is not frozen */
  thaw(): Promise<void> {
    return this.bridge.promise({ syscall: 'ioctl', op: thawSuper(this.sb) });
  }

  /** Write everything, unmount, close the image. Open descriptors of the volume are closed. */
  async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    try {
      await this.bridge.promise({ syscall: 'umount', op: this.shutdown() });
    } finally {
      this.release();
    }
  }
  closeSync(): void {
    if (!this.open) return;
    this.open = false;
    try {
      this.bridge.sync({ syscall: 'umount', op: this.shutdown() });
    } finally {
      this.release();
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const parseOptions = (text: string): Map<string, string | true> => {
  const map = new Map<string, string | true>();
  for (const item of text.split(',').filter((i) => i !== '')) {
    const [key = '', value] = item.split(/=(.*)/s);
    map.set(key, value ?? true);
  }
  return map;
};

/** Find out the block size, make the memory, mount. */
function* mount(scheduler: Scheduler, device: BlockDevice, o: OpenOptions): Op<SuperBlock> {
  const blockSize = yield* ext4BlockSizeOf(device);
  const memory = new Memory(o.cacheSize ?? DEFAULT_CACHE_SIZE, Math.max(PAGE_SIZE, blockSize));
  const warn = o.warn ?? (() => undefined);
  return yield* mountFileSystem(ext4FsType, {
    scheduler,
    memory,
    device,
    readOnly: (o.readOnly ?? false) || device.readOnly,
    options: parseOptions(o.options ?? ''),
    warn,
  });
}

const schedulerFor = (host: Host, seed: number | undefined): Scheduler =>
  new Scheduler({ clock: host.clock, chance: new Prng(seed ?? host.entropy()) });

/** Mount what a driver holds; `release` closes the driver in the end. Synchronous drivers only. */
export function openDriverSync(
  driver: BlockDriver,
  o: OpenOptions,
  host: Host,
  release: () => void,
  path?: string,
): Volume {
  const scheduler = schedulerFor(host, o.seed);
  try {
    const sb = scheduler.runToEnd(mount(scheduler, new BlockDevice(driver), o), 'mount');
    return new Volume(scheduler, sb, o.cred, release);
  } catch (e) {
    release();
    throw e instanceof FsError ? dressed(e, { syscall: 'mount', path }) : e;
  }
}

/** The same for any driver. */
export async function openDriver(
  driver: BlockDriver,
  o: OpenOptions,
  host: Host,
  release: () => void,
  path?: string,
): Promise<Volume> {
  const scheduler = schedulerFor(host, o.seed);
  scheduler.external = () => true;
  const bridge = new Bridge(scheduler);
  try {
    const op = mount(scheduler, new BlockDevice(driver), o);
    const sb = await bridge.promise({ syscall: 'mount', path, op });
    return new Volume(scheduler, sb, o.cred, release);
  } catch (e) {
    release();
    throw e;
  }
}

/** A device over bytes in memory: changes go into a copy, which `image()` gives back. */
export function deviceOf(image: Uint8Array): { driver: RamDevice; image: () => Uint8Array } {
  const size = Math.floor(image.length / 512) * 512;
  const driver = new RamDevice(bytes(size));
  driver.poke(0, image.subarray(0, size));
  return {
    driver,
    image: () => {
      const out = new Uint8Array(size);
      driver.peek(0, out);
      return out;
    },
  };
}

export interface MakeOptions extends Omit<MkfsOptions, 'time' | 'uuid' | 'hashSeed'> {
  /** Seconds since 1970; the present if absent. */
  readonly time?: number;
  readonly uuid?: Uint8Array;
  readonly hashSeed?: Uint8Array;
}

const randomUuid = (host: Host): Uint8Array => {
  const id = new Prng(host.entropy()).bytes(16);
  id[6] = (id[6]! & 0x0f) | 0x40;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
};

/** Make an empty ext4 on a driver. @param zeroed  it reads as zero now */
export function makeOnDriver(
  driver: BlockDriver,
  o: MakeOptions,
  host: Host,
  zeroed: boolean,
  path?: string,
): MkfsResult {
  const scheduler = new Scheduler({ clock: host.clock });
  const uuid = o.uuid ?? randomUuid(host);
  const hashSeed = o.hashSeed ?? (o.uuid ? new Prng(o.uuid[0]! + 1).bytes(16) : randomUuid(host));
  const time = o.time ?? host.clock.realtime().sec;
  try {
    const op = mkfs(new BlockDevice(driver), { ...o, time }, { uuid, hashSeed }, zeroed);
    return scheduler.runToEnd(op, 'mkfs');
  } catch (e) {
    throw e instanceof FsError ? dressed(e, { syscall: 'mkfs', path }) : e;
  }
}
