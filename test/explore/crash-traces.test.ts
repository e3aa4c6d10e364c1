/**
 * Goal: crash states are the same for all schedules of one behaviour, so that nothing is missed if
 * they are enumerated once for each. Method: small tasks that write, flush and mark; what is found
 * by the search that sees every behaviour once, against what is found by every schedule.
 */
import { expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { Prng } from '../../src/base/prng.ts';
import { bytes, sector } from '../../src/base/units.ts';
import { Bio, REQ_FUA } from '../../src/block/bio.ts';
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { ExecutionCrashes } from '../../src/explore/crash-explore.ts';
import { CrashRecorder } from '../../src/explore/crash-recorder.ts';
import type { CrashPoint } from '../../src/explore/crash-states.ts';
import { ExploredDevice } from '../../src/explore/device.ts';
import { Dfs } from '../../src/explore/dfs.ts';
import { explore } from '../../src/explore/explore.ts';
import { runOnce } from '../../src/explore/run.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { replay } from '../../src/explore/show.ts';
import type { TaskSystem } from '../../src/explore/task-system.ts';
import { withSystem } from '../../src/explore/with-system.ts';
import type { Op } from '../../src/sched/op.ts';
import type { Scheduler } from '../../src/sched/scheduler.ts';

const BLOCKS = 3;
/** Programs with more are left out. */
const MOST_SCHEDULES = 2000;

interface Disk {
  readonly recorder: CrashRecorder;
  readonly device: BlockDevice;
}

const makeDisk = (scheduler: Scheduler): Disk => {
  const recorder = new CrashRecorder(new RamDevice(bytes(1 << 13)), { blockSize: 512 });
  recorder.begin();
  return { recorder, device: new BlockDevice(new ExploredDevice(recorder, scheduler)) };
};

/** `w0`: write block 0; `d0`: durably; `s0`: do not wait for it; `f`: flush; `m`: mark. */
type Step = string;

function* act({ recorder, device }: Disk, steps: readonly Step[], name: string): Op<void> {
  for (const [i, step] of steps.entries()) {
    const [kind, block] = [step[0]!, Number(step[1] ?? 0)];
    if (kind === 'f') yield* device.flush();
    else if (kind === 'm') recorder.mark(`${name}${i}`);
    else {
      const data = new Uint8Array(512).fill(name.charCodeAt(0) + i);
      const bio = new Bio('write', sector(block), kind === 'd' ? REQ_FUA : 0).add(data);
      if (kind === 's') device.submit(bio);
      else yield* device.submitWait(bio);
    }
  }
}

const scenarioOf = (tasks: Readonly<Record<string, readonly Step[]>>): Scenario<Disk, Disk> => ({
  id: 'disk',
  title: 'some tasks that write',
  prepare: makeDisk,
  setup: (disk) => disk,
  tasks: Object.fromEntries(
    Object.entries(tasks).map(([name, steps]) => [name, (disk: Disk) => act(disk, steps, name)]),
  ),
});

const recorded = ({ recorder }: Disk) => recorder.recording();

/** Notes every image, and what was marked before. */
function noting(): { found: Set<string>; visit: (image: BlockDriver, at: CrashPoint) => void } {
  const found = new Set<string>();
  return {
    found,
    visit(image, at) {
      const data = new Uint8Array(512 * BLOCKS);
      image.start(new Bio('read', sector(0)).add(data));
      const values = [0, 1, 2].map((b) => data[512 * b]!);
      found.add(`${values.join()} ${at.marks.map((m) => m.label).join()}`);
    },
  };
}

/** What is found by every behaviour once, and by every schedule. */
function compare(tasks: Readonly<Record<string, readonly Step[]>>) {
  const scenario = scenarioOf(tasks);
  const once = noting();
  const crash = { mode: 'lazy', recorded, visit: once.visit } as const;
  const { executions, complete } = explore(scenario, { all: true, crash });
  assert(complete, 'explored completely');
  const each = noting();
  const crashes = new ExecutionCrashes({ ...crash, visit: each.visit });
  const schedules = withSystem(
    scenario,
    {},
    (system) => {
      const search = new Dfs();
      let n = 1;
      for (runOnce(system, search, 1000); search.ended(system); n++) {
        if (n === MOST_SCHEDULES) return null;
        runOnce(system, search, 1000);
      }
      return n;
    },
    crashes,
  );
  const sorted = [once.found, each.found].map((set) => [...set].sort());
  return { once: sorted[0], each: sorted[1], executions, schedules };
}

test('writes of two tasks commute, and no crash state is missed', () => {
  const { once, each, executions, schedules } = compare({ a: ['w0'], b: ['w1'] });
  expect(once).toEqual(['0,0,0 ', '0,98,0 ', '97,0,0 ', '97,98,0 ']);
  expect(each).toEqual(once);
  // Each waiter sleeps, or finds its write done: 2 by 2.
  expect(executions).toBe(4);
  expect(schedules).toBeGreaterThan(5);
});

test('a flush of another task may come before or after a write: behaviours of their own', () => {
  const { once, each, executions } = compare({ a: ['w0', 'm'], b: ['f', 'm'] });
  expect(each).toEqual(once);
  expect(executions).toBeGreaterThan(1);
});

test('random tasks: no crash state is missed', () => {
  const prng = new Prng(7);
  const steps = ['w0', 'w1', 's0', 's2', 'd1', 'd2', 'f', 'm'];
  const some = (n: number): Step[] =>
    Array.from({ length: n }, () => steps[prng.below(steps.length)]!);
  let compared = 0;
  for (let i = 0; i < 40; i++) {
    const tasks = { a: some(2), b: some(1 + (i % 2)) };
    // Writes of one block that nobody orders are a mistake of the tasks: their order is no part of
    // a behaviour.
    const own = (list: Step[], to: string): Step[] =>
      list.map((s) => (s.length > 1 ? `${s[0]!}${to}` : s));
    const { once, each, executions, schedules } = compare({
      a: own(tasks.a, '0'),
      b: own(tasks.b, '1'),
    });
    if (schedules === null) continue;
    compared++;
    expect(once, JSON.stringify(tasks)).toEqual(each);
    expect(executions).toBeLessThanOrEqual(schedules);
  }
  expect(compared).toBeGreaterThan(15);
});

test('of every schedule: a write on its way may be durable before one that was completed', () => {
  const { found, visit } = noting();
  const crashes = new ExecutionCrashes({ mode: 'eager', recorded, visit });
  const use = (system: TaskSystem<Disk, Disk>): void => {
    const search = new Dfs();
    do {
      found.clear();
      runOnce(system, search, 1000);
      expect([...found]).toContain('98,0,0 ');
    } while (search.ended(system));
  };
  withSystem(scenarioOf({ a: ['w1', 's0', 'f'] }), {}, use, crashes);
});

// ---- a mistake that shows in some schedules, at some crashes

/** A file is its data and then its name; the name must not be there without the data. */
const twoStep = (ordered: boolean): Scenario<Disk, Disk> => ({
  ...scenarioOf({}),
  tasks: {
    *data({ device }) {
      yield* device.transfer('write', 0, new Uint8Array(512).fill(1));
    },
    *name({ device }) {
      if (ordered) yield* device.flush();
      const there = new Uint8Array(512);
      yield* device.transfer('read', 0, there);
      if (there[0] === 0) return;
      if (ordered) yield* device.flush();
      yield* device.transfer('write', 512, new Uint8Array(512).fill(1));
    },
  },
});
const named = (image: BlockDriver): void => {
  const data = new Uint8Array(1024);
  image.start(new Bio('read', sector(0)).add(data));
  assert(data[512] === 0 || data[0] === 1, 'a name without its data');
};
const crash = { mode: 'lazy', recorded, visit: named } as const;

test('a mistake is found in a schedule, with the crash state, and is seen again in a replay', () => {
  const v = explore(twoStep(false), { crash });
  expect(v.verdict).toBe('violated');
  expect(v.failure?.symptom).toBe('after a crash: a name without its data');
  expect(v.failure?.detail).toMatch(/^crash state \d+:0=0,1=1\n/);
  const again = replay(twoStep(false), v.schedule!, { crash });
  expect(again.failure?.symptom).toBe(v.failure?.symptom);
  expect(replay(twoStep(false), v.schedule!).failure).toBe(null);
});

test('without the mistake it holds: of every schedule, at every crash', () => {
  const v = explore(twoStep(true), { crash });
  expect([v.verdict, v.complete, v.crash?.complete]).toEqual(['holds', true, true]);
  expect(v.crash!.points).toBeGreaterThan(v.executions);
});

test('a limit on crash states leaves the verdict open', () => {
  const v = explore(twoStep(true), { crash: { ...crash, limit: 1 } });
  expect([v.verdict, v.complete]).toEqual(['limit', false]);
});
