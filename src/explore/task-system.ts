/**
 * Tasks of the scheduler as a system: the code that runs in production, one turn a step. A turn
 * goes from one announced operation to the next (sched/point.ts); what plain functions touch on
 * the way is the rest of its footprint.
 *
 * A task's number is its rank in the order in which identities were first seen, over all
 * executions: the same task has the same number whichever schedule made it.
 */
import { assert } from '../base/assert.ts';
import type { Held } from '../sched/lock-class.ts';
import { lockdep, restartLockdep } from '../sched/lockdep.ts';
import { offerMishaps } from '../sched/mishap.ts';
import type { LockReport } from '../sched/lockdep-report.ts';
import type { Wait } from '../sched/op.ts';
import {
  idOf,
  isEnabled,
  isReadLike,
  kindNames,
  kindOf,
  LOCK,
  nextOf,
  objectNamed,
  objectOf,
  objectsMadeOutside,
  operation,
  RDLOCK,
  READ,
  restartObjectKeys,
  setExploring,
  setWatching,
  SharedObject,
  START,
  takeFootprint,
  touch,
  WQUEUE,
  WRITE,
} from '../sched/point.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { setCurrent, type Task } from '../sched/task.ts';
import { blockers, classesIn, describeWaits, stuckForGood, waitCycle } from '../sched/wait-for.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import type { ExecutionCrashes } from './crash-explore.ts';
import { type Access, DataRaces } from './data-races.ts';
import type { Scenario, Variant } from './scenario.ts';
import { Snapshot } from './snapshot.ts';
import {
  type Chooser,
  type Failure,
  type Inspection,
  MAX_TASKS,
  NONE,
  type System,
} from './system.ts';
import { footprintsClash } from './trace.ts';

/** What `always` looks at, where that is not known: everything. */
class Everything extends SharedObject {
  readonly name = 'all that must always hold';
  enabled(): boolean {
    return true;
  }
}

const canMove = (task: Task): boolean => task.state === 'runnable' && isEnabled(task);

/** Does it sleep on a queue that somebody woke when nobody slept there? */
const missedWake = ({ state, pendingOn }: Task): boolean =>
  state === 'sleeping' && pendingOn instanceof WaitQueue && pendingOn.wokenInVain === true;

/** lockdep has seen something that is wrong by itself, whatever becomes of it. */
const lockFailure = ({ kind, classes, text }: LockReport, depth: number): Failure => ({
  kind: 'lockdep',
  symptom: `lockdep: ${kind}: ${classes.join(', ')}`,
  detail: text,
  depth,
});

/** Operations that may have to wait for whoever holds the lock. */
const LOCKING: ReadonlySet<number> = new Set([LOCK, RDLOCK, WQUEUE]);

const firstOf = { pick: (): number => 0 };

export class TaskSystem<S, P = unknown> implements System {
  readonly scenario: Scenario<S, P>;
  readonly scheduler: Scheduler;
  private readonly variant: Variant<P> | null;
  private undo: (() => void) | void = undefined;
  op: Wait = NONE;
  more: readonly Wait[] | null = null;
  born = 0;
  state!: S;
  depth = 0;
  private chooser: Chooser = firstOf;
  private prepared!: P;
  private snapshot: Snapshot | null = null;
  private madeBefore = 0;
  /** By number; null: not in this execution. */
  private tasks: (Task | null)[] = [];
  births: number[] = [];
  private readonly numbers = new Map<number, number>();
  private failure: Failure | null = null;
  private readonly races: DataRaces | null;
  private readonly crashes: ExecutionCrashes<S> | null;
  private everything!: Everything;
  /** What `always` read last. */
  private watched: Wait[] = [];

  constructor(
    scenario: Scenario<S, P>,
    variant: Variant<P> | null = null,
    options: { readonly dataRaces?: boolean; readonly crashes?: ExecutionCrashes<S> | null } = {},
  ) {
    this.scenario = scenario;
    this.variant = variant;
    this.crashes = options.crashes ?? null;
    this.races = options.dataRaces === false ? null : new DataRaces();
    this.scheduler = new Scheduler({
      strategy: {
        nextTask: (runnable) => runnable[0]!,
        nextU64: (below, why) => this.chooser.pick(below, why),
      },
    });
    this.scheduler.onSpawn = (task) => {
      this.meet(task);
    };
    this.scheduler.unhandled = (error, where) => {
      this.fail(error, where);
    };
  }

  get count(): number {
    return this.tasks.length;
  }

  start(chooser: Chooser): void {
    setExploring(false);
    setWatching(true);
    this.chooser = firstOf;
    this.tasks = this.tasks.map(() => null);
    this.failure = null;
    this.depth = 0;
    this.races?.begin();
    if (this.snapshot === null) this.prepare();
    else {
      this.snapshot.restore();
      restartObjectKeys(this.madeBefore);
    }
    restartLockdep();
    this.births = [];
    this.state = this.scenario.setup(this.prepared, this.scheduler);
    this.everything = new Everything();
    for (const [name, task] of Object.entries(this.scenario.tasks)) {
      this.scheduler.spawn(name, task(this.state));
    }
    this.born = 0;
    this.chooser = chooser;
    takeFootprint();
    offerMishaps(this.scenario);
    setExploring(true);
    if (this.scenario.always !== undefined) this.watch(this.scenario.always, true);
  }

  private prepare(): void {
    restartObjectKeys();
    this.prepared = this.scenario.prepare?.(this.scheduler) as P;
    this.undo = this.variant?.apply(this.prepared);
    this.scheduler.pump();
    assert(this.scheduler.live.size === 0, 'a set-up leaves no task behind');
    this.madeBefore = objectsMadeOutside();
    this.snapshot = new Snapshot([this.prepared, this.scheduler]);
  }

  /** End an exploration: what is left is as the set-up made it. */
  stop(): void {
    setExploring(false);
    setWatching(false);
    offerMishaps();
    takeFootprint();
    this.snapshot?.restore();
    this.undo?.();
    this.undo = undefined;
  }

  private meet(task: Task): void {
    let number = this.numbers.get(task.objectKey);
    if (number === undefined) this.numbers.set(task.objectKey, (number = this.numbers.size));
    assert(number < MAX_TASKS, `at most ${MAX_TASKS} tasks can be explored`);
    while (this.tasks.length <= number) this.tasks.push(null);
    this.tasks[number] = task;
    this.born |= 1 << number;
    this.births.push(number);
    task.onDone((t) => {
      if (t.failed) this.fail(t.error, t.name);
    });
  }

  private fail(error: unknown, where: string): void {
    const what = error instanceof Error ? error.message : String(error);
    const symptom = `${where}: ${what}`;
    const detail = error instanceof Error ? error.stack : undefined;
    this.failure ??= {
      kind: 'violation',
      symptom: symptom.split('\n')[0]!,
      ...(detail === undefined ? {} : { detail }),
      depth: this.depth,
    };
  }

  get live(): number {
    let mask = 0;
    for (let t = 0; t < this.tasks.length; t++) if (this.isLive(t)) mask |= 1 << t;
    return mask;
  }
  private isLive(t: number): boolean {
    const task = this.tasks[t]!;
    return task !== null && task.state !== 'done';
  }

  enabled(): number {
    let mask = 0;
    for (let t = 0; t < this.tasks.length; t++) {
      const task = this.tasks[t];
      if (task !== undefined && task !== null && canMove(task)) mask |= 1 << t;
    }
    return mask;
  }

  pending(t: number): Wait {
    const task = this.tasks[t];
    return task === null || task === undefined ? NONE : nextOf(task);
  }

  holdsLocks(t: number): readonly string[] {
    return this.tasks[t]?.held.map(({ cls }) => cls.name) ?? [];
  }
  wantsLock(t: number): string | null {
    const task = this.tasks[t];
    if (task === null || task === undefined || task.pendingOn === null) return null;
    return LOCKING.has(kindOf(task.pending)) ? task.pendingOn.name : null;
  }

  step(t: number): void {
    const task = this.tasks[t]!;
    this.op = nextOf(task);
    this.born = 0;
    this.depth++;
    this.scheduler.stepTask(task);
    this.more = this.footprint(t);
    if (lockdep.wrong !== null) this.failure ??= lockFailure(lockdep.wrong, this.depth);
    if (this.failure === null && task.state !== 'done' && !canMove(task)) this.lookForCircle();
    if (this.scenario.always !== undefined) this.watch(this.scenario.always, false);
  }

  private footprint(t: number): Wait[] | null {
    const touched = takeFootprint();
    this.races?.step(t, this.op, touched, this.born);
    if (touched.length === 0) return null;
    return touched.length === 1 ? touched : [...new Set(touched)];
  }

  /** See whether what must always hold does; what it looks at is part of the step. */
  private watch(always: (state: S) => void, first: boolean): void {
    const total = !first && this.watched.length === 0;
    if (!first && !total && !this.changedWatched()) return;
    const before = setCurrent(null);
    try {
      always(this.state);
    } catch (error) {
      this.fail(error, 'always');
    } finally {
      setCurrent(before);
    }
    const reads = [...new Set(takeFootprint())].map((x) => operation(READ, objectOf(x)));
    this.watched = reads;
    if (total) {
      touch(WRITE, this.everything);
      this.more = [...(this.more ?? []), ...takeFootprint()];
    } else if (!first) this.more = [...(this.more ?? []), ...reads];
  }
  private changedWatched(): boolean {
    const writes = [this.op, ...(this.more ?? [])].filter((x) => !isReadLike(kindOf(x)));
    return writes.some((w) => footprintsClash(w, null, this.watched[0]!, this.watched));
  }

  judge(): Failure | null {
    if (this.failure !== null) return this.failure;
    const stuck = [...this.scheduler.live];
    if (stuck.length > 0) return this.deadlock(stuck);
    const crash = this.crashes?.judge(this.state) ?? null;
    if (crash !== null) return (this.failure = { kind: 'violation', ...crash, depth: this.depth });
    setExploring(false);
    try {
      const check = this.scenario.finally?.(this.state);
      if (check !== undefined) this.scheduler.runToEnd(check, 'finally');
      else this.scheduler.pump();
    } catch (error) {
      this.fail(error, 'finally');
    } finally {
      setExploring(true);
      takeFootprint();
    }
    return (this.failure ??= this.dataRace());
  }

  private dataRace(): Failure | null {
    const race = this.races?.find() ?? null;
    if (race === null) return null;
    const { first, second } = race;
    const who = ({ task, op }: Access): string =>
      `${kindNames[kindOf(op)]!} by ${this.names[task]!}`;
    const x = this.label(objectOf(second.op));
    const line = (a: Access): string =>
      `step ${a.step + 1}: ${this.names[a.task]!}, ${this.describe(a.op)}`;
    return {
      kind: 'data race',
      symptom: `data race on ${x}: ${who(first)}, ${who(second)}`,
      detail: `${line(first)}\n${line(second)}\nno lock, wake or marked access orders the two`,
      depth: second.step + 1,
    };
  }

  get wrong(): Failure | null {
    return this.failure;
  }

  /** A task has just been blocked: that may have closed a circle, though others still run. */
  private lookForCircle(): void {
    const stuck = stuckForGood([...this.scheduler.live].filter((task) => !canMove(task)));
    if (stuck.length > 0) this.failure = this.deadlock(stuck);
  }

  private deadlock(stuck: readonly Task[]): Failure {
    const circle = waitCycle(stuck);
    const missed = circle === null ? stuck.filter(missedWake) : [];
    const symptom = [
      `${stuck.map((t) => t.name).join(' and ')} wait for ever`,
      ...missed.map((t) => `${t.name} sleeps on ${t.pendingOn!.name}, which was woken before`),
    ].join('; ');
    const classes = classesIn(circle ?? stuck);
    return { kind: 'deadlock', symptom, detail: describeWaits(stuck), classes, depth: this.depth };
  }

  // For people.

  get names(): readonly string[] {
    return this.tasks.map((task, t) => task?.name ?? `task ${t}`);
  }

  describe(op: Wait): string {
    if (kindOf(op) === START) return 'begin';
    return `${kindNames[kindOf(op)]!}(${this.label(objectOf(op))})`;
  }

  private readonly labels = new Map<number, string>();
  private readonly alike = new Map<string, number>();
  /** The name, and a number behind it from the second object of that name and kind on. */
  private label(id: number): string {
    const known = this.labels.get(id);
    if (known !== undefined) return known;
    const on = objectNamed(id) as { name: string; of?: { ino?: unknown } | null } | undefined;
    const ino = on?.of?.ino;
    const name = `${on?.name ?? `#${id}`}${typeof ino === 'number' ? ` of ${ino}` : ''}`;
    const alike = `${on?.constructor.name ?? ''} ${name}`;
    const n = (this.alike.get(alike) ?? 0) + 1;
    this.alike.set(alike, n);
    const label = n === 1 ? name : `${name} (${n})`;
    this.labels.set(id, label);
    return label;
  }

  /** The lock itself where it has a name of its own: two of a class are told apart. */
  private heldLabel({ cls, instance }: Held): string {
    if (!(instance instanceof SharedObject) || !('name' in instance)) return cls.name;
    return this.label(idOf(instance as SharedObject & { readonly name: string }));
  }

  inspect(): Inspection {
    const held: { task: number; what: string }[] = [];
    const waits: { task: number; what: string; by: number[] }[] = [];
    this.tasks.forEach((task, t) => {
      if (task === null || task.state === 'done') return;
      for (const h of task.held) held.push({ task: t, what: this.heldLabel(h) });
      if (canMove(task)) return;
      const by = blockers(task).map((b) => this.tasks.indexOf(b));
      waits.push({ task: t, what: this.describe(nextOf(task)), by: by.filter((b) => b >= 0) });
    });
    const values = Object.entries(this.scenario.values?.(this.state) ?? {});
    takeFootprint(); // Looking is no part of the next step.
    return { held, waits, values: Object.fromEntries(values.map(([k, v]) => [k, String(v)])) };
  }
}
