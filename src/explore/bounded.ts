/**
 * Few pre-emptions first: all schedules in which no task is ever switched away from while it could
 * go on, then all with at most one such switch, then two. Most mistakes show with two or three, so
 * that this finds a first answer, and a short one, where the whole is too large to be seen; it says
 * how far it came. Each bound begins anew and repeats what smaller ones did, so that nothing has to
 * be kept of them.
 * @source M. Musuvathi, S. Qadeer, "Iterative context bounding for systematic testing of
 *         multithreaded programs" (PLDI 2007)
 */
import { Dfs } from './dfs.ts';
import type { System } from './system.ts';

export interface BoundedOptions {
  /** The last bound. */
  readonly most?: number;
}

const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);

export class Bounded extends Dfs {
  /** The bound being tried; all schedules with fewer pre-emptions have been seen. */
  bound = 0;
  private readonly most: number;
  private last = -1;
  private left = 0;
  /** With this bound, something was left out. */
  private cut = false;

  constructor(options: BoundedOptions = {}) {
    super();
    this.most = options.most ?? Infinity;
  }

  override choose(system: System, enabled: number): number {
    const goesOn = this.last >= 0 && ((enabled >>> this.last) & 1) !== 0;
    let among = enabled;
    if (goesOn && this.left === 0) {
      among = 1 << this.last;
      this.cut ||= among !== enabled;
    }
    const task = super.choose(system, among);
    if (goesOn && task !== this.last) this.left--;
    this.last = task;
    return task;
  }

  protected override first(among: number): number {
    return this.last >= 0 && ((among >>> this.last) & 1) !== 0 ? this.last : lowest(among);
  }

  override ended(system: System): boolean {
    const more = super.ended(system);
    if (!more) {
      this.exhaustive = !this.cut;
      if (this.exhaustive || this.bound >= this.most) return false;
      this.bound++;
      this.cut = false;
    }
    this.last = -1;
    this.left = this.bound;
    return true;
  }
}
