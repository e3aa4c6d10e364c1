import { assert } from '../base/assert.ts';
import type { LockClass } from './lock-class.ts';
import type { Op } from './op.ts';
import { WaitQueue } from './wait-queue.ts';
export class Mutex implements Disposable {
  readonly cls: LockClass; locked = false; private q = new WaitQueue('mutex');
  constructor(cls: LockClass) { this.cls = cls; }
  tryLock(): boolean { if (this.locked) return false; this.locked = true; return true; }
  *lock(_sub = 0): Op<void> { yield* this.q.waitFor(() => !this.locked); this.locked = true; }
  unlock(): void { assert(this.locked); this.locked = false; this.q.wakeOne(); }
  *acquire(sub = 0): Op<Disposable> { yield* this.lock(sub); return this; }
  [Symbol.dispose](): void { this.unlock(); }
}
