/**
 * A crash workload: a set-up that is durable, some operations, and what was promised of them; its
 * recording, and the judgement of what a crash leaves.
 */
import { nameFromText } from '../../base/name.ts';
import { CrashRecorder, type CrashRecording } from '../../explore/crash-recorder.ts';
import type { CrashVisit } from '../../explore/crash-states.ts';
import { sysLstat } from '../../syscall/stat.ts';
import { assertClean, imageAfter, type ImageShape, SHAPES } from './image.ts';
import { Model } from './model.ts';
import { Mounted } from './mounted.ts';
import { observe } from './observe.ts';
import { type CrashOp, isPersistence, opText, stampOf } from './op.ts';
import { CrashSymptom, judge, sameObservation } from './oracle.ts';

export interface CrashWorkload {
  readonly id: string;
  readonly title: string;
  readonly setup: readonly CrashOp[];
  readonly ops: readonly CrashOp[];
  /** A small one with blocks of 1 KiB. */
  readonly shape?: ImageShape;
}

/** What was done, and when. */
export interface CrashRun {
  readonly workload: CrashWorkload;
  readonly shape: ImageShape;
  readonly recording: CrashRecording;
  readonly model: Model;
  /** By operation: events of the recording when it began. The last one is the unmounting. */
  readonly begun: readonly number[];
}

/** Do it, on an image in memory, and remember what the device was told. */
export function recordRun(workload: CrashWorkload): CrashRun {
  const { setup, ops, shape = SHAPES.plain } = workload;
  const { blockSize } = shape;
  // Nobody survives a torn super block: Linux too reads it before the journal, and wants its sum.
  const superAt = Math.floor(1024 / blockSize);
  const ram = imageAfter(shape, setup);
  const recorder = new CrashRecorder(ram, { blockSize, tears: (nr) => nr !== superAt });
  const mounted = new Mounted(recorder);
  const stat = (path: string) => mounted.run(sysLstat(mounted.process, nameFromText(path)));
  const model = new Model();
  for (const [i, op] of setup.entries()) model.apply(op, stampOf(i));
  for (const [path, node] of model.names.at(-1)!.nodes) node.ino = stat(path).ino;
  model.begin();
  recorder.begin();
  const begun: number[] = [];
  for (const [i, op] of ops.entries()) {
    const stamp = stampOf(setup.length + i);
    begun.push(recorder.length);
    mounted.perform(op, stamp);
    const made = model.apply(op, stamp);
    if (made !== null && 'path' in op) made.ino = stat(op.path).ino;
    if (!isPersistence(op)) continue;
    model.promise(op, (path) => stat(path).blocks);
    recorder.mark(`${opText(op)} returned (${model.promised.length})`);
  }
  begun.push(recorder.length);
  mounted.umount();
  return { workload, shape, recording: recorder.recording(), model, begun };
}

/**
 * The judgement: mounted for writing, which recovers; looked at; unmounted; checked; and all that
 * once more, to the same effect. Marks are asked for last, so that one judgement serves whatever
 * was promised.
 * @throws CrashSymptom, or whatever mounting and reading throw
 */
export const visitOf =
  ({ model, shape }: CrashRun): CrashVisit =>
  (image, at) => {
    const first = new Mounted(image);
    const seen = first.run(observe(first.process));
    first.umount();
    assertClean(image);
    const second = new Mounted(image);
    const again = second.run(observe(second.process));
    second.umount();
    if (!sameObservation(seen, again)) throw new CrashSymptom('a second mount shows something else');
    judge(model, at.marks.length, seen, shape.blockSize);
  };
