/**
 * What a search moves: a few tasks that can be started anew as often as one likes, one step at a
 * time. Model programs (program.ts) and tasks of the scheduler (task-system.ts) are such systems.
 *
 * A task is a number, the same in every execution; sets of tasks are bit masks, so that there may
 * be `MAX_TASKS` of them. A step is one announced operation and the code up to the next one. Its
 * footprint is `op`, the announced operation as it turned out, and `more`, what plain functions did
 * besides; the footprint is known only after the step.
 */
import type { Wait } from '../sched/op.ts';

export const MAX_TASKS = 31;
/** No operation is announced. */
export const NONE: Wait = -1;

/** Decides free choices of data. */
export interface Chooser {
  /** 0..below-1; `why` names the choice. 0 is the ordinary outcome. */
  pick(below: number, why: string): number;
}

/** Between two steps: who holds what, who waits for whom, and the values worth knowing. */
export interface Inspection {
  readonly held: readonly { readonly task: number; readonly what: string }[];
  /** `by`: the tasks that could end the wait, where that is known. */
  readonly waits: readonly {
    readonly task: number;
    readonly what: string;
    readonly by: readonly number[];
  }[];
  readonly values: Readonly<Record<string, string>>;
}

/** What was wrong with an execution. */
export interface Failure {
  readonly kind: 'violation' | 'deadlock' | 'livelock' | 'lockdep' | 'data race';
  /** One line: the symptom. */
  readonly symptom: string;
  /** Lines that say more: who waits for whom, a stack. */
  readonly detail?: string;
  /** Of a deadlock: the lock classes that take part, held or waited for. */
  readonly classes?: readonly string[];
  /** How many steps had been taken when it showed. */
  readonly depth: number;
}

export interface System {
  /** Back to the state after the set-up, with every task before its first operation. */
  start(chooser: Chooser): void;
  /** Tasks have the numbers 0..count-1; those that were not made yet are not live. */
  readonly count: number;
  /** Tasks that the last step made; after `start()`, those that are there. */
  readonly born: number;
  /**
   * Tasks in the order in which this execution met them, if that is not the order of their numbers.
   * Schedules name tasks by it: numbers depend on what was executed before.
   */
  readonly births?: readonly number[];
  /** Tasks that have not ended. */
  readonly live: number;
  /** Tasks that could move now. */
  enabled(): number;
  /** What `task` would do next, or NONE. */
  pending(task: number): Wait;
  /** What else that may touch, as far as is known. */
  mayTouch?(task: number): readonly Wait[] | null;
  /** What else step `i` of this execution may touch with these choices, as far as is known. */
  mayTouchWith?(i: number, step: Step): readonly Wait[] | null;
  step(task: number): void;
  /** The last step's footprint. */
  readonly op: Wait;
  readonly more: readonly Wait[] | null;
  /**
   * Is the announced operation all that a step does? Else what it touches may depend on what it
   * reads, and a search has to find out what that may be at most.
   */
  readonly exact?: boolean;
  /**
   * A name of the state: what all share, what each task knows, and who waits for what. From states
   * of the same name the same can happen. null: this state has no name.
   */
  fingerprint?(): string | null;
  /** What is wrong now, at the end of an execution. */
  judge(): Failure | null;
  /** What is wrong already, whatever else may come. */
  readonly wrong?: Failure | null;

  /** Of tasks that are alike the first steps come in one order only. */
  readonly symmetric?: boolean;

  /** Numbers of tasks and objects mean the same in every process, so that work can be shared. */
  readonly portable?: boolean;

  /** Names of the classes of the locks that a task holds; of the lock that it would take next. */
  holdsLocks?(task: number): readonly string[];
  wantsLock?(task: number): string | null;

  // For people.

  /** Names of the tasks. */
  readonly names: readonly string[];
  /** An operation in words: `lock(inode_lock)`. */
  describe(op: Wait): string;
  inspect(): Inspection;
}

/** The footprint of one step, to be kept. */
export interface Step {
  readonly task: number;
  readonly op: Wait;
  readonly more: readonly Wait[] | null;
  /** Outcomes of its free choices. */
  readonly choices: readonly number[] | null;
}
