/**
 * Locks that are one bit of a larger object: folio, buffer.
 *
 * Such a lock may be handed over: who submits I/O passes it on, and the completion unlocks it, from
 * another task or from none. `handOverBit()` tells lockdep so. The wait queue belongs to the object
 * and may serve other waits too (PG_writeback), so that every wake is for all.
 * @source mm/filemap.c:folio_lock(), folio_unlock(); fs/buffer.c:lock_buffer()
 */
import { assert } from '../base/assert.ts';
import { EXCLUSIVE, type LockClass, OR_GIVE_UP } from './lock-class.ts';
import { lockdepAcquire, lockdepHandOver, lockdepRelease, lockdepWant } from './lockdep.ts';
import { type Op, SLEEP } from './op.ts';
import {
  announce,
  exploring,
  LOCK,
  newObjectKey,
  stableKey,
  touch,
  TRYFAIL,
  TRYLOCK,
  UNLOCK,
} from './point.ts';
import { type Announced, currentOrNull, type Task, type WaitTarget } from './task.ts';
import type { WaitQueue } from './wait-queue.ts';

export interface BitLockable {
  lockBit: boolean;
  readonly lockWait: WaitQueue;
  /** Its class, where that is not the same for all of its kind (folios of the device's mapping). */
  readonly lockClass?: LockClass;
  /** Its identity in checked builds, if that is not its maker's business (point.ts). */
  readonly sharedKey?: number;
  /** Wakes all. To have it saves an unlock from making a wait queue where nobody waits. */
  wake?(): void;
}

/** What a bit has no room for: its identity and its owner. Checked builds only. */
class BitShadow implements Announced, WaitTarget {
  private readonly made: number;
  readonly name: string;
  readonly bit: BitLockable;
  owner: Task | null = null;
  constructor(name: string, bit: BitLockable) {
    // Its maker is whoever comes first; its wait queue knows better.
    if (bit.sharedKey !== undefined) this.made = 0;
    else this.made = exploring ? stableKey('bit', bit.lockWait.objectKey) : newObjectKey();
    this.name = name;
    this.bit = bit;
  }
  get objectKey(): number {
    return this.bit.sharedKey ?? this.made;
  }
  enabled(): boolean {
    return !this.bit.lockBit;
  }
  holders(): readonly Task[] {
    return this.owner === null ? [] : [this.owner];
  }
}
/** Where it is kept: on the object itself, so that it lives and is restored with it. */
const SHADOW: unique symbol = Symbol('bit lock');
interface Shadowed {
  [SHADOW]?: BitShadow;
}
const shadowOf = (b: BitLockable & Shadowed, cls: LockClass): BitShadow =>
  (b[SHADOW] ??= new BitShadow(cls.name, b));
/** The task that holds the bit, if that is known. */
export const bitOwner = (b: BitLockable & Shadowed): Task | null => b[SHADOW]?.owner ?? null;

function take(b: BitLockable, cls: LockClass, subclass: number): void {
  if (CHECKED) {
    lockdepAcquire(b.lockClass ?? cls, subclass, EXCLUSIVE, b);
    shadowOf(b, cls).owner = currentOrNull();
  }
  b.lockBit = true;
}

/** @param subclass  as for lockBit(); or OR_GIVE_UP, if failing is an outcome */
export function tryLockBit(b: BitLockable, cls: LockClass, subclass = 0): boolean {
  if (CHECKED && exploring) {
    if (subclass !== OR_GIVE_UP) return false; // lockBit() announces itself.
    touch(b.lockBit ? TRYFAIL : TRYLOCK, shadowOf(b, cls));
  }
  if (b.lockBit) return false;
  take(b, cls, subclass);
  return true;
}

/** @context May sleep. */
export function* lockBit(b: BitLockable, cls: LockClass, subclass = 0): Op<void> {
  if (CHECKED) lockdepWant(b.lockClass ?? cls, subclass, EXCLUSIVE, b);
  if (CHECKED && exploring) yield announce(LOCK, shadowOf(b, cls));
  while (b.lockBit) {
    // The shadow knows the holder; the queue cannot.
    if (CHECKED) b.lockWait.prepare(cls.name, shadowOf(b, cls));
    else b.lockWait.prepare(cls.name);
    yield SLEEP;
  }
  take(b, cls, subclass);
}

/** @context Outside of tasks too. */
export function unlockBit(b: BitLockable, cls: LockClass): void {
  if (CHECKED && exploring) touch(UNLOCK, shadowOf(b, cls)); // Before the look, as in a mutex.
  assert(b.lockBit, 'unlock of a bit that is not locked');
  if (CHECKED) {
    const shadow = shadowOf(b, cls);
    lockdepRelease(cls, b, EXCLUSIVE, shadow.owner);
    shadow.owner = null;
  }
  b.lockBit = false;
  if (b.wake) b.wake();
  else b.lockWait.wakeAll();
}

/**
 * Wait until nobody holds the lock, without taking it: a read that somebody else began is over.
 * Linux: folio_wait_locked(). @context May sleep.
 */
export function* waitBit(b: BitLockable, cls: LockClass): Op<void> {
  if (CHECKED) lockdepWant(b.lockClass ?? cls, 0, EXCLUSIVE, b);
  yield* b.lockWait.waitFor(() => !b.lockBit, cls.name, CHECKED ? shadowOf(b, cls) : undefined);
}

/** From here on the lock is the I/O's: its completion unlocks. @context The holder. */
export function handOverBit(b: BitLockable, cls: LockClass): void {
  assert(b.lockBit, 'only a held lock is handed over');
  if (CHECKED) {
    lockdepHandOver(b);
    shadowOf(b, cls).owner = null;
  }
}
