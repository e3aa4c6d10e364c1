/**
 * A naive explorer for small programs: every schedule, by re-execution, with no reduction at all.
 * It is the oracle that cleverer ones, and lockdep, are held against.
 */
import { assert } from '../../src/base/assert.ts';
import {
  kindNames,
  kindOf,
  objectOf,
  restartObjectKeys,
  setExploring,
} from '../../src/sched/point.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import type { Task } from '../../src/sched/task.ts';

export interface Outcome {
  executions: number;
  deadlocks: number;
  /** Results of the executions that ended, each once. */
  results: string[];
  /** Announced operations of each task of the first execution. */
  first: string[];
}

/** Every schedule of the tasks that `program` makes; it returns what to look at in the end. */
export function everySchedule(program: (s: Scheduler) => () => unknown): Outcome {
  const out: Outcome = { executions: 0, deadlocks: 0, results: [], first: [] };
  const results = new Set<string>();
  const plan: { chosen: number; of: number }[] = [];
  do {
    let at = 0;
    const pick = (of: number): number => {
      if (at === plan.length) plan.push({ chosen: 0, of });
      const { chosen, of: before } = plan[at++]!;
      assert(of === before, 'the same program in the same state has the same choices');
      return chosen;
    };
    const s = new Scheduler({
      strategy: {
        nextTask: (able: readonly Task[]) => {
          const task = able[pick(able.length)]!;
          const { pending } = task;
          const op = pending < 0 ? 'start' : `${kindNames[kindOf(pending)]} ${objectOf(pending)}`;
          if (out.executions === 0) out.first.push(`${task.name}: ${op}`);
          return task;
        },
        nextU64: (below) => pick(below),
      },
    });
    restartObjectKeys();
    const result = program(s);
    setExploring(true);
    s.pump();
    setExploring(false);
    out.executions++;
    if (s.live.size > 0) out.deadlocks++;
    else results.add(JSON.stringify(result()));
    while (plan.length > 0 && plan[plan.length - 1]!.chosen + 1 === plan[plan.length - 1]!.of) {
      plan.pop();
    }
    if (plan.length > 0) plan[plan.length - 1]!.chosen++;
  } while (plan.length > 0);
  out.results = [...results].sort();
  return out;
}
