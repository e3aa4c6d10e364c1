/**
 * Lock classes: all locks of one kind, under one name, with their place in the order. The class is
 * declared beside the field it describes; lockdep holds every run of the tests against it.
 */
import { assert } from '../base/assert.ts';

/** How a lock is held. RECURSIVE: a reader that no waiting writer keeps out (RCU, for one). */
export const EXCLUSIVE = 0;
export const SHARED = 1;
export const RECURSIVE = 2;
export type LockMode = 0 | 1 | 2;
export const modeName = (mode: LockMode): string => ['exclusive', 'shared', 'recursive'][mode]!;

/**
 * In place of a subclass: this try-lock is not the fast half of a lock. The caller does without the
 * lock if it is taken, and therefore owes nobody an order. Linux: mutex_trylock() and its kin.
 */
export const OR_GIVE_UP = -1;
/** Subclasses of a class are 0..7, as on Linux. */
export const SUBCLASSES = 8;

export interface LockClass {
  readonly id: number;
  readonly name: string;
  /** May be taken while holding these, and what those may be taken under; '*': under anything. */
  readonly after: readonly string[];
  /** Field of the owner by which several of one class are taken, ascending; null: never several. */
  readonly nest: string | null;
  /** Nothing may sleep while one is held. */
  readonly spin: boolean;
  /** No user memory may be touched while one is held: a fault needs locks that come before. */
  readonly noUser: boolean;
  /** Stands for a wait, not for a lock: cycles are found, but its edges need no declaration. */
  readonly pseudo: boolean;
}

export interface LockClassOptions {
  readonly after?: readonly string[];
  readonly nest?: string;
  readonly spin?: boolean;
  readonly noUser?: boolean;
  readonly pseudo?: boolean;
}

/** A lock in somebody's hands; lockdep's record. */
export interface Held {
  readonly cls: LockClass;
  readonly subclass: number;
  readonly mode: LockMode;
  /** Taken with OR_GIVE_UP. */
  readonly trying: boolean;
  /** The lock itself. */
  readonly instance: object;
  /** lockdep's: the classes held up to this one. */
  chain: unknown;
}

/** Every class, by name. */
export const lockClasses = new Map<string, LockClass>();

/** What may be held before each class: its `after` names and theirs. Made when asked for. */
const outerOf = new Map<string, Set<string>>();

/**
 * Declare a class. A second declaration of a name must be the same and gives the first.
 * @throws AssertionError two meanings of a name, or a declared order that goes in a circle
 */
export function lockClass(name: string, options: LockClassOptions = {}): LockClass {
  const { after = [], nest = null, spin = false, noUser = false, pseudo = false } = options;
  const known = lockClasses.get(name);
  if (known !== undefined) {
    const same =
      known.after.join() === after.join() &&
      known.nest === nest &&
      known.spin === spin &&
      known.noUser === noUser &&
      known.pseudo === pseudo;
    assert(same, `lock class ${name} is declared twice, differently`);
    return known;
  }
  const cls = { id: lockClasses.size, name, after, nest, spin, noUser, pseudo };
  lockClasses.set(name, cls);
  if (CHECKED) {
    outerOf.clear();
    assert(!outerNames(name).has(name), `the declared order of lock class ${name} is circular`);
  }
  return cls;
}

/** All names that the declarations put before `name`. */
export function outerNames(name: string): ReadonlySet<string> {
  const known = outerOf.get(name);
  if (known !== undefined) return known;
  const all = new Set<string>();
  const todo = [...(lockClasses.get(name)?.after ?? [])];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (all.has(next)) continue;
    all.add(next);
    todo.push(...(lockClasses.get(next)?.after ?? []));
  }
  outerOf.set(name, all);
  return all;
}

/** Do the declarations allow `inner` while `outer` is held? */
export function isDeclared(outer: LockClass, inner: LockClass): boolean {
  if (outer === inner || outer.pseudo || inner.pseudo) return true;
  const names = outerNames(inner.name);
  return names.has(outer.name) || names.has('*');
}

/** Names in an `after` that no class has: a spelling mistake, or a room that is not loaded. */
export function unknownNames(): string[] {
  const missing = new Set<string>();
  for (const cls of lockClasses.values()) {
    for (const name of cls.after) if (name !== '*' && !lockClasses.has(name)) missing.add(name);
  }
  return [...missing].sort();
}
