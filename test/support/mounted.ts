/**
 * An ext4 image mounted the way the library mounts it, for tests that look below the system calls.
 */
import { log2 } from '../../src/base/units.ts';
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { ext4Mount } from '../../src/fs/ext4/super.ts';
import { ext4BlockSizeOf } from '../../src/fs/ext4/super-read.ts';
import type { Ext4SuperBlock } from '../../src/fs/ext4/sb-info.ts';
import { Memory } from '../../src/mm/vmscan.ts';
import { FileDevice } from '../../src/platform/node/file-device.ts';
import type { Op } from '../../src/sched/op.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';

export interface Mounted {
  readonly sb: Ext4SuperBlock;
  readonly warnings: string[];
  run<T>(op: Op<T>): T;
  /** Sync and unmount. */
  umount(): void;
}

export interface MountOptions {
  readonly readOnly?: boolean;
  readonly options?: Readonly<Record<string, string | true>>;
  readonly cacheSize?: number;
}

/** Mount what a driver holds. @throws what the mount throws */
export function mountDriver(driver: BlockDriver, how: MountOptions = {}): Mounted {
  const scheduler = new Scheduler();
  const run = <T>(op: Op<T>): T => scheduler.runToEnd(op);
  const device = new BlockDevice(driver);
  const blockSize = run(ext4BlockSizeOf(device));
  const frame = Math.max(4096, 2 ** log2(blockSize));
  const memory = new Memory(Math.max(how.cacheSize ?? 32 << 20, 256 * frame), frame);
  const warnings: string[] = [];
  const sb = run(
    ext4Mount({
      scheduler,
      memory,
      device,
      readOnly: how.readOnly ?? true,
      options: new Map(Object.entries(how.options ?? {})),
      warn: (sentence) => warnings.push(sentence),
    }),
  );
  return {
    sb,
    warnings,
    run,
    umount: () => {
      run(sb.sops.syncFs(true));
      run(sb.sops.putSuper());
    },
  };
}

export const mountFile = (path: string, how: MountOptions = {}): Mounted =>
  mountDriver(new FileDevice(path, { readOnly: how.readOnly ?? true }), how);
