/** The commands that look for mistakes. */
import { Command } from 'commander';
import { action, examples } from './commands.ts';
import { UsageError } from './errors.ts';

export function exploreCommands(top: Command): void {
  top.addCommand(exploreCommand());
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
