/**
 * A write past the middle against a truncate to less. Whichever comes second decides the size; what
 * lies between the new end and the write reads as zero, never as what was there before.
 */
import { assert } from '../base/assert.ts';
import type { Scenario } from '../explore/scenario.ts';
import type { Op } from '../sched/op.ts';
import { sysFtruncate } from '../syscall/attr.ts';
import { filled, World } from './world.ts';
import { writeWithoutLock } from './write-write.ts';

const OLD = 2 * 4096;
const SHORT = 100;
const AT = 5000;
const LENGTH = 3300;

export const writeTruncate: Scenario<World, World> = {
  id: 'write-truncate',
  title: 'after a write and a truncate nothing old is seen between the end and the write',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        yield* w.open('/f', filled(1, OLD));
      },
    }),
  setup: (w) => w,
  tasks: {
    *write(w): Op<void> {
      yield* w.write('/f', filled(0xa, LENGTH), AT);
    },
    *truncate(w): Op<void> {
      yield* sysFtruncate(w.process, w.fd('/f'), SHORT);
    },
  },
  *finally(w): Op<void> {
    yield* w.drop('/f');
    const data = yield* w.read('/f', 2 * OLD);
    const whole = data.length === AT + LENGTH;
    assert(whole || data.length === SHORT, `the size is ${data.length}`);
    const expected = (i: number): number => (i < SHORT ? 1 : i < AT ? 0 : 0xa);
    const wrong = data.findIndex((b, i) => b !== expected(i));
    assert(wrong < 0, `byte ${wrong} is ${data[wrong] ?? 0}, not ${expected(wrong)}`);
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'no-i_rwsem': {
      title: 'the write takes no i_rwsem',
      symptom: /byte \d+ is|the size is|the image is damaged/,
      apply: (w) => {
        writeWithoutLock(w, '/f');
      },
    },
  },
};
