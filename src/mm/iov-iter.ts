/**
 * The user's side of a transfer: byte ranges that are filled or drained in order.
 *
 * A copy returns how far it came and never sleeps. Today every segment is plain memory and every
 * copy is whole; a segment that is itself a mapping may fault, and then the copy stops short, the
 * caller drops its locks, faults the window in and goes on (design decision 5).
 * @source lib/iov_iter.c
 */
import { assert } from '../base/assert.ts';

/**
 * Copy between arrays that may be views of shared memory. The host may put a faster one in
 * (`platform/node`): `set(subarray)` from shared memory is slow on some engines.
 */
export type CopyBytes = (
  to: Uint8Array,
  toOffset: number,
  from: Uint8Array,
  fromOffset: number,
  length: number,
) => void;

let copyBytesImpl: CopyBytes = (to, toOffset, from, fromOffset, length) => {
  // A whole folio, as most copies are, needs no view made for it.
  const whole = length === from.length;
  to.set(whole ? from : from.subarray(fromOffset, fromOffset + length), toOffset);
};

export const setCopyBytes = (copy: CopyBytes): void => {
  copyBytesImpl = copy;
};

export class IovIter {
  private readonly segments: readonly Uint8Array[];
  private segment = 0;
  private offset = 0;
  /** Bytes left. */
  count: number;

  constructor(segments: readonly Uint8Array[]) {
    this.segments = segments;
    let count = 0;
    for (const s of segments) count += s.length;
    this.count = count;
  }

  static of(buffer: Uint8Array): IovIter {
    return new IovIter([buffer]);
  }

  /** Copy out to the user: `length` bytes of `from` at `offset`. Returns bytes copied. */
  copyTo(from: Uint8Array, offset: number, length: number): number {
    const want = Math.min(length, this.count);
    for (let done = 0; done < want;) {
      const user = this.segments[this.segment]!;
      const n = Math.min(want - done, user.length - this.offset);
      if (n > 0) copyBytesImpl(user, this.offset, from, offset + done, n);
      done += n;
      this.advance(user, n);
    }
    return want;
  }

  /** Copy in from the user into `to` at `offset`. Returns bytes copied. */
  copyFrom(to: Uint8Array, offset: number, length: number): number {
    const want = Math.min(length, this.count);
    for (let done = 0; done < want;) {
      const user = this.segments[this.segment]!;
      const n = Math.min(want - done, user.length - this.offset);
      if (n > 0) copyBytesImpl(to, offset + done, user, this.offset, n);
      done += n;
      this.advance(user, n);
    }
    return want;
  }

  private advance(user: Uint8Array, n: number): void {
    this.count -= n;
    this.offset += n;
    if (this.offset === user.length) {
      this.segment++;
      this.offset = 0;
    }
  }

  /** Zero the user's next bytes (holes). */
  zero(length: number): number {
    const want = Math.min(length, this.count);
    for (let done = 0; done < want;) {
      const user = this.segments[this.segment]!;
      const n = Math.min(want - done, user.length - this.offset);
      user.fill(0, this.offset, this.offset + n);
      done += n;
      this.advance(user, n);
    }
    return want;
  }

  /** Transfer at most `length` bytes from here on. */
  truncate(length: number): void {
    this.count = Math.min(this.count, length);
  }

  /** Give back the last `length` bytes, to be transferred again. */
  revert(length: number): void {
    this.count += length;
    for (let left = length; left > 0;) {
      if (this.offset === 0) {
        const before = this.segments[--this.segment];
        assert(before !== undefined, 'reverting past the start');
        this.offset = before.length;
      }
      const n = Math.min(left, this.offset);
      this.offset -= n;
      left -= n;
    }
  }
}
