/** The loop that moves a system as a search says, one execution after the other. */
import { ABANDON, type Search } from './search.ts';
import type { Failure, System } from './system.ts';

/** How one execution ended. */
export interface Ending {
  readonly failure: Failure | null;
  /** The search gave it up: it is no behaviour of its own. */
  readonly abandoned: boolean;
  readonly steps: number;
}

/** The system until nobody can move, or nobody should. @param limit  steps */
export function runOnce(system: System, search: Search, limit: number): Ending {
  system.start(search);
  for (let steps = 0; ; steps++) {
    const enabled = system.enabled();
    if (enabled === 0) return { failure: system.judge(), abandoned: false, steps };
    if (steps === limit) {
      const symptom = `no end after ${limit} steps`;
      const failure = system.wrong ?? { kind: 'livelock' as const, symptom, depth: steps };
      return { failure, abandoned: false, steps };
    }
    const task = search.choose(system, enabled);
    if (task === ABANDON) return { failure: null, abandoned: true, steps };
    system.step(task);
    search.stepped(system, task);
  }
}
