/**
 * The explorer's hook: what a step of a task does to shared objects.
 *
 * Every operation that may sleep announces itself first: `yield announce(LOCK, this)`, and the code
 * behind the yield performs it once the explorer lets it. Plain functions cannot yield; what they
 * do is added to the footprint of the running step. In production builds all of it vanishes
 * (CHECKED); in checked builds it costs one test of `exploring`.
 *
 * An operation is a small integer, `kind | objectId << KIND_BITS`. Two operations depend on each
 * other if the object is the same and not both are read-like. An object's id comes from who made it and the
 * how-many-th of that task it was, so that it is the same in every execution.
 */
import { type Announced, currentOrNull, currentTask, type Task } from './task.ts';
import type { Wait } from './op.ts';

export const READ = 0;
export const WRITE = 1;
export const LOCK = 2;
export const UNLOCK = 3;
export const RDLOCK = 4;
export const RDUNLOCK = 5;
/** A try that took the lock; announced (model programs do that), one whose outcome is open. */
export const TRYLOCK = 6;
/** A writer queues: from now on new readers wait. */
export const WQUEUE = 7;
/** Look at a condition and, if it does not hold, stand on the wait list. */
export const PREP = 8;
/** Go on after a wake. */
export const SCHED = 9;
export const WAKE = 10;
/** A free choice of data, on an object of its own. */
export const CHOOSE = 11;
/** First step of a task. */
export const START = 12;
export const DEV_WRITE = 13;
export const DEV_FLUSH = 14;
export const DOWNGRADE = 15;
/** A try that found the lock taken. */
export const TRYFAIL = 16;
/** A try that took the lock shared. */
export const TRYRDLOCK = 17;
/** Plain accesses: no scheduling points, and a data race where nothing orders two of them. */
export const GET = 18;
export const SET = 19;
/** Copies from and to memory of the user, and bringing a page of it in. */
export const USER_READ = 20;
export const USER_WRITE = 21;
export const FAULT = 22;

// prettier-ignore
export const kindNames = [
  'read', 'write', 'lock', 'unlock', 'rdlock', 'rdunlock', 'trylock', 'wrqueue', 'prep', 'sched',
  'wake', 'choose', 'start', 'dev-write', 'dev-flush', 'downgrade', 'trylock-failed',
  'tryrdlock', 'get', 'set', 'user-read', 'user-write', 'fault-in',
] as const;

export const KIND_BITS = 5;
const KIND_MASK = (1 << KIND_BITS) - 1;
const READ_LIKE = [READ, RDLOCK, RDUNLOCK, TRYRDLOCK, DEV_WRITE, GET, USER_READ].reduce(
  (m, k) => m | (1 << k),
  0,
);
export const operation = (kind: number, object: number): Wait => kind | (object << KIND_BITS);
export const kindOf = (op: Wait): number => op & KIND_MASK;
export const objectOf = (op: Wait): number => op >>> KIND_BITS;
export const isReadLike = (kind: number): boolean => ((READ_LIKE >>> kind) & 1) !== 0;
export const dependent = (a: Wait, b: Wait): boolean =>
  objectOf(a) === objectOf(b) && !(isReadLike(kindOf(a)) && isReadLike(kindOf(b)));

/** Is the explorer in charge? */
export let exploring = false;
export function setExploring(on: boolean): void {
  exploring = on;
}

/**
 * Is something being prepared for the explorer, or explored? What is made meanwhile is watched
 * (watch.ts), and is known by what it belongs to; anything else is spared the cost.
 */
export let watching = false;
export function setWatching(on: boolean): void {
  watching = on;
}

const KEYS_PER_MAKER = 2 ** 20;
/** Small ids, given at first sight and kept as long as the process lives. */
const ids = new Map<number, number>();
let madeOutside = 0;

/** Who has an id, for people. */
const named: { readonly name: string }[] = [];

/** The small number of an object in operations: the same in every execution. */
export const idOf = (on: { readonly name: string; readonly objectKey: number }): number => {
  let id = ids.get(on.objectKey);
  if (id === undefined) ids.set(on.objectKey, (id = ids.size + 1));
  named[id] = on; // Another program has other objects under the same keys.
  return id;
};
/** The object of an operation, as it was when it was last seen. */
export const objectNamed = (id: number): { readonly name: string } | undefined => named[id];
const makerId = (task: Task): number => (task.stableId ||= idOf(task));

/**
 * Identity for a new object: (its maker, how many that one has made). What was made before the
 * exploration began belongs to the set-up, which is one maker.
 */
export function newObjectKey(): number {
  const maker = exploring ? currentOrNull() : null;
  if (maker === null) return ++madeOutside;
  return makerId(maker) * KEYS_PER_MAKER + ++maker.made;
}
/** How many objects were made outside of tasks. */
export const objectsMadeOutside = (): number => madeOutside;
/**
 * An execution begins anew: outside of tasks, counting starts again after the first `made` objects,
 * which are still there.
 */
export function restartObjectKeys(made = 0): void {
  madeOutside = made;
}

/** `yield announce(LOCK, this)`: the running task is about to do this. */
export function announce(kind: number, on: Announced): Wait {
  const task = currentTask();
  task.pendingOn = on;
  return (task.pending = operation(kind, idOf(on)));
}

/** What the task does next. A task that has announced nothing begins, or goes on by itself. */
export const nextOf = (task: Task): Wait =>
  task.pendingOn === null ? operation(START, makerId(task)) : task.pending;

/** Could the task take its next step without sleeping? */
export const isEnabled = (task: Task): boolean =>
  task.pendingOn === null || task.pendingOn.enabled(kindOf(task.pending), task);

let footprint: Wait[] = [];
/** A plain function does this now, within the running step. */
export function touch(kind: number, on: Announced): void {
  footprint.push(operation(kind, idOf(on)));
}
/** What plain functions did since the last call. */
export function takeFootprint(): Wait[] {
  const taken = footprint;
  footprint = [];
  return taken;
}

const stable = new Map<string, number>();
/**
 * Identity for an object that whoever needs it first makes (a wait queue, the mapping of an inode):
 * from what it belongs to, never from its maker. With one id in one schedule and another in the
 * next, two steps on it would pass for independent.
 */
export function stableKey(name: string, ...of: readonly number[]): number {
  const text = `${name} ${of.join(' ')}`;
  let key = stable.get(text);
  if (key === undefined) stable.set(text, (key = -1 - stable.size));
  return key;
}

/** Base of everything with an identity. The field exists in checked builds only. */
export abstract class SharedObject {
  declare readonly objectKey: number;
  constructor(key?: number) {
    if (CHECKED) this.objectKey = key ?? newObjectKey();
  }
}
/** A lock that belongs to an inode is known by its number. */
export function keyOfOwned(name: string, of: object | null): number | undefined {
  const ino = watching ? (of as { readonly ino?: unknown } | null)?.ino : undefined;
  return typeof ino === 'number' ? stableKey(name, ino) : undefined;
}

/**
 * A free choice of data (does this allocation fail? how short is this read?): 0..below-1 as the
 * strategy says, and 0 in production.
 */
export function choose(below: number, why: string): number {
  return CHECKED ? (currentOrNull()?.runner.choose(below, why) ?? 0) : 0;
}
