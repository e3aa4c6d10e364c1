/**
 * How fast executions of a scenario on a real ext4 follow one another: `explore-ext4.js N` runs N
 * random schedules of two writes of 8 KiB, reads the file afterwards, and prints executions a
 * second; with `judged` behind it, the image is unmounted and checked each time as well.
 */
import { assert } from '../src/base/assert.ts';
import { RandomWalk } from '../src/explore/random-walk.ts';
import { runOnce } from '../src/explore/run.ts';
import type { Scenario } from '../src/explore/scenario.ts';
import { withSystem } from '../src/explore/with-system.ts';
import type { World } from '../src/scenarios/world.ts';
import { writeWrite } from '../src/scenarios/write-write.ts';
import type { Op } from '../src/sched/op.ts';

const light: Scenario<World, World> = {
  ...writeWrite,
  *finally(w): Op<void> {
    const data = yield* w.read('/f', 8192);
    assert(data.length === 8192 && data[0] === data[8191], 'one of the two is there');
  },
};

const WARM_UP = 500;

const [count, judged] = process.argv.slice(2);
const rate = withSystem(judged === 'judged' ? writeWrite : light, {}, (system) => {
  const search = new RandomWalk({ seed: 1, faults: 0 });
  const run = (executions: number): void => {
    for (let i = 0; i < executions; i++) {
      const { failure } = runOnce(system, search, 10_000);
      assert(failure === null, failure?.symptom ?? '');
      search.ended(system);
    }
  };
  run(WARM_UP);
  const start = performance.now();
  run(Number(count));
  return (Number(count) / (performance.now() - start)) * 1000;
});
process.stdout.write(`${rate.toFixed(0)}\n`);
