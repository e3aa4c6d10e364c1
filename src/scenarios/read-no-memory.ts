/**
 * Two reads while memory is short: a folio is had only after reclaim, or by sleeping for it, or not
 * at all. A read gives the file or says ENOMEM, and leaves no folio locked or in use behind. What
 * reclaim takes is not what was written and is not on the device yet.
 */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import { reclaimPolicy } from '../mm/vmscan.ts';
import type { Op } from '../sched/op.ts';
import { filled, World } from './world.ts';

const LENGTH = 4096;

const read = (path: string, value: number) =>
  function* (w: World): Op<void> {
    yield* w.tell(
      path,
      (function* (): Op<number> {
        const data = yield* w.read(path, LENGTH);
        assert(data.length === LENGTH && data.every((b) => b === value), 'that is not the file');
        return data.length;
      })(),
    );
  };

export const readNoMemory: Scenario<World, World> = {
  id: 'read-no-memory',
  title: 'a read for which there is no memory says so, and the next one gives the file',
  prepare: (scheduler) =>
    World.make(scheduler, {
      blockSize: 4096,
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, LENGTH));
        yield* w.open('/g', filled(2, LENGTH));
        yield* w.drop('/f');
        yield* w.drop('/g');
        yield* w.write('/g', filled(3, LENGTH), 0);
      },
      synced: false,
    }),
  setup: (w) => w,
  mishaps: ['reclaim', 'memory short', 'no memory'],
  faults: 2,
  tasks: { 'read f': read('/f', 1), 'read g': read('/g', 3) },
  always: (w) => {
    w.judgeMapping('/g', 1);
  },
  *finally(w): Op<void> {
    for (const path of ['/f', '/g']) {
      const told = w.told.get(path)!;
      assert(told === LENGTH || told === 'ENOMEM', `the read says ${told}`);
      const folio = w.inode(path).mapping.pages.get(0);
      assert(folio?.locked !== true, 'a folio is left locked');
      assert((folio?.refcount ?? 1) === 1, 'a folio is left in use');
    }
    yield* read('/f', 1)(w);
    yield* read('/g', 3)(w);
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'reclaim-takes-what-is-dirty': {
      title: 'reclaim out of an allocation does not look whether a folio was written',
      symptom: /that is not the file/,
      apply: () => {
        const right = reclaimPolicy.isIdle;
        reclaimPolicy.isIdle = (folio) => folio.refcount <= 1 && !folio.writeback;
        return () => {
          reclaimPolicy.isIdle = right;
        };
      },
    },
  },
};
