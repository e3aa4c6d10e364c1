/**
 * Operations: everything that may sleep is a generator which yields only where Linux would sleep.
 *
 * `yield*` an Op, return it, or spawn it: one that is dropped runs nothing and says nothing. Only
 * this room holds a bare `yield`; what it hands to the driver is a `Wait`.
 */

/**
 * SLEEP: the task stands on a wait list and somebody will wake it. From 0 on: an operation that is
 * announced to the explorer before it is done (point.ts); production never sees one.
 */
export type Wait = number;
export const SLEEP: Wait = -1;

export type Op<T> = Generator<Wait, T, void>;
