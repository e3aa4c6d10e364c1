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
import { announce, exploring, LOCK, SharedObject, touch, TRYLOCK, UNLOCK } from './point.ts';
import { type Announced, currentOrNull, type Task } from './task.ts';
import type { WaitQueue } from './wait-queue.ts';

export interface BitLockable {
  lockBit: boolean;
  readonly lockWait: WaitQueue;
  /** Wakes all, without making a wait queue if there is none. */
  wake?(): void;
}

/** What a bit has no room for: its identity and its owner. Checked builds only. */
class BitShadow extends SharedObject implements Announced {
  readonly name: string;
  readonly bit: BitLockable;
  owner: Task | null = null;
  constructor(name: string, bit: BitLockable) {
    super();
    this.name = name;
    this.bit = bit;
  }
  enabled(): boolean {
    return !this.bit.lockBit;
  }
}
const shadows = new WeakMap<BitLockable, BitShadow>();
function shadowOf(b: BitLockable, cls: LockClass): BitShadow {
  let shadow = shadows.get(b);
  if (shadow === undefined) shadows.set(b, (shadow = new BitShadow(cls.name, b)));
  return shadow;
}
/** The task that holds the bit, if that is known. */
export const bitOwner = (b: BitLockable): Task | null => shadows.get(b)?.owner ?? null;

/** Sleepers on any bit lock. At 0 an unlock has nobody to wake and need not look for a queue. */
let sleepers = 0;

function take(b: BitLockable, cls: LockClass, subclass: number): void {
  if (CHECKED) {
    lockdepAcquire(cls, subclass, EXCLUSIVE, b);
    shadowOf(b, cls).owner = currentOrNull();
  }
  b.lockBit = true;
}

/** @param subclass  as for lockBit(); or OR_GIVE_UP, if failing is an outcome */
export function tryLockBit(b: BitLockable, cls: LockClass, subclass = 0): boolean {
  if (CHECKED && exploring) {
    if (subclass !== OR_GIVE_UP) return false; // lockBit() announces itself.
    touch(TRYLOCK, shadowOf(b, cls));
  }
  if (b.lockBit) return false;
  take(b, cls, subclass);
  return true;
}

/** @context May sleep. */
export function* lockBit(b: BitLockable, cls: LockClass, subclass = 0): Op<void> {
  if (CHECKED) lockdepWant(cls, subclass, EXCLUSIVE, b);
  if (CHECKED && exploring) yield announce(LOCK, shadowOf(b, cls));
  while (b.lockBit) {
    b.lockWait.prepare(cls.name);
    sleepers++;
    yield SLEEP;
    sleepers--;
  }
  take(b, cls, subclass);
}

/** @context Outside of tasks too. */
export function unlockBit(b: BitLockable, cls: LockClass): void {
  assert(b.lockBit, 'unlock of a bit that is not locked');
  if (CHECKED) {
    const shadow = shadowOf(b, cls);
    lockdepRelease(cls, b, EXCLUSIVE, shadow.owner);
    shadow.owner = null;
    if (exploring) touch(UNLOCK, shadow);
  }
  b.lockBit = false;
  if (sleepers === 0) return;
  if (b.wake) b.wake();
  else b.lockWait.wakeAll();
}

/** From here on the lock is the I/O's: its completion unlocks. @context The holder. */
export function handOverBit(b: BitLockable, cls: LockClass): void {
  if (!CHECKED) return;
  assert(b.lockBit, 'only a held lock is handed over');
  lockdepHandOver(b);
  shadowOf(b, cls).owner = null;
}
