/**
 * check: all metadata against itself. Exit status: e2fsck's bit sum. A journal that asks for it is
 * replayed before, in memory, so that what is judged is what a mount would show; with --repair on
 * the image itself.
 */
import { FsError } from '../../base/errno.ts';
import { BlockDevice, type BlockDriver } from '../../block/block-device.ts';
import { checkFs, type CheckSummary } from '../../fs/ext4/check/check.ts';
import type { Place, Problem } from '../../fs/ext4/check/problem.ts';
import { ext4BlockSizeOf } from '../../fs/ext4/super-read.ts';
import { Memory } from '../../mm/vmscan.ts';
import { NodeClock } from '../../platform/node/clock.ts';
import { FileDevice } from '../../platform/node/file-device.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import type { Cli } from '../context.ts';
import { parseSize } from '../format.ts';
import { print, printJson } from '../output.ts';
import { Progress } from '../progress.ts';
import { asksForRecovery, recover, recoverInMemory, type Recovered } from '../recovered.ts';

export interface CheckCommandOptions {
  readonly memory?: string;
  readonly quiet?: true;
  readonly repair?: true;
}

/** @source e2fsck(8), "EXIT CODE" */
const CLEAN = 0;
const CORRECTED = 1;
const ERRORS_LEFT = 4;
const OPERATIONAL = 8;

const CACHE_SIZE = 64 << 20;
const LEAST_FRAME = 4096;
const LARGEST_FRAME = 65536;
/** Phases of a check, for one bar over all of them. */
const PHASES = ['superblock', 'inodes', 'directories', 'connectivity', 'links', 'bitmaps', 'quota'];

export function check(cli: Cli, image: string, o: CheckCommandOptions): void {
  const cacheSize = o.memory === undefined ? CACHE_SIZE : parseSize(o.memory);
  let found = 0;
  const onProblem = (problem: Problem): void => {
    found++;
    if (cli.json)
      printJson({
        problem: problem.code,
        text: problem.text,
        phase: problem.phase,
        ...problem.place,
      });
    else if (o.quiet !== true) print(problemLine(problem));
  };
  try {
    const { summary, said, repaired } = run(image, cacheSize, onProblem, o.repair === true);
    cli.status = (summary.problems === 0 ? CLEAN : ERRORS_LEFT) + (repaired ? CORRECTED : 0);
    if (cli.json) printJson({ image, clean: summary.problems === 0, said, ...summary });
    else if (o.quiet !== true) {
      const where = repaired ? '' : 'in memory: ';
      for (const sentence of said) print(`${image}: ${where}${sentence}`);
      say(image, summary);
    }
  } catch (e) {
    cli.fail(image, e);
    cli.status = OPERATIONAL + (found > 0 ? ERRORS_LEFT : 0);
  }
}

interface Outcome {
  readonly summary: CheckSummary;
  /** What a recovery did. */
  readonly said: readonly string[];
  /** The image itself was changed. */
  readonly repaired: boolean;
}

function run(
  image: string,
  cacheSize: number,
  onProblem: (p: Problem) => void,
  repair: boolean,
): Outcome {
  const file = new FileDevice(image, { readOnly: !repair });
  const progress = new Progress('checking', PHASES.length * 100);
  try {
    const { driver, said } = recovered(image, file, repair, onProblem);
    const device = new BlockDevice(driver);
    const scheduler = new Scheduler({ clock: new NodeClock() });
    const memory = new Memory(cacheSize, frameSize(scheduler, device));
    const onProgress = (done: number, total: number, phase: string): void => {
      progress.update(PHASES.indexOf(phase) * 100 + Math.floor((100 * done) / Math.max(1, total)));
    };
    const summary = scheduler.runToEnd(checkFs(device, { memory, onProblem, onProgress }));
    return { summary, said, repaired: repair && said.length > 0 };
  } finally {
    progress.stop();
    file.close();
  }
}

/** The image to judge. One that cannot be recovered is judged as it is, which is said. */
function recovered(
  image: string,
  file: BlockDriver,
  repair: boolean,
  onProblem: (p: Problem) => void,
): Recovered {
  try {
    if (!asksForRecovery(file)) return { driver: file, said: [] };
    return repair ? { driver: file, said: recover(file, image) } : recoverInMemory(file, image);
  } catch (e) {
    if (!(e instanceof FsError || isNodeError(e))) throw e;
    const text = `The journal cannot be replayed: ${e.message}.`;
    onProblem({ phase: 'superblock', code: 'journal-damaged', text, place: {} });
    return { driver: file, said: [] };
  }
}

/** An error as the library dresses it. */
const isNodeError = (e: unknown): e is Error => e instanceof Error && 'code' in e;

/** As the super block says; one that is damaged says nothing, and its copies may say anything. */
function frameSize(scheduler: Scheduler, device: BlockDevice): number {
  try {
    return Math.max(LEAST_FRAME, scheduler.runToEnd(ext4BlockSizeOf(device)));
  } catch (e) {
    if (!(e instanceof FsError)) throw e;
    return LARGEST_FRAME;
  }
}

const PLACES: readonly (readonly [keyof Place, string])[] = [
  ['group', 'group'],
  ['ino', 'inode'],
  ['pblk', 'block'],
  ['lblk', 'logical block'],
  ['field', 'field'],
  ['path', 'name'],
];

function problemLine({ code, text, place }: Problem): string {
  const at = PLACES.filter(([key]) => place[key] !== undefined)
    .map(([key, word]) => `${word} ${String(place[key])}`)
    .join(', ');
  return `${at === '' ? '' : `${at}: `}${text} [${code}]`;
}

function say(image: string, s: CheckSummary): void {
  const verdict =
    s.problems === 0 ? 'clean' : `${s.problems} ${s.problems === 1 ? 'problem' : 'problems'}`;
  const inodes = `${s.inodesUsed}/${s.inodesTotal} inodes`;
  const what = `${s.files} files, ${s.directories} directories`;
  print(`${image}: ${verdict}, ${inodes} (${what}), ${s.blocksUsed}/${s.blocksTotal} blocks`);
}
