export interface Timespec { readonly sec: number; readonly nsec: number }
export interface Clock {
  realtime(): Timespec;
  monotonicMs(): number;
  after(ms: number, cb: () => void): () => void;
  runDue?(): void;
}
export class ManualClock implements Clock {
  private ms: number;
  private timers: { at: number; cb: () => void }[] = [];
  constructor(sec = 1_700_000_000) { this.ms = sec * 1000; }
  realtime(): Timespec { return { sec: Math.floor(this.ms / 1000), nsec: (this.ms % 1000) * 1e6 }; }
  monotonicMs(): number { return this.ms; }
  after(ms: number, cb: () => void): () => void {
    const t = { at: this.ms + ms, cb };
    this.timers.push(t);
    return () => { this.timers = this.timers.filter((x) => x !== t); };
  }
  advance(ms: number): void { this.ms += ms; this.runDue(); }
  runDue(): void {
    const due = this.timers.filter((t) => t.at <= this.ms);
    this.timers = this.timers.filter((t) => t.at > this.ms);
    for (const t of due) t.cb();
  }
}
