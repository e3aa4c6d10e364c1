/** The commands that look for mistakes. */
import { Command } from 'commander';
import { action, examples } from './commands.ts';
import { UsageError } from './errors.ts';

export function exploreCommands(top: Command): void {
  top.addCommand(exploreCommand());
  top.addCommand(crashCommand());
}

const exploreCommand = (): Command =>
  action(
    new Command('explore')
      .description('every interleaving of a scenario, or the schedule of a failure')
      .argument('[scenario...]', 'all of them')
      .option('--list', 'the scenarios and their variants')
      .option('--variant <name>', 'with this known mistake put in')
      .option('--all-variants', 'the right code, then each known mistake')
      .option('--strategy <name>', 'dpor, dfs, pct or random', 'dpor')
      .option('--seed <n>', 'of pct and random', '1')
      .option('--limit <n>', 'executions at most', '1000000')
      .option('--replay <file>', 'run this schedule alone: a kept failure, or its one word')
      .option('--html <file>', 'a page in which one steps through the schedule')
      .addHelpText(
        'after',
        '\nA failure is shown as the sketch of the mailing lists, a column for each task; its last\n' +
          'line is the command that shows it again.\n' +
          'Exit status: 0 if the verdict is the expected one: the right code holds, in every\n' +
          'interleaving, and a known mistake is caught with its symptom. Otherwise 1; also where the\n' +
          'limit came first. With --replay: 0 if it fails, or does not, as expected.\n' +
          examples(
            'explore --list',
            'explore abba',
            'explore abba --variant other-order --html abba.html',
            "explore canary-lost-update --replay '1-0*2.1*3.0'",
            'explore --all-variants --json',
          ),
      ),
    async () => {
      // main.ts has handed this over to the other build.
      if (!CHECKED) throw new UsageError('explore is part of the checked build');
      return (await import('./commands/explore.ts')).explore;
    },
  );

const crashCommand = (): Command =>
  action(
    new Command('crash')
      .description('every crash state of a workload on a journalled ext4')
      .argument('[workload...]', 'those that were bugs somewhere')
      .option('--list', 'the workloads, and the known mistakes')
      .option('--all', 'every workload of one operation and one persistence point')
      .option('--pairs <n>', 'so many workloads of two operations, by --seed')
      .option('--random <n>', 'so many of a dozen operations, by --seed')
      .option('--seed <n>', 'of --pairs and --random', '1')
      .option('--variant <name>', 'with this known mistake put in')
      .option('--all-variants', 'each known mistake, on the workloads that must catch it')
      .option('--torn', 'also with one metadata block that is half written')
      .option('--inside-recovery', 'also with a second crash in the middle of recovery')
      .option('--mode <mode>', 'lazy, or eager: each image, for small workloads', 'lazy')
      .option('--limit <n>', 'judgements of a workload at most', '100000')
      .option('--only <id>', 'this crash state alone: the last line of a failure')
      .option('--image <file>', 'with --only: write the image that the crash left')
      .addHelpText(
        'after',
        '\nEach state is recovered by mounting, looked at, unmounted, checked, mounted again, and held\n' +
          'against what fsync, fdatasync and sync had promised by then.\n' +
          'Exit status: 0 if every workload holds at every crash, and with a known mistake is caught\n' +
          'with its symptom. Otherwise 1; also where the limit came first.\n' +
          examples(
            'crash --list',
            'crash',
            'crash --all --torn',
            'crash --pairs 100 --seed 7 --inside-recovery',
            'crash create-write --variant no-flush-before-commit',
            "crash one-017 --only '7:51=1' --image crashed.img",
          ),
      ),
    async () => {
      // main.ts has handed this over to the other build.
      if (!CHECKED) throw new UsageError('crash is part of the checked build');
      return (await import('./commands/crash.ts')).crash;
    },
  );
