/**
 * Freezing a file system: three gates that writers pass and a freezer closes, outermost first.
 *
 *     WRITE      every modifying system call, before i_rwsem
 *     PAGEFAULT  page_mkwrite, under mmap_lock
 *     FS         internal writers: eviction, last iput
 *
 * A closed gate stays closed across system calls, so it is nobody's lock; a task must not pass one
 * gate twice, for a freezer may come in between.
 * @source include/linux/fs/super.h:sb_start_write(), fs/super.c:freeze_super()
 */
import { assert } from '../base/assert.ts';
import { lockClass } from './lock-class.ts';
import { lockdepHandOver } from './lockdep.ts';
import type { Op } from './op.ts';
import { RwSemaphore } from './rw-semaphore.ts';

export const FREEZE_WRITE = 1;
export const FREEZE_PAGEFAULT = 2;
export const FREEZE_FS = 3;
export type FreezeLevel = number;

/** Order: doc protocols B.1, ranks 1, 5 and 9. */
export const SB_WRITERS = lockClass('sb_writers', { after: ['file.f_pos_lock'] });
export const SB_PAGEFAULT = lockClass('sb_pagefault', {
  after: ['sb_writers', 'inode.i_rwsem', 'mmap_lock'],
});
export const SB_INTERNAL = lockClass('sb_internal', {
  after: ['sb_pagefault', 's_umount', 'mapping.invalidate_lock', 's_writepages_rwsem'],
});

export class FreezeLock {
  private readonly gates = [
    new RwSemaphore(SB_WRITERS),
    new RwSemaphore(SB_PAGEFAULT),
    new RwSemaphore(SB_INTERNAL),
  ];

  private gate(level: FreezeLevel): RwSemaphore {
    const gate = this.gates[level - 1];
    assert(gate !== undefined, 'no such freeze level');
    return gate;
  }

  /** @param orGiveUp  OR_GIVE_UP if no start() follows */
  tryStart(level: FreezeLevel, orGiveUp = 0): boolean {
    return this.gate(level).tryShared(orGiveUp);
  }
  /** Pass the gate, or wait until it opens. @context May sleep; end() lets the freezer go on. */
  start(level: FreezeLevel): Op<void> {
    return this.gate(level).lockShared();
  }
  end(level: FreezeLevel): void {
    this.gate(level).unlockShared();
  }

  /** Close the gate and wait until everybody who passed has ended. @context May sleep. */
  *freeze(level: FreezeLevel): Op<void> {
    const gate = this.gate(level);
    if (!gate.tryExclusive()) yield* gate.lockExclusive();
    if (CHECKED) lockdepHandOver(gate);
  }
  /** Open `level` and every gate inside of it. */
  thaw(level: FreezeLevel): void {
    for (let l = FREEZE_FS; l >= level; l--) if (this.isFrozen(l)) this.gate(l).unlockExclusive();
  }
  /** Is the gate closed, with nobody left inside? */
  isFrozen(level: FreezeLevel): boolean {
    return this.gate(level).isLockedExclusive;
  }
}
