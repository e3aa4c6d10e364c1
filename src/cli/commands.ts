/** How a command is declared; shared by the lists of commands. */
import { type Command, Option } from 'commander';
import { Cli } from './context.ts';
import { flushOutput } from './output.ts';

/** Does the work; the exit status is in `cli`. */
type Work<A extends unknown[]> = (cli: Cli, ...args: A) => void | Promise<void>;

/**
 * Run a command's work. @param load  the module is loaded only now, so that each command starts as
 * fast as it can
 */
export function action<A extends unknown[]>(
  command: Command,
  load: () => Promise<Work<A>>,
): Command {
  command.option('--json', 'one JSON object, or one on each line');
  return command.action(async (...args: unknown[]) => {
    // commander appends the options and the command itself.
    const given = args.slice(0, -1);
    const cli = new Cli(command.name(), command.opts<{ json?: true }>().json === true);
    const work = await load();
    await work(cli, ...(given as A));
    flushOutput();
    process.exitCode = cli.status;
  });
}

/** Text below a command's help. */
export const examples = (...lines: string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ foliofs ${line}`).join('\n')}\n`;

/** A second letter for an option, known to old hands only. */
export function alias(command: Command, letter: string, option: string): Command {
  command.addOption(new Option(`-${letter}`).hideHelp());
  return command.on(`option:${letter}`, () => {
    command.setOptionValue(option, true);
  });
}

/** Which extended attributes of the host's files are wanted. */
export const xattrsOption = (what: string): Option =>
  new Option('--xattrs <policy>', `extended attributes${what}`)
    .choices(['auto', 'require', 'none'])
    .default('auto');
