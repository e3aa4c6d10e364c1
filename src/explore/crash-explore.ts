/**
 * Crash states of every execution of a scenario. Power may go at any step of it; but to treat that
 * as one more task would make it depend on every other step, and each schedule would be one of its
 * own. So crash states are enumerated of whole executions, once for each behaviour: that two
 * schedules of one behaviour have the same ones is seen to by what the recorded device tells the
 * explorer (crash-recorder.ts, CR-4).
 */
import { isolateLockdep } from '../sched/lockdep.ts';
import { setExploring, setWatching, takeFootprint } from '../sched/point.ts';
import { setCurrent } from '../sched/task.ts';
import type { CrashRecording } from './crash-recorder.ts';
import {
  type CrashOptions,
  CrashStates,
  type CrashTally,
  type CrashVisit,
} from './crash-states.ts';

export interface CrashExploration<S> extends CrashOptions {
  /** What was recorded of an execution: that of a recorder which `prepare` made. */
  readonly recorded: (state: S) => CrashRecording;
  readonly visit: CrashVisit;
}

/** What is wrong with the crash states of an execution. */
export interface CrashVerdict {
  readonly symptom: string;
  readonly detail: string;
}

/** Judges the crash states of executions, those that several have in common once. */
export class ExecutionCrashes<S> {
  private readonly how: CrashExploration<S>;
  private readonly states: CrashStates;

  constructor(how: CrashExploration<S>) {
    this.how = how;
    this.states = new CrashStates(how, how.visit);
  }

  /** All tasks have ended. @returns the first thing that is wrong; null: nothing */
  judge(state: S): CrashVerdict | null {
    const recording = this.how.recorded(state);
    // A judgement mounts and reads as production code does, and is no part of the execution.
    const before = setCurrent(null);
    const lockdep = isolateLockdep();
    setExploring(false);
    setWatching(false);
    try {
      const failure = this.states.add(recording);
      if (failure === null) return null;
      const { symptom, error, id, marks } = failure;
      const lines = [
        `crash state ${id}`,
        `before the crash: ${marks.join(', ') || 'nothing'}`,
        error instanceof Error ? (error.stack ?? '') : '',
      ];
      return { symptom: `after a crash: ${symptom}`, detail: lines.join('\n').trim() };
    } finally {
      setWatching(true);
      setExploring(true);
      lockdep();
      setCurrent(before);
      takeFootprint();
    }
  }

  tally(): CrashTally {
    return this.states.tally();
  }
}
