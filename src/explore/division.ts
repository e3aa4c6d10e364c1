/**
 * What a search is divided into: the parts (part.ts) that are waiting, and those being explored.
 * Whoever has time asks for a part and reports, again and again until it is finished. In which
 * order, and how often parts are cut, changes nothing about the sum.
 *
 * Each depth of a part's path has a list: the siblings there, in order. A part has all on its left
 * asleep. So what comes to a list goes to its right end; and a leaf of the tree that has been given
 * out is not looked into any more, since it stands alone.
 */
import { assert } from '../base/assert.ts';
import {
  type Counts,
  type Cut,
  type Failed,
  noCounts,
  type Path,
  type Report,
  type Reversal,
} from './part.ts';
import { insertSequence, type WakeupNode } from './wakeup-tree.ts';

interface Place {
  readonly list: WakeupNode[];
  readonly chosen: WakeupNode;
}
type Places = readonly Place[];

interface Given {
  places: Places;
}

export interface Job {
  /** The part, for `report()`. */
  readonly id: number;
  readonly path: Path;
}

export class Division {
  readonly counts: Counts = noCounts();
  /** Of the failures found: the one whose schedule comes first. */
  failed: Failed | null = null;
  private readonly waiting: Places[] = [[]];
  private readonly running = new Map<number, Given>();
  /** Leaves that wait or have been given out. */
  private readonly known = new WeakSet<WakeupNode>();
  private ids = 0;

  /** How many parts wait for somebody. */
  get open(): number {
    return this.waiting.length;
  }
  get finished(): boolean {
    return this.waiting.length === 0 && this.running.size === 0;
  }

  /** A part to be explored, or null: none now. */
  next(): Job | null {
    const places = this.waiting.shift();
    if (places === undefined) return null;
    const id = this.ids++;
    this.running.set(id, { places });
    const path = places.map(({ list, chosen }) => ({
      task: chosen.task,
      choices: chosen.choices,
      known: list.slice(0, list.indexOf(chosen)).map(({ task, op, more, choices }) => ({
        task,
        op,
        more,
        choices,
      })),
    }));
    return { id, path };
  }

  /** What came of a part so far. */
  report(id: number, report: Report): void {
    const given = this.running.get(id);
    assert(given !== undefined, 'who reports was given a part');
    if (report.cut !== null) this.cut(given, report.cut);
    for (const reversal of report.reversals) this.insert(given.places, reversal);
    this.count(report.counts);
    if (report.failed !== null) this.fail(report.failed);
    if (report.finished) this.running.delete(id);
  }

  private cut(given: Given, cut: Cut): void {
    const places = [...given.places];
    for (const [k, { done, step }] of cut.path.entries()) {
      const chosen: WakeupNode = { ...step, children: [] };
      const right = k === cut.path.length - 1 ? cut.waiting : [];
      const left = done.map((s): WakeupNode => ({ ...s, children: [] }));
      for (const node of [...left, chosen]) this.known.add(node);
      const list = [...left, chosen, ...right];
      const before = [...places];
      places.push({ list, chosen });
      this.offer(before, list);
    }
    given.places = places;
  }

  private insert(places: Places, { depth, steps, needed }: Reversal): void {
    const place = places[depth]!;
    const columns = {
      task: Int8Array.from(steps, (s) => s.task),
      op: Int32Array.from(steps, (s) => s.op),
      more: steps.map((s) => s.more),
      choices: steps.map((s) => s.choices),
    };
    const order = Int32Array.from(steps, (_, i) => i);
    insertSequence(place.list, columns, order, steps.length, needed, () => 0);
    this.offer(places.slice(0, depth), place.list);
  }

  /** Leaves below a list that nobody knows yet. */
  private offer(before: Places, list: WakeupNode[]): void {
    for (const chosen of list) {
      if (this.known.has(chosen)) continue;
      const places = [...before, { list, chosen }];
      if (chosen.children.length > 0) {
        this.offer(places, chosen.children);
        continue;
      }
      this.known.add(chosen);
      this.waiting.push(places);
    }
  }

  private count(more: Counts): void {
    const { counts } = this;
    counts.executions += more.executions;
    counts.steps += more.steps;
    counts.blocked += more.blocked;
    counts.infeasible += more.infeasible;
    for (const kind of Object.keys(more.failures) as (keyof Counts['failures'])[]) {
      counts.failures[kind] = (counts.failures[kind] ?? 0) + more.failures[kind]!;
    }
  }

  private fail(failed: Failed): void {
    if (this.failed === null || comesBefore(failed, this.failed)) this.failed = failed;
  }
}

/** Shorter schedules come first, so that the choice does not depend on who was faster. */
function comesBefore(a: Failed, b: Failed): boolean {
  if (a.schedule.length !== b.schedule.length) return a.schedule.length < b.schedule.length;
  for (const [i, move] of a.schedule.entries()) {
    const other = b.schedule[i]!;
    if (move.task !== other.task) return move.task < other.task;
  }
  return false;
}
