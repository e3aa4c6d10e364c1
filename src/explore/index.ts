/** `foliofs/explore`: the explorer, for FolioFS and for other people's code. */
export { Dfs } from './dfs.ts';
export { Dpor, type DporMode, type DporOptions } from './dpor.ts';
export * as model from './program.ts';
export { type Program, ProgramSystem, type Steps } from './program.ts';
export { Guided, runGuided } from './guided.ts';
export { type Ending, runOnce } from './run.ts';
export { Division, type Job } from './division.ts';
export { type Counts, Part, type Path, type Report } from './part.ts';
export { ABANDON, type Search } from './search.ts';
export type { Chooser, Failure, Inspection, Step, System } from './system.ts';
export {
  AsyncCell,
  AsyncMutex,
  type AsyncScenario,
  AsyncSystem,
  type TaskContext,
} from './async.ts';
export { type AsyncExploreOptions, exploreAsync } from './explore-async.ts';
export { explore, type ExploreOptions, exploreSystem, type Verdict } from './explore.ts';
export type { Scenario, Variant } from './scenario.ts';
export { type Move, parseSchedule, type Schedule, scheduleText } from './schedule.ts';
export { TaskSystem } from './task-system.ts';
export { type DataRace, DataRaces } from './data-races.ts';
export { type Outcome, type Target } from './targets.ts';
export { diagram, type Line, linesOf, symptomOf } from './diagram.ts';
export { Follow, type Stray } from './follow.ts';
export { htmlPage, type PageFacts } from './html.ts';
export {
  type Blocked,
  type Change,
  record,
  type RecordedStep,
  type Recording,
  type RecordOptions,
} from './record.ts';
export { parseSeed, type Seed } from './seed.ts';
export { replay, show, type Shown, type ShowOptions } from './show.ts';
export { shrink, type Shrunk, type ShrinkOptions } from './shrink.ts';
export { expectedSymptom, variantOf, withSystem, type WithOptions } from './with-system.ts';
export { Snapshot } from './snapshot.ts';
export { Cell } from '../sched/cell.ts';
export { Completion } from '../sched/completion.ts';
export { lockClass, OR_GIVE_UP } from '../sched/lock-class.ts';
export { Mutex } from '../sched/mutex.ts';
export type { Op } from '../sched/op.ts';
export { choose } from '../sched/point.ts';
export { RwSemaphore } from '../sched/rw-semaphore.ts';
export { WaitQueue } from '../sched/wait-queue.ts';
export { ExploredDevice, type ExploredDeviceOptions } from './device.ts';
export { Bounded, type BoundedOptions } from './bounded.ts';
export { type Difference, findDifference } from './determinism.ts';
export type { Model } from './models/model.ts';
export { thread000 } from './models/thread000.ts';
export { thread001 } from './models/thread001.ts';
export { thread002 } from './models/thread002.ts';
export { thread003 } from './models/thread003.ts';
export { thread004 } from './models/thread004.ts';
export { Pct } from './pct.ts';
export { Portfolio, soak } from './portfolio.ts';
export { RandomWalk } from './random-walk.ts';
export { StateHash } from './state-hash.ts';
export {
  CrashRecorder,
  type CrashMark,
  type CrashRecorderOptions,
  type CrashRecording,
} from './crash-recorder.ts';
export {
  type CrashFailure,
  type CrashOptions,
  type CrashPoint,
  CrashStates,
  type CrashTally,
  type CrashVisit,
  forEachCrashState,
} from './crash-states.ts';
export { type CrashExploration } from './crash-explore.ts';
export { SmallLog, type SmallLogDefect, type SmallLogShape } from './models/small-log.ts';
