/**
 * Compile-time constant: true in tests and in the checked build (lockdep, scheduling points,
 * tracepoints, `verify()`), false in production, where the bundler removes what it guards.
 */
declare const CHECKED: boolean;
