/**
 * A lock whose readers no waiting writer keeps out, as RCU and the kernel's rwlock_t are. The
 * product has none; the selftest needs one to hold lockdep's rules for such readers against.
 */
import { assert } from '../../src/base/assert.ts';
import { EXCLUSIVE, type LockClass, RECURSIVE } from '../../src/sched/lock-class.ts';
import { lockdepAcquire, lockdepRelease, lockdepWant } from '../../src/sched/lockdep.ts';
import { type Op, SLEEP } from '../../src/sched/op.ts';
import {
  announce,
  exploring,
  LOCK,
  RDLOCK,
  RDUNLOCK,
  SharedObject,
  touch,
  UNLOCK,
} from '../../src/sched/point.ts';
import { type Announced, currentTask, type Task } from '../../src/sched/task.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';

export class RecursiveLock extends SharedObject implements Announced {
  readonly cls: LockClass;
  private readonly queue: WaitQueue;
  private readers: Task[] = [];
  private writer: Task | null = null;

  constructor(cls: LockClass) {
    super();
    this.cls = cls;
    this.queue = new WaitQueue(cls.name);
  }
  get name(): string {
    return this.cls.name;
  }

  *lockShared(): Op<void> {
    lockdepWant(this.cls, 0, RECURSIVE, this);
    yield* this.come(RDLOCK);
    lockdepAcquire(this.cls, 0, RECURSIVE, this);
    this.readers.push(currentTask());
  }
  *lockExclusive(subclass = 0): Op<void> {
    lockdepWant(this.cls, subclass, EXCLUSIVE, this);
    yield* this.come(LOCK);
    lockdepAcquire(this.cls, subclass, EXCLUSIVE, this);
    this.writer = currentTask();
  }
  private *come(kind: number): Op<void> {
    if (exploring) yield announce(kind, this);
    while (!this.enabled(kind)) {
      this.queue.prepare();
      yield SLEEP;
    }
  }

  unlockShared(): void {
    if (exploring) touch(RDUNLOCK, this);
    assert(this.readers.length > 0, 'unlock of a lock that nobody reads');
    lockdepRelease(this.cls, this, RECURSIVE);
    this.readers.splice(this.readers.indexOf(currentTask()), 1);
    this.queue.wakeAll();
  }
  unlockExclusive(): void {
    if (exploring) touch(UNLOCK, this);
    assert(this.writer !== null, 'unlock of a lock that is not held');
    lockdepRelease(this.cls, this, EXCLUSIVE);
    this.writer = null;
    this.queue.wakeAll();
  }

  holders(): readonly Task[] {
    return this.writer === null ? this.readers : [this.writer];
  }
  enabled(kind: number): boolean {
    return this.writer === null && (kind === RDLOCK || this.readers.length === 0);
  }
}
