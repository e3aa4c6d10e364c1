/**
 * Time as an injected source: nothing below `platform/` knows what time it is. `ManualClock` stands
 * still until a test moves it, which is also how the explorer keeps time out of a schedule.
 */
import { assert } from '../base/assert.ts';

/** Seconds since 1970, which may be negative, and 0..999999999 nanoseconds. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export interface Clock {
  realtime(): Timespec;
  /**
   * Seconds since 1970 as of a while ago, for where looking would cost more than what it is for.
   */
  coarseSec(): number;
  /** Milliseconds of a clock that never goes back; fractions allowed. */
  monotonicMs(): number;
  /** Run `cb` once, in `ms` milliseconds. `cb` must not throw. @returns the way to cancel */
  after(ms: number, cb: () => void): () => void;
  /**
   * Run what is due, but nothing that becomes due by doing so. A synchronous program never comes
   * back to its event loop, so the scheduler calls this at the end of each `runToEnd()`: it must
   * cost next to nothing when nothing is due.
   */
  runDue?(): void;
  /** Block the thread until the next timer is due, and run it. @returns false: there is none */
  waitDue?(): boolean;
}

interface Timer {
  readonly due: number;
  readonly cb: () => void;
}

export class ManualClock implements Clock {
  private readonly bootMs: number;
  private ms = 0;
  /** By due time; equal ones in the order in which they were set. */
  private timers: Timer[] = [];

  /** @param sec  the wall clock at the start */
  constructor(sec = 1_700_000_000) {
    this.bootMs = sec * 1000;
  }

  realtime(): Timespec {
    const ms = this.bootMs + this.ms;
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
  }

  coarseSec(): number {
    return this.realtime().sec;
  }

  monotonicMs(): number {
    return this.ms;
  }

  after(ms: number, cb: () => void): () => void {
    assert(ms >= 0, 'a timer lies in the future');
    const timer = { due: this.ms + ms, cb };
    let at = this.timers.length;
    while (at > 0 && this.timers[at - 1]!.due > timer.due) at--;
    this.timers.splice(at, 0, timer);
    return () => {
      const place = this.timers.indexOf(timer);
      if (place >= 0) this.timers.splice(place, 1);
    };
  }

  /** Let `ms` pass; each timer runs at its own time, those set on the way too. */
  advance(ms: number): void {
    const end = this.ms + ms;
    for (let next = this.timers[0]; next && next.due <= end; next = this.timers[0]) {
      this.timers.shift();
      this.ms = Math.max(this.ms, next.due);
      next.cb();
    }
    this.ms = end;
  }

  runDue(): void {
    let due = 0;
    while (due < this.timers.length && this.timers[due]!.due <= this.ms) due++;
    // What is set meanwhile is due now at the earliest and stands behind these.
    while (due-- > 0 && this.timers[0] && this.timers[0].due <= this.ms) this.timers.shift()!.cb();
  }

  /** When the next timer is due, or null. */
  get nextDue(): number | null {
    return this.timers[0]?.due ?? null;
  }
}
