/**
 * Shared or exclusive, fair: first come, first served. A waiting writer keeps new readers out, so
 * readers cannot starve it; an unlock hands the lock over to the first in line, and to all readers
 * up to the next writer.
 *
 * A task that holds it shared must therefore not take it shared again: a writer that queues in
 * between makes that a deadlock. There is no upgrade either.
 * @source kernel/locking/rwsem.c
 */
import { assert } from '../base/assert.ts';
import { List } from '../base/list.ts';
import { EXCLUSIVE, type LockClass, OR_GIVE_UP, SHARED } from './lock-class.ts';
import { lockdepAcquire, lockdepDowngrade, lockdepRelease, lockdepWant } from './lockdep.ts';
import { type Op, SLEEP } from './op.ts';
import {
  announce,
  DOWNGRADE,
  exploring,
  keyOfOwned,
  LOCK,
  RDLOCK,
  RDUNLOCK,
  SharedObject,
  touch,
  TRYFAIL,
  TRYLOCK,
  TRYRDLOCK,
  UNLOCK,
  WQUEUE,
} from './point.ts';
import { type Announced, currentOrNull, currentTask, type Task, type WaitTarget } from './task.ts';
import { sleepOn, wakeFirst } from './wait-queue.ts';

const WRITER = -1;

/** Releases a shared or an exclusive hold at the end of a `using` block. */
class Guard implements Disposable {
  private readonly release: () => void;
  constructor(release: () => void) {
    this.release = release;
  }
  [Symbol.dispose](): void {
    this.release();
  }
}

export class RwSemaphore extends SharedObject implements WaitTarget, Announced {
  readonly cls: LockClass;
  /** What the lock belongs to: holds the field that `nest` names. */
  readonly of: object | null;
  /** How many readers hold it, or WRITER. */
  private count = 0;
  private owner: Task | null = null;
  private sleepers: List<Task> | null = null;
  private sharedGuard: Guard | null = null;
  private exclusiveGuard: Guard | null = null;
  /** Who reads; kept in checked builds. */
  declare private readers: Task[];
  /** While exploring: writers that have announced themselves. */
  declare private writersQueued: Task[];

  constructor(cls: LockClass, of: object | null = null) {
    super(CHECKED ? keyOfOwned(cls.name, of) : undefined);
    this.cls = cls;
    this.of = of;
    if (CHECKED) {
      this.readers = [];
      this.writersQueued = [];
    }
  }

  get name(): string {
    return this.cls.name;
  }
  get isLocked(): boolean {
    return this.count !== 0;
  }
  get isLockedExclusive(): boolean {
    return this.count === WRITER;
  }

  /**
   * @param subclass  as for lockShared(); or OR_GIVE_UP, if failing is an outcome
   * @returns true: it is ours. May refuse a free lock while exploring, unless OR_GIVE_UP.
   */
  tryShared(subclass = 0): boolean {
    if (CHECKED && exploring && !this.mayTry(subclass, this.readable, TRYRDLOCK)) return false;
    if (!this.readable) return false;
    if (CHECKED) this.tookShared(subclass);
    this.count++;
    return true;
  }

  /** @param subclass  as for lockExclusive(), or OR_GIVE_UP */
  tryExclusive(subclass = 0): boolean {
    if (CHECKED && exploring && !this.mayTry(subclass, this.count === 0, TRYLOCK)) return false;
    if (this.count !== 0) return false;
    if (CHECKED) lockdepAcquire(this.cls, subclass, EXCLUSIVE, this);
    this.count = WRITER;
    this.owner = currentOrNull();
    return true;
  }

  /** @context May sleep. */
  *lockShared(subclass = 0): Op<void> {
    if (CHECKED) lockdepWant(this.cls, subclass, SHARED, this);
    if (CHECKED && exploring) {
      yield announce(RDLOCK, this);
      assert(this.readable, 'the explorer let a reader pass that must wait');
    }
    if (this.readable) this.count++;
    else yield* this.queue(SHARED);
    if (CHECKED) this.tookShared(subclass);
  }

  /** @context May sleep. */
  *lockExclusive(subclass = 0): Op<void> {
    if (CHECKED) lockdepWant(this.cls, subclass, EXCLUSIVE, this);
    if (CHECKED && exploring) yield* this.announceWriter();
    if (this.count === 0) {
      this.count = WRITER;
      this.owner = currentOrNull();
    } else yield* this.queue(EXCLUSIVE);
    if (CHECKED) lockdepAcquire(this.cls, subclass, EXCLUSIVE, this);
  }

  unlockShared(): void {
    if (CHECKED && exploring) touch(RDUNLOCK, this); // Before the look: a mistake depends on it.
    assert(this.count > 0, 'unlockShared without a shared hold');
    if (CHECKED) {
      lockdepRelease(this.cls, this, SHARED);
      this.forgetReader();
    }
    if (--this.count === 0 && this.sleepers !== null) this.handOver(this.sleepers);
  }

  unlockExclusive(): void {
    if (CHECKED && exploring) touch(UNLOCK, this);
    assert(this.count === WRITER, 'unlockExclusive without an exclusive hold');
    if (CHECKED) lockdepRelease(this.cls, this, EXCLUSIVE);
    this.count = 0;
    this.owner = null;
    if (this.sleepers !== null) this.handOver(this.sleepers);
  }

  /** Exclusive becomes shared, without a moment in between. */
  downgrade(): void {
    if (CHECKED && exploring) touch(DOWNGRADE, this);
    assert(this.count === WRITER, 'downgrade without an exclusive hold');
    if (CHECKED) {
      lockdepDowngrade(this);
      if (this.owner !== null) this.readers.push(this.owner);
    }
    this.count = 1;
    this.owner = null;
    if (this.sleepers !== null) this.handOver(this.sleepers);
  }

  /** Held shared to the end of the block: `using _l = yield* l.shared();` */
  *shared(subclass = 0): Op<Disposable> {
    if (!this.tryShared(subclass)) yield* this.lockShared(subclass);
    return (this.sharedGuard ??= new Guard(() => {
      this.unlockShared();
    }));
  }

  /** Held exclusive to the end of the block. */
  *exclusive(subclass = 0): Op<Disposable> {
    if (!this.tryExclusive(subclass)) yield* this.lockExclusive(subclass);
    return (this.exclusiveGuard ??= new Guard(() => {
      this.unlockExclusive();
    }));
  }

  /** No writer holds it or stands in line. While readers hold it, the first in line is a writer. */
  private get readable(): boolean {
    if (CHECKED && this.writersQueued.length > 0) return false;
    return this.count >= 0 && (this.sleepers === null || this.sleepers.empty);
  }

  /** Stand in line; when the sleep ends, handOver() has made the lock ours. */
  private *queue(mode: typeof SHARED | typeof EXCLUSIVE): Op<void> {
    const task = sleepOn((this.sleepers ??= new List<Task>()), this, this.cls.name);
    task.waitMode = mode;
    yield SLEEP;
  }

  /** Give the lock to whoever stands first: one writer, or all readers before the next writer. */
  private handOver(line: List<Task>): void {
    for (let next = line.first(); next !== null; next = line.first()) {
      if (next.waitMode === EXCLUSIVE) {
        if (this.count !== 0) return;
        this.count = WRITER;
        this.owner = next;
        wakeFirst(line);
        return;
      }
      this.count++;
      wakeFirst(line);
    }
  }

  // The next four are empty in production, where nobody calls them. The bundler sees that a name
  // is not used only if its use stands inside of `if (CHECKED)`, not behind an early return.

  private mayTry(subclass: number, free: boolean, kind: number): boolean {
    if (CHECKED) {
      if (subclass !== OR_GIVE_UP) return false; // The lock that follows announces itself.
      touch(free ? kind : TRYFAIL, this);
    }
    return true;
  }
  /** Under the explorer any waiting writer may win, which covers every order of arrival. */
  private *announceWriter(): Op<void> {
    if (CHECKED) {
      yield announce(WQUEUE, this);
      const task = currentTask();
      this.writersQueued.push(task);
      yield announce(LOCK, this);
      this.writersQueued.splice(this.writersQueued.indexOf(task), 1);
      assert(this.count === 0, 'the explorer let a writer pass that must wait');
    }
  }
  private tookShared(subclass: number): void {
    if (CHECKED) {
      lockdepAcquire(this.cls, subclass, SHARED, this);
      const task = currentOrNull();
      if (task !== null) this.readers.push(task);
    }
  }
  private forgetReader(): void {
    if (CHECKED) {
      const task = currentOrNull();
      const at = task === null ? -1 : this.readers.lastIndexOf(task);
      if (at >= 0) this.readers.splice(at, 1);
    }
  }

  /** @param asker  who waits; while exploring, a reader waits for the writers in line alone */
  holders(asker?: Task): readonly Task[] {
    if (this.owner !== null) return [this.owner];
    if (CHECKED && asker !== undefined && this.writersQueued.length > 0) {
      return this.writersQueued.includes(asker) ? this.readers : this.writersQueued;
    }
    const first = this.sleepers?.first() ?? null;
    const holding = CHECKED ? this.readers : [];
    return first === null || first === asker ? holding : [...holding, first];
  }

  enabled(kind: number): boolean {
    if (kind === RDLOCK) return this.readable;
    return kind === LOCK ? this.count === 0 : true;
  }
}
