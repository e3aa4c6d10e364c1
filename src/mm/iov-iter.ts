/**
 * The user's side of a transfer: byte ranges that are filled or drained in order.
 *
 * A copy returns how far it came and never sleeps. Where it stops short, a page of the user was not
 * there: the caller drops its locks, faults a window in and goes on (design note 0005). Memory of
 * the host is always there; the explorer takes pages of it away (sched/user-access.ts).
 * @source lib/iov_iter.c
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { mightFault } from '../sched/lockdep.ts';
import type { Op } from '../sched/op.ts';
import { exploring, USER_READ, USER_WRITE } from '../sched/point.ts';
import { type UserAccess, userFault, userReach } from '../sched/user-access.ts';

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
  /** The last copy came to a page of the user that was not there. */
  declare stopped?: boolean;

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
    let want = Math.min(length, this.count);
    if (CHECKED && exploring) want = this.reach(want, USER_WRITE);
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
    let want = Math.min(length, this.count);
    if (CHECKED && exploring) want = this.reach(want, USER_READ);
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
    let want = Math.min(length, this.count);
    if (CHECKED && exploring) want = this.reach(want, USER_WRITE);
    for (let done = 0; done < want;) {
      const user = this.segments[this.segment]!;
      const n = Math.min(want - done, user.length - this.offset);
      user.fill(0, this.offset, this.offset + n);
      done += n;
      this.advance(user, n);
    }
    return want;
  }

  /** Of `length` bytes to be copied, those before the first page that is gone. */
  private reach(length: number, access: UserAccess): number {
    let { segment, offset } = this;
    for (let done = 0; done < length; segment++, offset = 0) {
      const user = this.segments[segment]!;
      const n = Math.min(length - done, user.length - offset);
      const there = userReach(user, offset, n, access);
      done += there;
      if (there < n) {
        this.stopped = true;
        return done;
      }
    }
    return length;
  }

  /** The user's memory at this place, for who brings it in. */
  get here(): Uint8Array {
    const user = this.segments[this.segment];
    assert(user !== undefined, 'nothing is left to be transferred');
    return user;
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

/**
 * Bring in what the next copy needs, after one that stopped short.
 * @throws EFAULT the user has no such memory
 * @context May sleep. Nothing that a fault could need is held: lock classes say `noUser`.
 * @source mm/gup.c:fault_in_readable(), fault_in_writeable()
 */
export function* faultInIovIter(iter: IovIter): Op<void> {
  mightFault();
  iter.stopped = false;
  if (iter.count > 0 && !(yield* userFault(iter.here))) throw errno('EFAULT');
}

/** Copy `to.length` bytes in, whatever pages must be brought in for it. @throws EFAULT */
export function* copyFromUser(iter: IovIter, to: Uint8Array): Op<void> {
  for (let done = 0; ;) {
    done += iter.copyFrom(to, done, to.length - done);
    if (done === to.length) return;
    yield* faultInIovIter(iter);
  }
}
