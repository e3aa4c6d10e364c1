/**
 * Two tasks on one journalled ext4, for crashes at every step of their schedules: what one has been
 * promised holds whatever the other is about to do.
 */
import { assert } from '../../src/base/assert.ts';
import { CrashRecorder } from '../../src/explore/crash-recorder.ts';
import type { CrashPoint } from '../../src/explore/crash-states.ts';
import { ExploredDevice } from '../../src/explore/device.ts';
import type { CrashExploration } from '../../src/explore/crash-explore.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import { commitPhases, commitRecord } from '../../src/jbd2/commit.ts';
import { REQ_PREFLUSH } from '../../src/block/bio.ts';
import type { Op } from '../../src/sched/op.ts';
import { assertClean, imageAfter, SHAPES } from '../../src/scenarios/crash/image.ts';
import { Mounted, performOp } from '../../src/scenarios/crash/mounted.ts';
import { observe } from '../../src/scenarios/crash/observe.ts';
import type { CrashOp } from '../../src/scenarios/crash/op.ts';

/** A mounted image that is recorded, made once. */
export interface Recorded {
  readonly mounted: Mounted;
  readonly recorder: CrashRecorder;
}

const SETUP: readonly CrashOp[] = [
  { op: 'creat', path: '/foo' },
  { op: 'write', path: '/foo', at: 0, length: 1024 },
  { op: 'creat', path: '/bar' },
];
const OLD = 2;
const NEW = 7;

/** One after the other, and then a mark. */
const task = (label: string, ops: readonly CrashOp[]) =>
  function* ({ mounted, recorder }: Recorded): Op<void> {
    for (const op of ops) yield* performOp(mounted.process, mounted.sb, op, NEW);
    recorder.mark(label);
  };

export const fsyncAndRename: Scenario<Recorded, Recorded> = {
  id: 'fsync-rename',
  title: 'a file that is synced, and a name that is synced, while both are written',
  prepare(scheduler) {
    const { blockSize } = SHAPES.plain;
    const ram = imageAfter(SHAPES.plain, SETUP);
    const recorder = new CrashRecorder(ram, { blockSize });
    return { mounted: new Mounted(new ExploredDevice(recorder, scheduler), scheduler), recorder };
  },
  setup(recorded) {
    recorded.recorder.begin();
    return recorded;
  },
  tasks: {
    write: task('foo', [
      { op: 'write', path: '/foo', at: 0, length: 1024 },
      { op: 'fsync', path: '/foo' },
    ]),
    rename: task('baz', [
      { op: 'rename', from: '/bar', to: '/baz' },
      { op: 'fsync', path: '/' },
    ]),
  },
  variants: {
    'commit-not-durable': {
      title: 'fsync returns before the commit block is durable',
      symptom: /the name that was synced is not there/,
      apply: () => {
        const { record } = commitPhases;
        commitPhases.record = function* (j, t, crc) {
          yield* j.buffers.device.submitWait(commitRecord(j, t, crc, REQ_PREFLUSH));
        };
        return () => {
          commitPhases.record = record;
        };
      },
    },
  },
};

/** What must hold of each crash state of it. */
export const fsyncAndRenameCrash: CrashExploration<Recorded> = {
  mode: 'lazy',
  recorded: ({ recorder }) => recorder.recording(),
  visit(image: BlockDriver, at: CrashPoint) {
    const mounted = new Mounted(image);
    const seen = mounted.run(observe(mounted.process));
    mounted.umount();
    at.once('check', assertClean);
    const promised = at.marks.map((m) => m.label);
    const foo = seen.get('/foo')?.data ?? new Uint8Array(0);
    const whole = foo.length === 1024 && new Set(foo).size === 1;
    assert(whole && (foo[0] === NEW || foo[0] === OLD), 'the file is no version of it');
    assert(foo[0] === NEW || !promised.includes('foo'), 'the data that was synced is not there');
    assert(seen.has('/bar') !== seen.has('/baz'), 'the file has two names, or none');
    const there = seen.has('/baz') || !promised.includes('baz');
    assert(there, 'the name that was synced is not there');
  },
};
