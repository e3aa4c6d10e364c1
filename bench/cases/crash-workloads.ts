/**
 * Workloads of one operation with all their crash states. B3 takes 2.2 seconds for each of its 328,
 * with one crash image at each persistence point.
 */
import { exploreCrashes } from '../../src/scenarios/crash/crash-run.ts';
import { oneOperation } from '../../src/scenarios/crash/one-operation.ts';
import type { CrashOptions } from '../../src/explore/crash-states.ts';
import type { Rate } from '../case.ts';

/** One in so many: a sample of each kind. */
const STRIDE = 16;

/** @param goal  328 workloads in a minute are 5.5 a second */
const rate = (id: string, title: string, goal: number, options: CrashOptions): Rate => ({
  kind: 'rate',
  id: `crash-workloads${id}`,
  title,
  unit: '/s',
  goal,
  rounds: 3,
  measure() {
    const some = oneOperation().filter((_, i) => i % STRIDE === 0);
    const start = performance.now();
    for (const workload of some) {
      const { tally, asExpected } = exploreCrashes(workload, options);
      if (!asExpected) throw new Error(`${workload.id}: ${tally.failures[0]?.symptom ?? 'limit'}`);
    }
    return (some.length * 1000) / (performance.now() - start);
  },
});

export const crashWorkloadRates: readonly Rate[] = [
  rate('', 'workloads, all crash states', 5.5, { mode: 'lazy' }),
  rate('-deep', 'the same, torn and inside recovery', 5.5, {
    mode: 'lazy',
    torn: true,
    insideRecovery: 1,
  }),
];
