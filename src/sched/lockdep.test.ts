/**
 * Goal: lockdep finds each wrong order from executions that did not deadlock, and says nothing
 * about right ones. Method: the shapes of the kernel's locking selftest, each task run alone.
 * @source lib/locking-selftest.c (the names of the shapes)
 */
import { beforeEach, expect, test } from 'vitest';
import {
  EXCLUSIVE,
  lockClass,
  type LockClass,
  type LockMode,
  OR_GIVE_UP,
  RECURSIVE,
  SHARED,
  unknownNames,
} from './lock-class.ts';
import {
  enterReclaim,
  leaveReclaim,
  lockdep,
  lockdepAcquire,
  lockdepHandOver,
  lockdepMightSleep,
  lockdepRelease,
  lockEdges,
  lockOrder,
  mightFault,
  mightReclaim,
  resetLockdep,
} from './lockdep.ts';
import { Mutex } from './mutex.ts';
import type { Op } from './op.ts';
import { RwSemaphore } from './rw-semaphore.ts';
import { Scheduler } from './scheduler.ts';
import { currentTask } from './task.ts';

beforeEach(() => {
  resetLockdep();
  lockdep.throws = false;
  lockdep.declaredOnly = false;
});

const letters = 'ABCDXYZ';
const classes = new Map<string, LockClass>();
const classOf = (letter: string): LockClass => {
  let cls = classes.get(letter);
  if (!cls) classes.set(letter, (cls = lockClass(`test.${letter}`)));
  return cls;
};

/**
 * Run each text as a task: `A` takes A exclusively, `a` releases whatever is held of it; a suffix
 * `r` takes shared, `R` as a recursive reader, `?` by try-lock. A digit gives another instance.
 */
function run(...tasks: string[]): string[] {
  const s = new Scheduler();
  const instances = new Map<string, object>();
  const instance = (name: string): object => {
    let o = instances.get(name);
    if (!o) instances.set(name, (o = {}));
    return o;
  };
  tasks.forEach((text, i) => {
    s.runToEnd(
      (function* (): Op<void> {
        for (const [, letter, digit, mark] of text.matchAll(/([A-Za-z])(\d?)([rR?]?)/g)) {
          const name = letter!.toUpperCase();
          assertLetter(name);
          const lock = instance(name + digit);
          const mode = ({ r: SHARED, R: RECURSIVE } as Record<string, LockMode>)[mark!];
          if (letter === name) {
            lockdepAcquire(classOf(name), mark === '?' ? OR_GIVE_UP : 0, mode ?? EXCLUSIVE, lock);
          } else lockdepRelease(classOf(name), lock);
        }
      })(),
      `task ${i}`,
    );
  });
  return lockdep.reports.map((r) => r.kind);
}
function assertLetter(name: string): void {
  expect(letters).toContain(name);
}

const CIRCLE = ['circular order'];

test.each([
  ['AA', ['A A2 a a2'], ['recursive locking']],
  ['AA of one lock', ['A A a a'], ['recursive locking']],
  ['AB AB', ['A B b a', 'A B b a'], []],
  ['AB BA', ['A B b a', 'B A a b'], CIRCLE],
  ['AB BC CA', ['A B b a', 'B C c b', 'C A a c'], CIRCLE],
  ['AB CA BC', ['A B b a', 'C A a c', 'B C c b'], CIRCLE],
  ['AB BC CD DA', ['A B b a', 'B C c b', 'C D d c', 'D A a d'], CIRCLE],
  ['AB CD BD DA', ['A B b a', 'C D d c', 'B D d b', 'D A a d'], CIRCLE],
  ['AB CD BC DA', ['A B b a', 'C D d c', 'B C c b', 'D A a d'], CIRCLE],
  ['AB BC AC', ['A B b a', 'B C c b', 'A C c a'], []],
  ['ABC, released in another order', ['A B C a b c', 'A B C b a c'], []],
  ['double unlock', ['A a a'], ['not held']],
  ['A left locked', ['A'], ['held at the end']],
])('%s', (_name, tasks, kinds) => {
  expect(run(...tasks)).toEqual(kinds);
});

test.each([
  // A waiting writer keeps new readers out, so a shared hold orders as an exclusive one does.
  ['shared AB, shared BA', ['Ar Br b a', 'Br Ar a b'], CIRCLE],
  ['shared twice is no recursion', ['Ar Ar a a'], ['recursive locking']],
  ['shared A, B against B, shared A', ['Ar B b a', 'B Ar a b'], CIRCLE],
  // A recursive reader is kept out by a writer that holds, not by one that waits.
  ['recursive twice', ['AR AR a a'], []],
  ['shared, then recursive, of one lock', ['Ar AR a a'], []],
  ['exclusive, then recursive', ['A AR a a'], ['recursive locking']],
  ['recursive, then exclusive', ['AR A a a'], ['recursive locking']],
  ['recursive AB, recursive BA: nobody ever blocks', ['AR BR b a', 'BR AR a b'], []],
  ['recursive A, B against B, recursive A', ['AR B b a', 'B AR a b'], []],
  ['A, recursive B against B, recursive A', ['A BR b a', 'B AR a b'], CIRCLE],
  ['A, recursive B against recursive B, A', ['A BR b a', 'BR A a b'], []],
  ['A, recursive B against shared B, A', ['A BR b a', 'Br A a b'], []],
  ['A, shared B against recursive B, A', ['A Br b a', 'BR A a b'], CIRCLE],
  ['a weak link is made good by a strong one', ['A BR b a', 'A B b a', 'BR A a b'], CIRCLE],
  [
    'a lock reached by a weak link first and by a strong one later',
    ['A CR c a', 'A B b a', 'B C c b', 'CR D d c', 'D A a d'],
    CIRCLE,
  ],
  ['of three links one is weak', ['A BR b a', 'BR C c b', 'C A a c'], []],
  ['of three links none is weak', ['A BR b a', 'B C c b', 'C A a c'], CIRCLE],
])('readers: %s', (_name, tasks, kinds) => {
  expect(run(...tasks)).toEqual(kinds);
});

test.each([
  ['owes no order itself', ['A B b a', 'B A? a b'], []],
  ['but others owe theirs to it', ['A? B b a', 'B A a b'], CIRCLE],
  ['what is below it keeps its order', ['A B? C c b a', 'C A a c'], CIRCLE],
  ['may be of a class already held', ['A A2? a2 a'], []],
])('a try-lock that gives up %s', (_name, tasks, kinds) => {
  expect(run(...tasks)).toEqual(kinds);
});

test('a circle is reported with both ways to it, each with its witness', () => {
  function* renamePath(): Op<void> {
    const [a, b] = [new Mutex(classOf('A')), new Mutex(classOf('B'))];
    if (!a.tryLock()) yield* a.lock();
    if (!b.tryLock()) yield* b.lock();
    b.unlock();
    a.unlock();
  }
  function* linkPath(): Op<void> {
    using _b = yield* new Mutex(classOf('B')).acquire();
    using _a = yield* new Mutex(classOf('A')).acquire();
  }
  const s = new Scheduler();
  s.runToEnd(renamePath(), 'rename');
  s.runToEnd(linkPath(), 'link');
  const [report] = lockdep.reports;
  expect(report!.classes).toEqual(['test.B', 'test.A']);
  expect(report!.text).toMatch(/now: test\.B, then test\.A:\s+by link, at\s+linkPath/);
  expect(report!.text).toMatch(/test\.A, then test\.B: first\s+by rename, at\s+renamePath/);
  expect(report!.text).toContain('lock(test.A)  <- blocked');
  expect(report!.text).toContain('*** DEADLOCK ***');
});

test('by default a report throws, before the lock is taken', () => {
  lockdep.throws = true;
  const m = new Mutex(classOf('A'));
  const other = new Mutex(classOf('A'));
  const op = function* (): Op<void> {
    using _a = yield* m.acquire();
    yield* other.lock();
  };
  expect(() => new Scheduler().runToEnd(op())).toThrow(/lockdep: recursive locking/);
  expect(m.locked).toBe(false);
  expect(other.locked).toBe(false);
});

test('the declared order covers what follows from it, and nothing else', () => {
  lockdep.declaredOnly = true;
  const top = lockClass('test.top');
  const middle = lockClass('test.middle', { after: ['test.top'] });
  const leaf = lockClass('test.leaf', { after: ['test.middle'] });
  const any = lockClass('test.any', { after: ['*'] });
  const take = (...order: LockClass[]): void => {
    const locks = order.map((cls) => new Mutex(cls));
    for (const l of locks) l.tryLock();
    for (const l of locks) l.unlock();
  };
  take(top, middle, leaf, any);
  take(top, leaf);
  expect(lockdep.reports).toEqual([]);
  take(leaf, middle);
  expect(lockdep.reports.map((r) => [r.kind, ...r.classes])).toEqual([
    ['circular order', 'test.leaf', 'test.middle'],
  ]);
  const stranger = lockClass('test.stranger');
  take(top, stranger);
  expect(lockdep.reports[1]!.classes).toEqual(['test.top', 'test.stranger']);
  expect(lockdep.reports[1]!.kind).toBe('undeclared edge');
  expect(lockdep.reports[1]!.text).toContain('(after: nothing)');
});

test('a declared order that goes in a circle, or a class of two meanings, is refused', () => {
  lockClass('test.hen', { after: ['test.egg'] });
  expect(() => lockClass('test.egg', { after: ['test.hen'] })).toThrow(/circular/);
  expect(() => lockClass('test.hen', { after: ['test.cock'] })).toThrow(/twice/);
  expect(lockClass('test.hen', { after: ['test.egg'] }).name).toBe('test.hen');
});

test('a name that no class has is listed', () => {
  lockClass('test.typo', { after: ['test.topp'] });
  expect(unknownNames()).toContain('test.topp');
});

test('locks of one class nest by their owners’ key, ascending', () => {
  const cls = lockClass('test.nested', { nest: 'ino' });
  const lock = (ino: number): Mutex => new Mutex(cls, { ino });
  const [five, seven] = [lock(5), lock(7)];
  five.tryLock();
  seven.tryLock();
  five.unlock();
  seven.unlock();
  expect(lockdep.reports).toEqual([]);
  seven.tryLock();
  five.tryLock();
  expect(lockdep.reports.map((r) => r.kind)).toEqual(['nesting order']);
  expect(lockdep.reports[0]!.text).toContain('with ino 5 is taken under 7');
});

test('subclasses tell parent from child, and keep an order of their own', () => {
  const cls = lockClass('test.dir');
  const take = (first: number, second: number): void => {
    const [a, b] = [new RwSemaphore(cls), new RwSemaphore(cls)];
    a.tryExclusive(first);
    b.tryExclusive(second);
    b.unlockExclusive();
    a.unlockExclusive();
  };
  take(1, 0);
  take(1, 2);
  expect(lockdep.reports).toEqual([]);
  take(0, 1);
  expect(lockdep.reports.map((r) => [r.kind, ...r.classes])).toEqual([
    ['circular order', 'test.dir', 'test.dir/1'],
  ]);
});

test('under a spin class nothing may sleep, be it a lock or a wait', () => {
  const spin = lockClass('test.spin', { spin: true });
  const [guard, inner] = [new Mutex(spin), new Mutex(lockClass('test.spin2', { spin: true }))];
  const sleeping = new Mutex(classOf('A'));
  guard.tryLock();
  inner.tryLock();
  inner.unlock();
  sleeping.tryLock(OR_GIVE_UP);
  sleeping.unlock();
  expect(lockdep.reports).toEqual([]);
  sleeping.tryLock();
  sleeping.unlock();
  lockdepMightSleep('reading a block');
  guard.unlock();
  lockdepMightSleep('reading a block');
  expect(lockdep.reports.map((r) => r.text.split('\n')[0])).toEqual([
    'test.A may sleep under test.spin',
    'reading a block may sleep under test.spin',
  ]);
});

test('user memory is not touched under a noUser class', () => {
  const folio = new Mutex(lockClass('test.folio', { noUser: true }));
  mightFault();
  folio.tryLock();
  mightFault();
  folio.unlock();
  mightFault();
  expect(lockdep.reports.map((r) => [r.kind, ...r.classes])).toEqual([
    ['user access', 'test.folio'],
  ]);
});

test('a lock that reclaim needs, held around an allocation that may reclaim, is a circle', () => {
  const [outer, inner] = [new Mutex(classOf('A')), new Mutex(classOf('B'))];
  const alloc = (lock: Mutex): Op<void> =>
    (function* (): Op<void> {
      lock.tryLock();
      mightReclaim();
      lock.unlock();
    })();
  const s = new Scheduler();
  enterReclaim();
  inner.tryLock();
  inner.unlock();
  leaveReclaim();
  s.runToEnd(alloc(outer));
  s.runToEnd(
    (function* (): Op<void> {
      currentTask().nofs++;
      yield* alloc(inner);
      currentTask().nofs--;
    })(),
  );
  expect(lockdep.reports).toEqual([]);
  s.runToEnd(alloc(inner));
  expect(lockdep.reports.map((r) => [r.kind, ...r.classes])).toEqual([
    ['circular order', 'test.B', 'fs_reclaim'],
  ]);
});

test('a lock that is handed over may be released by anybody, and binds its taker no longer', () => {
  const lock = {};
  const s = new Scheduler();
  s.runToEnd(
    (function* (): Op<void> {
      lockdepAcquire(classOf('A'), 0, EXCLUSIVE, lock);
      lockdepHandOver(lock);
      lockdepMightSleep('I/O');
    })(),
  );
  lockdepRelease(classOf('A'), lock);
  expect(lockdep.reports).toEqual([]);
  lockdepRelease(classOf('A'), lock);
  expect(lockdep.reports.map((r) => r.kind)).toEqual(['not held']);
});

test('a task that fails with a lock held keeps its own error, and the report is kept too', () => {
  lockdep.throws = true;
  const m = new Mutex(classOf('A'));
  const op = function* (): Op<void> {
    yield* m.lock();
    throw new Error('first');
  };
  expect(() => new Scheduler().runToEnd(op())).toThrow('first');
  expect(lockdep.reports.map((r) => r.kind)).toEqual(['held at the end']);
});

test('a lock released before a later one no longer counts as held', () => {
  lockdep.throws = true;
  const spin = new Mutex(lockClass('test.spin', { spin: true }));
  const later = new Mutex(classOf('A'));
  spin.tryLock();
  later.tryLock(OR_GIVE_UP);
  spin.unlock();
  lockdepMightSleep('x');
  later.unlock();
});

test('every order seen is exported with its first witness', () => {
  run('A B C c b a', 'A C c a');
  expect(lockOrder().edges).toHaveLength(3);
  expect(JSON.parse(JSON.stringify(lockOrder()))).toEqual(lockOrder());
  expect(lockEdges().map((e) => [e.from.name, e.to.name, e.first.task])).toEqual([
    ['test.A', 'test.B', 'task 0'],
    ['test.A', 'test.C', 'task 1'],
    ['test.B', 'test.C', 'task 0'],
  ]);
});
