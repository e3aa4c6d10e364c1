/**
 * Goal: lockdep says what it should of the shapes that the kernel's own selftest has, from one
 * execution in which the tasks run one after the other; and the explorer says of the same programs
 * whether that can happen. Method: a table; what both say stands beside each program.
 * @source lib/locking-selftest.c, for the names of the shapes
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import { isCircle } from '../../src/explore/targets.ts';
import { lockdep, resetLockdep } from '../../src/sched/lockdep.ts';
import { type Family, lockdepSays, scenarioOf } from './lock-programs.ts';

/** What the explorer finds: some schedule deadlocks, none does, another failure; -: not asked. */
type Found = 'deadlock' | 'holds' | 'violation' | 'lockdep' | '-';
type Row = readonly [shape: string, tasks: readonly string[], says: readonly string[], Found];

const CIRCLE = ['circular order'];
const TWICE = ['recursive locking'];

/** Every kind of lock, held exclusively. */
const orders: readonly Row[] = [
  ['AA', ['A A -A -A'], TWICE, 'deadlock'],
  ['AB AB', ['A B -B -A', 'A B -B -A'], [], 'holds'],
  ['ABBA', ['A B -B -A', 'B A -A -B'], CIRCLE, 'deadlock'],
  ['ABBCCA', ['A B -B -A', 'B C -C -B', 'C A -A -C'], CIRCLE, 'deadlock'],
  ['ABCABC', ['A B -B -A', 'C A -A -C', 'B C -C -B'], CIRCLE, 'deadlock'],
  ['ABBCCDDA', ['A B -B -A', 'B C -C -B', 'C D -D -C', 'D A -A -D'], CIRCLE, 'deadlock'],
  ['ABCDBDDA', ['A B -B -A', 'C D -D -C', 'B D -D -B', 'D A -A -D'], CIRCLE, 'deadlock'],
  ['ABCDBCDA', ['A B -B -A', 'C D -D -C', 'B C -C -B', 'D A -A -D'], CIRCLE, 'deadlock'],
  ['ABBCAC', ['A B -B -A', 'B C -C -B', 'A C -C -A'], [], 'holds'],
  ['unlock order', ['A B -A -B', 'A B -B -A'], [], 'holds'],
  ['unlock order, then BA', ['A B -A -B', 'B A -A -B'], CIRCLE, 'deadlock'],
  [
    'hand over hand round the ring',
    ['A B -A C -B -C', 'A B -A C -B -C', 'C A -A -C'],
    CIRCLE,
    'deadlock',
  ],
  ['double unlock', ['A -A -A'], ['assertion'], 'violation'],
  ['release by another task', ['A', '-A'], ['held at the end', 'not held'], 'lockdep'],
  ['left locked', ['A'], ['held at the end'], 'lockdep'],
];

/** The classes are in a circle, and yet nothing can happen: class-wise proof is too careful. */
const falseAlarms: readonly Row[] = [
  ['a gate lock around both orders', ['G A B -B -A -G', 'G B A -A -B -G'], CIRCLE, 'holds'],
  ['other instances of the classes', ['A1 B1 -B1 -A1', 'B2 A2 -A2 -B2'], CIRCLE, 'holds'],
  ['two instances, always in one order', ['A1 A2 -A2 -A1', 'A1 A2 -A2 -A1'], TWICE, 'holds'],
  ['one alone goes hand over hand', ['A B -A C -B -C', 'C A -A -C'], CIRCLE, 'holds'],
  ['both orders in one task', ['A B -B -A B A -A -B'], CIRCLE, 'holds'],
];

const nesting: readonly Row[] = [
  ['two of a class, no rule', ['A1 A2 -A2 -A1', 'A2 A1 -A1 -A2'], TWICE, 'deadlock'],
  ['parent and child by subclass', ['A1/1 A2 -A2 -A1', 'A1/1 A2 -A2 -A1'], [], 'holds'],
  ['subclasses in a circle', ['A1/1 A2 -A2 -A1', 'A2 A1/1 -A1 -A2'], CIRCLE, 'deadlock'],
  ['subclasses do not lie to the explorer', ['A1 A2/1 -A2 -A1', 'A2 A1/1 -A1 -A2'], [], 'deadlock'],
  ['a rule by field, kept', ['N1 N2 -N2 -N1', 'N1 N2 -N2 -N1'], [], 'holds'],
  ['a rule by field, violated', ['N1 N2 -N2 -N1', 'N2 N1 -N1 -N2'], ['nesting order'], 'deadlock'],
  ['the one lock twice, in spite of a rule', ['N1 N1 -N1 -N1'], TWICE, 'deadlock'],
];

const tries: readonly Row[] = [
  ['AB, B try A', ['A B -B -A', 'B ?A -A -B'], [], 'holds'],
  ['try A B, BA', ['?A B -B -A', 'B A -A -B'], CIRCLE, 'deadlock'],
  ['A try B C, CA', ['A ?B C -C -B -A', 'C A -A -C'], CIRCLE, 'deadlock'],
  ['try AB, try BA', ['A ?B -B -A', 'B ?A -A -B'], [], 'holds'],
  ['try of what is held', ['A ?A -A -A'], [], 'holds'],
];

/** A fair rw-semaphore: a waiting writer keeps readers out. */
const shared: readonly Row[] = [
  ['r(A) r(A)', ['rA rA -A -A'], TWICE, 'holds'],
  ['r(A) r(A), and a writer', ['rA rA -A -A', 'A -A'], TWICE, 'deadlock'],
  ['r(A) w(A)', ['rA A -A -A'], TWICE, 'deadlock'],
  ['w(A) r(A)', ['A rA -A -A'], TWICE, 'deadlock'],
  ['r(AB) r(BA)', ['rA rB -B -A', 'rB rA -A -B'], CIRCLE, 'holds'],
  ['r(AB) r(BA), writers', ['rA rB -B -A', 'rB rA -A -B', 'A -A', 'B -B'], CIRCLE, 'deadlock'],
  ['r(A) w(B), w(B) r(A)', ['rA B -B -A', 'B rA -A -B'], CIRCLE, 'holds'],
  ['r(A) w(B), w(B) r(A), w(A)', ['rA B -B -A', 'B rA -A -B', 'A -A'], CIRCLE, 'deadlock'],
  ['r(A) w(B), r(B) w(A)', ['rA B -B -A', 'rB A -A -B'], CIRCLE, 'deadlock'],
  ['w(A) r(B), w(B) r(A)', ['A rB -B -A', 'B rA -A -B'], CIRCLE, 'deadlock'],
  ['w(A) r(B), r(B) w(A)', ['A rB -B -A', 'rB A -A -B'], CIRCLE, 'holds'],
  ['w(A) r(B), r(B) w(A), w(B)', ['A rB -B -A', 'rB A -A -B', 'B -B'], CIRCLE, 'deadlock'],
  ['downgrade', ['A vA B -B -A', 'A B -B -A'], [], 'holds'],
  ['downgrade keeps the order', ['A vA B -B -A', 'B A -A -B'], CIRCLE, 'deadlock'],
  ['downgrade, then once more', ['A vA rA -A -A', 'A -A'], TWICE, 'deadlock'],
];

/** Readers that no waiting writer keeps out. */
const recursive: readonly Row[] = [
  ['R(A) R(A)', ['RA RA -A -A', 'A -A'], [], 'holds'],
  ['R(A) w(A)', ['RA A -A -A'], TWICE, 'deadlock'],
  ['w(A) R(A)', ['A RA -A -A'], TWICE, 'deadlock'],
  ['R(AB) R(BA), writers', ['RA RB -B -A', 'RB RA -A -B', 'A -A', 'B -B'], [], 'holds'],
  ['R(A) w(B), w(B) R(A)', ['RA B -B -A', 'B RA -A -B', 'A -A'], [], 'holds'],
  ['w(A) R(B), w(B) R(A)', ['A RB -B -A', 'B RA -A -B'], CIRCLE, 'deadlock'],
  ['w(A) R(B), R(B) w(A)', ['A RB -B -A', 'RB A -A -B', 'B -B'], [], 'holds'],
  ['R(A) w(B), R(B) w(A)', ['RA B -B -A', 'RB A -A -B'], CIRCLE, 'deadlock'],
  ['R(A) R(B), w(BC), w(CA)', ['RA RB -B -A', 'B C -C -B', 'C A -A -C'], CIRCLE, 'deadlock'],
  ['w(A) R(B), R(BC), w(CA)', ['A RB -B -A', 'RB C -C -B', 'C A -A -C'], [], 'holds'],
];

/** Reports that are no circles: what was seen is the proof. */
const contexts: readonly Row[] = [
  ['a sleeping lock under a spin lock', ['S A -A -S'], ['sleep under spin lock'], 'holds'],
  ['a wait under a spin lock', ['S sleep -S'], ['sleep under spin lock'], 'holds'],
  ['a wait after the spin lock', ['S -S sleep'], [], 'holds'],
  ['user memory under a noUser lock', ['U user -U'], ['user access'], 'lockdep'],
  ['user memory outside', ['user U -U user'], [], 'holds'],
  [
    'a lock around reclaim that reclaim needs',
    ['reclaim A -A -reclaim', 'A alloc -A'],
    CIRCLE,
    '-',
  ],
  ['the same, with nofs', ['reclaim A -A -reclaim', 'A nofs alloc -nofs -A'], [], '-'],
  ['another lock around reclaim', ['reclaim A -A -reclaim', 'B alloc -B'], [], '-'],
];

const every: readonly Family[] = ['mutex', 'rwsem', 'bit', 'rwlock'];
const of = (families: readonly Family[], rows: readonly Row[]) =>
  rows.flatMap(([shape, ...rest]) => families.map((f) => [shape, f, ...rest] as const));
const table = [
  ...of(every, orders),
  ...of(every, falseAlarms),
  ...of(['mutex', 'rwsem', 'bit'], nesting),
  ...of(['mutex', 'rwsem', 'bit'], tries),
  ...of(['rwsem'], shared),
  ...of(['rwlock'], recursive),
  ...of(['mutex', 'rwsem', 'bit'], contexts),
];

beforeEach(resetLockdep);
afterEach(() => {
  Object.assign(lockdep, { throws: true, declaredOnly: true });
});

test.each(table)('%s, %s: lockdep from one execution', (_shape, family, tasks, says) => {
  expect(lockdepSays(family, tasks)).toEqual(says);
});

test.each(table.filter((row) => row[4] !== '-'))(
  '%s, %s: the explorer, and what becomes of the report',
  (_shape, family, tasks, says, found) => {
    lockdep.declaredOnly = false;
    const v = explore(scenarioOf(family, tasks), { all: true });
    expect([v.failure?.kind ?? v.verdict, v.complete]).toEqual([found, true]);
    for (const { report, outcome } of v.targets) {
      const proved = !isCircle(report) || found === 'deadlock';
      expect([report.kind, outcome]).toEqual([
        report.kind,
        proved ? 'confirmed' : 'refuted in this scenario',
      ]);
    }
    // In other schedules it may say more, never less.
    const kinds: string[] = v.targets.map((t) => t.report.kind);
    for (const kind of says) if (kind !== 'assertion') expect(kinds).toContain(kind);
  },
);

test('what is made when it is first needed has one identity, whoever comes first', () => {
  const tries = ['B -B ?A B -B -A', 'C -C ?A C -C -A', '?A -A'];
  const executions = (['mutex', 'rwsem', 'bit'] as const).map(
    (family) => explore(scenarioOf(family, tries)).executions,
  );
  // 18 behaviours; what a turn does depends on its try-lock, so that some are explored twice.
  expect(executions).toEqual([30, 30, 30]);
});

test('a target of a search that was cut short, and is not looked for, is not reached', () => {
  lockdep.declaredOnly = false;
  const v = explore(scenarioOf('mutex', ['A B -B -A', 'B A -A -B']), { limit: 1, directed: 0 });
  expect(v.targets.map((t) => [t.report.classes, t.outcome])).toEqual([
    [['self.mutex.B', 'self.mutex.A'], 'not reached'],
  ]);
});

test('a deadlock among other classes confirms nothing', () => {
  lockdep.declaredOnly = false;
  const gate = ['G A B -B -A -G', 'G B A -A -B -G'];
  const v = explore(scenarioOf('mutex', [...gate, 'C D -D -C', 'D C -C -D']), { all: true });
  expect(v.targets.map((t) => [t.report.classes.join(), t.outcome]).sort()).toEqual([
    ['self.mutex.B,self.mutex.A', 'refuted in this scenario'],
    ['self.mutex.D,self.mutex.C', 'confirmed'],
  ]);
});

test('what lockdep saw before says nothing in an exploration, and is there again after it', () => {
  expect(lockdepSays('mutex', ['A B -B -A', 'B A -A -B'])).toEqual(CIRCLE);
  const v = explore(scenarioOf('mutex', ['A B -B -A']));
  expect([v.targets, lockdep.reports.length, lockdep.throws]).toEqual([[], 1, false]);
});
