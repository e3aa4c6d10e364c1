/**
 * A sleeping lock with one owner.
 *
 * No hand-off: an unlock wakes the first sleeper, and whoever comes first takes the lock. A sleeper
 * that comes too late goes back to the front of the line.
 *
 *     if (!m.tryLock()) yield* m.lock();     // hot: free locks are taken without a generator
 *     try { ... } finally { m.unlock(); }
 *
 *     using _m = yield* m.acquire();         // everywhere else
 * @source kernel/locking/mutex.c
 */
import { assert } from '../base/assert.ts';
import { List } from '../base/list.ts';
import { EXCLUSIVE, type LockClass, OR_GIVE_UP } from './lock-class.ts';
import { lockdepAcquire, lockdepRelease, lockdepWant } from './lockdep.ts';
import { type Op, SLEEP } from './op.ts';
import {
  announce,
  exploring,
  keyOfOwned,
  LOCK,
  SharedObject,
  touch,
  TRYFAIL,
  TRYLOCK,
  UNLOCK,
} from './point.ts';
import { type Announced, currentOrNull, type Task, type WaitTarget } from './task.ts';
import { sleepOn, wakeFirst } from './wait-queue.ts';

export class Mutex extends SharedObject implements Disposable, WaitTarget, Announced {
  readonly cls: LockClass;
  /** What the lock belongs to: holds the field that `nest` names. */
  readonly of: object | null;
  locked = false;
  private owner: Task | null = null;
  private sleepers: List<Task> | null = null;

  constructor(cls: LockClass, of: object | null = null) {
    super(CHECKED ? keyOfOwned(cls.name, of) : undefined);
    this.cls = cls;
    this.of = of;
  }

  get name(): string {
    return this.cls.name;
  }

  /**
   * @param subclass  as for lock(); or OR_GIVE_UP, if failing is an outcome and no lock() follows
   * @returns true: the lock is ours. May refuse a free lock while exploring, unless OR_GIVE_UP.
   */
  tryLock(subclass = 0): boolean {
    if (CHECKED && exploring) {
      if (subclass !== OR_GIVE_UP) return false; // lock() announces itself.
      touch(this.locked ? TRYFAIL : TRYLOCK, this);
    }
    if (this.locked) return false;
    if (CHECKED) lockdepAcquire(this.cls, subclass, EXCLUSIVE, this);
    this.locked = true;
    this.owner = currentOrNull();
    return true;
  }

  /** @context May sleep. */
  *lock(subclass = 0): Op<void> {
    if (CHECKED) lockdepWant(this.cls, subclass, EXCLUSIVE, this);
    if (CHECKED && exploring) yield announce(LOCK, this);
    for (let woken = false; this.locked; woken = true) {
      sleepOn((this.sleepers ??= new List<Task>()), this, this.cls.name, woken);
      yield SLEEP;
    }
    if (CHECKED) lockdepAcquire(this.cls, subclass, EXCLUSIVE, this);
    this.locked = true;
    this.owner = currentOrNull();
  }

  unlock(): void {
    if (CHECKED && exploring) touch(UNLOCK, this); // Before the look: a mistake depends on it too.
    assert(this.locked, 'unlock of a mutex that is not locked');
    if (CHECKED) lockdepRelease(this.cls, this);
    this.locked = false;
    this.owner = null;
    if (this.sleepers !== null) wakeFirst(this.sleepers);
  }

  /** Held to the end of the block: `using _m = yield* m.acquire();` */
  *acquire(subclass = 0): Op<Disposable> {
    if (!this.tryLock(subclass)) yield* this.lock(subclass);
    return this;
  }

  [Symbol.dispose](): void {
    this.unlock();
  }

  holders(): readonly Task[] {
    return this.owner === null ? [] : [this.owner];
  }

  enabled(): boolean {
    return !this.locked;
  }
}
