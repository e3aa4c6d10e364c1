/**
 * A small mounted ext4 in memory, made once for a scenario and put back before each execution; and
 * what its tasks do to it, in system calls.
 */
import { assert } from '../base/assert.ts';
import { FsError } from '../base/errno.ts';
import { asciiName } from '../base/name.ts';
import { bytes } from '../base/units.ts';
import { BlockDevice } from '../block/block-device.ts';
import { RamDevice } from '../block/ram-device.ts';
import { ExploredDevice, type ExploredDeviceOptions } from '../explore/device.ts';
import { mkfs } from '../fs/ext4/mkfs/mkfs.ts';
import type { Ext4Inode } from '../fs/ext4/inode-info.ts';
import { ext4FsType } from '../fs/ext4/super.ts';
import { FolioState } from '../iomap/folio-state.ts';
import { PAGE_SIZE } from '../mm/page-memory.ts';
import { invalidateMappingPages } from '../mm/truncate.ts';
import { Memory, MIN_FRAMES } from '../mm/vmscan.ts';
import type { Op } from '../sched/op.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import { sysExit, sysOpen } from '../syscall/open.ts';
import { Process } from '../syscall/process.ts';
import { sysPread, sysPreadNowait, sysPwrite } from '../syscall/read-write.ts';
import { O_CREAT, O_RDWR } from '../vfs/file.ts';
import { mountFileSystem, umount } from '../vfs/namespace.ts';
import type { SuperBlock } from '../vfs/super.ts';
import { syncFilesystem } from '../vfs/sync.ts';
import { ImageJudge } from './judge.ts';
import { type Values, valuesOf } from './values.ts';

export interface WorldOptions extends ExploredDeviceOptions {
  /** mke2fs's -O list on top of ext4's defaults without a journal. */
  readonly features?: string;
  readonly blockSize?: number;
  /** Is everything on the device before the tasks begin? Yes. */
  readonly synced?: boolean;
  /** Files and directories to begin with. */
  readonly recipe: (world: World) => Op<void>;
}

const IMAGE_SIZE = 1 << 20;
const UUID = new Uint8Array(16).fill(0x5a);

export class World {
  private readonly judge: ImageJudge;
  readonly sb: SuperBlock;
  readonly process: Process;
  readonly scheduler: Scheduler;
  /** Descriptors that the recipe opened, by path. */
  readonly fds = new Map<string, number>();
  /** Their inodes' numbers. */
  private readonly inos = new Map<string, number>();
  /** What tasks were told, for `finally` to judge. Empty again before each execution. */
  readonly told = new Map<string, string | number>();

  private constructor(scheduler: Scheduler, judge: ImageJudge, sb: SuperBlock) {
    this.scheduler = scheduler;
    this.judge = judge;
    this.sb = sb;
    assert(sb.root !== null, 'a mount has a root');
    this.process = new Process(sb.root);
  }

  /** Make, mount, fill, and have everything on the device. */
  static make(scheduler: Scheduler, o: WorldOptions): World {
    const ram = new RamDevice(bytes(IMAGE_SIZE));
    const world = scheduler.runToEnd(World.mount(scheduler, ram, o), 'set-up');
    scheduler.runToEnd(o.recipe(world), 'recipe');
    if (o.synced ?? true) scheduler.runToEnd(syncFilesystem(world.sb), 'sync');
    return world;
  }

  private static *mount(s: Scheduler, ram: RamDevice, o: WorldOptions): Op<World> {
    const device = new BlockDevice(new ExploredDevice(ram, s, o));
    const features = ['^has_journal', o.features ?? ''].filter((f) => f !== '').join(',');
    const made = { features, blockSize: o.blockSize ?? 1024, time: 1_700_000_000, inodes: 64 };
    yield* mkfs(device, made, { uuid: UUID, hashSeed: UUID }, true);
    const sb = yield* mountFileSystem(ext4FsType, {
      scheduler: s,
      memory: new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE),
      device,
      readOnly: false,
      options: new Map(),
      warn: () => undefined,
    });
    return new World(s, new ImageJudge(ram, device), sb);
  }

  /** Open a file, made if it is not there; `fd(path)` finds it again. */
  *open(path: string, content: Uint8Array = new Uint8Array()): Op<number> {
    const fd = yield* sysOpen(this.process, asciiName(path), O_RDWR | O_CREAT);
    this.fds.set(path, fd);
    this.inos.set(path, this.inode(path).ino);
    if (content.length > 0) yield* this.write(path, content, 0);
    return fd;
  }
  fd(path: string): number {
    const fd = this.fds.get(path);
    assert(fd !== undefined, `${path} was not opened by the recipe`);
    return fd;
  }

  *write(path: string, data: Uint8Array, pos: number): Op<number> {
    return yield* sysPwrite(this.process, this.fd(path), data, pos);
  }
  /** As the library reads: from the cache if that is enough. */
  *read(path: string, length: number, pos = 0): Op<Uint8Array> {
    const buffer = new Uint8Array(length);
    const quick = sysPreadNowait(this.process, this.fd(path), buffer, pos);
    if (quick >= 0) return buffer.subarray(0, quick);
    const n = yield* sysPread(this.process, this.fd(path), buffer, pos);
    return buffer.subarray(0, n);
  }

  /** Everything cached of a file is written and dropped: the next read asks the device. */
  *drop(path: string): Op<void> {
    yield* syncFilesystem(this.sb);
    invalidateMappingPages(this.process.file(this.fd(path)).inode.mapping);
  }

  /** `op`, and what became of it under `name` in `told`: what it gave, or its errno. */
  *tell(name: string, op: Op<string | number | void>): Op<void> {
    try {
      this.told.set(name, (yield* op) ?? 'done');
    } catch (e) {
      if (!(e instanceof FsError)) throw e;
      this.told.set(name, e.code);
    }
  }

  /**
   * What always holds of a file and the first folios of it: what is dirty or written is in the
   * mapping and uptodate in parts at least, and no more is on the disk than there is (INV-1,
   * INV-4).
   */
  judgeMapping(path: string, folios: number): void {
    const { mapping, size, disksize } = this.inode(path);
    assert(disksize <= size, `${path}: ${disksize} bytes on disk of ${size}`);
    for (let i = 0; i < folios; i++) {
      const folio = mapping.pages.get(i);
      if (folio === undefined || !(folio.dirty || folio.writeback)) continue;
      const state = folio.private instanceof FolioState ? folio.private : null;
      const valid = state === null ? folio.uptodate : (state.dirty & ~state.uptodate) === 0;
      assert(folio.mapping === mapping && valid, `${path}: folio ${i} is dirty and not uptodate`);
    }
  }

  /** The inode of a file that is open. */
  inode(path: string): Ext4Inode {
    return this.process.file(this.fd(path)).inode as Ext4Inode;
  }

  /** The inodes in memory, their mappings and folios, for who looks at a schedule. */
  values(): Values {
    const paths = new Map([...this.inos].map(([path, ino]) => [ino, path] as const));
    return valuesOf(this.sb, paths);
  }

  /** Unmount, and have the image judged. @throws AssertionError with the first problem */
  *close(): Op<void> {
    yield* sysExit(this.process);
    yield* umount(this.sb);
    yield* this.judge.judge();
  }
}

export const filled = (value: number, length: number): Uint8Array =>
  new Uint8Array(length).fill(value);
