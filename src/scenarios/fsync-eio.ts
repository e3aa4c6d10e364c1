/**
 * A write-back fails while two openers of the file sync it, and the flusher is at it too. Whoever's
 * write it was that failed: each opener is told once, and not again (I-75).
 */
import { assert } from '../base/assert.ts';
import { asciiName } from '../base/name.ts';
import type { Bio } from '../block/bio.ts';
import type { Scenario } from '../explore/scenario.ts';
import type { Op } from '../sched/op.ts';
import { sysOpen } from '../syscall/open.ts';
import { sysFsync } from '../syscall/sync.ts';
import { O_RDWR } from '../vfs/file.ts';
import { writebackInodesSb } from '../vfs/fs-writeback.ts';
import { filled, World } from './world.ts';

const OPENERS = ['one', 'two'] as const;
type Opener = (typeof OPENERS)[number];

function* fsync(w: World, who: Opener, when: string): Op<void> {
  yield* w.tell(`${who} ${when}`, sysFsync(w.process, w.fd(who)));
}

/** The file's data, and nothing of the file system's own. */
const holds = (bio: Bio, value: number): boolean =>
  bio.vecs.every((part) => part.every((b) => b === value));

/** How often an opener has heard of the error. */
const times = (w: World, who: Opener): number =>
  ['now', 'again', 'at last'].filter((when) => w.told.get(`${who} ${when}`) === 'EIO').length;

export const fsyncEio: Scenario<World, World> = {
  id: 'fsync-eio',
  title: 'a write-back that fails is told to each opener once, by fsync',
  prepare: (scheduler) =>
    World.make(scheduler, {
      mayFail: (bio) => bio.op === 'write' && holds(bio, 2),
      blockSize: 4096,
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, 4096));
        yield* w.drop('/f');
        for (const who of OPENERS) {
          w.fds.set(who, yield* sysOpen(w.process, asciiName('/f'), O_RDWR));
        }
        yield* w.write('/f', filled(2, 4096), 0);
      },
      synced: false,
    }),
  setup: (w) => w,
  tasks: {
    *one(w): Op<void> {
      yield* fsync(w, 'one', 'now');
      yield* fsync(w, 'one', 'again');
    },
    *flusher(w): Op<void> {
      yield* writebackInodesSb(w.sb);
    },
  },
  always: (w) => {
    w.judgeMapping('/f', 1);
  },
  *finally(w): Op<void> {
    const { failures } = w.inode('/f').mapping.wbErr;
    for (const who of OPENERS) yield* fsync(w, who, 'at last');
    for (const who of OPENERS) {
      const heard = times(w, who);
      assert(heard === (failures > 0 ? 1 : 0), `${who} heard ${heard} times of ${failures} errors`);
    }
  },
  values: (w) => w.values(),
  variants: {
    'error-of-others-lost': {
      title: 'an error that somebody has seen is not kept for the others',
      symptom: /heard \d times of \d errors/,
      apply: (w) => {
        const { wbErr } = w.inode('/f').mapping;
        const right = wbErr.checkAndAdvance;
        wbErr.checkAndAdvance = function (owner) {
          const error = right.call(this, owner);
          if (error !== null) for (const who of OPENERS) owner = advance(w, who, owner.wbErr);
          return error;
        };
      },
    },
  },
};

function advance(w: World, who: Opener, to: number): { wbErr: number } {
  const file = w.process.file(w.fd(who));
  file.wbErr = to;
  return file;
}
