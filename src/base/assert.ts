/**
 * Programmer errors. A failed assert is a defect of FolioFS, never the disk's or the user's fault:
 * those are `errno()` and `corrupted()`.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** One fact each, always on. */
export function assert(fact: boolean, what = 'assertion failed'): asserts fact {
  if (!fact) throw new AssertionError(what);
}

/** An expensive fact: looked at in checked builds only, and compiled out of production ones. */
export function verify(fact: () => boolean, what = 'verification failed'): void {
  if (CHECKED && !fact()) throw new AssertionError(what);
}

/** A branch that no input may reach. */
export function unreachable(what = 'unreachable'): never {
  throw new AssertionError(what);
}
