/**
 * A marked shared variable: one that several tasks use without a lock, on purpose. Linux marks such
 * uses with READ_ONCE() and WRITE_ONCE(). `*read()` and `*write()` are scheduling points, so that
 * the explorer interleaves there; `get()` and `set()` only leave their mark in the footprint.
 */
import type { Op } from './op.ts';
import { announce, exploring, GET, READ, SET, SharedObject, touch, WRITE } from './point.ts';
import type { Announced } from './task.ts';

export class Cell<T> extends SharedObject implements Announced {
  readonly name: string;
  private value: T;

  constructor(name: string, value: T) {
    super();
    this.name = name;
    this.value = value;
  }

  get(): T {
    if (CHECKED && exploring) touch(GET, this);
    return this.value;
  }
  set(value: T): void {
    if (CHECKED && exploring) touch(SET, this);
    this.value = value;
  }

  *read(): Op<T> {
    if (CHECKED && exploring) yield announce(READ, this);
    return this.value;
  }
  *write(value: T): Op<void> {
    if (CHECKED && exploring) yield announce(WRITE, this);
    this.value = value;
  }

  enabled(): boolean {
    return true;
  }
}
