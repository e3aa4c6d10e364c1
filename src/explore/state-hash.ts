/**
 * Every state instead of every schedule: an execution that comes to a state that has been seen is
 * given up. For counters that all tasks turn, and for loops that try again, where there are many
 * more schedules than states, or no end of them: two states of a loop that are the same are one.
 *
 * A state is what all share, what each task knows, and who waits for what; the system names it
 * (`fingerprint()`). What a task knows is everything that it has read: code is not looked into. Names
 * are kept whole, so that no two states are taken for one.
 *
 * Not combined with sleep sets or with a bound on pre-emptions: a state that was left with tasks
 * asleep, or with less of the bound to spend, has not been seen wholly, and giving up there would
 * miss what lies behind. So every task is tried in every state.
 */
import { errno } from '../base/errno.ts';
import { Dfs } from './dfs.ts';
import { ABANDON } from './search.ts';
import type { System } from './system.ts';

export interface StateHashOptions {
  /** Beyond so many states the search ends, and says that it is not done; 1,000,000. */
  readonly states?: number;
}

export class StateHash extends Dfs {
  private readonly seen = new Set<string>();
  private readonly most: number;
  private known = false;
  private started = false;

  constructor(options: StateHashOptions = {}) {
    super();
    this.most = options.states ?? 1_000_000;
  }

  get states(): number {
    return this.seen.size;
  }

  /** @throws EOPNOTSUPP the system has no names for its states */
  override choose(system: System, enabled: number): number {
    if (!this.started) this.visit(system);
    this.started = true;
    if (this.known || this.isFull) {
      this.blocked++;
      return ABANDON;
    }
    return super.choose(system, enabled);
  }

  private visit(system: System): void {
    const name = system.fingerprint?.() ?? null;
    if (name === null) throw errno('EOPNOTSUPP', {}, 'states have no names here');
    this.known = this.seen.has(name);
    this.seen.add(name);
  }

  override stepped(system: System, _task: number): void {
    if (this.isNew) this.visit(system);
  }

  private get isFull(): boolean {
    return this.seen.size >= this.most;
  }

  override ended(system: System): boolean {
    this.known = false;
    return !this.isFull && super.ended(system);
  }
}
