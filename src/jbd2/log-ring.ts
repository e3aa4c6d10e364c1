/**
 * The log as a ring of blocks: where the next one goes, and how many are free.
 *
 *     first ... tail ======== in use ======== head ... last
 *
 * `tail` is what the journal's super block names, so nothing behind it is given back before that is
 * on the medium.
 */
import { assert } from '../base/assert.ts';

export class LogRing {
  /** Blocks of the journal from which, and before which, the log lies. */
  readonly first: number;
  readonly last: number;
  head: number;
  tail: number;
  free: number;

  constructor(first: number, last: number, head = first) {
    this.first = first;
    this.last = last;
    this.head = head >= first && head < last ? head : first;
    this.tail = this.head;
    this.free = last - first;
  }

  /** The next block of the journal to be written. */
  take(): number {
    assert(this.free > 0, 'the log is full');
    const at = this.head;
    this.head = at + 1 === this.last ? this.first : at + 1;
    this.free--;
    return at;
  }

  /** Everything before `to` is given back. @returns how many blocks that are */
  advance(to: number): number {
    const size = this.last - this.first;
    // A full ring and an empty one look alike: what lies behind `to` says which it is.
    const freed = to === this.head ? size - this.free : (to - this.tail + size) % size;
    this.tail = to;
    this.free += freed;
    assert(this.free <= size, 'the log has more free blocks than blocks');
    return freed;
  }
}
