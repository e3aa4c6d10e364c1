/**
 * Plain fields that tasks use without a lock of their own: in checked builds each use of them is a
 * mark in the footprint of the running step, so that the explorer knows what depends on what. In
 * production they stay plain fields.
 */
import { exploring, READ, SharedObject, stableKey, touch, WRITE } from './point.ts';
import type { Announced } from './task.ts';

/** Something that is looked at and changed, known by a name and what it belongs to. */
export class Watched extends SharedObject implements Announced {
  readonly name: string;
  constructor(name: string, ...of: readonly number[]) {
    super(CHECKED ? stableKey(name, ...of) : undefined);
    this.name = of.length === 0 ? name : `${name} of ${of.join('.')}`;
  }
  read(): void {
    if (CHECKED && exploring) touch(READ, this);
  }
  wrote(): void {
    if (CHECKED && exploring) touch(WRITE, this);
  }
  enabled(): boolean {
    return true;
  }
}

/** Where the values are: a snapshot must find them. */
const VALUES: unique symbol = Symbol('watched fields');
interface WithValues {
  [VALUES]?: Record<string, unknown>;
}

/**
 * Watch these fields of `target`, which have their first values.
 * @param of  what it belongs to: `watchFields(this, 'inode', ['size'], this.ino)`
 */
export function watchFields(
  target: object,
  name: string,
  fields: readonly string[],
  ...of: readonly number[]
): void {
  if (CHECKED) {
    const owner: WithValues = target;
    const values = (owner[VALUES] ??= {});
    for (const field of fields) {
      const watched = new Watched(`${name}.${field}`, ...of);
      values[field] = (target as Record<string, unknown>)[field];
      Object.defineProperty(target, field, {
        enumerable: true,
        configurable: true,
        get: () => {
          watched.read();
          return values[field];
        },
        set: (value: unknown) => {
          watched.wrote();
          values[field] = value;
        },
      });
    }
  }
}

/**
 * A Set of things that have numbers, in checked builds: whether one is in it is ordered with its
 * coming and going, a walk with that of any. Comings and goings of two are not ordered.
 */
export class WatchedSet<T extends { readonly ino: number }> extends Set<T> {
  declare private readonly of: string;
  /** The kinds are turned round: changes commute with each other, walks do not. */
  declare private readonly all: Watched;

  constructor(of: string) {
    super();
    this.of = of;
    this.all = new Watched(of);
  }
  private one(value: T): Watched {
    return new Watched(this.of, value.ino);
  }
  override has(value: T): boolean {
    if (exploring) this.one(value).read();
    return super.has(value);
  }
  override add(value: T): this {
    if (exploring) {
      this.one(value).wrote();
      this.all.read();
    }
    return super.add(value);
  }
  override delete(value: T): boolean {
    if (exploring) {
      this.one(value).wrote();
      this.all.read();
    }
    return super.delete(value);
  }
  override [Symbol.iterator](): SetIterator<T> {
    if (exploring) this.all.wrote();
    return super[Symbol.iterator]();
  }
}

/** The same for a Map with numbers or names as keys. */
export class WatchedMap<K extends number | string, V> extends Map<K, V> {
  declare private readonly of: string;
  declare private readonly all: Watched;

  constructor(of: string) {
    super();
    this.of = of;
    this.all = new Watched(of);
  }
  private one(key: K): Watched {
    return new Watched(`${this.of} ${key}`);
  }
  override get(key: K): V | undefined {
    if (exploring) this.one(key).read();
    return super.get(key);
  }
  override has(key: K): boolean {
    if (exploring) this.one(key).read();
    return super.has(key);
  }
  override set(key: K, value: V): this {
    if (exploring) {
      this.one(key).wrote();
      this.all.read();
    }
    return super.set(key, value);
  }
  override delete(key: K): boolean {
    if (exploring) {
      this.one(key).wrote();
      this.all.read();
    }
    return super.delete(key);
  }
  override values(): MapIterator<V> {
    if (exploring) this.all.wrote();
    return super.values();
  }
}
