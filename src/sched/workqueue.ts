import type { Op } from './op.ts';
import type { Scheduler } from './scheduler.ts';
import { WaitQueue } from './wait-queue.ts';
export class Work { readonly name: string; readonly fn: () => Op<void>; queued = false; cancel: (() => void) | null = null; constructor(name: string, fn: () => Op<void>) { this.name = name; this.fn = fn; } }
export class Workqueue {
  private s: Scheduler; private running = 0; private idle = new WaitQueue('wq'); readonly name: string;
  constructor(s: Scheduler, name: string) { this.s = s; this.name = name; }
  queue(w: Work): void { w.cancel?.(); w.cancel = null; if (w.queued) return; w.queued = true; this.running++; this.s.spawn(w.name, this.run(w)); }
  queueDelayed(w: Work, ms: number): void { if (w.queued || w.cancel) return; w.cancel = this.s.clock.after(ms, () => { w.cancel = null; this.queue(w); }); }
  private *run(w: Work): Op<void> { w.queued = false; try { yield* w.fn(); } finally { if (--this.running === 0) this.idle.wakeAll(); } }
  *flush(): Op<void> { yield* this.idle.waitFor(() => this.running === 0); }
  *drain(): Op<void> { yield* this.flush(); }
}
