/**
 * Reclaim takes folios while somebody reads. A folio that is locked for its read, that has a user
 * or that was not yet written stays; a read that finds its folio gone begins again.
 */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import { reclaimPolicy } from '../mm/vmscan.ts';
import type { Op } from '../sched/op.ts';
import { filled, World } from './world.ts';

const LENGTH = 2 * 4096;

export const reclaimRead: Scenario<World, World> = {
  id: 'reclaim-read',
  title: 'a read gives the file, whatever reclaim takes meanwhile',
  prepare: (scheduler) =>
    World.make(scheduler, {
      blockSize: 4096, // Smaller blocks have a state of their own that says no, too.
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, LENGTH));
        yield* w.open('/g', filled(8, 4096));
        yield* w.drop('/f');
        yield* w.drop('/g');
        yield* w.write('/f', filled(7, 4096), 0);
      },
      synced: false,
    }),
  setup: (w) => w,
  tasks: {
    *read(w): Op<void> {
      const data = yield* w.read('/f', LENGTH);
      assert(
        data.length === LENGTH && data.every((b, i) => b === (i < 4096 ? 7 : 1)),
        'what was read is not the file',
      );
    },
    *reclaim(w): Op<void> {
      w.sb.memory.reclaim(64);
      // What became free is used at once.
      const data = yield* w.read('/g', 4096);
      assert(data.length === 4096 && data.every((b) => b === 8), 'what was read is not the file');
    },
  },
  *finally(w): Op<void> {
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'takes-what-is-dirty': {
      title: 'reclaim does not look whether a folio was written',
      symptom: /what was read is not the file/,
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
