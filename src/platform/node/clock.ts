/**
 * The host's time: wall clock in nanoseconds, and timers that do not keep a program alive.
 *
 * A program of synchronous calls never turns its event loop, so each timer can go off in two ways:
 * by the host's timer, or by runDue(), which the scheduler calls after each operation.
 */
import { performance } from 'node:perf_hooks';
import type { Clock, Timespec } from '../../sched/clock.ts';

/** How long the offset between wall clock and monotonic clock is trusted, ms. */
const RESYNC_MS = 1000;
/** Looking at the time costs as much as a cached look-up: runDue() does it now and then only. */
const LOOK_EVERY = 16;
/** Calls that one look at the coarse time serves, within one turn of the event loop. */
const COARSE_CALLS = 1024;
/** setTimeout() takes 31 bits. */
const LONGEST_MS = 0x7fff_ffff;

interface Timer {
  readonly due: number;
  readonly then: () => void;
  readonly host: NodeJS.Timeout;
}

export class NodeClock implements Clock {
  private baseWall = Date.now();
  private baseMono = performance.now();
  private readonly timers = new Set<Timer>();
  private nextDue = Infinity;
  private calls = 0;
  private coarse = 0;
  private coarseLeft = 0;
  private turn: NodeJS.Immediate | null = null;

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

  /** As old as the turn of the event loop, or as COARSE_CALLS calls. */
  coarseSec(): number {
    if (this.coarseLeft-- > 0) return this.coarse;
    this.coarseLeft = COARSE_CALLS;
    this.coarse = this.realtime().sec;
    this.turn ??= setImmediate(() => {
      this.coarseLeft = 0;
      this.turn = null;
    }).unref();
    return this.coarse;
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(ms: number, then: () => void): () => void {
    const fire = (): void => {
      if (this.take(timer)) then();
    };
    const host = setTimeout(fire, Math.min(ms, LONGEST_MS));
    host.unref();
    const timer: Timer = { due: performance.now() + ms, then, host };
    this.timers.add(timer);
    this.nextDue = Math.min(this.nextDue, timer.due);
    return () => {
      this.take(timer);
    };
  }

  runDue(): void {
    if (this.nextDue === Infinity || ++this.calls % LOOK_EVERY !== 0) return;
    if (performance.now() >= this.nextDue) this.runUntil(performance.now());
  }

  waitDue(): boolean {
    if (this.nextDue === Infinity) return false;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let left = this.nextDue - performance.now(); left > 0;) {
      Atomics.wait(cell, 0, 0, left);
      left = this.nextDue - performance.now();
    }
    this.runUntil(performance.now());
    return true;
  }

  /** Run what was due at `now`; timers set on the way are later ones. */
  private runUntil(now: number): void {
    const due = [...this.timers].filter((timer) => timer.due <= now);
    for (const timer of due.sort((a, b) => a.due - b.due)) if (this.take(timer)) timer.then();
  }

  /** The timer is spent. @returns false: it was before */
  private take(timer: Timer): boolean {
    if (!this.timers.delete(timer)) return false;
    clearTimeout(timer.host);
    if (timer.due > this.nextDue) return true;
    this.nextDue = Infinity;
    for (const left of this.timers) this.nextDue = Math.min(this.nextDue, left.due);
    return true;
  }
}
