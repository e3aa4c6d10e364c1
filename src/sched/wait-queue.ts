import type { Op } from './op.ts';
import { currentTask, type Task } from './task.ts';
export class WaitQueue {
  readonly name: string; private waiters: Task[] = [];
  constructor(name: string) { this.name = name; }
  get empty(): boolean { return this.waiters.length === 0; }
  *waitFor(cond: () => boolean): Op<void> { const me = currentTask(); while (!cond()) { this.waiters.push(me); yield null; } }
  wakeOne(): void { this.waiters.shift()?.wake(); }
  wakeAll(): void { const w = this.waiters; if (w.length === 0) return; this.waiters = []; for (const t of w) t.wake(); }
}
