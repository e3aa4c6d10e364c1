/**
 * Ids of transactions: 32 bits that wrap, so that "later" means less than half the circle ahead.
 * @source include/linux/jbd2.h: tid_gt(), tid_geq()
 */
import { type Tid, tid } from '../base/units.ts';

export const tidAfter = (t: Tid, by = 1): Tid => tid((t + by) >>> 0);

/** Is `a` later than `b`? */
export const tidGt = (a: Tid, b: Tid): boolean => ((a - b) | 0) > 0;

export const tidGeq = (a: Tid, b: Tid): boolean => ((a - b) | 0) >= 0;
