/**
 * A crash workload: a set-up that is durable, some operations, and what was promised of them; its
 * recording, and the judgement of what a crash leaves.
 */
import { nameFromText } from '../../base/name.ts';
import type { BlockDriver } from '../../block/block-device.ts';
import { CrashRecorder, type CrashRecording } from '../../explore/crash-recorder.ts';
import type { CrashVisit } from '../../explore/crash-states.ts';
import { sysLstat } from '../../syscall/stat.ts';
import { assertClean, imageAfter, type ImageShape, SHAPES } from './image.ts';
import { Model } from './model.ts';
import { Mounted } from './mounted.ts';
import { type Observation, observe, summaryOf } from './observe.ts';
import { type CrashOp, isPersistence, opText, stampOf } from './op.ts';
import { CrashSymptom, judge } from './oracle.ts';

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
    const blocks = changesData(op) ? stat(op.path).blocks : 0;
    begun.push(recorder.length);
    mounted.perform(op, stamp);
    const made = model.apply(op, stamp);
    if (changesData(op) && stat(op.path).blocks !== blocks) model.remapped(op.path);
    if (made !== null && 'path' in op) made.ino = stat(op.path).ino;
    if (!isPersistence(op)) continue;
    model.promise(op, (path) => stat(path).blocks);
    recorder.mark(`${opText(op)} returned (${model.promised.length})`);
  }
  begun.push(recorder.length);
  mounted.umount();
  return { workload, shape, recording: recorder.recording(), model, begun };
}

const changesData = (op: CrashOp): op is CrashOp & { readonly op: 'write' | 'falloc' } =>
  op.op === 'write' || op.op === 'falloc';

/**
 * The judgement: mounted for writing, which recovers; looked at; unmounted; checked; and mounted
 * and looked at once more, to the same effect. Marks are asked for last, so that one judgement
 * serves whatever was promised.
 * @throws CrashSymptom, or whatever mounting and reading throw
 */
export const visitOf =
  ({ model, shape }: CrashRun): CrashVisit =>
  (image, at) => {
    const seen = lookAt(image);
    at.once('check', assertClean);
    const shown = summaryOf(seen);
    at.once(shown, (again) => {
      if (summaryOf(lookAt(again)) === shown) return;
      throw new CrashSymptom('a second mount shows something else');
    });
    judge(model, at.marks.length, seen, shape.blockSize);
  };

/**
 * Hold an image against what was promised, whoever recovered it.
 * @param promised  persistence points that had returned
 * @throws CrashSymptom, or whatever mounting and reading throw
 */
export function judgeImage({ model, shape }: CrashRun, image: BlockDriver, promised: number): void {
  judge(model, promised, lookAt(image), shape.blockSize);
}

function lookAt(image: BlockDriver): Observation {
  const mounted = new Mounted(image);
  const seen = mounted.run(observe(mounted.process));
  mounted.umount();
  return seen;
}
