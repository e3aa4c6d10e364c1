/**
 * The last name of a dirty file goes while the flusher writes the file. The flusher has no
 * reference: I_SYNC is what keeps the inode for it, and who evicts waits for that (I-76). A file
 * that is made afterwards gets the same number, and must not get the old file's inode.
 */
import { assert } from '../base/assert.ts';
import { asciiName } from '../base/name.ts';
import type { Scenario } from '../explore/scenario.ts';
import { truncationWaits } from '../mm/truncate.ts';
import type { Op } from '../sched/op.ts';
import { sysUnlink } from '../syscall/dir.ts';
import { sysClose } from '../syscall/open.ts';
import { writebackInodesSb } from '../vfs/fs-writeback.ts';
import { filled, World } from './world.ts';

export const unlinkWriteback: Scenario<World, World> = {
  id: 'unlink-writeback',
  title: 'a file that is removed while it is written leaves nothing behind',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        const fd = yield* w.open('/f', filled(1, 4096));
        yield* w.drop('/f');
        yield* w.write('/f', filled(2, 4096), 0);
        yield* sysClose(w.process, fd);
      },
      synced: false,
    }),
  setup: (w) => w,
  tasks: {
    *unlink(w): Op<void> {
      yield* sysUnlink(w.process, asciiName('/f'));
      yield* w.open('/g', filled(3, 1500));
    },
    *flusher(w): Op<void> {
      const error = yield* writebackInodesSb(w.sb);
      assert(error === null, `write-back fails: ${error?.message ?? ''}`);
    },
  },
  *finally(w): Op<void> {
    yield* w.drop('/g');
    const data = yield* w.read('/g', 4096);
    assert(data.length === 1500 && data.every((b) => b === 3), 'the new file is not what it was');
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'no-wait-for-write-back': {
      title: 'the eviction takes folios away that are being written',
      symptom: /a folio under write-back leaves its mapping/,
      apply: () => {
        const right = truncationWaits.forWriteback;
        truncationWaits.forWriteback = function* () {
          // Does not wait.
        };
        return () => {
          truncationWaits.forWriteback = right;
        };
      },
    },
  },
};
