/**
 * The pages of a writer's and of a reader's own buffer go away between the moment they were there
 * and the copy. The copy must not fault, since it is made under a folio's lock: it stops short, and
 * what lies behind it in the folio must not pass for data.
 */
import { assert } from '../base/assert.ts';
import { pageIndex } from '../base/units.ts';
import type { Scenario } from '../explore/scenario.ts';
import { shortCopies } from '../iomap/buffered-write.ts';
import { filemapGrabFolio, folioUnlock } from '../mm/filemap.ts';
import { faultInIovIter } from '../mm/iov-iter.ts';
import type { Op } from '../sched/op.ts';
import { filled, World } from './world.ts';

const LENGTH = 4096;
/** Where the writer's buffer begins in its page: a page ends in the middle of the folio. */
const OFFSET = 1500;

const source = (): Uint8Array => filled(0xa, OFFSET + LENGTH).subarray(OFFSET);

/** A file of ones, of which the first `wrote` are tens; or a mix, while it is written. */
function judge(data: Uint8Array, wrote: number | null): void {
  assert(data.length === LENGTH, `the size is ${data.length}`);
  const wrong = data.findIndex((b, i) => {
    if (wrote === null) return b !== 0xa && b !== 1;
    return b !== (i < wrote ? 0xa : 1);
  });
  assert(wrong < 0, `byte ${wrong} is ${data[wrong] ?? 0}`);
}

const write = (w: World): Op<void> => w.tell('write', w.write('/f', source(), 0));

/** What is in the file is what the write said, in the cache and on the device. */
function* judgeAll(w: World): Op<void> {
  const told = w.told.get('write');
  const wrote = told === 'EFAULT' ? 0 : Number(told);
  judge(yield* w.read('/f', LENGTH + 1), wrote);
  yield* w.drop('/f');
  judge(yield* w.read('/f', LENGTH + 1), wrote);
  yield* w.close();
}

export const writeEvicted: Scenario<World, World> = {
  id: 'write-evicted',
  title: 'a write whose source goes away under it writes what it says it wrote, and nothing else',
  prepare: (scheduler) =>
    World.make(scheduler, {
      blockSize: 4096, // All of the folio is one block: written whole, it is not read before.
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, LENGTH));
        yield* w.drop('/f');
        // What a frame held before shows where a folio passes for uptodate and is not.
        yield* w.open('/g', filled(5, 4 * LENGTH));
        yield* w.drop('/g');
      },
    }),
  setup: (w) => w,
  mishaps: ['user page gone'],
  tasks: {
    write,
    *read(w): Op<void> {
      yield* w.tell(
        'read',
        (function* (): Op<number> {
          const data = yield* w.read('/f', LENGTH);
          if (data.length === LENGTH) judge(data, null);
          return data.length;
        })(),
      );
    },
  },
  always: (w) => {
    w.judgeMapping('/f', 1);
  },
  finally: judgeAll,
  values: (w) => w.values(),
  variants: {
    'short-copy-kept': {
      title: 'a short copy stays in a block whose rest was never read',
      symptom: /byte \d+ is/,
      apply: () => {
        const right = shortCopies.keep;
        shortCopies.keep = (_inode, _folio, _from, copied) => copied;
        return () => {
          shortCopies.keep = right;
        };
      },
    },
    'fault-under-folio-lock': {
      title: 'the page is brought in under the lock of the folio that it is copied into',
      symptom: /^lockdep: user access: folio$/,
      apply: (w) => {
        const right = shortCopies.faultIn;
        const { mapping } = w.inode('/f');
        shortCopies.faultIn = function* (iter): Op<void> {
          const folio = yield* filemapGrabFolio(mapping, pageIndex(0));
          try {
            yield* faultInIovIter(iter);
          } finally {
            folioUnlock(folio);
            folio.release();
          }
        };
        return () => {
          shortCopies.faultIn = right;
        };
      },
    },
  },
};

export const writeBadAddress: Scenario<World, World> = {
  ...writeEvicted,
  id: 'write-bad-address',
  title: 'a write from memory that is not there writes what was there before it, or says EFAULT',
  mishaps: ['user page gone', 'user page bad'],
  faults: 2,
  tasks: { write },
  variants: {
    'short-copy-kept': { ...writeEvicted.variants!['short-copy-kept']!, symptom: /byte \d+ is/ },
  },
};
