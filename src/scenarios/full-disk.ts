/**
 * The device is full in the middle of a write, while the file is cut. The write needs two blocks
 * and a node of the extent tree: whichever is refused, what it got before is in the file or given
 * back, and the file that is cut has nothing old behind its end.
 */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import { failedInsert } from '../fs/ext4/extents-change.ts';
import type { Op } from '../sched/op.ts';
import { sysFtruncate } from '../syscall/attr.ts';
import { filled, World } from './world.ts';

const BLOCK = 1024;
/** Every other block: four extents, as many as the inode has room for. */
const FILLED = [0, 2, 4, 6];
const AT = 7 * BLOCK + 100;
const LENGTH = 2 * BLOCK;
const SHORT = 4 * BLOCK + 10;

function expected(i: number, written: number): number {
  if (i >= AT && i < AT + written) return 0xa;
  return FILLED.includes(Math.floor(i / BLOCK)) ? 1 : 0;
}

export const fullDisk: Scenario<World, World> = {
  id: 'full-disk',
  title: 'a write that finds the device full keeps what it says it wrote, beside a truncate',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        yield* w.open('/f');
        for (const block of FILLED) yield* w.write('/f', filled(1, BLOCK), block * BLOCK);
      },
    }),
  setup: (w) => w,
  mishaps: ['no space'],
  tasks: {
    *write(w): Op<void> {
      yield* w.tell('write', w.write('/f', filled(0xa, LENGTH), AT));
    },
    *truncate(w): Op<void> {
      yield* sysFtruncate(w.process, w.fd('/f'), SHORT);
    },
  },
  always: (w) => {
    w.judgeMapping('/f', 3);
  },
  *finally(w): Op<void> {
    const told = w.told.get('write')!;
    const written = told === 'ENOSPC' ? 0 : Number(told);
    assert(written >= 0 && written <= LENGTH, `the write says ${told}`);
    yield* w.drop('/f');
    const data = yield* w.read('/f', AT + LENGTH + BLOCK);
    const whole = written > 0 && data.length === AT + written;
    assert(whole || data.length === SHORT, `the size is ${data.length}, written ${told}`);
    // Cut before the write came: what was between is a hole now.
    const wrong = data.findIndex((b, i) => b !== (i >= SHORT && i < AT ? 0 : expected(i, written)));
    assert(wrong < 0, `byte ${wrong} is ${data[wrong] ?? 0}`);
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'block-not-given-back': {
      title: 'the block stays allocated although the tree has no room for it',
      symptom: /the image is damaged/,
      apply: () => {
        const right = failedInsert.giveBack;
        failedInsert.giveBack = function* () {
          // Nobody refers to it, and nobody ever will.
        };
        return () => {
          failedInsert.giveBack = right;
        };
      },
    },
  },
};
