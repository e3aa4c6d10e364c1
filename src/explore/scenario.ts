/**
 * What is to be explored: a set-up, some tasks, and what must hold.
 *
 *     const twice: Scenario<Cell<number>> = {
 *       id: 'lost-update',
 *       title: 'two increments',
 *       setup: () => new Cell('x', 0),
 *       tasks: { a: increment, b: increment },
 *       finally: (x) => assert(x.get() === 2, `x is ${x.get()}`),
 *     };
 */
import type { Mishaps } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import type { Scheduler } from '../sched/scheduler.ts';

/** A mistake, put in the place of the right code. */
export interface Variant<P = unknown> {
  readonly title: string;
  /** What it must be caught with: matches the symptom. */
  readonly symptom: RegExp;
  /**
   * Called once, after `prepare`: puts another function into an ops table, of what was prepared or
   * of a room. @returns how to take it out of the latter again
   */
  readonly apply: (prepared: P) => (() => void) | void;
}

/** With `mishaps` and `fastPathsShort`: what is offered to go wrong (sched/mishap.ts). */
export interface Scenario<S = unknown, P = unknown> extends Mishaps {
  readonly id: string;
  /** The fact that holds. */
  readonly title: string;
  /** Mailing-list thread whose question it answers. */
  readonly thread?: string;
  /**
   * What is dear and never changes from execution to execution: a mounted image, say. Made once;
   * all that can be reached from it is put back as it was before each execution (snapshot.ts).
   */
  readonly prepare?: (scheduler: Scheduler) => P;
  /** Made anew for each execution. */
  readonly setup: (prepared: P, scheduler: Scheduler) => S;
  readonly tasks: Readonly<Record<string, (state: S) => Op<unknown>>>;
  /**
   * Holds between any two steps; throws if not. What it reads through Cells and other announced
   * objects becomes part of the steps that change it, so that no order is missed; if it reads
   * nothing of that kind, every order of every two steps is tried.
   */
  readonly always?: (state: S) => void;
  /** Holds when all tasks have ended; throws if not. An Op runs to its end. */
  readonly finally?: (state: S) => Op<unknown> | void;
  /** Values worth seeing beside a schedule. */
  readonly values?: (state: S) => Readonly<Record<string, string | number | boolean>>;
  /**
   * A canary: wrong on purpose, to show that the explorer finds what it should. The symptom must
   * match.
   */
  readonly mustFail?: RegExp;
  /** At most so many free choices (errors, short copies) other than the ordinary; 1. */
  readonly faults?: number;
  readonly variants?: Readonly<Record<string, Variant<P>>>;
}
