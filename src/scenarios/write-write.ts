/**
 * Two writes of one range. POSIX wants each of them to be atomic towards the other: what is there
 * afterwards is one of the two, whole. On Linux that is what i_rwsem gives.
 */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import { ext4IomapOps } from '../fs/ext4/iomap.ts';
import { iomapFileBufferedWrite } from '../iomap/buffered-write.ts';
import type { Op } from '../sched/op.ts';
import { filled, World } from './world.ts';

/** Two folios: a writer that held no lock across them would be seen between. */
const LENGTH = 2 * 4096;

const writer = (value: number) =>
  function* (w: World): Op<void> {
    const n = yield* w.write('/f', filled(value, LENGTH), 0);
    assert(n === LENGTH, 'written whole');
  };

/** The file writes without i_rwsem. */
export function writeWithoutLock(w: World, path: string): void {
  const { inode } = w.process.file(w.fd(path));
  inode.fops = {
    ...inode.fops,
    writeIter: (file, iter, pos) => iomapFileBufferedWrite(file, iter, pos, ext4IomapOps),
  };
}

export const writeWrite: Scenario<World, World> = {
  id: 'write-write',
  title: 'of two writes of one range one is there afterwards, whole',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, LENGTH));
      },
    }),
  setup: (w) => w,
  tasks: { 'write A': writer(0xa), 'write B': writer(0xb) },
  *finally(w): Op<void> {
    const data = yield* w.read('/f', LENGTH + 1);
    const first = data[0]!;
    assert(data.length === LENGTH && (first === 0xa || first === 0xb), 'one of the two is there');
    assert(
      data.every((b) => b === first),
      'the two writes are mixed',
    );
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'no-i_rwsem': {
      title: 'the write takes no i_rwsem',
      symptom: /the two writes are mixed/,
      apply: (w) => {
        writeWithoutLock(w, '/f');
      },
    },
  },
};
