import { assert } from '../base/assert.ts';
import type { LockClass } from './lock-class.ts';
import type { Op } from './op.ts';
import { WaitQueue } from './wait-queue.ts';
export class RwSemaphore {
  readonly cls: LockClass; private readers = 0; private writer = false; private writersWaiting = 0; private q = new WaitQueue('rwsem');
  constructor(cls: LockClass) { this.cls = cls; }
  get isLocked(): boolean { return this.writer || this.readers > 0; }
  get isLockedExclusive(): boolean { return this.writer; }
  tryShared(): boolean { if (this.writer || this.writersWaiting > 0) return false; this.readers++; return true; }
  *lockShared(_sub = 0): Op<void> { yield* this.q.waitFor(() => !this.writer && this.writersWaiting === 0); this.readers++; }
  unlockShared(): void { assert(this.readers > 0); if (--this.readers === 0) this.q.wakeAll(); }
  tryExclusive(): boolean { if (this.isLocked) return false; this.writer = true; return true; }
  *lockExclusive(_sub = 0): Op<void> { this.writersWaiting++; yield* this.q.waitFor(() => !this.isLocked); this.writersWaiting--; this.writer = true; }
  unlockExclusive(): void { assert(this.writer); this.writer = false; this.q.wakeAll(); }
  downgrade(): void { assert(this.writer); this.writer = false; this.readers = 1; this.q.wakeAll(); }
  *shared(sub = 0): Op<Disposable> { yield* this.lockShared(sub); return { [Symbol.dispose]: () => { this.unlockShared(); } }; }
  *exclusive(sub = 0): Op<Disposable> { yield* this.lockExclusive(sub); return { [Symbol.dispose]: () => { this.unlockExclusive(); } }; }
}
