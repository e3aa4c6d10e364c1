/**
 * Every image that a crash may leave of a recording, each judged: recovered, checked, and held
 * against what was promised by then.
 *
 *   lazy    a block that may hold several things is a branch when the judgement reads it first, and
 *           the judgement is run again for each; images that it cannot tell apart are one.
 *   eager   every combination, one image each: for small recordings, to prove that the former
 *           misses nothing.
 *
 *     const tally = forEachCrashState(recorder.recording(), { mode: 'lazy' }, (image, at) => {
 *       recover(image);
 *       if (at.marks.some((m) => m.label === 'fsync returned')) assert(holds(image), 'lost');
 *     });
 *
 * A judgement must do the same whenever it reads the same and sees the same marks; that is checked
 * as far as it shows.
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import type { BlockDriver } from '../block/block-device.ts';
import { BASE, CrashContents } from './crash-contents.ts';
import { CrashImage } from './crash-image.ts';
import { CrashMedium, type CrashMoment, type CrashOption } from './crash-medium.ts';
import { ImageHash, ImageSet } from './crash-hash.ts';
import { OnceJudged } from './crash-once.ts';
import { type CrashMark, CrashRecorder, type CrashRecording } from './crash-recorder.ts';
import {
  type Answer,
  type Asked,
  Branch,
  CrashTree,
  Judgement,
  MARKS,
  type Thrown,
} from './crash-tree.ts';

export interface CrashOptions {
  readonly mode: 'lazy' | 'eager';
  /** Also with one metadata block of which some sectors are new and others old. */
  readonly torn?: boolean;
  /** Crashes in the middle of a judgement's own writes, so many deep; 0. */
  readonly insideRecovery?: number;
  /** Most judgements, or images if eager, those that came up before too; 1,000,000. */
  readonly limit?: number;
  /** The id of the one state to be judged. */
  readonly only?: string;
}

/** What a block held, and which version that is. */
export interface CrashChoice {
  readonly block: number;
  readonly option: string;
}

/** When the crash came, and what it left. */
export interface CrashPoint {
  /** Events of the recording before the crash. */
  readonly event: number;
  /** The marks among them. */
  readonly marks: readonly CrashMark[];
  /** How many recoveries had been begun and cut off before. */
  readonly depth: number;
  /** One line that makes this state again: the option `only`. */
  readonly id: string;
  /** Blocks that may hold several things, as far as they were asked for. */
  readonly choices: readonly CrashChoice[];
  /**
   * A part of the judgement that looks at nothing but what the image holds now: the checker, say.
   * Run once for each such image; of the others it throws what it threw then.
   * @param what  names the part
   */
  once(what: string, judge: (image: BlockDriver) => void): void;
}

/** @throws whatever is wrong */
export type CrashVisit = (image: BlockDriver, at: CrashPoint) => void;

export interface CrashFailure {
  /** First line of what was thrown. */
  readonly symptom: string;
  readonly error: unknown;
  /** The first state with this symptom. */
  readonly id: string;
  readonly event: number;
  readonly marks: readonly string[];
  /** Judgements with this symptom. */
  count: number;
}

export interface CrashTally {
  /** Moments at which a crash was looked at. */
  readonly points: number;
  /** Crash states at them, torn ones not counted; those at several moments several times. */
  readonly states: number;
  /** Judgements. */
  readonly recoveries: number;
  /** Different images, as far as judgements can tell them apart if lazy. */
  readonly images: number;
  /** Judgements of an image with a torn block. */
  readonly torn: number;
  /** Judgements after a crash in the middle of another. */
  readonly inRecovery: number;
  /** False: the limit came first. */
  readonly complete: boolean;
  /** One for each symptom. */
  readonly failures: readonly CrashFailure[];
}

/** Judge every crash state of a recording. @throws EINVAL `only` is no id of it */
export function forEachCrashState(
  recorded: CrashRecording,
  options: CrashOptions,
  visit: CrashVisit,
): CrashTally {
  const states = new CrashStates(options, visit);
  states.add(recorded);
  return states.tally();
}

/** A moment of a recording, or of what a judgement wrote. */
interface Level {
  readonly medium: CrashMedium;
  readonly moment: CrashMoment;
  /** Events of the recording itself. */
  readonly event: number;
  readonly marks: readonly CrashMark[];
  readonly marksId: number;
  readonly depth: number;
  /** Every block that may differ has been chosen, and nobody wants to know what was asked. */
  readonly fixed: boolean;
  /** The id up to here: what was chosen before the recovery was cut off. */
  readonly prefix: string;
}

/** The choices made so far. */
class Path {
  readonly answers: Answer[] = [];
  readonly chosen = new Map<number, CrashOption>();
  torn = false;

  take(on: number, option: CrashOption): void {
    this.answers.push({ question: on, answer: option.content });
    if (on === MARKS) return;
    this.chosen.set(on, option);
    if (option.torn) this.torn = true;
  }
  giveBack(on: number, option: CrashOption): void {
    this.answers.pop();
    if (on === MARKS) return;
    this.chosen.delete(on);
    if (option.torn) this.torn = false;
  }
}

/** What `only` asks of one level. */
interface Wanted {
  readonly event: number;
  readonly options: ReadonlyMap<number, string>;
}

const NEVER: ReadonlyMap<number, readonly CrashOption[]> = new Map();

/**
 * The crash states of several recordings over one medium: what was judged once is not judged again,
 * whichever of them it comes from.
 */
export class CrashStates {
  private readonly options: CrashOptions;
  private readonly visit: CrashVisit;
  private readonly limit: number;
  private readonly wanted: readonly Wanted[] | null;
  private contents!: CrashContents;
  private recording!: CrashRecording;
  private tree = new CrashTree(new Set());
  private seen = new ImageSet();
  private found: CrashFailure | null = null;
  private readonly hash = new ImageHash();
  private readonly marks = new Map<string, number>();
  private points = 0;
  private states = 0;
  private tried = 0;
  private recoveries = 0;
  private images = 0;
  private torn = 0;
  private inRecovery = 0;
  private stopped = false;
  private readonly parts = new Map<string, OnceJudged>();
  private readonly failures = new Map<string, CrashFailure>();

  constructor(options: CrashOptions, visit: CrashVisit) {
    this.options = options;
    this.visit = visit;
    this.limit = options.limit ?? 1_000_000;
    this.wanted = options.only === undefined ? null : parseId(options.only);
  }

  /**
   * @returns a state of it that is wrong, whether it was judged now or before; null: there is none
   * @throws EINVAL `only` is no id of this recording
   */
  add(recording: CrashRecording): CrashFailure | null {
    if ((this.recording as CrashRecording | undefined)?.base !== recording.base) {
      this.contents = new CrashContents(recording.base, recording.blockSize);
      this.tree = new CrashTree(new Set());
      this.parts.clear();
    }
    // Of eager judgements nothing is kept but that they were made.
    this.seen = new ImageSet();
    this.found = null;
    this.recording = recording;
    this.sweep(recording.events, NEVER, null);
    if (this.wanted !== null && this.recoveries === 0) {
      throw errno('EINVAL', { id: this.options.only }, 'no crash state of this recording');
    }
    return this.found;
  }

  tally(): CrashTally {
    const { points, states, recoveries, images, torn, inRecovery } = this;
    const complete = !this.stopped && this.wanted === null;
    const failures = [...this.failures.values()];
    return { points, states, recoveries, images, torn, inRecovery, complete, failures };
  }

  /** Look at all moments of some events. @param parent  null: of the recording itself */
  private sweep(
    events: CrashRecording['events'],
    start: ReadonlyMap<number, readonly CrashOption[]>,
    parent: Level | null,
  ): void {
    const { torn } = this.options;
    const { tears } = this.recording;
    const medium = new CrashMedium(this.contents, torn ? tears : null, start);
    this.askAlso(events);
    const depth = parent === null ? 0 : parent.depth + 1;
    const wanted = this.wanted?.[depth];
    medium.sweep(events, (moment) => {
      if (wanted !== undefined && wanted.event !== moment.event) return true;
      const marks = parent?.marks ?? moment.marks;
      const level: Level = {
        medium,
        moment,
        event: parent?.event ?? moment.event,
        marks,
        marksId: parent?.marksId ?? this.marksId(marks),
        depth,
        fixed: this.wanted === null && this.options.mode === 'eager',
        prefix: parent?.prefix ?? '',
      };
      if (depth === 0) {
        this.points++;
        this.states += medium.count();
      }
      if (wanted !== undefined) this.one(level, wanted);
      else if (this.options.mode === 'eager') this.eager(level);
      else this.walk(level, this.tree, this.tree.root, new Path());
      return !this.stopped;
    });
  }

  private marksId(marks: readonly CrashMark[]): number {
    const key = JSON.stringify(marks.map(({ label }) => label));
    let id = this.marks.get(key);
    if (id === undefined) this.marks.set(key, (id = this.marks.size));
    return id;
  }

  /** Blocks that were never written before become questions. */
  private askAlso(events: CrashRecording['events']): void {
    const asked = new Set(this.tree.asked);
    for (const event of events) {
      if (event.kind !== 'submit') continue;
      for (const { nr } of event.write.blocks) asked.add(nr);
    }
    if (asked.size > this.tree.asked.size) this.tree = new CrashTree(asked, this.tree);
  }

  // ---- lazy

  private walk(level: Level, tree: CrashTree, branch: Branch, path: Path): void {
    if (this.stopped) return;
    if (branch.node === null) {
      if (!this.mayJudge()) return;
      const { run, leaf } = this.judge(level, path, tree.asked);
      this.images++;
      tree.insert(branch, run, path.answers.length, leaf);
    }
    const node = branch.node!;
    if (node instanceof Judgement) {
      if (node.thrown !== null) this.found ??= failureOf(node.thrown, level, path.chosen);
      this.cutOff(level, path, node);
      return;
    }
    for (const option of optionsOf(level, node.on, path.torn)) {
      let next = node.branches.get(option.content);
      if (next === undefined) node.branches.set(option.content, (next = new Branch()));
      path.take(node.on, option);
      this.walk(level, tree, next, path);
      path.giveBack(node.on, option);
      if (this.stopped) return;
    }
  }

  private mayJudge(): boolean {
    if (this.recoveries >= this.limit) this.stopped = true;
    return !this.stopped;
  }

  /** Run the judgement: what the path says, and the first option of everything else. */
  private judge(
    level: Level,
    path: Path,
    asked: ReadonlySet<number> | null,
  ): { readonly leaf: Judgement; readonly run: Run } {
    const run = new Run(level, path, asked);
    const image = new CrashImage(
      this.recording.base,
      this.recording.blockSize,
      this.contents,
      run.ask,
    );
    // Also where nothing deeper is looked at: the same image may come up less deep.
    const recorder =
      (this.options.insideRecovery ?? 0) > 0 ? recorderOver(image, this.recording.blockSize) : null;
    run.onOnce = (what, judge) => {
      let part = this.parts.get(what);
      if (part === undefined) this.parts.set(what, (part = new OnceJudged()));
      const present = { written: (recorder ?? image).written, ask: run.ask };
      part.judge(this.recording, this.contents, present, this.tree.asked, judge);
    };
    this.recoveries++;
    if (level.depth > 0) this.inRecovery++;
    let failure: Thrown | null = null;
    try {
      this.visit(recorder ?? image, run);
    } catch (error) {
      failure = { error };
    }
    if (run.torn) this.torn++;
    run.checkPath();
    if (failure !== null) this.fail(failure, level, run.all());
    const events = failure === null ? (recorder?.recording().events ?? []) : [];
    return { leaf: new Judgement(failure, events), run };
  }

  private fail(thrown: Thrown, level: Level, chosen: ReadonlyMap<number, CrashOption>): void {
    const symptom = symptomOf(thrown);
    const known = this.failures.get(symptom);
    if (known !== undefined) known.count++;
    else this.failures.set(symptom, failureOf(thrown, level, chosen));
    this.found ??= failureOf(thrown, level, chosen);
  }

  // ---- crashes in the middle of a judgement

  private cutOff(level: Level, path: Path, leaf: Judgement): void {
    if (leaf.events.length === 0 || level.depth >= (this.options.insideRecovery ?? 0)) return;
    const start = new Map<number, readonly CrashOption[]>();
    for (const nr of level.medium.changed) {
      const chosen = path.chosen.get(nr);
      start.set(nr, chosen ? [chosen] : level.medium.wholeOptions(nr));
    }
    const context = contextOf(level, start);
    if (leaf.contexts.has(context)) return;
    leaf.contexts.add(context);
    const prefix = `${idOf(level, path.chosen)}/`;
    const named = new Map([...start].map(([nr, options]) => [nr, earlier(options)]));
    this.sweep(leaf.events, named, { ...level, prefix });
  }

  // ---- eager

  private eager(level: Level): void {
    const open: number[] = [];
    const path = new Path();
    const { hash } = this;
    hash.begin(level.marksId, level.depth);
    for (const nr of level.medium.changed) {
      const options = level.medium.options(nr);
      if (options.length > 1) open.push(nr);
      else hash.flip(nr, options[0]!.content);
      if (options.length === 1) path.chosen.set(nr, options[0]!);
    }
    const options = open.map((nr) => level.medium.options(nr));
    this.combine(level, path, open, options, 0);
  }

  private combine(
    level: Level,
    path: Path,
    open: readonly number[],
    options: readonly (readonly CrashOption[])[],
    i: number,
  ): void {
    if (this.stopped) return;
    const { hash } = this;
    if (i === open.length) {
      if (++this.tried > this.limit) this.stopped = true;
      else if (this.seen.add(hash)) this.eagerImage(level, path);
      return;
    }
    const nr = open[i]!;
    for (const option of options[i]!) {
      if (option.torn && path.torn) continue;
      path.chosen.set(nr, option);
      if (option.torn) path.torn = true;
      hash.flip(nr, option.content);
      this.combine(level, path, open, options, i + 1);
      hash.flip(nr, option.content);
      if (option.torn) path.torn = false;
    }
    path.chosen.delete(nr);
  }

  private eagerImage(level: Level, path: Path): void {
    this.images++;
    const kept = this.hash.save();
    const { leaf } = this.judge(level, path, null);
    if (leaf.events.length > 0) this.cutOff(level, path, leaf);
    this.hash.restore(kept);
  }

  // ---- one

  private one(level: Level, wanted: Wanted): void {
    const path = new Path();
    for (const [nr, name] of wanted.options) {
      const option = level.medium.options(nr).find((o) => o.name === name);
      if (option === undefined) {
        throw errno('EINVAL', { block: nr, option: name }, 'no crash state of this recording');
      }
      path.chosen.set(nr, option);
      if (option.torn) path.torn = true;
    }
    const more = this.wanted!.length > level.depth + 1;
    const { leaf, run } = this.judge(level, path, null);
    for (const [nr, option] of run.taken) path.chosen.set(nr, option);
    if (more) this.cutOff(level, path, leaf);
  }
}

/** One run of the judgement, and what it is told of the crash. */
class Run implements CrashPoint, Asked {
  readonly answers: Answer[] = [];
  readonly reads: number[][] = [[]];
  private readonly others = new Set<number>();
  readonly taken = new Map<number, CrashOption>();
  torn: boolean;
  onOnce: CrashPoint['once'] | null = null;
  private readonly level: Level;
  private readonly path: Path;
  private readonly asked: ReadonlySet<number> | null;
  private askedMarks = false;

  constructor(level: Level, path: Path, asked: ReadonlySet<number> | null) {
    this.level = level;
    this.path = path;
    this.asked = asked;
    this.torn = path.torn;
  }

  readonly ask = (nr: number): number => {
    if (this.level.fixed) return this.path.chosen.get(nr)?.content ?? BASE;
    if (this.asked !== null && !this.asked.has(nr)) {
      if (this.others.has(nr)) return BASE;
      this.others.add(nr);
      this.reads.at(-1)!.push(nr);
      return BASE;
    }
    let option = this.taken.get(nr);
    if (option === undefined) {
      option = this.path.chosen.get(nr) ?? this.level.medium.wholeOptions(nr)[0]!;
      this.taken.set(nr, option);
      this.answered(nr, option.content);
    }
    return option.content;
  };

  private answered(question: number, answer: number): void {
    this.answers.push({ question, answer });
    this.reads.push([]);
  }

  get marks(): readonly CrashMark[] {
    if (!this.askedMarks) this.answered(MARKS, this.level.marksId);
    this.askedMarks = true;
    return this.level.marks;
  }
  get event(): number {
    return this.level.event;
  }
  get depth(): number {
    return this.level.depth;
  }
  get id(): string {
    return idOf(this.level, this.all());
  }
  get choices(): readonly CrashChoice[] {
    return [...this.all()].map(([block, { name }]) => ({ block, option: name }));
  }

  once(what: string, judge: (image: BlockDriver) => void): void {
    this.onOnce!(what, judge);
  }

  all(): ReadonlyMap<number, CrashOption> {
    return new Map([...this.path.chosen, ...this.taken]);
  }

  /** It asked again what the path says that it asks. */
  checkPath(): void {
    const same = this.path.answers.every(({ question, answer }, i) => {
      const now = this.answers[i];
      return now?.question === question && now.answer === answer;
    });
    if (!same)
      assert(false, `crash state ${this.id}: judged twice, and read other blocks the second time`);
  }
}

function symptomOf({ error }: Thrown): string {
  const what = error instanceof Error ? error.message : String(error);
  return what.split('\n')[0]!;
}

function failureOf(
  thrown: Thrown,
  level: Level,
  chosen: ReadonlyMap<number, CrashOption>,
): CrashFailure {
  // Not asked of the run: what failed before it looked at the marks fails whatever they are.
  const marks = level.marks.map((m) => m.label);
  const id = idOf(level, chosen);
  const { error } = thrown;
  return { symptom: symptomOf(thrown), error, id, event: level.event, marks, count: 1 };
}

function optionsOf(level: Level, on: number, torn: boolean): readonly CrashOption[] {
  if (on === MARKS) return [{ content: level.marksId, torn: false, name: '' }];
  return torn ? level.medium.wholeOptions(on) : level.medium.options(on);
}

function recorderOver(image: CrashImage, blockSize: number): CrashRecorder {
  const recorder = new CrashRecorder(image, { blockSize });
  recorder.begin();
  return recorder;
}

/** What blocks held before a recovery that was cut off. */
const earlier = (options: readonly CrashOption[]): readonly CrashOption[] =>
  options.length === 1
    ? [{ ...options[0]!, torn: false, name: '0' }]
    : options.map((o) => ({ ...o, name: `^${o.name}` }));

function contextOf(level: Level, start: ReadonlyMap<number, readonly CrashOption[]>): string {
  const open = [...start].filter(
    ([, options]) => options.length > 1 || options[0]!.content !== BASE,
  );
  const blocks = open.map(([nr, options]) => `${nr}:${options.map((o) => o.content).join('|')}`);
  return `${level.depth} ${level.marksId} ${blocks.join(' ')}`;
}

/** `EVENT:BLOCK=OPTION,...`, and behind a `/` the same of the recovery that was cut off. */
function idOf(level: Level, chosen: ReadonlyMap<number, CrashOption>): string {
  const open = [...chosen].filter(([nr]) => level.medium.options(nr).length > 1);
  const list = open.sort(([a], [b]) => a - b).map(([nr, { name }]) => `${nr}=${name}`);
  return `${level.prefix}${level.moment.event}:${list.join(',')}`;
}

/** @throws EINVAL it is none */
function parseId(id: string): readonly Wanted[] {
  return id.split('/').map((part) => {
    const found = /^(\d+):((?:\d+=[\^\w.]+(?:,|$))*)$/.exec(part);
    if (found === null) throw errno('EINVAL', { id }, 'no id of a crash state');
    const options = new Map<number, string>();
    for (const choice of found[2]!.split(',').filter((c) => c !== '')) {
      const [block, option] = choice.split('=');
      options.set(Number(block), option!);
    }
    return { event: Number(found[1]), options };
  });
}
