/**
 * The host: where its ext4 is, its tools, and this package's own command.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { cpus, homedir, release, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Missing } from './case.ts';
import { sampleOf } from './measure.ts';

/** statfs.f_type of the file systems that the peer usually runs on. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
};

export interface Ground {
  readonly dir: string;
  readonly type: string;
}

/** A writable folder on ext4, or the temporary folder on whatever it is. */
export function ground(): Ground {
  const candidates = [process.env['FOLIOFS_BENCH_DIR'], tmpdir(), process.cwd(), homedir()];
  const grounds = candidates.flatMap((dir) => {
    if (dir === undefined || !isWritable(dir)) return [];
    const { type } = statfsSync(dir);
    return [{ dir, type: FILE_SYSTEMS[type] ?? `file system 0x${type.toString(16)}` }];
  });
  const best = grounds.find(({ type }) => type === 'ext4') ?? grounds[0];
  if (!best) throw new Missing('no writable folder; name one in FOLIOFS_BENCH_DIR');
  return best;
}

function isWritable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** mke2fs and e2fsck stand outside the search path of ordinary users on some systems. */
const PATH = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter);
const env = { ...process.env, PATH };

export function needTool(tool: string): void {
  if (spawnSync(tool, ['-V'], { env }).error) throw new Missing(`${tool} is not installed`);
}

/**
 * Run to the end, quietly. @returns what it printed
 * @throws Error with what the command said, unless its status is 0
 */
export function run(command: string, args: readonly string[], cwd?: string): string {
  const child = spawnSync(command, args, { env, cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (child.error) throw child.error;
  if (child.status === 0) return child.stdout;
  const status = child.status ?? child.signal ?? '?';
  throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${child.stderr.trim()}`);
}

/** The folder of package.json, wherever the bundle put this file. */
export function packageRoot(): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Missing('the package of this file is not complete');
    dir = up;
  }
  return dir;
}

/** The production build of the command line. @throws Missing */
function ourCommand(): string {
  const main = join(packageRoot(), 'dist/cli/main.js');
  if (!existsSync(main)) throw new Missing('dist/cli/main.js is not built');
  return main;
}

/** @throws Missing the command line has no such command */
export function needCommand(name: string): void {
  const { status } = spawnSync(process.execPath, [ourCommand(), name, '--help'], { env });
  if (status !== 0) throw new Missing(`foliofs has no command ${name} yet`);
}

/** `foliofs ...` in a process of its own, as a person would run it. */
export function foliofs(args: readonly string[]): void {
  run(process.execPath, [ourCommand(), ...args]);
}

/**
 * Explore a model program in a process of its own.
 * @throws Missing; Error it has another number of behaviours
 */
export function exploreProgram(program: readonly (string | number)[], traces: number): void {
  const main = join(packageRoot(), 'dist/bench/explore-program.js');
  if (!existsSync(main)) throw new Missing('dist/bench/explore-program.js is not built');
  const found = run(process.execPath, [main, ...program.map(String)]).trim();
  if (found !== String(traces)) throw new Error(`${program.join(' ')}: ${found}, not ${traces}`);
}

/**
 * Executions a second of a scenario on ext4, in a process of its own: the checked build is needed.
 */
export function exploreExt4(executions: number, judged: boolean): number {
  const main = join(packageRoot(), 'dist/checked/bench/explore-ext4.js');
  if (!existsSync(main)) throw new Missing('dist/checked/bench/explore-ext4.js is not built');
  const args = [main, String(executions), ...(judged ? ['judged'] : [])];
  return Number(run(process.execPath, args).trim());
}

/**
 * Loaded before a program: writes the peak of its memory, KiB, to descriptor 3 when it ends. Linux
 * lets getrusage's maxRSS begin with what the parent had; VmHWM is the program's own.
 */
const WATCH = `
import { readFileSync, writeSync } from 'node:fs';
const peak = () => {
  try {
    return /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  } catch {
    return String(process.resourceUsage().maxRSS);
  }
};
process.on('exit', () => writeSync(3, peak()));
`;

/** Peak resident memory of a Node program that ran to its end, in MiB. */
function peakOf(args: readonly string[]): number {
  const watch = `data:text/javascript,${encodeURIComponent(WATCH)}`;
  const child = spawnSync(process.execPath, ['--import', watch, ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
  if (child.error) throw child.error;
  if (child.status !== 0) throw new Error(`${args.join(' ')}: ${child.stderr.trim()}`);
  return Number(child.output[3]) / 1024;
}

/** MiB that `foliofs ...` takes at its peak, over the same program that only tells its version. */
export function growthOf(args: readonly string[]): number {
  const main = ourCommand();
  return peakOf([main, ...args]) - peakOf([main, '--version']);
}

/** Milliseconds that a Node program takes which does nothing: part of every command of ours. */
export function startTime(): number {
  const times = Array.from({ length: 7 }, () => {
    const start = performance.now();
    run(process.execPath, ['-e', '0']);
    return performance.now() - start;
  });
  return sampleOf(times).median;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
}

export function machine(): Machine {
  const all = cpus();
  const cpu = all[0]?.model.trim() ?? 'unknown';
  return { cpu, cores: all.length, kernel: release(), node: process.version };
}

export const version = (): string => {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
