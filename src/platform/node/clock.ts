/**
 * The host's time: wall clock in nanoseconds, and timers that do not keep a program alive.
 */
import { performance } from 'node:perf_hooks';
import type { Clock, Timespec } from '../../sched/clock.ts';

/** How long the offset between wall clock and monotonic clock is trusted, ms. */
const RESYNC_MS = 1000;

export class NodeClock implements Clock {
  private baseWall = Date.now();
  private baseMono = performance.now();

  realtime(): Timespec {
    let since = performance.now() - this.baseMono;
    if (since > RESYNC_MS) {
      this.baseWall = Date.now();
      this.baseMono = performance.now();
      since = 0;
    }
    const ms = this.baseWall + since;
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(ms: number, then: () => void): () => void {
    const timer = setTimeout(then, ms);
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  }
}
