/** crash: every crash state of a workload, and what is wrong with one that may not be. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Bio } from '../../block/bio.ts';
import type { BlockDriver } from '../../block/block-device.ts';
import { sector } from '../../base/units.ts';
import type { CrashFailure, CrashOptions } from '../../explore/crash-states.ts';
import { type CrashVerdict, exploreCrashes } from '../../scenarios/crash/crash-run.ts';
import { pairWorkload, randomWorkload } from '../../scenarios/crash/choose.ts';
import { describeCrash } from '../../scenarios/crash/describe.ts';
import { knownWorkloads } from '../../scenarios/crash/known.ts';
import { type CrashMistake, crashMistakes } from '../../scenarios/crash/mistakes.ts';
import { oneOperation } from '../../scenarios/crash/one-operation.ts';
import { opText } from '../../scenarios/crash/op.ts';
import { crashWorkload } from '../../scenarios/crash/registry.ts';
import type { CrashWorkload } from '../../scenarios/crash/workload.ts';
import type { Cli } from '../context.ts';
import { causeOf, UsageError } from '../errors.ts';
import { print, printJson } from '../output.ts';
import { Progress } from '../progress.ts';

export interface CrashCommandOptions {
  readonly list?: true;
  readonly all?: true;
  readonly pairs?: string;
  readonly random?: string;
  readonly seed: string;
  readonly variant?: string;
  readonly allVariants?: true;
  readonly torn?: true;
  readonly insideRecovery?: true;
  readonly mode: string;
  readonly limit: string;
  readonly only?: string;
  readonly image?: string;
}

/** One thing to be explored. */
interface Case {
  readonly workload: CrashWorkload;
  /** Null: the right code. */
  readonly variant: string | null;
}

/** Of more cases than these only those are told that are not as expected, and the sum. */
const TOLD = 60;

export function crash(cli: Cli, ids: readonly string[], o: CrashCommandOptions): void {
  if (o.list === true) {
    list(cli);
    return;
  }
  const options = optionsOf(o);
  const cases = casesOf(ids, o);
  if ((o.only !== undefined || o.image !== undefined) && cases.length !== 1) {
    throw new UsageError('--only and --image are of one workload');
  }
  if (o.image !== undefined && o.only === undefined) {
    throw new UsageError('--image needs --only: which state is to be written');
  }
  const sum = new Sum();
  const bar = new Progress('crash', cases.length);
  try {
    for (const c of cases) {
      const result = one(cli, c, options, o.image);
      if (result !== null) {
        sum.add(result);
        report(cli, c, result, cases.length <= TOLD);
      }
      bar.add(1);
    }
  } finally {
    bar.stop();
  }
  if (cases.length > 1 && !cli.json) print(sum.text());
}

function list(cli: Cli): void {
  const one = oneOperation();
  const row = ({ id, title, setup, ops }: CrashWorkload): void => {
    if (cli.json) printJson({ id, title, setup: setup.map(opText), ops: ops.map(opText) });
    else print(`${id}: ${title}`);
  };
  for (const w of knownWorkloads) row(w);
  if (cli.json) for (const w of one) row(w);
  else print(`one-001 ... one-${one.length}: every workload of one operation (--all)`);
  for (const [id, { title, workloads }] of Object.entries(crashMistakes)) {
    if (cli.json) printJson({ variant: id, title, workloads });
    else print(`  variant ${id}: ${title} (${workloads.join(', ')})`);
  }
}

function number(text: string, option: string, least: number): number {
  const n = Number(text);
  if (/^\d{1,7}$/.test(text) && n >= least) return n;
  throw new UsageError(`${option} ${text}: not a whole number from ${least} to 9999999`);
}

function optionsOf(o: CrashCommandOptions): CrashOptions {
  if (o.mode !== 'lazy' && o.mode !== 'eager') {
    throw new UsageError(`--mode ${o.mode}: lazy or eager`);
  }
  return {
    mode: o.mode,
    limit: number(o.limit, '--limit', 1),
    torn: o.torn === true,
    insideRecovery: o.insideRecovery === true ? 1 : 0,
    ...(o.only === undefined ? {} : { only: o.only }),
  };
}

function workloadOf(id: string): CrashWorkload {
  const workload = crashWorkload(id);
  if (workload !== undefined) return workload;
  throw new UsageError(`no workload ${id}; 'foliofs crash --list' names them`);
}

function casesOf(ids: readonly string[], o: CrashCommandOptions): Case[] {
  if (o.allVariants === true && o.variant !== undefined) {
    throw new UsageError('--variant and --all-variants exclude one another');
  }
  const chosen = [...ids.map(workloadOf), ...generated(o)];
  if (o.allVariants === true) {
    return Object.entries(crashMistakes).flatMap(([variant, m]) =>
      m.workloads.map((id) => ({ workload: workloadOf(id), variant })),
    );
  }
  const { variant = null } = o;
  if (variant !== null && !Object.hasOwn(crashMistakes, variant)) {
    throw new UsageError(`no variant ${variant}: ${Object.keys(crashMistakes).join(', ')}`);
  }
  const own = variant === null ? knownWorkloads : crashMistakes[variant]!.workloads.map(workloadOf);
  return (chosen.length > 0 ? chosen : own).map((workload) => ({ workload, variant }));
}

function generated(o: CrashCommandOptions): CrashWorkload[] {
  const seed = number(o.seed, '--seed', 0);
  const many = (text: string | undefined, option: string, make: typeof pairWorkload) =>
    Array.from({ length: text === undefined ? 0 : number(text, option, 1) }, (_, i) =>
      make(seed, i),
    );
  return [
    ...(o.all === true ? oneOperation() : []),
    ...many(o.pairs, '--pairs', pairWorkload),
    ...many(o.random, '--random', randomWorkload),
  ];
}

interface Result extends CrashVerdict {
  readonly ms: number;
}

function one(cli: Cli, c: Case, options: CrashOptions, file: string | undefined): Result | null {
  const since = performance.now();
  const mistake: CrashMistake | null = c.variant === null ? null : crashMistakes[c.variant]!;
  const depth = options.only?.split('/').length ?? 1;
  const write = (image: BlockDriver, at: { readonly depth: number }): void => {
    if (at.depth === depth - 1) cli.attempt(file!, () => writeImage(image, file!));
  };
  try {
    const before = file === undefined ? undefined : write;
    const verdict = exploreCrashes(c.workload, options, mistake, before);
    return { ...verdict, ms: performance.now() - since };
  } catch (e) {
    const cause = causeOf(e);
    if (cause === null) throw e;
    if (options.only !== undefined) throw new UsageError(`--only ${options.only}: ${cause}`);
    cli.fail(c.workload.id, e);
    return null;
  }
}

/** The medium as the crash left it, for e2fsck and debugfs. */
function writeImage(image: BlockDriver, file: string): void {
  const fd = openSync(file, 'w');
  try {
    const chunk = new Uint8Array(1 << 16);
    for (let at = 0; at < image.size; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, image.size - at));
      image.start(new Bio('read', sector(at / 512)).add(part));
      writeSync(fd, part, 0, part.length, at);
    }
  } finally {
    closeSync(fd);
  }
}

class Sum {
  private workloads = 0;
  private wrong = 0;
  private incomplete = 0;
  private states = 0;
  private recoveries = 0;
  private ms = 0;

  add({ tally, asExpected, ms }: Result): void {
    this.workloads++;
    if (!asExpected) this.wrong++;
    if (!tally.complete) this.incomplete++;
    this.states += tally.states;
    this.recoveries += tally.recoveries;
    this.ms += ms;
  }

  text(): string {
    const { workloads, wrong, incomplete, states, recoveries, ms } = this;
    const left = incomplete === 0 ? 'all complete' : `${incomplete} not complete`;
    return (
      `${workloads} workloads, ${left}, ${wrong} not as expected: ${states} crash states, ` +
      `${recoveries} recoveries, ${(ms / 1000).toFixed(1)} s`
    );
  }
}

function report(cli: Cli, c: Case, result: Result, tell: boolean): void {
  if (!result.asExpected) cli.status = Math.max(cli.status, 1);
  if (cli.json) printJson(asJson(c, result));
  else if (tell || !result.asExpected) for (const line of asText(c, result)) print(line);
}

function commandOf({ workload, variant }: Case, { id }: CrashFailure): string {
  const name = variant === null ? workload.id : `${workload.id} --variant ${variant}`;
  const torn = /=t\d/.test(id) ? ' --torn' : '';
  const inside = id.includes('/') ? ' --inside-recovery' : '';
  return `foliofs crash ${name}${torn}${inside} --only '${id}'`;
}

function asJson(c: Case, { run, tally, asExpected, ms }: Result): object {
  const { failures, ...counts } = tally;
  const { id, title, setup, ops } = c.workload;
  return {
    id,
    variant: c.variant,
    title,
    setup: setup.map(opText),
    ops: ops.map(opText),
    verdict: failures.length > 0 ? 'violated' : tally.complete ? 'holds' : 'limit',
    expected: asExpected,
    ...counts,
    ms: Math.round(ms * 100) / 100,
    failures: failures.map((f) => ({
      symptom: f.symptom,
      count: f.count,
      id: f.id,
      marks: f.marks,
      ...describeCrash(run, f.id),
      replay: commandOf(c, f),
    })),
  };
}

function asText(c: Case, { run, tally, asExpected, ms }: Result): string[] {
  const { workload, variant } = c;
  const name = variant === null ? workload.id : `${workload.id} (${variant})`;
  const effort = `${tally.states} crash states, ${tally.recoveries} recoveries, ${ms.toFixed(0)} ms`;
  const [first] = tally.failures;
  if (first === undefined) {
    const how = tally.complete ? 'holds at every crash' : 'no failure so far, but not all was seen';
    const wanted = variant === null ? '' : `; expected: ${crashMistakes[variant]!.symptom.source}`;
    return [`${name}: ${how} (${effort})${wanted}`];
  }
  const as = asExpected ? ', as it must be' : '';
  const more = tally.failures.length - 1;
  return [
    `${name}: violated${as}: ${first.symptom} (${effort})`,
    ...(more > 0 ? [`  and ${more} other symptom${more === 1 ? '' : 's'}`] : []),
    ...failureText(c, run, first),
  ];
}

function failureText(c: Case, run: CrashVerdict['run'], failure: CrashFailure): string[] {
  const { setup, ops } = c.workload;
  const { during, choices, inRecovery } = describeCrash(run, failure.id);
  const lines = [
    ...(setup.length > 0 ? [`  durable before: ${setup.map(opText).join('; ')}`] : []),
    `  operations: ${ops.map(opText).join('; ')}`,
    `  the crash came during: ${during}`,
    ...failure.marks.map((m) => `  before it: ${m}`),
  ];
  for (const { block, is, held } of choices) lines.push(`  block ${block}, ${is}: ${held}`);
  for (const part of inRecovery) {
    lines.push('  and in the middle of the recovery:');
    for (const { block, is, held } of part) lines.push(`    block ${block}, ${is}: ${held}`);
  }
  return [...lines, `  ${commandOf(c, failure)}`];
}
