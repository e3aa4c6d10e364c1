/** A workload with all its crash states, with a known mistake or without. */
import { errno } from '../../base/errno.ts';
import {
  type CrashOptions,
  type CrashTally,
  type CrashVisit,
  forEachCrashState,
} from '../../explore/crash-states.ts';
import { type CrashMistake, crashMistakes } from './mistakes.ts';
import { type CrashRun, type CrashWorkload, recordRun, visitOf } from './workload.ts';

export interface CrashVerdict {
  readonly run: CrashRun;
  readonly tally: CrashTally;
  /** It holds and was seen wholly; or the mistake was caught with its symptom. */
  readonly asExpected: boolean;
}

/** @throws EINVAL there is no such mistake */
export function mistakeNamed(name: string): CrashMistake {
  const mistake = Object.hasOwn(crashMistakes, name) ? crashMistakes[name] : undefined;
  if (mistake !== undefined) return mistake;
  throw errno('EINVAL', { mistake: name }, `there are: ${Object.keys(crashMistakes).join(', ')}`);
}

function within<T>(mistake: CrashMistake | null, during: CrashMistake['during'], body: () => T): T {
  if (mistake?.during !== during) return body();
  const undo = mistake.apply();
  try {
    return body();
  } finally {
    undo();
  }
}

/**
 * @param before  sees each image as the crash left it
 * @throws EINVAL `only` is no id of it; ENOMEM the recording is too long
 */
export function exploreCrashes(
  workload: CrashWorkload,
  options: CrashOptions,
  mistake: CrashMistake | null = null,
  before: CrashVisit = () => undefined,
): CrashVerdict {
  const run = within(mistake, 'recording', () => recordRun(workload));
  const visit = visitOf(run);
  const tally = within(mistake, 'recovery', () =>
    forEachCrashState(run.recording, depthFor(options, mistake), (image, at) => {
      before(image, at);
      visit(image, at);
    }),
  );
  const { failures, complete } = tally;
  const asExpected =
    mistake === null
      ? failures.length === 0 && (complete || options.only !== undefined)
      : failures.some((f) => mistake.symptom.test(f.symptom));
  return { run, tally, asExpected };
}

/** A mistake of the recovery shows only where a recovery is cut off. */
function depthFor(options: CrashOptions, mistake: CrashMistake | null): CrashOptions {
  if (mistake?.during !== 'recovery') return options;
  return { ...options, insideRecovery: Math.max(1, options.insideRecovery ?? 0) };
}
