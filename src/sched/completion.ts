import type { Op } from './op.ts';
import { WaitQueue } from './wait-queue.ts';
export class Completion { done = false; private q = new WaitQueue('completion'); *wait(): Op<void> { yield* this.q.waitFor(() => this.done); } complete(): void { this.done = true; this.q.wakeAll(); } reset(): void { this.done = false; } }
