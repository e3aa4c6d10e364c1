/**
 * Several searches by turns, an execution each: what one of them is bad at, another finds. Random
 * walk beats priorities where many tasks have to stop half-way (dining philosophers), priorities
 * beat random walk where one task has to wait long; nobody knows beforehand.
 */
import { assert } from '../base/assert.ts';
import { Pct } from './pct.ts';
import { RandomWalk } from './random-walk.ts';
import type { Search } from './search.ts';
import type { System } from './system.ts';

export class Portfolio implements Search {
  private readonly searches: Search[];
  private turn = 0;
  /** One of them has seen everything. */
  exhaustive = false;

  constructor(searches: readonly Search[]) {
    assert(searches.length > 0, 'a portfolio has searches');
    this.searches = [...searches];
  }

  /** The search whose execution this is. */
  get current(): Search {
    return this.searches[this.turn]!;
  }
  get blocked(): number {
    return this.searches.reduce((sum, s) => sum + s.blocked, 0);
  }

  settled(): number {
    return this.current.settled?.() ?? -1;
  }
  choose(system: System, enabled: number): number {
    return this.current.choose(system, enabled);
  }
  pick(below: number, why: string): number {
    return this.current.pick(below, why);
  }
  stepped(system: System, task: number): void {
    this.current.stepped(system, task);
  }

  ended(system: System): boolean {
    const more = this.current.ended(system);
    this.exhaustive ||= this.current.exhaustive;
    if (more) this.turn++;
    else this.searches.splice(this.turn, 1);
    if (this.turn >= this.searches.length) this.turn = 0;
    return this.searches.length > 0 && !this.exhaustive;
  }
}

/** Random walk, and random priorities of two depths. @param executions  of all together */
export function soak(seed: number, executions = Infinity): Portfolio {
  const each = (k: number): { seed: number; executions: number } => ({
    seed,
    executions: Math.ceil((executions - k) / 3),
  });
  const wanted = [
    new RandomWalk(each(0)),
    new Pct({ ...each(1), depth: 2 }),
    new Pct({ ...each(2), depth: 3 }),
  ];
  return new Portfolio(wanted.slice(0, Math.min(3, executions)));
}
