/** A crash state in words: when the crash came, and what the medium held then. */
import { CrashRecorder } from '../../explore/crash-recorder.ts';
import { addFile, fixedBlocks, recordIn } from './block-names.ts';
import { imageAfter } from './image.ts';
import { Mounted } from './mounted.ts';
import { opText, stampOf } from './op.ts';
import type { CrashRun } from './workload.ts';

/** One choice that the crash made. */
export interface DescribedChoice {
  readonly block: number;
  readonly is: string;
  readonly held: string;
}

export interface DescribedCrash {
  /** The operation that had begun, or the unmounting. */
  readonly during: string;
  readonly choices: readonly DescribedChoice[];
  /** Choices after crashes in the middle of a recovery, one list each. */
  readonly inRecovery: readonly (readonly DescribedChoice[])[];
}

/** @param id  of crash-states.ts: `EVENT:BLOCK=OPTION,...`, again behind each `/` */
export function describeCrash(run: CrashRun, id: string): DescribedCrash {
  const names = blockNames(run);
  const [first, ...later] = id.split('/');
  const event = Number(first!.split(':')[0]);
  const choices = choicesOf(first!).map(([block, option]) => {
    const record = recordOf(run, block, option);
    const is = `${names.get(block) ?? 'a directory or nothing'}${record}`;
    return { block, is, held: held(run, block, option, event) };
  });
  const inRecovery = later.map((part) =>
    choicesOf(part).map(([block, option]) => {
      const what = option.startsWith('^') ? 'what it held before the recovery' : 'recovered';
      const now = option === '0' ? 'what it held before the recovery' : what;
      return { block, is: names.get(block) ?? 'a directory or nothing', held: now };
    }),
  );
  return { during: operationAt(run, event), choices, inRecovery };
}

const choicesOf = (part: string): (readonly [number, string])[] =>
  part
    .slice(part.indexOf(':') + 1)
    .split(',')
    .filter((c) => c !== '')
    .map((c) => [Number(c.split('=')[0]), c.split('=')[1]!]);

function operationAt({ workload, begun }: CrashRun, event: number): string {
  const last = begun.findLastIndex((from) => from <= event);
  const op = workload.ops[last];
  return op === undefined ? 'unmounting' : opText(op);
}

/** The operations once more, for where their files lie: recordings stay free of this. */
function blockNames({ workload, shape, model }: CrashRun): ReadonlyMap<number, string> {
  const { setup, ops } = workload;
  // Over a recorder, so that the image stays as it is.
  const ram = imageAfter(shape, setup);
  const mounted = new Mounted(new CrashRecorder(ram, { blockSize: shape.blockSize }));
  for (const [i, op] of ops.entries()) mounted.perform(op, stampOf(setup.length + i));
  const names = fixedBlocks(mounted);
  const last = model.names.at(-1)!.nodes;
  for (const [path, { kind }] of last) {
    if (kind !== 'file') continue;
    mounted.run(addFile(mounted.process, path, shape.blockSize, names));
  }
  mounted.umount();
  return names;
}

function versions(run: CrashRun, block: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const event of run.recording.events) {
    if (event.kind !== 'submit') continue;
    for (const { nr, data } of event.write.blocks) if (nr === block) found.push(data);
  }
  return found;
}

function recordOf(run: CrashRun, block: number, option: string): string {
  const data = versions(run, block)[Number(/\d+/.exec(option)?.[0] ?? 0) - 1];
  const record = data === undefined ? null : recordIn(data);
  return record === null ? '' : ` (${record})`;
}

function held(run: CrashRun, block: number, option: string, event: number): string {
  if (option === '0') return 'as it was before';
  const torn = /^t(\d+)\.([\da-f]+)$/.exec(option);
  if (torn !== null) return `torn: write ${torn[1]}, sectors ${sectors(torn[2]!)} alone`;
  const before = run.recording.events.slice(0, event);
  let count = 0;
  for (const e of before) {
    if (e.kind === 'submit' && e.write.blocks.some(({ nr }) => nr === block)) count++;
  }
  return count > 1 ? `write ${option} of ${count}` : 'written';
}

function sectors(mask: string): string {
  const bits = parseInt(mask, 16);
  const list = Array.from({ length: 31 }, (_, i) => i);
  return list.filter((i) => Math.floor(bits / 2 ** i) % 2 === 1).join(' ');
}
