import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { Prng } from '../base/prng.ts';
import { type Clock, ManualClock } from './clock.ts';
import type { Op } from './op.ts';
import { setCurrent, Task } from './task.ts';
export interface Strategy { nextTask(runnable: readonly Task[]): Task; nextU64(below: number, why: string): number }
export class Scheduler {
  readonly clock: Clock; readonly chance: Prng; onKick: (() => void) | null = null;
  private queue: Task[] = []; private nextId = 1; private pumping = false;
  constructor(opts: { strategy?: Strategy; clock?: Clock; chance?: Prng } = {}) { this.clock = opts.clock ?? new ManualClock(); this.chance = opts.chance ?? new Prng(1); }
  private make<T>(name: string, op: Op<T>): Task<T> {
    return new Task<T>(this.nextId++, name, op, (t) => { this.queue.push(t); if (!this.pumping) this.onKick?.(); });
  }
  spawn<T>(name: string, op: Op<T>): Task<T> { const t = this.make(name, op); this.queue.push(t as Task); if (!this.pumping) this.onKick?.(); return t; }
  private step<T>(t: Task<T>): void {
    const old = setCurrent(t as Task); const was = this.pumping; this.pumping = true;
    try { t.state = 'sleeping'; const r = t.op.next(); if (r.done) { t.result = r.value; t.finish(); } }
    catch (e) { t.error = e; t.failed = true; t.finish(); }
    finally { setCurrent(old); this.pumping = was; }
  }
  pump(): void { for (let t = this.queue.shift(); t; t = this.queue.shift()) if (t.state !== 'done') this.step(t); }
  runToEnd<T>(op: Op<T>, name = 'main'): T {
    const t = this.make(name, op);
    this.step(t);
    while ((t.state as string) !== 'done') {
      const n = this.queue.shift();
      if (!n) throw errno('EDEADLK', { task: name });
      if (n.state !== 'done') this.step(n);
    }
    this.clock.runDue?.();
    if (t.failed) throw t.error;
    assert(t.state === 'done');
    return t.result as T;
  }
}
