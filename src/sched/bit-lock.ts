import { assert } from '../base/assert.ts';
import type { LockClass } from './lock-class.ts';
import type { Op } from './op.ts';
import type { WaitQueue } from './wait-queue.ts';
export interface BitLockable { lockBit: boolean; readonly lockWait: WaitQueue }
export function tryLockBit(b: BitLockable, _cls: LockClass): boolean { if (b.lockBit) return false; b.lockBit = true; return true; }
export function* lockBit(b: BitLockable, _cls: LockClass): Op<void> { yield* b.lockWait.waitFor(() => !b.lockBit); b.lockBit = true; }
export function unlockBit(b: BitLockable, _cls: LockClass): void { assert(b.lockBit); b.lockBit = false; b.lockWait.wakeAll(); }
