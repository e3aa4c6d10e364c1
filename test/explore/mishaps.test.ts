/**
 * Goal: what may go wrong is tried, no more often than is allowed, and only where it is offered.
 */
import { beforeEach, expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { copyFromUser, faultInIovIter, IovIter } from '../../src/mm/iov-iter.ts';
import { lockClass } from '../../src/sched/lock-class.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';
import { mishap } from '../../src/sched/mishap.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import type { Op } from '../../src/sched/op.ts';
import { shareUserMemory, userStore } from '../../src/sched/user-access.ts';

beforeEach(resetLockdep);

/** Copy `length` bytes from a buffer that begins at `offset` of its first page. */
const copying = (seen: Set<string>, offset: number, length: number): Scenario<Uint8Array> => ({
  id: 'copying',
  title: 'a copy of three pages',
  setup: () => new Uint8Array(offset + length).fill(7).subarray(offset),
  mishaps: ['user page gone'],
  tasks: {
    *copy(user): Op<void> {
      const iter = IovIter.of(user);
      const to = new Uint8Array(length);
      const first = iter.copyFrom(to, 0, length);
      seen.add(`${first}`);
      yield* faultInIovIter(iter);
      yield* copyFromUser(iter, to.subarray(first));
      if (!to.every((b) => b === 7)) throw new Error('not copied');
    },
  },
});

test('a copy stops at each page that may be gone, and goes on from there', () => {
  const seen = new Set<string>();
  expect(explore(copying(seen, 100, 10_000)).verdict).toBe('holds');
  expect([...seen].sort()).toEqual(['0', '10000', '3996', '8092']);
});

test('where it is not offered nothing goes wrong', () => {
  const seen = new Set<string>();
  const { executions } = explore({ ...copying(seen, 100, 10_000), mishaps: [] });
  expect([executions, [...seen]]).toEqual([1, ['10000']]);
});

test('memory that the user does not have is EFAULT, after what was there', () => {
  const told: string[] = [];
  const scenario: Scenario<Uint8Array> = {
    ...copying(new Set(), 0, 8192),
    mishaps: ['user page gone', 'user page bad'],
    faults: 2,
    tasks: {
      *copy(user): Op<void> {
        const iter = IovIter.of(user);
        try {
          yield* copyFromUser(iter, new Uint8Array(8192));
        } catch (e) {
          told.push(`${(e as Error).message.split(':')[0]} ${iter.count}`);
        }
      },
    },
  };
  expect(explore(scenario).verdict).toBe('holds');
  expect([...new Set(told)].sort()).toEqual(['EFAULT 4096', 'EFAULT 8192']);
});

test('to bring a page in under a lock that forbids it is a failure, whoever is told first', () => {
  const LOCK = lockClass('mishaps.noUser', { noUser: true });
  const scenario: Scenario<Mutex> = {
    id: 'fault-under-lock',
    title: 'a fault under a lock',
    setup: () => new Mutex(LOCK),
    tasks: {
      *fault(lock): Op<void> {
        using _lock = yield* lock.acquire();
        yield* faultInIovIter(IovIter.of(new Uint8Array(10)));
      },
    },
  };
  const { failure } = explore(scenario);
  expect([failure?.kind, failure?.symptom]).toEqual([
    'lockdep',
    'lockdep: user access: mishaps.noUser',
  ]);
});

test('a store into memory that two tasks use is ordered with copies of it', () => {
  const seen = new Set<number>();
  const scenario: Scenario<Uint8Array> = {
    id: 'shared-user-memory',
    title: 'a copy beside a store',
    setup: () => {
      const user = new Uint8Array(8);
      shareUserMemory(user, 'buffer');
      return user;
    },
    tasks: {
      *copy(user): Op<void> {
        const to = new Uint8Array(8);
        yield* copyFromUser(IovIter.of(user), to);
        seen.add(to[0]!);
      },
      *store(user): Op<void> {
        yield* userStore(user, 0, new Uint8Array(8).fill(1));
      },
    },
  };
  expect(explore(scenario)).toMatchObject({ verdict: 'holds', executions: 2 });
  expect([...seen].sort()).toEqual([0, 1]);
});

test('a choice that was not offered is not counted as a fault', () => {
  let most = 0;
  const scenario: Scenario<null> = {
    id: 'offered',
    title: 'offered',
    setup: () => null,
    mishaps: ['no space'],
    tasks: {
      *a(): Op<void> {
        const fell = [mishap('no memory'), mishap('no space'), mishap('no space')];
        most = Math.max(most, fell[1]! + fell[2]!);
        if (fell[0] !== 0) throw new Error('not offered');
      },
    },
  };
  expect(explore(scenario)).toMatchObject({ verdict: 'holds', executions: 3 });
  expect(most).toBe(1);
});
