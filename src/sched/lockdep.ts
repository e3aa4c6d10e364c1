/**
 * The lock validator of checked builds: proves from single executions that no schedule of what was
 * seen can deadlock, and that the order of the locks is the declared one.
 *
 * Every acquisition is entered before it blocks. What is new about it (this class under those)
 * is judged once; afterwards the chain of held classes is found in a trie, one look-up per lock.
 * A try-lock that gives up owes no order to what is held before it, but others owe theirs to it.
 *
 * Callers stand behind `if (CHECKED)`, so that production builds hold nothing of this.
 * @source Documentation/locking/lockdep-design.rst
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import {
  EXCLUSIVE,
  type Held,
  isDeclared,
  lockClass,
  type LockClass,
  lockClasses,
  type LockMode,
  modeName,
  RECURSIVE,
  SHARED,
  SUBCLASSES,
} from './lock-class.ts';
import { type Edge, edgeKind, LockGraph, type LockNode, type Witness } from './lock-graph.ts';
import {
  circularText,
  type LockReport,
  plainText,
  type ReportKind,
  undeclaredText,
} from './lockdep-report.ts';
import { currentOrNull, type Task } from './task.ts';

/** Classes held, oldest to newest, as a path in a trie. */
class Chain {
  readonly next = new Map<number, Chain>();
  /** A class that forbids sleeping, or touching user memory, is on the path. */
  readonly spin: LockClass | null;
  readonly noUser: LockClass | null;
  /** The last class is on the path before, too: look at the instances each time. */
  readonly repeats: boolean;
  constructor(spin: LockClass | null, noUser: LockClass | null, repeats: boolean) {
    this.spin = spin;
    this.noUser = noUser;
    this.repeats = repeats;
  }
}

/** What was found, and what to do about it. */
export const lockdep = {
  reports: [] as LockReport[],
  /** A report also throws; otherwise it is only kept, once. */
  throws: true,
  /** What this execution did wrong for certain, whoever was told of it before. */
  wrong: null as LockReport | null,
  /** Report edges that the declared order does not have. */
  declaredOnly: true,
};
let graph = /* @__PURE__ */ new LockGraph();
let root = /* @__PURE__ */ new Chain(null, null, false);
const reported = new Map<string, LockReport>();
/** Kinds that are looked at each time, and say what happened, not what might. */
const FACTS: ReadonlySet<ReportKind> = new Set(['user access', 'not held', 'held at the end']);
/** Handed over: whoever releases it, from wherever, may. */
let handedOver = new WeakSet<object>();
/** What plain code outside of every task holds: completions, timers, tests. */
const outside: Held[] = [];

/** Forget all edges and reports, and what code outside of tasks holds. For tests. */
export function resetLockdep(): void {
  graph = new LockGraph();
  root = new Chain(null, null, false);
  reported.clear();
  lockdep.reports.length = 0;
  lockdep.wrong = null;
  outside.length = 0;
  handedOver = new WeakSet();
}

/** What code outside of tasks holds belongs to an execution that is over. The graph stays. */
export function restartLockdep(): void {
  lockdep.wrong = null;
  outside.length = 0;
  handedOver = new WeakSet();
}

/**
 * From here on as if nothing had been seen. @returns puts everything back as it was
 */
export function isolateLockdep(): () => void {
  const before = { graph, root, handedOver, keys: [...reported], outside: [...outside] };
  const options = { ...lockdep, reports: [...lockdep.reports] };
  resetLockdep();
  return () => {
    resetLockdep();
    ({ graph, root, handedOver } = before);
    for (const [key, text] of before.keys) reported.set(key, text);
    outside.push(...before.outside);
    lockdep.reports.push(...options.reports);
    Object.assign(lockdep, { throws: options.throws, declaredOnly: options.declaredOnly });
  };
}

/** Every order that was seen, with its first witness. */
export const lockEdges = (): Edge[] => graph.edges();

/** What docs/locking.md is made of, as plain data: one run of one test file adds to the whole. */
export interface LockOrder {
  readonly classes: readonly LockClass[];
  readonly edges: readonly { from: string; to: string; task: string; stack: string }[];
}
export const lockOrder = (): LockOrder => ({
  classes: [...lockClasses.values()],
  edges: lockEdges().map((e) => ({ from: e.from.name, to: e.to.name, ...e.first })),
});

const heldNow = (): Held[] => currentOrNull()?.held ?? outside;
const topOf = (held: readonly Held[]): Chain =>
  held.length === 0 ? root : (held[held.length - 1]!.chain as Chain);

const NOT_OURS =
  /\/base\/errno\.ts|\/sched\/[a-z-]+\.ts|<anonymous>|node:internal|\/node_modules\//;
/** Who is at it. Frames of this room say nothing about that, nor do the test runner's. */
function witness(): Witness {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const lines = (errno('EDEADLK').stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = limit;
  const ours = lines.filter((l) => !NOT_OURS.test(l));
  const shown = ours.slice(0, 12).map((l) => l.trim().replace(/^at /, ''));
  return { task: currentOrNull()?.name ?? 'code outside of tasks', stack: shown.join('\n') };
}

function report(kind: ReportKind, classes: readonly string[], text: string): void {
  const key = `${kind}: ${classes.join(' ')}`;
  let known = reported.get(key);
  if (known === undefined) {
    known = { kind, classes, text };
    reported.set(key, known);
    lockdep.reports.push(known);
  }
  if (FACTS.has(kind)) lockdep.wrong ??= known;
  assert(!lockdep.throws, `lockdep: ${kind}\n${text}`);
}
const reportHeld = (kind: ReportKind, classes: readonly string[], what: string): void => {
  const known = lockdep.throws ? undefined : reported.get(`${kind}: ${classes.join(' ')}`);
  if (known === undefined) report(kind, classes, plainText(what, heldNow(), witness()));
  else if (FACTS.has(kind)) lockdep.wrong ??= known; // Spares a stack.
};

/** Judge a lock that is about to be taken or waited for. */
function look(
  held: Held[],
  cls: LockClass,
  subclass: number,
  mode: LockMode,
  instance: object,
): Chain {
  const trying = subclass < 0;
  const sub = trying ? 0 : subclass;
  const top = topOf(held);
  const code = ((cls.id * SUBCLASSES + sub) * 4 + mode) * 2 + (trying ? 1 : 0);
  let chain = top.next.get(code);
  if (chain === undefined) {
    if (!trying) judgeClass(held, top, graph.node(cls, sub), mode);
    const repeats = held.some((h) => h.cls === cls);
    chain = new Chain(cls.spin ? cls : top.spin, cls.noUser ? cls : top.noUser, repeats);
    if (chain.repeats && !trying) judgeInstance(held, cls, sub, mode, instance);
    top.next.set(code, chain);
  } else if (chain.repeats && !trying) judgeInstance(held, cls, sub, mode, instance);
  return chain;
}

function judgeClass(held: Held[], top: Chain, wanted: LockNode, mode: LockMode): void {
  if (top.spin !== null && !wanted.cls.spin && !wanted.cls.pseudo) {
    const classes = [top.spin.name, wanted.name];
    reportHeld('sleep under spin lock', classes, `${wanted.name} may sleep under ${top.spin.name}`);
  }
  for (let i = held.length - 1; i >= 0; i--) {
    const h = held[i]!;
    const from = graph.node(h.cls, h.subclass);
    if (from !== wanted) judgeEdge(from, wanted, edgeKind(h.mode, mode));
    // What is held longer has its edges to this one already, unless this one owed none.
    if (!h.trying && !h.cls.pseudo) return;
  }
}

function judgeEdge(from: LockNode, wanted: LockNode, kind: number): void {
  if (!graph.has(from, wanted, kind)) {
    const path = graph.closes(from, wanted, kind);
    if (path !== null) {
      const text = circularText(from, wanted, witness(), path);
      report('circular order', [from.name, wanted.name], text);
      return; // Left out of the graph, so that one mistake is one report.
    }
    graph.add(from, wanted, kind, witness);
  }
  if (lockdep.declaredOnly && !isDeclared(from.cls, wanted.cls)) {
    report('undeclared edge', [from.name, wanted.name], undeclaredText(from, wanted, witness()));
  }
}

/** Value of the field by which locks of one class are ordered, if the owner has it. */
function nestKey(cls: LockClass, instance: object): number | null {
  if (cls.nest === null) return null;
  const owner = (instance as { readonly of?: object | null }).of ?? instance;
  const key = (owner as Readonly<Record<string, unknown>>)[cls.nest];
  return typeof key === 'number' ? key : null;
}

/** Two locks of one class: the same one, a declared nesting, or a mistake? */
function judgeInstance(
  held: readonly Held[],
  cls: LockClass,
  subclass: number,
  mode: LockMode,
  instance: object,
): void {
  for (const h of held) {
    if (h.cls !== cls) continue;
    if (mode === RECURSIVE && h.mode !== EXCLUSIVE) continue;
    if (h.instance === instance) {
      reportHeld('recursive locking', [cls.name], `this very ${cls.name} is held already`);
    } else if (h.subclass === subclass && cls.nest === null) {
      reportHeld('recursive locking', [cls.name], `another ${cls.name}, without a nesting rule`);
    } else if (h.subclass === subclass) {
      const [first, second] = [nestKey(cls, h.instance), nestKey(cls, instance)];
      if (first === null || second === null || first <= second) continue;
      const what = `${cls.name} with ${cls.nest} ${second} is taken under ${first}`;
      reportHeld('nesting order', [cls.name], what);
    }
  }
}

/** About to wait for the lock: is that allowed? */
export function lockdepWant(
  cls: LockClass,
  subclass: number,
  mode: LockMode,
  instance: object,
): void {
  look(heldNow(), cls, subclass, mode, instance);
}

/** The lock is taken. @param subclass  0..7, or OR_GIVE_UP for a try-lock without an order */
export function lockdepAcquire(
  cls: LockClass,
  subclass: number,
  mode: LockMode,
  instance: object,
): void {
  const held = heldNow();
  const chain = look(held, cls, subclass, mode, instance);
  const trying = subclass < 0;
  held.push({ cls, subclass: trying ? 0 : subclass, mode, trying, instance, chain });
}

function removeFrom(held: Held[], instance: object, mode: LockMode | null): Held | null {
  for (let i = held.length - 1; i >= 0; i--) {
    const h = held[i]!;
    if (h.instance !== instance || (mode !== null && h.mode !== mode)) continue;
    held.splice(i, 1);
    rechain(held, i);
    return h;
  }
  return null;
}

/** A lock from the middle is gone: what was taken after it stands on another path now. */
function rechain(held: Held[], from: number): void {
  if (from === held.length) return;
  const above = held.splice(from);
  for (const h of above) {
    h.chain = look(held, h.cls, h.trying ? -1 : h.subclass, h.mode, h.instance);
    held.push(h);
  }
}

/**
 * The lock is released.
 * @param mode   must be the one it was taken in, if given
 * @param owner  the task that took it, where another context may release (bit locks)
 */
export function lockdepRelease(
  cls: LockClass,
  instance: object,
  mode: LockMode | null = null,
  owner: Task | null = null,
): void {
  const held = heldNow();
  // Most often the newest is released first.
  const newest = held[held.length - 1];
  if (newest?.instance === instance && (mode === null || newest.mode === mode)) {
    held.pop();
    return;
  }
  if (removeFrom(held, instance, mode) !== null || handedOver.delete(instance)) return;
  if (owner !== null && removeFrom(owner.held, instance, mode) !== null) return;
  if (removeFrom(outside, instance, mode) !== null) return;
  const how = mode === null ? '' : `, ${modeName(mode)}`;
  reportHeld('not held', [cls.name], `${cls.name}${how}, is released by one who does not hold it`);
}

/** Held exclusively so far, shared from now on. */
export function lockdepDowngrade(instance: object): void {
  const held = heldNow();
  const h = removeFrom(held, instance, EXCLUSIVE);
  if (h !== null) lockdepAcquire(h.cls, h.trying ? -1 : h.subclass, SHARED, instance);
}

/** The lock stays taken, but is no longer this task's: somebody else will release it. */
export function lockdepHandOver(instance: object): void {
  if (removeFrom(heldNow(), instance, null) !== null) handedOver.add(instance);
}

/** What follows may sleep. Linux: might_sleep(). */
export function lockdepMightSleep(what: string): void {
  const { spin } = topOf(heldNow());
  if (spin === null) return;
  reportHeld('sleep under spin lock', [spin.name], `${what} may sleep under ${spin.name}`);
}

/** A task has ended: it must have released everything. */
export function lockdepTaskEnd(task: Task): void {
  if (task.held.length === 0) return;
  const classes = task.held.map((h) => h.cls.name);
  const text = plainText(`${task.name} has ended and holds locks`, task.held, witness());
  task.held.length = 0;
  if (!task.failed) report('held at the end', classes, text);
  else lockdep.reports.push({ kind: 'held at the end', classes, text }); // The error says more.
}

/** User memory may be touched here, and that may fault. Linux: might_fault(). */
export function mightFault(): void {
  if (CHECKED) {
    const { noUser } = topOf(heldNow());
    if (noUser === null) return;
    reportHeld('user access', [noUser.name], `user memory is touched under ${noUser.name}`);
  }
}

/**
 * Reclaim as if it were a lock: whoever may enter it "takes" it, and reclaim itself holds it. A
 * lock that reclaim needs, held around an allocation that may reclaim, is then an ordinary circle.
 * @source mm/page_alloc.c:fs_reclaim_acquire()
 */
export const FS_RECLAIM = lockClass('fs_reclaim', { pseudo: true });
const reclaim = {};

/** An allocation here may reclaim and so enter the file system, unless the task forbids it. */
export function mightReclaim(): void {
  if (CHECKED && (currentOrNull()?.nofs ?? 0) === 0) {
    lockdepWant(FS_RECLAIM, 0, EXCLUSIVE, reclaim);
  }
}
export function enterReclaim(): void {
  if (CHECKED) lockdepAcquire(FS_RECLAIM, 0, EXCLUSIVE, reclaim);
}
export function leaveReclaim(): void {
  if (CHECKED) lockdepRelease(FS_RECLAIM, reclaim);
}
