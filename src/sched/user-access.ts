/**
 * The user's memory as the explorer sees it. A copy touches it and may find a page gone, since
 * whoever needs memory takes the user's pages as well; it never sleeps. Bringing pages in does, and
 * is a scheduling point. In production the host's memory is always there, and nothing of this is
 * left (CHECKED).
 */
import { mishap } from './mishap.ts';
import type { Op } from './op.ts';
import {
  announce,
  exploring,
  FAULT,
  SharedObject,
  stableKey,
  touch,
  USER_READ,
  USER_WRITE,
} from './point.ts';
import { type Announced, currentOrNull } from './task.ts';

/** Of the user's processor; whatever the size of a folio. */
const USER_PAGE = 4096;

class UserMemory extends SharedObject implements Announced {
  readonly name: string;
  constructor(name: string) {
    super(CHECKED ? stableKey(name) : undefined);
    this.name = name;
  }
  enabled(): boolean {
    return true;
  }
}

/** Buffers that several tasks use: copies of them are ordered with one another. */
const shared = new WeakMap<ArrayBufferLike, UserMemory>();

/** Two tasks are going to use this buffer. Any other is its task's own. */
export function shareUserMemory(buffer: Uint8Array, name: string): void {
  if (CHECKED) shared.set(buffer.buffer, new UserMemory(`user memory ${name}`));
}

/** How a copy uses the user's memory. */
export type UserAccess = typeof USER_READ | typeof USER_WRITE;

/**
 * Bytes of the user's memory from `offset` on that a copy finds there, at most `length`. Ends at
 * the page that is gone. @context Does not sleep; under any lock.
 */
export function userReach(
  user: Uint8Array,
  offset: number,
  length: number,
  access: UserAccess,
): number {
  if (!CHECKED || !exploring || length === 0) return length;
  const memory = shared.get(user.buffer);
  if (memory !== undefined) touch(access, memory);
  const start = user.byteOffset + offset;
  const first = Math.floor(start / USER_PAGE);
  const pages = Math.ceil((start + length) / USER_PAGE) - first;
  const gone = mishap('user page gone', pages + 1);
  return gone === 0 ? length : Math.max(0, (first + gone - 1) * USER_PAGE - start);
}

/** The task's own memory, known by the task. */
const own = new Map<string, UserMemory>();
function memoryOf(user: Uint8Array): UserMemory {
  const known = shared.get(user.buffer);
  if (known !== undefined) return known;
  const name = `user memory of ${currentOrNull()?.name ?? 'nobody'}`;
  let memory = own.get(name);
  if (memory === undefined) own.set(name, (memory = new UserMemory(name)));
  return memory;
}

/**
 * Bring the user's memory in. @returns false: it cannot be had
 * @context May sleep. Holds no lock of a class that says `noUser`.
 */
export function* userFault(user: Uint8Array): Op<boolean> {
  if (CHECKED && exploring) {
    yield announce(FAULT, memoryOf(user));
    return mishap('user page bad') === 0;
  }
  return true;
}

/** A store of the user's own into shared memory, as a task of a scenario makes it. */
export function* userStore(user: Uint8Array, offset: number, bytes: Uint8Array): Op<void> {
  if (CHECKED && exploring) yield announce(USER_WRITE, memoryOf(user));
  user.set(bytes, offset);
}
