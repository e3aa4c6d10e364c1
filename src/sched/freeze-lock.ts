import type { Op } from './op.ts';
import { WaitQueue } from './wait-queue.ts';
export const FREEZE_WRITE = 1; export const FREEZE_PAGEFAULT = 2; export const FREEZE_FS = 3;
export class FreezeLock {
  private frozen = 0; private users = [0, 0, 0, 0]; private q = new WaitQueue('freeze');
  tryStart(l: number): boolean { if (this.frozen >= l) return false; this.users[l]!++; return true; }
  *start(l: number): Op<void> { yield* this.q.waitFor(() => this.frozen < l); this.users[l]!++; }
  end(l: number): void { if (--this.users[l]! === 0) this.q.wakeAll(); }
  *freeze(l: number): Op<void> { this.frozen = Math.max(this.frozen, l); yield* this.q.waitFor(() => this.users[l] === 0); }
  thaw(l: number): void { this.frozen = l - 1; this.q.wakeAll(); }
}
