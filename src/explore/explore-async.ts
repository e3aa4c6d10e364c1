/** explore() for async functions: the same searches, the same verdict. */
import { errno } from '../base/errno.ts';
import { type AsyncScenario, AsyncSystem } from './async.ts';
import { Dpor } from './dpor.ts';
import type { ExploreOptions, Verdict } from './explore.ts';
import { type Ending, livelock } from './run.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { ABANDON, type Search } from './search.ts';
import type { Failure } from './system.ts';

export type AsyncExploreOptions = Omit<ExploreOptions, 'variant' | 'dataRaces'>;

let busy = false;

/** runOnce(), where each step must be awaited. */
async function runOnceAsync<S>(
  system: AsyncSystem<S>,
  search: Search,
  limit: number,
): Promise<Ending> {
  system.start(search);
  for (let steps = 0; ; steps++) {
    const enabled = system.enabled();
    if (enabled === 0) return { failure: await system.finish(), abandoned: false, steps };
    if (steps === limit) {
      return { failure: system.wrong ?? livelock(system, [], steps), abandoned: false, steps };
    }
    const task = search.choose(system, enabled);
    if (task === ABANDON) return { failure: null, abandoned: true, steps };
    system.step(task);
    await system.settled();
    search.stepped(system, task);
  }
}

/**
 * Explore async tasks: every order of their points that can make a difference.
 * @throws EINVAL a task awaits a timer or real I/O, comes to two points at once, or uses something
 *         that was not made by the set-up; more than 31 tasks
 * @context Asynchronous. One exploration at a time.
 */
export async function exploreAsync<S>(
  scenario: AsyncScenario<S>,
  options: AsyncExploreOptions = {},
): Promise<Verdict> {
  if (busy) throw errno('EINVAL', {}, 'another exploration of async tasks is under way');
  busy = true;
  try {
    return await explored(scenario, options);
  } finally {
    busy = false;
  }
}

async function explored<S>(
  scenario: AsyncScenario<S>,
  options: AsyncExploreOptions,
): Promise<Verdict> {
  const { limit = 1_000_000, maxSteps = 100_000, all = false, progress } = options;
  const system = new AsyncSystem(scenario);
  const faults = scenario.faults ?? 1;
  const search = new Dpor({ mode: options.strategy ?? 'optimal', faults });
  const failures: Partial<Record<Failure['kind'], number>> = {};
  let [executions, steps] = [0, 0];
  let first: { failure: Failure; schedule: Schedule } | null = null;
  for (let more = true; more && executions < limit;) {
    const end = await runOnceAsync(system, search, maxSteps);
    steps += end.steps;
    if (!end.abandoned) executions++;
    if (end.failure !== null) {
      failures[end.failure.kind] = (failures[end.failure.kind] ?? 0) + 1;
      first ??= { failure: end.failure, schedule: scheduleOf(search.trace, system) };
      if (!all) break;
    }
    more = search.ended(system);
    if (progress?.(executions) === false) break;
  }
  const complete = search.exhaustive;
  return {
    id: scenario.id ?? 'async',
    variant: null,
    verdict: first !== null ? 'violated' : complete ? 'holds' : 'limit',
    complete,
    executions,
    steps,
    failures,
    failure: first?.failure ?? null,
    schedule: first?.schedule ?? null,
    targets: [],
  };
}
