/**
 * Programs of locks as words, one text a task, for lockdep and for the explorer alike:
 *
 *     A  -A       take lock A exclusively, release it      A2   another instance of A's class
 *     rA  RA      shared; shared, and no waiting writer     A/1  with subclass 1
 *                 keeps it out                              vA   exclusive becomes shared
 *     ?A          take it if it is free, else do without (its -A then does nothing)
 *     sleep       might sleep                               user  touches user memory
 *     alloc       may reclaim      reclaim -reclaim         nofs -nofs
 *
 * S is a spin lock, U must not be held over user memory, N1 < N2 nest by number.
 */
import { lockBit, tryLockBit, unlockBit } from '../../src/sched/bit-lock.ts';
import { type LockClass, lockClass, OR_GIVE_UP } from '../../src/sched/lock-class.ts';
import {
  enterReclaim,
  leaveReclaim,
  lockdep,
  lockdepMightSleep,
  mightFault,
  mightReclaim,
  resetLockdep,
} from '../../src/sched/lockdep.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';
import { RwSemaphore } from '../../src/sched/rw-semaphore.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';
import { currentTask } from '../../src/sched/task.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';
import { errno } from '../../src/base/errno.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { RecursiveLock } from './recursive-lock.ts';

export type Family = 'mutex' | 'rwsem' | 'bit' | 'rwlock';
type How = 'exclusive' | 'shared' | 'recursive';

/** One lock, whatever it is made of. */
interface AnyLock {
  lock(how: How, subclass: number): Op<void>;
  tryLock(): boolean;
  unlock(how: How): void;
  downgrade(): void;
}
const cannot = (): never => {
  throw errno('EOPNOTSUPP', {}, 'this lock has no such mode');
};

function classOf(family: Family, letter: string): LockClass {
  const name = `self.${family}.${letter}`;
  if (letter === 'S') return lockClass(name, { spin: true });
  if (letter === 'U') return lockClass(name, { noUser: true });
  return lockClass(name, letter === 'N' ? { nest: 'n' } : {});
}

const makers: Record<Family, (cls: LockClass, of: { n: number }) => AnyLock> = {
  mutex(cls, of) {
    const m = new Mutex(cls, of);
    return {
      lock: (_how, subclass) => m.lock(subclass),
      tryLock: () => m.tryLock(OR_GIVE_UP),
      unlock: () => void m.unlock(),
      downgrade: cannot,
    };
  },
  rwsem(cls, of) {
    const rw = new RwSemaphore(cls, of);
    return {
      lock: (how, sub) => (how === 'shared' ? rw.lockShared(sub) : rw.lockExclusive(sub)),
      tryLock: () => rw.tryExclusive(OR_GIVE_UP),
      unlock: (how) => void (how === 'shared' ? rw.unlockShared() : rw.unlockExclusive()),
      downgrade: () => void rw.downgrade(),
    };
  },
  bit(cls, of) {
    const bit = { lockBit: false, lockWait: new WaitQueue('bit'), of };
    return {
      lock: (_how, subclass) => lockBit(bit, cls, subclass),
      tryLock: () => tryLockBit(bit, cls, OR_GIVE_UP),
      unlock: () => void unlockBit(bit, cls),
      downgrade: cannot,
    };
  },
  rwlock(cls) {
    const l = new RecursiveLock(cls);
    return {
      lock: (how, sub) => (how === 'recursive' ? l.lockShared() : l.lockExclusive(sub)),
      tryLock: cannot,
      unlock: (how) => void (how === 'recursive' ? l.unlockShared() : l.unlockExclusive()),
      downgrade: cannot,
    };
  },
};

export class Locks {
  private readonly family: Family;
  private readonly all = new Map<string, AnyLock>();
  /** Every lock is made at once, so that who comes first does not decide what it is called. */
  constructor(family: Family, programs: readonly string[]) {
    this.family = family;
    for (const [name] of programs.join(' ').matchAll(/[A-Z]\d?/g)) this.get(name);
  }
  get(name: string): AnyLock {
    let lock = this.all.get(name);
    if (lock === undefined) {
      const cls = classOf(this.family, name[0]!);
      this.all.set(name, (lock = makers[this.family](cls, { n: Number(name[1] ?? 0) })));
    }
    return lock;
  }
}

const PLAIN: Readonly<Record<string, () => void>> = {
  sleep: () => {
    lockdepMightSleep('sleep');
  },
  user: mightFault,
  alloc: mightReclaim,
  reclaim: enterReclaim,
  '-reclaim': leaveReclaim,
  nofs: () => void currentTask().nofs++,
  '-nofs': () => void currentTask().nofs--,
};
const MODES: Readonly<Record<string, How>> = { r: 'shared', R: 'recursive' };

/** One task's program. */
export function* perform(locks: Locks, program: string): Op<void> {
  const held = new Map<string, (How | null)[]>(); // null: a try that failed.
  for (const word of program.split(' ')) {
    const plain = PLAIN[word];
    if (plain !== undefined) {
      plain();
      continue;
    }
    const [, mark, name, subclass] = /^([-?rRv]?)([A-Z]\d?)(?:\/(\d))?$/.exec(word)!;
    const lock = locks.get(name!);
    const mine = held.get(name!) ?? [];
    held.set(name!, mine);
    if (mark === '?') {
      mine.push(lock.tryLock() ? 'exclusive' : null);
    } else if (mark === 'v') {
      lock.downgrade();
      mine[mine.length - 1] = 'shared';
    } else if (mark === '-') {
      const how = mine.length > 0 ? mine.pop()! : 'exclusive'; // Not ours: released all the same.
      if (how !== null) lock.unlock(how);
    } else {
      const how = MODES[mark!] ?? 'exclusive';
      yield* lock.lock(how, Number(subclass ?? 0));
      mine.push(how);
    }
  }
}

/** What lockdep says when the tasks run one after the other, each alone to its end. */
export function lockdepSays(family: Family, programs: readonly string[]): string[] {
  resetLockdep();
  Object.assign(lockdep, { throws: false, declaredOnly: false });
  const locks = new Locks(family, programs);
  const s = new Scheduler();
  const failed: string[] = [];
  programs.forEach((program, i) => {
    const task = s.spawn(`t${i}`, perform(locks, program));
    task.onDone((t) => {
      if (t.failed) failed.push('assertion');
    });
    s.pump();
  });
  return [...lockdep.reports.map((r) => r.kind), ...failed];
}

export function scenarioOf(family: Family, programs: readonly string[]): Scenario<Locks> {
  return {
    id: 'selftest',
    title: programs.join(' | '),
    setup: () => new Locks(family, programs),
    tasks: Object.fromEntries(
      programs.map((program, i) => [`t${i}`, (locks: Locks) => perform(locks, program)]),
    ),
  };
}
