/** explore() for async functions: the same searches, the same verdict. */
import { errno } from '../base/errno.ts';
import { type AsyncScenario, AsyncSystem } from './async.ts';
import { SoundSearch } from './sound-search.ts';
import { Tally } from './tally.ts';
import type { ExploreOptions, Verdict } from './explore.ts';
import { type Ending, livelock } from './run.ts';
import { ABANDON, type Search } from './search.ts';

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
  const mode = options.strategy ?? 'optimal';
  const faults = scenario.faults ?? 1;
  const search = new SoundSearch(system, { mode, faults });
  const tally = new Tally();
  for (let more = true; more && tally.executions < limit;) {
    const end = await runOnceAsync(system, search, maxSteps);
    if (tally.add(end, search, system) && !all) break;
    more = search.ended();
    if (progress?.(tally.executions) === false) break;
  }
  const id = scenario.id ?? 'async';
  return { id, variant: null, ...tally.result(search.exhaustive, system, faults), targets: [] };
}
