// Goal: a directory with more cached names than a call takes arguments can be unmounted. Method:
// negative names put straight into the cache of a tmpfs.
import { expect, test } from 'vitest';
import { nameFromText } from '../base/name.ts';
import { bytes } from '../base/units.ts';
import { BlockDevice } from '../block/block-device.ts';
import { RamDevice } from '../block/ram-device.ts';
import { tmpfs } from '../fs/tmpfs/tmpfs.ts';
import { Memory } from '../mm/vmscan.ts';
import type { Op } from '../sched/op.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { dAdd, Dentry, dput } from './dcache.ts';
import { mountFileSystem, umount } from './namespace.ts';
import type { SuperBlock } from './super.ts';

const NAMES = 200_000;

function* fill(sb: SuperBlock): Op<void> {
  for (let i = 0; i < NAMES; i++) {
    const dentry = new Dentry(sb, sb.root, nameFromText(`n${i}`));
    dAdd(dentry, null);
    yield* dput(dentry);
  }
}

test('200,000 cached names of one directory leave at umount', () => {
  const scheduler = new Scheduler();
  const sb = scheduler.runToEnd(
    mountFileSystem(tmpfs, {
      scheduler,
      memory: new Memory(256 << 20),
      device: new BlockDevice(new RamDevice(bytes(512))),
      readOnly: false,
      options: new Map(),
      warn: () => undefined,
    }),
  );
  scheduler.runToEnd(fill(sb));
  expect(sb.root?.children?.size).toBeGreaterThan(NAMES / 2);
  scheduler.runToEnd(umount(sb));
  expect(sb.root).toBe(null);
});
