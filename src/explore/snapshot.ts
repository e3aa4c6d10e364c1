/**
 * The state of a set-up, to go back to before every execution: all objects that can be reached from
 * the roots, with the values of their properties, the entries of Maps and Sets, and the bytes of
 * buffers. Going back writes only what differs; objects made since then are simply let go.
 *
 * What it cannot see must not change: variables that closures have captured, `#private` fields,
 * entries of WeakMaps, properties that are added and not enumerable, and suspended generators, of
 * which the set-up must leave none.
 */
import { assert } from '../base/assert.ts';

type Fields = Record<PropertyKey, unknown>;
/** An object and its own properties that hold values. */
interface Saved {
  readonly on: Fields;
  readonly keys: readonly PropertyKey[];
  readonly values: readonly unknown[];
  /** All own properties, those with getters included. */
  readonly all: ReadonlySet<PropertyKey>;
  /** How many of them are enumerable strings, and symbols. */
  readonly strings: number;
  readonly symbols: number;
}
interface SavedMap {
  readonly on: Map<unknown, unknown>;
  readonly entries: readonly (readonly [unknown, unknown])[];
}
interface SavedSet {
  readonly on: Set<unknown>;
  readonly entries: readonly unknown[];
}
interface SavedArray {
  readonly on: unknown[];
  readonly entries: readonly unknown[];
}
interface SavedBytes {
  readonly on: Uint8Array;
  readonly bytes: Uint8Array;
}

export class Snapshot {
  private readonly objects: Saved[] = [];
  private readonly arrays: SavedArray[] = [];
  private readonly maps: SavedMap[] = [];
  private readonly sets: SavedSet[] = [];
  private readonly bytes: SavedBytes[] = [];

  /** @param roots  the state, and whatever else refers to what changes */
  constructor(roots: readonly unknown[]) {
    const seen = new Set<object>();
    const todo: object[] = [];
    const meet = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      todo.push(value);
    };
    for (const root of roots) meet(root);
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) this.save(next, meet);
  }

  /** How many objects are looked at each time. */
  get size(): number {
    return this.objects.length + this.arrays.length + this.maps.length + this.sets.length;
  }

  private save(on: object, meet: (value: unknown) => void): void {
    if (ArrayBuffer.isView(on)) meet(on.buffer);
    else if (isBuffer(on)) {
      const view = new Uint8Array(on);
      this.bytes.push({ on: view, bytes: view.slice() });
    } else if (on instanceof WeakMap || on instanceof WeakSet) return;
    else if (Array.isArray(on)) {
      const entries: unknown[] = on.slice();
      if (!Object.isFrozen(on)) this.arrays.push({ on, entries });
      for (const value of entries) meet(value);
    } else {
      assert(!isGenerator(on), 'a set-up leaves no operation half done');
      this.saveEntries(on, meet);
      this.saveFields(on as Fields, meet);
    }
  }

  private saveEntries(on: object, meet: (value: unknown) => void): void {
    if (on instanceof Map) {
      const entries = [...(on as Map<unknown, unknown>)];
      this.maps.push({ on, entries });
      for (const [key, value] of entries) {
        meet(key);
        meet(value);
      }
    } else if (on instanceof Set) {
      const entries = [...(on as Set<unknown>)];
      this.sets.push({ on, entries });
      for (const value of entries) meet(value);
    }
  }

  private saveFields(on: Fields, meet: (value: unknown) => void): void {
    const all = Object.getOwnPropertyDescriptors(on);
    const keys = Reflect.ownKeys(all).filter((k) => 'value' in all[k as string]!);
    const values = keys.map((k) => on[k]);
    for (const value of values) meet(value);
    const fixed = Object.isFrozen(on) || (keys.length === 0 && !Object.isExtensible(on));
    if (fixed) return;
    const strings = Object.keys(on).length;
    const symbols = Object.getOwnPropertySymbols(on).length;
    this.objects.push({ on, keys, values, all: new Set(Reflect.ownKeys(all)), strings, symbols });
  }

  restore(): void {
    for (const saved of this.objects) restoreFields(saved);
    for (const { on, entries } of this.arrays) restoreArray(on, entries);
    for (const { on, entries } of this.maps) restoreMap(on, entries);
    for (const { on, entries } of this.sets) restoreSet(on, entries);
    for (const { on, bytes } of this.bytes) on.set(bytes);
  }
}

const tagOf = (on: object): string => Object.prototype.toString.call(on);
/** Shared or not: rooms of this rank do not name the shared kind. */
const isBuffer = (on: object): on is ArrayBuffer => /ArrayBuffer]$/.test(tagOf(on));
const isGenerator = (on: object): boolean => tagOf(on) === '[object Generator]';

function restoreFields(saved: Saved): void {
  const { on, keys, values, all } = saved;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (on[key] !== values[i]) on[key] = values[i];
  }
  // What was added since goes. To ask for all keys at once costs three times as much as for these.
  const strings = Object.keys(on).length;
  if (strings > saved.strings || Object.getOwnPropertySymbols(on).length > saved.symbols) {
    for (const key of Reflect.ownKeys(on)) if (!all.has(key)) Reflect.deleteProperty(on, key);
  }
}

function restoreArray(on: unknown[], entries: readonly unknown[]): void {
  if (on.length !== entries.length) on.length = entries.length;
  for (let i = 0; i < entries.length; i++) if (on[i] !== entries[i]) on[i] = entries[i];
}

function restoreMap(
  on: Map<unknown, unknown>,
  entries: readonly (readonly [unknown, unknown])[],
): void {
  let i = 0;
  let same = on.size === entries.length;
  if (same) {
    for (const [key, value] of on) {
      const was = entries[i++]!;
      if (was[0] === key && was[1] === value) continue;
      same = false;
      break;
    }
  }
  if (same) return;
  on.clear(); // The order of a Map is state too.
  for (const [key, value] of entries) on.set(key, value);
}

function restoreSet(on: Set<unknown>, entries: readonly unknown[]): void {
  let i = 0;
  let same = on.size === entries.length;
  if (same) for (const value of on) if (value !== entries[i++]) same = false;
  if (same) return;
  on.clear();
  for (const value of entries) on.add(value);
}
