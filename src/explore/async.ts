/**
 * Other people's async code under the explorer. Tasks are async functions; what they share is an
 * `AsyncCell` or an `AsyncMutex`, or whatever they have with `t.read(name)`, `t.write(name)` and
 * `t.step(label)` beside it. Each of these is a point: the task stops there until it is moved, and
 * the code from there to the next point is one step.
 *
 * Between two steps every task stands at a point, so that nothing is in the microtask queue but
 * what the moved task puts there. It is therefore known who runs, without handing a context around;
 * a task that awaits something else (a timer, real I/O) never comes to its next point, and that is
 * an error. Outside of an exploration all of it works as its name says, without points.
 */
import { errno } from '../base/errno.ts';
import type { Wait } from '../sched/op.ts';
import {
  kindNames,
  kindOf,
  LOCK,
  objectOf,
  operation,
  READ,
  START,
  UNLOCK,
  WRITE,
} from '../sched/point.ts';
import {
  type Chooser,
  type Failure,
  type Inspection,
  MAX_TASKS,
  NONE,
  type System,
} from './system.ts';

/** What a task is given beside the state. */
export interface TaskContext {
  readonly name: string;
  /** A point. All steps begun here are tried in every order, for what they share is not known. */
  step(label: string): Promise<void>;
  /** A point before `name` is looked at: independent of other looks. */
  read(name: string): Promise<void>;
  /** A point before `name` is changed. */
  write(name: string): Promise<void>;
  /** A free choice, 0..below-1; each is tried. 0 is the ordinary outcome. */
  choose(below: number, why: string): number;
}

export interface AsyncScenario<S> {
  readonly id?: string;
  readonly title?: string;
  /** Made anew for each execution; makes all that the tasks share. */
  readonly setup: () => S;
  readonly tasks: Readonly<Record<string, (state: S, t: TaskContext) => Promise<unknown>>>;
  /** Holds when all tasks have ended; throws if not. */
  readonly finally?: (state: S) => void | Promise<void>;
  /** Values worth seeing beside a schedule. */
  readonly values?: (state: S) => Readonly<Record<string, string | number | boolean>>;
  /** At most so many choices other than the ordinary; 1. */
  readonly faults?: number;
}

/** Who runs now: a task, or (null) the set-up and the final check. */
interface Now {
  readonly execution: Execution;
  readonly task: AsyncTask | null;
}
let now: Now | null = null;

/** Something with an identity; made in a set-up or by a task. */
class Shared {
  readonly name: string;
  readonly id: number;
  private readonly home: Execution | null;

  constructor(name: string, id?: number) {
    this.name = name;
    this.home = now?.execution ?? null;
    this.id = id ?? this.home?.newId(now?.task ?? null, name) ?? 0;
    this.home?.all.push(this);
  }

  /** The running task stops here, if one does. @throws EINVAL made for another execution */
  protected async point(kind: number): Promise<void> {
    if (now?.task) await now.task.stop(operation(kind, this.mine(now.execution)), this);
  }
  /** Part of the running step, without a stop. */
  protected touch(kind: number): void {
    if (now?.task) now.execution.touched.push(operation(kind, this.mine(now.execution)));
  }
  private mine(execution: Execution): number {
    if (this.home === execution) return this.id;
    throw errno('EINVAL', { object: this.name }, 'made outside of the set-up, and shared');
  }
  /** Could a task go on behind its point? */
  get free(): boolean {
    return true;
  }
  get holder(): AsyncTask | null {
    return null;
  }
}

/** A shared variable. `read()` and `write()` are points, `get()` and `set()` are not. */
export class AsyncCell<T> extends Shared {
  private value: T;
  constructor(name: string, value: T) {
    super(name);
    this.value = value;
  }
  /** @throws EINVAL made outside of the set-up @context Stops the task. */
  async read(): Promise<T> {
    await this.point(READ);
    return this.value;
  }
  /** @throws EINVAL made outside of the set-up @context Stops the task. */
  async write(value: T): Promise<void> {
    await this.point(WRITE);
    this.value = value;
  }
  get(): T {
    this.touch(READ);
    return this.value;
  }
  set(value: T): void {
    this.touch(WRITE);
    this.value = value;
  }
}

/** One owner at a time; whoever comes first takes it. */
export class AsyncMutex extends Shared {
  private taken = false;
  private owner: AsyncTask | null = null;
  /** Outside of explorations. */
  private readonly line: (() => void)[] = [];

  get locked(): boolean {
    return this.taken;
  }
  /** @throws EINVAL made outside of the set-up @context Stops the task. */
  async acquire(): Promise<void> {
    await this.point(LOCK);
    while (this.taken) await new Promise<void>((resolve) => this.line.push(resolve));
    this.taken = true;
    this.owner = now?.task ?? null;
  }
  /** @throws EINVAL it is not held @context Does not stop the task. */
  release(): void {
    this.touch(UNLOCK);
    if (!this.taken) throw errno('EINVAL', { lock: this.name }, 'released, and not held');
    this.taken = false;
    this.owner = null;
    this.line.shift()?.();
  }
  /** `body` while it is held. @throws what `body` throws @context Stops the task. */
  async run<T>(body: () => T | Promise<T>): Promise<T> {
    await this.acquire();
    try {
      return await body();
    } finally {
      this.release();
    }
  }
  override get free(): boolean {
    return !this.taken;
  }
  override get holder(): AsyncTask | null {
    return this.owner;
  }
}

/** What is known by a name only. */
class Named extends Shared {
  async at(kind: number): Promise<void> {
    await this.point(kind);
  }
  mark(): void {
    this.touch(WRITE);
  }
}

class AsyncTask {
  readonly number: number;
  readonly name: string;
  state: 'stopped' | 'running' | 'done' = 'stopped';
  pending: Wait;
  on: Shared | null = null;
  /** Goes on behind the point; null: begins. */
  resume: (() => void) | null = null;

  constructor(number: number, name: string, start: Wait) {
    this.number = number;
    this.name = name;
    this.pending = start;
  }
  get enabled(): boolean {
    return this.state === 'stopped' && (this.on?.free ?? true);
  }
  stop(op: Wait, on: Shared): Promise<void> {
    if (this.state !== 'running') {
      const what = 'comes to two points at once: what runs side by side must be several tasks';
      throw errno('EINVAL', { task: this.name, point: on.name }, what);
    }
    this.state = 'stopped';
    this.pending = op;
    this.on = on;
    return new Promise((resolve) => (this.resume = resolve));
  }
}

/** Identities are (maker, how many that one has made), the same in every execution. */
class Execution {
  readonly touched: Wait[] = [];
  readonly named = new Map<string, Named>();
  readonly all: Shared[] = [];
  private readonly made = new Map<number, number>();
  private readonly ids: Ids;
  constructor(ids: Ids) {
    this.ids = ids;
  }
  newId(maker: AsyncTask | null, name: string): number {
    const number = maker?.number ?? -1;
    const n = (this.made.get(number) ?? 0) + 1;
    this.made.set(number, n);
    return this.ids.of(`${number}/${n}`, name);
  }
  thing(name: string): Named {
    let thing = this.named.get(name);
    if (thing === undefined) {
      this.named.set(name, (thing = new Named(name, this.ids.of(`named ${name}`, name))));
    }
    return thing;
  }
}
class Ids {
  readonly names: string[] = [];
  private readonly known = new Map<string, number>();
  of(key: string, name: string): number {
    let id = this.known.get(key);
    if (id === undefined) this.known.set(key, (id = this.known.size + 1));
    this.names[id] = name;
    return id;
  }
}

/** Turns of the microtask queue within which a moved task must come to its next point. */
const MAX_TICKS = 10_000;
const EVERYTHING = 'everything';

/** Async tasks as a system: after `start()` and `step()`, `settled()` must be awaited. */
export class AsyncSystem<S> implements System {
  op: Wait = NONE;
  more: readonly Wait[] | null = null;
  readonly born = 0;
  private readonly scenario: AsyncScenario<S>;
  private readonly ids = new Ids();
  private execution = new Execution(this.ids);
  private chooser: Chooser = { pick: () => 0 };
  private state!: S;
  private tasks: AsyncTask[] = [];
  private moving: AsyncTask | null = null;
  private failure: Failure | null = null;
  private depth = 0;

  constructor(scenario: AsyncScenario<S>) {
    const count = Object.keys(scenario.tasks).length;
    if (count > MAX_TASKS)
      throw errno('EINVAL', { tasks: count, most: MAX_TASKS }, 'too many tasks');
    this.scenario = scenario;
  }

  get count(): number {
    return this.tasks.length;
  }
  get names(): readonly string[] {
    return Object.keys(this.scenario.tasks);
  }
  get live(): number {
    return this.maskOf((task) => task.state !== 'done');
  }
  enabled(): number {
    return this.maskOf((task) => task.enabled);
  }
  private maskOf(which: (task: AsyncTask) => boolean): number {
    return this.tasks.reduce((mask, task, t) => (which(task) ? mask | (1 << t) : mask), 0);
  }
  pending(task: number): Wait {
    return this.tasks[task]!.state === 'done' ? NONE : this.tasks[task]!.pending;
  }

  start(chooser: Chooser): void {
    this.chooser = chooser;
    this.failure = null;
    this.depth = 0;
    this.execution = new Execution(this.ids);
    this.tasks = this.names.map((name, t) => {
      return new AsyncTask(t, name, operation(START, this.ids.of(`task ${t}`, name)));
    });
    now = { execution: this.execution, task: null };
    try {
      this.state = this.scenario.setup();
    } finally {
      now = null;
    }
  }

  step(t: number): void {
    const task = this.tasks[t]!;
    this.op = task.pending;
    this.depth++;
    this.moving = task;
    this.execution.touched.length = 0;
    now = { execution: this.execution, task };
    task.state = 'running';
    const { resume } = task;
    if (resume === null) void this.run(task);
    else resume();
  }

  private async run(task: AsyncTask): Promise<void> {
    try {
      await this.scenario.tasks[task.name]!(this.state, this.contextOf(task));
    } catch (error) {
      this.fail(error, task.name);
    }
    task.state = 'done';
  }

  private contextOf(task: AsyncTask): TaskContext {
    const { execution } = this;
    return {
      name: task.name,
      step: async (label) => {
        await execution.thing(label).at(WRITE);
        execution.thing(EVERYTHING).mark();
      },
      read: (name) => execution.thing(name).at(READ),
      write: (name) => execution.thing(name).at(WRITE),
      choose: (below, why) => this.chooser.pick(below, why),
    };
  }

  /**
   * The moved task has come to its next point, or to its end.
   * @throws EINVAL it awaits something that no exploration can bring about
   */
  async settled(): Promise<void> {
    const task = this.moving;
    if (task === null) return;
    for (let tick = 0; task.state === 'running'; tick++) {
      if (tick === MAX_TICKS) {
        now = null;
        const facts = { task: task.name, after: this.describe(this.op) };
        throw errno('EINVAL', facts, 'awaits a timer, real I/O or another stranger: not a point');
      }
      await Promise.resolve();
    }
    now = null;
    this.moving = null;
    const { touched } = this.execution;
    this.more = touched.length === 0 ? null : [...new Set(touched)];
  }

  private fail(error: unknown, where: string): void {
    const what = error instanceof Error ? error.message : String(error);
    const detail = error instanceof Error ? error.stack : undefined;
    this.failure ??= {
      kind: 'violation',
      symptom: `${where}: ${what}`.split('\n')[0]!,
      ...(detail === undefined ? {} : { detail }),
      depth: this.depth,
    };
  }

  get wrong(): Failure | null {
    return this.failure;
  }
  /** What is wrong, the final check aside: `finish()` makes that. */
  judge(): Failure | null {
    const stuck = this.tasks.filter((task) => task.state !== 'done');
    if (this.failure !== null || stuck.length === 0) return this.failure;
    const lines = stuck.map(({ name, on }) => {
      const holder = on?.holder;
      return `${name} waits for ${on?.name ?? '?'}${holder ? `, held by ${holder.name}` : ''}`;
    });
    const symptom = `${stuck.map((task) => task.name).join(' and ')} wait for ever`;
    return { kind: 'deadlock', symptom, detail: lines.join('\n'), depth: this.depth };
  }

  /** judge(), and what must hold when all have ended. */
  async finish(): Promise<Failure | null> {
    const wrong = this.judge();
    if (wrong !== null) return wrong;
    now = { execution: this.execution, task: null };
    try {
      await this.scenario.finally?.(this.state);
    } catch (error) {
      this.fail(error, 'finally');
    } finally {
      now = null;
    }
    return this.failure;
  }

  describe(op: Wait): string {
    if (kindOf(op) === START) return 'begin';
    return `${kindNames[kindOf(op)]!}(${this.ids.names[objectOf(op)] ?? '?'})`;
  }

  inspect(): Inspection {
    const held = this.execution.all.flatMap(({ holder, name }) =>
      holder === null ? [] : [{ task: holder.number, what: name }],
    );
    const waits: { task: number; what: string; by: number[] }[] = [];
    for (const task of this.tasks) {
      if (task.state === 'done' || task.enabled) continue;
      const holder = task.on?.holder ?? null;
      const by = holder === null ? [] : [holder.number];
      waits.push({ task: task.number, what: this.describe(task.pending), by });
    }
    const values = Object.entries(this.scenario.values?.(this.state) ?? {});
    return { held, waits, values: Object.fromEntries(values.map(([k, v]) => [k, String(v)])) };
  }
}
