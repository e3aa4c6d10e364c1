/** explore: every interleaving of a scenario, and how a failure comes about. */
import { readFileSync, writeFileSync } from 'node:fs';
import { diagram, linesOf } from '../../explore/diagram.ts';
import { explore as search, type ExploreOptions, type Verdict } from '../../explore/explore.ts';
import { htmlPage } from '../../explore/html.ts';
import type { Recording } from '../../explore/record.ts';
import type { Scenario } from '../../explore/scenario.ts';
import { parseSchedule, type Schedule, scheduleText } from '../../explore/schedule.ts';
import { parseSeed, type Seed } from '../../explore/seed.ts';
import { replay, show } from '../../explore/show.ts';
import type { Shrunk } from '../../explore/shrink.ts';
import { expectedSymptom } from '../../explore/with-system.ts';
import { scenarioNamed, scenarios } from '../../scenarios/registry.ts';
import type { Cli } from '../context.ts';
import { causeOf, UsageError } from '../errors.ts';
import { print, printJson } from '../output.ts';
import { Progress } from '../progress.ts';

export interface ExploreCommandOptions {
  readonly list?: true;
  readonly variant?: string;
  readonly allVariants?: true;
  readonly strategy: string;
  readonly seed: string;
  readonly limit: string;
  readonly replay?: string;
  readonly html?: string;
}

/** What each strategy is for the explorer; null: it is to come. */
const STRATEGIES: Readonly<Record<string, ((seed: number) => ExploreOptions) | null>> = {
  dpor: () => ({ strategy: 'optimal' }),
  source: () => ({ strategy: 'source' }),
  dfs: null,
  pct: null,
  random: null,
};

/** One thing to be explored. */
interface Case {
  readonly scenario: Scenario;
  readonly variant: string | null;
  /** What it must fail with; null: it must hold. */
  readonly expected: RegExp | null;
}

/** What came of it. */
interface Result {
  readonly verdict: Verdict['verdict'];
  readonly complete: boolean;
  readonly executions: number;
  /** null: it is a replay. */
  readonly claim: Verdict['claim'] | null;
  readonly ms: number;
  /** Of a failure, or of a replay. */
  readonly recording: Recording | null;
  /** How it was made easy to read; null: it was not. */
  readonly shrunk: Shrunk | null;
  readonly targets: Verdict['targets'];
  readonly asExpected: boolean;
  /** A replay: no search. */
  readonly single: boolean;
}

export function explore(cli: Cli, ids: readonly string[], o: ExploreCommandOptions): void {
  if (o.list === true) list(cli);
  else if (o.replay !== undefined) replayOne(cli, ids, o.replay, o);
  else {
    const options = searchOptions(o);
    const cases = casesOf(ids, o);
    if (o.html !== undefined && cases.length > 1) {
      throw new UsageError('--html shows one scenario, right or with one variant');
    }
    for (const c of cases) report(cli, c, exploreOne(c, options), o.html);
  }
}

function list(cli: Cli): void {
  for (const { id, title, thread, tasks, variants = {} } of scenarios) {
    if (cli.json) {
      const names = { tasks: Object.keys(tasks), variants: Object.keys(variants) };
      printJson({ id, title, thread: thread ?? null, ...names });
      continue;
    }
    print(`${id}: ${title}`);
    for (const [name, variant] of Object.entries(variants)) print(`  ${name}: ${variant.title}`);
  }
}

function number(text: string, option: string, least: number): number {
  const n = Number(text);
  if (/^\d+$/.test(text) && n >= least && Number.isSafeInteger(n)) return n;
  throw new UsageError(`${option} ${text}: not a whole number from ${least} on`);
}

function searchOptions(o: ExploreCommandOptions): ExploreOptions {
  const known = Object.keys(STRATEGIES).join(', ');
  if (!Object.hasOwn(STRATEGIES, o.strategy)) {
    throw new UsageError(`no strategy ${o.strategy}; there are: ${known}`);
  }
  const strategy = STRATEGIES[o.strategy]!;
  const seed = number(o.seed, '--seed', 0);
  const limit = number(o.limit, '--limit', 1);
  if (strategy === null) throw new UsageError(`the strategy ${o.strategy} is not there yet`);
  return { ...strategy(seed), limit };
}

function scenarioOf(id: string): Scenario {
  const scenario = scenarioNamed(id);
  if (scenario === undefined) {
    throw new UsageError(`no scenario ${id}; 'foliofs explore --list' names them all`);
  }
  return scenario;
}

/** @throws UsageError there is no such variant */
function caseOf(scenario: Scenario, variant: string | null): Case {
  try {
    return { scenario, variant, expected: expectedSymptom(scenario, variant) };
  } catch (e) {
    throw new UsageError(`${scenario.id}: ${causeOf(e) ?? String(e)}`);
  }
}

function casesOf(ids: readonly string[], o: ExploreCommandOptions): Case[] {
  if (o.allVariants === true && o.variant !== undefined) {
    throw new UsageError('--variant and --all-variants exclude one another');
  }
  const chosen = ids.length === 0 && o.variant === undefined ? scenarios : ids.map(scenarioOf);
  if (chosen.length === 0) throw new UsageError('--variant needs a scenario');
  return chosen.flatMap((scenario) => {
    if (o.allVariants !== true) return [caseOf(scenario, o.variant ?? null)];
    return [null, ...Object.keys(scenario.variants ?? {})].map((v) => caseOf(scenario, v));
  });
}

const variantOption = ({ variant }: Case): { variant?: string } =>
  variant === null ? {} : { variant };

function exploreOne(c: Case, options: ExploreOptions): Result {
  const since = performance.now();
  const bar = new Progress(`explore ${c.scenario.id}`, options.limit ?? 0);
  try {
    const verdict = search(c.scenario, {
      ...options,
      ...variantOption(c),
      progress: (executions) => {
        bar.update(executions);
        return true;
      },
    });
    const ms = performance.now() - since; // Of the search: what follows is for the reader.
    const { failure, schedule, complete, executions, targets, claim } = verdict;
    const shown =
      failure === null || schedule === null
        ? null
        : show(c.scenario, schedule, failure, variantOption(c));
    return {
      verdict: verdict.verdict,
      complete,
      executions,
      claim,
      ms,
      recording: shown?.recording ?? null,
      shrunk: shown?.shrunk ?? null,
      targets,
      asExpected:
        failure === null
          ? verdict.verdict === 'holds' && c.expected === null
          : (c.expected?.test(failure.symptom) ?? false),
      single: false,
    };
  } finally {
    bar.stop();
  }
}

function replayOne(cli: Cli, ids: readonly string[], what: string, o: ExploreCommandOptions): void {
  if (ids.length > 1 || o.allVariants === true) {
    throw new UsageError('--replay runs one schedule of one scenario');
  }
  const { seed, schedule } = readSchedule(what);
  const id = ids[0] ?? seed?.scenario;
  if (id === undefined) throw new UsageError('--replay needs a scenario');
  const c = caseOf(scenarioOf(id), o.variant ?? seed?.variant ?? null);
  const since = performance.now();
  const recording = replay(c.scenario, schedule, variantOption(c));
  const ms = performance.now() - since;
  const { failure, strayed } = recording;
  const symptom = failure?.symptom;
  const asExpected =
    c.expected === null ? failure === null : symptom !== undefined && c.expected.test(symptom);
  report(
    cli,
    c,
    {
      verdict: failure === null ? 'limit' : 'violated',
      complete: false,
      executions: 1,
      claim: null,
      ms,
      recording,
      shrunk: null,
      targets: [],
      asExpected: asExpected && strayed === null,
      single: true,
    },
    o.html,
  );
}

function pageOf(c: Case, recording: Recording): string {
  const { id, title, variants } = c.scenario;
  const variant = c.variant === null ? undefined : variants?.[c.variant];
  return htmlPage(recording, {
    title: variant === undefined ? `${id}: ${title}` : `${id} (${c.variant}): ${title}`,
    ...(variant === undefined ? {} : { subtitle: `the mistake: ${variant.title}` }),
    command: replayCommand(c, recording),
  });
}

/** A word of schedule.ts, a file that holds one, or a kept failure. */
function readSchedule(what: string): { seed: Seed | null; schedule: Schedule } {
  try {
    if (/^\d+-[\d.*:,]*$/.test(what)) return { seed: null, schedule: parseSchedule(what) };
    const text = readFileSync(what, 'utf8');
    if (!/^\s*\w+:/.test(text)) return { seed: null, schedule: parseSchedule(text) };
    const seed = parseSeed(text);
    return { seed, schedule: seed.schedule };
  } catch (e) {
    const cause = causeOf(e);
    if (cause === null) throw e;
    throw new UsageError(`--replay ${what}: ${cause}`);
  }
}

function report(cli: Cli, c: Case, result: Result, html?: string): void {
  if (html !== undefined) {
    // Where nothing fails, there is still one execution to be looked at.
    const recording = result.recording ?? replay(c.scenario, [], variantOption(c));
    cli.attempt(html, () => {
      writeFileSync(html, pageOf(c, recording));
    });
  }
  if (!result.asExpected) cli.status = Math.max(cli.status, 1);
  if (cli.json) printJson(asJson(c, result));
  else for (const line of asText(c, result)) print(line);
}

function asJson(c: Case, result: Result): object {
  const { recording, shrunk, asExpected, targets } = result;
  const { verdict, executions, complete, claim, ms } = result;
  const failure = recording?.failure ?? null;
  return {
    id: c.scenario.id,
    variant: c.variant,
    verdict,
    expected: asExpected,
    executions,
    complete,
    ...(claim === null ? {} : { claim }),
    ms: Math.round(ms * 100) / 100,
    ...(failure === null ? {} : { kind: failure.kind, symptom: failure.symptom }),
    ...(recording === null ? {} : { ...facts(recording), replay: replayCommand(c, recording) }),
    ...(shrunk === null ? {} : switchesOf(shrunk)),
    lockdep: targets.map(({ report: { kind, classes }, outcome }) => ({ kind, classes, outcome })),
  };
}

const switchesOf = ({ switches, preemptions, fewest }: Shrunk): object => ({
  switches,
  preemptions,
  fewest,
});

const facts = (recording: Recording): object => ({
  schedule: scheduleText(recording.schedule),
  strayed: recording.strayed,
  lines: linesOf(recording).map((line) => ({ ...line, name: recording.names[line.task] })),
  blocked: recording.blocked,
  circle: recording.circle,
});

function replayCommand(c: Case, recording: Recording): string {
  const variant = c.variant === null ? '' : ` --variant ${c.variant}`;
  return `foliofs explore ${c.scenario.id}${variant} --replay '${scheduleText(recording.schedule)}'`;
}

function asText(c: Case, result: Result): string[] {
  const { recording, shrunk, targets } = result;
  const lines = [headline(c, result)];
  if (shrunk !== null) lines.push(shrunkText(shrunk));
  for (const { report, outcome } of targets) {
    lines.push(`lockdep: ${report.kind}: ${report.classes.join(', ')}: ${outcome}`);
  }
  if (recording === null) return lines;
  const { strayed } = recording;
  if (strayed !== null) lines.push(`the schedule strays at step ${strayed.step}: ${strayed.why}`);
  return [...lines, '', diagram(recording), '', replayCommand(c, recording)];
}

function shrunkText({ switches, preemptions, fewest }: Shrunk): string {
  const least = fewest ? ', the fewest that fail so' : '; perhaps fewer would do';
  return `context switches: ${switches}; pre-emptions: ${preemptions}${least}`;
}

function headline(c: Case, result: Result): string {
  const { verdict, executions, ms, recording, asExpected, single } = result;
  const name = c.variant === null ? c.scenario.id : `${c.scenario.id} (${c.variant})`;
  const effort = `${executions} execution${executions === 1 ? '' : 's'}, ${ms.toFixed(1)} ms`;
  const wanted = asExpected ? '' : `; expected: ${c.expected?.source ?? 'it holds'}`;
  if (verdict === 'violated') {
    const as = asExpected ? ', as it must be' : '';
    return `${name}: violated${as}: ${recording?.failure?.symptom ?? ''} (${effort})${wanted}`;
  }
  if (single) return `${name}: this schedule does not fail (one of many)${wanted}`;
  if (verdict === 'holds') return `${name}: holds in every interleaving (${effort})${wanted}`;
  return `${name}: limit: no failure so far, and there is more to be seen (${effort})${wanted}`;
}
